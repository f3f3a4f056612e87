import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from earwitness.audio.ffmpeg import ffmpeg_path
from earwitness.audio.measure import Measured, Meter

Samples = npt.NDArray[Any]


def measure(samples: Samples, rate: int = 16_000, blocks: int = 16) -> Measured:
    columns = samples if samples.ndim == 2 else samples[:, None]
    meter = Meter(rate, columns.shape[1])
    for start in range(0, len(columns), blocks * meter.frame):
        meter.feed(columns[start : start + blocks * meter.frame])
    return meter.finish()


def ebur128(path: Path) -> float:
    command = [ffmpeg_path(), "-nostdin", "-hide_banner", "-i", str(path), "-af", "ebur128", "-f", "null", "-"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    return float(re.findall(r"I:\s+(-?[\d.]+) LUFS", said)[-1])


def at_rate(samples: Samples, rate: int) -> Samples:
    from scipy.signal import resample_poly

    return np.asarray(resample_poly(samples, rate, 16_000))


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_loudness_agrees_with_ffmpegs_meter(rate: int, channels: int, speech: Samples, tmp_path: Path) -> None:
    mono = at_rate(speech, rate)
    samples = np.stack([mono, np.roll(mono, rate // 3) * 0.5], axis=1)[:, :channels]
    path = tmp_path / "speech.wav"
    soundfile.write(path, samples, rate, subtype="FLOAT")
    found = measure(samples.astype(np.float32), rate).metrics.loudness_lufs
    assert found == pytest.approx(ebur128(path), abs=0.3)


def test_loudness_of_real_recordings_agrees_with_ffmpegs_meter(shared_data: Path) -> None:
    paths = sorted((shared_data / "conversations").glob("*.flac"))[:4] + sorted((shared_data / "speech").glob("*.flac"))
    for path in paths:
        samples, rate = soundfile.read(path, dtype="float32")
        assert measure(samples, rate).metrics.loudness_lufs == pytest.approx(ebur128(path), abs=0.3), path.name


def test_a_full_scale_sine_has_the_standards_loudness() -> None:
    # BS.1770-4: a 997 Hz sine at 0 dBFS in one channel reads -3.01 LKFS.
    sine = np.sin(2 * np.pi * 997 * np.arange(480_000) / 48_000).astype(np.float32)
    assert measure(sine, 48_000).metrics.loudness_lufs == pytest.approx(-3.01, abs=0.05)


@settings(max_examples=15)
@given(gain_db=st.floats(-25, 9))
def test_a_gain_moves_levels_and_nothing_else(gain_db: float, speech: Samples) -> None:
    plain = measure(speech).metrics
    moved = measure((speech * 10 ** (gain_db / 20)).astype(np.float32)).metrics
    assert plain.loudness_lufs is not None
    assert plain.peak_dbfs is not None
    assert plain.noise_floor_dbfs is not None
    assert moved.loudness_lufs == pytest.approx(plain.loudness_lufs + gain_db, abs=0.1)
    assert moved.peak_dbfs == pytest.approx(plain.peak_dbfs + gain_db, abs=0.02)
    assert moved.noise_floor_dbfs == pytest.approx(plain.noise_floor_dbfs + gain_db, abs=0.3)
    assert moved.snr_db == pytest.approx(plain.snr_db, abs=0.3)
    assert moved.silence_share == pytest.approx(plain.silence_share, abs=0.02)


@settings(max_examples=15)
@given(blocks=st.integers(1, 40), cut=st.integers(0, 20_000))
def test_the_size_of_blocks_does_not_matter(blocks: int, cut: int, speech: Samples) -> None:
    samples = speech[: len(speech) - cut]
    one, other = measure(samples, blocks=16), measure(samples, blocks=blocks)
    assert other.samples == len(samples)
    for name, value in one.metrics:
        assert getattr(other.metrics, name) == pytest.approx(value, abs=0.1), name


def test_noise_is_told_from_speech(speech: Samples) -> None:
    rng = np.random.default_rng(7)
    level = measure(speech).speech_dbfs
    assert level is not None
    found: list[float] = []
    for snr in (5, 10, 20):
        noise = rng.standard_normal(len(speech)) * 10 ** ((level - snr) / 20)
        metrics = measure((speech + noise).astype(np.float32)).metrics
        assert metrics.noise_floor_dbfs == pytest.approx(level - snr, abs=2)
        # Under loud noise only the loudest speech counts as speech: the estimate is a few decibels high.
        assert metrics.snr_db == pytest.approx(snr, abs=5)
        found.append(metrics.snr_db or 0)
    assert found == sorted(found)


def test_clipping_is_counted_only_at_full_scale(speech: Samples) -> None:
    loud = np.clip(speech * 30, -1, 1).astype(np.float32)
    share = measure(loud).metrics.clipping_share
    assert share == pytest.approx(float(np.mean(np.abs(loud) == 1)), rel=0.35)
    assert share > 1e-3
    assert measure((loud * 0.5).astype(np.float32)).metrics.clipping_share == 0
    assert measure(speech / np.abs(speech).max()).metrics.clipping_share == 0


def test_an_offset_is_found_and_does_not_hide_the_noise_floor(speech: Samples) -> None:
    plain, shifted = measure(speech).metrics, measure((speech + 0.4).astype(np.float32)).metrics
    assert shifted.dc_offset == pytest.approx(0.4, abs=0.01)
    assert shifted.noise_floor_dbfs == pytest.approx(plain.noise_floor_dbfs, abs=1)
    assert shifted.loudness_lufs == pytest.approx(plain.loudness_lufs, abs=0.2)


def test_bandwidth_tells_telephone_from_wide_band(speech: Samples) -> None:
    rng = np.random.default_rng(3)
    envelope = np.repeat(rng.uniform(0, 0.3, 100), 1_600)
    wide = (rng.standard_normal(160_000) * envelope).astype(np.float32)
    telephone, hiss = measure(speech).metrics.bandwidth_hz, measure(wide).metrics.bandwidth_hz
    assert telephone is not None
    assert hiss is not None
    assert 2_500 < telephone < 4_200
    assert hiss > 7_000


def test_digital_silence_has_no_levels() -> None:
    found = measure(np.zeros((48_000, 2), np.int16))
    assert found.metrics.loudness_lufs is None
    assert found.metrics.peak_dbfs is None
    assert found.metrics.noise_floor_dbfs is None
    assert found.metrics.silence_share == 1
    assert found.channel_dbfs == [None, None]


def test_the_callers_samples_stay_as_they_are(speech: Samples) -> None:
    before = speech.copy()
    measure(speech)
    assert np.array_equal(speech, before)


def test_numbers_that_are_none_are_counted_and_silenced(speech: Samples) -> None:
    broken = speech.copy()
    broken[100:200] = np.nan
    broken[300] = np.inf
    found = measure(broken)
    assert found.nonfinite == 101
    assert found.metrics.loudness_lufs == pytest.approx(measure(speech).metrics.loudness_lufs, abs=0.1)


def test_channels_that_cancel_are_noticed(speech: Samples) -> None:
    lost = measure(np.stack([speech, -speech], axis=1)).lost_share
    assert lost["average"] > 0.95
    assert lost["difference"] == 0
    one_sided = measure(np.stack([speech, 0 * speech], axis=1))
    assert one_sided.lost_share["average"] == 0
    assert one_sided.channel_dbfs[1] is None


@given(samples=st.integers(0, 400), channels=st.integers(1, 3), rate=st.sampled_from([100, 1_000, 8_000, 44_100]))
@settings(max_examples=40)
def test_tiny_recordings_are_measured_without_complaint(samples: int, channels: int, rate: int) -> None:
    rng = np.random.default_rng(samples)
    found = measure((rng.standard_normal((samples, channels)) * 1000).astype(np.int16), rate)
    assert found.samples == samples
    assert 0 <= found.metrics.silence_share <= 1
