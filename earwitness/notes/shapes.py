"""What a chat model is asked to fill in: a shape for each profile.

The words that tell a model what a field is for stand in `prompts/<profile>.md`; the headings under which the fields
come out in the notes stand in `profiles/<profile>.toml`.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from earwitness.options import Profile

Kind = Literal["in-world", "rules", "table-talk", "private"]
"""What an utterance at a game's table is."""


class Shape(BaseModel):
    """Every field is asked for; models leave a list empty or a value null rather than invent one."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)


class Point(Shape):
    """One sentence."""

    text: str = Field(min_length=1, description="one sentence")
    evidence: list[str] = Field(description="ids of the utterances that say so")


class Entity(Point):
    """One sentence about somebody or something."""

    name: str = Field(min_length=1, description="as the transcript writes it")


class Quote(Point):
    """Somebody's own words."""

    text: str = Field(min_length=1, description="copied letter by letter from one utterance")
    speaker: str = Field(description="who says it, as the transcript names the speaker")


class Action(Point):
    """Something to be done."""

    owner: str | None = Field(description="who will do it, or null if nobody said")
    due: str | None = Field(description="by when, in the words of the transcript, or null if nobody said")


class Chapter(Shape):
    """Where something begins."""

    title: str = Field(min_length=1)
    first: str = Field(description="id of its first utterance")


class Stretch(Shape):
    """A run of utterances of one kind."""

    kind: Kind
    first: str
    last: str


class Followed(Point):
    """What became of a thread of an earlier recording."""

    thread: str = Field(description="its id, as it was handed over")
    state: Literal["taken up", "done"]


class Answer(Shape):
    """What every profile has."""

    title: Point
    chapters: list[Chapter]


class Tabletop(Answer):
    """A session of a role-playing game."""

    recap: list[Point]
    people: list[Entity]
    places: list[Entity]
    loot: list[Entity]
    threads: list[Point]
    quotes: list[Quote]
    kinds: list[Stretch]
    story: list[Point]


class Podcast(Answer):
    """An episode of a podcast."""

    notes: list[Point]
    quotes: list[Quote]
    titles: list[Point]


class Archive(Answer):
    """An oral-history or heritage recording."""

    abstract: list[Point]
    subjects: list[Entity]
    names: list[Entity]
    places: list[Entity]
    dates: list[Entity]
    warnings: list[Point]
    quotes: list[Quote]


class Workplace(Answer):
    """A meeting, or a day of interactions."""

    summary: list[Point]
    decisions: list[Point]
    actions: list[Action]


SHAPES: dict[Profile, type[Answer]] = {
    Profile.TABLETOP: Tabletop,
    Profile.PODCAST: Podcast,
    Profile.ARCHIVE: Archive,
    Profile.WORKPLACE: Workplace,
}
ITEMS: dict[str, type[Shape]] = {
    "chapters": Chapter,
    "kinds": Stretch,
    "quotes": Quote,
    "actions": Action,
    **dict.fromkeys(("people", "places", "loot", "subjects", "names", "dates"), Entity),
}
"""What the items of a list are; of any other list: `Point`."""


class _Followed(Shape):
    earlier: list[Followed]


def schema_of(profile: Profile, *, story: bool, earlier: bool = False) -> dict[str, Any]:
    """JSON schema of an answer as services take it: nothing optional, nothing more than it says, no references.

    Args:
        profile: what kind of recording it is.
        story: whether a story is asked for.
        earlier: whether it is asked what became of threads of earlier recordings.
    """
    shape = SHAPES[profile]
    schema = _inlined(shape.model_json_schema(), shape.model_json_schema().get("$defs", {}))
    if not story:
        schema["properties"].pop("story", None)
        schema["required"] = [name for name in schema["required"] if name != "story"]
    if earlier:
        more = _inlined(_Followed.model_json_schema(), _Followed.model_json_schema()["$defs"])
        schema["properties"] |= more["properties"]
        schema["required"] = [*schema["required"], "earlier"]
    return {**schema, "title": "notes", "description": "Notes on the transcript."}


def _inlined(value: Any, known: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_inlined(item, known) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return _inlined(known[value["$ref"].rsplit("/", 1)[-1]], known)
    # lengths are checked when the answer is read: not every service takes them in a schema
    kept = {key: _inlined(item, known) for key, item in value.items() if key not in {"$defs", "minLength"}}
    if kept.get("type") == "object":
        kept = {key: item for key, item in kept.items() if key not in {"title", "description"}}
        kept |= {"properties": {n: _untitled(p) for n, p in kept["properties"].items()}, "additionalProperties": False}
    return kept


def _untitled(entry: Any) -> Any:
    return {key: item for key, item in entry.items() if key != "title" or not isinstance(item, str)}
