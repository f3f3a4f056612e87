"""The picture of a video recording in its clips: in step with the sound, never stretched, in ordinary colours."""

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from earwitness.audio.ffmpeg import ffmpeg_path
from earwitness.audio.listen import make_listening_copy
from earwitness.audio.validate import validate_recording
from earwitness.clips.cutting import Cut, Room, joined, take_out
from earwitness.clips.film import Film, Reframing, Shot, film_source, open_film, shape_at
from earwitness.clips.fonts import fonts_in
from earwitness.clips.picture import Scene
from earwitness.clips.presets import Preset
from earwitness.clips.render import FRAME_RATE, encode_picture, encode_sound
from earwitness.errors import RecordingGone
from earwitness.settings import ListenSettings, ValidateSettings

UPRIGHT = Preset("tiny", 180, 320, font_size=12, side=10, top=20, bottom=40)
FLASHES = (2.0, 5.0)
"""Seconds at which a synthetic film flashes white and beeps, for a fifth of a second."""
BEEPS = "0.3*sin(2*PI*1000*t)*(between(t,2,2.2)+between(t,5,5.2))+0.01*sin(2*PI*300*t)"
WHITE = "255*(between(T,2,2.199)+between(T,5,5.199))"


def ffmpeg(*arguments: object) -> bytes:
    command = [ffmpeg_path(), "-v", "error", "-nostdin", "-y", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=True).stdout


def film(target: Path, *, rate: str = "25", late: float = 0.0, options: tuple[object, ...] = ()) -> Path:
    """A film that flashes when it beeps; its sound begins `late` seconds after the picture."""
    beeps = BEEPS.replace("t,", f"t+{late},")
    ffmpeg(
        "-f", "lavfi", "-i", f"nullsrc=s=48x28:r={rate}:d=8,geq=lum='{WHITE}':cb=128:cr=128",
        "-itsoffset", late, "-f", "lavfi", "-i", f"aevalsrc='{beeps}':s=48000:d={8 - late}",
        "-map", "0:v", "-map", "1:a", "-pix_fmt", "yuv420p", *options, target,
    )  # fmt: skip
    return target


def clip_of(recording: Path, folder: Path, cut: Cut, slice_ms: tuple[int, int] | None = None) -> Path:
    """A clip as the stages make it: validate, listen, clip."""
    validated = validate_recording(recording, ValidateSettings(min_score=0), slice_ms)
    wanted = film_source(recording, validated)
    assert wanted is not None
    opened = open_film(wanted)
    assert opened is not None
    heard = make_listening_copy(recording, validated, ListenSettings()).audio.path
    around = take_out(heard, Room(cut.start_ms, cut.start_ms, cut.end_ms, cut.end_ms), folder, "around")
    sound, target = folder / "sound.m4a", folder / "clip.mp4"
    encode_sound(joined(around, cut, folder / "cut.wav"), 0, cut.length_ms, sound, -16.0)
    shape = shape_at(opened, cut)
    assert shape is not None
    return rendered(opened, cut, shape, target, sound)


def rendered(
    opened: Film, cut: Cut, shape: tuple[int, int], target: Path, sound: Path, how: Reframing = "fill"
) -> Path:
    fonts = fonts_in(target.parent)
    scene = Scene(UPRIGHT, (), "", {}, cut.length_ms, np.zeros(0, np.float32), fonts, over_film=True)
    encode_picture(scene, sound, target, Shot(opened, cut, shape, how))
    return target


def pictures(path: Path) -> npt.NDArray[np.uint8]:
    """Every frame in grey."""
    raw = ffmpeg("-i", path, "-f", "rawvideo", "-pix_fmt", "gray", "-")
    return np.frombuffer(raw, np.uint8).reshape(-1, UPRIGHT.height, UPRIGHT.width)


def flashes_s(path: Path) -> list[float]:
    light = pictures(path)[:, 160, 90] > 128
    return [n / FRAME_RATE for n in range(len(light)) if light[n] and (n == 0 or not light[n - 1])]


