"""Which language a recording is in, and where it seems to be in another."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from earwitness.speech.segments import Doubt, Segment

_SURE = 0.5
_COMMON = {
    "en": "the and to of a in that it is you was for on we i have but not they with this are what so",
    "de": "der die und das ist nicht ich zu wir ein es auch in mit den auf so sie dass eine war haben wie",
    "fr": "le la les et de des est un une que je pas pour vous dans nous qui ce il sur avec mais on ne",
    "es": "el la los y de que en es un una no por con para se lo como pero las del yo me más muy",
    "it": "il la di che è un una non per sono con come ma lo si gli le della anche questo più mi ho",
    "nl": "de het een en van ik is dat niet je in wat we zijn op te met voor maar er aan ook nog als",
    "pt": "o a os e de que não um uma em para com é por mas como se na no do da eu você isso",
}
_SETS = {language: frozenset(words.split()) for language, words in _COMMON.items()}
_SCRIPTS = {
    "ar": "ARABIC", "fa": "ARABIC", "ur": "ARABIC", "bg": "CYRILLIC", "mk": "CYRILLIC", "ru": "CYRILLIC",
    "uk": "CYRILLIC", "be": "CYRILLIC", "kk": "CYRILLIC", "mn": "CYRILLIC", "sr": "CYRILLIC LATIN", "el": "GREEK",
    "he": "HEBREW", "hi": "DEVANAGARI", "mr": "DEVANAGARI", "ne": "DEVANAGARI", "bn": "BENGALI", "ta": "TAMIL",
    "te": "TELUGU", "th": "THAI", "ka": "GEORGIAN", "hy": "ARMENIAN", "ko": "HANGUL CJK", "zh": "CJK BOPOMOFO",
    "yue": "CJK", "ja": "HIRAGANA KATAKANA CJK",
}  # fmt: skip
"""Of ISO 639-1 languages that are not written in Latin letters."""
_LATIN = frozenset(
    "af ca cs cy da de en es et eu fi fr ga gl hr hu id is it lt lv "
    "ms nl no nn pl pt ro sk sl sq sv sw tl tr vi".split()
)
_LEAST_LETTERS = 4
_LEAST_LATIN = 12
"""Names and borrowed words stand in Latin letters everywhere; a sentence of them does not."""
_OWN_SHARE = 0.3
_LEAST_HITS = 4
_TIMES_MORE = 3


@dataclass(frozen=True, slots=True)
class LanguageSample:
    """What a recogniser took the language of one stretch to be."""

    start_ms: int
    end_ms: int
    language: str
    certainty: float = 1.0


def majority(samples: Sequence[LanguageSample]) -> tuple[str, float]:
    """The language of a recording and the share of its samples that agree; ties go to the surer one, then by name.

    Returns:
        ("und", 0.0) without samples.
    """
    if not samples:
        return "und", 0.0
    votes = Counter(sample.language for sample in samples)
    sure = {name: sum(s.certainty for s in samples if s.language == name) for name in votes}
    best = min(votes, key=lambda name: (-votes[name], -sure[name], name))
    return best, votes[best] / len(samples)


def mixed_languages(samples: Sequence[LanguageSample], language: str) -> list[Doubt]:
    """A doubt for each sample that sounds, with some certainty, like another language than the recording's."""
    agree = sum(sample.language == language for sample in samples)
    return [
        Doubt(
            kind="mixed-language",
            start_ms=sample.start_ms,
            end_ms=sample.end_ms,
            message=f"This sounds like language {sample.language!r}; the recording was taken to be in {language!r}, "
            f"as {agree} of {len(samples)} samples are.",
        )
        for sample in samples
        if sample.language != language and sample.certainty >= _SURE
    ]


def spread(count: int, most: int) -> list[int]:
    """At most `most` of the indices below `count`, evenly from the first to the last."""
    if count <= most:
        return list(range(count))
    return sorted({round(number * (count - 1) / (most - 1)) for number in range(most)}) if most > 1 else [count // 2]


def guess_language(segments: Sequence[Segment]) -> str:
    """ISO 639-1 by the commonest words of a text; "und" for short or other ones."""
    total, counts = _hits([segment.text for segment in segments[:2000]])
    if not counts:
        return "und"
    (best, hits), *others = counts.most_common()
    second = others[0][1] if others else 0
    return best if hits >= 3 and hits >= 0.12 * total and hits > second else "und"


def _hits(texts: Sequence[str]) -> tuple[int, "Counter[str]"]:
    counts: Counter[str] = Counter()
    total = 0
    for text in texts:
        for word in re.findall(r"[^\W\d_]+", text.lower()):
            total += 1
            counts.update(language for language, common in _SETS.items() if word in common)
    return total, counts


def other_language(text: str, language: str) -> str | None:
    """Why a text can't well be of a language: it is written in another script, or its commonest words are another's.

    Args:
        text: a segment.
        language: ISO 639-1 of the recording; of languages that are not known here nothing is said.

    Returns:
        a clause such as "in Cyrillic letters"; None where nothing speaks against it.
    """
    own = set(_SCRIPTS[language].split()) if language in _SCRIPTS else {"LATIN"} if language in _LATIN else None
    if own is None:
        return None
    scripts = Counter(script for script in map(_script, text) if script)
    letters = sum(scripts.values())
    if letters and sum(scripts[name] for name in own) < _OWN_SHARE * letters:
        foreign = min(scripts, key=lambda name: (-scripts[name], name))
        if scripts[foreign] >= (_LEAST_LATIN if foreign == "LATIN" else _LEAST_LETTERS):
            return f"in {foreign.capitalize() if foreign != 'CJK' else 'Chinese'} letters"
    if language not in _SETS:
        return None
    _, hits = _hits([text])
    best = min(hits, key=lambda name: (-hits[name], name), default=None)
    if best not in {None, language} and hits[best] >= max(_LEAST_HITS, _TIMES_MORE * hits[language]):
        return f"in words of language {best!r}"
    return None


def _script(character: str) -> str | None:
    if not character.isalpha():
        return None
    return unicodedata.name(character, "").split(" ")[0] or None
