"""Is it so? What a writer that isn't trusted says of a recording, held against the utterances it points to.

Words are compared, nothing is understood: what passes can still be wrong in meaning, but its names, numbers, quotations
and speakers were heard where it says so.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from earwitness.notes.salience import content_terms, narrators
from earwitness.notes.sentences import terms, without_markers
from earwitness.notes.support import Known, missing_names, missing_numbers, quotations, speakers_of, words_of
from earwitness.notes.wording import ADDRESSES_WRITER, FIRST_PERSON, NEGATION, OPENERS, SECOND_PERSON
from earwitness.options import Profile
from earwitness.words.cast import Cast, Speaker
from earwitness.words.transcript import Utterance

_MOST_EVIDENCE = 24
"""More utterances than that would carry anything."""
_TOO_LITTLE, _DOUBTFUL = 0.2, 0.4
"""Share of its telling words that a sentence's evidence has: below the first it is dropped, below the other doubted."""
_NUMBER = re.compile(r"\d+")
ADDRESS = re.compile(r"\S*(?:://|www\.|@)\S*|\b\w+\.(?:com|org|net|io|dev|app|ru|cn)\b\S*", re.IGNORECASE)
_STEM = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """What comes of a sentence."""

    evidence: tuple[str, ...]
    """The utterances it may cite."""
    dropped: str = ""
    """Why it must not be published; empty if it may."""
    doubt: str = ""
    """Why its evidence may not carry it."""


