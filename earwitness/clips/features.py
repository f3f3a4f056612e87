"""What speaks for a moment and what against it: each feature 0..1, from words, sound and structure.

The words that these features know are English. In other languages `emotion`, parts of `standalone`, `complete` and
`hook` are silent; length, place, frequency and sound still speak.
"""

import bisect
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import median

from earwitness.clips.sound import LEVEL_MS, Sound
from earwitness.clips.subject import Subject
from earwitness.clips.units import Unit, span_of
from earwitness.notes.notes import Notes
from earwitness.notes.salience import WEIGHTS, Terms, content_terms, narrators, rate
from earwitness.notes.scenes import find_scenes
from earwitness.notes.sentences import Sentence, count_words, terms
from earwitness.notes.wording import word_set
from earwitness.options import Profile
from earwitness.words.cast import Speaker
from earwitness.words.transcript import Utterance

_JOINS_ON = word_set("and but so because or then which who also plus though although therefore anyway yeah yes no okay")
_POINTS_BACK = word_set("he she they it that this those these him her them his their its there such")
_STRONG = word_set(
    """
    afraid alive amazed amazing angry awful beautiful best betrayed brilliant cried crazy cry crying dead death
    despair died disaster dream epic evil excited fear fight furious glorious grief happy hate hated hell hilarious
    horrible horror hope hurt impossible incredible insane joke joy kill killed kiss laugh laughed laughing lost love
    loved miracle murder nightmare nobody pain panic perfect proud regret ridiculous sad scared scream screaming shame
    shock shocked sorry stunned terrible terrified terrifying tragedy unbelievable weird wept wild worst wow
    """
)
_LAUGHS = re.compile(r"[\[({]\s*(?:\w+\s+)?(?:laugh\w*|chuckl\w*|giggl\w*|applause|cheer\w*)", re.IGNORECASE)
_OPENS = re.compile(
    r"\b(?:the (?:thing|truth|problem|secret|reason|point|trick|best|worst|first time|moment)|here's|imagine|nobody"
    r"|never|everybody|what if|i (?:learned|realized|remember|believe|never)|most people|let me tell)\b",
    re.IGNORECASE,
)
_USUAL_S = 35.0
_LEAD_MS = 1_500
"""A pause this long after the last word makes a clean end."""
_ANSWERED_MS = 4_000


@dataclass(frozen=True, slots=True)
class _Told:
    """What is known of each unit, in their order."""

    about: Terms
    telling: list[float]
    words: list[int]
    cited: list[int]
    quoted: list[bool]
    strong: list[int]
    laughs: list[int]
    new: list[int]


