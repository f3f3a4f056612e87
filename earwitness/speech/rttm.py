"""RTTM, the exchange format of diarization (NIST RT-09; 10 columns), read and written by pyannote."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from earwitness.errors import BadTranscript
from earwitness.speech.sidecar import MAX_TIME_MS, read_text
from earwitness.speech.turns import Turn

Item = TypeVar("Item")


def write_rttm(turns: Iterable[Turn], uri: str) -> str:
    """Turns as RTTM text, by start.

    Args:
        turns: speakers may overlap.
        uri: name of the recording. RTTM separates columns by spaces: they become `_`, here and in speakers' names.
    """
    from pyannote.core import Annotation, Segment

    annotation = Annotation(uri=_one_word(uri))
    for number, turn in enumerate(turns):
        annotation[Segment(turn.start_ms / 1000, turn.end_ms / 1000), number] = _one_word(turn.speaker)
    text: str = annotation.to_rttm()
    return text


def read_rttm(path: Path, names: Sequence[str] = ()) -> list[Turn]:
    """Turns of an RTTM file, by start; lines without length are dropped.

    Args:
        path: lines that are no SPEAKER lines are passed over.
        names: what the recording may be called, where a file covers several; none: turns of all of them.

    Raises:
        BadTranscript: the file can't be read, a SPEAKER line has too few columns or a time that can't be, or none of
            several recordings has one of the names.
    """
    rows: list[tuple[str, Turn]] = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        columns = line.split()
        if not columns or columns[0] != "SPEAKER":
            continue
        try:
            start, length, speaker = float(columns[3]), float(columns[4]), columns[7]
            start_ms, end_ms = round(start * 1000), round((start + length) * 1000)
            possible = start_ms >= 0 and length >= 0
        except (IndexError, ValueError, OverflowError):
            possible = False
        if not possible:
            raise BadTranscript(
                f"Line {number} of {path.name} is no RTTM: {line[:80]!r}.",
                "A line reads: SPEAKER <file> 1 <start> <length> <NA> <NA> <speaker> <NA> <NA>, in seconds from 0.",
            )
        if end_ms > MAX_TIME_MS:
            raise BadTranscript(
                f"Line {number} of {path.name} ends after {end_ms // 3_600_000:,} hours; up to "
                f"{MAX_TIME_MS // 3_600_000} are allowed.",
                "Check the unit: times are seconds.",
            )
        if end_ms > start_ms:
            rows.append((columns[1], Turn(start_ms=start_ms, end_ms=end_ms, speaker=speaker)))
    turns = of_recording(path, rows, names) if names else [turn for _, turn in rows]
    return sorted(turns, key=lambda turn: (turn.start_ms, turn.end_ms, turn.speaker))


def of_recording(path: Path, rows: Sequence[tuple[str, Item]], names: Sequence[str]) -> list[Item]:
    """What a file says about one recording.

    Args:
        path: for the message.
        rows: name of the recording and what is said; if all have one name, whatever it is, all are meant.
        names: what the recording may be called.

    Raises:
        BadTranscript: the file covers several recordings, none of them by one of the names.
    """
    covered = {name for name, _ in rows}
    if len(covered) < 2:
        return [item for _, item in rows]
    mine = [item for name, item in rows if name in names]
    if not mine:
        raise BadTranscript(
            f"{path.name} covers {len(covered)} recordings, none of them called {' or '.join(map(repr, names))}.",
            "Keep the lines of one recording only, or give the recording its name there.",
        )
    return mine


def _one_word(name: str) -> str:
    return re.sub(r"\s+", "_", name.strip()) or "_"
