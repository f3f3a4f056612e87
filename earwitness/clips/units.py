"""The smallest pieces that a clip may begin or end with: sentences with their times."""

import bisect
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from earwitness.speech.turns import Turn
from earwitness.words.punctuation import ends_sentence
from earwitness.words.transcript import Utterance, Word

_GRAZE_MS = 60
"""Word times are no better than this, so a smaller overlap with a cut is none."""
_ABBREVIATION = re.compile(r"(?:Mr|Mrs|Ms|Dr|St|Prof|Sgt|Capt|Lt|vs|etc|e\.g|i\.e|[A-Z])\.")
_BREATH_MS = 400
"""Where nobody knows the words, a shorter silence is no end of a thought."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A sentence, or an utterance where the words have no punctuation or times of their own."""

    start_ms: int
    end_ms: int
    text: str
    speaker: str | None
    utterance: str
    words: tuple[Word, ...]
    ends_sentence: bool


def units_of(utterances: Iterable[Utterance]) -> list[Unit]:
    """All units with times, by start."""
    found = []
    for utterance in utterances:
        if utterance.words:
            found += _by_sentence(utterance)
        elif utterance.start_ms is not None and utterance.end_ms is not None and utterance.end_ms > utterance.start_ms:
            text = " ".join(utterance.text.split())
            found.append(
                Unit(
                    utterance.start_ms, utterance.end_ms, text, utterance.speaker, utterance.id, (), ends_sentence(text)
                )
            )
    return sorted(found, key=lambda unit: (unit.start_ms, unit.end_ms, unit.utterance))


def _by_sentence(utterance: Utterance) -> list[Unit]:
    found: list[Unit] = []
    run: list[Word] = []
    for place, word in enumerate(utterance.words):
        run.append(word)
        more = place + 1 < len(utterance.words)
        closes = ends_sentence(word.text) and not (more and _ABBREVIATION.fullmatch(word.text))
        if closes or not more:
            start, end = min(w.start_ms for w in run), max(w.end_ms for w in run)
            text = " ".join(w.text for w in run)
            if end > start:
                found.append(Unit(start, end, text, utterance.speaker, utterance.id, tuple(run), closes))
            run = []
    return found


def units_of_turns(turns: Iterable[Turn]) -> list[Unit]:
    """Where there are no words: what each person says without a breath between, by start. They have no text."""
    found: list[Unit] = []
    for turn in sorted(turns, key=lambda turn: (turn.start_ms, turn.end_ms, turn.speaker)):
        before = found[-1] if found else None
        if before and before.speaker == turn.speaker and turn.start_ms - before.end_ms < _BREATH_MS:
            found[-1] = replace(before, end_ms=max(before.end_ms, turn.end_ms))
        else:
            found.append(Unit(turn.start_ms, turn.end_ms, "", turn.speaker, "", (), ends_sentence=False))
    return found


def span_of(units: Sequence[Unit], first: int, last: int) -> tuple[int, int]:
    """First start and last end of the units from `first` to `last`, in milliseconds."""
    return units[first].start_ms, max(unit.end_ms for unit in units[first : last + 1])


def straddled(units: Sequence[Unit], at_ms: int, *, words_only: bool) -> bool:
    """Whether a cut at `at_ms` would cut somebody's sentence, or with `words_only` somebody's word.

    Args:
        units: by start.
        at_ms: where the cut would be.
        words_only: sentences may be cut between their words (a unit without words can't).
    """
    place = bisect.bisect_left(units, at_ms - _GRAZE_MS, key=lambda unit: unit.start_ms)
    for unit in reversed(units[max(0, place - 200) : place]):
        if unit.end_ms <= at_ms + _GRAZE_MS:
            continue
        if not words_only or not unit.words:
            return True
        if any(word.start_ms + _GRAZE_MS < at_ms < word.end_ms - _GRAZE_MS for word in unit.words):
            return True
    return False
