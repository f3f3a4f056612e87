"""Who speaks when."""

from typing import ClassVar

from pydantic import Field

from earwitness.engines.engine import EngineUse
from earwitness.schema import Record, StageResult
from earwitness.storage.store import FileRef


class Turn(Record):
    """One speaker talks from `start_ms` to `end_ms`."""

    start_ms: int = Field(ge=0)
    end_ms: int = Field(gt=0)
    speaker: str = Field(description="SPEAKER_00, SPEAKER_01, ... in order of first appearance")


class CountEstimate(Record):
    """How many speakers, and how sure that is."""

    count: int = Field(ge=0)
    given: bool = Field(description="True: the user said so; False: estimated")
    alternatives: dict[int, float] = Field(default_factory=dict, description="other counts → relative support 0..1")


class Diarized(StageResult):
    """Result of *diarize*.

    The embeddings decide nothing: no stage after it reads them. They may be erased (`earwitness.voices.forget`), and
    naming then makes new ones.
    """

    volatile: ClassVar[frozenset[str]] = StageResult.volatile | {"embeddings"}

    engine: EngineUse
    turns: list[Turn] = Field(description="by start; speakers may overlap each other")
    exclusive: list[Turn] = Field(description="by start; one speaker at a time: used to give words their speaker")
    count: CountEstimate
    embeddings: FileRef = Field(description="NPZ: speaker label → float32 vector, unit length; may be empty")
    speech_ms: int = Field(ge=0, description="time with at least one speaker")
