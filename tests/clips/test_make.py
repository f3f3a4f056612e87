import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earwitness.audio.ffmpeg import ffmpeg_path
from earwitness.checks.clips import check_clip
from earwitness.checks.finding import Finding, error
from earwitness.clips.clip import Clipped
from earwitness.clips.make import choose_clip_maker, make_clips
from earwitness.options import Profile
from earwitness.settings import ClipSettings
from earwitness.words.cast import Speaker
from earwitness.words.transcript import Utterance, Word
from tests.loudness import by_ffmpeg

# The words of pyannote.audio's sample call, as people hear them: (start, end, speaker, text).
CALL = (
    (6_690, 7_120, "SPEAKER_00", "Hello?"),
    (7_550, 8_350, "SPEAKER_01", "Hello?"),
    (8_320, 9_900, "SPEAKER_00", "Oh, hello. I didn't know you were there."),
    (9_920, 11_030, "SPEAKER_01", "Neither did I."),
    (10_570, 14_700, "SPEAKER_00", "Okay, then I thought you know, I heard a beep. This is Diane in New Jersey."),
    (14_490, 17_920, "SPEAKER_01", "And I'm Sheila in Texas, originally from Chicago."),
    (18_050, 21_490, "SPEAKER_00", "Oh, I'm originally from Chicago also. I'm in New Jersey now though."),
    (21_780, 28_500, "SPEAKER_01", "Well, there isn't that much difference. They all call me a Yankee."),
    (27_850, 29_990, "SPEAKER_00", "Oh, I don't hear that in New Jersey now."),
)  # fmt: skip
SPEAKERS = [
    Speaker(label="SPEAKER_00", name="Diane {\\an8\\fs200}", named_by="transcript"),
    Speaker(label="SPEAKER_01", name="Sheila\n<b>", named_by="transcript"),
]


def call() -> list[Utterance]:
    found = []
    for number, (start, end, speaker, text) in enumerate(CALL, start=1):
        key, spoken = f"u{number:04d}", text.split()
        step = (end - start) / len(spoken)
        words = tuple(
            Word(word, round(start + n * step), round(start + (n + 1) * step), 1.0, speaker, key)
            for n, word in enumerate(spoken)
        )
        found.append(Utterance(key, speaker, start, end, text, words))
    return found


def made(audio: Path, profile: Profile = Profile.TABLETOP, *, video: bool = False, **changed: object) -> Clipped:
    settings = ClipSettings.model_validate(
        {"count": 2, "min_s": 12, "max_s": 60, "video": video, "presets": ("square",), **changed}
    )
    return make_clips(audio, call(), SPEAKERS, None, settings, choose_clip_maker(), profile=profile)


def samples(path: Path, folder: Path) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    target = folder / "decoded.wav"
    subprocess.run([ffmpeg_path(), "-v", "error", "-y", "-i", str(path), str(target)], check=True)
    data: np.ndarray[tuple[int, int], np.dtype[np.float32]] = soundfile.read(target, dtype="float32", always_2d=True)[0]
    return data


def test_a_thirty_second_call_gives_a_clip_at_the_right_loudness(phone_call: Path, tmp_path: Path) -> None:
    result = made(phone_call)
    (clip,) = result.listing.clips
    assert (clip.path, clip.captions, clip.preset) == ("clips/clip-1.m4a", "clips/clip-1.srt", "audio")
    assert set(result.files) == {clip.path, clip.captions}
    assert result.listing.reason.startswith("1 of 2")
    loudness, peak = by_ffmpeg(result.files[clip.path].path)
    assert loudness == pytest.approx(-14, abs=0.6)
    assert peak <= -1.0
    data = samples(result.files[clip.path].path, tmp_path)
    assert len(data) / 48_000 == pytest.approx(clip.end_s - clip.start_s, abs=0.06)
    assert abs(data[:48]).max() < 0.05
    assert abs(data[-48:]).max() < 0.05


def test_cuts_lie_in_no_word_and_keep_the_limits(phone_call: Path) -> None:
    for clip in made(phone_call, min_s=5, max_s=14).listing.clips:
        assert 5 <= clip.end_s - clip.start_s <= 14
        for utterance in call():
            for word in utterance.words:
                for cut in (clip.start_s * 1000, clip.end_s * 1000):
                    assert not word.start_ms + 60 < cut < word.end_ms - 60


def test_podcast_clips_are_as_loud_as_podcasts(phone_call: Path) -> None:
    result = made(phone_call, Profile.PODCAST)
    assert by_ffmpeg(result.files["clips/clip-1.m4a"].path)[0] == pytest.approx(-16, abs=0.6)


