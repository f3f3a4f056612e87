"""Tell people: `raise_alert` and be done; sending happens beside the work and takes a bounded time."""

import atexit
import contextvars
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from earwitness.alerts.alert import Alert, Message
from earwitness.alerts.channels import Channel, read_channels
from earwitness.alerts.outbox import Outbox
from earwitness.alerts.settings import AlertSettings, alert_settings
from earwitness.errors import EarwitnessError, Transient

log = logging.getLogger(__name__)

_THREAD = "earwitness-alerts"
_FIRST_PAUSE_S = 0.5
_AT_EXIT_S = 5.0


@dataclass(frozen=True)
class Delivery:
    """What came of one channel."""

    channel: str
    problem: str = ""
    """Empty: the channel took the message."""


def raise_alert(alert: Alert) -> None:
    """Tell people, unless they were told of the same trouble a short while ago. Returns at once, and never raises.

    Without any channel nothing happens. A channel that is dead is logged, and the message is kept for the next
    `send_waiting`.
    """
    log.info("alert %s: %s", alert.code, alert.title)
    try:
        settings = alert_settings()
    except EarwitnessError as error:
        _log_once(str(error))
        return
    if not settings.anybody:
        return
    outbox = Outbox(settings.window_s)  # now: the environment says where it lies

    def work() -> None:
        message = outbox.claim(alert)
        if message is not None:
            _send(message, settings, outbox)

    _beside(work)


def send_waiting() -> list[str]:
    """Send what could not be sent, and how much was held back; titles of what was sent.

    Raises:
        UsageError: the settings of alerts can't be used.
    """
    settings = alert_settings()
    if not settings.anybody:
        return []
    outbox = Outbox(settings.window_s)
    return [message.alert.title for message in outbox.due() if _send(message, settings, outbox)]


def send_now(alert: Alert, settings: AlertSettings) -> list[Delivery]:
    """Send to every channel, whoever was told what before, and say what came of each.

    Raises:
        UsageError: the settings of alerts can't be used.
    """
    channels, problems = read_channels(settings, _from_blocks(settings))
    return [
        *(Delivery(*problem.split(": ", 1)) for problem in problems),
        *_to_all(Message(alert, 0, time.time()), channels, settings),
    ]


def wait_for_alerts(timeout_s: float) -> bool:
    """Wait until nothing is being sent any more; whether that came about in time."""
    deadline = time.monotonic() + timeout_s
    with _guard:
        threads = list(_threads)
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)


block_reader: Callable[[Sequence[str]], list[str]] | None = None
"""Gives the URLs in named secret blocks. Set by the Prefect side, of which this package knows nothing."""


def _from_blocks(settings: AlertSettings) -> tuple[str, ...]:
    if not settings.blocks:
        return ()
    if block_reader is None:
        _log_once("EARWITNESS_ALERT_BLOCKS is set, but this process does not use Prefect: these channels are left out")
        return ()
    return tuple(block_reader(settings.blocks))


def _send(message: Message, settings: AlertSettings, outbox: Outbox) -> bool:
    channels, problems = read_channels(settings, _from_blocks(settings))
    deliveries = _to_all(message, channels, settings)
    for problem in problems:
        _log_once(f"alerts: {problem}")
    for delivery in deliveries:
        if delivery.problem:
            _log_once(f"alerts: {delivery.problem}", about=delivery.channel)
    reached = any(not delivery.problem for delivery in deliveries)
    if reached:
        outbox.delivered(message)
    return reached


def _to_all(message: Message, channels: Sequence[Channel], settings: AlertSettings) -> list[Delivery]:
    """Every channel in a thread of its own, so that a slow one does not hold up the others."""
    ended: dict[int, Delivery] = {}
    deadline = time.monotonic() + settings.deadline_s

    def one(number: int, channel: Channel) -> None:
        ended[number] = _to_one(message, channel, settings, deadline)

    threads = [
        threading.Thread(target=one, args=item, name=f"{_THREAD}-{item[0]}", daemon=True)
        for item in enumerate(channels)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = f"no answer within {settings.deadline_s:.0f} s"
    return [
        ended.get(number, Delivery(channel.shown, f"{channel.shown}: {late}"))
        for number, channel in enumerate(channels)
    ]


def _to_one(message: Message, channel: Channel, settings: AlertSettings, deadline: float) -> Delivery:
    problem = ""
    for attempt in range(settings.tries):
        if attempt:
            pause = _FIRST_PAUSE_S * 2**attempt * random.uniform(0.5, 1.5)
            if time.monotonic() + pause > deadline:
                break
            time.sleep(pause)
        try:
            channel.send(message)
            return Delivery(channel.shown)
        except EarwitnessError as error:
            problem = str(error)
            if not isinstance(error, Transient):
                break
        except Exception as error:  # noqa: BLE001 - a library's error; its text may hold the channel's address
            problem = f"{channel.shown} failed with {type(error).__name__}."
            break
    return Delivery(channel.shown, problem)


_threads: set[threading.Thread] = set()
_guard = threading.Lock()
_logged: set[str] = set()


def _beside(work: Callable[[], None]) -> None:
    """Run in a thread that sees the caller's context, and that the process waits for a moment when it ends."""
    context = contextvars.copy_context()

    def run() -> None:
        try:
            context.run(work)
        except Exception as error:  # noqa: BLE001 - alerts must not disturb; the text may hold an address
            _log_once(f"alerts failed with {type(error).__name__}")
        finally:
            with _guard:
                _threads.discard(thread)

    thread = threading.Thread(target=run, name=_THREAD, daemon=True)
    with _guard:
        _threads.add(thread)
    try:
        thread.start()
    except RuntimeError:  # the interpreter is shutting down, or the system has no threads left
        with _guard:
            _threads.discard(thread)
        _log_once("no alert can be sent any more: no thread can be started")


def _log_once(text: str, about: str = "") -> None:
    with _guard:
        if (about or text) in _logged:
            return
        _logged.add(about or text)
    log.warning("%s", text)


def _forget_threads() -> None:
    """After a fork: the parent's threads are not here."""
    global _guard
    _guard = threading.Lock()
    _threads.clear()


os.register_at_fork(after_in_child=_forget_threads)
atexit.register(wait_for_alerts, _AT_EXIT_S)
