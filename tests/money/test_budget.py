"""Where limits come from."""

from pathlib import Path

import pytest

from earwitness.errors import UsageError
from earwitness.money.budget import Budget, BudgetLimits, Limit, machine_limits


def test_limits_are_exact_in_the_ledgers_units() -> None:
    given = BudgetLimits(run_usd=0.29, day_requests=5, user_tokens=7, total_audio_minutes=1.5)
    assert given.limits() == (
        Limit("run", "usd", 290_000, "budget.run_usd"),
        Limit("day", "requests", 5, "budget.day_requests"),
        Limit("user", "tokens", 7, "budget.user_tokens"),
        Limit("total", "audio_minutes", 90_000, "budget.total_audio_minutes"),
    )
    assert Budget().limits() == ()


def test_the_machines_limits_come_from_its_file_and_its_environment(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machine_limits() == ()
    (own_home / "budget.toml").write_text("day_usd = 10\n")
    monkeypatch.setenv("EARWITNESS_BUDGET_DAY_USD", "3.5")
    assert machine_limits() == (
        Limit("day", "usd", 10_000_000, f"day_usd in {own_home / 'budget.toml'}"),
        Limit("day", "usd", 3_500_000, "EARWITNESS_BUDGET_DAY_USD"),
    )
    other = own_home / "other.toml"
    other.write_text("total_requests = 3\n")
    monkeypatch.setenv("EARWITNESS_BUDGET_FILE", str(other))
    assert [limit.scope for limit in machine_limits()] == ["total", "day"]


@pytest.mark.parametrize("text", ["dayusd = 1", "day_usd = -1", "day_usd = nan", "day_usd = 'lots'", "day_usd"])
def test_a_budget_with_a_mistake_is_refused(own_home: Path, text: str) -> None:
    (own_home / "budget.toml").write_text(text)
    with pytest.raises(UsageError, match=r"budget\.toml"):
        machine_limits()


def test_a_variable_with_a_mistake_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARWITNESS_BUDGET_DAY_DOLLARS", "3")
    with pytest.raises(UsageError, match="day_dollars"):
        machine_limits()
