"""How much of what the recording is about is said in a stretch of it.

Three signals in equal parts, each against what the best stretches of the recording reach: words that weigh much in
the whole recording (centroid summarizers: Radev et al. 2004), words that several claims of the notes come back to, and
sentences that the notes cite. Without notes only the first speaks.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate
from statistics import fmean

from earwitness.clips.units import Unit
from earwitness.notes.salience import Terms, content_terms

_WINDOW = 20
"""Units that count as one document in the rarity of words, as in the notes."""
_USUAL_MS = 35_000
_BEST = 0.95
"""Stretches as long as a usual clip that say more than this share of all others count as 1."""
_AGAIN = 2
"""Claims that have a word which the notes come back to."""


class Subject:
    """Of a whole recording.

    Args:
        units: all sentences, in order.
        contents: content terms of each.
        about: what the terms weigh.
        claims: text of each claim of the notes.
        cited: for each unit, whether the notes cite it.
        words: of each unit.
    """

    def __init__(
        self,
        units: Sequence[Unit],
        contents: Sequence[Sequence[str]],
        about: Terms,
        claims: Iterable[str],
        cited: Sequence[int],
        words: Sequence[int],
    ) -> None:
        rarity = _rarity(contents)
        shared = Counter(term for text in claims for term in set(content_terms(text)))
        again = {term for term, times in shared.items() if times >= _AGAIN}
        self._terms = _sums(len(run) for run in contents)
        self._centre = _sums(sum(about.weight.get(term, 0.0) for term in run) for run in contents)
        self._rarity = _sums(sum(rarity[term] for term in run) for run in contents)
        self._again = _sums(sum(rarity[term] for term in run if term in again) for run in contents)
        self._words = _sums(words)
        self._cited = _sums(here * length for here, length in zip(cited, words, strict=True))
        parts = [self._parts(first, last) for first, last in _usual(units)]
        self._reach = [sorted(found)[int(_BEST * (len(found) - 1))] for found in zip(*parts, strict=True)]

    def share(self, first: int, last: int) -> float:
        """Of the units from `first` to `last`: 0..1."""
        return fmean(
            min(1.0, value / most)
            for value, most in zip(self._parts(first, last), self._reach, strict=True)
            if most > 0
        ) if any(self._reach) else 0.0  # fmt: skip

    def _parts(self, first: int, last: int) -> tuple[float, float, float]:
        def of(sums: Sequence[float]) -> float:
            return sums[last + 1] - sums[first]

        rarity = of(self._rarity)
        return (
            of(self._centre) / max(1.0, of(self._terms)),
            of(self._again) / rarity if rarity > 0 else 0.0,
            of(self._cited) / max(1.0, of(self._words)),
        )


def _rarity(contents: Sequence[Sequence[str]]) -> dict[str, float]:
    windows = range(0, len(contents), _WINDOW)
    spread = Counter(
        term for start in windows for term in {t for run in contents[start : start + _WINDOW] for t in run}
    )
    return {term: math.log(1 + len(windows) / times) for term, times in spread.items()}


def _sums(values: Iterable[float]) -> list[float]:
    return [0.0, *accumulate(values)]


def _usual(units: Sequence[Unit]) -> Iterable[tuple[int, int]]:
    """From each unit on, as many as a usual clip has."""
    last = 0
    for first, unit in enumerate(units):
        last = max(first, last)
        while last + 1 < len(units) and units[last + 1].end_ms - unit.start_ms <= _USUAL_MS:
            last += 1
        yield first, last
