"""Notes whose every sentence points to what supports it."""

from pydantic import Field

from earwitness.engines.engine import EngineUse
from earwitness.schema import SCHEMA_VERSION, Record, StageResult


class Claim(Record):
    """A sentence of the notes with its evidence."""

    id: str = Field(description="c001, c002, ... in reading order")
    text: str
    section: str = Field(description="heading of the section it stands in")
    evidence: list[str] = Field(description="ids of the utterances that support it")
    supported: bool = Field(description="names and numbers occur in the evidence or the cast; quotes are verbatim")


class Section(Record):
    """A heading and the claims under it."""

    heading: str
    claims: list[str] = Field(description="claim ids")


class Chapter(Record):
    """A stretch of the recording about one thing."""

    title: str
    first: str = Field(description="id of its first utterance")
    last: str
    start_ms: int | None = None
    end_ms: int | None = None


class Notes(Record):
    """`notes.json`."""

    schema_version: str = SCHEMA_VERSION
    profile: str
    engine: str
    title: str
    abstract: str
    sections: list[Section]
    claims: list[Claim] = Field(description="all of them, in reading order")
    chapters: list[Chapter] = Field(default_factory=list)
    words_read: int = Field(ge=0, description="words of the transcript that were read: all of them")
    story: str | None = Field(default=None, description="Markdown; profiles that tell a story")


class Summarized(StageResult):
    """Result of *summarize*."""

    engine: EngineUse
    notes: Notes
