"""Moments worth posting."""

from pydantic import Field

from earwitness.engines.engine import EngineUse
from earwitness.schema import SCHEMA_VERSION, Record, StageResult
from earwitness.storage.store import FileRef


class Clip(Record):
    """One entry of `clips.json`; times in seconds on the recording's clock."""

    id: str = Field(description="clip-1, clip-2, ... best first")
    start_s: float = Field(ge=0)
    end_s: float
    score: float = Field(ge=0, le=1)
    reason: str = Field(description="why it was chosen, in a sentence")
    title: str
    preset: str = Field(description="audio, square, ...")
    path: str = Field(description="relative to the bundle, e.g. clips/clip-1.mp4")
    captions: str = Field(description="relative path of its .srt, on the clip's clock")
    evidence: list[str] = Field(default_factory=list, description="utterances heard in it")


class ClipList(Record):
    """`clips.json`."""

    schema_version: str = SCHEMA_VERSION
    clips: list[Clip]
    reason: str = Field(default="", description="why there are none, or fewer than asked")


class Clipped(StageResult):
    """Result of *clip*."""

    engine: EngineUse
    listing: ClipList
    files: dict[str, FileRef] = Field(description="path in the bundle → file")
