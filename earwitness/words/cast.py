"""Who the speakers are: people, aliases, characters, roles, and the file that says so."""

import tomllib
from pathlib import Path
from typing import Any, Literal, NoReturn

from pydantic import Field, ValidationError

from earwitness.errors import UsageError
from earwitness.schema import Record
from earwitness.storage.store import sha256_file
from earwitness.storage.whereabouts import remember


class CastMember(Record):
    """One person of a cast file."""

    person: str = Field(min_length=1, max_length=200)
    aliases: list[str] = Field(default_factory=list)
    character: str | None = None
    role: str | None = Field(default=None, description="e.g. game master, player, host, guest, interviewer, worker")
    speaker: str | None = Field(default=None, description="pin to a diarization label, e.g. SPEAKER_01")
    samples: list[str] = Field(
        default_factory=list,
        max_length=20,
        description="recordings of this person's voice alone: paths relative to the cast file, kept as their SHA-256",
    )


class Cast(Record):
    """A cast file (YAML or TOML)."""

    campaign: str | None = None
    session: str | None = None
    members: list[CastMember] = Field(default_factory=list)
    complete: bool = Field(
        default=True, description="True: nobody else speaks, so the cast gives the number of speakers"
    )
    secrets: list[str] = Field(
        default_factory=list,
        exclude_if=lambda secrets: not secrets,
        description="names and words that players must not read (docs/notes.md)",
    )
    private: list[str] = Field(
        default_factory=list,
        exclude_if=lambda spans: not spans,
        description="parts of the recording that players must not know, e.g. 1:02:00-1:04:30",
    )


class Speaker(Record):
    """A voice of this recording and who it is."""

    label: str = Field(description="SPEAKER_00, ...")
    name: str = Field(description="the person's name, or the label while unknown")
    character: str | None = None
    role: str | None = None
    role_by: Literal["cast", "inferred"] | None = Field(
        default=None, description="inferred: found from how the speakers talk (docs/speakers.md), stated by nobody"
    )
    named_by: Literal["transcript", "track", "cast", "correction", "voice", "nobody"] = "nobody"
    score: float | None = Field(default=None, description="likeness to the enrolled voice, where it was named by that")
    trace: str | None = Field(default=None, description="marks checkpoints that rest on that voice; never published")

    @property
    def role_text(self) -> str:
        """The role for people; one that was inferred says so."""
        return role_text(self.role, self.role_by)


def role_text(role: str | None, role_by: str | None) -> str:
    """A role as people see it, empty without one: "game master (inferred)"."""
    if role is None:
        return ""
    return f"{role} (inferred)" if role_by == "inferred" else role


_MAX_BYTES = 1_000_000
_EXAMPLE = "Write it as:  members: [{person: Sam, character: Grog, role: player, aliases: [Sammy]}]"


def load_cast(path: Path) -> Cast:
    """Read a cast file: YAML or TOML by its suffix (YAML where it has neither).

    The members may stand under `members:` or, for short, be the whole file as a list. A member may be a plain name.

    Raises:
        UsageError: the file can't be read, or a key or value is not allowed; the message names the key and its line.
    """
    text = _read(path)
    if path.suffix.lower() == ".toml":
        data, lines = _parse_toml(path, text), _toml_lines(text)
    else:
        data, lines = _parse_yaml(path, text)
    cast = _build(path, data, lines)
    _check_unique(path, cast, lines)
    return _with_samples(path, cast, lines)


_Place = tuple[str | int, ...]
_Lines = dict[_Place, int]


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UsageError(f"The cast file {path} is larger than {_MAX_BYTES // 1000} kB.", "Give a cast file.")
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise UsageError(
            f"The cast file {path} can't be read ({error.strerror or error}).", "Give the path of a YAML or TOML file."
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"The cast file {path} is not UTF-8 text.", "Save it as UTF-8.") from error


def _parse_toml(path: Path, text: str) -> Any:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The cast file {path} is not valid TOML: {error}.", "Correct that line.") from error


def _toml_lines(text: str) -> _Lines:
    """Where the keys stand, as far as that can be told without a parser that keeps places: first line of each key."""
    lines: _Lines = {}
    member = -1
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.strip()
        if bare.startswith("[[") and bare.rstrip("]").lstrip("[").strip() == "members":
            member += 1
            lines[("members", member)] = number
        elif "=" in bare and not bare.startswith("#"):
            key = bare.split("=", 1)[0].strip().strip("\"'")
            lines.setdefault((key,) if member < 0 else ("members", member, key), number)
    return lines


def _parse_yaml(path: Path, text: str) -> tuple[Any, _Lines]:
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_aliases(path, text)
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        where = f" at line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UsageError(
            f"The cast file {path} is not valid YAML{where}: {error.problem or error.context}.", _EXAMPLE
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"The cast file {path} is not valid YAML: {error}.", _EXAMPLE) from error
    lines: _Lines = {}
    _yaml_lines(node, (), lines)
    return data, lines


