"""Captions of a clip: on the clip's clock, at most two lines, one speaker at a time, never two at once."""

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from earwitness.clips.units import Unit
from earwitness.words.punctuation import ends_sentence

LINE_CHARS = 42
"""Columns a line may have (BBC and Netflix guides); wide characters take two."""
_LINES = 2
_PAUSE_MS = 700
_LONGEST_MS = 6_000
_LINGER_MS = 250
_READ_CPS = 17
"""Columns a second that everybody can read (BBC and Netflix guides); a caption stays as long where there is room."""
_LONGEST_LINGER_MS = 1_500
_SHORTEST_MS = 300

COLOURS = ("#FFD166", "#6EC6FF", "#8CE99A", "#FF8FA3", "#C5A3FF", "#FFB27A", "#7FE7DC", "#E8E8E8")
"""Of speakers, in order of appearance; all of them are readable on a dark ground."""

_LITERAL = str.maketrans({"{": "(", "}": ")", "\\": "/", "<": "‹", ">": "›"})


@dataclass(frozen=True, slots=True)
class Cue:
    """One caption."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    speaker: str | None
    words: tuple[tuple["Spoken", ...], ...] = ()
    """Of each line."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A word, or a piece of a very long one, as captions show it."""

    start_ms: int
    end_ms: int
    text: str


Measure = Callable[[str], float]
"""Width of a line of text."""


def literal(text: str) -> str:
    """Text that no caption format takes for markup: override tags, HTML and escapes lose their special characters."""
    kept = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(kept.translate(_LITERAL).split())


