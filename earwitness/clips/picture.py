"""What is drawn on a clip's picture, as ASS: title, waveform, who speaks, and words that light up as they are said."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from earwitness.clips.captions import COLOURS, Cue, Measure, Spoken, joined, literal, pieces_of, wrapped
from earwitness.clips.fonts import Fonts
from earwitness.clips.presets import Preset

if TYPE_CHECKING:
    from pysubs2 import Color, SSAFile, SSAStyle

GROUND = "#14161C"
_TITLE_LINES = 3
_BAR = 14
"""Pixels from one bar of the waveform to the next."""
_BAR_WIDE = 8
_NAME = 0.72
"""Size of names, to that of words."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a show's clips look."""

    colours: tuple[str, ...] = COLOURS
    """Of speakers, #RRGGBB, by first appearance."""
    ground: str = GROUND
    artwork: Path | None = None
    """A picture; blurred it is the ground, and where there is room it stands in the middle."""


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a clip's picture shows."""

    preset: Preset
    cues: Sequence[Cue]
    """Made with `measure_of` the preset."""
    title: str
    names: dict[str, str]
    """Label → name to show."""
    length_ms: int
    levels: npt.NDArray[np.float32]
    """Of the sound, evenly spaced, 0..1; none: there is no waveform."""
    fonts: Fonts
    look: Look = field(default_factory=Look)
    artwork: bool = False
    """Whether the artwork takes the middle of an upright picture."""
    over_film: bool = False
    """Whether the recording's own picture lies under it: letters then need a wider rim."""


def measure_of(preset: Preset, fonts: Fonts) -> Measure:
    """How wide captions of this size are, in pixels."""
    return partial(fonts.width, size=preset.font_size)


def room_for_lines(preset: Preset) -> int:
    """Pixels between the margins, less the outline."""
    return preset.width - 2 * preset.side - 8


def still(scene: Scene) -> "SSAFile":
    """What does not move: title and waveform. `PlayRes` is the picture's size, so nothing is stretched."""
    import pysubs2

    preset = scene.preset
    file = _empty(preset)
    file.styles = {
        "Title": _style(scene, 0.85, pysubs2.Alignment.TOP_CENTER, preset.top),
        "Bars": _style(scene, 1.0, pysubs2.Alignment.TOP_LEFT, 0, outline=0),
    }
    _draw_title(file, scene)
    bars = _bars(scene)
    for speaker in dict.fromkeys(bar.speaker for bar in bars):
        shape = " ".join(bar.path for bar in bars if bar.speaker == speaker)
        style = rf"\1c{_tag(_colours(scene)[speaker])}\1a&HB0&"
        file.append(pysubs2.SSAEvent(0, scene.length_ms, _drawing(style, shape), style="Bars"))
    return file


def moving(scene: Scene) -> "SSAFile":
    """What changes: bars that light up as they pass, which shows how far the clip is; who speaks; and the words."""
    import pysubs2

    preset = scene.preset
    file = _empty(preset)
    file.styles = {
        "Words": _style(scene, 1.0, pysubs2.Alignment.TOP_CENTER, _words_from_top(preset)),
        "Name": _style(scene, _NAME, pysubs2.Alignment.BOTTOM_CENTER, _name_from_bottom(preset)),
        "Bars": _style(scene, 1.0, pysubs2.Alignment.TOP_LEFT, 0, outline=0),
    }
    colours = _colours(scene)
    for bar in _bars(scene):
        style = rf"\1c{_tag(colours[bar.speaker])}"
        file.append(pysubs2.SSAEvent(bar.start_ms, scene.length_ms, _drawing(style, bar.path), style="Bars"))
    _draw_words(file, scene, colours)
    return file


def _empty(preset: Preset) -> "SSAFile":
    import pysubs2

    file = pysubs2.SSAFile()
    file.info.update(
        {
            "PlayResX": str(preset.width),
            "PlayResY": str(preset.height),
            "WrapStyle": "2",
            "ScaledBorderAndShadow": "yes",
            "Title": "Earwitness clip",
        }
    )
    return file


