"""Where one thing ends and the next begins: scenes of a recording, found from its words alone.

Marti Hearst's TextTiling (Computational Linguistics 23(1), 1997): compare the vocabulary on both sides of a place and
cut where it changes most.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from earwitness.notes.wording import FUNCTION_WORDS

_BLOCK = 120
"""Content words on each side of a place that are compared; some two minutes of talk."""
_USUAL = 1500
"""Words of a scene that is neither short nor long: about ten minutes."""
_MOST = 24


@dataclass(frozen=True, slots=True)
class Scene:
    """A run of utterances."""

    first: int
    last: int
    """Index of the last utterance, itself included."""


def find_scenes(words: Sequence[Sequence[str]], lengths: Sequence[int], wanted: int | None) -> list[Scene]:
    """Cut a recording into scenes that cover all of it, in order.

    Args:
        words: terms of each utterance (see `earwitness.notes.sentences.terms`).
        lengths: words of each utterance.
        wanted: how many scenes; None lets the content decide. Never more than there are utterances.
    """
    if not words:
        return []
    total = sum(lengths)
    most = min(len(words), wanted or min(_MOST, max(1, round(total / (_USUAL * 0.6)))))
    least_words = 0.35 * total / most
    depths = _depths([[w for w in run if w not in FUNCTION_WORDS] for run in words])
    cuts = _cuts(depths, lengths, most - 1, least_words)
    if wanted is None:
        usual = [depths[place] for place in cuts]
        threshold = (sum(usual) / len(usual) if usual else 0.0) * 0.6
        cuts = [place for place in cuts if depths[place] >= threshold]
    else:
        cuts = _topped_up(cuts, lengths, most - 1)
    edges = [0, *sorted(cuts), len(words)]
    return [Scene(start, end - 1) for start, end in pairwise(edges)]


def _depths(words: Sequence[Sequence[str]]) -> list[float]:
    """For each place before utterance i: how much less alike its two sides are than the places around it."""
    spread = Counter(word for run in words for word in set(run))
    weight = {word: math.log(1 + len(words) / count) for word, count in spread.items()}
    alike = [1.0] + [_alike(words, place, weight) for place in range(1, len(words))]
    depths = [0.0] * len(words)
    reach = max(2, len(words) // 40)
    for place in range(1, len(words)):
        left = max(alike[max(1, place - reach) : place + 1])
        right = max(alike[place : place + reach + 1])
        depths[place] = left + right - 2 * alike[place]
    return depths


def _alike(words: Sequence[Sequence[str]], place: int, weight: dict[str, float]) -> float:
    before: Counter[str] = Counter()
    after: Counter[str] = Counter()
    index, size = place - 1, 0
    while index >= 0 and size < _BLOCK:
        before.update(words[index])
        size += len(words[index])
        index -= 1
    index, size = place, 0
    while index < len(words) and size < _BLOCK:
        after.update(words[index])
        size += len(words[index])
        index += 1
    shared = sum(before[w] * after[w] * weight[w] ** 2 for w in before.keys() & after.keys())
    if not shared:
        return 0.0
    norm = math.sqrt(
        sum((n * weight[w]) ** 2 for w, n in before.items()) * sum((n * weight[w]) ** 2 for w, n in after.items())
    )
    return shared / norm


def _cuts(depths: Sequence[float], lengths: Sequence[int], most: int, least_words: float) -> list[int]:
    """The deepest places, far enough from each other and from both ends."""
    until = [0]
    for length in lengths:
        until.append(until[-1] + length)
    chosen: list[int] = []
    for place in sorted(range(1, len(depths)), key=lambda p: (-depths[p], p)):
        if len(chosen) >= most or depths[place] <= 0:
            break
        edges = [0, until[-1], *(until[p] for p in chosen)]
        if all(abs(until[place] - edge) >= least_words for edge in edges):
            chosen.append(place)
    return chosen


def _topped_up(cuts: list[int], lengths: Sequence[int], wanted: int) -> list[int]:
    """The number of chapters that was asked for, by halving the longest scenes where the content gives no more."""
    cuts = sorted(cuts)
    while len(cuts) < wanted:
        edges = [0, *cuts, len(lengths)]
        spans = [(start, end) for start, end in pairwise(edges) if end - start > 1]
        start, end = max(spans, key=lambda span: (sum(lengths[span[0] : span[1]]), -span[0]))
        half, run = sum(lengths[start:end]) / 2, 0
        for place in range(start + 1, end):
            run += lengths[place - 1]
            if run >= half or place == end - 1:
                cuts = sorted([*cuts, place])
                break
    return cuts
