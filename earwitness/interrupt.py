"""Stopping at once when a run is interrupted (Ctrl-C, SIGTERM, a cancelled run).

Python raises in the main thread only, while stages work in threads that wait for engines, for ffmpeg, or for a lock
that another process holds. Without a word to them the program would go on until they are done, and a stage whose
ffmpeg got the same signal would be tried again.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from types import FrameType

from earwitness.errors import Interrupted

Stop = Callable[[], None]

_told: list[Stop] = []
_asked = False


def interrupt(_signal: int = 0, _frame: FrameType | None = None) -> None:
    """What a signal that means "end now" does, where a program lets it.

    Raises:
        KeyboardInterrupt: always; where Python drops it, `interrupt_once_more` raises it again.
    """
    global _asked
    _asked = True
    raise KeyboardInterrupt


def interrupt_once_more() -> None:
    """Call it while waiting. An exception in a destructor or a callback of the garbage collector is dropped by Python.

    Raises:
        KeyboardInterrupt: a signal came, and yet the caller still waits.
    """
    if _asked:
        raise KeyboardInterrupt


def when_interrupted(tell: Stop) -> None:
    """Call `tell` whenever a run of this process is interrupted: a program that must end can then see to it."""
    _told.append(tell)


class Interruption:
    """Of one run. Whatever is started on the run's behalf, in any thread, is stopped when it happens."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._happened = False
        self._stops: dict[object, Stop] = {}

    @property
    def happened(self) -> bool:
        """Whether the run was interrupted."""
        return self._happened

    def happen(self) -> None:
        """Stop everything that works for the run; what it starts from now on raises `Interrupted`."""
        with self._guard:
            self._happened = True
            stops = list(self._stops.values())
        for stop in [*stops, *_told]:
            stop()

    @contextmanager
    def stopping(self, stop: Stop) -> Iterator[None]:
        """Call `stop` if it happens while the block runs."""
        mark = object()
        with self._guard:
            self._stops[mark] = stop
        try:
            yield
        finally:
            with self._guard:
                del self._stops[mark]


current_interruption: ContextVar[Interruption | None] = ContextVar("current_interruption", default=None)
"""Of the run that this thread works for; Prefect hands it on to the threads of the stages."""


def stop_if_interrupted() -> None:
    """End here if the run was interrupted.

    Raises:
        Interrupted: it was.
    """
    interruption = current_interruption.get()
    if interruption is not None and interruption.happened:
        raise Interrupted("The run was interrupted.", "Run the same command again: finished stages are kept.")


@contextmanager
def stoppable(stop: Stop) -> Iterator[None]:
    """A block that an interruption ends early by calling `stop` (from another thread).

    Raises:
        Interrupted: the run was interrupted, before or while the block ran; how the block ended does not matter then.
    """
    interruption = current_interruption.get()
    if interruption is None:
        yield
        return
    stop_if_interrupted()
    try:
        with interruption.stopping(stop):
            stop_if_interrupted()
            yield
    finally:
        stop_if_interrupted()
