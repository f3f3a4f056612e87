"""Choosing moments worth posting: whole sentences, of the right length, that stand on their own.

The length is a condition, not a wish: only stretches within the limits are ever scored.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from earwitness.clips.units import Unit, straddled, units_of
from earwitness.notes.notes import Notes
from earwitness.notes.salience import Terms, content_terms
from earwitness.notes.sentences import Sentence, clean, count_words, terms
from earwitness.notes.titles import shortened
from earwitness.notes.wording import word_set
from earwitness.options import ClipSettings
from earwitness.words.transcript import Utterance

_JOINS_ON = word_set("and but so because or then which who also plus though although therefore anyway yeah yes no okay")
_POINTS_BACK = word_set("he she they it that this those these him her them his their its there such")
_USUAL_S = 35.0
_LEAD_MS = 1_500
"""A pause this long after the last word makes a clean end."""

WEIGHTS = {
    "salience": 0.30,
    "hook": 0.18,
    "standalone": 0.18,
    "ending": 0.10,
    "quotable": 0.10,
    "exchange": 0.07,
    "energy": 0.04,
    "length": 0.03,
}
"""What a clip's score is made of; without audio the share of `energy` is spread over the rest."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A stretch of whole sentences that was chosen."""

    start_ms: int
    """Start of its first word."""
    end_ms: int
    """End of its last word."""
    score: float
    features: dict[str, float] = field(compare=False)
    reason: str = ""
    title: str = ""
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """The moments, best first, and why there are none or fewer than asked for."""

    moments: list[Moment]
    reason: str = ""


def choose_moments(
    utterances: Sequence[Utterance],
    notes: Notes | None,
    settings: ClipSettings,
    energy: Sequence[float] | None = None,
) -> Choice:
    """The best stretches, at most `settings.count`; no two overlap.

    Args:
        utterances: the transcript, with times.
        notes: what the recording is about, if notes were written.
        settings: resolved; `min_s` and `max_s` bound the time from the first word to the last.
        energy: loudness 0..1 of each half second of the recording, if it was measured.
    """
    if settings.count == 0:
        return Choice([], "No clips were asked for.")
    units = units_of(utterances)
    if not units:
        return Choice([], "The transcript has no times, so no moment can be cut out.")
    heard_s = (max(unit.end_ms for unit in units) - units[0].start_ms) / 1000
    if heard_s < settings.min_s:
        return Choice([], f"There are {heard_s:.1f} s of talk; a clip has at least {settings.min_s:g} s.")
    candidates = _candidates(units, settings, clean_edges=True) or _candidates(units, settings, clean_edges=False)
    if not candidates:
        return Choice(
            [], f"No run of whole sentences lasts between {settings.min_s:g} and {settings.max_s:g} s without a cut."
        )
    judge = _Judge(units, notes, energy)
    scored = sorted(
        ((judge.score(first, last), first, last) for first, last in candidates),
        key=lambda item: (-item[0], units[item[1]].start_ms, item[2]),
    )
    chosen: list[tuple[float, int, int]] = []
    spans: list[tuple[int, int]] = []
    for score, first, last in scored:
        start, end = _span(units, first, last)
        if all(end <= other[0] or start >= other[1] for other in spans):
            chosen.append((score, first, last))
            spans.append((start, end))
        if len(chosen) == settings.count:
            break
    moments = [judge.moment(first, last) for _, first, last in chosen]
    reason = ""
    if len(moments) < settings.count:
        reason = f"{len(moments)} of {settings.count}: no other stretch of whole sentences of that length is left."
    return Choice(moments, reason)


def _candidates(units: Sequence[Unit], settings: ClipSettings, *, clean_edges: bool) -> list[tuple[int, int]]:
    """(first, last) unit of every stretch within the limits whose edges cut nobody's sentence (or at least no word)."""
    starts_ok = [not straddled(units, unit.start_ms, words_only=not clean_edges) for unit in units]
    ends_ok = [not straddled(units, unit.end_ms, words_only=not clean_edges) for unit in units]
    found = []
    for first, opening in enumerate(units):
        if not starts_ok[first]:
            continue
        end = 0
        for last in range(first, len(units)):
            if units[last].start_ms - opening.start_ms > settings.max_s * 1000:
                break
            is_end = units[last].end_ms >= end
            end = max(end, units[last].end_ms)
            length = end - opening.start_ms
            if is_end and ends_ok[last] and settings.min_s * 1000 <= length <= settings.max_s * 1000:
                found.append((first, last))
    return found


def _span(units: Sequence[Unit], first: int, last: int) -> tuple[int, int]:
    return units[first].start_ms, max(unit.end_ms for unit in units[first : last + 1])


