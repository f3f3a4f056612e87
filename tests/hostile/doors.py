"""The doors that files from outside come through, opened in a process of their own.

`python -m tests.hostile.doors` reads one JSON object a line, `{"door": ..., "path": ...}`, opens the door, and answers
with a line: what came of it, the message and remedy that a user would see, seconds, and the peak memory so far. What is
not an `EarwitnessError` is a fault of ours and comes back as a traceback.
"""

import json
import resource
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from earwitness.audio.facts import IssueCode
from earwitness.audio.validate import refuse_if_unusable, validate_recording
from earwitness.corrections.corrections import load_corrections
from earwitness.errors import EarwitnessError, UsageError
from earwitness.job import plan_job
from earwitness.options import RunOptions, read_options
from earwitness.settings import ValidateSettings
from earwitness.speech.rttm import read_rttm
from earwitness.speech.sidecar import find_sidecar, read_transcript_file
from earwitness.words.cast import load_cast

FLAWS = {IssueCode.DAMAGED, IssueCode.DURATION_MISMATCH, IssueCode.LOUD, IssueCode.DC_OFFSET}


@dataclass(frozen=True)
class Answer:
    """What happened to one file."""

    outcome: str
    """`accept` (whole), `salvage` (used, with a flaw that is said), `refuse: <code>`, `read`, or `traceback`."""
    message: str = ""
    remedy: str = ""
    seconds: float = 0.0
    peak_mb: int = 0
    """Largest of this process and its finished children so far."""

    @property
    def fault(self) -> str:
        """What is wrong with the answer itself; empty if a user can live with it."""
        if self.outcome in {"traceback", "died", "hangs"}:
            return self.outcome
        if self.outcome.startswith("refuse") and not (self.message and self.remedy):
            return "no remedy"
        shown = f"{self.message} {self.remedy}"
        if any(word in shown for word in ("Invalid data", "Traceback", "Error(", "errno", "surrogate", "\n")):
            return "jargon"
        return ""


def recording(path: Path) -> str:
    """The first stage, as the flow calls it."""
    validated = validate_recording(path, ValidateSettings())
    refuse_if_unusable(validated)
    return "salvage" if FLAWS & {issue.code for issue in validated.quality.issues} else "accept"


def transcript(path: Path) -> str:
    """A sidecar."""
    file = read_transcript_file(path)
    for segment in file.segments:
        assert segment.text.strip()
        if segment.start_ms is not None and segment.end_ms is not None:
            assert 0 <= segment.start_ms < segment.end_ms
    return "read"


def cast(path: Path) -> str:
    """A cast file."""
    load_cast(path)
    return "read"


def rttm(path: Path) -> str:
    """Turns."""
    assert all(0 <= turn.start_ms < turn.end_ms for turn in read_rttm(path))
    return "read"


def corrections(path: Path) -> str:
    """What a person put right."""
    load_corrections(path)
    return "read"


def options(path: Path) -> str:
    """A job: options as JSON, the way the API gets them. Whoever parses the JSON refuses what is none."""
    try:
        values = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise UsageError("This is not JSON.", "Mend it.") from None
    if not isinstance(values, dict):
        raise UsageError("This is no mapping.", "Mend it.")
    read_options(values)
    return "read"


def plan(path: Path) -> str:
    """What the flow does first with any path: digest, sidecar, engines."""
    find_sidecar(path)
    plan_job(path, RunOptions())
    return "read"


DOORS: dict[str, Callable[[Path], str]] = {
    "recording": recording,
    "transcript": transcript,
    "cast": cast,
    "rttm": rttm,
    "corrections": corrections,
    "options": options,
    "plan": plan,
}


def knock(door: str, path: Path) -> Answer:
    """Open a door with a file, and say what came of it."""
    started = time.monotonic()
    try:
        outcome, message, remedy = DOORS[door](path), "", ""
    except EarwitnessError as error:
        outcome, message, remedy = f"refuse: {error.code}", error.message, error.remedy
    except Exception:  # noqa: BLE001 - that is what is looked for here
        outcome, message, remedy = "traceback", traceback.format_exc(), ""
    peak = max(_own_peak_kb(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    return Answer(outcome, message, remedy, round(time.monotonic() - started, 3), peak // 1024)


def _own_peak_kb() -> int:
    """Of this program: getrusage counts what the process had before exec, which is all that the tests' process has."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def main() -> None:
    """Answer requests until there are no more."""
    for line in sys.stdin:
        request = json.loads(line)
        sys.stdout.write(json.dumps(asdict(knock(request["door"], Path(request["path"])))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
