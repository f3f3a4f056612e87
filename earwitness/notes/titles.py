"""Titles from the words of the recording: its names and most telling words, never a phrase of our own."""

import math
import re
from collections import Counter
from collections.abc import Sequence

from earwitness.notes.sentences import count_words, without_markers
from earwitness.notes.wording import FUNCTION_WORDS, RULES_TALK, word_set

_TOKEN = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|[.!?:\"“”…]")
_IDLE = word_set(
    """
    actually amazing anyway awesome back basically big bit cool definitely dude exactly fine fuck fucking good
    great guess guy happen happened hear heard hold huh keep kinda laughs laughter literally look looking looks
    love lots maybe mean minute nice old people perfect place point pretty probably question sorry start stuff
    sure talk talking tell thank thought time times today told totally try trying turn true um umm uh wait wanna
    wow yep yup
    """
)
_TOP = 3


def telling_phrases(scenes: Sequence[str], count: int = _TOP) -> list[list[str]]:
    """For each scene's text: the phrases that tell it from the others, best first. Names count double."""
    found = [_candidates(text) for text in scenes]
    spread = Counter(key for phrases, _ in found for key in phrases)
    titles = []
    for phrases, surface in found:
        scored = {
            key: times * math.log(1 + (len(scenes) + 1) / spread[key]) * (2 if _is_name(surface[key]) else 1)
            for key, times in phrases.items()
            if times > 1 or _is_name(surface[key])
        }
        best: list[str] = []
        for key in sorted(scored, key=lambda k: (-scored[k], k)):
            words = _stems(key)
            if not any(words & _stems(other) for other in best):
                best.append(surface[key])
            if len(best) == count:
                break
        titles.append(best)
    return titles


def names_in(text: str) -> dict[str, int]:
    """Phrases of up to three words that are written with capitals within sentences → how often."""
    counts, surface = _candidates(text)
    found: Counter[str] = Counter()
    for key, times in counts.items():
        if _is_name(surface[key]):
            found[surface[key]] += times
    return dict(found)


def _stems(phrase: str) -> set[str]:
    return {word[:5] for word in phrase.casefold().split()}


def _is_name(phrase: str) -> bool:
    return phrase[:1].isupper()


def _candidates(text: str) -> tuple[Counter[str], dict[str, str]]:
    """Counts by case-folded phrase, and how each is written most often."""
    tokens = _TOKEN.findall(without_markers(text))
    counts: Counter[str] = Counter()
    written: dict[str, Counter[str]] = {}
    run: list[str] = []
    fresh = True
    for token in [*tokens, "."]:
        word = token.removesuffix("'s").removesuffix("’s")
        telling = len(word) > 2 and word.casefold() not in FUNCTION_WORDS | _IDLE and not RULES_TALK.fullmatch(word)
        if telling and word[0].isupper() and not fresh and len(run) < 3:
            run.append(word)
        else:
            if run:
                _count(" ".join(run), counts, written)
            run = []
            if telling and len(word) > 3 and not fresh and word[0].islower():
                _count(word, counts, written)
        if token != word:
            _count(" ".join(run), counts, written) if run else None
            run = []
        fresh = not token[0].isalnum()
    return counts, {key: min(forms, key=lambda f: (-forms[f], f)) for key, forms in written.items()}


def _count(phrase: str, counts: Counter[str], written: dict[str, Counter[str]]) -> None:
    counts[phrase.casefold()] += 1
    written.setdefault(phrase.casefold(), Counter())[phrase] += 1


def joined(phrases: Sequence[str]) -> str:
    """`Percy, the temple and Whitestone` style lists, first letter large."""
    text = listed(phrases)
    return text[:1].upper() + text[1:]


def listed(phrases: Sequence[str]) -> str:
    """`Percy, the temple and Whitestone`, as it stands within a sentence."""
    return f"{', '.join(phrases[:-1])} and {phrases[-1]}" if len(phrases) > 1 else "".join(phrases)


def shortened(sentence: str, words: int = 8, chars: int = 60) -> str:
    """The beginning of a sentence as a title, with an ellipsis where it was cut."""
    short = " ".join(sentence.split()[:words])
    if len(short) > chars:
        short = short[: chars - 1].rstrip()
    cut = count_words(short) < count_words(sentence) or len(short) < len(" ".join(sentence.split()))
    return f"{short.rstrip('.,;:!?…')}…" if cut else short.rstrip(".,;:")
