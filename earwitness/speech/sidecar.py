"""Transcripts that lie beside a recording, or that the user hands over."""

import codecs
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from earwitness.errors import BadTranscript
from earwitness.speech import transcript_formats as formats
from earwitness.speech.segments import RoughWord, Segment
from earwitness.speech.transcript_formats import RawSegment

SUFFIXES = (".stm", ".srt", ".vtt", ".json", ".jsonl", ".txt")
"""Looked for beside a recording, in this order: the formats that carry most come first."""

MAX_BYTES = 16 * 1024 * 1024
"""Four days of talk as plain text or captions."""
MAX_JSON_BYTES = 64 * 1024 * 1024
"""Of `.json` and `.jsonl`: a day of words with their times."""
MAX_LINE = 1_000_000
MAX_SEGMENTS = 200_000
"""A line every two seconds, for four and a half days."""
MAX_TIME_MS = 7 * 24 * 3600 * 1000

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\ufeff\ufffe]")


@dataclass(frozen=True, slots=True)
class TranscriptFile:
    """A transcript as read: its segments and what had to be put right."""

    segments: list[Segment]
    """In reading order; by start where they have one. Times in ms."""
    language: str | None
    """ISO 639-1, if the file says so."""
    repairs: list[str]
    """One sentence a kind of repair."""


def find_sidecar(recording: Path) -> Path | None:
    """The transcript beside a recording, or None.

    Tries `<stem><suffix>` and then `<file name><suffix>` for each of `SUFFIXES`; upper-case suffixes count too. JSON
    that is not a transcript is passed over: tools leave all kinds of JSON beside recordings.
    """
    try:
        names = {entry.name for entry in os.scandir(recording.parent) if entry.is_file()}
    except OSError:
        return None
    for suffix in SUFFIXES:
        for base in (recording.stem, recording.name):
            for name in (base + suffix, base + suffix.upper()):
                path = recording.with_name(name)
                if name in names and name != recording.name and (suffix[:3] != ".js" or _reads(path)):
                    return path
    return None


def _reads(path: Path) -> bool:
    try:
        read_transcript(path)
    except BadTranscript:
        return False
    return True


def read_transcript(path: Path) -> list[Segment]:
    """The segments of a transcript: SRT, VTT, STM, whisperX or Whisper JSON, JSONL, or plain text.

    Args:
        path: the format follows from the suffix; `.txt` is also recognised by its content.

    Raises:
        BadTranscript: unreadable, empty, or not of that format; names the line and what is allowed.
    """
    return read_transcript_file(path).segments


def read_transcript_file(path: Path) -> TranscriptFile:
    """As `read_transcript`, with the language and the repairs."""
    text = read_text(path)
    suffix = path.suffix.lower()
    kind = suffix if suffix in SUFFIXES and suffix != ".txt" else formats.guess(text)
    language = None
    if kind in {".srt", ".vtt"}:
        raw = formats.from_subtitles(text, vtt=kind == ".vtt")
    elif kind == ".stm":
        raw = formats.from_stm(text, stem=path.stem)
    elif kind == ".json":
        raw, language = formats.from_json(text)
    elif kind == ".jsonl":
        raw = formats.from_jsonl(text)
    else:
        raw = formats.from_plain(text)
    if len(raw) > MAX_SEGMENTS:
        raise BadTranscript(
            f"The transcript {path.name} has {len(raw):,} parts; at most {MAX_SEGMENTS:,} are allowed.",
            "Give the transcript of one recording only.",
        )
    segments, repairs = _repair([segment for segment in raw if segment.text.strip()])
    if not segments:
        raise BadTranscript(
            f"The transcript {path.name} holds no text.",
            "Give a file with text in it, or leave the transcript out to have the words recognised.",
        )
    return TranscriptFile(segments, language, repairs)


def within_slice(segments: Sequence[Segment], slice_ms: tuple[int, int]) -> list[Segment]:
    """The segments whose middle lies in a part of the recording, on that part's clock; untimed ones all stay."""
    start_ms, end_ms = slice_ms
    kept = []
    for segment in segments:
        if segment.start_ms is None or segment.end_ms is None:
            kept.append(segment)
        elif start_ms <= (segment.start_ms + segment.end_ms) // 2 < end_ms:
            words = [_moved(word, start_ms) for word in segment.words]
            first, last = max(segment.start_ms, start_ms) - start_ms, min(segment.end_ms, end_ms) - start_ms
            kept.append(segment.model_copy(update={"start_ms": first, "end_ms": last, "words": words}))
    return kept


def _moved(word: RoughWord, by_ms: int) -> RoughWord:
    if word.start_ms is None or word.end_ms is None or word.start_ms < by_ms:
        return RoughWord(text=word.text, score=word.score)
    return word.model_copy(update={"start_ms": word.start_ms - by_ms, "end_ms": word.end_ms - by_ms})


