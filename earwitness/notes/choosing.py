"""Choosing sentences: the best ones that say different things, from all over the recording, to a length."""

import heapq
from collections.abc import Sequence

_TOLERANCE = 0.05
_NEAR = 0.01
"""Nobody needs it nearer than this."""
_REPEATING = 0.6
"""How much a sentence loses that only repeats a chosen one (maximal marginal relevance: Carbonell, Goldstein 1998)."""
_CROWDED = 0.4
"""What a sentence keeps for each full share of words that its scene already has beyond its own."""


def choose(
    scores: Sequence[float],
    lengths: Sequence[int],
    contents: Sequence[Sequence[str]],
    scenes: Sequence[int],
    budget: int,
) -> list[int]:
    """Indices of the chosen sentences, ascending.

    Their lengths sum to the budget within 5 % wherever sentences of fitting lengths exist; all of them are chosen if
    they are not enough.

    Args:
        scores: how much each sentence tells, above 0.
        lengths: words of each.
        contents: content terms of each, for telling repetitions.
        scenes: the scene of each, 0, 1, ...
        budget: words wanted.
    """
    if sum(lengths) <= budget:
        return list(range(len(scores)))
    upper = max(int(budget * (1 + _TOLERANCE)), min(lengths, default=0))
    share = _shares(lengths, scenes)
    used = dict.fromkeys(share, 0)
    sets = [frozenset(run) for run in contents]
    heard: list[frozenset[str]] = []
    chosen: list[int] = []
    total = 0
    # Gains only fall while sentences are chosen, so a stale gain is an upper bound (Minoux 1978).
    heap = [(-score, index, 0, 0.0) for index, score in enumerate(scores)]
    heapq.heapify(heap)
    while heap and total < budget * (1 - _NEAR):
        _, index, seen, alike = heapq.heappop(heap)
        if total + lengths[index] > upper:
            continue
        if seen < len(heard):
            alike = max(alike, _likeness(sets[index], heard[seen:]))
            gain = scores[index] * (1 - _REPEATING * alike) * _room(used, share, scenes[index], budget)
            heapq.heappush(heap, (-gain, index, len(heard), alike))
            continue
        chosen.append(index)
        heard.append(sets[index])
        total += lengths[index]
        used[scenes[index]] += lengths[index]
    if total < budget * (1 - _TOLERANCE):
        chosen = _adjusted(chosen, scores, lengths, budget)
    return sorted(chosen)


def _shares(lengths: Sequence[int], scenes: Sequence[int]) -> dict[int, float]:
    """The part of the notes that each scene should have: by its length."""
    words: dict[int, float] = {}
    for length, scene in zip(lengths, scenes, strict=True):
        words[scene] = words.get(scene, 0.0) + length
    total = sum(words.values()) or 1.0
    return {scene: count / total for scene, count in words.items()}


def _room(used: dict[int, int], share: dict[int, float], scene: int, budget: int) -> float:
    over = used[scene] / max(1.0, share[scene] * budget) - 1
    return float(_CROWDED**over) if over > 0 else 1.0


def _likeness(terms: frozenset[str], heard: Sequence[frozenset[str]]) -> float:
    return max((len(terms & other) / len(terms | other) for other in heard if terms & other), default=0.0)


def _adjusted(chosen: list[int], scores: Sequence[float], lengths: Sequence[int], budget: int) -> list[int]:
    """Reach the length by swapping one chosen sentence for another, at the least loss."""
    total = sum(lengths[i] for i in chosen)
    taken = set(chosen)
    best: tuple[float, int, int] | None = None
    for old in [-1, *chosen]:
        for new, length in enumerate(lengths):
            size = total + length - (lengths[old] if old >= 0 else 0)
            if new in taken or abs(size - budget) > budget * _TOLERANCE:
                continue
            gain = scores[new] - (scores[old] if old >= 0 else 0.0)
            if best is None or gain > best[0]:
                best = (gain, old, new)
    if best is None:
        return chosen
    return [index for index in chosen if index != best[1]] + [best[2]]
