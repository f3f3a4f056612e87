"""Words with their times and speakers, and the utterances that citations point to."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from earwitness.engines.engine import EngineUse
from earwitness.schema import StageResult
from earwitness.speech.segments import Doubt
from earwitness.storage.store import FileRef

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Word:
    """One written word, punctuation attached."""

    text: str
    start_ms: int
    end_ms: int
    score: float
    """0..1; 0 where the time is only an estimate."""
    speaker: str | None
    """Diarization label (SPEAKER_00), None when nobody could be named."""
    utterance: str
    """Id of the utterance it belongs to: u0001, u0002, ..."""
    estimated: bool = False
    """True where the word could not be aligned and was spread over its segment's speech."""


LOW_CONFIDENCE = 0.5
"""A word that scores lower is doubtful."""


def is_unsure(word: Word) -> bool:
    """Whether the engine doubts a word; an estimated one says nothing about certainty."""
    return not word.estimated and word.score < LOW_CONFIDENCE


@dataclass(frozen=True, slots=True)
class Utterance:
    """One speaker's run of words."""

    id: str
    speaker: str | None
    start_ms: int | None
    end_ms: int | None
    """Times are None when notes are made from a transcript without any."""
    text: str
    words: tuple[Word, ...] = field(default=(), repr=False)


COLUMNS = ("word", "start_s", "end_s", "score", "speaker", "utterance", "estimated")
"""Of `words.parquet`; times in seconds, three decimals."""


def words_frame(words: Iterable[Word]) -> "pd.DataFrame":
    """The table that is published: seconds at the edge, milliseconds inside."""
    import pandas as pd

    rows = [(w.text, w.start_ms / 1000, w.end_ms / 1000, w.score, w.speaker, w.utterance, w.estimated) for w in words]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype(
        {
            "word": "str",
            "start_s": "float64",
            "end_s": "float64",
            "score": "float64",
            "speaker": "str",
            "utterance": "str",
            "estimated": "bool",
        }
    )


def read_words(path: Path) -> list[Word]:
    """Words from a `words.parquet`, in order."""
    import pyarrow.parquet as pq

    return [word_of(row) for row in pq.read_table(path).to_pylist()]


def word_of(row: Mapping[str, Any], speaker: str = "speaker") -> Word:
    """A row of `words.parquet`.

    Args:
        row: column → value.
        speaker: the column that names who speaks: a bundle has `label` too, from before names were given.
    """
    return Word(
        text=row["word"],
        start_ms=round(row["start_s"] * 1000),
        end_ms=round(row["end_s"] * 1000),
        score=row["score"],
        speaker=row[speaker],
        utterance=row["utterance"],
        estimated=row["estimated"],
    )


def utterances_of(words: Iterable[Word]) -> list[Utterance]:
    """Group words by utterance, by start. Words of people who talk at the same time may be mixed."""
    runs: dict[str, list[Word]] = {}
    for word in words:
        runs.setdefault(word.utterance, []).append(word)
    return [
        Utterance(
            id=key,
            speaker=Counter(w.speaker for w in run).most_common(1)[0][0],
            start_ms=run[0].start_ms,
            end_ms=max(w.end_ms for w in run),
            text=" ".join(w.text for w in run),
            words=tuple(run),
        )
        for key, run in runs.items()
    ]


class Aligned(StageResult):
    """Result of *align*. Knows labels and what the transcript called them; the cast is applied afterwards."""

    engine: EngineUse
    language: str
    words: FileRef = Field(description="words.parquet with diarization labels as speakers")
    word_count: int = Field(ge=0)
    names: dict[str, str] = Field(default_factory=dict, description="label → name that the transcript gives")
    doubts: list[Doubt] = Field(default_factory=list)