def _words_from_top(preset: Preset) -> int:
    """Two lines, with room for tails and rims."""
    return preset.height - preset.bottom - 2 * preset.font_size - 10


def _name_from_bottom(preset: Preset) -> int:
    return preset.bottom + round(2.4 * preset.font_size)


def _style(scene: Scene, size: float, place: int, down: int, outline: float | None = None) -> "SSAStyle":
    import pysubs2

    if outline is None:
        outline = 6 if scene.over_film else 3

    return pysubs2.SSAStyle(
        fontname=scene.fonts.family,
        fontsize=round(scene.preset.font_size * size),
        bold=scene.fonts.bold,
        primarycolor=pysubs2.Color(255, 255, 255),
        outlinecolor=pysubs2.Color(16, 18, 22),
        encoding=-1,  # libass then orders right-to-left lines as a whole, not from one tag to the next
        outline=outline,
        shadow=0,
        alignment=pysubs2.Alignment(place),
        marginl=scene.preset.side,
        marginr=scene.preset.side,
        marginv=down,
    )


def _colours(scene: Scene) -> dict[str | None, "Color"]:
    seen: list[str | None] = list(dict.fromkeys(cue.speaker for cue in scene.cues)) or [None]
    ordered = [*seen, *(label for label in scene.names if label not in seen)]
    chosen = scene.look.colours
    return {label: _colour(chosen[place % len(chosen)]) for place, label in enumerate(ordered)}


def _colour(text: str) -> "Color":
    import pysubs2

    code = text.lstrip("#")
    return pysubs2.Color(int(code[:2], 16), int(code[2:4], 16), int(code[4:6], 16))


def _tag(colour: "Color") -> str:
    return f"&H{colour.b:02X}{colour.g:02X}{colour.r:02X}&"


def _draw_title(file: "SSAFile", scene: Scene) -> None:
    import pysubs2

    title = scene.fonts.drawable(literal(scene.title))
    if not title:
        return
    measure = partial(scene.fonts.width, size=round(scene.preset.font_size * 0.85))
    room = room_for_lines(scene.preset)
    words = [Spoken(0, 0, piece) for word in title.split() for piece in pieces_of(word, room, measure)]
    lines = [joined(word.text for word in line) for line in wrapped(words, room, measure)]
    if len(lines) > _TITLE_LINES:
        lines = [*lines[: _TITLE_LINES - 1], _fitted(f"{lines[_TITLE_LINES - 1]}…", room, measure, cut=True)]
    file.append(pysubs2.SSAEvent(0, scene.length_ms, r"\N".join(lines), style="Title"))


def _fitted(text: str, room: float, measure: Measure, *, cut: bool = False) -> str:
    """A text in one line, shortened with an ellipsis where it is too long, behind a word if there are several."""
    if measure(text) <= room:
        return text
    kept = text.rstrip("…") if cut else text
    while kept and measure(f"{kept.rstrip()}…") > room:
        kept = kept[:-1]
    if text[len(kept) : len(kept) + 1].strip() and " " in kept.strip():
        kept = kept.rsplit(" ", 1)[0]  # not inside a word
    return f"{kept.rstrip(' ,;:')}…"


def waveform_box(preset: Preset, *, artwork: bool) -> tuple[int, int]:
    """Middle and height of the waveform in pixels from the top."""
    free_from = preset.top + round(_TITLE_LINES * 0.85 * preset.font_size) + 30
    free_to = preset.height - _name_from_bottom(preset) - round(_NAME * preset.font_size) - 30
    height = min(260, free_to - free_from)
    if artwork:
        height = min(height, 150)
        return free_to - height // 2, height
    return (free_from + free_to) // 2, height


