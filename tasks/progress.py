"""Progress of stages: to whoever listens in this process, and to Prefect's UI."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from threading import Lock
from typing import Literal
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import TaskRunContext

from earwitness.progress import Progress

log = logging.getLogger(__name__)

ARTIFACT_PAUSE_S = 2.0
"""An update costs a request; people do not need more, and none of a stage that ends sooner."""


@dataclass(frozen=True, slots=True)
class StageEvent:
    """Something happened to a stage of a recording."""

    recording: str
    stage: str
    kind: Literal["started", "moved", "ended"]
    share: float = 0.0
    note: str = ""
    """For `ended`: computed, cached, skipped or failed."""


Listener = Callable[[StageEvent], None]

current_recording: ContextVar[str] = ContextVar("current_recording", default="")
_listeners: list[Listener] = []
_guard = Lock()


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Hand every stage event of this process to `listener` (called from several threads)."""
    with _guard:
        _listeners.append(listener)
    try:
        yield
    finally:
        with _guard:
            _listeners.remove(listener)


def tell(event: StageEvent) -> None:
    """Hand an event to the listeners."""
    with _guard:
        listeners = list(_listeners)
    for listener in listeners:
        listener(event)


def stage_progress(stage: str) -> Progress:
    """The progress of a stage that runs inside a Prefect task."""
    recording = current_recording.get()
    artifact = _ProgressArtifact(stage)

    def report(share: float, note: str = "") -> None:
        tell(StageEvent(recording, stage, "moved", share, note))
        artifact.show(share)

    return report


class _ProgressArtifact:
    """A progress bar in Prefect's UI. Decoration: a server that refuses it never fails a stage."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._id: UUID | None = None
        self._last = time.monotonic()
        self._broken = TaskRunContext.get() is None

    def show(self, share: float) -> None:
        now = time.monotonic()
        ends = share >= 1 and self._id is not None
        if self._broken or (not ends and now - self._last < ARTIFACT_PAUSE_S):
            return
        self._last = now
        try:
            if self._id is None:
                made = create_progress_artifact(progress=share * 100, description=f"{self._stage}")
                self._id = made if isinstance(made, UUID) else None
            else:
                update_progress_artifact(artifact_id=self._id, progress=share * 100)
        except Exception as error:  # noqa: BLE001 - whatever the server says, the stage goes on
            log.debug("no progress artifact for %s: %s", self._stage, error)
            self._broken = True
