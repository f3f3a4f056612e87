"""A second hearing for text that looks made up, and a verdict that stands in the doubt ledger.

Recognisers put words over music and silence, get caught in loops, and fall into another language; their own confidence
does not tell (https://github.com/SYSTRAN/faster-whisper/issues/506). What is heard again in another way is believed,
what is heard otherwise is replaced if it looks better, and what nobody hears a second time is taken out of the
transcript. Nothing goes silently: the ledger holds the text as it was.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from earwitness.spans import Span
from earwitness.speech.doubts import Suspicion, find_doubts, in_order, suspicions
from earwitness.speech.segments import Doubt, Segment, Verdict

VERSION = "1"
"""Of the guards, as part of an engine's: raise it when the same words get another verdict."""
MOST_SHARE = 0.1
"""Of a recording that is heard again, at most: where more of it looks made up, hearing it again is no cure."""
LEAST_MS = 120_000
"""That may be heard again in any recording, however short."""
_ALIKE = 0.8
_UNSPOKEN = frozenset({"over-silence", "loop", "stock-phrase", "vocabulary"})
"""Kinds that go when nothing is heard the second time; text that is too fast or in another language covers speech."""

Hear = Callable[[list[Span]], list[Segment]]


@dataclass(frozen=True, slots=True)
class Checked:
    """Segments after a second hearing, with every doubt about them and about what they no longer hold."""

    segments: list[Segment]
    doubts: list[Doubt]
    warnings: list[str]


@dataclass
class _Stretch:
    """Neighbouring segments that share a suspicion, heard again as one."""

    first: int
    last: int
    found: list[Suspicion]

    @property
    def kinds(self) -> set[str]:
        return {item.doubt.kind for item in self.found if item.made_up}


def check_again(
    segments: Sequence[Segment],
    spans: Sequence[Span],
    duration_ms: int,
    *,
    language: str,
    names: Sequence[str] = (),
    hear: Hear | None = None,
) -> Checked:
    """Judge text that looks made up, by a second hearing where there can be one.

    Args:
        segments: as recognised, by start.
        spans: voice activity in ms.
        duration_ms: of the recording; a tenth of it, or two minutes, is heard again at most, worst first.
        language: of the recording; "und" where nobody knows.
        names: that the engine was told to expect. Where nobody speaks, text that is nothing else is removed unheard.
        hear: listens to stretches once more, in another way than the first time; None: can't, or must not.
    """
    known = language if language != "und" else None
    found = suspicions(segments, spans, recognised=True, language=known, names=names)
    stretches = _stretches([item for item in found if item.made_up], found)
    verdicts: dict[int, tuple[Verdict | None, str, list[Segment]]] = {}
    budget = max(LEAST_MS, round(MOST_SHARE * duration_ms))
    unheard = 0
    for at in sorted(range(len(stretches)), key=lambda n: (-len(stretches[n].kinds), stretches[n].first)):
        stretch = stretches[at]
        own = list(segments[stretch.first : stretch.last + 1])
        if any(item.echo for item in stretch.found) and "over-silence" in stretch.kinds:
            verdicts[at] = ("removed", "Removed: these names were expected, and nobody speaks here.", [])
            continue
        start, end = _ends(own)
        if hear is None or end - start > budget:
            unheard += hear is not None
            continue
        budget -= end - start
        again = hear([(start, end)])

        def doubtful(text: list[Segment]) -> set[str]:
            about = suspicions(text, spans, recognised=True, language=known, names=names)
            return {item.doubt.kind for item in about if item.made_up}

        verdicts[at] = _judge(own, again, stretch.kinds, doubtful(again))
    return _settled(segments, spans, known, names, stretches, verdicts, unheard)


def _stretches(made_up: Sequence[Suspicion], found: Sequence[Suspicion]) -> list[_Stretch]:
    stretches: list[_Stretch] = []
    for item in sorted(made_up, key=lambda s: (s.first, s.last)):
        if stretches and item.first <= stretches[-1].last:
            stretches[-1].last = max(stretches[-1].last, item.last)
        else:
            stretches.append(_Stretch(item.first, item.last, []))
    for stretch in stretches:
        stretch.found = [item for item in found if stretch.first <= item.first <= stretch.last]
    return stretches


def _ends(segments: Sequence[Segment]) -> Span:
    timed = [(s.start_ms, s.end_ms) for s in segments if s.start_ms is not None and s.end_ms is not None]
    return min(start for start, _ in timed), max(end for _, end in timed)


def _judge(
    own: list[Segment], again: list[Segment], kinds: set[str], kinds_again: set[str]
) -> tuple[Verdict, str, list[Segment]]:
    words, words_again = _words(own), _words(again)
    if not words_again:
        if kinds & _UNSPOKEN:
            return "removed", "Removed: nothing was heard the second time.", []
        return "kept", "Kept: nothing was heard the second time, but somebody speaks here.", own
    if SequenceMatcher(None, words, words_again, autojunk=False).ratio() >= _ALIKE:
        return "kept", "Kept: heard the same twice.", own
    said = " ".join(segment.text for segment in again)
    if kinds_again < kinds:
        return "replaced", f"Replaced: {said[:300]!r} was heard the second time.", again
    return "kept", f"Kept: {said[:300]!r} was heard the second time, which is no better.", own


def _words(segments: Sequence[Segment]) -> list[str]:
    return "".join(c if c.isalnum() else " " for s in segments for c in f"{s.text} ").casefold().split()


def _settled(
    segments: Sequence[Segment],
    spans: Sequence[Span],
    language: str | None,
    names: Sequence[str],
    stretches: Sequence[_Stretch],
    verdicts: dict[int, tuple[Verdict | None, str, list[Segment]]],
    unheard: int,
) -> Checked:
    kept: list[Segment] = []
    judged: list[Doubt] = []
    at = 0
    for number, stretch in enumerate(stretches):
        kept += segments[at : stretch.first]
        at = stretch.last + 1
        if number not in verdicts:
            kept += segments[stretch.first : at]
            continue
        verdict, why, text = verdicts[number]
        kept += text
        judged += [
            item.doubt.model_copy(update={"verdict": verdict, "message": f"{item.doubt.message} {why}"})
            for item in stretch.found
        ]
    kept += segments[at:]
    settled = {(doubt.kind, doubt.start_ms, doubt.end_ms, doubt.text) for doubt in judged}
    # what was replaced is looked at as well: it may still be doubtful, if less so
    left = [
        doubt
        for doubt in find_doubts(kept, spans, recognised=True, language=language, names=names)
        if (doubt.kind, doubt.start_ms, doubt.end_ms, doubt.text) not in settled
    ]
    warnings = []
    if removed := sum(verdict == "removed" for verdict, *_ in verdicts.values()):
        warnings.append(
            f"Text that nobody seems to have said was removed in {removed} place{'s' if removed > 1 else ''}: the "
            "doubt ledger has it."
        )
    if unheard:
        warnings.append(
            f"{unheard} more stretch{'es' if unheard > 1 else ''} of text look{'' if unheard > 1 else 's'} made up, "
            "more than is heard a second time: see the doubt ledger."
        )
    return Checked(kept, sorted([*judged, *left], key=in_order), warnings)
