"""Arithmetic of stretches of time."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import islice

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
