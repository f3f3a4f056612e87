"""Processing a drop: a bounded number of times, and to an end that is told beside the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from earwitness.drops.folder import Drop, DropFolder
from earwitness.errors import EarwitnessError, ExitCode
from earwitness.options import RunOptions
from earwitness.result import Outcome, RunResult

MAX_TRIES = 3
PAUSE_S = 300.0
"""After the first trouble that may pass; doubles each time."""
_PASSING = (ExitCode.UNAVAILABLE, ExitCode.BUDGET, ExitCode.STORAGE)
"""Troubles of the machine and its services; the recording may be all right."""


@dataclass
class Work:
    """A drop in hand."""

    folder: DropFolder
    drop: Drop
    tries: int

    @property
    def recording(self) -> Path:
        """The file to be processed."""
        return self.folder.recording(self.drop)

    def options(self) -> RunOptions | None:
        """How to process it; None if its options can't be used: it is rejected then."""
        try:
            return self.folder.options(self.drop)
        except EarwitnessError as error:
            self.folder.end(self.drop, outcome=Outcome.FAILED, reason=str(error))
            return None

    def conclude(self, result: RunResult) -> str:
        """Bring the file to its place, or keep it for another try; what was done, for people."""
        error = result.error
        reason = f"{error.message} {error.remedy}".strip() if error else ""
        if result.outcome is Outcome.FAILED and error and error.exit_code in _PASSING and self.tries < MAX_TRIES:
            return self.postpone(reason)
        if result.outcome is Outcome.FAILED and self.tries > 1:
            reason += f" It was tried {self.tries} times. Move it back into incoming to try again."
        self.folder.end(self.drop, outcome=result.outcome, reason=reason, bundle=result.bundle)
        return f"{self.drop.name}: {result.outcome.value}{reason and f'. {reason}'}"

    def postpone(self, reason: str) -> str:
        """Keep the file for another try after a while."""
        pause_s = PAUSE_S * 2 ** (self.tries - 1)
        self.folder.note_try(self.drop, self.tries, again_in_s=pause_s)
        return f"{self.drop.name}: tried again in {pause_s / 60:.0f} minutes. {reason}"

    def reject(self, reason: str) -> None:
        """Give it up."""
        self.folder.end(self.drop, outcome=Outcome.FAILED, reason=reason)


@contextmanager
def work_on(folder: DropFolder, drop: Drop) -> Iterator[Work | None]:
    """A drop that is `in_hand`, to be processed now; None if it kills whoever processes it.

    A process that is told to stop (and not killed) leaves the drop as if it had never begun.
    """
    tries = folder.tries(drop)[0] + 1
    if tries > MAX_TRIES:
        folder.end(
            drop,
            outcome=Outcome.QUARANTINED,
            reason=f"Whatever processed it was killed, {tries - 1} times. Often memory has run out: see the log of "
            "the system. Move it back into incoming to try again.",
        )
        yield None
        return
    folder.note_try(drop, tries)
    try:
        yield Work(folder, drop, tries)
    except Exception as error:
        if folder.drop(drop.ticket):
            folder.end(drop, outcome=Outcome.FAILED, reason=f"A bug: {type(error).__name__}: {error}")
        raise
    except BaseException:
        folder.note_try(drop, tries - 1)
        raise
