"""Does the evidence hold what a claim says? Checked by comparing words, not by trusting the writer."""

import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from earwitness.notes.sentences import terms, tidy, without_markers
from earwitness.notes.wording import FUNCTION_WORDS
from earwitness.words.cast import Cast, Speaker
from earwitness.words.naming import vocabulary
from earwitness.words.transcript import Utterance

_QUOTE = re.compile(r'"([^"]+)"|“([^”]+)”|«([^»]+)»')
_NAME = re.compile(r"(?<![^\W_])[^\W\d_][\w'’-]*")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_SPELLED = {
    word: str(value)
    for start, step, listed in (
        (0, 1, "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"),
        (17, 1, "seventeen eighteen nineteen twenty"),
        (30, 10, "thirty forty fifty sixty seventy eighty ninety"),
    )
    for value, word in zip(range(start, 101, step), listed.split(), strict=False)
}
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000}
_COUNT = re.compile(
    rf"\b(?:{'|'.join([*_SPELLED, *_SCALES])})(?:(?:[\s-]+|\s+and\s+)(?:{'|'.join([*_SPELLED, *_SCALES])}))+\b",
    re.IGNORECASE,
)
_BEGINS = re.compile(r"(?:^|[.!?:…]\s)[\s\"“«'‘(]*$")


@dataclass(frozen=True, slots=True)
class Known:
    """Names that a claim may use although its evidence does not: of the cast and of the recording's speakers."""

    names: frozenset[str] = field(default=frozenset())

    @classmethod
    def of(cls, cast: Cast | None, speakers: Iterable[Speaker] = ()) -> "Known":
        """Names of the cast file and of the speakers, word by word."""
        texts = [*vocabulary(cast)]
        for speaker in speakers:
            texts += [speaker.label, speaker.name, speaker.character or ""]
        return cls(frozenset(word for text in texts for word in _words(text)))


def is_supported(text: str, evidence: Sequence[Utterance], known: Known) -> bool:
    """True if the evidence carries the claim.

    - There is evidence, and every quotation in the claim stands in one of its utterances word for word.
    - Every number of the claim occurs in it ("12" and "twelve" are the same number).
    - Every capitalised word, function words apart, occurs in it or is known. Scripts without capitals have no names
      that could be told apart, so there every word must occur.
    """
    if not evidence:
        return False
    if any(not speakers_of(words, evidence) for words in quotations(text)):
        return False
    return not (missing_numbers(text, evidence, known) or missing_names(text, evidence, known))


def quotations(text: str) -> list[str]:
    """What stands in quotation marks."""
    return [next(group for group in match.groups() if group) for match in _QUOTE.finditer(text)]


def speakers_of(words: str, evidence: Sequence[Utterance]) -> list[Utterance]:
    """The utterances in which these words stand, word for word."""
    quoted = terms(words)
    return [
        utterance
        for utterance in evidence
        if any(_contains(heard, quoted) for heard in (terms(utterance.text), terms(without_markers(utterance.text))))
    ]


def missing_numbers(text: str, evidence: Sequence[Utterance], known: Known) -> list[str]:
    """Numbers of the text that the evidence does not have."""
    words = words_of(evidence)
    said = {_SPELLED.get(word, word) for word in words} | known.names
    for utterance in evidence:
        said |= _numbers_in(utterance.text)
    # "two hundred" may stand there in digits, or interrupted
    counted = {phrase: value for phrase, value in _counted(text).items() if not set(terms(phrase)) <= words}
    rest = _COUNT.sub(" ", text)
    return sorted((_numbers(rest) | set(counted.values())) - said)


def missing_names(text: str, evidence: Sequence[Utterance], known: Known, ordinary: Container[str] = ()) -> list[str]:
    """Capitalised words that are neither in the evidence nor known.

    Args:
        text: in a script without capitals every word counts.
        evidence: utterances.
        known: names that are all right anywhere.
        ordinary: case-folded words that a sentence may begin with: their capital says nothing.
    """
    every = words_of(evidence)
    return [name for name in _must_occur(text, ordinary) if not _covered(name, every, known)]


def words_of(evidence: Sequence[Utterance]) -> set[str]:
    """Every word of some utterances, case-folded, with and without markers such as (laughter)."""
    return {word for utterance in evidence for word in _words_in(utterance.text)}


# the same few utterances are looked at again and again, and some are as long as a recording
@lru_cache(maxsize=1024)
def _words_in(text: str) -> frozenset[str]:
    return frozenset((*terms(text), *terms(without_markers(text))))


@lru_cache(maxsize=1024)
def _numbers_in(text: str) -> frozenset[str]:
    return frozenset((*_numbers(text), *_counted(text).values()))


def _counted(text: str) -> dict[str, str]:
    """Numbers of several words, such as "two hundred and five" or "twenty-five" → in digits."""
    found = {}
    for match in _COUNT.finditer(text):
        total, run = 0, 0
        for word in re.findall(r"[a-z]+", match.group().casefold()):
            if word in _SPELLED:
                run += int(_SPELLED[word])
            elif word in _SCALES:
                run = max(1, run) * _SCALES[word]
                if word != "hundred":
                    total, run = total + run, 0
        found[match.group()] = str(total + run)
    return found


def _words(text: str) -> list[str]:
    return [word for part in re.split(r"[-_]", text) for word in terms(part)]


def _numbers(text: str) -> set[str]:
    digits = {match.group().replace(",", "") for match in _NUMBER.finditer(text)}
    return digits | {_SPELLED[word] for word in terms(text) if word in _SPELLED}


def _must_occur(text: str, ordinary: Container[str] = ()) -> list[str]:
    text = tidy(text)
    found = list(_NAME.finditer(text))
    if not any(char.isupper() or char.islower() for char in text):
        return [match.group() for match in found]
    return [
        match.group()
        for match in found
        if match.group()[0].isupper()
        and match.group().casefold() not in FUNCTION_WORDS
        and not (match.group().casefold() in ordinary and _BEGINS.search(text, 0, match.start()))
    ]


def _covered(name: str, every: set[str], known: Known) -> bool:
    return all(
        word in every or word in known.names or word.removesuffix("'s") in every | known.names for word in _words(name)
    )


def _contains(words: Sequence[str], quoted: Sequence[str]) -> bool:
    size = len(quoted)
    return size == 0 or any(list(words[i : i + size]) == list(quoted) for i in range(len(words) - size + 1))
