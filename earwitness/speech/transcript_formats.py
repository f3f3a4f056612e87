"""Parsers of the transcript formats. They say what a file says; `sidecar` puts the times right."""

import html
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from earwitness.errors import BadTranscript
from earwitness.speech.segments import RoughWord
from earwitness.speech.speaker_prefix import split_speakers


@dataclass(frozen=True, slots=True)
class RawSegment:
    """A segment as written, times unchecked (ms)."""

    text: str
    start_ms: int | None = None
    end_ms: int | None = None
    speaker: str | None = None
    confidence: float | None = None
    words: tuple[RoughWord, ...] = ()
    line: int = 0
    """Line of the file, from 1, for messages."""

    def at(self, start_ms: int | None, end_ms: int | None) -> "RawSegment":
        """The same with other times."""
        return replace(self, start_ms=start_ms, end_ms=end_ms)


def guess(text: str) -> str:
    """The suffix of the format that the content looks like; `.txt` for plain text."""
    head = text.lstrip()
    if head.startswith("WEBVTT"):
        return ".vtt"
    if head.startswith("{") or head.startswith("[{"):
        return _guess_json(head)
    lines = [line for line in text.split("\n", 400)[:400] if line.strip()]
    if any(_ARROW.search(line) for line in lines):
        return ".srt"
    rows = [line for line in lines if not line.startswith(";;")]
    if rows and all(_STM.match(row) for row in rows):
        return ".stm"
    return ".txt"


def _guess_json(text: str) -> str:
    try:
        json.loads(text.split("\n", 1)[0])
    except (ValueError, RecursionError):
        return ".json"
    return ".jsonl" if text.startswith("{") and "\n{" in text else ".json"


# ---------------------------------------------------------------- SRT and VTT

_SUBTITLES_HELP = "Write times as 00:01:02,500 --> 00:01:04,000 (SRT) or 00:01:02.500 --> 00:01:04.000 (VTT)."
_ARROW = re.compile(r"\d\s*-->\s*-?\d")
_STAMP = re.compile(r"(-?)((?:\d{1,4}:)?\d{1,2}:\d{2}[.,]\d{1,3})")
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s+([^<>]{1,200})>")
_TAG = re.compile(r"</?[a-zA-Z0-9][^<>\n]*>|\{\\[^{}\n]*\}")


@dataclass(slots=True)
class _Cue:
    line: int
    start_ms: int
    end_ms: int
    body: list[str]


def from_subtitles(text: str, *, vtt: bool) -> list[RawSegment]:
    """SRT or WebVTT; speakers from voice tags or from `Name: text`."""
    segments = []
    for cue in _vtt_cues(text) if vtt else _srt_cues(text):
        segments += _voices("\n".join(cue.body), cue.start_ms, cue.end_ms, cue.line)
    return split_speakers(segments)


def _srt_cues(text: str) -> Iterator[_Cue]:
    cue: _Cue | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if "-->" in line and (not line.strip() or _looks_like_stamps(line)):
            if cue:
                yield _trimmed(cue)
            cue = _Cue(number, *_stamps(line, number), [])
        elif cue and line.strip():
            cue.body.append(line.strip())
        elif line.strip() and not line.strip().isdigit():
            raise BadTranscript(
                f"Line {number} comes before the first pair of times: {line.strip()[:80]!r}.", _SUBTITLES_HELP
            )
        elif cue and cue.body:
            cue.body.append("")
    if cue:
        yield _trimmed(cue, last=True)


def _trimmed(cue: _Cue, *, last: bool = False) -> _Cue:
    """Without blank lines and without the number of the next cue."""
    body = list(cue.body)
    while body and not body[-1]:
        body.pop()
    if not last and len(body) > 1 and body[-1].isdigit() and not body[-2]:
        body.pop()
    elif not last and len(body) == 1 and body[0].isdigit():
        # an empty cue, then the next one's number
        body = []
    return replace(cue, body=[line for line in body if line])


def _vtt_cues(text: str) -> Iterator[_Cue]:
    number = 1
    for block in re.split(r"\n[^\S\n]*\n", text):
        lines = block.split("\n")
        first = next((line.strip() for line in lines if line.strip()), "")
        at = next((i for i, line in enumerate(lines) if "-->" in line), None)
        if at is not None and not re.match(r"(NOTE|STYLE|REGION)\b", first):
            body = [line.strip() for line in lines[at + 1 :] if line.strip()]
            yield _Cue(number + at, *_stamps(lines[at], number + at), body)
        number += len(lines) + 1


