"""Scores of words: error rates, words given to the wrong speaker, boundaries.

Alignments by jiwer (https://github.com/jitsi/jiwer).
"""

import statistics
from collections.abc import Sequence

from earwitness.evaluation.scores import CpWordErrors, SpeakerPair, WordBoundaries, WordErrors, WordSpeakers
from earwitness.evaluation.tokens import Token, by_speaker

Pair = tuple[Token, Token]
"""A word of the reference and the word found in its place."""


def word_errors(reference: Sequence[Token], found: Sequence[Token]) -> tuple[WordErrors, list[Pair]]:
    """The errors of an alignment with as few as possible, and its pairs: equal words and substitutions, in order."""
    import jiwer

    aligned = jiwer.process_words(_joined(reference), _joined(found))
    pairs = [
        (reference[chunk.ref_start_idx + n], found[chunk.hyp_start_idx + n])
        for chunk in aligned.alignments[0]
        if chunk.type in ("equal", "substitute")
        for n in range(chunk.ref_end_idx - chunk.ref_start_idx)
    ]
    errors = aligned.substitutions + aligned.deletions + aligned.insertions
    scores = WordErrors(
        error_rate=_share(errors, len(reference)),
        substitutions=aligned.substitutions,
        deletions=aligned.deletions,
        insertions=aligned.insertions,
        hits=aligned.hits,
        reference_words=len(reference),
        found_words=len(found),
    )
    return scores, pairs


def cp_word_errors(reference: Sequence[Token], found: Sequence[Token]) -> CpWordErrors:
    """Concatenated minimum-permutation word errors (Watanabe et al. 2020, https://arxiv.org/abs/2004.09249, section 4).

    Speakers without a counterpart are compared with nobody who says nothing; words without a speaker count as those of
    one more speaker. The pairing is found by the Hungarian algorithm, as MeetEval does (whose package has no wheels, so
    that installing it needs a compiler).
    """
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    theirs, ours = by_speaker(reference), by_speaker(found)
    names, labels = _sorted(theirs), _sorted(ours)
    size = max(len(names), len(labels))
    said = [theirs[name] for name in names] + [[]] * (size - len(names))
    heard = [ours[label] for label in labels] + [[]] * (size - len(labels))
    errors = [[_errors(one, other) for other in heard] for one in said]
    costs = np.array([[sum(parts) for parts in row] for row in errors], dtype=np.int64).reshape(size, size)
    rows, columns = linear_sum_assignment(costs)
    pairing = list(zip(rows.tolist(), columns.tolist(), strict=True))
    substitutions, deletions, insertions = (sum(errors[r][c][part] for r, c in pairing) for part in range(3))
    return CpWordErrors(
        error_rate=_share(substitutions + deletions + insertions, len(reference)),
        substitutions=substitutions,
        deletions=deletions,
        insertions=insertions,
        speakers=[
            SpeakerPair(
                reference=names[row] if row < len(names) else None,
                found=labels[column] if column < len(labels) else None,
            )
            for row, column in pairing
        ],
    )


def _errors(reference: Sequence[str], found: Sequence[str]) -> tuple[int, int, int]:
    """Substitutions, deletions and insertions."""
    import jiwer

    if not reference or not found:
        return 0, len(reference), len(found)
    aligned = jiwer.process_words(" ".join(reference), " ".join(found))
    return aligned.substitutions, aligned.deletions, aligned.insertions


def word_speakers(pairs: Sequence[Pair]) -> WordSpeakers:
    """Word diarization error rate (Shafey et al. 2019, https://arxiv.org/abs/1907.05337, equation 1).

    Args:
        pairs: equal words and substitutions; those whose reference names nobody are passed over.
    """
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    known = [(theirs.speaker, ours.speaker) for theirs, ours in pairs if theirs.speaker is not None]
    names = sorted({name for name, _ in known})
    labels = sorted({label for _, label in known if label is not None})
    shared = np.zeros((len(names), len(labels)), dtype=np.int64)
    for name, label in known:
        if label is not None:
            shared[names.index(name), labels.index(label)] += 1
    rows, columns = linear_sum_assignment(shared, maximize=True)
    of = {names[row]: labels[column] for row, column in zip(rows, columns, strict=True) if shared[row, column]}
    wrong = len(known) - sum(of.get(name) == label for name, label in known)
    taken = set(of.values())
    return WordSpeakers(
        error_rate=_share(wrong, len(known)),
        wrong=wrong,
        words=len(known),
        speakers=[SpeakerPair(reference=name, found=of.get(name)) for name in names]
        + [SpeakerPair(reference=None, found=label) for label in labels if label not in taken],
    )


def word_boundaries(pairs: Sequence[Pair]) -> WordBoundaries:
    """How far starts and ends are off, over equal words whose times are known on both sides."""
    starts, ends, words = [], [], 0
    for theirs, ours in pairs:
        if theirs.text != ours.text:
            continue
        start = _distance(theirs.start_ms, ours.start_ms)
        end = _distance(theirs.end_ms, ours.end_ms)
        starts += [start] if start is not None else []
        ends += [end] if end is not None else []
        words += start is not None or end is not None
    both = sorted(starts + ends)
    return WordBoundaries(
        words=words,
        start_median_s=_median_s(starts),
        end_median_s=_median_s(ends),
        mean_s=round(statistics.fmean(both) / 1000, 4) if both else None,
        # nearest rank
        p95_s=both[-(-95 * len(both) // 100) - 1] / 1000 if both else None,
        within_50ms=_share(sum(value <= 50 for value in both), len(both)),
        within_100ms=_share(sum(value <= 100 for value in both), len(both)),
        within_200ms=_share(sum(value <= 200 for value in both), len(both)),
    )


def _joined(tokens: Sequence[Token]) -> str:
    return " ".join(token.text for token in tokens)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _sorted(speakers: dict[str | None, list[str]]) -> list[str | None]:
    return sorted(speakers, key=lambda name: (name is None, name or ""))


def _distance(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else abs(a - b)


def _median_s(values: Sequence[int]) -> float | None:
    return statistics.median(values) / 1000 if values else None