class Judge:
    """Knows the whole recording, and measures stretches of it."""

    def __init__(
        self,
        units: Sequence[Unit],
        notes: Notes | None,
        sound: Sound | None,
        speakers: Sequence[Speaker] = (),
        profile: Profile = Profile.TABLETOP,
    ) -> None:
        self._units = units
        self.sound = sound
        self.wordless = not any(unit.text for unit in units)
        self.contents = [content_terms(unit.text) for unit in units]
        self.told = self._tell(notes, speakers, profile)
        self._most_telling = max(self.told.telling, default=0.0) or 1.0
        self._sums = {
            name: [0, *accumulate(getattr(self.told, name))] for name in ("words", "cited", "strong", "laughs", "new")
        }
        told, claims = self.told, [claim.text for claim in (notes.claims if notes else ())]
        self._subject = Subject(units, self.contents, told.about, claims, told.cited, told.words)
        self._openings = [opening(unit.text) for unit in units]
        lengths = [unit.end_ms - unit.start_ms for unit in units]
        self._spoken = [0, *accumulate(lengths)]
        paces = [words * 60_000 / ms for words, ms in zip(self.told.words, lengths, strict=True) if words >= 5 and ms]
        self._pace = median(paces) if paces else 0.0
        scenes = find_scenes([terms(unit.text) for unit in units], self.told.words, None) if not self.wordless else []
        self._scene_starts = [scene.first for scene in scenes]

    def _tell(self, notes: Notes | None, speakers: Sequence[Speaker], profile: Profile) -> _Told:
        units = self._units
        sentences = [Sentence(n, 0, unit.text, unit.text, count_words(unit.text)) for n, unit in enumerate(units)]
        about = Terms.of(self.contents, sentences)
        count = len(units)
        cited, quoted = [0] * count, [False] * count
        by_utterance: dict[str, list[int]] = {}
        for place, unit in enumerate(units):
            by_utterance.setdefault(unit.utterance, []).append(place)
        for claim in notes.claims if notes else ():
            said = set(content_terms(claim.text))
            for place in (place for key in claim.evidence for place in by_utterance.get(key, ())):
                if said & set(self.contents[place]):
                    cited[place] = 1
                    quoted[place] |= '"' in claim.text
        seen: set[str] = set()
        new = []
        for run in self.contents:
            fresh = {term for term in run if about.weight.get(term, 0.0) > 0} - seen
            seen |= fresh
            new.append(len(fresh))
        return _Told(
            about=about,
            telling=self._telling(sentences, about, speakers, profile),
            words=[sentence.words for sentence in sentences],
            cited=cited,
            quoted=quoted,
            strong=[sum(word in _STRONG for word in terms(unit.text)) + unit.text.count("!") for unit in units],
            laughs=[len(_LAUGHS.findall(unit.text)) for unit in units],
            new=new,
        )

    def _telling(
        self, sentences: Sequence[Sentence], about: Terms, speakers: Sequence[Speaker], profile: Profile
    ) -> list[float]:
        """How much each unit tells, as the notes see it: 1 is what the best tenth of them reach."""
        heard = [Utterance(unit.utterance, unit.speaker, unit.start_ms, unit.end_ms, unit.text) for unit in self._units]
        telling = narrators(heard, speakers, profile)
        rated = rate(
            sentences, self.contents, about, [unit.speaker in telling for unit in self._units], WEIGHTS[profile]
        )
        high = sorted(rated)[9 * len(rated) // 10] if rated else 0.0
        return [min(1.0, value / high) if high else 0.0 for value in rated]

    def _sum(self, name: str, first: int, last: int) -> int:
        sums: list[int] = self._sums[name]
        return sums[last + 1] - sums[first]

    def span(self, first: int, last: int) -> tuple[int, int]:
        """First start and last end of the units."""
        return span_of(self._units, first, last)

    def features(self, first: int, last: int) -> dict[str, float]:
        """All features of the units from `first` to `last` that can be measured, each 0..1."""
        start, end = self.span(first, last)
        found = {} if self.wordless else self._read(first, last, end)
        if self.sound is not None:
            found |= self._listened(first, last, start, end)
        return found | self._structure(first, last, start, end)

    def _read(self, first: int, last: int, end: int) -> dict[str, float]:
        units, told = self._units, self.told
        words = max(1, self._sum("words", first, last))
        closing = units[last]
        punchy = told.words[last] <= 12 and closing.ends_sentence
        laughed = self._laughed(end, end + _LEAD_MS) or bool(told.laughs[last])
        return {
            "salience": self._subject.share(first, last),
            "hook": self._hook(first, last),
            "answer": float(self.answered(first, last)),
            "standalone": self._openings[first],
            "complete": 1.0 - dangling(units[last].text, self.asks_on(last)),
            "novelty": min(1.0, 12 * self._sum("new", first, last) / words),
            "emotion": min(1.0, 15 * self._sum("strong", first, last) / words),
            "punch": 0.5 * punchy + 0.5 * (laughed or closing.text.rstrip().endswith("!")),
            "quotable": 1.0
            if any(told.quoted[first : last + 1])
            else 0.5 * any(_is_punchy(units[n].text, told.words[n]) for n in range(first, last + 1)),
        }

    def _hook(self, first: int, last: int) -> float:
        text = self._units[first].text
        if "?" in text:
            return 1.0 if self.answered(first, last) else 0.6
        strength = 0.3 * bool(_OPENS.search(text)) + 0.2 * text.rstrip().endswith("!")
        return min(0.8, strength + 0.6 * self.told.telling[first] / self._most_telling)

    def answered(self, first: int, last: int) -> bool:
        """Whether the first unit asks, and somebody else answers within the stretch."""
        asked = self._units[first]
        if "?" not in asked.text or self.told.words[first] < 4:
            return False
        others = (n for n in range(first + 1, min(last, first + 4) + 1) if self._units[n].speaker != asked.speaker)
        return any(self._units[n].start_ms - asked.end_ms <= _ANSWERED_MS for n in others)

    def asks_on(self, last: int) -> bool:
        """Whether the last unit asks what is answered only afterwards."""
        return self._units[last].text.rstrip().endswith("?")

    def _laughed(self, start: int, end: int) -> bool:
        return self.sound is not None and self.sound.burst_ms(start, end) >= 2 * LEVEL_MS

    def _listened(self, first: int, last: int, start: int, end: int) -> dict[str, float]:
        assert self.sound is not None
        length = max(1, end - start)
        laughter = self.sound.burst_ms(start, end + _LEAD_MS) / 3_000 + self._sum("laughs", first, last) / 2
        words = self._sum("words", first, last)
        pace = words * 60_000 / length
        found = {
            "energy": self.sound.energy(start, end),
            "laughter": min(1.0, laughter),
            "flow": min(1.0, (self._spoken[last + 1] - self._spoken[first]) / length),
        }
        if self._pace:
            found["pace"] = max(0.0, min(1.0, pace / self._pace - 0.5))
        return found

    def _structure(self, first: int, last: int, start: int, end: int) -> dict[str, float]:
        units = self._units[first : last + 1]
        changes = sum(a.speaker != b.speaker for a, b in pairwise(units))
        following = self._units[last + 1].start_ms - end if last + 1 < len(self._units) else _LEAD_MS
        crossed = bisect.bisect_right(self._scene_starts, last) - bisect.bisect_right(self._scene_starts, first)
        fresh = first in self._scene_starts
        pause = min(1.0, max(0.0, following / _LEAD_MS))
        return {
            "ending": pause if self.wordless else 0.5 * units[-1].ends_sentence + 0.5 * pause,
            "scene": 0.0 if crossed else 1.0 if fresh else 0.6,
            "exchange": min(1.0, changes / 3) if changes <= 8 else 0.5,
            "length": max(0.0, 1 - abs((end - start) / 1000 - _USUAL_S) / _USUAL_S),
        }

    def likeness(self, one: tuple[int, int], other: tuple[int, int]) -> float:
        """How much of the shorter stretch's content words the other one has too, 0..1."""
        a, b = (
            Counter(term for run in self.contents[first : last + 1] for term in run) for first, last in (one, other)
        )
        least = min(a.total(), b.total())
        return (a & b).total() / least if least >= 8 else 0.0


def opening(text: str) -> float:
    """Whether a listener who hears this first knows what it is about."""
    words = terms(text)
    if not words or not text.strip():
        return 0.0
    if words[0] in _JOINS_ON:
        return 0.2
    if words[0].split("'")[0] in _POINTS_BACK:
        return 0.4
    return 0.7 if text.lstrip()[:1].islower() else 1.0


def dangling(text: str, asks: bool) -> float:
    """How much the last sentence leaves open, 0..1."""
    if asks:
        return 0.8
    return 1.0 if text.rstrip().endswith(("...", "…", "-", "–", "—", ",")) else 0.0


def _is_punchy(text: str, words: int) -> bool:
    return 5 <= words <= 18 and text.rstrip().endswith(("!", "."))
