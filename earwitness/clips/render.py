"""Encoding clips: even loudness, and a picture with captions if one is wanted."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from earwitness.audio.ffmpeg import run, running, source
from earwitness.audio.limiter import limited
from earwitness.audio.peaks import TRUE_PEAK_DBTP, crests, dbtp, true_peak
from earwitness.clips.brand import opened_artwork
from earwitness.clips.cutting import FADE_MS, RATE_HZ, Piece
from earwitness.clips.film import Shot, reframed
from earwitness.clips.picture import Scene, artwork_box, moving, still

if TYPE_CHECKING:
    from pysubs2 import SSAFile

FRAME_RATE = 25
LEVELS = 400
"""Of the waveform."""

_TRIES = 5
_WITHIN_LU = 0.3
_MOST_GAIN_DB = 40.0
_LIMIT_S = 900.0
_FIRST_LIMIT_DB = -1.8
"""AAC adds some to the peaks; if it adds more, the limit is lowered."""
_FRAME = 4_800
SOFTER_DB = 0.7
"""How much lower the limit begins when a clip is made once more."""


def encode_sound(
    piece: Piece, start_ms: int, end_ms: int, target: Path, loudness_lufs: float, *, softer_db: float = 0.0
) -> float | None:
    """Encode a clip as AAC in M4A: one gain, a true-peak limiter, fades of 20 ms. The same input gives the same bytes.

    The result is decoded and measured, and gain and limit are corrected until it fits.

    Args:
        piece: the sound around it.
        start_ms: on the recording's clock.
        end_ms: on the recording's clock.
        target: `.m4a` to write.
        loudness_lufs: integrated loudness wanted; the true peak stays at or under -1 dBTP.
        softer_db: how much lower the first limit of the peaks is than usual.

    Returns:
        the loudness reached; None for silence.
    """
    before = loudness_of(_read(piece, start_ms, end_ms))
    gain = 0.0 if before is None else min(_MOST_GAIN_DB, loudness_lufs - before)
    limit = _FIRST_LIMIT_DB - softer_db
    best: tuple[float, float | None] | None = None
    part = target.with_suffix(".part.m4a")
    for _ in range(_TRIES):
        _encode(piece, start_ms, end_ms, part, gain, limit)
        samples = decoded(part)
        loudness, peak = loudness_of(samples), true_peak_dbtp(samples)
        off = 0.0 if loudness is None else loudness - loudness_lufs
        over = max(0.0, peak - TRUE_PEAK_DBTP)
        badness = abs(off) + 10 * over
        if best is None or badness < best[0]:
            best = (badness, loudness)
            part.replace(target)
        if loudness is None or (abs(off) <= _WITHIN_LU and not over):
            break
        gain = min(_MOST_GAIN_DB, gain - off)
        limit -= over + 0.2 if over else 0.0
    part.unlink(missing_ok=True)
    return best[1] if best else None


def _encode(piece: Piece, start_ms: int, end_ms: int, target: Path, gain: float, limit: float) -> None:
    length = end_ms - start_ms
    around = source(piece.path, start_ms=start_ms - piece.offset_ms, end_ms=end_ms - piece.offset_ms).audio
    sound = (
        limited(around, RATE_HZ, gain, limit)
        .filter("afade", type="in", start_time=0, duration=FADE_MS / 1000)
        .filter("afade", type="out", start_time=f"{(length - FADE_MS) / 1000:.3f}", duration=FADE_MS / 1000)
    )
    output = sound.output(
        f"file:{target}",
        acodec="aac",
        audio_bitrate="128k",
        aac_coder="fast",  # a third of the default coder's time; FFmpeg's manual calls it worse only below 64 kbit/s
        ac=2,
        movflags="+faststart",
        map_metadata=-1,
        fflags="+bitexact",
        **{"flags:a": "+bitexact"},
    )
    run(output, limit_s=_LIMIT_S, what="The clip's sound can't be encoded")


def loudness_of(samples: npt.NDArray[np.float32]) -> float | None:
    """Integrated loudness in LUFS of samples of shape (samples, 2)."""
    from earwitness.audio.measure import Meter

    meter = Meter(RATE_HZ, 2)
    meter.feed(samples)
    return meter.finish().metrics.loudness_lufs


def true_peak_dbtp(samples: npt.NDArray[np.float32]) -> float:
    """True peak of samples of shape (samples, channels)."""
    return dbtp(true_peak(samples, crests(samples, _FRAME), _FRAME))


def _read(piece: Piece, start_ms: int, end_ms: int) -> npt.NDArray[np.float32]:
    import soundfile

    first, last = ((at - piece.offset_ms) * RATE_HZ // 1000 for at in (start_ms, end_ms))
    samples: npt.NDArray[np.float32] = soundfile.read(
        piece.path, start=first, stop=last, dtype="float32", always_2d=True
    )[0]
    return samples


def decoded(path: Path) -> npt.NDArray[np.float32]:
    """Samples of a finished clip, shape (samples, 2), 48 kHz.

    Raises:
        ToolFailed: ffmpeg can't decode it.
    """
    blocks = []
    raw = memoryview(bytearray(1 << 20))
    with running(
        source(path).audio.output("pipe:1", format="f32le", acodec="pcm_f32le", ac=2), limit_s=_LIMIT_S
    ) as child:
        while got := child.read_into(raw):
            blocks.append(bytes(raw[:got]))
            if got < len(raw):
                break
        child.finish().raise_for_failure(what="The clip can't be read back")
    return np.frombuffer(b"".join(blocks), "<f4").reshape(-1, 2)


def levels_of_clip(sound: Path) -> npt.NDArray[np.float32]:
    """The waveform of a clip: loudness of `LEVELS` even parts, 0..1, the loudest 1."""
    samples = np.abs(decoded(sound)).max(axis=1)
    edges = np.linspace(0, len(samples), LEVELS + 1).astype(int)
    parts = [samples[start:end] for start, end in pairwise(edges)]
    levels = np.array([float(np.sqrt(np.mean(np.square(part)))) if len(part) else 0.0 for part in parts], np.float32)
    largest = float(levels.max(initial=0.0))
    return np.sqrt(levels / largest).astype(np.float32) if largest else levels


def encode_picture(scene: Scene, sound: Path, target: Path, shot: Shot | None = None) -> None:
    """Encode a clip as H.264 and AAC in MP4, ready to be streamed. The same input gives the same bytes.

    Args:
        scene: what is shown.
        sound: the clip's finished M4A; copied, not encoded again.
        target: `.mp4` to write.
        shot: what of the recording's own picture lies under it; None: a ground is drawn.

    Raises:
        UsageError: the artwork can't be read.
        ToolFailed: ffmpeg can't encode.
    """
    import ffmpeg

    stills, moves = target.with_suffix(".still.ass"), target.with_suffix(".ass")
    changing = moving(scene)
    still(scene).save(str(stills))
    changing.save(str(moves))
    seconds = f"{scene.length_ms / 1000:.3f}"
    listened: Any = source(sound)
    drawing = {"fontsdir": str(scene.fonts.folder), "shaping": "complex"}
    if shot is not None:
        picture = (
            reframed(shot, scene.preset.size, FRAME_RATE, scene.look.ground)
            .filter("ass", filename=str(stills), **drawing)
            .filter("ass", filename=str(moves), **drawing)
        )
    else:
        # what does not move is drawn once, and what does where it changes, a few times a second
        picture = (
            _ground(scene, target)
            .filter("format", "yuv420p")
            .filter("ass", filename=str(stills), **drawing)
            .filter("loop", loop=-1, size=1, start=0)
            .filter("setpts", f"N/({FRAME_RATE}*TB)")
            .filter("select", expr=_changes(changing))
            .filter("ass", filename=str(moves), **drawing)
            .filter("fps", fps=FRAME_RATE, start_time=0)
        )
    picture = picture.filter("format", "yuv420p")
    output = ffmpeg.output(
        picture,
        listened.audio,
        f"file:{target}",
        **ENCODING,
        acodec="copy",
        t=seconds,
        movflags="+faststart",
        map_metadata=-1,
        fflags="+bitexact",
        **{"flags:v": "+bitexact", "flags:a": "+bitexact"},
    )
    run(output, limit_s=_LIMIT_S, what="The clip's picture can't be encoded")


def _changes(drawn: "SSAFile") -> str:
    """A condition of ffmpeg's: the frames at which something appears or goes, and one a second."""
    # ASS counts in hundredths, so that rounding may bring a change forward
    at = {ms - early for event in drawn for ms in (event.start, event.end) for early in (0, 9)}
    frames = sorted({max(0, -(-ms * FRAME_RATE // 1000)) for ms in at})
    runs: list[tuple[int, int]] = []
    for frame in frames:
        if runs and frame == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], frame)
        else:
            runs.append((frame, frame))
    return _sum([f"not(mod(n,{FRAME_RATE}))", *(f"between(n,{first},{last})" for first, last in runs)])


def _sum(terms: Sequence[str]) -> str:
    """Terms added two and two: ffmpeg refuses expressions that are nested a hundred deep, as a plain sum is."""
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return f"({_sum(terms[:half])}+{_sum(terms[half:])})"


ENCODING: dict[str, Any] = {
    "vcodec": "libx264",
    "preset": "veryfast",
    "crf": 23,
    "g": 2 * FRAME_RATE,
    "profile:v": "high",
    "colorspace": "bt709",
    "color_primaries": "bt709",
    "color_trc": "bt709",
    "threads": 2,  # x264's output depends on the number of threads
}


def _ground(scene: Scene, target: Path) -> Any:
    """One frame that everything is drawn on: a colour, or the artwork."""
    import ffmpeg

    wide, tall = scene.preset.size
    if scene.look.artwork is None:
        ground = scene.look.ground.lstrip("#")
        one = 1 / FRAME_RATE
        return ffmpeg.input(f"color=c=0x{ground}:s={wide}x{tall}:r={FRAME_RATE}:d={one}", format="lavfi").video
    painted = target.with_suffix(".png")
    _paint(scene, scene.look.artwork, painted)
    return ffmpeg.input(f"file:{painted}", framerate=FRAME_RATE).video


def _paint(scene: Scene, artwork: Path, target: Path) -> None:
    """The artwork, blurred and dark, over the whole picture; as it is, in the middle, where there is room."""
    from PIL import ImageEnhance, ImageFilter, ImageOps

    art = opened_artwork(artwork)
    picture = ImageOps.fit(art, scene.preset.size).filter(ImageFilter.GaussianBlur(36))
    picture = ImageEnhance.Brightness(picture).enhance(0.35)
    box = artwork_box(scene.preset)
    if box and scene.artwork:
        left, top, side = box
        fitted = ImageOps.contain(art, (side, side))
        picture.paste(fitted, (left + (side - fitted.width) // 2, top + (side - fitted.height) // 2))
    picture.save(target)
