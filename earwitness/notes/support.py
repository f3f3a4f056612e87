"""Does the evidence hold what a claim says? Checked by comparing words, not by trusting the writer."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

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
    heard = [terms(utterance.text) for utterance in evidence]
    plain = [terms(without_markers(utterance.text)) for utterance in evidence]
    every = {word for words in (*heard, *plain) for word in words}
    for match in _QUOTE.finditer(text):
        quoted = terms(next(group for group in match.groups() if group))
        if not any(_contains(words, quoted) for words in (*heard, *plain)):
            return False
    said = {_SPELLED.get(word, word) for word in every} | {
        number for utterance in evidence for number in _numbers(utterance.text)
    }
    if any(number not in said | known.names for number in _numbers(text)):
        return False
    return all(_covered(name, every, known) for name in _must_occur(text))


def _words(text: str) -> list[str]:
    return [word for part in re.split(r"[-_]", text) for word in terms(part)]


def _numbers(text: str) -> set[str]:
    digits = {match.group().replace(",", "") for match in _NUMBER.finditer(text)}
    return digits | {_SPELLED[word] for word in terms(text) if word in _SPELLED}


def _must_occur(text: str) -> list[str]:
    words = [match.group() for match in _NAME.finditer(tidy(text))]
    if any(char.isupper() or char.islower() for char in text):
        return [word for word in words if word[0].isupper() and word.casefold() not in FUNCTION_WORDS]
    return words


def _covered(name: str, every: set[str], known: Known) -> bool:
    return all(
        word in every or word in known.names or word.removesuffix("'s") in every | known.names for word in _words(name)
    )


def _contains(words: Sequence[str], quoted: Sequence[str]) -> bool:
    size = len(quoted)
    return size == 0 or any(list(words[i : i + size]) == list(quoted) for i in range(len(words) - size + 1))
