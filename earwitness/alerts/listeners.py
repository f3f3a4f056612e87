"""What tells people by itself: a breaker that opens, and stored bytes that are not what they were."""

from pathlib import Path

from earwitness.alerts.alert import breaker_open, corruption_found
from earwitness.alerts.tell import raise_alert
from earwitness.home import home
from earwitness.services.breaker import BreakerState, on_open
from earwitness.storage.damage import on_damage

_listening: list[bool] = []


def tell_of_breakers_and_damage() -> None:
    """From now on people are told of both, whatever this process does. Called twice it changes nothing."""
    if not _listening:
        _listening.append(True)
        on_open(_tell_of_breaker)
        on_damage(_tell_of_damage)


def _tell_of_breaker(state: BreakerState) -> None:
    raise_alert(breaker_open(state.service, failures=state.failures, retry_s=state.wait_s))


def _tell_of_damage(what: str, where: str) -> None:
    # one message for all that a failing disk does in an hour, with the first file as an example
    here = Path(where).is_relative_to(home())
    raise_alert(corruption_found(what, where=str(home()) if here else "shared store"))
