"""Cutting clips out of the listening copy: clean edges, even loudness, and a captioned picture if wanted."""

import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earwitness.audio.ffmpeg import run, running, source
from earwitness.audio.pcm import quietest_ms
from earwitness.clips.captions import Cue, Frame, burned
from earwitness.errors import EngineUnavailable

RATE_HZ = 48_000
FADE_MS = 20
TRUE_PEAK_DBTP = -1.0
FRAME_RATE = 25

_AROUND_MS = 600
"""Sound around the clip that is looked at for the quietest places."""
_HEAD_MS = 180
_TAIL_MS = 320
_TRIES = 5
_WITHIN_LU = 0.3
_MOST_GAIN_DB = 40.0
_LIMIT_S = 900.0
_FIRST_LIMIT_DB = -1.8
"""AAC adds some to the peaks; if it adds more, the limit is lowered."""
_FRAME = 4_800
_LOUD_ENOUGH = 0.7
_FONT_FILES = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")


@dataclass(frozen=True, slots=True)
class Room:
    """Where a clip may be cut: between the words inside it and the words around it, on the recording's clock."""

    earliest_ms: int
    first_word_ms: int
    last_word_ms: int
    latest_ms: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of sound, ready to be encoded."""

    path: Path
    """WAV, 48 kHz, around the clip."""
    offset_ms: int
    """Time of its first sample on the recording's clock."""
    length_ms: int


def take_out(audio: Path, room: Room, folder: Path, name: str) -> Piece:
    """Decode the sound around a clip.

    Raises:
        ToolFailed: ffmpeg can't decode it.
    """
    start = max(0, room.earliest_ms - _AROUND_MS)
    target = folder / f"{name}.wav"
    output = (
        source(audio, start_ms=start, end_ms=room.latest_ms + _AROUND_MS)
        .audio.filter("aresample", RATE_HZ)
        .output(f"file:{target}", acodec="pcm_s16le", ac=2, map_metadata=-1, fflags="+bitexact")
    )
    run(output, limit_s=_LIMIT_S, what="The listening copy can't be cut")
    import soundfile

    return Piece(target, start, round(soundfile.info(target).frames * 1000 / RATE_HZ))


def cut_points(piece: Piece, room: Room, longest_ms: int) -> tuple[int, int]:
    """Where the clip begins and ends: the quietest frames near its edges, never inside a word.

    Args:
        piece: the sound around the clip.
        room: where it may be cut.
        longest_ms: what the clip may last.

    Returns:
        (start, end) on the recording's clock.
    """
    spare = max(0, longest_ms - (room.last_word_ms - room.first_word_ms))
    last = piece.offset_ms + piece.length_ms
    tail = min(_TAIL_MS, spare, max(0, room.latest_ms - room.last_word_ms))
    end = _quietest(piece, room.last_word_ms, min(last, room.last_word_ms + tail))
    head = min(_HEAD_MS, spare - max(0, end - room.last_word_ms), max(0, room.first_word_ms - room.earliest_ms))
    start = _quietest(piece, max(piece.offset_ms, room.first_word_ms - max(0, head)), room.first_word_ms)
    return start, min(last, end)


def _quietest(piece: Piece, low: int, high: int) -> int:
    if high - low < 2 * FADE_MS:
        return (low + high) // 2 if high > low else low
    middle, reach = (low + high) // 2, (high - low) // 2
    return min(high, max(low, piece.offset_ms + quietest_ms(piece.path, middle - piece.offset_ms, reach)))


def encode_sound(piece: Piece, start_ms: int, end_ms: int, target: Path, loudness_lufs: float) -> float | None:
    """Encode a clip as AAC in M4A: one gain, a true-peak limiter, fades of 20 ms. The same input gives the same bytes.

    The result is decoded and measured, and gain and limit are corrected until it fits.

    Args:
        piece: the sound around it.
        start_ms: on the recording's clock.
        end_ms: on the recording's clock.
        target: `.m4a` to write.
        loudness_lufs: integrated loudness wanted; the true peak stays at or under -1 dBTP.

    Returns:
        the loudness reached; None for silence.
    """
    before = _loudness(_read(piece, start_ms, end_ms))
    gain = 0.0 if before is None else min(_MOST_GAIN_DB, loudness_lufs - before)
    limit = _FIRST_LIMIT_DB
    best: tuple[float, float | None] | None = None
    part = target.with_suffix(".part.m4a")
    for _ in range(_TRIES):
        _encode(piece, start_ms, end_ms, part, gain, limit)
        samples = _decoded(part)
        loudness, peak = _loudness(samples), _true_peak_dbtp(samples)
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
    sound = (
        source(piece.path, start_ms=start_ms - piece.offset_ms, end_ms=end_ms - piece.offset_ms)
        .audio.filter("volume", volume=f"{gain:.3f}dB", precision="float")
        # At twice the rate the limiter sees nearly all of what lies between the samples; the check sees the rest.
        .filter("aresample", 2 * RATE_HZ)
        .filter("alimiter", limit=f"{10 ** (limit / 20):.6f}", attack=5, release=50, level=0, latency=1)
        .filter("aresample", RATE_HZ)
        .filter("afade", type="in", start_time=0, duration=FADE_MS / 1000)
        .filter("afade", type="out", start_time=f"{(length - FADE_MS) / 1000:.3f}", duration=FADE_MS / 1000)
    )
    output = sound.output(
        f"file:{target}",
        acodec="aac",
        audio_bitrate="128k",
        ac=2,
        movflags="+faststart",
        map_metadata=-1,
        fflags="+bitexact",
        **{"flags:a": "+bitexact"},
    )
    run(output, limit_s=_LIMIT_S, what="The clip's sound can't be encoded")