@pytest.mark.slow
def test_a_video_is_captioned_the_same_every_time_and_on_a_machine_without_fonts(
    phone_call: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = made(phone_call, video=True, count=1, max_s=14)
    (clip,) = first.listing.clips
    assert (clip.path, clip.preset) == ("clips/clip-1.mp4", "square")
    video = tmp_path / "clip.mp4"
    shutil.copyfile(first.files[clip.path].path, video)
    shown = subprocess.run(
        [ffmpeg_path(), "-hide_banner", "-i", str(video)], capture_output=True, text=True, check=False
    )
    assert "h264" in shown.stderr
    assert "1080x1080" in shown.stderr
    assert "aac" in shown.stderr
    head = video.read_bytes()[:4096]
    assert b"moov" in head
    home = tmp_path / "it's; a: [home], 100%"
    home.mkdir()
    monkeypatch.setenv("EARWITNESS_HOME", str(home))
    monkeypatch.setenv("FONTCONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("FONTCONFIG_PATH", "/nonexistent")
    again = made(phone_call, video=True, count=1, max_s=14)
    assert again.digest() == first.digest()
    assert clip.captions
    cue = re.search(r"(\d+):(\d+):(\d+),(\d+) -->", first.files[clip.captions].path.read_text("utf-8"))
    assert cue
    at = int(cue.group(3)) + int(cue.group(4)) / 1000 + 0.2
    frame = subprocess.run(
        [ffmpeg_path(), "-v", "error", "-ss", f"{at:.3f}", "-i", str(video), "-frames:v", "1", "-f", "rawvideo",
         "-pix_fmt", "gray", "-"], capture_output=True, check=True,
    ).stdout  # fmt: skip
    picture = np.frombuffer(frame, np.uint8).reshape(1080, 1080)
    assert (picture[800:960, 90:990] > 120).sum() > 200
    assert (picture[80:300, 90:990] > 200).sum() > 200
    assert not (picture[80:1060, :30] > 120).any()


def test_without_a_clip_there_is_a_reason_and_no_file(phone_call: Path) -> None:
    settings = ClipSettings(count=2, min_s=12, max_s=60, video=False)
    result = make_clips(phone_call, call()[:3], SPEAKERS, None, settings, choose_clip_maker())
    assert result.listing.clips == []
    assert result.files == {}
    assert "12 s" in result.listing.reason


def test_several_presets_each_have_their_size_and_loudness_and_the_shows_artwork(
    phone_call: Path, tmp_path: Path
) -> None:
    from PIL import Image

    artwork = tmp_path / "it's art.png"
    Image.new("RGB", (300, 300), (250, 30, 30)).save(artwork)
    result = made(
        phone_call, video=True, count=1, min_s=3, max_s=6, presets=("shorts", "podcast"), artwork=artwork
    )  # fmt: skip
    (clip,) = result.listing.clips
    assert [(r.preset, r.width, r.height) for r in clip.renditions] == [("shorts", 1080, 1920), ("podcast", 1080, 1080)]
    assert (clip.path, clip.preset) == ("clips/clip-1-shorts.mp4", "shorts")
    assert set(result.files) == {clip.captions, *(r.path for r in clip.renditions)}
    for rendition, wanted in zip(clip.renditions, (-14, -16), strict=True):
        loudness, peak = by_ffmpeg(result.files[rendition.path].path)
        assert loudness == pytest.approx(wanted, abs=0.6)
        assert loudness == pytest.approx(rendition.loudness_lufs, abs=0.2)
        assert peak <= -1.0
        assert rendition.duration_s == pytest.approx(clip.end_s - clip.start_s, abs=0.001)
    frame = subprocess.run(
        [ffmpeg_path(), "-v", "error", "-ss", "1", "-i", str(result.files[clip.path].path), "-frames:v", "1",
         "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True,
    ).stdout  # fmt: skip
    picture = np.frombuffer(frame, np.uint8).reshape(1920, 1080, 3)
    assert picture[740, 540, 0] > 200
    assert picture[740, 540, 1] < 90
    assert 40 < picture[60, 60, 0] < 130


def test_fillers_and_pauses_go_if_that_is_asked_for(phone_call: Path) -> None:
    whole = made(phone_call, count=1).listing.clips[0]
    assert whole.cut_out_s == 0
    result = made(phone_call, count=1, min_s=3, max_s=60, shorten=True)
    for clip in result.listing.clips:
        assert clip.renditions[0].duration_s == pytest.approx(clip.end_s - clip.start_s - clip.cut_out_s, abs=0.001)


@pytest.mark.parametrize(("bad_times", "published"), [(1, True), (2, False)])
def test_a_bad_file_is_made_once_more_and_never_published(
    phone_call: Path, monkeypatch: pytest.MonkeyPatch, bad_times: int, published: bool
) -> None:
    calls: list[Path] = []

    def strict(media: Path, *args: object, **how: object) -> list[Finding]:
        calls.append(media)
        if len(calls) <= bad_times:
            return [error(media.name, "It is bad.")]
        return check_clip(media, *args, **how)  # type: ignore[arg-type]

    monkeypatch.setattr("earwitness.clips.make.check_clip", strict)
    result = made(phone_call, count=1)
    assert len(calls) == 2
    assert bool(result.listing.clips) == bool(result.files) == published
    assert any("It is bad" in line for line in result.warnings) != published


def test_letters_that_no_font_has_are_not_drawn_as_boxes(phone_call: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", list)
    strange = [replace(u, words=tuple(replace(w, text="ꦗꦮ") for w in u.words), text="ꦗꦮ") for u in call()]
    settings = ClipSettings(count=1, min_s=12, max_s=60, video=True, presets=("square",))
    result = make_clips(phone_call, strange, SPEAKERS, None, settings, choose_clip_maker())
    assert [clip.preset for clip in result.listing.clips] == ["audio"]
    assert "clip.font" in result.warnings[0]


def test_silence_is_neither_amplified_nor_published(tmp_path: Path) -> None:
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros(16_000 * 30, np.float32), 16_000)
    result = made(silence, count=1)
    assert "silent" in result.warnings[0]
    assert result.listing.clips == []
    assert result.files == {}
    assert "warnings say why" in result.listing.reason


def test_words_beyond_the_end_of_the_sound_are_left_out_with_a_warning(tmp_path: Path) -> None:
    short = tmp_path / "short.wav"
    soundfile.write(short, np.zeros(16_000 * 10, np.float32), 16_000)
    result = made(short)
    assert result.listing.clips == []
    assert "after the end of the sound" in result.warnings[0]
