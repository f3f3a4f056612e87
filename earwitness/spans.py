"""Arithmetic of stretches of time."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import islice

_CLOCK = r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d{1,3})?)"
_SLICE = re.compile(rf"^\s*{_CLOCK}\s*-\s*{_CLOCK}\s*$")
Span = tuple[int, int]
"""Start and end in ms."""


def merge(spans: Iterable[Span], bridge_ms: int = 0) -> list[Span]:
    """Union of spans, sorted; gaps of at most `bridge_ms` are closed."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start - merged[-1][1] <= bridge_ms:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        elif end > start:
            merged.append((start, end))
    return merged


def subtract(spans: Iterable[Span], holes: Sequence[Span]) -> list[Span]:
    """What is left of `spans` (merged, sorted) outside `holes` (merged, sorted)."""
    left: list[Span] = []
    first = 0
    for start, end in spans:
        at = start
        while first < len(holes) and holes[first][1] <= start:
            first += 1
        for hole_start, hole_end in islice(holes, first, None):
            if hole_start >= end:
                break
            if hole_start > at:
                left.append((at, hole_start))
            at = max(at, hole_end)
        if at < end:
            left.append((at, end))
    return left


def meets(spans: Sequence[Span], start_ms: int, end_ms: int) -> bool:
    """Whether any of `spans` (merged, sorted) reaches into a stretch."""
    at = bisect_left(spans, end_ms, key=lambda span: span[0])
    return at > 0 and spans[at - 1][1] > start_ms


def parse_slice(text: str) -> tuple[int, int]:
    """`10:00-12:00`, `1:02:03.5-1:03:00` or `90-120` → (start_ms, end_ms).

    Raises:
        ValueError: not of that form, or empty.
    """
    match = _SLICE.match(text)
    if not match:
        raise ValueError(f"slice {text!r} is not START-END, such as 10:00-12:00 or 90-120")

    def at(hours: str | None, minutes: str | None, seconds: str) -> int:
        return (int(hours or 0) * 60 + int(minutes or 0)) * 60_000 + round(float(seconds) * 1000)

    groups = match.groups()
    start, end = at(*groups[:3]), at(*groups[3:])
    if end <= start:
        raise ValueError(f"slice {text!r} ends before it starts")
    return start, end