def _looks_like_stamps(line: str) -> bool:
    return len(line) < 400 and bool(re.match(r"\s*-?\d|\s*-->", line))


def _stamps(line: str, number: int) -> tuple[int, int]:
    found = _STAMP.findall(line[:400])
    if len(found) < 2:
        raise BadTranscript(
            f"Line {number} is not a pair of times: {line.strip()[:80]!r}.",
            _SUBTITLES_HELP,
        )
    start, end = (-_ms(stamp) if sign else _ms(stamp) for sign, stamp in found[:2])
    return start, end


def _ms(stamp: str) -> int:
    clock, fraction = re.split(r"[.,]", stamp)
    seconds = 0
    for part in clock.split(":"):
        seconds = seconds * 60 + int(part)
    return seconds * 1000 + int(fraction.ljust(3, "0"))


def _voices(text: str, start: int, end: int, line: int) -> list[RawSegment]:
    """One segment a voice; the cue's time is shared out by length."""
    parts = _VOICE.split(text)
    pieces: list[tuple[str | None, str]] = [(None, parts[0])]
    pieces += [(html.unescape(name).strip(), said) for name, said in zip(parts[1::2], parts[2::2], strict=True)]
    cleaned = [(name, _without_tags(said)) for name, said in pieces]
    spoken = [(name, said) for name, said in cleaned if said.strip()]
    return share_out(spoken, start, end, line)


