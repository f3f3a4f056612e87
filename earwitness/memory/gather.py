"""What one recording tells that is worth remembering: by its published notes, each with the words it rests on."""

import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from earwitness.memory.memory import EntityKind, Opened, ThreadKind, Told, key_of
from earwitness.memory.mentions import Mentions
from earwitness.memory.threads import Tracer, is_done
from earwitness.notes.notes import Claim, Notes
from earwitness.notes.salience import content_terms
from earwitness.notes.sentences import sentences_of, split_sentences, terms
from earwitness.notes.titles import names_in, telling_phrases
from earwitness.notes.wording import DECISION, NEGATION, OPENERS, obligation, word_set
from earwitness.options import Profile
from earwitness.profiles import read_profile
from earwitness.schema import digest_of
from earwitness.words.cast import Cast, Speaker
from earwitness.words.transcript import Utterance

if TYPE_CHECKING:
    from earwitness.notes.private import Censor

_KINDS: dict[str, EntityKind] = {
    "people": "person",
    "places": "place",
    "loot": "item",
    "subjects": "subject",
    "names": "name",
    "dates": "date",
}
"""Field of a chat model's answer → what its names are."""
_THREADS = re.compile(r"\b(?:open|threads?|to[- ]be[- ]done|to[- ]?dos?|actions?|next steps?|tasks?)\b", re.IGNORECASE)
_DECISIONS = re.compile(r"\b(?:decisions?|decided|agreed|agreements?)\b", re.IGNORECASE)
_PROMISE = re.compile(
    r"\b(?:promis\w+|swear|swore|sworn|vow(?:s|ed)?|oaths?|owes?|owed|bount(?:y|ies)|quests?|prophec(?:y|ies)|riddles?"
    r"|kidnapped|ransom)\b",
    re.IGNORECASE,
)
"""What leaves something open at a game's table, where nobody listed open threads."""
_PROMISED = re.compile(
    r"\b(?:i|we)(?:'ll| will|'ve| have)? (?:\w+ )?(?:promised?|swear|swore|vow(?:ed)?|owed?)\b", re.IGNORECASE
)
_MOST_PROMISES = 12
_TELLING = 3
"""Words that say what was promised."""
_TOPICS = 12
_MOST_NAMES = 60
_NO_NAMES = (
    word_set(
        """
    god gods jesus christ lord lady sir madam mister miss mr mrs ms dr dm gm dungeon dungeons dragons master monday
    tuesday wednesday thursday friday saturday sunday january february march april may june july august september
    october november december christmas easter english ok okay tv internet
    """
    )
    | OPENERS
)