def columns(text: str) -> int:
    """Width of a line: combining marks take no column, East Asian wide characters two."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def joined(words: Iterable[str]) -> str:
    """Words as one writes them: between Chinese or Japanese characters there is no space."""
    text = ""
    for word in words:
        glued = text and word and _is_wide(text[-1]) and _is_wide(word[0])
        text = f"{text}{word}" if glued or not text else f"{text} {word}"
    return text


def _is_wide(char: str) -> bool:
    # Korean is as wide, and has spaces
    return unicodedata.east_asian_width(char) in "WF" and not "\uac00" <= char <= "\ud7a3"


def cues_of(
    units: Iterable[Unit],
    start_ms: int,
    end_ms: int,
    limit: float = LINE_CHARS,
    measure: Measure = columns,
) -> list[Cue]:
    """Captions of what is said between two moments of the recording, by time from the first of them.

    Args:
        units: sentences with times on the recording's clock; others are passed over.
        start_ms: where the clip begins.
        end_ms: where it ends.
        limit: how wide a line may be.
        measure: how wide a text is, by columns unless told otherwise.
    """
    length = end_ms - start_ms
    found: list[Cue] = []
    for unit in units:
        if unit.end_ms <= start_ms or unit.start_ms >= end_ms:
            continue
        for run in _runs(_spoken(unit, limit, measure), limit, measure):
            begin, end = run[0].start_ms - start_ms, run[-1].end_ms - start_ms
            if end > 0 and begin < length:
                rows = _lines(run, limit, measure)
                shifted = tuple(
                    tuple(Spoken(word.start_ms - start_ms, word.end_ms - start_ms, word.text) for word in row)
                    for row in rows
                )
                texts = tuple(joined(word.text for word in row) for row in rows)
                found.append(Cue(max(0, begin), min(length, end), texts, unit.speaker, shifted))
    return _apart(found, length)


def _spoken(unit: Unit, limit: float, measure: Measure) -> list[Spoken]:
    """Words with times; where they have none, the unit's time by their length. Endless words come in pieces."""
    if unit.words:
        timed = [(word.start_ms, word.end_ms, literal(word.text)) for word in unit.words]
    else:
        texts = literal(unit.text).split()
        sizes = [columns(text) + 1 for text in texts]
        total, passed, timed = sum(sizes) or 1, 0, []
        for text, size in zip(texts, sizes, strict=True):
            begin = unit.start_ms + (unit.end_ms - unit.start_ms) * passed // total
            passed += size
            timed.append((begin, unit.start_ms + (unit.end_ms - unit.start_ms) * passed // total, text))
    found = []
    for begin, end, text in timed:
        pieces = list(pieces_of(text, limit, measure)) if text else []
        for place, piece in enumerate(pieces):
            step = (end - begin) / len(pieces)
            found.append(Spoken(round(begin + place * step), round(begin + (place + 1) * step), piece))
    return found


def pieces_of(text: str, limit: float, measure: Measure = columns) -> Iterable[str]:
    """A word in pieces that are no wider than a line; combining marks stay with their letters."""
    piece = ""
    for char in text:
        if piece and not unicodedata.combining(char) and measure(piece + char) > limit:
            yield piece
            piece = ""
        piece += char
    yield piece


def _runs(words: Sequence[Spoken], limit: float, measure: Measure) -> Iterable[list[Spoken]]:
    run: list[Spoken] = []
    for word in words:
        if run and (
            len(wrapped([*run, word], limit, measure)) > _LINES
            or word.start_ms - run[-1].end_ms > _PAUSE_MS
            or word.end_ms - run[0].start_ms > _LONGEST_MS
            or (ends_sentence(run[-1].text) and len(run) > 3)
        ):
            yield run
            run = []
        run.append(word)
    if run:
        yield run


def _lines(words: Sequence[Spoken], limit: float, measure: Measure) -> list[list[Spoken]]:
    """Greedy lines; two of them are evened out, so that neither is a lone word."""
    lines = wrapped(words, limit, measure)
    if len(lines) == _LINES:
        texts = [word.text for word in words]
        best = min(
            (max(measure(joined(texts[:cut])), measure(joined(texts[cut:]))), -cut) for cut in range(1, len(words))
        )
        if best[0] <= limit:
            lines = [list(words[: -best[1]]), list(words[-best[1] :])]
    return lines


def wrapped(words: Sequence[Spoken], limit: float, measure: Measure = columns) -> list[list[Spoken]]:
    """Words in lines, each as full as can be."""
    lines: list[list[Spoken]] = []
    for word in words:
        if lines and measure(joined([*(other.text for other in lines[-1]), word.text])) <= limit:
            lines[-1].append(word)
        else:
            lines.append([word])
    return lines


def _apart(cues: Iterable[Cue], length: int) -> list[Cue]:
    """Cues in order, none over another; each stays until it can be read, where there is room."""
    ordered = sorted(cues, key=lambda cue: (cue.start_ms, cue.end_ms))
    least = min(_SHORTEST_MS, length // max(1, len(ordered)))
    starts: list[int] = []
    for cue in ordered:
        starts.append(max(cue.start_ms, starts[-1] + least if starts else 0))
    latest = length
    for place in range(len(ordered) - 1, -1, -1):
        latest -= least
        starts[place] = min(starts[place], latest)
        latest = starts[place]
    found, talk_until = [], 0
    for cue, start, following in zip(ordered, starts, [*starts[1:], length], strict=False):
        talk_until = max(talk_until, cue.end_ms)  # whoever is talked over may go on after it
        needed = start + sum(columns(line) for line in cue.lines) * 1000 // _READ_CPS
        end = max(talk_until, cue.end_ms + _LINGER_MS, min(needed, cue.end_ms + _LONGEST_LINGER_MS), start + least)
        if min(end, following) > start:
            found.append(replace(cue, start_ms=start, end_ms=min(end, following)))
    return found


def srt(cues: Sequence[Cue], names: dict[str, str]) -> str:
    """SRT. The speaker's name opens the first caption of each of their turns, where it leaves the line short enough.

    Args:
        cues: the captions.
        names: label → name to show; labels without one are not shown.
    """
    from pysubs2 import SSAEvent, SSAFile

    file = SSAFile()
    before: str | None = None
    for cue in cues:
        lines = list(cue.lines)
        name = literal(names.get(cue.speaker or "", ""))
        if name and cue.speaker != before and columns(f"{name}: {lines[0]}") <= LINE_CHARS:
            lines[0] = f"{name}: {lines[0]}"
        before = cue.speaker
        file.append(SSAEvent(start=cue.start_ms, end=cue.end_ms, text=r"\N".join(lines)))
    return file.to_string("srt")
