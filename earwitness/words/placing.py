"""Words on the clock: filling in what an aligner could not hear, and keeping them in order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from earwitness.spans import Span

MIN_WORD_MS = 20


@dataclass(frozen=True, slots=True)
class Placed:
    """A written word with its time in the recording."""

    text: str
    start_ms: int
    end_ms: int
    score: float = 0.0
    estimated: bool = True


def within(spans: Sequence[Span], start_ms: int, end_ms: int) -> list[Span]:
    """The parts of `spans` between two times; the whole of it where no span reaches in."""
    inside = [(max(a, start_ms), min(b, end_ms)) for a, b in spans if min(b, end_ms) - max(a, start_ms) >= MIN_WORD_MS]
    return inside or [(start_ms, end_ms)]


def spread(texts: Sequence[str], spans: Sequence[Span]) -> list[Placed]:
    """Share the time of `spans` out among words by their length.

    A word may not straddle a pause: it lies in the span that holds its middle.
    """
    weights = [len(text) + 2 for text in texts]
    total = sum(weights)
    room = sum(b - a for a, b in spans)
    placed, done = [], 0
    for text, weight in zip(texts, weights, strict=True):
        first, last = room * done // total, room * (done + weight) // total
        done += weight
        offset = (first + last) // 2
        for a, b in spans:
            if offset < b - a or (a, b) == spans[-1]:
                shift = a - ((first + last) // 2 - offset)
                placed.append(Placed(text, max(a, first + shift), min(b, last + shift)))
                break
            offset -= b - a
    return placed


def fill(
    texts: Sequence[str], heard: Sequence[Placed | None], start_ms: int, end_ms: int, speech: Sequence[Span]
) -> list[Placed]:
    """Give every word a time: runs that were not heard share the speech between their neighbours.

    Args:
        texts: all words of the segment.
        heard: one entry a word, None where it was not heard; in order.
        start_ms: of the segment.
        end_ms: of the segment.
        speech: voice activity of the recording.
    """
    placed: list[Placed] = []
    index = 0
    while index < len(texts):
        word = heard[index]
        if word is not None:
            placed.append(word)
            index += 1
            continue
        stop = next((i for i in range(index, len(texts)) if heard[i] is not None), len(texts))
        upcoming = heard[stop] if stop < len(texts) else None
        before = placed[-1].end_ms if placed else min(start_ms, upcoming.start_ms if upcoming else start_ms)
        after = upcoming.start_ms if upcoming else max(end_ms, before)
        run = texts[index:stop]
        short = MIN_WORD_MS * len(run) - (after - before)
        if short > 0:
            # no room between the neighbours: they have swallowed these words, so take it from the one with more
            before, after = _make_room(placed, before, after, short)
        placed += spread(run, within(speech, before, after))
        index = stop
    return placed


def _make_room(placed: list[Placed], before: int, after: int, short: int) -> Span:
    if placed:
        last = placed[-1]
        give = min(short, max(0, (last.end_ms - last.start_ms) - 2 * MIN_WORD_MS))
        placed[-1] = replace(last, end_ms=last.end_ms - give)
        return before - give, after
    return before - short, after


def in_order(words: Sequence[Placed], duration_ms: int) -> list[Placed]:
    """The same words with start < end, starts that never go back, inside the recording.

    Raises nothing and drops nothing; where there is no room left words share the last milliseconds.
    """
    kept: list[Placed] = []
    floor = 0
    last_start = max(0, duration_ms - 1)
    for word in words:
        start = min(max(word.start_ms, floor, 0), last_start)
        end = min(max(word.end_ms, start + 1), max(duration_ms, start + 1))
        if kept and kept[-1].end_ms > start > kept[-1].start_ms:
            kept[-1] = replace(kept[-1], end_ms=start)
        kept.append(replace(word, start_ms=start, end_ms=end))
        floor = start + 1 if start + 1 <= last_start else start
    return kept