def share_out(spoken: list[tuple[str | None, str]], start: int | None, end: int | None, line: int) -> list[RawSegment]:
    """One segment a (speaker, text); the time from `start` to `end` is shared out by length of text."""
    if start is None or end is None or len(spoken) < 2 or end <= start:
        return [RawSegment(said, start, end, name, line=line) for name, said in spoken]
    total = sum(len(said) for _, said in spoken)
    segments, done = [], 0
    for name, said in spoken:
        here = start + (end - start) * done // total
        done += len(said)
        segments.append(RawSegment(said, here, start + (end - start) * done // total, name, line=line))
    return segments


def _without_tags(text: str) -> str:
    return html.unescape(_TAG.sub("", text)).replace("\xa0", " ").replace("\\h", " ")


# ---------------------------------------------------------------- STM

_STM = re.compile(r"^\S+\s+\S+\s+\S+\s+-?\d+(?:\.\d+)?\s+-?\d+(?:\.\d+)?(?:\s|$)")
_ALTERNATIVES = re.compile(r"\{\s*([^{}/]*?)\s*/[^{}]*\}")


def from_stm(text: str, *, stem: str) -> list[RawSegment]:
    """NIST segment time marks: `file channel speaker start end [<label>] text`.

    Lines of other recordings in the same file are left out when one is called like the transcript.
    """
    rows: list[tuple[str, RawSegment]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith(";;"):
            continue
        columns = line.split(None, 5)
        start, end = (_seconds(columns[i]) if len(columns) > i else None for i in (3, 4))
        if start is None or end is None:
            raise BadTranscript(
                f"Line {number} is not an STM line: {line.strip()[:80]!r}.",
                "Each line is: recording channel speaker start end [<label>] text, with times in seconds.",
            )
        said = columns[5] if len(columns) > 5 else ""
        said = re.sub(r"^<[^<>]*>\s*", "", said)
        if said.strip().lower() == "ignore_time_segment_in_scoring":
            continue
        said = _ALTERNATIVES.sub(lambda m: "" if m[1] == "@" else m[1], said)
        # "inter_segment_gap" and "unknown" are the format's own words for nobody in particular
        speaker = None if columns[2].lower() in {"inter_segment_gap", "unknown"} else columns[2]
        rows.append((columns[0], RawSegment(said, start, end, speaker, line=number)))
    recordings = {name for name, _ in rows}
    if len(recordings) > 1:
        wanted = [name for name in recordings if name == stem or stem.startswith(f"{name}.")]
        if not wanted:
            raise BadTranscript(
                f"The transcript covers {len(recordings)} recordings, none of them called {stem!r}.",
                "Keep the lines of one recording only, or name the file after the recording.",
            )
        rows = [(name, segment) for name, segment in rows if name in wanted]
    return [segment for _, segment in rows]


# ---------------------------------------------------------------- JSON

_JSON_HELP = (
    'Allowed: whisperX or Whisper JSON ({"segments": [{"start", "end", "text", "speaker", "words"}]}), '
    'or JSONL with one {"speaker", "text", "start", "end"} a line.'
)


def from_json(text: str) -> tuple[list[RawSegment], str | None]:
    """Segments and language of whisperX, Whisper or Podcasting 2.0 JSON."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        if "\n{" in text:
            return from_jsonl(text), None
        raise BadTranscript(f"Line {error.lineno} is not JSON: {error.msg}.", _JSON_HELP) from error
    except RecursionError as error:
        raise BadTranscript("The JSON is nested too deeply to be a transcript.", _JSON_HELP) from error
    rows = data.get("segments") if isinstance(data, dict) else data
    if not isinstance(rows, list) and isinstance(data, dict) and "text" in data:
        rows = [data]
    if not isinstance(rows, list):
        raise BadTranscript("The JSON holds no list of segments.", _JSON_HELP)
    language = data.get("language") if isinstance(data, dict) else None
    segments = [_from_object(row, f"Segment {number}", number) for number, row in enumerate(rows, 1)]
    return split_speakers(segments), language if isinstance(language, str) and language else None


def from_jsonl(text: str) -> list[RawSegment]:
    """One object a line: `speaker`, `text`, and `start`, `end` in seconds if known."""
    segments = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadTranscript(f"Line {number} is not JSON: {line.strip()[:80]!r}.", _JSON_HELP) from error
        segments.append(_from_object(row, f"Line {number}", number))
    return segments


def _from_object(row: Any, where: str, number: int) -> RawSegment:
    if not isinstance(row, dict):
        raise BadTranscript(f"{where} is not an object with a text: {str(row)[:80]!r}.", _JSON_HELP)
    words = tuple(_words_of(row.get("words")))
    said = next((row[key] for key in ("text", "body") if isinstance(row.get(key), str)), None)
    if said is None and words:
        said = " ".join(word.text for word in words)
    if said is None:
        raise BadTranscript(
            f"{where} has no text; it has {', '.join(map(str, list(row)[:8])) or 'nothing'}.", _JSON_HELP
        )
    start, end = (
        _seconds(row.get(long, row.get(short))) for long, short in (("startTime", "start"), ("endTime", "end"))
    )
    speaker = row.get("speaker")
    logprob = row.get("avg_logprob")
    sure = math.exp(min(0.0, logprob)) if isinstance(logprob, float) and math.isfinite(logprob) else None
    return RawSegment(
        said,
        start,
        end,
        str(speaker) if isinstance(speaker, str | int) and not isinstance(speaker, bool) else None,
        None if sure is None else round(sure, 3),
        words,
        number,
    )


def _words_of(rows: Any) -> Iterator[RoughWord]:
    for row in rows if isinstance(rows, list) else []:
        said = row.get("word", row.get("text")) if isinstance(row, dict) else None
        if isinstance(said, str) and said.strip():
            score = row.get("score", row.get("probability"))
            good = isinstance(score, int | float) and not isinstance(score, bool) and 0 <= score <= 1
            yield RoughWord(
                text=said.strip(),
                start_ms=_seconds(row.get("start")),
                end_ms=_seconds(row.get("end")),
                score=round(float(score), 3) if good else None,
            )


def _seconds(value: Any) -> int | None:
    """Seconds (number or numeric text) → ms; None where there is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return round(number * 1000) if math.isfinite(number) and abs(number) < 1e12 else None


# ---------------------------------------------------------------- plain text

_LEADING_CLOCK = re.compile(r"^\s*[\[(]?((?:\d{1,3}:)?\d{1,2}:\d{2}(?:[.,]\d{1,3})?)[\])]?\s*[-–—:]?\s+(?=\S)")


def from_plain(text: str) -> list[RawSegment]:
    """A segment a line; `Name: text` gives speakers, a clock before most lines gives starts."""
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    clocks = [_LEADING_CLOCK.match(line) for _, line in lines]
    timed = sum(clock is not None for clock in clocks) * 2 > len(lines)
    segments = []
    for (number, line), clock in zip(lines, clocks, strict=True):
        if timed and clock:
            segments.append(RawSegment(line[clock.end() :], _clock_ms(clock[1]), None, line=number))
        else:
            segments.append(RawSegment(line, line=number))
    return split_speakers(segments, carry_on=True)


def _clock_ms(clock: str) -> int:
    *rest, seconds = clock.replace(",", ".").split(":")
    total = 0
    for part in rest:
        total = total * 60 + int(part)
    return total * 60_000 + round(float(seconds) * 1000)
