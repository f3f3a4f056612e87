"""Captions of a clip: on the clip's clock, at most two lines, one speaker at a time, never two at once."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from earwitness.clips.units import Unit
from earwitness.words.punctuation import ends_sentence

if TYPE_CHECKING:
    from pysubs2 import SSAFile

LINE_CHARS = 42
"""Columns a line may have (BBC and Netflix guides); wide characters take two."""
_LINES = 2
_PAUSE_MS = 700
_LONGEST_MS = 6_000
_LINGER_MS = 250
_SHORTEST_MS = 300

_LITERAL = str.maketrans({"{": "(", "}": ")", "\\": "/", "<": "‹", ">": "›"})


@dataclass(frozen=True, slots=True)
class Cue:
    """One caption."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    speaker: str | None


@dataclass(frozen=True, slots=True)
class _Spoken:
    start_ms: int
    end_ms: int
    text: str


def literal(text: str) -> str:
    """Text that no caption format takes for markup: override tags, HTML and escapes lose their special characters."""
    kept = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(kept.translate(_LITERAL).split())


def columns(text: str) -> int:
    """Width of a line: combining marks take no column, East Asian wide characters two."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def cues_of(units: Iterable[Unit], start_ms: int, end_ms: int, line_chars: int = LINE_CHARS) -> list[Cue]:
    """Captions of what is said between two moments of the recording, by time from the first of them.

    Args:
        units: sentences with times on the recording's clock; others are passed over.
        start_ms: where the clip begins.
        end_ms: where it ends.
        line_chars: columns a line may have.
    """
    length = end_ms - start_ms
    found: list[Cue] = []
    for unit in units:
        if unit.end_ms <= start_ms or unit.start_ms >= end_ms:
            continue
        for run in _runs(_spoken(unit, line_chars), line_chars):
            begin, end = run[0].start_ms - start_ms, run[-1].end_ms - start_ms
            if end > 0 and begin < length:
                lines = _lines([word.text for word in run], line_chars)
                found.append(Cue(max(0, begin), min(length, end), lines, unit.speaker))
    return _apart(found, length)


def _spoken(unit: Unit, line_chars: int) -> list[_Spoken]:
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
        pieces = list(_pieces(text, line_chars)) if text else []
        for place, piece in enumerate(pieces):
            step = (end - begin) / len(pieces)
            found.append(_Spoken(round(begin + place * step), round(begin + (place + 1) * step), piece))
    return found


def _pieces(text: str, limit: int) -> Iterable[str]:
    piece = ""
    for char in text:
        if piece and columns(piece + char) > limit:
            yield piece
            piece = ""
        piece += char
    yield piece


def _runs(words: Sequence[_Spoken], line_chars: int) -> Iterable[list[_Spoken]]:
    run: list[_Spoken] = []
    for word in words:
        if run and (
            len(_lines([w.text for w in [*run, word]], line_chars)) > _LINES
            or word.start_ms - run[-1].end_ms > _PAUSE_MS
            or word.end_ms - run[0].start_ms > _LONGEST_MS
            or (ends_sentence(run[-1].text) and len(run) > 3)
        ):
            yield run
            run = []
        run.append(word)
    if run:
        yield run


def _lines(words: Sequence[str], limit: int) -> tuple[str, ...]:
    """Greedy lines; two of them are evened out, so that neither is a lone word."""
    lines = _wrapped(words, limit)
    if len(lines) == _LINES:
        best = min(
            (max(columns(" ".join(words[:cut])), columns(" ".join(words[cut:]))), -cut) for cut in range(1, len(words))
        )
        if best[0] <= limit:
            lines = [" ".join(words[: -best[1]]), " ".join(words[-best[1] :])]
    return tuple(lines)


def _wrapped(words: Sequence[str], limit: int) -> list[str]:
    lines: list[str] = []
    for word in words:
        if lines and columns(f"{lines[-1]} {word}") <= limit:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(word)
    return lines


def _apart(cues: Iterable[Cue], length: int) -> list[Cue]:
    """Cues in order, none over another; each stays a little after its last word where there is room."""
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
    found = []
    for cue, start, following in zip(ordered, starts, [*starts[1:], length], strict=False):
        end = min(max(cue.end_ms + _LINGER_MS, start + least), following)
        if end > start:
            found.append(Cue(start, end, cue.lines, cue.speaker))
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


@dataclass(frozen=True, slots=True)
class Frame:
    """The picture that captions are drawn on."""

    width: int = 1080
    height: int = 1080
    font: str = "DejaVu Sans"
    font_size: int = 54
    line_chars: int = 28
    """Columns of bold type that fit between the margins."""
    margin: int = 90


COLOURS = ("#FFD166", "#6EC6FF", "#8CE99A", "#FF8FA3", "#C5A3FF", "#FFB27A", "#7FE7DC", "#E8E8E8")
"""Of speakers, in order of appearance; all of them are readable on the dark ground."""


def burned(cues: Sequence[Cue], title: str, names: dict[str, str], length_ms: int, frame: Frame) -> "SSAFile":
    """The captions as ASS, to be drawn into the picture: title above, speaker's name and words below, in their colour.

    Args:
        cues: made with `frame.line_chars`.
        title: of the clip.
        names: label → name to show.
        length_ms: of the clip.
        frame: the picture; `PlayRes` is set to its size, so nothing is stretched.
    """
    import pysubs2

    file = pysubs2.SSAFile()
    file.info.update(
        {
            "PlayResX": str(frame.width),
            "PlayResY": str(frame.height),
            "WrapStyle": "2",
            "ScaledBorderAndShadow": "yes",
            "Title": "Earwitness clip",
        }
    )
    white, black = pysubs2.Color(255, 255, 255), pysubs2.Color(16, 18, 22)

    def style(size: float, colour: pysubs2.Color, place: pysubs2.Alignment, down: int) -> pysubs2.SSAStyle:
        return pysubs2.SSAStyle(
            fontname=frame.font,
            fontsize=size,
            bold=True,
            primarycolor=colour,
            outlinecolor=black,
            outline=3,
            shadow=0,
            alignment=place,
            marginl=frame.margin,
            marginr=frame.margin,
            marginv=down,
        )

    # libass takes the size of a font as its whole line height, some 1.16 of what the columns were reckoned with.
    size = frame.font_size
    file.styles = {"Title": style(size * 0.85, white, pysubs2.Alignment.TOP_CENTER, frame.margin)}
    top = r"\N".join(_wrapped(literal(title).split(), frame.line_chars)[:3])
    file.append(pysubs2.SSAEvent(start=0, end=length_ms, text=top, style="Title"))
    bottom = frame.margin + 60
    labels = list(dict.fromkeys(cue.speaker for cue in cues))
    for place in range(len(labels)):
        tint = COLOURS[place % len(COLOURS)].lstrip("#")
        colour = pysubs2.Color(int(tint[:2], 16), int(tint[2:4], 16), int(tint[4:], 16))
        file.styles[f"Words{place}"] = style(size, colour, pysubs2.Alignment.BOTTOM_CENTER, bottom)
        file.styles[f"Name{place}"] = style(
            size * 0.7, colour, pysubs2.Alignment.BOTTOM_CENTER, bottom + round(2.5 * size)
        )
    for cue in cues:
        place = labels.index(cue.speaker)
        text = r"\N".join(cue.lines)
        file.append(pysubs2.SSAEvent(start=cue.start_ms, end=cue.end_ms, text=text, style=f"Words{place}"))
        if name := literal(names.get(cue.speaker or "", "")):
            short = next(iter(_pieces(name, frame.line_chars)))
            file.append(pysubs2.SSAEvent(start=cue.start_ms, end=cue.end_ms, text=short, style=f"Name{place}"))
    return file
