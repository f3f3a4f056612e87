"""Which speaker says a word, and which voice belongs to a name of the transcript."""

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence

from earwitness.speech.turns import Turn
from earwitness.words.placing import Placed
from earwitness.words.punctuation import ends_sentence

NEAR_MS = 500
"""A word outside every turn goes to the nearest one if it is no further than this."""

LINE_COVERED = 0.9
"""A line is one person's if their turns cover so much of it, or `_MOSTLY_COVERED` and there is as good as nothing else
in those turns."""
_MOSTLY_COVERED = 0.7
_CLEAR_MS = 100
"""The ends of turns and words are this inexact: a word so near to a person's turn may still be theirs."""
_TURN_FILLED = 0.3
"""How much it counts for a person that the line fills their turns: of two who talk all along it, it is the one whose
turn begins and ends with it."""

_LABEL = re.compile(r"^SPEAKER_(\d+)$")


def is_label(name: str) -> bool:
    """Whether a "name" is only the label of some diarization."""
    return bool(_LABEL.match(name))


def match_names(
    spoken: Mapping[str, Sequence[Placed]], turns: Sequence[Turn], taken: Sequence[str] = ()
) -> dict[str, str]:
    """Match names to voices one to one, so that the time they share is as large as possible.

    Args:
        spoken: name → its words.
        turns: of the diarization, overlaps kept.
        taken: labels that belong to somebody else.

    Returns:
        name → label for every name; one without a voice of its own gets a new label.
    """
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    names = list(spoken)
    labels = sorted({turn.speaker for turn in turns})
    shared = np.zeros((len(names), len(labels)), dtype=np.int64)
    index = _TurnIndex(turns)
    for row, name in enumerate(names):
        for word in spoken[name]:
            for turn in index.near(word.start_ms, word.end_ms):
                overlap = min(word.end_ms, turn.end_ms) - max(word.start_ms, turn.start_ms)
                if overlap > 0:
                    shared[row, labels.index(turn.speaker)] += overlap
    rows, columns = linear_sum_assignment(shared, maximize=True)
    matched = {names[r]: labels[c] for r, c in zip(rows, columns, strict=True) if shared[r, c] > 0}
    free = max((int(found[1]) for label in [*labels, *taken] if (found := _LABEL.match(label))), default=-1) + 1
    for name in names:
        if name not in matched:
            matched[name] = f"SPEAKER_{free:02d}"
            free += 1
    return {name: matched[name] for name in names}


class Attribution:
    """Gives the words of a transcript without names to the voices of a diarization.

    Args:
        turns: overlaps kept.
        exclusive: only one person at a time.
    """

    def __init__(self, turns: Sequence[Turn], exclusive: Sequence[Turn]) -> None:
        self._turns = _TurnIndex(turns)
        self._exclusive = _TurnIndex(exclusive)

    def speakers_of_line(self, words: Sequence[Placed], span: tuple[int, int] | None) -> list[str | None]:
        """The speaker of each word of a line.

        Most lines of a transcript are one person's. Where somebody's turns cover nearly all of the line and no two
        words in a row are clearly said by others alone, all of it is theirs, also what others say at the same time:
        whoever wrote the lines told these people apart. Else each word goes by itself, as `speakers_of` says.

        Args:
            words: of the line, in order.
            span: start and end of the line in ms as the transcript states them; None: those of its words.
        """
        start, end = span or (words[0].start_ms, words[-1].end_ms)
        whose = self._turns.best_cover(start, max(end, start + 1))
        if whose is None or self._others_speak(words, whose):
            return _one_by_one(words, self._exclusive)
        return [whose] * len(words)

    def _others_speak(self, words: Sequence[Placed], whose: str) -> bool:
        """Whether two words in a row lie in turns of others, and not near any of this person."""
        before = False
        for word in words:
            near = self._turns.shares(word.start_ms - _CLEAR_MS, word.end_ms + _CLEAR_MS)
            others = [ms for who, ms in self._turns.shares(word.start_ms, word.end_ms).items() if who != whose]
            clearly = whose not in near and 2 * max(others, default=0) >= word.end_ms - word.start_ms
            if clearly and before:
                return True
            before = clearly
        return False


def speakers_of(words: Sequence[Placed], exclusive: Sequence[Turn]) -> list[str | None]:
    """The speaker of each word of one segment, by the turns in which only one person counts at a time.

    A word takes the turn it overlaps most, else the nearest within half a second. Where the speaker changes, the
    boundary may move by one word, to a pause or the end of a sentence, if the turns leave that word in doubt: the
    ends of turns are less exact than the ends of words.
    """
    return _one_by_one(words, _TurnIndex(exclusive))


def _one_by_one(words: Sequence[Placed], index: "_TurnIndex") -> list[str | None]:
    speakers = [index.speaker_at(word.start_ms, word.end_ms) for word in words]
    certain = [index.certainty(word, speaker) for word, speaker in zip(words, speakers, strict=True)]
    for at in range(1, len(words)):
        before, after = speakers[at - 1], speakers[at]
        if before != after and before is not None and after is not None:
            move = _better_boundary(words, speakers, certain, at)
            if move < 0:
                speakers[at - 1] = after
            elif move > 0:
                speakers[at] = before
    return _without_flips(words, speakers, certain)


