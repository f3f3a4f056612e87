"""Whether captions (SRT, WebVTT) are in order, on time, and readable."""

import re
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
    place: str

    @property
    def chars(self) -> int:
        return sum(len(_TAG.sub("", line)) for line in self.lines)


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
    found: list[Finding] = []
    cues = _cues(text, name, found)
    for before, after in pairwise(cues):
        if after.start_ms < before.start_ms:
            found.append(error(name, f"The caption {after.place} starts before the one above it."))
    found += _check_overlaps(cues, name, spoken)
    for cue in cues:
        if cue.end_ms <= cue.start_ms:
            found.append(error(name, f"The caption {cue.place} does not end after it starts."))
        if not any(_TAG.sub("", line).strip() for line in cue.lines):
            found.append(error(name, f"The caption {cue.place} holds no text."))
        if len(cue.lines) > MAX_LINES:
            found.append(error(name, f"The caption {cue.place} has {len(cue.lines)} lines; {MAX_LINES} are allowed."))
        if length_ms is not None and cue.end_ms > length_ms + _SLACK_MS:
            found.append(error(name, f"The caption {cue.place} goes on after the sound has ended."))
    return [*found, *_check_coverage(cues, name, spoken), *_check_speed(cues, name)]


def _cues(text: str, name: str, found: list[Finding]) -> list[_Cue]:
    """All cues, by place in the file; what can't be read becomes a finding."""
    times = _TIMES[Path(name).suffix]
    if Path(name).suffix == ".vtt" and not re.match(r"WEBVTT(\s|$)", text):
        found.append(error(name, "It does not begin with WEBVTT."))
    cues = []
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if "-->" not in line:
            continue
        place = f"in line {number}"
        match = times.match(line)
        body = []
        while number < len(lines) and lines[number].strip():
            body.append(lines[number])
            number += 1
        if match is None:
            found.append(error(name, f"Line {number - len(body)} is not a pair of times: {line[:60]!r}."))
            continue
        parts = [int(part or 0) for part in match.groups()]
        start, end = (((h * 60 + m) * 60 + s) * 1000 + ms for h, m, s, ms in (parts[:4], parts[4:]))
        cues.append(_Cue(start, end, tuple(body), place))
    return cues


def _check_overlaps(cues: Sequence[_Cue], name: str, spoken: Sequence[Spoken]) -> list[Finding]:
    """Captions may share a moment only where several people speak in it."""
    found = []
    for before, after in pairwise(sorted(cues, key=lambda cue: (cue.start_ms, cue.end_ms))):
        begin, end = after.start_ms, min(before.end_ms, after.end_ms)
        if end <= begin:
            continue
        voices = {s.speaker for s in spoken if s.start_ms < end + _SLACK_MS and s.end_ms > begin - _SLACK_MS}
        if len(voices) < 2:
            found.append(error(name, f"The caption {after.place} starts before the one above it has ended."))
    return found


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
