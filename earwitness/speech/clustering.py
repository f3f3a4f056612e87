"""Which local voices of the windows are the same person, and how many people there are.

Agglomerative clustering with average linkage over voice embeddings. Two things guard it: windows overlap by almost
four seconds, so local voices of neighbouring windows that speak at different moments of the shared sound are not one
person (cannot-link evidence); and a person must talk for a while before they count.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earwitness.speech.segmentation import FRAMES, HOP_FRAMES, LOCAL_VOICES, Flags
from earwitness.speech.voice_encoder import Vectors, unit

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

_LAGS = tuple(range(1, (FRAMES - 1) // HOP_FRAMES + 1))
_MIN_SHARED = 15
_FULL_SHARED = 60
_BLOCK = 512
_MANY = 3000
_LONG_S = 4.5
"""Corrected likeness is the cosine between voices heard this long."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How readily voices are taken for one; one set for all recordings."""

    join: float = 0.735
    """Mean likeness (cosine, corrected for how short the voices are) from which two groups are one person."""
    brief_s: float = 0.34
    """Speech after which half of an embedding's energy is the voice and half is chance: embeddings of short speech
    resemble everything less, by sqrt(t / (t + brief_s))."""
    conflict: float = 0.6
    """How much the cosine counts less where the groups contradict each other in shared sound."""
    harm: float = 0.1
    """Likeness a split must gain for splitting off twice as much, where more speakers were asked for than heard."""
    min_share: float = 0.005
    """Of all speech: who talks less is not counted as a speaker ..."""
    min_talk_s: tuple[float, float] = (0.2, 10.0)
    """... within these bounds in seconds."""


@dataclass(frozen=True, slots=True)
class Voices:
    """The local voices that are clear enough to cluster."""

    window: Integers
    local: Integers
    vectors: Vectors
    """Unit length, shape (voices, dimensions)."""
    heard_s: Floats
    """Clean speech each embedding was made from."""
    seconds: Floats
    """Its share of the recording's speech: overlapping windows hear everything several times."""
    corrected: bool = False
    """The vectors' lengths say already how short the voices were heard."""


@dataclass(frozen=True, slots=True)
class Tree:
    """The merges of a clustering, from every voice alone to one group."""

    size: int
    pairs: npt.NDArray[np.int64]
    """Shape (merges, 2): the group of the second voice goes into that of the first."""
    scores: Floats
    """How alike the two groups of each merge were; never more than at any earlier merge."""

    def cut(self, groups: int) -> Integers:
        """Label of each voice when `groups` groups are left, numbered by first appearance."""
        return relabel(_roots(self, max(0, self.size - groups)))

    def groups_at(self, join: float) -> int:
        """How many groups are left when groups less alike than `join` stay apart."""
        return self.size - int((self.scores >= join).sum())


def trust(heard_s: Floats, rules: Rules) -> Floats:
    """By what the likeness of voices heard so long is less than that of voices heard for `_LONG_S`."""
    return np.sqrt(heard_s / (heard_s + rules.brief_s) * (_LONG_S + rules.brief_s) / _LONG_S)