def _loudness(samples: npt.NDArray[np.float32]) -> float | None:
    """Integrated loudness in LUFS of samples of shape (samples, 2)."""
    from earwitness.audio.measure import Meter

    meter = Meter(RATE_HZ, 2)
    meter.feed(samples)
    return meter.finish().metrics.loudness_lufs


def _true_peak_dbtp(samples: npt.NDArray[np.float32]) -> float:
    """Largest value between the samples (BS.1770-4, annex 2), looked for only where they come near to full scale."""
    from scipy.signal import resample_poly

    crest = np.abs(samples).max(axis=1, initial=0.0)
    highest = float(crest.max(initial=0.0))
    for start in range(0, len(samples), _FRAME):
        if crest[start : start + _FRAME].max() >= _LOUD_ENOUGH:
            around = samples[max(0, start - 32) : start + _FRAME + 32]
            highest = max(highest, float(np.abs(resample_poly(around, 4, 1, axis=0)).max()))
    return 20 * float(np.log10(max(highest, 1e-9)))


def _read(piece: Piece, start_ms: int, end_ms: int) -> npt.NDArray[np.float32]:
    import soundfile

    first, last = ((at - piece.offset_ms) * RATE_HZ // 1000 for at in (start_ms, end_ms))
    samples: npt.NDArray[np.float32] = soundfile.read(
        piece.path, start=first, stop=last, dtype="float32", always_2d=True
    )[0]
    return samples


def _decoded(path: Path) -> npt.NDArray[np.float32]:
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


def fonts_in(folder: Path) -> Path:
    """A folder with the fonts that captions are drawn in, the same on every machine.

    They lie in the matplotlib wheel (a dependency of pyannote.audio); a machine without any fonts draws them as well.
    Characters that they lack are taken from the system's fonts.

    Raises:
        EngineUnavailable: the wheel is not there.
    """
    spec = find_spec("matplotlib")
    home = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" if spec and spec.origin else None
    if home is None or not all((home / name).is_file() for name in _FONT_FILES):
        raise EngineUnavailable(
            f"The fonts for captions ({', '.join(_FONT_FILES)}) are not in matplotlib's folder.",
            "Reinstall matplotlib, or switch the picture off with --set clip.video=false.",
        )
    target = folder / "fonts"
    target.mkdir(exist_ok=True)
    for name in _FONT_FILES:
        shutil.copyfile(home / name, target / name)
    return target


def undrawable(fonts: Path, text: str) -> str:
    """The characters of `text` that the fonts lack; they show only where the system has a font with them."""
    from fontTools.ttLib import TTFont

    with TTFont(fonts / _FONT_FILES[0]) as font:
        known = font.getBestCmap()
    return "".join(sorted({char for char in text if not char.isspace() and ord(char) not in known}))


def encode_picture(
    sound: Path, cues: list[Cue], title: str, names: dict[str, str], length_ms: int, target: Path, fonts: Path
) -> None:
    """Encode a clip as H.264 and AAC in MP4: title, moving waveform, captions in the speakers' colours, progress bar.

    Args:
        sound: the clip's finished M4A; copied, not encoded again.
        cues: captions made with `Frame().line_chars`.
        title: of the clip.
        names: label → name to show.
        length_ms: of the clip.
        target: `.mp4` to write.
        fonts: what `fonts_in` gave.
    """
    import ffmpeg

    frame = Frame()
    script = target.with_suffix(".ass")
    burned(cues, title, names, length_ms, frame).save(str(script))
    seconds = f"{length_ms / 1000:.3f}"
    listened: Any = source(sound)
    wide = frame.width - 2 * frame.margin
    ground = ffmpeg.input(f"color=c=0x14161c:s={frame.width}x{frame.height}:r={FRAME_RATE}:d={seconds}", format="lavfi")
    bar = ffmpeg.input(f"color=c=0xffd166:s={frame.width}x10:r={FRAME_RATE}:d={seconds}", format="lavfi")
    waves = listened.audio.filter(
        "showwaves", s=f"{wide}x220", mode="cline", rate=FRAME_RATE, colors="0x5c6b8a", scale="sqrt", draw="full"
    )
    picture = (
        ground.overlay(waves, x=frame.margin, y=frame.height // 2 - 170, eof_action="repeat")
        .overlay(bar, x=f"-W+W*t/{seconds}", y="H-h")
        .filter("ass", filename=str(script), fontsdir=str(fonts), shaping="complex")
        .filter("format", "yuv420p")
    )
    output = ffmpeg.output(
        picture,
        listened.audio,
        f"file:{target}",
        vcodec="libx264",
        preset="veryfast",
        crf=25,
        g=2 * FRAME_RATE,
        threads=2,  # x264's output depends on the number of threads
        acodec="copy",
        t=seconds,
        movflags="+faststart",
        map_metadata=-1,
        fflags="+bitexact",
        **{"flags:v": "+bitexact", "flags:a": "+bitexact"},
    )
    run(output, limit_s=_LIMIT_S, what="The clip's picture can't be encoded")
