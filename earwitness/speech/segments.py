"""What was said, before every word has its own time."""

from typing import Literal

from pydantic import Field

from earwitness.engines.engine import EngineUse
from earwitness.schema import Record, StageResult


class RoughWord(Record):
    """A word as a recogniser or a transcript file timed it."""

    text: str
    start_ms: int | None = None
    end_ms: int | None = None
    score: float | None = Field(default=None, ge=0, le=1)


class Segment(Record):
    """A recognised or transcribed span of text."""

    text: str
    start_ms: int | None = Field(default=None, ge=0, description="None: the transcript carries no times")
    end_ms: int | None = Field(default=None, ge=0)
    speaker: str | None = Field(default=None, description="a name, if the transcript carries one")
    confidence: float | None = Field(default=None, ge=0, le=1)
    words: list[RoughWord] = Field(default_factory=list, description="word times, if the engine gives them")


Verdict = Literal["kept", "replaced", "removed"]
"""What became of doubtful text, mostly after a second hearing."""


class Doubt(Record):
    """A stretch of text or sound that should not be believed without a look."""

    kind: Literal[
        "over-silence",
        "loop",
        "stock-phrase",
        "impossible-rate",
        "language-flip",
        "mixed-language",
        "vocabulary",
        "low-confidence",
        "estimated-times",
    ]
    start_ms: int
    end_ms: int
    text: str = Field(default="", description="as it was first recognised, also where it was then replaced or removed")
    message: str
    # left out where there is none, so that what was kept without it still has its digest
    verdict: Verdict | None = Field(default=None, exclude_if=lambda verdict: verdict is None)


class SkippedSpan(Record):
    """Sound that no words were looked for in, and why."""

    start_ms: int
    end_ms: int
    reason: str


class Transcribed(StageResult):
    """Result of *transcribe*."""

    engine: EngineUse
    language: str = Field(description="ISO 639-1; 'und' when unknown")
    segments: list[Segment] = Field(description="in reading order; by start where they have one")
    speech_spans: list[tuple[int, int]] = Field(
        description="voice activity in ms, for aligning untimed text and for the coverage ledger"
    )
    skipped: list[SkippedSpan] = Field(default_factory=list)
    doubts: list[Doubt] = Field(default_factory=list)