class Checker:
    """Checks sentences about one recording.

    Args:
        utterances: all of them.
        speakers: who the labels are.
        cast: the cast file, if any.
        profile: a game has a narrator, who speaks of others.
        remembered: words of names that earlier recordings told of.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        speakers: Sequence[Speaker],
        cast: Cast | None,
        profile: Profile,
        remembered: Collection[str] = (),
    ) -> None:
        self._heard = {utterance.id: utterance for utterance in utterances}
        self._by_number = {int(digits): key for key in self._heard if (digits := key.lstrip("u")).isdecimal()}
        self._known = Known.of(cast, speakers)
        self._narrators = narrators(utterances, speakers, profile)
        self._people = _people(speakers, cast)
        self._ordinary = _ordinary(utterances)
        # a name is of use here only if somebody says it here as well
        self._remembered = Known(frozenset(remembered) & words_of(utterances) if remembered else frozenset())

    def ids(self, cited: Sequence[str], handed: Collection[str]) -> tuple[str, ...]:
        """Those of the cited ids that exist and that the writer was handed; `u12`, `[u0012]` and `U0012` are one."""
        found: dict[str, None] = {}
        for text in cited:
            for digits in _NUMBER.findall(text):
                key = self._by_number.get(int(digits)) if len(digits) < 12 else None
                if key is not None and key in handed:
                    found.setdefault(key)
        return tuple(sorted(found, key=lambda key: int(key.lstrip("u"))))

    def sentence(self, text: str, cited: Sequence[str], handed: Collection[str], *, title: bool = False) -> Verdict:
        """Check a sentence of the writer's own.

        Args:
            text: may hold quotations.
            cited: ids as the writer gave them.
            handed: ids that it was handed.
            title: every word may have a capital.
        """
        ids = self.ids(cited, handed)
        if not ids:
            return Verdict((), f"it cites nothing that exists ({_shown(cited)})" if cited else "it cites nothing")
        if len(ids) > _MOST_EVIDENCE and not title:
            return Verdict(ids, f"it cites {len(ids)} utterances, which would carry anything")
        evidence = [self._heard[key] for key in ids if not ADDRESSES_WRITER.search(self._heard[key].text)]
        if not evidence:
            return Verdict(ids, "what it rests on is addressed to the writer of notes, not said about anything")
        ids = tuple(utterance.id for utterance in evidence)
        return replace(self._weighed(text, evidence, title=title), evidence=ids)

    def _weighed(self, text: str, evidence: Sequence[Utterance], *, title: bool) -> Verdict:
        if wrong := self._misquoted(text, evidence):
            return Verdict((), wrong)
        said = " ".join(utterance.text for utterance in evidence)
        strange = [found for found in ADDRESS.findall(text) if found.strip(".,;!?)").casefold() not in said.casefold()]
        if strange:
            return Verdict((), f"its evidence has no {_shown(strange)}")
        # "one of them" counts nothing
        if numbers := [n for n in missing_numbers(text, evidence, self._known) if n != "1"]:
            return Verdict((), f"its evidence has no number {_shown(numbers)}")
        checked = _decapitalised(text, self._ordinary) if title else text
        doubt = ""
        if names := missing_names(checked, evidence, self._known, self._ordinary):
            also = Known(self._known.names | self._remembered.names)
            if missing_names(checked, evidence, also, self._ordinary):
                return Verdict((), f"its evidence, and the cast, have no {_shown(names)}")
            doubt = f"{_shown(names)} is remembered and named elsewhere, but not in its evidence"
        if wrong := "" if title else self._wrong_person(text, evidence):
            return Verdict((), wrong)
        share = self._share(text, evidence)
        if share < _TOO_LITTLE:
            return Verdict((), "its evidence speaks of something else")
        if share < _DOUBTFUL:
            return Verdict((), doubt="few of its words are in its evidence")
        if NEGATION.search(text) and not NEGATION.search(said):
            return Verdict((), doubt="it denies something that its evidence does not deny")
        return Verdict((), doubt=doubt)

    def quote(self, words: str, speaker: str, cited: Sequence[str], handed: Collection[str]) -> Verdict:
        """Check a quotation; its evidence becomes the one utterance that it stands in.

        Args:
            words: quoted.
            speaker: who says it, as the writer has it.
            cited: ids as the writer gave them.
            handed: ids that it was handed.
        """
        ids = self.ids(cited, handed)
        quoted = words.strip().strip('"“”«»').strip()
        if not terms(quoted):
            return Verdict(ids, "it quotes no words")
        found = speakers_of(quoted, [self._heard[key] for key in ids])
        # words that are there, only elsewhere, are cited where they are
        found = found or speakers_of(quoted, [self._heard[key] for key in sorted(handed) if len(terms(quoted)) > 3])
        if not found:
            return Verdict(ids, "nobody says it in these words")
        meant = self._named(speaker)
        right = [utterance for utterance in found if not meant or utterance.speaker in meant]
        if not right or (terms(speaker) and not meant and any(utterance.speaker for utterance in found)):
            return Verdict(ids, f"it is not {speaker} who says it")
        return Verdict((right[0].id,))

    def is_owner(self, owner: str, evidence: Sequence[str]) -> bool:
        """Whether somebody may be said to have taken something on: they speak, are named, or are spoken to."""
        heard = [self._heard[key] for key in evidence]
        if not missing_names(owner.title(), heard, Known()):
            return True
        meant = self._named(owner)
        speak = any(utterance.speaker in meant for utterance in heard if utterance.speaker)
        return speak or (bool(meant) and bool(words_of(heard) & SECOND_PERSON))

    def is_said(self, words: str, evidence: Sequence[str]) -> bool:
        """Whether every telling word of a phrase, such as a date, is in the evidence."""
        heard = words_of([self._heard[key] for key in evidence])
        return all(word in heard for word in content_terms(words) or terms(words))

    def _misquoted(self, text: str, evidence: Sequence[Utterance]) -> str:
        for words in quotations(text):
            found = speakers_of(words, evidence)
            if not found:
                return f"nobody says “{words[:60]}” in its evidence"
            named = {label for word in terms(text.replace(words, " ")) for label in self._people.get(word, ())}
            voices = {utterance.speaker for utterance in found}
            if named and not voices & (named | self._narrators) and None not in voices:
                return f"“{words[:60]}” is said by somebody else"
        return ""

    def _wrong_person(self, text: str, evidence: Sequence[Utterance]) -> str:
        """Whom the sentence is about must speak in its evidence, be named in it, or be spoken to."""
        heard = words_of(evidence)
        about = next(
            ((word, labels) for word in terms(text) if (labels := self._people.get(word.removesuffix("'s")))), None
        )
        if about is None or about[0].removesuffix("'s") in heard or heard & SECOND_PERSON:
            return ""
        voices = {utterance.speaker for utterance in evidence}
        if None in voices or voices & about[1] or not heard & FIRST_PERSON:
            return ""
        return f"it is about {about[0].title()}, who does not speak in its evidence"

    def _share(self, text: str, evidence: Sequence[Utterance]) -> float:
        told = {word.removesuffix("'s") for word in content_terms(text)}
        told = {word for word in told if word not in self._known.names and not word.isdigit()}
        if not told:
            return 1.0
        heard = words_of(evidence)
        stems = {word[:_STEM] for word in heard if len(word) >= _STEM - 1}
        return sum(word in heard or (len(word) >= _STEM and word[:_STEM] in stems) for word in told) / len(told)

    def _named(self, name: str) -> frozenset[str | None]:
        """Labels that a name may mean: those that all of its words mean."""
        found = [self._people.get(word, frozenset()) for word in _name_words(name)]
        return frozenset.intersection(*found) if found else frozenset()


def _people(speakers: Sequence[Speaker], cast: Cast | None) -> Mapping[str, frozenset[str | None]]:
    """Word of a name → the labels it may mean; people of the cast who are not heard have a label of their own."""
    found: dict[str, set[str | None]] = {}
    by_person: dict[str, str] = {}
    for speaker in speakers:
        by_person[speaker.name.casefold()] = speaker.label
        for name in (speaker.label, speaker.name, speaker.character or ""):
            for word in _name_words(name):
                found.setdefault(word, set()).add(speaker.label)
    for member in cast.members if cast else ():
        label = by_person.get(member.person.casefold(), f"cast: {member.person}")
        for name in (member.person, *member.aliases, member.character or ""):
            for word in _name_words(name):
                found.setdefault(word, set()).add(label)
    return {word: frozenset(labels) for word, labels in found.items() if len(word) > 1}


def _name_words(name: str) -> list[str]:
    return [word for word in terms(name.replace("_", " _")) if word not in {"the", "of", "and", "speaker"}]


def _ordinary(utterances: Sequence[Utterance]) -> frozenset[str]:
    """Words that somebody uses with a small letter, and such as sentences begin with."""
    heard = {
        word.strip(".,!?\"'-():;…“”")
        for utterance in utterances
        for word in without_markers(utterance.text).split()
        if not word[:1].isupper()
    }
    return frozenset(heard | OPENERS)


def _decapitalised(text: str, ordinary: frozenset[str]) -> str:
    return " ".join(word.lower() if word.strip(".,!?:;").casefold() in ordinary else word for word in text.split())


def _shown(items: Sequence[str]) -> str:
    kept = ", ".join(str(item)[:40] for item in items[:4])
    return f"{kept} …" if len(items) > 4 else kept
