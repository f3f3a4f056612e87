"""Which recordings were finished with which options: a batch that is started again passes over them."""

from pathlib import Path

from pydantic import ValidationError

from earwitness.archive.place import MANIFEST
from earwitness.home import home
from earwitness.options import RunOptions
from earwitness.result import Outcome, RunResult
from earwitness.schema import digest_of
from earwitness.storage.store import sha256_file
from earwitness.storage.whole import write_whole

_NO_PART = {"limits", "dry_run"}
"""Options that decide nothing about what is made."""


def finished(path: Path, options: RunOptions) -> RunResult | None:
    """What came of this content with these options, if it ended as done and its bundle is still there."""
    try:
        result = RunResult.model_validate_json(_note(path, options).read_bytes())
    except (OSError, ValidationError):
        return None
    if result.bundle is None or not (result.bundle / MANIFEST).is_file():
        return None
    note = "It was finished before, so it was passed over."
    return result.model_copy(
        update={
            "outcome": Outcome.SKIPPED, "source": str(path), "seconds": 0.0, "cost_usd": 0.0, "stages": {},
            "warnings": [note],
        }
    )  # fmt: skip


def note_finished(path: Path, options: RunOptions, result: RunResult) -> None:
    """Remember a recording that ended as done.

    Raises:
        OSError: it can't be read, or the note can't be written.
    """
    if result.outcome is Outcome.DONE and result.bundle is not None and path.is_file():
        kept = result.model_copy(update={"bundle": result.bundle.absolute()})
        note = _note(path, options)
        note.parent.mkdir(parents=True, exist_ok=True)
        write_whole(note, kept.model_dump_json().encode())


def _note(path: Path, options: RunOptions) -> Path:
    named = options.model_dump(mode="json", exclude=_NO_PART)
    named["out"] = str(options.out.absolute())
    return home() / "finished" / f"{digest_of([sha256_file(path), path.name, named])}.json"
