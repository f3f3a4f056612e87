"""Finding text that should not be believed without a look: loops, text over silence, names that were only hoped for."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from earwitness.spans import Span
from earwitness.speech.languages import other_language
from earwitness.speech.segments import Doubt, Segment

_REACH_MS = 300
_LEAST_SPEECH = 0.15
_FASTEST_WORDS = 7.5
_FASTEST_LETTERS = 40.0
_REPEATS = 4
_LEAST_CONFIDENCE = 0.35
_SURE_NAME = 0.5
"""A name that the engine was told to expect must be surer than other words: it was half put into its mouth."""
_ECHO_SHARE = 0.8
_ECHO_NAMES = 3
_STOCK = re.compile(
    r"(thanks? (you )?(so much )?for watching|(like|please|and) subscribe|subtitles? (by|created)|amara\.org|"
    r"transcri(bed|ption) by|see you (in the )?next (video|time)|untertitel (von|im auftrag)|sous-titr(es|age))",
    re.IGNORECASE,
)
_STUCK = re.compile(r"(\w)\1{11}|(\w{2,20}?)\2{5}")
"""The same letter a dozen times, or the same letters six times without a space: Chinese and Japanese have none."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A doubt, and the segments that it is about."""

    first: int
    last: int
    doubt: Doubt
    made_up: bool
    """Whether it looks like text that nobody said; low confidence alone does not."""
    echo: bool = False
    """Whether the text is little but the names that the engine was told to expect."""


def find_doubts(
    segments: Sequence[Segment],
    spans: Sequence[Span],
    *,
    recognised: bool,
    language: str | None = None,
    names: Sequence[str] = (),
) -> list[Doubt]:
    """Doubts about segments that have times, by start.

    Args:
        segments: of a transcript.
        spans: voice activity in ms.
        recognised: by a machine: stock phrases and confidence count only then.
        language: of the recording, ISO 639-1, where text in another one is to be doubted.
        names: that the engine was told to expect.
    """
    found = suspicions(segments, spans, recognised=recognised, language=language, names=names)
    return sorted((item.doubt for item in found), key=in_order)


def in_order(doubt: Doubt) -> tuple[int, int, str]:
    """What doubts are sorted by."""
    return doubt.start_ms, doubt.end_ms, doubt.kind


def suspicions(
    segments: Sequence[Segment],
    spans: Sequence[Span],
    *,
    recognised: bool,
    language: str | None = None,
    names: Sequence[str] = (),
) -> list[Suspicion]:
    """As `find_doubts`, with the segments that each doubt is about, in their order."""
    found = []
    known = [plain for name in names if (plain := _plain(name.split()))]
    for index, segment in enumerate(segments):
        if segment.start_ms is None or segment.end_ms is None:
            continue
        about = [(kind, message, kind != "low-confidence", False) for kind, message in _about(
            segment, segment.start_ms, segment.end_ms, spans, recognised=recognised
        )]  # fmt: skip
        silent = any(kind == "over-silence" for kind, *_ in about)
        if recognised and language and (why := other_language(segment.text, language)):
            about.append(("language-flip", f"It is {why}; the recording is in {language!r}.", True, False))
        if recognised and known and (doubt := _of_names(segment, known, silent=silent)):
            message, echo = doubt
            about.append(("vocabulary", message, echo, echo))
        for kind, message, made_up, echo in about:
            doubt_ = Doubt.model_validate(
                {
                    "kind": kind,
                    "start_ms": segment.start_ms,
                    "end_ms": segment.end_ms,
                    "text": segment.text[:500],
                    "message": message,
                }
            )
            found.append(Suspicion(index, index, doubt_, made_up, echo))
    return [*found, *_repeated(segments)]


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
    elif recognised and (stuck := _STUCK.search(segment.text)):
        found.append(("loop", f"{stuck[1] or stuck[2]!r} over and over."))
    if recognised and _STOCK.search(segment.text):
        found.append(("stock-phrase", "Recognisers put this phrase over music and silence."))
    if recognised and segment.confidence is not None and segment.confidence < _LEAST_CONFIDENCE:
        found.append(("low-confidence", f"The recogniser's confidence is {segment.confidence:.0%}."))
    return found


def longest_loop(words: Sequence[str]) -> int:
    """How often a run of one to eight words is repeated without a break, at most; single words need eight in a row."""
    plain = _plain(words)
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


def _plain(words: Sequence[str]) -> list[str]:
    return [re.sub(r"\W", "", word).casefold() for word in words]


def _of_names(segment: Segment, names: Sequence[list[str]], *, silent: bool) -> tuple[str, bool] | None:
    """What is doubtful about names that were expected, and whether the text is an echo of their list."""
    words = segment.text.split()
    at = _named(_plain(words), names)
    if not at:
        return None
    covered = sum(len(names[which]) for which in at.values())
    different = list(dict.fromkeys(at.values()))
    if covered >= _ECHO_SHARE * len(words):
        if silent:
            return "It repeats names that the recogniser was told to expect, where nobody speaks.", True
        if len(different) >= _ECHO_NAMES and different == sorted(different):
            return "It is the list of names that the recogniser was told to expect.", True
    scores = [word.score for word in segment.words] if len(segment.words) == len(words) else []
    for start, which in sorted(at.items()):
        end = start + len(names[which])
        heard = [score for score in scores[start:end] if score is not None]
        sure = min(heard, default=segment.confidence)
        said = " ".join(words[start:end]).strip(" ,.;:!?\"'()")
        if silent:
            return f"{said!r} is a name that the recogniser was told to expect, and nobody speaks here.", False
        if sure is not None and sure < _SURE_NAME:
            return f"{said!r} is a name that the recogniser was told to expect; it is {sure:.0%} sure of it.", False
    return None


def _named(words: Sequence[str], names: Sequence[list[str]]) -> dict[int, int]:
    """Where in a text which name is said: position → index of the name; the longest where several would fit."""
    found: dict[int, int] = {}
    at = 0
    while at < len(words):
        fits = [which for which, name in enumerate(names) if list(words[at : at + len(name)]) == name]
        if fits:
            found[at] = max(fits, key=lambda which: (len(names[which]), -which))
            at += len(names[found[at]])
        else:
            at += 1
    return found


def _repeated(segments: Sequence[Segment]) -> list[Suspicion]:
    """The same segment over and over."""
    found = []
    first = 0
    for after in range(1, len(segments) + 1):
        if after < len(segments) and segments[after].text == segments[first].text:
            continue
        times = after - first
        start, end = segments[first].start_ms, segments[after - 1].end_ms
        if times >= _REPEATS and start is not None and end is not None:
            message = f"The same segment {times} times in a row."
            doubt = Doubt(kind="loop", start_ms=start, end_ms=end, text=segments[first].text[:500], message=message)
            found.append(Suspicion(first, after - 1, doubt, made_up=True))
        first = after
    return found
