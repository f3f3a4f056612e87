"""The drawing of who speaks when: one SVG path a lane, however long the recording is."""

from collections.abc import Iterable, Sequence

from earwitness.spans import Span, merge
from earwitness.speech.turns import Turn

BARS = 480
"""Bars of the waveform: as many as a wide window can still tell apart."""
LANE_HEIGHT = 10


def ticks_of(ms: int) -> int:
    """Horizontal units of the drawing: hundredths of a second."""
    return ms // 10


def lane_path(spans: Iterable[Span]) -> str:
    """Rectangles over spans in milliseconds; the lane is `LANE_HEIGHT` units high."""
    boxes = []
    for start, end in merge(spans):
        left, width = ticks_of(start), max(ticks_of(end) - ticks_of(start), 1)
        boxes.append(f"M{left} 1h{width}v{LANE_HEIGHT - 2}h-{width}z")
    return "".join(boxes)


def overlaps(turns: Iterable[Turn]) -> list[Span]:
    """Where at least two speakers talk at once, in milliseconds."""
    edges = sorted([(t.start_ms, 1) for t in turns] + [(t.end_ms, -1) for t in turns]) if (turns := list(turns)) else []
    found: list[Span] = []
    active, since = 0, 0
    for at, step in edges:
        if active >= 2 and at > since:
            found.append((since, at))
        active += step
        since = at
    return merge(found)


def wave_path(peaks: Sequence[int]) -> tuple[str, int]:
    """The waveform as thin bars in a drawing 100 units high, and how many units wide that is."""
    if not peaks:
        return "", 1
    count = min(len(peaks), BARS)
    bars = [
        max(peaks[n * len(peaks) // count : max((n + 1) * len(peaks) // count, n * len(peaks) // count + 1)])
        for n in range(count)
    ]
    shapes = []
    for number, bar in enumerate(bars):
        half = max(1, min(100, bar) * 48 // 100)
        shapes.append(f"M{number * 10 + 2} {50 - half}h6v{2 * half}h-6z")
    return "".join(shapes), count * 10