class Gatherer:
    """Reads the notes on one recording.

    Args:
        notes: as they are published.
        utterances: the transcript.
        speakers: who the labels are.
        cast: the cast file, if any.
        censor: tells what players must not know; None: everything may be told.
    """

    def __init__(
        self,
        notes: Notes,
        utterances: Sequence[Utterance],
        speakers: Sequence[Speaker],
        cast: Cast | None,
        censor: "Censor | None" = None,
    ) -> None:
        self.mentions = Mentions(utterances)
        self.utterances = utterances
        self._notes = notes
        self._profile = Profile(notes.profile)
        self._heard = {utterance.id: utterance for utterance in utterances}
        self._censor = censor
        self._private = censor.private if censor else frozenset()
        self._speakers = speakers
        self._known = {key_of(name) for name in _people(speakers, cast)}
        self._known_words = {word for key in self._known for word in key}
        headings = read_profile(self._profile).get("chat", {}).get("headings", {})
        self._kinds = {headings[field]: kind for field, kind in _KINDS.items() if field in headings}

    @cached_property
    def told(self) -> list[Told]:
        """Everybody and everything that the notes name, and who spoke; each name once, in the order of the notes."""
        found: dict[tuple[str, ...], Told] = {}
        for speaker in self._speakers:
            # "Sam & Laura" is how transcripts write two at once
            if speaker.named_by != "nobody" and "&" not in speaker.name and (told := self._speaker(speaker)):
                found.setdefault(key_of(told.name), told)
        for claim in self._notes.claims:
            name = claim.details.get("name", "")
            if name and key_of(name) and key_of(name) not in found and key_of(name) not in self._known:
                kind = self._kinds.get(claim.section, "name")
                found[key_of(name)] = self._of_claim(kind, name, claim)
        for told in (*self._names(found), *self._topics(found)):
            found.setdefault(key_of(told.name), told)
        return list(found.values())

    @cached_property
    def opened(self) -> list[Opened]:
        """What is left open or was decided, by the sections of the notes that say so; at a table also promises."""
        found: dict[str, Opened] = {}
        listed = any(_THREADS.search(section.heading) for section in self._notes.sections)
        for claim in self._notes.claims:
            kind = self._thread_kind(claim, listed)
            if kind is None or not claim.evidence:
                continue
            shown = {key: value for key, value in claim.details.items() if key in {"owner", "due"}}
            made = self._open(kind, claim.text, claim.evidence, shown)
            found.setdefault(made.id, made)
        if self._profile is Profile.TABLETOP and not listed:
            for made in self._promises():
                found.setdefault(made.id, made)
        tracer = Tracer(self.utterances, [name for key in self._known for name in key])
        return [
            item
            for item in found.values()
            if item.kind == "decision" or not tracer.settled_after(item.text, item.evidence[-1])
        ]

    def _promises(self) -> list[Opened]:
        """What somebody promised, in the very words: notes of chosen sentences may have no room for it."""
        made = []
        for sentence in sentences_of(self.utterances):
            text = sentence.text
            if text.endswith("?") or not _PROMISED.search(text) or NEGATION.search(text) or is_done(text):
                continue
            if len(set(content_terms(_PROMISED.sub(" ", text)))) < _TELLING:  # "we'll laugh about it, I promise"
                continue
            source = self.utterances[sentence.utterance]
            made.append(self._open("thread", text, [source.id], {}))
        return made[:_MOST_PROMISES]

    def _open(self, kind: ThreadKind, text: str, evidence: list[str], details: dict[str, str]) -> Opened:
        return Opened(
            id=f"t{digest_of([kind, terms(text)])[:8]}",
            kind=kind,
            text=text,
            details=details,
            evidence=evidence,
            start_ms=self._heard[evidence[0]].start_ms,
            secret=self._censor is not None and not self._censor.passes(text, evidence),
        )

    def _thread_kind(self, claim: Claim, listed: bool) -> ThreadKind | None:
        if not claim.supported:
            return None
        said_so = self._profile is Profile.WORKPLACE and DECISION.search(claim.text)
        if _DECISIONS.search(claim.section) or (said_so and _THREADS.search(claim.section)):
            return "decision"
        if _THREADS.search(claim.section):
            return "action" if self._profile is Profile.WORKPLACE else "thread"
        game = self._profile is Profile.TABLETOP and not listed and "name" not in claim.details
        if (
            game
            and "?" not in claim.text
            and not is_done(claim.text)
            and (_PROMISE.search(claim.text) or obligation(claim.text) > 1)
        ):
            return "thread"
        return None

    def _speaker(self, speaker: Speaker) -> Told | None:
        said = [utterance for utterance in self.utterances if utterance.speaker == speaker.label]
        if not said:
            return None
        name = f"{speaker.name} ({speaker.character})" if speaker.character else speaker.name
        ids = [utterance.id for utterance in said]
        return Told(
            kind="speaker",
            name=name,
            evidence=ids[:1],
            first_ms=said[0].start_ms,
            last=ids[-1],
            last_ms=said[-1].start_ms,
            times=len(said),
            secret=self._private.issuperset(ids),
        )

    def _of_claim(self, kind: EntityKind, name: str, claim: Claim) -> Told:
        text = claim.text.removeprefix(f"{name}: ")
        return self.named(kind, name, claim.evidence, text) or Told(
            kind=kind,
            name=name,
            evidence=claim.evidence,
            first_ms=self._heard[claim.evidence[0]].start_ms,
            last=claim.evidence[-1],
            last_ms=self._heard[claim.evidence[-1]].start_ms,
            times=1,
            text=text,
            secret=self._private.issuperset(claim.evidence),
        )

    def named(self, kind: EntityKind, name: str, evidence: Sequence[str] = (), text: str = "") -> Told | None:
        """A name as it occurs in the transcript; None where it does not."""
        places = self.mentions.of(name, as_name=kind not in {"topic", "subject", "date"})
        if not places:
            return None
        ids = [self.utterances[place].id for place in places]
        return Told(
            kind=kind,
            name=name,
            evidence=list(evidence) or ids[:1],
            first_ms=self.utterances[places[0]].start_ms,
            last=ids[-1],
            last_ms=self.utterances[places[-1]].start_ms,
            times=len(places),
            text=text,
            secret=self._private.issuperset([*ids, *evidence]),
        )

    def _names(self, found: dict[tuple[str, ...], Told]) -> list[Told]:
        """Names in sentences of the notes, by their capitals; those that come up most."""
        counts: Counter[str] = Counter()
        for utterance in self.utterances:
            counts.update(names_in(utterance.text))
        small = Counter(word for u in self.utterances for word in _small_words(u.text))
        told = []
        for name, times in counts.items():
            key = key_of(name)
            if not key or key in found or self._is_no_name(key, times, small):
                continue
            claim = next((claim for claim in self._notes.claims if _contains(claim.text, key)), None)
            if claim and (made := self.named("name", name, self._saying(claim, key), claim.text)):
                told.append(made)
        told = [item for item in told if not _is_part(item, told)]
        return sorted(told, key=lambda item: (-item.times, item.name))[:_MOST_NAMES]

    def _is_no_name(self, key: tuple[str, ...], times: int, small: Counter[str]) -> bool:
        if set(key) <= _NO_NAMES or key in self._known or set(key) <= self._known_words:
            return True
        return len(key) == 1 and (small[key[0]] * 3 > times or len(key[0]) < 3)

    def _saying(self, claim: Claim, key: tuple[str, ...]) -> list[str]:
        said = [id_ for id_ in claim.evidence if _contains(self._heard[id_].text, key)]
        return said or claim.evidence

    def _topics(self, found: dict[tuple[str, ...], Told]) -> list[Told]:
        if self._profile not in {Profile.PODCAST, Profile.ARCHIVE}:
            return []
        phrases = telling_phrases([" ".join(utterance.text for utterance in self.utterances)], _TOPICS)[0]
        told = []
        for phrase in phrases:
            key = key_of(phrase)
            claim = next((claim for claim in self._notes.claims if _contains(claim.text, key)), None)
            if claim and key not in found and key not in self._known and not set(key) <= self._known_words:
                made = self.named("topic", phrase, self._saying(claim, key), claim.text)
                told += [made] if made and made.times > 1 else []
        return told


