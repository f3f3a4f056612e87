"""Whether a clip that was just rendered can be posted."""

from collections.abc import Iterable
from pathlib import Path

from earwitness.checks.finding import Finding
from earwitness.checks.media import check_media
from earwitness.checks.subtitles import Spoken, check_subtitles
from earwitness.clips.units import Unit


def check_clip(
    media: Path,
    captions: Path,
    units: Iterable[Unit],
    start_ms: int,
    end_ms: int,
    size: tuple[int, int] | None = None,
) -> list[Finding]:
    """Decode a clip whole, and read its captions.

    Args:
        media: `.m4a` or `.mp4`.
        captions: its `.srt`.
        units: what is said, on the recording's clock.
        start_ms: where the clip begins on that clock.
        end_ms: where it ends.
        size: of its picture, if it has one.
    """
    spoken = [
        Spoken(max(0, begin - start_ms), min(end_ms, end) - start_ms, unit.speaker)
        for unit in units
        for begin, end in _edges(unit)
        if end > start_ms and begin < end_ms
    ]
    length = end_ms - start_ms
    return [
        *check_media(media, media.name, length_ms=length, size=size, decode=True),
        *check_subtitles(captions, captions.name, length_ms=length, spoken=spoken),
    ]


def _edges(unit: Unit) -> list[tuple[int, int]]:
    return [(word.start_ms, word.end_ms) for word in unit.words] or [(unit.start_ms, unit.end_ms)]
