"""What changed, as people read it: in the notes and on the report's page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from earwitness.memory.memory import Change, Changes, Earlier, Moment
from earwitness.words.formats import clock_text

HEADING = "What changed"
_MOST = 15
"""Lines below a heading; notes.json has all."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line."""

    text: str
    evidence: Sequence[str] = ()
    """Utterances of this recording."""


@dataclass(frozen=True, slots=True)
class Group:
    """Lines that belong together."""

    heading: str
    lines: Sequence[Line]
    more: int
    """How many are left out."""


def since(changes: Changes) -> str:
    """With what this recording was compared."""
    names = [_named(earlier) for earlier in changes.earlier[-3:]]
    before = len(changes.earlier) - len(names)
    shown = ", ".join(names) if not before else f"{before} before them, {', '.join(names)}"
    return f"Compared with what is remembered of {changes.scope}: {shown}."


def groups_of(changes: Changes) -> list[Group]:
    """Every heading that has something below it, in the order in which people want to know."""
    groups = [
        ("Closed", [Line(f"{_opened(change)} {_now(change)}", change.evidence) for change in changes.closed]),
        ("Taken up again", [Line(f"{_opened(change)} {_now(change)}", change.evidence) for change in changes.taken_up]),
        ("Still open from before", [Line(_still(change)) for change in changes.still_open]),
        ("Newly open or decided", [Line(change.text, change.evidence) for change in changes.opened]),
        ("New", [Line(_new(change), change.evidence) for change in changes.new]),
        ("Back", [Line(_back(change), change.evidence) for change in changes.back]),
    ]
    return [Group(heading, lines[:_MOST], max(0, len(lines) - _MOST)) for heading, lines in groups if lines]


def moment_text(moment: Moment) -> str:
    """`session-1 at 0:12:03`, or the utterance where there are no times."""
    if moment.start_ms is None:
        return f"{moment.name}, {moment.utterance}"
    return f"{moment.name} at {clock_text(moment.start_ms)}"


def lines_to_read(changes: Changes) -> Iterator[Line]:
    """Every line that is shown."""
    for group in groups_of(changes):
        yield from group.lines


def _named(earlier: Earlier) -> str:
    return f"{earlier.name} ({earlier.title})" if earlier.title and earlier.title != earlier.name else earlier.name


def _new(change: Change) -> str:
    return change.text if change.kind == "name" else f"{change.text} ({change.kind})"


def _back(change: Change) -> str:
    shown = _new(change)
    return f"{shown}: last in {moment_text(change.last)}" if change.last else shown


def _opened(change: Change) -> str:
    return f"{change.text} ({moment_text(change.first)})" if change.first else change.text


def _now(change: Change) -> str:
    return f"→ {change.told}"


def _still(change: Change) -> str:
    if change.last and change.first and change.last != change.first:
        return f"{change.text} ({moment_text(change.first)}; last spoken of in {moment_text(change.last)})"
    return _opened(change)
