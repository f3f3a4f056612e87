"""Circuit breakers: a hosted service that keeps failing is left alone for a while, by every process of this machine.

Closed: calls go through. After five failures in a row it opens: calls fail at once, without touching the service.
After a minute one call is let through (half-open): if it succeeds the breaker closes, else it stays open for another
minute. The states are Nygard's ("Release It!", 2007); purgatory has the machine, SQLite keeps what it knows.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from earwitness.errors import EarwitnessError, ServiceUnavailable, Transient, UsageError
from earwitness.schema import Record
from earwitness.services.breaker_store import Failures, read_all

FAILURES = 5
PAUSE_S = 60.0
_OUTAGES = frozenset(
    ("ConnectionError", "TimeoutError", "Timeout", "TransportError", "APIConnectionError", "LocalEntryNotFoundError")
)
"""How requests, httpx, openai and huggingface_hub call it that nobody answers; importing them to ask would be slow."""
_BUSY = frozenset((408, 425, 429))


class BreakerState(Record):
    """What is known about a service on this machine."""

    service: str
    state: Literal["closed", "open", "half-open"]
    failures: int
    wait_s: float
    """Seconds until it is tried again; 0 unless open."""


OpenListener = Callable[[BreakerState], None]
_listeners: list[OpenListener] = []


@contextmanager
def hosted(service: str, *, failures: int | None = None, pause_s: float | None = None) -> Iterator[None]:
    """Call a hosted service inside this block, and nothing else.

    Errors pass through as they are. Those that `is_outage` recognises count as failures; any other answer, also a
    refusal (401, 404), shows that the service is there.

    Args:
        service: its name as users know it, e.g. "Hugging Face hub". One breaker a name and machine.
        failures: in a row until it opens; `$EARWITNESS_BREAKER_FAILURES`, else 5.
        pause_s: until it is tried again; `$EARWITNESS_BREAKER_PAUSE_S`, else 60.

    Raises:
        ServiceUnavailable: the breaker is open; `retry_after_s` says for how long.
        StorageError: what the breakers know can't be kept on this machine.
    """
    from purgatory import SyncCircuitBreakerFactory
    from purgatory.domain.model import OpenedState

    store = Failures(failures or _failures(), pause_s or _pause_s())
    factory = SyncCircuitBreakerFactory(
        default_threshold=store.threshold,
        default_ttl=store.pause_s,
        exclude=[(BaseException, lambda error: not is_outage(error))],
        uow=store.unit_of_work(),
    )
    try:
        breaker = factory.get_breaker(service)
        breaker.__enter__()
    except OpenedState as refusal:
        raise _refusal(service, max(0.0, refusal.opened_at + store.pause_s - time.time())) from None
    try:
        yield
    except Exception as error:
        breaker.__exit__(type(error), error, error.__traceback__)
        raise
    else:
        breaker.__exit__(None, None, None)
    finally:
        if store.opened:
            _tell(service)


def is_outage(error: BaseException) -> bool:
    """Whether an error says that a service is down or overrun, and not that it refuses this one request."""
    if isinstance(error, EarwitnessError):
        return isinstance(error, Transient) and not isinstance(error, ServiceUnavailable)
    status = getattr(error, "status_code", None) or getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(status, int):
        return status >= 500 or status in _BUSY
    return any(base.__name__ in _OUTAGES for base in type(error).__mro__)


def breaker_states() -> list[BreakerState]:
    """Every service that was called from this machine, by name. Makes no file and calls nobody.

    Raises:
        StorageError: what the breakers know can't be read.
    """
    return [
        BreakerState(
            service=row.service,
            state="closed" if row.opened_at is None else "open" if row.wait_s else "half-open",
            failures=row.failures,
            wait_s=round(row.wait_s, 3),
        )
        for row in read_all()
    ]


def on_open(listener: OpenListener) -> Callable[[], None]:
    """Have `listener` called when a breaker opens because of a call of this process (not when it stays open).

    Returns:
        what takes the listener off again.
    """
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


def _tell(service: str) -> None:
    state = next((state for state in breaker_states() if state.service == service), None)
    for listener in list(_listeners) if state else []:
        assert state is not None
        listener(state)


def _refusal(service: str, wait_s: float) -> ServiceUnavailable:
    return ServiceUnavailable(
        f"{service} failed several times in a row and is left alone for another {max(1, round(wait_s))} s.",
        "Wait, then run again: finished stages are kept. earwitness doctor shows which services are left alone.",
        service=service,
        retry_after_s=round(wait_s, 3),
    )


def _failures() -> int:
    return int(_number("EARWITNESS_BREAKER_FAILURES", FAILURES, at_least=1))


def _pause_s() -> float:
    return _number("EARWITNESS_BREAKER_PAUSE_S", PAUSE_S, at_least=0)


def _number(name: str, default: float, at_least: float) -> float:
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not at_least <= value < float("inf"):
        raise UsageError(f"{name} is {text!r}, not a number from {at_least:g}.", f"Set it to, say, {default:g}.")
    return value