def relabel(labels: Integers) -> Integers:
    """Number labels 0, 1, ... in order of first appearance."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    return rank[inverse]


@dataclass(frozen=True, slots=True)
class Shared:
    """How local voices of windows that overlap agree about the sound they share."""

    evidence: dict[int, Floats]
    """Lag in windows → (windows - lag, LOCAL_VOICES, LOCAL_VOICES) in [-1, 1]: same moments +1, other moments -1."""
    weight: dict[int, Floats]
    """Alike, in [0, 1]: 0 where one of the two says too little in the shared sound."""


def shared_evidence(flags: Flags) -> Shared:
    """Compare the windows' local voices over the sound they share.

    Args:
        flags: who is active, shape (windows, FRAMES, LOCAL_VOICES).
    """
    evidence, weight = {}, {}
    for lag in _LAGS:
        skip = lag * HOP_FRAMES
        if len(flags) <= lag:
            break
        early = flags[:-lag, skip:].astype(np.float32)
        late = flags[lag:, : FRAMES - skip].astype(np.float32)
        both = np.einsum("wfs,wft->wst", early, late)
        least = np.minimum(early.sum(1)[:, :, None], late.sum(1)[:, None, :])
        trust = np.where(least >= _MIN_SHARED, np.minimum(1.0, least / _FULL_SHARED), 0.0)
        evidence[lag] = ((2 * both / np.maximum(least, 1) - 1) * trust).astype(np.float32)
        weight[lag] = trust.astype(np.float32)
    return Shared(evidence, weight)


def build_tree(voices: Voices, shared: Shared, rules: Rules) -> Tree:
    """Merge the two most alike groups until one is left.

    With thousands of voices, neighbours that are clearly one person are merged first, block by block: memory and time
    stay bounded for recordings of many hours.
    """
    work = _Merging(voices, shared, rules)
    alive = list(range(len(voices.window)))
    stop = 0.9
    while len(alive) > _MANY and stop > 0:
        alive = [
            left for start in range(0, len(alive), _BLOCK) for left in work.merge(alive[start : start + _BLOCK], stop)
        ]
        stop -= 0.05
    work.merge(alive, -np.inf)
    pairs = np.array(work.pairs, dtype=np.int64).reshape(-1, 2)
    scores = np.minimum.accumulate(np.array(work.scores, dtype=np.float32))
    return Tree(len(voices.window), pairs, scores)


class _Merging:
    """Groups of voices while they are being merged; a group goes by its first member's number."""

    def __init__(self, voices: Voices, shared: Shared, rules: Rules) -> None:
        self.rules = rules
        # The mean cosine of all pairs of two groups is the product of their weighted mean vectors.
        weights = voices.seconds if voices.corrected else voices.seconds / trust(voices.heard_s, rules)
        self.sums = (voices.vectors * weights[:, None]).astype(np.float64)
        self.mass = voices.seconds.astype(np.float64)
        self.owner = np.arange(len(voices.window))
        self.first, self.second, self.evidence, self.weight = _links(voices, shared)
        self.pairs: list[tuple[int, int]] = []
        self.scores: list[float] = []

    def merge(self, ids: list[int], stop: float) -> list[int]:
        """Merge among `ids` while two are at least `stop` alike; return those that are left."""
        size = len(ids)
        evidence, weight = self._dense(ids)
        sums, mass = self.sums[ids], self.mass[ids]
        conflict = self.rules.conflict * np.minimum(0.0, evidence / (weight + 1.0))
        alike = (sums @ sums.T) / np.outer(mass, mass) + conflict
        np.fill_diagonal(alike, -np.inf)
        best = alike.argmax(axis=1)
        gone = np.zeros(size, dtype=bool)
        for _ in range(size - 1):
            row = int(alike[np.arange(size), best].argmax())
            keep, lost = sorted((row, int(best[row])))
            score = float(alike[keep, lost])
            if score < stop:
                break
            self._note(ids[keep], ids[lost], score)
            for matrix in (evidence, weight):
                matrix[keep] += matrix[lost]
                matrix[:, keep] += matrix[:, lost]
            sums[keep] += sums[lost]
            mass[keep] += mass[lost]
            gone[lost] = True
            fresh = sums @ sums[keep] / (mass * mass[keep])
            fresh += self.rules.conflict * np.minimum(0.0, evidence[keep] / (weight[keep] + 1.0))
            fresh[gone] = -np.inf
            fresh[keep] = -np.inf
            alike[lost] = alike[:, lost] = -np.inf
            alike[keep] = alike[:, keep] = fresh
            stale = np.flatnonzero((best == keep) | (best == lost))
            best[stale] = alike[stale].argmax(axis=1)
            better = fresh > alike[np.arange(size), best]
            best[better] = keep
            best[keep] = fresh.argmax()
        self.sums[ids], self.mass[ids] = sums, mass
        return [number for number, is_gone in zip(ids, gone, strict=True) if not is_gone]

    def _note(self, keep: int, lost: int, score: float) -> None:
        self.pairs.append((keep, lost))
        self.scores.append(score)
        self.owner[self.owner == lost] = keep

    def _dense(self, ids: list[int]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        place = np.full(len(self.owner), -1)
        place[ids] = np.arange(len(ids))
        one, other = place[self.owner[self.first]], place[self.owner[self.second]]
        here = (one >= 0) & (other >= 0) & (one != other)
        evidence, weight = np.zeros((len(ids), len(ids))), np.zeros((len(ids), len(ids)))
        for matrix, values in ((evidence, self.evidence), (weight, self.weight)):
            np.add.at(matrix, (one[here], other[here]), values[here])
            matrix += matrix.T.copy()
        return evidence, weight


def _links(voices: Voices, shared: Shared) -> tuple[Integers, Integers, Floats, Floats]:
    """All pairs of voices that share sound: indices of both, evidence, weight."""
    number = np.full((int(voices.window.max()) + 1 if len(voices.window) else 0, LOCAL_VOICES), -1)
    number[voices.window, voices.local] = np.arange(len(voices.window))
    first: list[Integers] = []
    second: list[Integers] = []
    evidence: list[Floats] = []
    weight: list[Floats] = []
    for one in range(LOCAL_VOICES):  # in one window, two local voices are two people
        for other in range(one + 1, LOCAL_VOICES):
            both = np.flatnonzero((number[:, one] >= 0) & (number[:, other] >= 0))
            first.append(number[both, one])
            second.append(number[both, other])
            evidence.append(np.full(len(both), -1.0, np.float32))
            weight.append(np.ones(len(both), np.float32))
    for lag, values in shared.evidence.items():
        if len(number) <= lag:
            continue
        early, late = number[:-lag], number[lag:]
        rows, one_, other_ = np.nonzero(
            (early[:, :, None] >= 0) & (late[:, None, :] >= 0) & (shared.weight[lag][: len(early)] > 0)
        )
        first.append(early[rows, one_])
        second.append(late[rows, other_])
        evidence.append(values[rows, one_, other_])
        weight.append(shared.weight[lag][rows, one_, other_])
    return np.concatenate(first), np.concatenate(second), np.concatenate(evidence), np.concatenate(weight)


def choose_groups(tree: Tree, voices: Voices, rules: Rules, least: int, most: int) -> tuple[Integers, int]:
    """Cut the tree where the number of people that talk enough lies within bounds.

    Args:
        tree: of `voices`.
        voices: with the seconds behind each.
        rules: the join threshold and what is enough.
        least: at least this many people (as far as there are that many voices).
        most: at most this many.

    Returns:
        label of each voice, -1 for those of groups that don't count, and the number of groups that do.
    """
    enough = enough_talk(voices, rules)
    groups = tree.groups_at(rules.join)
    labels = _substantial(tree.cut(groups), voices, enough)
    while labels.max() + 1 > most:
        groups -= 1
        labels = _substantial(tree.cut(groups), voices, enough)
    if labels.max() + 1 < least:
        labels = _split_off(tree, voices, rules, groups, labels, least)
    return labels, int(labels.max()) + 1


def _split_off(tree: Tree, voices: Voices, rules: Rules, groups: int, labels: Integers, least: int) -> Integers:
    """Find further people where the user knows of them.

    Past the threshold most splits tear one voice in two. So the candidates are weighed: the less alike a part is to
    what it was merged with the better, and the smaller it is the less harm is done if it was no other person.
    """
    labels = labels.copy()
    within = tree.size - groups
    mass = voices.seconds.astype(np.float64)
    candidates: list[tuple[float, int, int]] = []
    for number, ((keep, lost), score) in enumerate(zip(tree.pairs[:within], tree.scores[:within], strict=True)):
        part = lost if mass[lost] <= mass[keep] else keep
        candidates.append((float(score) + rules.harm * float(np.log2(mass[part])), number, int(part)))
        mass[keep] += mass[lost]
    uncounted = np.unique(_roots(tree, within)[labels < 0])
    candidates += [(rules.join + rules.harm * float(np.log2(mass[root])), within, int(root)) for root in uncounted]
    taken = np.zeros(tree.size, dtype=bool)
    for _, number, part in sorted(candidates):
        count = int(labels.max()) + 1
        if count >= least:
            break
        members = _roots(tree, number) == part
        before = labels[members][0]
        if (members & taken).any() or (before >= 0 and not ((labels == before) & ~members).any()):
            continue
        labels[members] = count
        taken |= members
    if labels.max() + 1 < least:
        labels = tree.cut(min(least, tree.size))
    return labels


def _roots(tree: Tree, merges: int) -> Integers:
    parent = np.arange(tree.size)
    parent[tree.pairs[:merges, 1]] = tree.pairs[:merges, 0]
    while not np.array_equal(parent, further := parent[parent]):
        parent = further
    return parent


def count_support(tree: Tree, voices: Voices, rules: Rules, spread: float = 0.03) -> dict[int, float]:
    """How many people there would be had the threshold been a little different.

    Args:
        tree: of `voices`.
        voices: with the seconds behind each.
        rules: the rules in force.
        spread: standard deviation of the threshold.

    Returns:
        number of people → share of the (normal) weight of thresholds that lead to it, where that is 2 % or more.
    """
    support: dict[int, float] = {}
    enough = enough_talk(voices, rules)
    for offset in np.linspace(-2, 2, 17):
        labels = _substantial(tree.cut(tree.groups_at(rules.join + spread * offset)), voices, enough)
        count = max(1, int(labels.max()) + 1)
        support[count] = support.get(count, 0.0) + float(np.exp(-(offset**2) / 2))
    total = sum(support.values())
    return {count: value / total for count, value in sorted(support.items()) if value >= 0.02 * total}


def enough_talk(voices: Voices, rules: Rules) -> float:
    """Seconds that somebody must talk to count as a speaker."""
    return float(np.clip(rules.min_share * voices.seconds.sum(), *rules.min_talk_s))


def _substantial(labels: Integers, voices: Voices, enough: float) -> Integers:
    talk = np.bincount(labels, weights=voices.seconds)
    keeps = talk >= min(enough, talk.max())
    return np.where(keeps, np.cumsum(keeps) - 1, -1)[labels]


def name_everyone(
    flags: Flags, vectors: Vectors, voices: Voices, labels: Integers, shared: Shared, pull: float = 0.15
) -> Integers:
    """Give every active local voice of every window a person, two of one window never the same.

    Args:
        flags: who is active, shape (windows, FRAMES, LOCAL_VOICES).
        vectors: an embedding of each, shape (windows, LOCAL_VOICES, dimensions); zeros where unknown.
        voices: the clear ones.
        labels: their persons, -1 for none.
        shared: agreement between overlapping windows.
        pull: what full agreement with a neighbour is worth, as cosine.

    Returns:
        person of each local voice, shape (windows, LOCAL_VOICES); -1: silent, or more voices than persons.
    """
    from scipy.optimize import linear_sum_assignment

    persons = int(labels.max()) + 1
    known = labels >= 0
    centroids = np.zeros((persons, vectors.shape[-1]), np.float32)
    np.add.at(centroids, labels[known], (voices.vectors * voices.seconds[:, None])[known])
    score = vectors @ unit(centroids).T
    clear = np.zeros(score.shape, np.float32)
    clear[voices.window[known], voices.local[known], labels[known]] = 1.0
    for lag, evidence in shared.evidence.items():
        score[:-lag] += pull * np.einsum("wst,wtk->wsk", evidence, clear[lag:])
        score[lag:] += pull * np.einsum("wst,wsk->wtk", evidence, clear[:-lag])
    score += clear
    active: Flags = np.logical_or.reduce(flags, axis=1)
    named = np.full(active.shape, -1, dtype=np.int64)
    for window in np.flatnonzero(active.any(axis=1)):
        locals_ = np.flatnonzero(active[window])
        rows, columns = linear_sum_assignment(-score[window, locals_])
        named[window, locals_[rows]] = columns
    return named
