"""Reading a finished bundle: what is needed to put it right or to make it anew."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from earwitness.archive.place import MANIFEST
from earwitness.archive.record import RecordingJson
from earwitness.corrections.corrections import FILE, Corrections, load_corrections
from earwitness.errors import UsageError
from earwitness.schema import SCHEMA_VERSION, is_readable
from earwitness.speech.turns import Turn
from earwitness.words.transcript import Word, word_of

_REMEDY = "Give the folder of a bundle: the one that holds recording.json and report.html."


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on disk."""

    folder: Path
    recording: RecordingJson
    corrections: Corrections

    @property
    def names(self) -> dict[str, str]:
        """Diarization label → display name."""
        return {speaker.label: speaker.name for speaker in self.recording.speakers}

    def words(self) -> list[Word]:
        """Every word, with diarization labels as speakers; none where nothing was transcribed.

        Raises:
            UsageError: `words.parquet` is damaged.
        """
        rows = self._rows("words.parquet")
        try:
            return [word_of(row, speaker="label") for row in rows]
        except (KeyError, TypeError) as error:
            raise _damaged(self.folder / "words.parquet", error) from error

    def turns(self) -> list[Turn]:
        """Who speaks when, with diarization labels; none where nobody was told apart.

        Raises:
            UsageError: `turns.parquet` is damaged.
        """
        rows = self._rows("turns.parquet")
        try:
            return [
                Turn(start_ms=round(row["start_s"] * 1000), end_ms=round(row["end_s"] * 1000), speaker=row["label"])
                for row in rows
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(self.folder / "turns.parquet", error) from error

    def _rows(self, name: str) -> list[dict[str, Any]]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.folder / name
        if not path.is_file():
            return []
        try:
            rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, error) from error
        return rows


def _damaged(path: Path, error: Exception) -> UsageError:
    return UsageError(f"{path} can't be read ({error}).", "Run the recording again to mend the bundle.")


def is_bundle(folder: Path) -> bool:
    """Whether a folder is a bundle."""
    return (folder / MANIFEST).is_file() and (folder / "recording.json").is_file()


def read_bundle(folder: Path) -> Bundle:
    """Open a bundle.

    Raises:
        UsageError: it is none, is damaged, or was written by a version that is not known here.
    """
    if not folder.is_dir():
        raise UsageError(f"There is no bundle at {folder}.", _REMEDY)
    if not is_bundle(folder):
        raise UsageError(f"{folder} is not a bundle: it lacks recording.json or {MANIFEST}.", _REMEDY)
    path = folder / "recording.json"
    try:
        recording = RecordingJson.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path} can't be read ({error.strerror or error}).", "Check its permissions.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UsageError(
            f"{path} is damaged or was written by another version ({place}: {first['msg']}).",
            "Run the recording again, which writes the bundle anew.",
        ) from error
    if not is_readable(recording.schema_version):
        raise UsageError(
            f"{path} has schema version {recording.schema_version}; this Earwitness reads {SCHEMA_VERSION}.",
            "Use the version that wrote it, or run the recording again.",
        )
    kept = folder / FILE
    return Bundle(folder, recording, load_corrections(kept) if kept.is_file() else Corrections())
