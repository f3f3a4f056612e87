"""Runs that nobody looks after: the machine is checked before, and the whole is bounded in time."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from earwitness.errors import EngineUnavailable

SAFE_HOURS = 6.0


def need_machine() -> None:
    """What `earwitness doctor` looks at, before anything is begun.

    Raises:
        EngineUnavailable: something is in the way of every run.
    """
    from earwitness.preflight import check_machine

    failed = [check for check in check_machine() if check.state == "fail"]
    if failed:
        raise EngineUnavailable(
            "Nothing was begun, since runs will not work here: "
            + "; ".join(f"{check.name}: {check.found}" for check in failed)
            + ".",
            " ".join(check.remedy for check in failed),
        )


@contextmanager
def bounded(hours: float | None) -> Iterator[None]:
    """End the program as SIGTERM does when the block takes longer; None: it may take for ever."""
    if hours is None:
        yield
        return
    timer = threading.Timer(hours * 3600, _time_is_over, [hours])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _time_is_over(hours: float) -> None:
    print(f"earwitness: the {hours:g} hours that the whole run may take are over (--within).", file=sys.stderr)
    os.kill(os.getpid(), signal.SIGTERM)