def artwork_box(preset: Preset) -> tuple[int, int, int] | None:
    """Left, top and side of the square that the artwork takes; None: there is no room for it."""
    middle, height = waveform_box(preset, artwork=True)
    top = preset.top + round(_TITLE_LINES * 0.85 * preset.font_size) + 40
    side = min(preset.width - 2 * preset.side, middle - height // 2 - 40 - top)
    return ((preset.width - side) // 2, top, side) if side >= 320 else None


@dataclass(frozen=True, slots=True)
class _Bar:
    """Of the waveform."""

    start_ms: int
    speaker: str | None
    path: str


def _drawing(style: str, shape: str) -> str:
    return rf"{{\an7\pos(0,0)\bord0{style}\p1}}{shape}"


def _bars(scene: Scene) -> list[_Bar]:
    """The waveform, each bar in the hands of who speaks then."""
    if not len(scene.levels):
        return []
    preset = scene.preset
    middle, tall = waveform_box(preset, artwork=scene.artwork)
    count = (preset.width - 2 * preset.side) // _BAR
    left = (preset.width - count * _BAR + _BAR - _BAR_WIDE) // 2
    edges = np.linspace(0, len(scene.levels), count + 1).round().astype(int)
    found = []
    for place in range(count):
        part = scene.levels[edges[place] : max(edges[place] + 1, edges[place + 1])]
        half = max(4, round(float(part.max(initial=0.0)) * tall / 2))
        x, high, low = left + place * _BAR, middle - half, middle + half
        at = (2 * place + 1) * scene.length_ms // (2 * count)
        path = f"m {x} {high} l {x + _BAR_WIDE} {high} {x + _BAR_WIDE} {low} {x} {low}"
        found.append(_Bar(place * scene.length_ms // count, _speaker_at(scene.cues, at), path))
    return found


def _speaker_at(cues: Sequence[Cue], at: int) -> str | None:
    nearest = min(cues, key=lambda cue: (max(cue.start_ms - at, at - cue.end_ms, 0), cue.start_ms), default=None)
    return nearest.speaker if nearest else None


def _draw_words(file: "SSAFile", scene: Scene, colours: dict[str | None, "Color"]) -> None:
    import pysubs2

    measure = partial(scene.fonts.width, size=round(scene.preset.font_size * _NAME))
    room = room_for_lines(scene.preset)
    for cue in scene.cues:
        colour = _tag(colours[cue.speaker])
        for start, end, lit in _steps(cue):
            text = r"\N".join(_line(row, lit, colour) for row in cue.words) if cue.words else r"\N".join(cue.lines)
            file.append(pysubs2.SSAEvent(start, end, text, layer=2, style="Words"))
        if name := scene.fonts.drawable(literal(scene.names.get(cue.speaker or "", ""))):
            shown = rf"{{\1c{colour}}}{_fitted(name, room, measure)}"
            file.append(pysubs2.SSAEvent(cue.start_ms, cue.end_ms, shown, layer=2, style="Name"))


def _steps(cue: Cue) -> list[tuple[int, int, Spoken | None]]:
    """Stretches of a caption and the word that is said in each."""
    found: list[tuple[int, int, Spoken | None]] = []
    at = cue.start_ms
    words = sorted((word for row in cue.words for word in row), key=lambda word: word.start_ms)
    for place, word in enumerate(words):
        until = words[place + 1].start_ms if place + 1 < len(words) else cue.end_ms
        start, end = max(at, min(word.start_ms, cue.end_ms)), min(until, cue.end_ms)
        if start > at:
            found.append((at, start, None))
            at = start
        if end > at:
            found.append((at, end, word))
            at = end
    if at < cue.end_ms:
        found.append((at, cue.end_ms, None))
    return found


def _line(row: Sequence[Spoken], lit: Spoken | None, colour: str) -> str:
    plain = joined(word.text for word in row)
    if lit is None or not any(word is lit for word in row):
        return plain
    place = next(n for n, word in enumerate(row) if word is lit)
    before = joined(word.text for word in row[:place])
    start = len(joined([before, lit.text])) - len(lit.text) if before else 0
    end = start + len(lit.text)
    return rf"{plain[:start]}{{\1c{colour}}}{plain[start:end]}{{\1c&HFFFFFF&}}{plain[end:]}"
