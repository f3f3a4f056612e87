"""What is remembered of earlier recordings, and what a new one changes in it."""

from typing import Any, Literal

from pydantic import Field

from earwitness.notes.sentences import terms
from earwitness.schema import Record

EntityKind = Literal["speaker", "person", "place", "item", "subject", "date", "topic", "name"]
"""What a remembered name stands for; `name` where nobody said what it is."""
ThreadKind = Literal["thread", "action", "decision"]


def secret_field() -> Any:
    """A mark on what players must not see."""
    return Field(
        default=False, exclude_if=lambda value: not value, description="players must not see it (docs/notes.md)"
    )


class Moment(Record):
    """Where something was said in an earlier recording."""

    recording: str = Field(description="its recording id")
    name: str = Field(description="the recording as people know it")
    utterance: str
    start_ms: int | None = None


class Entity(Record):
    """Somebody or something that earlier recordings named."""

    kind: EntityKind
    name: str
    also: list[str] = Field(default_factory=list, description="other ways in which it was written")
    first: Moment
    last: Moment
    recordings: int = Field(ge=1, description="in how many it was named")
    times: int = Field(ge=1, description="in how many utterances")
    secret: bool = secret_field()


class Thread(Record):
    """Something that was left open: a promise, a riddle, something to be done; or a decision."""

    id: str = Field(description="t and eight hex digits")
    kind: ThreadKind
    text: str
    details: dict[str, str] = Field(default_factory=dict, description="owner, due")
    opened: Moment
    taken_up: list[Moment] = Field(default_factory=list, description="where it was spoken of again")
    closed: Moment | None = None
    secret: bool = secret_field()


class Earlier(Record):
    """An earlier recording."""

    recording_id: str
    name: str
    title: str


class Memory(Record):
    """What a recording can know of those before it."""

    scope: str
    recordings: list[Earlier] = Field(description="in their order")
    entities: list[Entity] = Field(default_factory=list)
    threads: list[Thread] = Field(default_factory=list)

    @property
    def open_threads(self) -> list[Thread]:
        """Those that a recording can take up; decisions are none."""
        return [thread for thread in self.threads if thread.closed is None and thread.kind != "decision"]


class Change(Record):
    """One line of what changed."""

    kind: EntityKind | ThreadKind
    text: str = Field(description="the name, or what the thread says")
    evidence: list[str] = Field(description="ids of the utterances of this recording that say so")
    thread: str = Field(default="", description="id of the thread; empty for a name")
    told: str = Field(default="", description="what this recording says of it")
    first: Moment | None = Field(default=None, description="where it was first named or opened, if that was earlier")
    last: Moment | None = Field(default=None, description="where it was spoken of last before this recording")
    recordings: int = Field(default=0, ge=0, description="earlier ones that named it")
    secret: bool = secret_field()


class Changes(Record):
    """What a recording changes in what was remembered before it."""

    scope: str
    earlier: list[Earlier] = Field(description="the recordings that were remembered, in their order")
    new: list[Change] = Field(default_factory=list, description="named for the first time")
    back: list[Change] = Field(default_factory=list, description="named again; those that were away come first")
    closed: list[Change] = Field(
        default_factory=list, description="threads that were open, and are done by what is said"
    )
    taken_up: list[Change] = Field(default_factory=list, description="open threads that are spoken of again")
    opened: list[Change] = Field(default_factory=list, description="threads that this recording opens, and decisions")
    still_open: list[Change] = Field(default_factory=list, description="open threads of which nothing is said")

    @property
    def lists(self) -> dict[str, list[Change]]:
        """All lines, by field."""
        return {name: getattr(self, name) for name in ("new", "back", "closed", "taken_up", "opened", "still_open")}

    @property
    def counts(self) -> dict[str, int]:
        """How many lines there are of each kind."""
        return {name: len(lines) for name, lines in self.lists.items()}

    @property
    def told_here(self) -> list[Change]:
        """Everything that rests on words of this recording."""
        return [*self.new, *self.back, *self.closed, *self.taken_up, *self.opened]


class Told(Record):
    """A name in one recording."""

    kind: EntityKind
    name: str
    evidence: list[str] = Field(description="utterances: of the claim that names it, else the first that does")
    first_ms: int | None = None
    last: str = Field(description="the last utterance that names it")
    last_ms: int | None = None
    times: int = Field(ge=1)
    text: str = Field(default="", description="what the notes say of it")
    secret: bool = secret_field()


class Opened(Record):
    """A thread that one recording leaves open, or a decision that it takes."""

    id: str
    kind: ThreadKind
    text: str
    details: dict[str, str] = Field(default_factory=dict)
    evidence: list[str]
    start_ms: int | None = None
    secret: bool = secret_field()


class Touched(Record):
    """A thread of an earlier recording in a later one."""

    thread: str
    state: Literal["taken up", "closed"]
    utterance: str
    start_ms: int | None = None


class Facts(Record):
    """What is remembered of one recording."""

    title: str
    told: list[Told] = Field(default_factory=list)
    opened: list[Opened] = Field(default_factory=list)
    touched: list[Touched] = Field(default_factory=list)


_ARTICLES = frozenset({"the", "a", "an"})


def key_of(name: str) -> tuple[str, ...]:
    """By what two names are the same: their words, upper and lower case, articles and possessives apart."""
    words = [word.removesuffix("'s") for word in terms(name)]
    return tuple(words[1:] if len(words) > 1 and words[0] in _ARTICLES else words)
