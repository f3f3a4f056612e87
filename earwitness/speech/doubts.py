"""Finding text that should not be believed without a look: loops, text over silence, impossible speed."""

import re
from collections.abc import Sequence

from earwitness.speech.segments import Doubt, Segment

Span = tuple[int, int]

_REACH_MS = 300
_LEAST_SPEECH = 0.15
_FASTEST_WORDS = 7.5
_FASTEST_LETTERS = 40.0
_REPEATS = 4
_LEAST_CONFIDENCE = 0.35
_STOCK = re.compile(
    r"(thanks? (you )?(so much )?for watching|(like|please|and) subscribe|subtitles? (by|created)|amara\.org|"
    r"transcri(bed|ption) by|see you (in the )?next (video|time)|untertitel (von|im auftrag)|sous-titr(es|age))",
    re.IGNORECASE,
)


def find_doubts(segments: Sequence[Segment], spans: Sequence[Span], *, recognised: bool) -> list[Doubt]:
    """Doubts about segments that have times, by start.

    Args:
        segments: of a transcript.
        spans: voice activity in ms.
        recognised: by a machine: stock phrases and confidence count only then.
    """
    doubts: list[Doubt] = []
    for segment in segments:
        if segment.start_ms is None or segment.end_ms is None:
            continue
        for kind, message in _about(segment, segment.start_ms, segment.end_ms, spans, recognised=recognised):
            doubts.append(
                Doubt(
                    kind=kind,
                    start_ms=segment.start_ms,
                    end_ms=segment.end_ms,
                    text=segment.text[:500],
                    message=message,
                )
            )
    return sorted([*doubts, *_repeated(segments)], key=lambda d: (d.start_ms, d.end_ms, d.kind))


def _about(segment: Segment, start: int, end: int, spans: Sequence[Span], *, recognised: bool) -> list[tuple[str, str]]:
    found = []
    words = segment.text.split()
    # times may be a little off, so speech next to the segment counts too
    speech = sum(max(0, min(b, end + _REACH_MS) - max(a, start - _REACH_MS)) for a, b in spans)
    if speech < _LEAST_SPEECH * (end - start):
        found.append(("over-silence", f"{len(words)} words where {speech / 1000:.1f} s of speech were detected."))
    seconds = max(0.001, (end - start) / 1000)
    rate, letters = len(words) / seconds, len(segment.text) / seconds
    if len(words) >= 4 and (rate > _FASTEST_WORDS or letters > _FASTEST_LETTERS):
        found.append(("impossible-rate", f"{rate:.1f} words a second; people rarely exceed {_FASTEST_WORDS}."))
    if (times := longest_loop(words)) >= _REPEATS:
        found.append(("loop", f"The same words {times} times in a row."))
    if recognised and _STOCK.search(segment.text):
        found.append(("stock-phrase", "Recognisers put this phrase over music and silence."))
    if recognised and segment.confidence is not None and segment.confidence < _LEAST_CONFIDENCE:
        found.append(("low-confidence", f"The recogniser's confidence is {segment.confidence:.0%}."))
    return found


def longest_loop(words: Sequence[str]) -> int:
    """How often a run of one to eight words is repeated without a break, at most; single words need eight in a row."""
    plain = [re.sub(r"\W", "", word).lower() for word in words]
    best = 1
    for size in range(1, 9):
        same = 0
        for at in range(size, len(plain)):
            same = same + 1 if plain[at] == plain[at - size] else 0
            times = same // size + 1
            # "no, no, no, no" is something that people say
            if times > best and (size > 1 or times >= 8):
                best = times
    return best


def _repeated(segments: Sequence[Segment]) -> list[Doubt]:
    """The same segment over and over."""
    doubts = []
    run: list[Segment] = []
    for segment in [*segments, None]:
        if segment is not None and run and segment.text == run[-1].text:
            run.append(segment)
            continue
        start, end = (run[0].start_ms, run[-1].end_ms) if run else (None, None)
        if len(run) >= _REPEATS and start is not None and end is not None:
            message = f"The same segment {len(run)} times in a row."
            doubts.append(Doubt(kind="loop", start_ms=start, end_ms=end, text=run[0].text[:500], message=message))
        run = [] if segment is None else [segment]
    return doubts
