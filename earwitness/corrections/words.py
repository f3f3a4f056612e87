"""Corrections of words: applied to what *align* found, in order, so that replaying them gives the same words."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from earwitness.corrections.corrections import Corrections, Replacement, SpeakerEdit, WordEdit
from earwitness.words.align import estimated_runs, store_words
from earwitness.words.placing import MIN_WORD_MS, Placed, fill, in_order, spread
from earwitness.words.transcript import Aligned, Word, read_words
from earwitness.words.utterances import one_at_a_time

NEAR_MS = 5_000
"""Words that were aligned anew are looked for this far around their old place."""


class Corrected(NamedTuple):
    """Words after correction, and what could not be corrected."""

    words: list[Word]
    warnings: list[str]


def correct_words(aligned: Aligned, corrections: Corrections) -> Aligned:
    """What *align* would have given, had it known better.

    A word that is only written differently keeps its time and its score. Where the number of words changes, the new
    ones share the time of the old, and are marked as estimated.
    """
    words, warnings = corrected(read_words(aligned.words.path), corrections)
    names = dict(aligned.names)
    for label in corrections.merged:
        if label in names:
            names.setdefault(corrections.voice_of(label), names.pop(label))
    return aligned.model_copy(
        update={
            "words": store_words(words),
            "word_count": len(words),
            "names": names,
            "doubts": estimated_runs(words),
            "warnings": [*aligned.warnings, *warnings],
            "seal": None,
        }
    )


def corrected(words: Iterable[Word], corrections: Corrections) -> Corrected:
    """Apply corrections to words. An edit whose words are gone is left out and named in the warnings."""
    spoken: dict[str, list[Word]] = {}
    for word in words:
        speaker = word.speaker and corrections.voice_of(word.speaker)
        spoken.setdefault(word.utterance, []).append(replace(word, speaker=speaker))
    warnings = []
    for edit in corrections.edits:
        if isinstance(edit, Replacement):
            _replace_everywhere(spoken, edit)
        elif not (
            _edit_words(spoken, edit) if isinstance(edit, WordEdit) else _edit_speaker(spoken, edit, corrections)
        ):
            warnings.append(f"A correction no longer fits and was left out: {described(edit)}.")
    return Corrected(_numbered(word for run in spoken.values() for word in run), warnings)


def described(edit: WordEdit | Replacement | SpeakerEdit) -> str:
    """An edit for people."""
    if isinstance(edit, Replacement):
        return f"“{edit.was}” → “{edit.text}” everywhere"
    if isinstance(edit, SpeakerEdit):
        return f"{edit.utterance} at {edit.start_s:.1f} s is said by {edit.speaker}"
    return f"“{edit.was}” → “{edit.text}” in {edit.utterance} at {edit.start_s:.1f} s"


# ---------------------------------------------------------------- one edit


def _edit_words(spoken: dict[str, list[Word]], edit: WordEdit) -> bool:
    was = edit.was.split()
    found = _place(spoken, edit, was)
    if found is None:
        return False
    utterance, at = found
    _put(spoken, utterance, at, at + len(was), edit.text.split())
    return True


def _place(spoken: dict[str, list[Word]], edit: WordEdit, was: list[str]) -> tuple[str, int] | None:
    """Where the words stand: at their place, else the same words nearest to their time."""
    at, start_ms = edit.word - 1, round(edit.start_s * 1000)
    run = spoken.get(edit.utterance, [])
    texts = [word.text for word in run]
    if was and texts[at : at + len(was)] == was:
        return edit.utterance, at
    if not was and run and at <= len(run) and _far(run[min(at, len(run) - 1)], start_ms) <= NEAR_MS:
        return edit.utterance, at
    near: list[tuple[int, str, int]] = []
    for key, others in spoken.items():
        texts = [word.text for word in others]
        for index, word in enumerate(others):
            if texts[index : index + len(was)] == was:
                near.append((_far(word, start_ms), key, index))
    distance, key, index = min(near, default=(NEAR_MS + 1, "", 0))
    return (key, index) if distance <= NEAR_MS else None


def _far(word: Word, at_ms: int) -> int:
    return abs(word.start_ms - at_ms)


def _edit_speaker(spoken: dict[str, list[Word]], edit: SpeakerEdit, corrections: Corrections) -> bool:
    start_ms = round(edit.start_s * 1000)
    distance, _, key = min(
        ((_far(run[0], start_ms), key != edit.utterance, key) for key, run in spoken.items()),
        default=(NEAR_MS + 1, True, ""),
    )
    if distance > NEAR_MS:
        return False
    speaker = corrections.voice_of(edit.speaker)
    spoken[key] = [replace(word, speaker=speaker) for word in spoken[key]]
    return True


def _replace_everywhere(spoken: dict[str, list[Word]], edit: Replacement) -> None:
    for key in list(spoken):
        for first, last, texts in reversed(occurrences([word.text for word in spoken[key]], edit.was, edit.text)):
            _put(spoken, key, first, last, texts)


def occurrences(texts: Sequence[str], was: str, text: str) -> list[tuple[int, int, list[str]]]:
    """Where words occur in an utterance: (first, one past the last, the words to put there).

    Whole words only, whatever their case; punctuation and a possessive s around them stay. "GARRY" becomes "GARY" and
    "garry" "gary" where the replacement was asked for as "Garry" → "Gary".
    """
    line, starts = "", []
    for word in texts:
        starts.append(len(line))
        line += word + " "
    wanted = r"\s".join(re.escape(part) for part in was.split())
    # an apostrophe joins: "don" is not in "don't", but "Garry" is in "Garry's"
    pattern = re.compile(rf"(?<!\w)(?<!\w['\u2019]){wanted}(?!\w)(?!['\u2019](?!s\b)\w)", re.IGNORECASE)
    found: dict[tuple[int, int], str] = {}
    reached = -1
    for match in pattern.finditer(line):
        first = sum(start <= match.start() for start in starts) - 1
        last = sum(start < match.end() for start in starts)
        if first < reached:
            continue  # two in one written word, such as "Garry/Garry": the first is enough for this pass
        reached = last
        begin, end = starts[first], starts[last] if last < len(starts) else len(line)
        found[first, last] = line[begin : match.start()] + _in_case(match[0], was, text) + line[match.end() : end]
    changes = []
    for (first, last), line in found.items():
        # a word that is taken out takes its punctuation with it
        put = [part for part in line.split() if text or any(char.isalnum() for char in part)]
        if put != texts[first:last]:
            changes.append((first, last, put))
    return changes


def _in_case(found: str, was: str, text: str) -> str:
    if found == was or not any(char.isalpha() for char in found):
        return text
    if found.isupper() and len(found) > 1:
        return text.upper()
    if found.islower():
        return text.lower()
    return text[:1].upper() + text[1:] if found[:1].isupper() else text


def _put(spoken: dict[str, list[Word]], key: str, first: int, last: int, texts: list[str]) -> None:
    """Write `texts` in the place of some words of an utterance; the places may be empty on either side."""
    run = spoken[key]
    old = run[first:last]
    if len(old) == len(texts):
        spoken[key] = [*run[:first], *(replace(w, text=t) for w, t in zip(old, texts, strict=True)), *run[last:]]
        return
    if not texts:
        spoken[key] = [*run[:first], *run[last:]]
        if not spoken[key]:
            del spoken[key]
        return
    start_ms, end_ms = run[0].start_ms, max(word.end_ms for word in run)
    before, after = [_placed(word) for word in run[:first]], [_placed(word) for word in run[last:]]
    room = (old[0].start_ms, old[-1].end_ms) if old else (0, 0)
    if room[1] - room[0] >= MIN_WORD_MS * len(texts):
        placed = [*before, *spread(texts, [room]), *after]
    else:
        heard = [*before, *([None] * len(texts)), *after]
        all_texts = [*(word.text for word in before), *texts, *(word.text for word in after)]
        placed = fill(all_texts, heard, start_ms, end_ms, [(start_ms, end_ms)])
    spoken[key] = [
        Word(word.text, word.start_ms, word.end_ms, word.score, run[0].speaker, key, word.estimated)
        for word in in_order(placed, end_ms)
    ]


def _placed(word: Word) -> Placed:
    return Placed(word.text, word.start_ms, word.end_ms, word.score, word.estimated)


# ---------------------------------------------------------------- all words


def _numbered(words: Iterable[Word]) -> list[Word]:
    """By start, nobody saying two words at once; utterances in the order of their first words, as citations expect."""
    apart = one_at_a_time(sorted(words, key=_by_start))
    ordered = sorted(apart, key=_by_start)
    firsts = list(dict.fromkeys(word.utterance for word in ordered))
    if firsts == sorted(firsts, key=_number):
        return ordered
    # an utterance that lost its first words may begin after one that it came before: they exchange their numbers
    ids = dict(zip(firsts, sorted(firsts, key=_number), strict=True))
    return [replace(word, utterance=ids[word.utterance]) for word in ordered]


def _by_start(word: Word) -> tuple[int, int]:
    return word.start_ms, _number(word.utterance)


def _number(utterance: str) -> int:
    return int(utterance[1:])
