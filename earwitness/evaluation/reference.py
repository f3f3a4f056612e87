"""References: what people wrote down about a recording. RTTM, STM, CTM, word tables; and UEM, what to score."""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from earwitness.errors import BadTranscript, UsageError
from earwitness.evaluation.tokens import normalised, one_name
from earwitness.spans import Span
from earwitness.speech.rttm import of_recording, read_rttm
from earwitness.speech.sidecar import MAX_TIME_MS, read_text
from earwitness.speech.transcript_formats import from_stm
from earwitness.speech.turns import Turn

SUFFIXES = (".rttm", ".stm", ".ctm", ".tsv")


@dataclass(frozen=True, slots=True)
class Said:
    """Text with its time; a word or a longer stretch."""

    text: str
    start_ms: int
    end_ms: int
    speaker: str | None


@dataclass(frozen=True, slots=True)
class Reference:
    """What the given files say together; None where none says anything about it."""

    files: list[str] = field(default_factory=list)
    turns: list[Turn] | None = None
    segments: list[Said] | None = None
    """Text by stretches, in order of start."""
    words: list[Said] | None = None
    """Words with their own times, in order of start."""
    ignored: list[Span] = field(default_factory=list)
    """What an STM says not to score."""

    def within(self, slice_ms: tuple[int, int]) -> "Reference":
        """What it says about a part of the recording, on that part's clock. Text belongs where its middle lies."""
        start, end = slice_ms
        return replace(
            self,
            turns=None
            if self.turns is None
            else [
                turn.model_copy(
                    update={"start_ms": max(turn.start_ms, start) - start, "end_ms": min(turn.end_ms, end) - start}
                )
                for turn in self.turns
                if turn.start_ms < end and turn.end_ms > start
            ],
            segments=_moved(self.segments, start, end),
            words=_moved(self.words, start, end),
            ignored=cut(self.ignored, slice_ms),
        )


def cut(spans: Iterable[Span], slice_ms: tuple[int, int]) -> list[Span]:
    """Stretches of a part of the recording, on that part's clock."""
    start, end = slice_ms
    return [(max(a, start) - start, min(b, end) - start) for a, b in spans if a < end and b > start]


