"""Whether a clip that was just rendered can be posted."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from earwitness.audio.peaks import TRUE_PEAK_DBTP
from earwitness.checks.finding import Finding, error
from earwitness.checks.media import check_media
from earwitness.checks.subtitles import Spoken, check_subtitles
from earwitness.clips.units import Unit

ONSET_MS = 80
"""Half of the captions may be no later or earlier than this against the first of their words."""
WITHIN_LU = 0.5
_MEASURED_WITHIN_DB = 0.05
"""Two resamplings of the same sound differ by as much."""


def check_clip(
    media: Path,
    captions: Path | None,
    units: Sequence[Unit],
    length_ms: int,
    *,
    loudness_lufs: float,
    heard: tuple[float | None, float],
    size: tuple[int, int] | None = None,
) -> list[Finding]:
    """Decode a clip whole, hold its loudness against what was wanted, and read its captions.

    Args:
        media: `.m4a` or `.mp4`.
        captions: its `.srt`, if it has any.
        units: what is said, on the clip's clock.
        length_ms: that was planned.
        loudness_lufs: that was wanted.
        heard: loudness in LUFS (None: silence) and true peak in dBTP, measured in the finished file.
        size: of its picture, if it has one.
    """
    found = check_media(media, media.name, length_ms=length_ms, size=size, decode=True)
    found += _check_loudness(media.name, loudness_lufs, *heard)
    if not _can_stream(media):
        found.append(error(media.name, "Its index stands at its end: it would not play before it is loaded whole."))
    if captions is None:
        return found
    edges = sorted((max(0, begin), min(length_ms, end), unit.speaker) for unit in units for begin, end in _edges(unit))
    spoken = [Spoken(begin, end, speaker) for begin, end, speaker in edges if end > begin]
    found += check_subtitles(captions, captions.name, length_ms=length_ms, spoken=spoken)
    return found + _check_onsets(captions, [begin for begin, _, _ in edges])


def _edges(unit: Unit) -> list[tuple[int, int]]:
    return [(word.start_ms, word.end_ms) for word in unit.words] or [(unit.start_ms, unit.end_ms)]


def _check_loudness(name: str, wanted: float, loudness: float | None, peak: float) -> list[Finding]:
    found = []
    if loudness is None:
        found.append(error(name, f"It is silent; {wanted:g} LUFS could not be reached."))
    elif abs(loudness - wanted) > WITHIN_LU:
        found.append(error(name, f"It is at {loudness:.1f} LUFS; {wanted:g} LUFS could not be reached."))
    if peak > TRUE_PEAK_DBTP + _MEASURED_WITHIN_DB:
        found.append(error(name, f"Its true peak is {peak:.1f} dBTP; {TRUE_PEAK_DBTP:g} dBTP is allowed."))
    return found


def _can_stream(media: Path) -> bool:
    """Whether the index of an MP4 comes before its data (`+faststart`)."""
    with media.open("rb") as file:
        while header := file.read(8):
            size, kind = int.from_bytes(header[:4], "big"), header[4:]
            if kind in {b"moov", b"mdat"}:
                return kind == b"moov"
            if size < 8:
                return False
            file.seek(size - 8, 1)
    return False


def _check_onsets(captions: Path, begins: Sequence[int]) -> list[Finding]:
    """Captions begin with their words."""
    late = onset_errors_ms(captions, begins)
    if late and median(late) > ONSET_MS:
        what = f"Half of its captions are more than {ONSET_MS} ms away from the words they begin with."
        return [error(captions.name, what)]
    return []


def onset_errors_ms(captions: Path, begins: Sequence[int]) -> list[int]:
    """How far the start of each caption is from the nearest start of a word, in milliseconds.

    Args:
        captions: `.srt`.
        begins: when the words start, on the clip's clock.
    """
    import pysubs2

    cues = pysubs2.load(str(captions), encoding="utf-8")
    return [min(abs(cue.start - begin) for begin in begins) for cue in cues] if begins else []
