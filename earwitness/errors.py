"""Everything that can go wrong, each with an exit code and a remedy.

One root, two markers: `Transient` errors may succeed when tried again, `Terminal` ones will not. Retries look at
the class and never at the text.
"""

import re
from collections.abc import Iterable
from enum import IntEnum
from typing import Any, ClassVar

# Controls (a terminal obeys them), marks that turn the direction of text, and bytes of a name that is not UTF-8.
_UNPRINTABLE = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ud800-\\udfff]")


def printable(text: str) -> str:
    """Text from outside, such as a file name, as it may be shown anywhere: one line that commands no terminal."""
    return _UNPRINTABLE.sub(lambda match: " " if match[0] in "\n\r\t" else "\ufffd", text)


class ExitCode(IntEnum):
    """What the command line returns; also written into results as `error.exit_code`."""

    DONE = 0
    BUG = 1
    USAGE = 2
    BAD_RECORDING = 3
    UNAVAILABLE = 4
    BUDGET = 5
    STORAGE = 6
    PARTIAL = 7
    INTERRUPTED = 130


class EarwitnessError(Exception):
    """Root of all expected failures.

    Args:
        message: what was found, and what is allowed.
        remedy: what to do next, as an imperative sentence.
        details: plain values for logs and artifacts (never secrets).
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[ExitCode] = ExitCode.BUG

    def __init__(self, message: str, remedy: str = "", **details: Any) -> None:
        message, remedy = printable(message), printable(remedy)
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy
        self.details = details

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.remedy, self.details)

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()

    def attrs(self) -> dict[str, Any]:
        """The fields that results, artifacts and alerts print."""
        return {
            "code": self.code,
            "message": self.message,
            "remedy": self.remedy,
            "exit_code": int(self.exit_code),
            "transient": isinstance(self, Transient),
        }


def _rebuild(cls: type[EarwitnessError], message: str, remedy: str, details: dict[str, Any]) -> EarwitnessError:
    return cls(message, remedy, **details)


class Transient(EarwitnessError):
    """May succeed when tried again.

    A service may say when: pass `retry_after_s=` (seconds) among the details, and the next try waits at least so long.
    """

    @property
    def retry_after_s(self) -> float | None:
        """Seconds until another try makes sense; None when nobody said."""
        value = self.details.get("retry_after_s")
        return float(value) if value is not None else None


class Terminal(EarwitnessError):
    """Will fail again in the same way."""


class UsageError(Terminal):
    """A setting, option or argument is not acceptable."""

    code = "usage"
    exit_code = ExitCode.USAGE


class UnknownValue(UsageError):
    """A name is not one of the allowed ones."""

    code = "unknown-value"

    @classmethod
    def of(cls, what: str, got: str, allowed: Iterable[str]) -> "UnknownValue":
        """Build the message from what was given and what is allowed."""
        names = ", ".join(sorted(allowed))
        return cls(f"Unknown {what} {got!r}.", f"Use one of: {names}.", what=what, got=got)


class BadRecording(Terminal):
    """The file is missing, unreadable, or holds no usable sound."""

    code = "bad-recording"
    exit_code = ExitCode.BAD_RECORDING


class RecordingGone(BadRecording):
    """The file was there when the run began, or when a bundle was made, and is not any more."""

    code = "recording-gone"


class BadTranscript(Terminal):
    """A transcript given beside the recording can't be read."""

    code = "bad-transcript"
    exit_code = ExitCode.USAGE


class ContractBroken(Terminal):
    """A stage gave data that breaks its contract; the message names the rows."""

    code = "contract-broken"
    exit_code = ExitCode.BUG


class EngineUnavailable(Terminal):
    """No allowed engine or model can run here; the message lists what was tried."""

    code = "engine-unavailable"
    exit_code = ExitCode.UNAVAILABLE


class EngineFailed(Terminal):
    """An engine ran and refused the work for a reason that trying again won't change."""

    code = "engine-failed"
    exit_code = ExitCode.UNAVAILABLE


class EngineCrashed(Transient):
    """The process that ran an engine died (native crash, out of memory, killed)."""

    code = "engine-crashed"
    exit_code = ExitCode.UNAVAILABLE


class EngineTimeout(Transient):
    """An engine passed the time limit of its stage and was stopped."""

    code = "engine-timeout"
    exit_code = ExitCode.UNAVAILABLE


class ToolFailed(Transient):
    """ffmpeg died or stalled on a file that it should be able to process."""

    code = "tool-failed"
    exit_code = ExitCode.UNAVAILABLE


class ServiceUnavailable(Transient):
    """A hosted service is down, overrun, or left alone for a while because it kept failing."""

    code = "service-unavailable"
    exit_code = ExitCode.UNAVAILABLE


class ServerUnavailable(Transient):
    """Prefect's server can't be reached or fails."""

    code = "server-unavailable"
    exit_code = ExitCode.UNAVAILABLE


class WorkersUnavailable(Transient):
    """The Dask workers that a batch was given to can't be reached, or can't be used for it."""

    code = "workers-unavailable"
    exit_code = ExitCode.UNAVAILABLE


class BudgetExceeded(Terminal):
    """A call could cost more than a budget has left, and was not made; the message says which budget."""

    code = "budget"
    exit_code = ExitCode.BUDGET


class PriceUnknown(Terminal):
    """A budget in dollars is set, and nobody stated what a call costs; it was not made."""

    code = "price-unknown"
    exit_code = ExitCode.BUDGET


class Interrupted(Terminal):
    """The user, or the system, asked the run to stop."""

    code = "interrupted"
    exit_code = ExitCode.INTERRUPTED


class ChannelDown(Transient):
    """A channel of alerts did not answer, or asked to be left alone for a while."""

    code = "channel-down"
    exit_code = ExitCode.UNAVAILABLE


class ChannelRefused(Terminal):
    """A channel of alerts answered that it does not want the message."""

    code = "channel-refused"
    exit_code = ExitCode.UNAVAILABLE


class StorageError(Terminal):
    """Disk full, not writable, or a path that can't be used."""

    code = "storage"
    exit_code = ExitCode.STORAGE


class StoreUnreachable(Transient):
    """The service behind EARWITNESS_STORE does not answer, or not as it should."""

    code = "store-unreachable"
    exit_code = ExitCode.STORAGE


class DamagedFile(ValueError):
    """A stored file is missing or its digest differs; loading code treats it as a cache miss.

    A `ValueError`, so that pydantic turns it into a validation failure while a checkpoint is loaded.
    """
