"""Arithmetic of stretches of time in ms, (start, end)."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

Span = tuple[int, int]


def union(spans: Iterable[Span]) -> list[Span]:
    """What at least one of the spans covers, in order, apart."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def meets(spans: Sequence[Span], start_ms: int, end_ms: int) -> bool:
    """Whether any of the spans, which are in order and apart, reaches into a stretch."""
    at = bisect_left(spans, end_ms, key=lambda span: span[0])
    return at > 0 and spans[at - 1][1] > start_ms