def read_text(path: Path) -> str:
    r"""A text file as people save them: any Unicode encoding or cp1252, any line ends; control characters removed.

    Returns:
        text with `\n` line ends and no byte-order mark.

    Raises:
        BadTranscript: missing, too large, or not text.
    """
    try:
        if not path.is_file():
            raise BadTranscript(f"The transcript {path} is not a file.", "Give the path of a text file.")
        size = path.stat().st_size
        limit = MAX_JSON_BYTES if path.suffix.lower() in {".json", ".jsonl"} else MAX_BYTES
        if size > limit:
            raise BadTranscript(
                f"The transcript {path.name} has {size / 1e6:.0f} MB; at most {limit / 1e6:.0f} MB are read.",
                "Give the transcript of one recording only.",
            )
        data = path.read_bytes()
    except OSError as error:
        raise BadTranscript(
            f"The transcript {path} can't be read ({error.strerror or error}).", "Check the path and its permissions."
        ) from error
    text = _decode(data).replace("\r\n", "\n").replace("\r", "\n")
    controls = sum(1 for _ in _CONTROL.finditer(text))
    if controls > 16 and controls > len(text) / 20:
        raise BadTranscript(
            f"The transcript {path.name} is not text.",
            f"Give one of these formats: {', '.join(SUFFIXES)}, saved as UTF-8.",
        )
    text = _CONTROL.sub("", text)
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > MAX_LINE and path.suffix.lower() != ".json":
            raise BadTranscript(
                f"Line {number} of {path.name} has {len(line):,} characters; at most {MAX_LINE:,} are allowed.",
                "Break the text into lines, one a sentence or speaker.",
            )
    return text


_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def _decode(data: bytes) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    sample = data[:4096]
    if len(sample) > 3 and sample.count(0) > len(sample) / 4:
        # every other byte zero: UTF-16 that lost its byte-order mark
        little = sample[1::2].count(0) > sample[::2].count(0)
        return data.decode("utf-16-le" if little else "utf-16-be", errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        # cp1252 leaves five bytes undefined, which become U+FFFD
        return data.decode("cp1252", errors="replace")


def _repair(raw: Sequence[RawSegment]) -> tuple[list[Segment], list[str]]:
    """Times made usable: none negative, ends after starts, by start. Says what was done."""
    negative = backwards = 0
    timed: list[RawSegment] = []
    for segment in raw:
        start, end = segment.start_ms, segment.end_ms
        if start is not None and (start > MAX_TIME_MS or (end or 0) > MAX_TIME_MS):
            raise BadTranscript(
                f"Line {segment.line} says {max(start, end or 0) / 3_600_000:.0f} hours; times up to "
                f"{MAX_TIME_MS // 3_600_000} hours are allowed.",
                "Check the unit: times are seconds, or hours:minutes:seconds.",
            )
        if start is not None and start < 0:
            negative += 1
            start = 0
            end = end if end is None or end > 0 else None
        if start is not None and end is not None and end <= start:
            backwards += 1
            end = None
        timed.append(segment.at(start, end))
    repairs = []
    ordered = timed
    if all(segment.start_ms is not None for segment in timed):
        ordered = sorted(timed, key=lambda s: s.start_ms or 0)
        if ordered != timed:
            repairs.append("Segments were out of order and have been sorted by their start.")
    if negative:
        repairs.append(f"{negative} segments started before the recording; they now start at 0.")
    if backwards:
        repairs.append(f"{backwards} segments did not end after their start; their ends are estimated.")
    upcoming = _upcoming(ordered)
    return [_finish(segment, after) for segment, after in zip(ordered, upcoming, strict=True)], repairs


def _upcoming(segments: Sequence[RawSegment]) -> list[int | None]:
    """For each segment the start of the first one below it that starts later than it does."""
    found: list[int | None] = [None] * len(segments)
    waiting: list[tuple[int, int]] = []  # (start, place) of those above that still look for theirs, by falling start
    for place, segment in enumerate(segments):
        start = segment.start_ms
        if start is None:
            continue
        while waiting and waiting[-1][0] < start:
            found[waiting.pop()[1]] = start
        waiting.append((start, place))
    return found


def _finish(segment: RawSegment, upcoming: int | None) -> Segment:
    start, end = segment.start_ms, segment.end_ms
    if start is None:
        end = None
    elif end is None:
        # a slow reading of the text, unless somebody else is written down sooner
        end = start + max(500, 600 * len(segment.text.split()))
        end = end if upcoming is None else min(end, max(upcoming, start + 100))
    return Segment(
        text=" ".join(segment.text.split()),
        start_ms=start,
        end_ms=end,
        speaker=" ".join(segment.speaker.split()) or None if segment.speaker else None,
        confidence=segment.confidence,
        words=[_word(word) for word in segment.words],
    )


def _word(word: RoughWord) -> RoughWord:
    start, end = word.start_ms, word.end_ms
    if start is None or end is None or start < 0 or end <= start:
        return RoughWord(text=word.text, score=word.score)
    return word
