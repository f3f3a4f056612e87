"""RTTM, the exchange format of diarization (NIST RT-09; 10 columns), read and written by pyannote."""

import re
from collections.abc import Iterable
from pathlib import Path

from earwitness.errors import BadTranscript
from earwitness.speech.sidecar import MAX_TIME_MS, read_text
from earwitness.speech.turns import Turn


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


def read_rttm(path: Path) -> list[Turn]:
    """Turns of an RTTM file, of all recordings in it, by start; lines without length are dropped.

    Raises:
        BadTranscript: not readable as text, or a SPEAKER line has too few columns or a time that is no number.
    """
    turns = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        columns = line.split()
        if not columns or columns[0] != "SPEAKER":
            continue
        try:
            start, length, speaker = float(columns[3]), float(columns[4]), columns[7]
            start_ms, end_ms = round(start * 1000), round((start + length) * 1000)
        except (IndexError, ValueError, OverflowError) as error:
            raise BadTranscript(
                f"Line {number} of {path.name} is no RTTM: {line[:80]!r}.",
                "A line reads: SPEAKER <file> 1 <start> <length> <NA> <NA> <speaker> <NA> <NA>.",
            ) from error
        if end_ms > MAX_TIME_MS:
            raise BadTranscript(
                f"Line {number} of {path.name} ends after {end_ms // 3_600_000:,} hours; up to "
                f"{MAX_TIME_MS // 3_600_000} are allowed.",
                "Check the unit: times are seconds.",
            )
        if end_ms > start_ms >= 0:
            turns.append(Turn(start_ms=start_ms, end_ms=end_ms, speaker=speaker))
    return sorted(turns, key=lambda turn: (turn.start_ms, turn.end_ms, turn.speaker))


def _one_word(name: str) -> str:
    return re.sub(r"\s+", "_", name.strip()) or "_"
