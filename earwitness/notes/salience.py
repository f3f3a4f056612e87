"""How much each sentence of a recording tells.

A sentence is worth keeping if it is about what the recording is about (term weights as in centroid summarizers: Radev
et al. 2004), names people and places, tells rather than chats (third person, no question, no bookkeeping of the game),
and is neither a fragment nor a monologue. The weights were set by hand on open transcripts, the same for all of them.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from earwitness.notes.sentences import Sentence, terms
from earwitness.notes.wording import (
    FIRST_PERSON,
    FUNCTION_WORDS,
    HOUSEKEEPING,
    RULES_TALK,
    SECOND_PERSON,
    THIRD_PERSON,
)
from earwitness.options import Profile
from earwitness.words.cast import Speaker
from earwitness.words.roles import ASKING_ROLES, NARRATOR_ROLES
from earwitness.words.transcript import Utterance


@dataclass(frozen=True, slots=True)
class Weights:
    """How much a feature adds per share of a sentence's words, around a base of 1."""

    length: float = 0.45
    """Exponent of the number of words."""
    first_person: float = -6.0
    second_person: float = -4.5
    third_person: float = 1.5
    names: float = 4.0
    capitals: float = 3.0
    content: float = -2.0
    """Lists and exclamations are all content words; telling needs the small words, too."""
    centre: float = 1.0
    question: float = -0.5
    rules: float = -5.0
    numbers: float = -3.0
    housekeeping: float = 0.3
    """What a sentence keeps that is about the show itself: sponsors, giveaways, streams."""
    short: float = 0.5
    """What a sentence keeps that has fewer than seven words: it seldom stands on its own."""
    role: float = 3.0
    """How much more a narrator's sentences weigh than the others'; 1: alike."""


_CONVERSATION = Weights(
    length=0.3, first_person=-2, second_person=-2, content=-0.5, centre=12, rules=0, numbers=0, role=1
)
"""Where nobody narrates, the subject says more than the manner."""

WEIGHTS = {
    Profile.TABLETOP: Weights(),
    Profile.PODCAST: _CONVERSATION,
    Profile.ARCHIVE: replace(_CONVERSATION, first_person=0, role=2, housekeeping=1),
    Profile.WORKPLACE: replace(_CONVERSATION, housekeeping=1),
}

_WINDOW = 20
"""Sentences that count as one document in the term weights."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the recording is about."""

    weight: dict[str, float]
    """Content term → 0..1; 0 for words that occur once."""
    names: frozenset[str]
    """Terms that are mostly capitalised within sentences."""

    @classmethod
    def of(cls, contents: Sequence[Sequence[str]], sentences: Sequence[Sentence]) -> "Terms":
        """From the content terms of all sentences, in order."""
        spread: Counter[str] = Counter()
        windows = range(0, len(contents), _WINDOW)
        for start in windows:
            spread.update({term for run in contents[start : start + _WINDOW] for term in run})
        often = Counter(term for run in contents for term in run)
        raw = {
            term: math.log(1 + often[term]) * math.log(1 + len(windows) / spread[term]) if often[term] > 1 else 0.0
            for term in often
        }
        largest = max(raw.values(), default=0.0) or 1.0
        return cls({term: value / largest for term, value in raw.items()}, _names(sentences))


def _names(sentences: Sequence[Sentence]) -> frozenset[str]:
    large: Counter[str] = Counter()
    small: Counter[str] = Counter()
    for sentence in sentences:
        for word in sentence.text.split()[1:]:
            bare = word.strip(".,!?\"'-():;…“”").removesuffix("'s").removesuffix("’s")
            (large if bare[:1].isupper() else small)[bare.casefold()] += 1
    return frozenset(
        word
        for word, times in large.items()
        if times >= 3 and times > 3 * small[word] and len(word) > 2 and word not in FUNCTION_WORDS
    )


def content_terms(text: str) -> list[str]:
    """Terms without function words and single letters."""
    return [term for term in terms(text) if term not in FUNCTION_WORDS and (len(term) > 2 or not term.isascii())]


def narrators(utterances: Sequence[Utterance], speakers: Sequence[Speaker], profile: Profile) -> set[str | None]:
    """Labels whose sentences carry the tale: by role, else, in a game, the voice that talks far more than any other.

    In a recording with an interviewer these are all the others.
    """
    roles = {speaker.label: speaker.role or "" for speaker in speakers}
    if profile is Profile.ARCHIVE:
        asking = {label for label, role in roles.items() if ASKING_ROLES.search(role)}
        return {utterance.speaker for utterance in utterances} - asking
    if profile is not Profile.TABLETOP:
        return set()
    stated = {label for label, role in roles.items() if NARRATOR_ROLES.search(role)}
    if stated:
        return set(stated)
    talk: Counter[str | None] = Counter()
    for utterance in utterances:
        talk[utterance.speaker] += len(utterance.text.split())
    ranked = [(label, times) for label, times in talk.most_common() if label is not None]
    if len(ranked) > 1 and ranked[0][1] >= 1.3 * ranked[1][1] and ranked[0][1] >= 0.3 * sum(talk.values()):
        return {ranked[0][0]}
    return set()


def rate(
    sentences: Sequence[Sentence],
    contents: Sequence[Sequence[str]],
    about: Terms,
    told_by: Sequence[bool],
    weights: Weights,
) -> list[float]:
    """A score above 0 for each sentence.

    Args:
        sentences: all of them, in order.
        contents: content terms of each.
        about: what the recording is about.
        told_by: whether a narrator says it.
        weights: of the profile.
    """
    return [
        sentence.words**weights.length * (weights.role if told else 1.0) * _manner(sentence, run, about, weights)
        for sentence, run, told in zip(sentences, contents, told_by, strict=True)
    ]


_CAPITAL = re.compile(r"(?<=\s)[\"“(]*[^\W\d_]")


def _manner(sentence: Sentence, content: Sequence[str], about: Terms, weights: Weights) -> float:
    words = terms(sentence.text)
    if not words or sentence.words < 4:
        return 0.001
    length = len(words)
    capitals = sum(
        match.group()[-1].isupper() and not sentence.text.startswith(("I ", "I'"), match.end() - 1)
        for match in _CAPITAL.finditer(sentence.text)
    )
    total = (
        1.0
        + weights.first_person * sum(word in FIRST_PERSON for word in words) / length
        + weights.second_person * sum(word in SECOND_PERSON for word in words) / length
        + weights.third_person * sum(word in THIRD_PERSON for word in words) / length
        + weights.names * sum(word.removesuffix("'s") in about.names for word in content) / length
        + weights.capitals * capitals / length
        + weights.content * len(content) / length
        + weights.centre * sum(about.weight.get(word, 0.0) for word in set(content)) / length
        + weights.question * ("?" in sentence.text)
        + weights.rules * len(RULES_TALK.findall(sentence.text)) / length
        + weights.numbers * sum(word.isdigit() for word in words) / length
    )
    if HOUSEKEEPING.search(sentence.text):
        total *= weights.housekeeping
    if sentence.words < 7:
        total *= weights.short
    return max(0.01, total)
