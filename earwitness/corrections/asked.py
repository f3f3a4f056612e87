"""What a person asks for, in the words of the bundle: names, places of words, spellings, an edited transcript."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from earwitness.corrections.corrections import Corrections, Edit, Replacement, WordEdit
from earwitness.corrections.edited import corrections_in
from earwitness.corrections.words import occurrences
from earwitness.errors import UsageError
from earwitness.words.transcript import Utterance, Word, utterances_of

if TYPE_CHECKING:
    from earwitness.archive.reading import Bundle

_PLACE = re.compile(r"^(u\d+):(\d+)$")
_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Asked:
    """Corrections as they are typed."""

    speakers: Sequence[str] = ()
    """`SPEAKER_01=Sarah`, or the name shown so far before the equals sign."""
    merges: Sequence[str] = ()
    """`SPEAKER_02=SPEAKER_01`: the first is the second."""
    words: Sequence[str] = ()
    """`u0003:2=Text`, or the row of words.parquet (from 0) before the equals sign."""
    replacements: Sequence[str] = ()
    """`Garry=Gary`."""
    transcripts: Sequence[Path] = field(default=())
    """Edited transcripts of the bundle."""


def add_corrections(bundle: "Bundle", asked: Asked, *, reset: bool = False) -> Corrections:
    """The corrections of a bundle and those that are asked for; the same ones again change nothing.

    Args:
        bundle: what is there; places and names are those that it shows.
        asked: what to put right, in this order: transcripts, words, spellings, merges, names.
        reset: drop every earlier correction, and take only what is asked for now.

    Raises:
        UsageError: a speaker, word or spelling is not in the bundle; lists what is.
    """
    if reset and any((asked.words, asked.transcripts)):
        raise UsageError(
            "--reset drops the corrections that the places of words are counted in.",
            "Reset first, then correct words in a second command.",
        )
    kept = Corrections() if reset else bundle.corrections
    words = bundle.words()
    if not words and (asked.words or asked.replacements or asked.transcripts):
        raise UsageError(
            f"The bundle {bundle.folder} has no words to correct.", "Run the recording again until it is transcribed."
        )
    names, merged, new = dict(kept.names), dict(kept.merged), list[Edit]()
    for path in asked.transcripts:
        found = corrections_in(path, utterances_of(words), bundle.names, [*merged])
        names |= found.names
        new += found.edits
    new += [edit for item in asked.words if (edit := _word_edit(item, words)).was != edit.text]
    for item in asked.replacements:
        spelling = _replacement(item, utterances_of(words), kept.edits)
        new += [] if spelling is None or spelling in new else [spelling]
    for item in asked.merges:
        one, other = _parted(item, "--merge", "SPEAKER_02=SPEAKER_01")
        old, label = _label(one, bundle), _label(other, bundle)
        if old != label:
            merged[old] = label
            if old in names and bundle.names[label] == label:
                names.setdefault(label, names[old])
    for item in asked.speakers:
        who, name = _parted(item, "--speaker", 'SPEAKER_01="Sarah"')
        label = _label(who, bundle)
        if not name:
            raise UsageError(f"--speaker {item!r} gives no name.", 'For example --speaker SPEAKER_01="Sarah".')
        if bundle.names[label] != name or reset:
            names[label] = name
    try:
        return Corrections(names=names, merged=merged, edits=[*kept.edits, *new], clips=kept.clips)
    except ValidationError as error:
        raise UsageError(
            f"That can't be corrected so: {error.errors()[0]['msg']}.", "See docs/corrections.md."
        ) from error


def _parted(item: str, option: str, example: str) -> tuple[str, str]:
    left, equals, right = item.partition("=")
    if not equals or not left.strip():
        raise UsageError(f"{option} {item!r} is not of the form WHAT=TEXT.", f"For example {option} {example}.")
    return left.strip(), " ".join(right.split())


def _label(who: str, bundle: "Bundle") -> str:
    names = bundle.names
    called = [label for label, name in names.items() if name.casefold() == who.casefold()]
    if who in names:
        return who
    if len(called) == 1:
        return called[0]
    there = ", ".join(f"{label} ({name})" if name != label else label for label, name in names.items()) or "nobody"
    problem = f"{who!r} is the name of several speakers" if called else f"There is no speaker {who!r}"
    raise UsageError(f"{problem}.", f"Speakers of this bundle: {there}.")


def _word_edit(item: str, words: Sequence[Word]) -> WordEdit:
    where, text = _parted(item, "--word", 'u0003:2="Gary"')
    utterances = {utterance.id: utterance for utterance in utterances_of(words)}
    if where.isdecimal():
        if int(where) >= len(words):
            raise UsageError(f"There is no word {where}.", f"Words are numbered from 0 to {len(words) - 1}.")
        word = words[int(where)]
        place = utterances[word.utterance].words.index(word)
        return _edit_of(word, place, text)
    match = _PLACE.match(where)
    if not match:
        raise UsageError(
            f"--word {item!r} names no place.", 'Write UTTERANCE:WORD="TEXT", for example --word u0003:2="Gary".'
        )
    utterance = utterances.get(match[1])
    if utterance is None:
        near = _some(utterances)
        raise UsageError(f"There is no utterance {match[1]}.", f"Utterances of this bundle: {near}.")
    place = int(match[2]) - 1
    if not 0 <= place < len(utterance.words):
        numbered = _some(f"{n} {word.text}" for n, word in enumerate(utterance.words, 1))
        raise UsageError(f"There is no word {match[2]} in {utterance.id}.", f"Its words: {numbered}.")
    return _edit_of(utterance.words[place], place, text)


def _edit_of(word: Word, place: int, text: str) -> WordEdit:
    return WordEdit(utterance=word.utterance, word=place + 1, was=word.text, text=text, start_s=word.start_ms / 1000)


def _replacement(item: str, utterances: Iterable[Utterance], before: Sequence[Edit]) -> Replacement | None:
    was, text = _parted(item, "--replace", '"Garry=Gary"')
    edit = Replacement(was=was, text=text)
    if any(occurrences([word.text for word in said.words], was, text) for said in utterances):
        return edit
    if edit in before or was == text:
        return None
    raise UsageError(f"{was!r} is nowhere in the transcript.", "Look for how it is spelled in transcript.txt.")


def _some(items: Iterable[str]) -> str:
    listed = list(items)
    shown = ", ".join(listed[:_SHOWN])
    return shown if len(listed) <= _SHOWN else f"{shown}, … {listed[-1]}"
