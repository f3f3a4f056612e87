"""`earwitness costs`: what was spent, in any cut."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from earwitness.cli import cli
from earwitness.money.costs import bars, costs
from earwitness.money.ledger import Ledger, Spender
from earwitness.money.prices import Usage

DAY = 86_400_000


@pytest.fixture
def spent(own_home: Path) -> int:
    """A ledger of ten days; the time of its last call."""
    now = [0]
    ledger = Ledger(clock=lambda: now[0])
    last = Ledger().now_ms()
    calls: list[tuple[float, str, str, str, int | None]] = [
        (10, "anna", "transcribe", "whisper-1", 60_000),
        (5, "anna", "summarize", "gpt-4.1-mini", 2_000),
        (1, "ben", "transcribe", "whisper-1", 30_000),
        (0.1, "ben", "summarize", "llama", None),
        (0, "ben", "transcribe", "whisper-1", 500_000),
    ]
    for days, user, stage, model, usd in calls:
        now[0] = last - round(days * DAY)
        spender = Spender(f"r{days}", "rec", stage, user, "podcast")
        usage = Usage(input_tokens=100) if stage == "summarize" else Usage(audio_ms=60_000)
        place = ledger.reserve(spender, "k", "a service", model, usage, usd, ())
        if days:
            ledger.settle(place.id, "k", usage, usd)
    return last


def asked(*arguments: str) -> Any:
    done = CliRunner().invoke(cli, ["costs", *arguments])
    assert done.exit_code == 0, done.output
    return json.loads(done.output) if "--json" in arguments else done.output


def test_groups_are_what_was_asked_for(spent: int) -> None:
    by_model = {line["name"]: line for line in asked("--json")["groups"]}
    assert list(by_model) == ["a service: whisper-1", "a service: gpt-4.1-mini", "a service: llama"]
    assert by_model["a service: whisper-1"]["cost_usd"] == pytest.approx(0.59)
    assert by_model["a service: whisper-1"]["audio_minutes"] == 3
    assert by_model["a service: llama"]["unpriced_calls"] == 1
    for by, names in {
        "user": ["ben", "anna"], "stage": ["transcribe", "summarize"], "profile": ["podcast"], "recording": ["rec"]
    }.items():  # fmt: skip
        found = asked("--by", by, "--json")
        assert [line["name"] for line in found["groups"]] == names
        assert sum(line["cost_usd"] for line in found["groups"]) == pytest.approx(0.592)
    assert asked("--json")["unclear_usd"] == pytest.approx(0.5)


def test_since_looks_back(spent: int) -> None:
    assert asked("--since", "7d", "--json")["total"]["calls"] == 4
    assert asked("--since", "12h", "--json")["total"]["calls"] == 2
    days = asked("--since", "7d", "--by", "day", "--json")
    assert [line["name"] for line in days["groups"]] == sorted(line["name"] for line in days["groups"])


def test_the_trend_has_no_gaps_and_all_the_money(spent: int) -> None:
    trend = costs().trend
    assert 10 <= len(trend) <= 12
    assert sum(line.cost_usd for line in trend) == pytest.approx(0.592)
    hours = costs(since_s=86_400).trend
    assert 24 <= len(hours) <= 25
    assert all(line.name.endswith(":00") for line in hours)


def test_people_see_a_table_a_trend_and_what_is_left(spent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARWITNESS_BUDGET_DAY_USD", "10")
    text = asked()
    assert "a service: whisper-1" in text
    assert "$0.59 + unknown" in text
    assert "The price of 1 calls is not known" in text
    assert "█" in text
    assert "limit EARWITNESS_BUDGET_DAY_USD: $0.50 of $10.00" in text


def test_nothing_spent_is_said_and_makes_no_file(own_home: Path) -> None:
    assert asked("--since", "7d").startswith("Nothing was spent since ")
    assert asked("--json")["total"]["calls"] == 0
    assert list(own_home.iterdir()) == []


def test_bars_are_as_high_as_their_values() -> None:
    assert bars([0, 1, 4, 8]) == " ▂▅█"
    assert bars([0, 0]) == "  "
    assert bars([]) == ""