def _people(speakers: Sequence[Speaker], cast: Cast | None) -> list[str]:
    found = [name for speaker in speakers for name in (speaker.label, speaker.name, speaker.character or "")]
    for member in cast.members if cast else ():
        found += [member.person, *member.aliases, member.character or ""]
    return [name for name in found if name]


def _small_words(text: str) -> list[str]:
    return [
        word.casefold().removesuffix("'s")
        for sentence in split_sentences(text)
        for word in re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", sentence.replace("’", "'"))
        if word[0].islower()
    ]


def _is_part(item: Told, others: Sequence[Told]) -> bool:
    """`Nein` beside `Mighty Nein`, or `Jester Yasha` beside `Jester` and `Yasha`."""
    key, words = key_of(item.name), {key_of(other.name)[0] for other in others if len(key_of(other.name)) == 1}
    if len(key) > 1 and set(key) <= words:
        return True
    longer = [other for other in others if len(key_of(other.name)) > len(key) and _contains(other.name, key)]
    return any(item.times <= 1.5 * other.times for other in longer)


def _contains(text: str, key: tuple[str, ...]) -> bool:
    words = [word.removesuffix("'s") for word in terms(text)]
    return any(tuple(words[at : at + len(key)]) == key for at in range(len(words) - len(key) + 1)) if key else False
