"""The episode itself: MP3 and M4A at the loudness of podcasts, with tags, chapters and the cover."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earwitness.audio.facts import ListeningCopy
from earwitness.audio.ffmpeg import run, source
from earwitness.audio.limiter import limited
from earwitness.audio.listen import hear
from earwitness.audio.peaks import TRUE_PEAK_DBTP
from earwitness.clips.brand import opened_artwork
from earwitness.progress import Progress, no_progress

STEREO_LUFS = -16.0
MONO_LUFS = -19.0
"""Apple's podcasters' guide and AES TD1004: -16 in stereo; a mono file at -19 sounds as loud, from two loudspeakers."""
WITHIN_LU = 0.5
COVER_PX = 1_400
"""Least side that Apple takes for a show; within the file it is also the most."""

_NEAR_LU = 0.4
"""What the listening copy keeps to as well."""
_TRIES = 5
_FIRST_LIMIT_DB = -1.8
_GRACE_S = 900.0


@dataclass(frozen=True, slots=True)
class Sound:
    """What is known of the listening copy."""

    path: Path
    rate_hz: int
    channels: int
    duration_ms: int
    loudness_lufs: float | None


@dataclass(frozen=True, slots=True)
class Level:
    """Measured in a finished file."""

    loudness_lufs: float | None
    true_peak_dbtp: float


def sound_of(listening: ListeningCopy, duration_ms: int) -> Sound:
    """The listening copy, which the episode is made from: it is levelled, and has the recording's own bandwidth."""
    import av

    with av.open(f"file:{listening.audio.path}", options={"protocol_whitelist": "file"}) as container:
        context = container.streams.audio[0].codec_context
        rate, channels = context.sample_rate, context.channels
    return Sound(listening.audio.path, rate, channels, duration_ms, listening.loudness_lufs)


def make_cover(artwork: Path, target: Path) -> None:
    """The show's picture as a square JPEG of 1,400 pixels at most.

    Raises:
        UsageError: it can't be read.
    """
    from PIL import ImageOps

    art = opened_artwork(artwork)
    side = min(COVER_PX, *art.size)
    ImageOps.fit(art, (side, side)).save(target, quality=90)


def encode_episode(
    sound: Sound, target: Path, tags: Path, cover: Path | None, kbps: int, progress: Progress = no_progress
) -> Level:
    """Write an episode and measure it; gain and limit are corrected until it fits. The same input gives the same bytes.

    Args:
        sound: what is encoded; an M4A at the right loudness is taken over without encoding it once more.
        target: `.mp3` or `.m4a`.
        tags: tags and chapters, as ffmpeg's metadata file.
        cover: JPEG, or None.
        kbps: bit rate.
        progress: told the share that is done.

    Raises:
        ToolFailed: ffmpeg died, stalled, or can't encode.
    """
    wanted = wanted_lufs(sound)
    gain = 0.0 if sound.loudness_lufs is None else wanted - sound.loudness_lufs
    limit = _FIRST_LIMIT_DB
    best: tuple[float, Level] | None = None
    part = target.with_stem(f"{target.stem}.part")
    for number in range(_TRIES):
        as_it_is = number == 0 and target.suffix == ".m4a" and abs(gain) <= _NEAR_LU
        audio = source(sound.path).audio
        if not as_it_is:
            audio = limited(audio, sound.rate_hz, gain, limit)
        _write(audio, part, tags, cover, "copy" if as_it_is else f"{kbps}k", sound.duration_ms)
        level = measured(part, sound)
        off = 0.0 if level.loudness_lufs is None else level.loudness_lufs - wanted
        over = max(0.0, level.true_peak_dbtp - TRUE_PEAK_DBTP)
        badness = abs(off) + 10 * over
        if best is None or badness < best[0]:
            best = (badness, level)
            part.replace(target)
        if level.loudness_lufs is None or (abs(off) <= _NEAR_LU and not over):
            break
        if not as_it_is:
            gain -= off
            limit -= over + 0.2 if over else 0.0
        progress((number + 1) / _TRIES)
    part.unlink(missing_ok=True)
    assert best is not None  # the loop ran at least once
    return best[1]


def wanted_lufs(sound: Sound) -> float:
    """How loud an episode should be."""
    return MONO_LUFS if sound.channels == 1 else STEREO_LUFS


def measured(path: Path, sound: Sound) -> Level:
    """Loudness and true peak of a finished episode."""
    heard = hear(source(path)["a:0"], sound.rate_hz, sound.channels)
    return Level(heard.loudness_lufs, heard.true_peak_dbtp)


def _write(audio: Any, target: Path, tags: Path, cover: Path | None, rate: str, duration_ms: int) -> None:
    import ffmpeg

    options: dict[str, Any] = {"fflags": "+bitexact", "flags:a": "+bitexact"}
    if rate == "copy":
        options |= {"c:a": "copy"}
    elif target.suffix == ".mp3":
        options |= {"c:a": "libmp3lame", "b:a": rate}
    else:
        options |= {"c:a": "aac", "b:a": rate, "aac_coder": "fast"}
    options |= {"id3v2_version": 3, "write_id3v1": 0} if target.suffix == ".mp3" else {"movflags": "+faststart"}
    streams = [audio]
    if cover is not None:
        streams.append(ffmpeg.input(f"file:{cover}").video)
        options |= {"c:v": "copy", "disposition:v": "attached_pic"}
    number = len(streams)  # of the metadata file, which comes last
    output = ffmpeg.output(*streams, f"file:{target}", map_metadata=number, map_chapters=number, **options)
    # an input without a stream has no place in a graph; ffmpeg takes inputs behind outputs as well
    with_tags = output.global_args("-f", "ffmetadata", "-i", f"file:{tags}")
    run(with_tags, limit_s=_GRACE_S + duration_ms / 1000, what="The episode can't be encoded")
