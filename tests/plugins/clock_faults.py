"""A clock that was moved. Installed in a child process before the program starts."""

import importlib
import time
from datetime import timedelta
from typing import Any


def main_with_the_clock_moved(by_s: int) -> str:
    """Code for `tests.runs.ChildRun`: the command on a machine whose clock is off."""
    from tests.runs import MAIN

    return f"from tests.plugins import clock_faults\nclock_faults.move({by_s})\n{MAIN}"


def move(by_s: int) -> None:
    """Let Python's and Prefect's wall clocks be off by some seconds; the monotonic clock goes on as it does."""
    true_time, true_ns = time.time, time.time_ns
    time.time = lambda: true_time() + by_s
    time.time_ns = lambda: true_ns() + by_s * 10**9
    importlib.import_module("tasks")  # switches telemetry off before Prefect is imported
    clock: Any = importlib.import_module("prefect.types._datetime")
    true_now = clock.now
    clock.now = lambda *zone: true_now(*zone) + timedelta(seconds=by_s)