def _moved(said: list[Said] | None, start: int, end: int) -> list[Said] | None:
    if said is None:
        return None
    inside = [item for item in said if start <= (item.start_ms + item.end_ms) // 2 < end]
    return [
        replace(item, start_ms=max(item.start_ms, start) - start, end_ms=min(item.end_ms, end) - start)
        for item in inside
    ]


def read_references(paths: Sequence[Path], names: Sequence[str]) -> Reference:
    """Read reference files and put together what they say.

    Turns come from an RTTM, else from an STM; text from an STM, else from words; word times from CTM, TSV, or an STM
    that has a word a line.

    Args:
        paths: at most one of a kind.
        names: what the recording may be called in files that cover several.

    Raises:
        BadTranscript: a file can't be read or is not of its format; the message names file and line.
        UsageError: an unknown suffix, or two files of a kind.
    """
    found = Reference()
    seen: dict[str, Path] = {}
    for path in paths:
        kind = path.suffix.lower()
        if kind not in SUFFIXES:
            raise UsageError(
                f"{path.name} is no reference that can be scored against.", f"Allowed: {', '.join(SUFFIXES)}."
            )
        key = ".words" if kind in {".ctm", ".tsv"} else kind
        if key in seen:
            raise UsageError(
                f"{seen[key].name} and {path.name} say the same kind of thing.", "Give one reference of a kind."
            )
        seen[key] = path
        found = replace(_read(path, kind, names, found), files=[*found.files, path.name])
    if found.segments and all(len(normalised(item.text)) <= 1 for item in found.segments):
        found = replace(found, words=found.words if found.words is not None else found.segments)
    return found


def _read(path: Path, kind: str, names: Sequence[str], found: Reference) -> Reference:
    if kind == ".rttm":
        return replace(found, turns=read_rttm(path, names))
    if kind == ".stm":
        segments, ignored = _stm(path, names)
        turns = [
            Turn(start_ms=item.start_ms, end_ms=item.end_ms, speaker=item.speaker)
            for item in segments
            if item.speaker is not None
        ]
        return replace(found, segments=segments, ignored=ignored, turns=turns if found.turns is None else found.turns)
    return replace(found, words=_ctm(path, names) if kind == ".ctm" else _tsv(path))


def read_uem(path: Path, names: Sequence[str]) -> list[Span]:
    """Stretches to score: `recording channel start end` a line, seconds.

    Raises:
        BadTranscript: as `read_references`.
    """
    rows: list[tuple[str, Span]] = []
    for number, columns in _rows(path):
        times = [_ms(text) for text in columns[2:4]]
        if len(times) < 2 or times[0] is None or times[1] is None or not 0 <= times[0] < times[1]:
            raise _bad(path, number, " ".join(columns), "A line reads: recording channel start end, in seconds.")
        rows.append((columns[0], (times[0], times[1])))
    spans = sorted(of_recording(path, rows, names))
    if not spans:
        raise BadTranscript(f"{path.name} names nothing to score.", "Give a line: recording channel start end.")
    return spans


_IGNORED = "ignore_time_segment_in_scoring"


def _stm(path: Path, names: Sequence[str]) -> tuple[list[Said], list[Span]]:
    text = read_text(path)
    covered = {line.split(None, 1)[0] for line in text.split("\n") if line.strip()}
    try:
        raw = from_stm(text, stem=next((name for name in names if name in covered), path.stem))
    except BadTranscript as error:
        raise BadTranscript(f"{path.name}: {error.message}", error.remedy) from error
    segments = []
    for item in raw:
        start, end = item.start_ms, item.end_ms
        if start is None or end is None or not 0 <= start < end <= MAX_TIME_MS:
            raise _bad(
                path,
                item.line,
                text.split("\n")[item.line - 1],
                "Each line must start at 0 or later and end after its start.",
            )
        segments.append(Said(item.text, start, end, one_name(item.speaker) if item.speaker else None))
    ignored = []
    for line in text.split("\n"):
        columns = line.split()
        if len(columns) > 5 and columns[-1].lower() == _IGNORED:
            times = _ms(columns[3]), _ms(columns[4])
            if times[0] is not None and times[1] is not None and times[0] < times[1]:
                ignored.append((max(0, times[0]), times[1]))
    return sorted(segments, key=_by_start), ignored


def _ctm(path: Path, names: Sequence[str]) -> list[Said]:
    """`recording channel start duration word [confidence [type speaker]]`; speakers as in NIST's RT-09 plan."""
    rows: list[tuple[str, Said]] = []
    for number, columns in _rows(path):
        start, length = (_ms(text) for text in columns[2:4]) if len(columns) > 4 else (None, None)
        if start is None or length is None or start < 0 or length < 0:
            raise _bad(
                path, number, " ".join(columns), "A line reads: recording channel start duration word, in seconds."
            )
        speaker = columns[7] if len(columns) > 7 and columns[7].lower() != "unknown" else None
        rows.append((columns[0], Said(columns[4], start, start + length, speaker)))
    return sorted(of_recording(path, rows, names), key=_by_start)


def _tsv(path: Path) -> list[Said]:
    """A header with `start`, `end`, `word` and perhaps `speaker`; other columns are passed over."""
    text = read_text(path)
    table = csv.DictReader(text.split("\n"), dialect="excel-tab")
    wanted = {"start", "end", "word"}
    header = set(table.fieldnames or ())
    if not wanted <= header:
        raise BadTranscript(
            f"{path.name} lacks the column {', '.join(sorted(wanted - header))}.",
            "The first line names the columns: start, end, speaker, word, parted by tabs.",
        )
    words = []
    try:
        for row in table:
            start, end = _ms(row["start"] or ""), _ms(row["end"] or "")
            if start is None or end is None or not 0 <= start <= end or row["word"] is None:
                shown = "\t".join(str(value) for value in row.values())
                raise _bad(
                    path, table.line_num, shown, "start and end are seconds, and the end is not before the start."
                )
            words.append(Said(row["word"], start, end, one_name(row.get("speaker") or "") or None))
    except csv.Error as error:
        raise _bad(path, table.line_num, str(error), "Columns are parted by tabs.") from error
    return sorted(words, key=_by_start)


def _rows(path: Path) -> Iterable[tuple[int, list[str]]]:
    for number, line in enumerate(read_text(path).split("\n"), 1):
        columns = line.split()
        if columns and not columns[0].startswith(";;"):
            yield number, columns


def _ms(text: str) -> int | None:
    if not re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", text):
        return None
    value = float(text)
    return round(value * 1000) if abs(value) * 1000 <= MAX_TIME_MS else None


def _by_start(item: Said) -> tuple[int, int]:
    return item.start_ms, item.end_ms


def _bad(path: Path, number: int, line: str, remedy: str) -> BadTranscript:
    return BadTranscript(f"Line {number} of {path.name} can't be read: {line.strip()[:80]!r}.", remedy)
