"""Whether captions (SRT, WebVTT) are in order, on time, and readable."""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from earwitness.checks.finding import Finding, error, warning
from earwitness.checks.text import read_utf8

MAX_LINES = 2
MAX_CPS = 25.0
"""Characters a second. Netflix asks for 20 of subtitlers who may shorten what is said; we may not."""
MAX_FAST_SHARE = 0.1
LEAST_COVERED = 0.95
_SLACK_MS = 600
"""Captions stay a little longer than their words."""

_CLOCK = r"(\d{2,}):([0-5]\d):([0-5]\d)"
_TIMES = {
    ".srt": re.compile(rf"^{_CLOCK},(\d{{3}}) --> {_CLOCK},(\d{{3}})$"),
    ".vtt": re.compile(r"^(?:(\d{2,}):)?([0-5]\d):([0-5]\d)\.(\d{3}) --> (?:(\d{2,}):)?([0-5]\d):([0-5]\d)\.(\d{3})"),
}
_TAG = re.compile(r"<[^<>]*>")


@dataclass(frozen=True, slots=True)
class Spoken:
    """A stretch in which somebody speaks."""

    start_ms: int
    end_ms: int
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class _Cue:
    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    line: int
    """Of the file, where its times stand."""

    @property
    def chars(self) -> int:
        return sum(len(_TAG.sub("", line).strip()) for line in self.lines)


def check_subtitles(
    path: Path, name: str, *, length_ms: int | None = None, spoken: Sequence[Spoken] = ()
) -> list[Finding]:
    """Check a finished `.srt` or `.vtt`.

    Args:
        path: where it lies.
        name: its path in the bundle; the suffix says its format.
        length_ms: of the sound that it belongs to.
        spoken: when somebody speaks; captions must cover that, and may overlap only where two people do.
    """
    text = read_utf8(path)
    if text is None:
        return [error(name, "It is not UTF-8 text.")]
    cues, found = _cues(text, name)
    wrong = {
        "starts before the one above it": [b for a, b in pairwise(cues) if b.start_ms < a.start_ms],
        "does not end after it starts": [cue for cue in cues if cue.end_ms <= cue.start_ms],
        "holds no text": [cue for cue in cues if not cue.chars],
        f"has more than {MAX_LINES} lines": [cue for cue in cues if len(cue.lines) > MAX_LINES],
    }
    if length_ms is not None:
        wrong["goes on after the sound has ended"] = [cue for cue in cues if cue.end_ms > length_ms + _SLACK_MS]
    for what, where in wrong.items():
        found += [error(name, _told(what, where))] if where else []
    return [
        *found,
        *_check_coverage(cues, name, spoken),
        *_check_overlaps(cues, name, spoken),
        *_check_speed(cues, name),
    ]


def _told(what: str, cues: Sequence[_Cue]) -> str:
    more = f", and so do {len(cues) - 1:,} more" if len(cues) > 1 else ""
    return f"The caption in line {cues[0].line} {what}{more}."


def _cues(text: str, name: str) -> tuple[list[_Cue], list[Finding]]:
    """All captions, by place in the file, and what can't be read."""
    times = _TIMES[Path(name).suffix]
    cues: list[_Cue] = []
    broken: list[tuple[int, str]] = []
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        shown = lines[at]
        at += 1
        if "-->" not in shown:
            continue
        number, body = at, []
        while at < len(lines) and lines[at].strip():
            body.append(lines[at])
            at += 1
        match = times.match(shown)
        if match is None:
            broken.append((number, shown))
            continue
        parts = [int(part or 0) for part in match.groups()]
        start, end = (((h * 60 + m) * 60 + s) * 1000 + ms for h, m, s, ms in (parts[:4], parts[4:]))
        cues.append(_Cue(start, end, tuple(body), number))
    found = []
    if Path(name).suffix == ".vtt" and not re.match(r"WEBVTT(\s|$)", text):
        found.append(error(name, "It does not begin with WEBVTT."))
    if broken:
        more = f", and {len(broken) - 1:,} more are none" if len(broken) > 1 else ""
        found.append(error(name, f"Line {broken[0][0]} is not a pair of times: {broken[0][1][:60]!r}{more}."))
    return cues, found


def _check_overlaps(cues: Sequence[_Cue], name: str, spoken: Sequence[Spoken]) -> list[Finding]:
    """Captions should share a moment only where several people speak in it."""
    speech = sorted(spoken, key=lambda s: s.start_ms)
    starts = [s.start_ms for s in speech]
    longest = max((s.end_ms - s.start_ms for s in speech), default=0)
    over = []
    for before, after in pairwise(sorted(cues, key=lambda cue: (cue.start_ms, cue.end_ms))):
        begin, end = after.start_ms - _SLACK_MS, min(before.end_ms, after.end_ms) + _SLACK_MS
        if end - begin <= 2 * _SLACK_MS:
            continue
        near = speech[bisect_left(starts, begin - longest) : bisect_left(starts, end)]
        if len({s.speaker for s in near if s.end_ms > begin}) < 2:
            over.append(after)
    return [warning(name, _told("starts before the one above it has ended", over))] if over else []


def _check_coverage(cues: Sequence[_Cue], name: str, spoken: Sequence[Spoken]) -> list[Finding]:
    speech = _merged([(s.start_ms, s.end_ms) for s in spoken])
    total = sum(end - start for start, end in speech)
    if not total:
        return [error(name, "It has captions, but nobody speaks.")] if cues and spoken else []
    shown = _merged([(cue.start_ms, cue.end_ms) for cue in cues])
    covered, at = 0, 0
    for start, end in speech:
        while at < len(shown) and shown[at][1] <= start:
            at += 1
        for begin, stop in shown[at:]:
            if begin >= end:
                break
            covered += min(end, stop) - max(start, begin)
    if covered >= LEAST_COVERED * total:
        return []
    return [
        error(name, f"Its captions cover {covered / total:.0%} of the speech; at least {LEAST_COVERED:.0%} is asked.")
    ]


def _check_speed(cues: Sequence[_Cue], name: str) -> list[Finding]:
    speeds = [cue.chars * 1000 / max(1, cue.end_ms - cue.start_ms) for cue in cues]
    fast = [speed for speed in speeds if speed > MAX_CPS]
    if len(fast) <= MAX_FAST_SHARE * len(cues):
        return []
    return [
        warning(
            name,
            f"{len(fast)} of its {len(cues)} captions pass faster than {MAX_CPS:g} characters a second (the fastest at "
            f"{max(fast):.0f}): hard to read along.",
        )
    ]


def _merged(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if end <= start:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged
