import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from earwitness.audio.facts import ListeningCopy
from earwitness.audio.ffmpeg import ffmpeg_path
from earwitness.audio.listen import make_listening_copy
from earwitness.audio.probe import probe
from earwitness.audio.validate import validate_recording
from earwitness.settings import ListenSettings, ValidateSettings
from tests.loudness import by_ffmpeg

Samples = npt.NDArray[Any]


def heard(path: Path, slice_ms: tuple[int, int] | None = None, **settings: Any) -> ListeningCopy:
    validated = validate_recording(path, ValidateSettings(), slice_ms)
    return make_listening_copy(path, validated, ListenSettings(**settings))


@pytest.mark.parametrize("gain_db", [-35, 0, 12])
@pytest.mark.parametrize("target", [-16, -23])
def test_loudness_and_true_peak_hold_by_another_meter(
    gain_db: float, target: float, speech: Samples, tmp_path: Path
) -> None:
    path = tmp_path / "talk.wav"
    soundfile.write(path, np.clip(speech * 10 ** (gain_db / 20), -1, 1), 16_000)
    copy = heard(path, loudness_lufs=target)
    loudness, peak = by_ffmpeg(copy.audio.path)
    assert loudness == pytest.approx(target, abs=0.5)
    assert peak <= -1 + 0.15  # two meters differ by a tenth
    assert copy.loudness_lufs == pytest.approx(loudness, abs=0.3)


def test_stereo_and_bandwidth_of_the_source_are_kept(speech: Samples, tmp_path: Path) -> None:
    from scipy.signal import resample_poly

    wide = resample_poly(speech, 441, 160)
    path = tmp_path / "talk.wav"
    soundfile.write(path, np.stack([wide, np.roll(wide, 99)], axis=1), 44_100)
    track = probe(heard(path).audio.path).audio[0]
    assert (track.codec, track.sample_rate_hz, track.channels) == ("aac", 44_100, 2)


def test_mono_stays_mono_and_one_live_channel_becomes_mono(speech: Samples, tmp_path: Path) -> None:
    for name, samples in (("mono", speech), ("left", np.stack([speech, 0 * speech], axis=1))):
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, samples, 16_000)
        assert probe(heard(path).audio.path).audio[0].channels == 1


def test_antiphase_is_turned_over_for_single_loudspeakers(speech: Samples, tmp_path: Path) -> None:
    path = tmp_path / "anti.wav"
    soundfile.write(path, np.stack([speech, -speech], axis=1), 16_000)
    copy = heard(path)
    command = [ffmpeg_path(), "-v", "error", "-i", str(copy.audio.path), "-f", "f32le", "-"]
    samples = np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.float32).reshape(-1, 2)
    left, right = samples.T
    assert np.mean(left * right) > 0.9 * np.mean(left * left)


def test_a_slice_gives_a_copy_of_the_slice(speech: Samples, tmp_path: Path) -> None:
    path = tmp_path / "talk.flac"
    soundfile.write(path, speech, 16_000)
    duration = probe(heard(path, slice_ms=(1_000, 4_000)).audio.path).duration_ms
    assert duration == pytest.approx(3_000, abs=80)


def test_the_same_input_gives_the_same_bytes_and_names_no_time(speech: Samples, tmp_path: Path) -> None:
    one, two = tmp_path / "a.wav", tmp_path / "b.wav"
    for path in (one, two):
        soundfile.write(path, speech, 16_000)
    first, second = heard(one), heard(two)
    assert first == second
    assert "creation_time" not in probe(first.audio.path).tags


def test_the_index_comes_before_the_sound(speech: Samples, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, speech, 16_000)
    content = heard(path).audio.path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_peaks_follow_the_sound(speech: Samples, tmp_path: Path) -> None:
    samples = speech.copy()
    samples[:80_000] = 0
    path = tmp_path / "half.wav"
    soundfile.write(path, samples, 16_000)
    peaks = heard(path).peaks
    assert 400 < len(peaks) <= 2_000
    assert max(peaks) == 100
    assert max(peaks[: len(peaks) // 2 - 10]) <= 1


def test_silence_stays_silence(tmp_path: Path) -> None:
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(32_000), 16_000)
    copy = heard(path)
    assert copy.loudness_lufs is None
    assert set(copy.peaks) == {0}