class _Judge:
    """Scores stretches; each feature is 0..1 and can be told in words."""

    def __init__(self, units: Sequence[Unit], notes: Notes | None, energy: Sequence[float] | None) -> None:
        self._units = units
        self._energy = energy
        contents = [content_terms(unit.text) for unit in units]
        sentences = [Sentence(n, 0, unit.text, unit.text, count_words(unit.text)) for n, unit in enumerate(units)]
        about = Terms.of(contents, sentences)
        self._telling = [
            sum(about.weight.get(term, 0.0) for term in set(run)) / max(4, sentence.words)
            for run, sentence in zip(contents, sentences, strict=True)
        ]
        self._most_telling = max(self._telling, default=0.0) or 1.0
        self._words = [sentence.words for sentence in sentences]
        self._cited = [0] * len(units)
        self._quoted = [False] * len(units)
        for claim in notes.claims if notes else ():
            said = set(content_terms(claim.text))
            for place, unit in enumerate(units):
                if unit.utterance in claim.evidence and said & set(contents[place]):
                    self._cited[place] = 1
                    self._quoted[place] |= '"' in claim.text
        self._weights = {key: weight for key, weight in WEIGHTS.items() if energy is not None or key != "energy"}

    def score(self, first: int, last: int) -> float:
        features = self.features(first, last)
        total = sum(self._weights.values())
        return round(sum(self._weights[key] * features[key] for key in self._weights) / total, 3)

    def features(self, first: int, last: int) -> dict[str, float]:
        """All features of the stretch, each 0..1."""
        units = self._units[first : last + 1]
        start, end = _span(self._units, first, last)
        words = sum(self._words[first : last + 1])
        telling = sum(
            t * w for t, w in zip(self._telling[first : last + 1], self._words[first : last + 1], strict=True)
        )
        centre = telling / max(1, words) / self._most_telling
        cited = min(1.0, sum(self._cited[first : last + 1]) / 2)
        changes = sum(a.speaker != b.speaker for a, b in pairwise(units))
        following = self._units[last + 1].start_ms - end if last + 1 < len(self._units) else _LEAD_MS
        return {
            "salience": min(1.0, 0.6 * min(1.0, 2 * centre) + 0.4 * cited),
            "hook": self._hook(first, last),
            "standalone": _standalone(units[0].text),
            "ending": 0.5 * units[-1].ends_sentence + 0.5 * min(1.0, max(0.0, following / _LEAD_MS)),
            "quotable": 1.0 if any(self._quoted[first : last + 1]) else 0.5 * any(_is_punchy(unit) for unit in units),
            "exchange": min(1.0, changes / 3) if changes <= 8 else 0.5,
            "energy": self._loudness(start, end),
            "length": max(0.0, 1 - abs((end - start) / 1000 - _USUAL_S) / _USUAL_S),
        }

    def _hook(self, first: int, last: int) -> float:
        opening = self._units[first]
        if "?" in opening.text:
            answered = first < last and self._units[first + 1].speaker != opening.speaker
            return 1.0 if answered and self._words[first] >= 4 else 0.6
        if opening.text.rstrip().endswith("!"):
            return 0.5
        return min(0.6, 0.6 * self._telling[first] / self._most_telling)

    def _loudness(self, start: int, end: int) -> float:
        if not self._energy:
            return 0.0
        part = self._energy[start // 500 : max(start // 500 + 1, end // 500)]
        return sum(part) / len(part) if part else 0.0

    def moment(self, first: int, last: int) -> Moment:
        features = self.features(first, last)
        start, end = _span(self._units, first, last)
        best = max(range(first, last + 1), key=lambda n: (self._words[n] >= 4, self._telling[n], -n))
        claims = sum(self._cited[first : last + 1])
        return Moment(
            start_ms=start,
            end_ms=end,
            score=self.score(first, last),
            features=features,
            reason=_reason(features, claims, (end - start) / 1000),
            title=shortened(clean(self._units[best].text)) or "Clip",
            evidence=tuple(dict.fromkeys(unit.utterance for unit in self._units[first : last + 1])),
        )


def _standalone(text: str) -> float:
    """Whether a listener who hears this first knows what it is about."""
    words = terms(text)
    if not words or not text.strip():
        return 0.0
    if words[0] in _JOINS_ON:
        return 0.2
    if words[0].split("'")[0] in _POINTS_BACK:
        return 0.4
    return 0.7 if text.lstrip()[:1].islower() else 1.0


def _is_punchy(unit: Unit) -> bool:
    return 5 <= count_words(unit.text) <= 18 and unit.text.rstrip().endswith(("!", "."))


def _reason(features: dict[str, float], claims: int, seconds: float) -> str:
    said = []
    if features["hook"] == 1.0:
        said.append("opens with a question that gets its answer")
    elif features["hook"] >= 0.5:
        said.append("opens strongly")
    if claims:
        said.append(f"holds {claims} sentence{'s' if claims > 1 else ''} of the notes")
    elif features["salience"] >= 0.4:
        said.append("is about what the recording is about")
    if features["quotable"] == 1.0:
        said.append("has a line worth quoting")
    if features["standalone"] == 1.0:
        said.append("needs nothing said before")
    if features["exchange"] >= 0.6:
        said.append("goes back and forth between people")
    if features["ending"] >= 0.9:
        said.append("ends in a pause")
    if not said:
        said.append("is the best run of whole sentences of this length")
    listed = said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"
    return f"{seconds:.0f} s that {listed}."
