"""What is said about a clip: why it was chosen, what to call it, what to post with it, and what it lacks."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from earwitness.clips.clip import Ranking
from earwitness.clips.features import Judge, opening
from earwitness.clips.units import Unit
from earwitness.notes.notes import Notes
from earwitness.notes.sentences import clean, count_words, terms
from earwitness.notes.titles import listed, shortened, telling_phrases
from earwitness.words.cast import Speaker
from earwitness.words.transcript import is_unsure

_TITLE_CHARS = 60
_DESCRIPTION_CHARS = 300
_TAGS = 5
_AROUND = 30
"""Units before and after a clip that its tags are told from."""
_COMES_UP = 2
_MANY_UNSURE = 0.3
"""A larger share of doubtful words is said."""


def reason_for(features: dict[str, float], claims: int, seconds: float) -> str:
    """The choice in one sentence: the strongest features, in words.

    Args:
        features: of the clip.
        claims: its sentences that the notes cite.
        seconds: it lasts.
    """
    has = features.get
    said = []
    if has("answer", 0) == 1.0:
        said.append("opens with a question that gets its answer")
    elif has("hook", 0) >= 0.5:
        said.append("opens strongly")
    if claims:
        said.append(f"holds {claims} sentence{'s' if claims > 1 else ''} of the notes")
    elif has("salience", 0) >= 0.4:
        said.append("is about what the recording is about")
    if has("laughter", 0) >= 0.4:
        said.append("has people laughing")
    if has("quotable", 0) == 1.0:
        said.append("has a line worth quoting")
    if has("emotion", 0) >= 0.6:
        said.append("has strong feelings in it")
    if has("standalone", 0) == 1.0:
        said.append("needs nothing said before")
    if has("exchange", 0) >= 0.6:
        said.append("goes back and forth between people")
    if has("punch", 0) >= 0.9:
        said.append("closes on a punch line")
    elif has("ending", 0) >= 0.9:
        said.append("ends in a pause")
    if "salience" not in features and has("energy", 0) >= 0.5:
        said.append("is livelier than most of the recording")
    if not said:
        said.append("is the best run of whole sentences of this length")
    heard = "" if "salience" in features else " It was chosen by its sound alone: its words are not known."
    return f"{seconds:.0f} s that {listed(said[:5])}.{heard}"


def ranking_told(ranking: Ranking | None) -> str:
    """What a chat model had to say, as a sentence that follows the reason."""
    if ranking is None:
        return ""
    says = f", and says: “{ranking.said}”" if ranking.said else "."
    return f" A chat model put it at {ranking.place} of {ranking.of}{says}"


def title_of(judge: Judge, units: Sequence[Unit], first: int, last: int) -> str:
    """The question it opens with, else its most telling sentence, whole if there is one that is short enough.

    A sentence with a doubtful word is taken only where all have one.
    """
    if judge.wordless:
        return ""
    asked = clean(units[first].text)
    unsure = [_doubtful(unit) for unit in units[first : last + 1]]
    if judge.answered(first, last) and len(asked) <= _TITLE_CHARS and (all(unsure) or not unsure[0]):
        return asked
    told = judge.told
    ranked = sorted(range(first, last + 1), key=lambda n: (told.words[n] < 4, unsure[n - first], -told.telling[n], n))
    best = told.telling[ranked[0]]
    for place in ranked:
        text = clean(units[place].text)
        if unsure[place - first] > unsure[ranked[0] - first]:
            break
        if count_words(text) >= 4 and len(text) <= _TITLE_CHARS and told.telling[place] >= 0.6 * best:
            return text.rstrip(".,;:")
    text = clean(units[ranked[0]].text)
    # a handful of very long words is shortened in the middle of one, so by characters
    return shortened(text, words=max(1, len(text[:_TITLE_CHARS].rsplit(" ", 1)[0].split())), chars=_TITLE_CHARS)


def _doubtful(unit: Unit) -> bool:
    return any(is_unsure(word) for word in unit.words)


def _sure(unit: Unit) -> str:
    """Its text without doubtful words."""
    return " ".join(word.text for word in unit.words if not is_unsure(word)) if unit.words else unit.text


def description_of(
    judge: Judge, units: Sequence[Unit], first: int, last: int, notes: Notes | None, speakers: Sequence[Speaker]
) -> str:
    """What the notes say of it, else its most telling sentence in quotation marks; and who is heard."""
    stretch = units[first : last + 1]
    heard = {unit.utterance for unit in stretch}
    inside = {term for run in judge.contents[first : last + 1] for term in run}
    told = [
        claim.text
        for claim in (notes.claims if notes else ())
        if claim.supported and heard & set(claim.evidence) and _mostly(claim.text, inside)
    ]
    parts = [text for n, text in enumerate(told[:2]) if text not in told[:n]]
    if not parts and not judge.wordless:
        best = max(range(first, last + 1), key=lambda n: (judge.told.words[n] >= 4, judge.told.telling[n], -n))
        parts = [f"“{clean(units[best].text)}”"]
    labels = list(dict.fromkeys(unit.speaker for unit in stretch))
    names = [s.name for label in labels for s in speakers if s.label == label and s.named_by != "nobody"]
    text = " ".join(parts)
    if len(text) > _DESCRIPTION_CHARS:
        text = f"{text[:_DESCRIPTION_CHARS].rsplit(' ', 1)[0].rstrip('.,;: ')}…"
    if names:
        text = f"{text} With {listed(names)}.".strip()
    return text


def _mostly(text: str, inside: set[str]) -> bool:
    said = [term for term in terms(text) if len(term) > 3]
    return bool(said) and sum(term in inside for term in said) >= 0.4 * len(said)


def hashtags_for(units: Sequence[Unit], first: int, last: int, always: Sequence[str]) -> list[str]:
    """Tags of what the clip is about, as opposed to what is said around it, with `always` after them.

    None is made of a word that the recogniser doubts.
    """
    here = " ".join(_sure(unit) for unit in units[first : last + 1])
    around = [
        " ".join(unit.text for unit in units[max(0, first - _AROUND) : first]),
        " ".join(unit.text for unit in units[last + 1 : last + 1 + _AROUND]),
    ]
    phrases = telling_phrases([here, *around], _TAGS)[0] if here else []
    tags = ["".join(re.findall(r"[^\W_]+", phrase.title() if " " in phrase else phrase)) for phrase in phrases]
    said = Counter(re.findall(r"[^\W_]+", here.casefold()))
    telling = [*(tag for tag in tags if _tells(tag, said)), *always]
    return list(dict.fromkeys(f"#{tag}" for tag in telling))[:_TAGS]


def _tells(tag: str, said: Mapping[str, int]) -> bool:
    """Names do; a common word only if it comes up again, and is no adverb and no number."""
    if not tag.islower():
        return bool(tag) and not tag.isdigit()
    return said[tag] >= _COMES_UP and not tag.endswith("ly")


def context_lacking(
    judge: Judge, units: Sequence[Unit], first: int, last: int, names: dict[str, str], *, misheard: bool = False
) -> list[str]:
    """What a viewer who sees only this does not know, a sentence each.

    Args:
        judge: of the recording.
        units: of the recording.
        first: unit of the clip.
        last: unit of the clip.
        names: label → name, of those whose name is known.
        misheard: the recogniser mishears many words.
    """
    found = []
    if judge.wordless:
        return ["Nobody knows its words: listen before you post it."]
    words = [word for unit in units[first : last + 1] for word in unit.words if not word.estimated]
    unsure = sum(map(is_unsure, words))
    if misheard:
        found.append("Its words are those of the bundled recogniser, which mishears many: listen before you post it.")
    elif unsure > _MANY_UNSURE * len(words):
        found.append(f"{unsure} of its {len(words)} words are doubtful: listen before you post it.")
    opens = units[first].text
    grade = opening(opens)
    word = terms(opens)[0] if terms(opens) else ""
    if grade == 0.4:
        found.append(f"It opens with “{word}”: who or what that is was said before.")
    elif grade == 0.2:
        found.append(f"It opens with “{word}”, which goes on from what was said before.")
    elif grade == 0.0:
        found.append("Its first words can't be read.")
    before = units[first - 1] if first else None
    if before and before.text.rstrip().endswith("?") and before.speaker != units[first].speaker:
        found.append(f"The question that it answers is not in it: “{shortened(clean(before.text), 14, 90)}”")
    if judge.asks_on(last):
        found.append("It ends on a question whose answer is not in it.")
    unknown = {unit.speaker for unit in units[first : last + 1]} - names.keys()
    if unknown:
        many = len(unknown) > 1
        found.append(f"{len(unknown)} of the people in it {'have' if many else 'has'} no name.")
    return found
