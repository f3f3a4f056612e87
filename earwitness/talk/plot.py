"""The timeline as a picture for pages that show only Markdown: an SVG in a data address, and the same as a table."""

import base64
from collections.abc import Sequence
from html import escape

from earwitness.speech.turns import Turn
from earwitness.talk.talk import Talk
from earwitness.words.cast import Speaker

_WIDTH, _NAMES, _LANE = 960, 190, 30
_COLUMNS = 480
"""Stretches of the picture: finer than eyes need, and a recording of any length stays small."""
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#b8478a", "#56b4e9", "#e69f00", "#6a4fb3", "#7a7a7a")
_LONGEST_NAME = 24
_STEPS_S = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400)
_TICKS = 10


def timeline_svg(turns: Sequence[Turn], speakers: Sequence[Speaker], duration_ms: int) -> str:
    """Who speaks when, a lane each. The same input gives the same text.

    Args:
        turns: speakers may overlap.
        speakers: in the order wanted; names are escaped.
        duration_ms: of the recording.
    """
    duration_ms = max(duration_ms, 1)
    height = _LANE * len(speakers) + 26
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{height}" rx="6" fill="#fffdf9"/>',
    ]
    room = _WIDTH - _NAMES - 20
    for number, speaker in enumerate(speakers):
        top = number * _LANE
        name = speaker.name if len(speaker.name) <= _LONGEST_NAME else speaker.name[: _LONGEST_NAME - 1] + "…"
        parts.append(f'<text x="12" y="{top + 20}" fill="#1d2126">{escape(_printable(name))}</text>')
        parts.append(f'<rect x="{_NAMES}" y="{top + 7}" width="{room}" height="18" fill="#f0ece3"/>')
        path = "".join(
            f"M{_NAMES + first * room / _COLUMNS:.4g} {top + 7}h{(last - first) * room / _COLUMNS:.4g}v18"
            f"h-{(last - first) * room / _COLUMNS:.4g}z"
            for first, last in _columns(turns, speaker.label, duration_ms)
        )
        parts.append(f'<path d="{path}" fill="{_COLOURS[number % len(_COLOURS)]}"/>')
    step = next((s for s in _STEPS_S if duration_ms / 1000 / s <= _TICKS), _STEPS_S[-1])
    for second in range(0, duration_ms // 1000 + 1, step):
        at = _NAMES + round(second * 1000 * room / duration_ms)
        parts.append(f'<text x="{at}" y="{height - 8}" fill="#5d646c" font-size="11">{_clock(second)}</text>')
    return "".join([*parts, "</svg>"])


def timeline_markdown(
    turns: Sequence[Turn], speakers: Sequence[Speaker], duration_ms: int, talk: Talk | None = None
) -> str:
    """The picture and, where they were measured, the main figures.

    Prefect's pages show such a picture (seen with 3.8.8); where a page does not, the table still says the most.

    Args:
        turns: speakers may overlap.
        speakers: in the order wanted.
        duration_ms: of the recording.
        talk: how they talk, if that is known.
    """
    picture = base64.b64encode(timeline_svg(turns, speakers, duration_ms).encode()).decode("ascii")
    lines = [f"![Who speaks when](data:image/svg+xml;base64,{picture})", ""]
    if talk is not None:
        lines += [
            "| speaker | role | share | turns | words/min | pitch | interrupts | interrupted | monologue |",
            "|---|---|---:|---:|---:|---:|---:|---:|---:|",
            *(_row(speaker, talk) for speaker in speakers if speaker.label in talk.speakers),
        ]
    return "\n".join(lines)


def _row(speaker: Speaker, talk: Talk) -> str:
    found = talk.speakers[speaker.label]
    length = found.longest_monologue
    cells = [
        _cell(speaker.name),
        _cell(speaker.role_text),
        f"{100 * found.share:.0f} %",
        str(found.turns),
        "–" if found.words_per_minute is None else f"{found.words_per_minute:.0f}",
        f"{found.pitch.median_hz:.0f} Hz" if found.pitch else "–",
        str(found.interruptions_made),
        str(found.interruptions_suffered),
        f"{length.end_s - length.start_s:.0f} s at {_clock(int(length.start_s))}" if length else "–",
    ]
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """Text that stays text in a table of Markdown: no markup, no pipe, one line."""
    plain = escape(" ".join(_printable(text).split()))
    return "".join(f"\\{letter}" if letter in "\\`*_[]()|!#~" else letter for letter in plain)


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _columns(turns: Sequence[Turn], label: str, duration_ms: int) -> list[tuple[int, int]]:
    """Runs of columns in which a speaker speaks."""
    runs: list[tuple[int, int]] = []
    for turn in sorted((turn for turn in turns if turn.speaker == label), key=lambda turn: turn.start_ms):
        first = min(turn.start_ms * _COLUMNS // duration_ms, _COLUMNS - 1)
        last = min(max(-(-turn.end_ms * _COLUMNS // duration_ms), first + 1), _COLUMNS)
        if runs and first <= runs[-1][1]:
            runs[-1] = (runs[-1][0], max(runs[-1][1], last))
        else:
            runs.append((first, last))
    return runs


def _clock(second: int) -> str:
    hours, rest = divmod(second, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
