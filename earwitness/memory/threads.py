"""Does a recording take up what earlier ones left open? Told by the words of the thread, not by meaning."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from earwitness.memory.memory import Thread
from earwitness.notes.salience import content_terms
from earwitness.notes.sentences import sentences_of
from earwitness.notes.wording import NEGATION, word_set
from earwitness.words.transcript import Utterance

_STEM = 5
_LEAST_WORDS = 2
_LEAST_SHARE = 0.4
"""Of the thread's telling words, weighed by how rare they are in the new recording."""
_DONE = re.compile(
    r"\b(?:did|done|finished|completed?|delivered|gave|given|handed|found|returned|brought|paid|repaid|kept|solved|sent"
    r"|rescued|freed|saved|killed|slain|slew|defeated|destroyed|resolved|closed|fixed|booked|ordered|bought|wrote|written"
    r"|called|asked|told|met|shipped|signed|submitted|received|arrived|recovered|broke|lifted|fulfilled)\b",
    re.IGNORECASE,
)
_NOT_YET = re.compile(
    r"\b(?:will|shall|'ll|going to|gonna|should|could|would|must|might|may|if|when|until|unless|need(?:s|ed)? to"
    r"|ha(?:ve|s|d) to|want(?:s|ed)? to|tr(?:y|ying|ied) to|almost|nearly|still|yet)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Trace:
    """Where a thread goes on."""

    thread: Thread
    evidence: str
    """The utterance."""
    told: str
    """Its sentence, as it was said."""
    done: bool
    """The sentence says that it was done."""


def is_done(text: str) -> bool:
    """Whether a sentence says that something was done: in the past, not denied, not asked, not wished."""
    return bool(_DONE.search(text) and not _NOT_YET.search(text) and not NEGATION.search(text) and text[-1:] != "?")


class Tracer:
    """Follows threads through a recording.

    Args:
        utterances: the transcript.
        common: names that say nothing because everybody has them all the time: of the people who speak.
    """

    def __init__(self, utterances: Sequence[Utterance], common: Iterable[str] = ()) -> None:
        self._utterances = utterances
        self._sentences = sentences_of(utterances)
        self._common = {stem for name in common for stem in _stems(name)}
        self._stems = [_stems(sentence.text) for sentence in self._sentences]
        self._spread = Counter(stem for stems in self._stems for stem in stems)

    def follow(self, thread: Thread) -> Trace | None:
        """The sentence that speaks of a thread most clearly; None where none does."""
        found = self._clearest(thread.text, -1)
        if found is None:
            return None
        sentence = self._sentences[found]
        return Trace(thread, self._utterances[sentence.utterance].id, sentence.text, is_done(sentence.text))

    def settled_after(self, text: str, utterance: str) -> bool:
        """Whether the same recording says later on that something was done."""
        place = next(number for number, other in enumerate(self._utterances) if other.id == utterance)
        found = self._clearest(text, place)
        return found is not None and is_done(self._sentences[found].text)

    def _clearest(self, text: str, after: int) -> int | None:
        wanted = _stems(text) - self._common
        if len(wanted) < _LEAST_WORDS:
            return None
        weight = {stem: self._weight(stem) for stem in wanted}
        total = sum(weight.values())
        found: tuple[float, bool, int] | None = None
        for number, stems in enumerate(self._stems):
            shared = wanted & stems
            if len(shared) < _LEAST_WORDS or self._sentences[number].utterance <= after:
                continue
            share = sum(weight[stem] for stem in shared) / total
            if share < _LEAST_SHARE:
                continue
            rated = (share, is_done(self._sentences[number].text), -number)
            if found is None or rated[:2] > found[:2]:
                found = rated
        return None if found is None else -found[2]

    def speaks_of(self, thread: Thread, evidence: Sequence[str]) -> bool:
        """Whether some utterances share anything with a thread that would tell it from others."""
        wanted = _stems(thread.text) - self._common
        said = {stem for u in self._utterances if u.id in set(evidence) for stem in _stems(u.text)}
        return bool(wanted & said)

    def _weight(self, stem: str) -> float:
        return math.log(2 + len(self._sentences) / (1 + self._spread[stem]))


def _stems(text: str) -> set[str]:
    # stems of verbs that only say that something happens would join threads that have nothing in common
    return {term.removesuffix("'s")[:_STEM] for term in content_terms(text)} - _IDLE


_IDLE = {
    word[:_STEM]
    for word in word_set(
        """
        swear swore sworn vow vowed owe owed promise promised bring brought give gave find found send sent make made
        take took told tell talk need want will must should today tomorrow next week done owner due speaker back thing
        something somebody people
        """
    )
}
