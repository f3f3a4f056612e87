"""Time and memory limits of an engine's process, kept from outside it."""

import math
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from earwitness.errors import EngineCrashed, EngineTimeout, UsageError

_MEMORY_TICK_S = 0.1


class Guard:
    """Watches over one call, from a thread of its own: a slow listener to progress must not delay the limits.

    Args:
        family: of the engine, for messages.
        pid: its process.
        timeout_s: limit of the call, from when the guard is entered.
        stop: called, at most once, with the error that the caller should see.

    Raises:
        UsageError: `EARWITNESS_ENGINE_MEMORY_GB` is set to something that is no limit.
    """

    def __init__(
        self, family: str, pid: int, timeout_s: float, stop: Callable[[EngineCrashed | EngineTimeout], None]
    ) -> None:
        self._family = family
        self._pid = pid
        self._timeout_s = timeout_s
        self._memory = memory_limit()
        self._stop = stop
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"earwitness-guard-{family}", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()

    def _watch(self) -> None:
        deadline = time.monotonic() + self._timeout_s
        tick = _MEMORY_TICK_S if self._memory else threading.TIMEOUT_MAX
        while not self._done.wait(max(0.0, min(deadline - time.monotonic(), tick))):
            if time.monotonic() >= deadline:
                self._stop(self._too_long())
                return
            if self._memory and (used := resident_bytes(self._pid)) > self._memory:
                self._stop(self._too_big(used, self._memory))
                return

    def _too_long(self) -> EngineTimeout:
        return EngineTimeout(
            f"The {self._family} engine passed its time limit of {self._timeout_s:g} s and was stopped.",
            "Allow it more time (limits.min_timeout_s, limits.timeout_per_hour_s) or choose a smaller model.",
            family=self._family,
            timeout_s=self._timeout_s,
        )

    def _too_big(self, used: int, limit: int) -> EngineCrashed:
        return EngineCrashed(
            f"The {self._family} engine ran out of memory: it took {used / 2**30:.2f} GB of the "
            f"{limit / 2**30:.2f} GB that are allowed, and was stopped.",
            "Choose a smaller batch (transcribe.batch_size) or model, or raise EARWITNESS_ENGINE_MEMORY_GB.",
            family=self._family,
            out_of_memory=True,
        )


def memory_limit() -> int | None:
    """`EARWITNESS_ENGINE_MEMORY_GB` in bytes, if it is set.

    Raises:
        UsageError: it is not a positive number.
    """
    text = os.environ.get("EARWITNESS_ENGINE_MEMORY_GB", "").strip()
    if not text:
        return None
    try:
        limit = float(text)
    except ValueError:
        limit = math.nan
    if not 0 < limit < math.inf:
        raise UsageError(
            f"EARWITNESS_ENGINE_MEMORY_GB is {text!r}, not a number of gigabytes.", "Set it to, say, 8, or unset it."
        )
    return int(limit * 2**30)


def resident_bytes(pid: int) -> int:
    """Physical memory of a process; 0 when it is gone.

    An address-space limit (RLIMIT_AS) would be simpler, but CUDA reserves terabytes of addresses that it never uses.
    """
    if Path("/proc/self/statm").exists():
        try:
            return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            return 0
    shown = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return int(shown.strip() or 0) * 1024
