"""What tells people by itself: a breaker that opens, damaged bytes, and a budget that is nearly used up."""

from pathlib import Path

from earwitness.alerts.alert import breaker_open, budget_near, corruption_found
from earwitness.alerts.tell import raise_alert
from earwitness.home import home
from earwitness.money.paying import on_budget_near
from earwitness.services.breaker import BreakerState, on_open
from earwitness.storage.damage import on_damage

_listening: list[bool] = []


def tell_of_breakers_and_damage() -> None:
    """From now on people are told of these, whatever this process does. Called twice it changes nothing."""
    if not _listening:
        _listening.append(True)
        on_open(_tell_of_breaker)
        on_damage(_tell_of_damage)
        on_budget_near(_tell_of_budget)


def _tell_of_breaker(state: BreakerState) -> None:
    raise_alert(breaker_open(state.service, failures=state.failures, retry_s=state.wait_s))


def _tell_of_budget(where: str, text: str) -> None:
    raise_alert(budget_near(where, text))


def _tell_of_damage(what: str, where: str) -> None:
    # one message for all that a failing disk does in an hour, with the first file as an example
    here = Path(where).is_relative_to(home())
    raise_alert(corruption_found(what, where=str(home()) if here else "shared store"))