def beeps_s(path: Path, folder: Path) -> list[float]:
    ffmpeg("-i", path, "-vn", folder / "heard.wav")
    samples, rate = soundfile.read(folder / "heard.wav", dtype="float32", always_2d=True)
    frame = rate // 200
    loud = np.abs(samples[: len(samples) // frame * frame, 0]).reshape(-1, frame).max(axis=1)
    loud = loud > 0.3 * loud.max()
    return [n / 200 for n in range(len(loud)) if loud[n] and (n == 0 or not loud[n - 20 : n].any())]


X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac")
VP8 = ("-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus")


@pytest.mark.parametrize(
    ("name", "made", "slice_ms", "gap"),
    [
        ("plain.mp4", {"options": X264}, None, False),
        ("shortened.mp4", {"options": X264}, None, True),
        ("sound-later.mkv", {"options": X264, "late": 0.7}, None, False),
        ("sliced.webm", {"options": VP8, "rate": "30000/1001"}, (700, 7_500), False),
        ("few-pictures.ts", {"options": (*X264, "-bf", "2"), "rate": "10"}, None, False),
        ("changing-rate.mkv", {"options": ("-vf", "select='not(between(mod(n,7),3,4))'", "-fps_mode", "vfr", *X264)},
         None, True),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_picture_and_sound_stay_together(
    name: str, made: dict[str, object], slice_ms: tuple[int, int] | None, gap: bool, tmp_path: Path
) -> None:
    recording = film(tmp_path / name, **made)  # type: ignore[arg-type]
    cut = Cut(((1_010, 2_500), (4_030, 5_600))) if gap else Cut(((1_010, 5_600),))
    path = clip_of(recording, tmp_path, cut, slice_ms)
    seen, heard = flashes_s(path), beeps_s(path, tmp_path)
    assert len(seen) == len(heard) == 2
    assert np.abs(np.subtract(seen, heard)).max() <= 0.04
    assert len(pictures(path)) == pytest.approx(cut.length_ms / 40, abs=1)


def square_box(path: Path) -> tuple[int, int]:
    """Width and height of the white square in the middle of the first picture."""
    picture = pictures(path)[1] > 180
    return int(picture[160].sum()), int(picture[:, 90].sum())


SQUARE = "drawbox=x=iw/2-{w}/2:y=ih/2-{h}/2:w={w}:h={h}:color=white:t=fill"


@pytest.mark.parametrize(
    ("name", "size", "drawn", "options", "how"),
    [
        ("wide.mp4", "320x180", (60, 60), X264, "blur"),
        ("wide.mp4", "320x180", (60, 60), X264, "fit"),
        ("upright.mp4", "180x320", (60, 60), X264, "blur"),
        ("odd.webm", "161x91", (30, 30), VP8, "blur"),
        ("odd.webm", "161x91", (30, 30), VP8, "fill"),
        ("anamorphic.mp4", "180x144", (30, 60), ("-vf", "setsar=2", *X264), "fit"),
        ("anamorphic.mp4", "180x144", (30, 60), ("-vf", "setsar=2", *X264), "fill"),
        ("ten-bit.mkv", "320x180", (60, 60), ("-pix_fmt", "yuv420p10le", *X264), "blur"),
        ("rgb.mkv", "320x180", (60, 60), ("-pix_fmt", "bgr0", "-c:v", "ffv1", "-c:a", "aac"), "fill"),
    ],
    ids=lambda value: value if isinstance(value, str) and "x" not in value else "",
)
def test_nothing_is_stretched(
    name: str, size: str, drawn: tuple[int, int], options: tuple[str, ...], how: Reframing, tmp_path: Path
) -> None:
    path, sound = tmp_path / name, tmp_path / "sound.m4a"
    square = SQUARE.format(w=drawn[0], h=drawn[1])
    ffmpeg(
        "-f", "lavfi", "-i", f"color=c=0x303030:s={size}:d=1,{square}", "-f", "lavfi", "-i", "sine=d=1", *options, path
    )
    ffmpeg("-i", path, "-vn", "-c:a", "aac", "-ac", "2", sound)
    opened, cut = Film(path, 0, wide_range=False), Cut(((0, 1_000),))
    shape = shape_at(opened, cut)
    assert shape is not None
    clip = rendered(opened, cut, shape, tmp_path / "clip.mp4", sound, how)
    wide, tall = square_box(clip)
    assert wide == pytest.approx(tall, abs=3)
    assert pictures(clip).shape[1:] == (320, 180)
    assert (pictures(clip)[1][60, 90] < 30) == (how == "fit")  # the ground beside it


def test_a_picture_that_a_phone_turned_stands_upright(tmp_path: Path) -> None:
    lying, path, sound = tmp_path / "lying.mp4", tmp_path / "turned.mp4", tmp_path / "sound.m4a"
    ffmpeg("-f", "lavfi", "-i", "color=c=0x303030:s=320x180:d=1,drawbox=x=0:w=40:h=ih:color=white:t=fill",
           "-f", "lavfi", "-i", "sine=d=1", *X264, lying)  # fmt: skip
    ffmpeg("-display_rotation", "90", "-i", lying, "-c", "copy", path)
    ffmpeg("-i", path, "-vn", "-c:a", "aac", "-ac", "2", sound)
    opened, cut = Film(path, 0, wide_range=False), Cut(((0, 1_000),))
    assert shape_at(opened, cut) == (180, 320)
    picture = pictures(rendered(opened, cut, (180, 320), tmp_path / "clip.mp4", sound))[1]
    assert picture[290:, 20:160].mean() > 180
    assert picture[:250, 20:160].mean() < 90


def test_bright_colours_of_hdr_are_brought_down(tmp_path: Path) -> None:
    path, sound = tmp_path / "hdr.mkv", tmp_path / "sound.m4a"
    pq = "setparams=color_trc=smpte2084:color_primaries=bt2020:colorspace=bt2020nc"
    ffmpeg("-f", "lavfi", "-i", f"color=c=0x808080:s=320x180:d=1,format=yuv420p10le,{pq}",
           "-f", "lavfi", "-i", "sine=d=1", "-c:v", "ffv1", "-c:a", "aac", path)  # fmt: skip
    ffmpeg("-i", path, "-vn", "-c:a", "aac", "-ac", "2", sound)
    validated = validate_recording(path, ValidateSettings(min_score=0))
    wanted = film_source(path, validated)
    assert wanted is not None
    opened = open_film(wanted)
    assert opened is not None
    assert opened.wide_range
    cut = Cut(((0, 1_000),))
    mapped = pictures(rendered(opened, cut, (320, 180), tmp_path / "mapped.mp4", sound, "fill"))[1]
    pale = replace(opened, wide_range=False)
    as_is = pictures(rendered(pale, cut, (320, 180), tmp_path / "pale.mp4", sound, "fill"))[1]
    # PQ 0.5 is about 92 nits, nearly the white of an ordinary screen
    assert mapped.mean() > as_is.mean() + 20


def test_a_film_that_ends_or_is_gone_is_told(tmp_path: Path) -> None:
    path = tmp_path / "short.mkv"
    ffmpeg("-f", "lavfi", "-i", "color=s=160x90:d=1", "-f", "lavfi", "-i", "sine=d=6", *X264, path)
    opened = Film(path, 0, wide_range=False)
    assert shape_at(opened, Cut(((0, 900),))) == (160, 90)
    assert shape_at(opened, Cut(((4_000, 5_000),))) is None
    validated = validate_recording(path, ValidateSettings(min_score=0))
    wanted = film_source(path, validated)
    path.unlink()
    assert wanted is not None
    with pytest.raises(RecordingGone, match="not where it was"):
        open_film(wanted)


def test_a_cover_is_no_film(tmp_path: Path) -> None:
    cover, path = tmp_path / "cover.png", tmp_path / "cover.m4a"
    ffmpeg("-f", "lavfi", "-i", "color=c=red:s=64x64:d=1", "-frames:v", "1", cover)
    ffmpeg("-f", "lavfi", "-i", "sine=d=3", "-i", cover, "-map", "0", "-map", "1", "-c:v", "copy", "-c:a", "aac",
           "-disposition:v", "attached_pic", path)  # fmt: skip
    assert film_source(path, validate_recording(path, ValidateSettings(min_score=0))) is None
