"""Notes whose every sentence points to what supports it."""

from typing import Literal

from pydantic import Field

from earwitness.engines.engine import EngineUse
from earwitness.memory.memory import Changes, Facts
from earwitness.schema import SCHEMA_VERSION, Record, StageResult
from earwitness.words.cast import Speaker


class Claim(Record):
    """A sentence of the notes with its evidence."""

    id: str = Field(description="c001, c002, ... in reading order")
    text: str
    section: str = Field(description="heading of the section it stands in")
    evidence: list[str] = Field(description="ids of the utterances that support it")
    supported: bool = Field(description="names and numbers occur in the evidence or the cast; quotes are verbatim")
    details: dict[str, str] = Field(
        default_factory=dict,
        description="name, owner, due; or doubt: why it is not supported",
    )


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


class Dropped(Record):
    """What a chat model wrote and is not published, because the transcript does not carry it."""

    text: str
    section: str
    cited: list[str] = Field(description="ids as the model gave them")
    reason: str


class Reading(Record):
    """A part of the transcript and who noted it. All of them together are the whole transcript, in order."""

    first: str = Field(description="id of its first utterance")
    last: str
    utterances: int = Field(ge=1, description="that were handed in for noting; lines that only overlap are not counted")
    words: int = Field(ge=0)
    engine: Literal["chat", "extractive"]
    questions: int = Field(ge=0, description="that the model was asked about this part")
    reason: str = Field(default="", description="why the extractive engine took over")


class Label(Record):
    """A run of utterances of one kind."""

    kind: Literal["in-world", "rules", "table-talk", "private"]
    first: str
    last: str


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
    supported_share: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="of what a chat model wrote: what its evidence carries",
    )
    dropped: list[Dropped] = Field(default_factory=list, description="what a chat model wrote and is not published")
    readings: list[Reading] = Field(
        default_factory=list, description="who read what, where a chat model wrote: proof that nothing was left out"
    )
    labels: list[Label] = Field(default_factory=list, description="kinds of utterances, at a game's table")
    private: list[str] = Field(
        default_factory=list,
        exclude_if=lambda ids: not ids,
        description="ids of the utterances that players must not know; notes.players.json is made without them",
    )
    changes: Changes | None = Field(
        default=None,
        exclude_if=lambda changes: changes is None,
        description="what changed since the earlier recordings of a campaign, show or collection that is remembered",
    )


class PlayersNotes(Record):
    """The notes without what players must not know (`notes.players.json`, `notes.players.md`)."""

    notes: Notes
    speakers: list[Speaker] = Field(description="as players may know them")


class Summarized(StageResult):
    """Result of *summarize*."""

    engine: EngineUse
    notes: Notes
    players: PlayersNotes | None = Field(
        default=None,
        exclude_if=lambda players: players is None,
        description="for the players at a game's table, where anything is to be kept from them",
    )
    facts: Facts | None = Field(
        default=None,
        exclude_if=lambda facts: facts is None,
        description="what is to be remembered of it, where anything is",
    )

    def for_clips(self) -> "Summarized":
        """What clips may draw on: this recording alone, and nothing that players must not know."""
        whole = self.players.notes if self.players else self.notes
        notes = whole.model_copy(update={"changes": None, "private": self.notes.private})
        return self.model_copy(update={"notes": notes, "players": None, "facts": None, "seal": None})
