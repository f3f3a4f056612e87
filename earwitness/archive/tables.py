"""The tables of the bundle: who spoke when, and every word."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from earwitness.schema import SCHEMA_VERSION
from earwitness.speech.turns import Turn
from earwitness.words.transcript import Word, words_frame

if TYPE_CHECKING:
    import pandas as pd

TURN_COLUMNS = ("start_s", "end_s", "duration_s", "speaker", "label")
"""Of `turns.parquet`: seconds, display name, diarization label."""
_MEANING = {
    "start_s": "seconds from the start of the recording (or of the slice)",
    "end_s": "seconds from the start of the recording (or of the slice)",
    "duration_s": "seconds",
    "speaker": "display name; null when nobody could be named",
    "label": "diarization label, e.g. SPEAKER_00",
    "word": "as written, punctuation attached",
    "score": "0..1; 0 where the time is only an estimate",
    "utterance": "id that notes cite",
    "estimated": "true where the time was spread over the segment, not aligned",
}


def write_turns(turns: Iterable[Turn], names: Mapping[str, str], path: Path) -> Path:
    """`turns.parquet`: by start; speakers may overlap each other."""
    import pandas as pd

    rows = [
        (
            turn.start_ms / 1000,
            turn.end_ms / 1000,
            (turn.end_ms - turn.start_ms) / 1000,
            names.get(turn.speaker, turn.speaker),
            turn.speaker,
        )
        for turn in sorted(turns, key=lambda t: (t.start_ms, t.end_ms, t.speaker))
    ]
    frame = pd.DataFrame(rows, columns=list(TURN_COLUMNS)).astype(
        {"start_s": "float64", "end_s": "float64", "duration_s": "float64", "speaker": "str", "label": "str"}
    )
    return _write(frame, path)


def write_words(words: Sequence[Word], names: Mapping[str, str], path: Path) -> Path:
    """`words.parquet` with display names; the diarization label stands in its own column."""
    frame = words_frame(words)
    frame["label"] = frame["speaker"]
    frame["speaker"] = frame["label"].map(lambda label: names.get(label, label), na_action="ignore").astype("str")
    return _write(frame, path)


def write_rttm(turns: Iterable[Turn], names: Mapping[str, str], recording_id: str, path: Path) -> Path:
    """`turns.rttm` (NIST RTTM, written by pyannote.core); names lose their blanks and stay distinct."""
    from pyannote.core import Annotation, Segment

    turns = list(turns)
    shown = rttm_names([turn.speaker for turn in turns], names)
    annotation = Annotation(uri=recording_id)
    for track, turn in enumerate(turns):
        annotation[Segment(turn.start_ms / 1000, turn.end_ms / 1000), track] = shown[turn.speaker]
    path.write_text(annotation.to_rttm(), "utf-8")
    return path


def rttm_names(labels: Iterable[str], names: Mapping[str, str]) -> dict[str, str]:
    """Label → name without blanks. Different display names never become one; equal ones are one person."""
    shown: dict[str, str] = {}
    owner: dict[str, str] = {}
    for label in sorted(set(labels)):
        display = names.get(label, label)
        # RTTM is split at white space and ";;" starts a comment line
        plain = re.sub(r"[\s;]+", "_", display).strip("_") or label
        if owner.setdefault(plain, display) != display:
            plain = f"{plain}_{label}"
        shown[label] = plain
    return shown


def _write(frame: "pd.DataFrame", path: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    fields = [pa.field(f.name, f.type, f.nullable, {"description": _MEANING[f.name]}) for f in table.schema]
    # pandas' own metadata names its version, which says nothing about the recording and would alter the bytes
    table = table.cast(pa.schema(fields, {"earwitness.schema_version": SCHEMA_VERSION}))
    pq.write_table(table, path, compression="zstd")
    return path
