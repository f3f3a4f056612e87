"""A recording that costs more than is allowed: nothing is lost, nothing is paid twice, and every cent is told."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from earwitness.money.ledger import Ledger
from earwitness.result import Outcome
from earwitness.services import chat_model
from earwitness.speech import openai_recogniser
from flows import run_flow
from tests.chat_server import ChatService, Question, chat_server
from tests.flows.conftest import QUICK, stages
from tests.openai_server import Service, openai_server

pytestmark = [pytest.mark.server, pytest.mark.slow]

PIECE_MS = 3_000


def answer(question: Question) -> object:
    lines = [(key, text) for key, _, text in question.lines]
    empty: dict[str, list[object]] = {
        name: [] for name in ("subjects", "names", "places", "dates", "warnings", "quotes")
    }
    return {
        "title": {"text": lines[0][1], "evidence": [lines[0][0]]},
        "chapters": [{"title": "Call", "first": lines[0][0]}],
        "abstract": [{"text": text, "evidence": [key]} for key, text in lines],
        **empty,
    }


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch, own_home: Path) -> Iterator[tuple[Service, ChatService]]:
    """A recogniser at 60 cents a minute, and a chat model at 10 dollars a million tokens."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(openai_recogniser, "PIECE_MS", PIECE_MS)
    monkeypatch.setattr(chat_model, "_MOST_OUTPUT", 1_000)
    with openai_server() as heard, chat_server(answer) as written:
        (own_home / "prices.toml").write_text(
            f'[[price]]\naddress = "{heard.address}"\nminute_usd = 0.6\n'
            f'[[price]]\naddress = "{written.address}"\ninput_usd = 10\noutput_usd = 10\n'
        )
        yield heard, written


def test_a_run_stops_at_its_budget_and_the_next_pays_only_the_rest(
    short_call: Path, services: tuple[Service, ChatService], tmp_path: Path, own_home: Path
) -> None:
    heard, written = services
    options: dict[str, Any] = {
        **QUICK,
        "out": tmp_path / "out",
        "transcribe": {"engine": "openai", "base_url": heard.address},
        "summarize": {"engine": "chat", "model": "a-model", "base_url": written.address},
    }

    stopped = run_flow(short_call, **options, budget={"run_usd": 0.07})
    assert stopped.outcome is Outcome.FAILED
    assert stopped.exit_code == 5
    assert stopped.error is not None
    assert stopped.error.code == "budget"
    assert "budget.run_usd allows $0.0700" in stopped.error.message
    paid_first = sum(heard.answered.values())
    assert 0 < stopped.cost_usd <= 0.07
    assert any("of budget.run_usd is spent or set aside" in warning for warning in stopped.warnings)
    assert "diarize" in stages(stopped, "cached")

    done = run_flow(short_call, **options, budget={"run_usd": 1})
    assert done.outcome is Outcome.DONE, done.error
    assert set(heard.answered.values()) == {1}, "a piece was paid for twice"
    pieces = sum(heard.answered.values())
    assert 0 < paid_first < pieces
    assert len(written.paid) == 1
    ledger = Ledger().rows()
    assert {row.state for row in ledger} == {"settled"}
    assert {row.spender.recording for row in ledger} == {done.recording_id}
    total = sum(row.usd_micro or 0 for row in ledger) / 1e6
    assert stopped.cost_usd + done.cost_usd == pytest.approx(total)
    assert done.bundle is not None
    receipts = json.loads((done.bundle / "recording.json").read_text())["receipts"]
    assert receipts["total_usd"] == pytest.approx(total)
    by_stage = {item["stage"]: item for item in receipts["items"]}
    assert by_stage["transcribe"]["calls"] == pieces
    assert by_stage["transcribe"]["audio_s"] == pytest.approx(sum(asked.seconds for asked in heard.asked), abs=0.01)
    asked = written.paid[0].body
    prompt = sum(len(str(message["content"])) for message in asked["messages"]) // 4
    assert (by_stage["summarize"]["input_tokens"], by_stage["summarize"]["output_tokens"]) == (prompt, 10)
    assert by_stage["summarize"]["cost_usd"] == pytest.approx((prompt + 10) * 10 / 1e6, abs=2e-6)
    page = (done.bundle / "report.html").read_text("utf-8")
    assert f"${by_stage['transcribe']['cost_usd']:.4f}" in page

    again = run_flow(short_call, **options, budget={"run_usd": 0})
    assert (again.outcome, again.cost_usd) == (Outcome.DONE, 0)
    assert stages(again) == set()

    options["summarize"]["words"] = 77
    cheap = run_flow(short_call, **options, budget={"run_usd": 0, "at_limit": "downgrade"})
    assert cheap.outcome is Outcome.DONE
    assert (cheap.engines["summarize"], cheap.cost_usd, len(written.paid)) == ("extractive", 0, 1)
    assert any(
        warning.startswith("summarize went on with extractive: the budget (run_usd)") for warning in cheap.warnings
    )
    assert cheap.bundle is not None
    recorded = json.loads((cheap.bundle / "recording.json").read_text())
    assert recorded["engines"]["summarize"]["degraded"] is True
    assert recorded["settings"]["summarize"]["engine"] == "extractive"
    assert [item["stage"] for item in recorded["receipts"]["items"]] == ["transcribe"]


def test_what_was_heard_is_published_when_only_the_notes_are_too_dear(
    short_call: Path, services: tuple[Service, ChatService], tmp_path: Path
) -> None:
    _, written = services
    options: dict[str, Any] = {
        **QUICK,
        "out": tmp_path / "out",
        "summarize": {"engine": "chat", "model": "a-model", "base_url": written.address},
    }
    part = run_flow(short_call, **options, budget={"run_usd": 0.001})
    assert (part.outcome, part.exit_code, part.cost_usd) == (Outcome.PARTIAL, 7, 0)
    assert part.error is not None
    assert part.error.code == "budget"
    assert "budget.run_usd allows $0.0010" in part.error.message
    assert part.bundle is not None
    assert (part.bundle / "transcript.srt").is_file()
    assert not (part.bundle / "notes.json").exists()
    recorded = json.loads((part.bundle / "recording.json").read_text())
    assert [(item["stage"], item["code"]) for item in recorded["missing"]] == [("summarize", "budget")]
    assert written.asked == []

    whole = run_flow(short_call, **options, budget={"run_usd": 1})
    assert whole.outcome is Outcome.DONE
    assert (whole.bundle, len(written.paid)) == (part.bundle, 1)
    assert (part.bundle / "notes.json").is_file()

    # a bundle that has its notes does not lose them for want of money
    kept = run_flow(part.bundle, budget={"run_usd": 0}, summarize={"words": 60})
    assert (kept.outcome, kept.exit_code) == (Outcome.FAILED, 5)
    assert (part.bundle / "notes.json").is_file()