def _refuse_aliases(path: Path, text: str) -> None:
    """A cast needs no YAML references, and nested ones can blow a small file up to any size."""
    import yaml

    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise UsageError(
                f"The cast file {path} uses a YAML reference (*{event.anchor}).",
                "Write the value out.",
            )


def _yaml_lines(node: Any, place: _Place, lines: _Lines) -> None:
    import yaml

    if node is None:
        return
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*place, str(key.value))
            lines[inner] = key.start_mark.line + 1
            _yaml_lines(value, inner, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _yaml_lines(value, (*place, index), lines)


def _build(path: Path, data: Any, lines: _Lines) -> Cast:
    prefix: _Place = ()
    if data is None:
        data = {}
    if isinstance(data, list):
        prefix, data = ("members",), {"members": data}
    if not isinstance(data, dict):
        raise UsageError(f"The cast file {path} holds {_kind(data)}, not a list of people.", _EXAMPLE)
    plain = {str(key): _as_text(value) if key in ("campaign", "session") else value for key, value in data.items()}
    if isinstance(members := plain.get("members"), list):
        plain["members"] = [_member(member) for member in members]
    try:
        return Cast.model_validate(plain)
    except ValidationError as error:
        first = error.errors()[0]
        place = tuple(first["loc"])
        _refuse(path, first, place, _line(lines, place[len(prefix) :] if prefix else place))


def _member(value: Any) -> Any:
    if isinstance(value, str):
        return {"person": _tidy(value)}
    if isinstance(value, dict):
        return {str(key): _tidied(inner) for key, inner in value.items()}
    return value


def _tidied(value: Any) -> Any:
    if isinstance(value, list):
        return [_tidied(inner) for inner in value]
    value = _as_text(value)
    return _tidy(value) if isinstance(value, str) else value


def _as_text(value: Any) -> Any:
    """Numbers are fine as names of sessions and people ("session: 12", "7 of 9")."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _tidy(name: str) -> str:
    """One line, printable: names go into file names, captions and tables."""
    return " ".join("".join(char if char.isprintable() else " " for char in name).split())


def _kind(value: Any) -> str:
    return {str: "text", int: "a number", float: "a number", bool: "a switch"}.get(type(value), "something else")


def _line(lines: _Lines, place: _Place) -> int | None:
    while place not in lines and place:
        place = place[:-1]
    return lines.get(place)


def _refuse(path: Path, found: Any, place: _Place, line: int | None) -> NoReturn:
    inside = CastMember if place[:1] == ("members",) and len(place) > 1 else Cast
    allowed = ", ".join(inside.model_fields)
    key = ".".join(f"[{part + 1}]" if isinstance(part, int) else part for part in place).replace(".[", "[")
    at = f"{path}, line {line}" if line else str(path)
    if found["type"] == "extra_forbidden":
        message = f"{at}: unknown key {str(place[-1])!r} in {'a member' if inside is CastMember else 'the cast'}."
    elif found["type"] == "missing":
        message = f"{at}: {key} is missing."
    else:
        message = f"{at}: {key} is not acceptable: {found['msg'].lower()}."
    raise UsageError(message, f"Allowed keys: {allowed}.", path=str(path), key=key, line=line)


def _with_samples(path: Path, cast: Cast, lines: _Lines) -> Cast:
    """The cast with its samples by content: results carry no paths, and the samples of a bundle are found again."""
    return cast.model_copy(
        update={
            "members": [
                member.model_copy(update={"samples": [_sample(path, lines, at, name) for name in member.samples]})
                for at, member in enumerate(cast.members)
            ]
        }
    )


def _sample(path: Path, lines: _Lines, at: int, name: str) -> str:
    file = path.parent / Path(name).expanduser()
    try:
        digest = sha256_file(file)
    except OSError as error:
        line = _line(lines, ("members", at, "samples")) or _line(lines, (at, "samples"))
        where = f"{path}, line {line}" if line else str(path)
        raise UsageError(
            f"{where}: the sample {name} can't be read ({error.strerror or error}).",
            f"Samples are paths of recordings, relative to the cast file's folder {path.parent.absolute()}.",
        ) from error
    remember(digest, file)
    return digest


def _check_unique(path: Path, cast: Cast, lines: _Lines) -> None:
    people: dict[str, int] = {}
    pins: dict[str, int] = {}
    for index, member in enumerate(cast.members):
        line = _line(lines, ("members", index)) if ("members", index) in lines else _line(lines, (index,))
        at = f"{path}, line {line}" if line else str(path)
        if people.setdefault(member.person.casefold(), index) != index:
            raise UsageError(f"{at}: {member.person!r} is in the cast twice.", "Give one person all its aliases.")
        if member.speaker is not None and pins.setdefault(member.speaker, index) != index:
            raise UsageError(f"{at}: {member.speaker!r} is pinned to two people.", "Pin a label to one person.")