def _better_boundary(words: Sequence[Placed], speakers: Sequence[str | None], certain: Sequence[float], at: int) -> int:
    """-1, 0 or 1: where the change that lies before word `at` fits best."""

    def fit(boundary: int) -> float:
        if not 0 < boundary < len(words):
            return 0.0
        gap = min(600, max(0, words[boundary].start_ms - words[boundary - 1].end_ms))
        return gap + (400 if ends_sentence(words[boundary - 1].text) else 0)

    options = {0: fit(at)}
    # a word may change sides only if its own side keeps another word: else a whole turn would vanish
    if at >= 2 and speakers[at - 2] == speakers[at - 1]:
        options[-1] = fit(at - 1) - 700 * certain[at - 1]
    if at + 1 < len(words) and speakers[at + 1] == speakers[at]:
        options[1] = fit(at + 1) - 700 * certain[at]
    return max(options, key=lambda move: (options[move], move == 0))


def _without_flips(
    words: Sequence[Placed], speakers: Sequence[str | None], certain: Sequence[float]
) -> list[str | None]:
    """A lone word of somebody else inside a flowing sentence goes to the sentence's speaker."""
    result = list(speakers)
    for at in range(1, len(words) - 1):
        left, right = result[at - 1], result[at + 1]
        if left is None or left != right or result[at] == left:
            continue
        gaps = words[at].start_ms - words[at - 1].end_ms, words[at + 1].start_ms - words[at].end_ms
        flowing = max(gaps) < 200 and not ends_sentence(words[at - 1].text)
        if result[at] is None or (flowing and certain[at] < 0.95):
            result[at] = left
    return result


class _TurnIndex:
    """Turns by time; `near` looks at few of them."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = sorted(turns, key=lambda t: (t.start_ms, t.end_ms, t.speaker))
        self._starts = [turn.start_ms for turn in self._turns]
        self._reach: list[int] = []
        for turn in self._turns:
            self._reach.append(max(turn.end_ms, self._reach[-1] if self._reach else 0))

    def near(self, start_ms: int, end_ms: int) -> list[Turn]:
        """Turns that touch `start_ms`-`end_ms`."""
        last = bisect_left(self._starts, end_ms + 1)
        found = []
        for at in range(last - 1, -1, -1):
            if self._reach[at] < start_ms:
                break
            if self._turns[at].end_ms >= start_ms:
                found.append(self._turns[at])
        return found[::-1]

    def shares(self, start_ms: int, end_ms: int) -> dict[str, int]:
        """How long each person speaks within a span, in ms; only those who do."""
        found: dict[str, int] = {}
        for turn in self.near(start_ms, end_ms):
            shared = min(end_ms, turn.end_ms) - max(start_ms, turn.start_ms)
            if shared > 0:
                found[turn.speaker] = found.get(turn.speaker, 0) + shared
        return found

    def best_cover(self, start_ms: int, end_ms: int) -> str | None:
        """Whose turns fit a span best, if they cover it."""
        length: dict[str, int] = {}
        for turn in self.near(start_ms, end_ms):
            if min(end_ms, turn.end_ms) > max(start_ms, turn.start_ms):
                length[turn.speaker] = length.get(turn.speaker, 0) + turn.end_ms - turn.start_ms
        fits = []
        for speaker, shared in sorted(self.shares(start_ms, end_ms).items()):
            covered, filled = shared / (end_ms - start_ms), shared / length[speaker]
            enough = covered >= LINE_COVERED or (covered >= _MOSTLY_COVERED and filled >= LINE_COVERED)
            fits.append((covered + _TURN_FILLED * filled, enough, speaker))
        # of equals the first label
        _, enough, speaker = max(fits, key=lambda fit: fit[0], default=(0.0, False, ""))
        return speaker if enough else None

    def speaker_at(self, start_ms: int, end_ms: int) -> str | None:
        """Whose turn covers most of a span, or lies nearest to it."""
        best: tuple[int, int, str] | None = None
        for turn in self.near(start_ms - NEAR_MS, end_ms + NEAR_MS):
            shared = min(end_ms, turn.end_ms) - max(start_ms, turn.start_ms)
            # negative: the distance to it. Ties go to the turn that began first
            if best is None or shared > best[0]:
                best = (shared, turn.start_ms, turn.speaker)
        return best[2] if best and best[0] > -NEAR_MS else None

    def certainty(self, word: Placed, speaker: str | None) -> float:
        """0..1: share of the word that lies well (100 ms) inside its speaker's turn."""
        for turn in self.near(word.start_ms, word.end_ms):
            if turn.speaker == speaker:
                inside = min(word.end_ms, turn.end_ms - 100) - max(word.start_ms, turn.start_ms + 100)
                return max(0.0, inside / (word.end_ms - word.start_ms))
        return 0.0
