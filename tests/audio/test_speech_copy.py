from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from earwitness.audio.speech_copy import SpeechCopy
from earwitness.errors import StorageError
from earwitness.storage.store import sha256_file


def copied(target: Path, sound: np.ndarray, rate: int, weights: list[float], block: int) -> np.ndarray:
    with SpeechCopy(target, rate, weights) as copy:
        for start in range(0, len(sound), block):
            copy.write(sound[start : start + block])
    samples, found = soundfile.read(target, dtype="float32")
    assert found == 16_000
    return samples  # type: ignore[no-any-return]


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_a_tone_keeps_its_time_level_and_length_at_every_rate(rate: int, tmp_path: Path) -> None:
    time = np.arange(2 * rate) / rate
    burst = 0.5 * np.sin(2 * np.pi * 440 * time) * ((time > 0.7) & (time < 1.3))
    got = copied(tmp_path / "copy.flac", burst.astype(np.float32)[:, None], rate, [1.0], 7_777)
    assert abs(len(got) - 32_000) <= 1
    wanted_time = np.arange(len(got)) / 16_000
    inside = (wanted_time > 0.75) & (wanted_time < 1.25)
    wanted = 0.5 * np.sin(2 * np.pi * 440 * wanted_time)
    assert np.abs(got - wanted)[inside].max() < 2e-3  # a shift of 1/30 of a millisecond would exceed it
    assert np.abs(got[(wanted_time < 0.65) | (wanted_time > 1.35)]).max() < 1e-3


@given(block=st.integers(min_value=1_000, max_value=50_000))
def test_the_copy_does_not_depend_on_the_blocks(block: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("copies")
    sound = np.random.default_rng(3).normal(0, 3_000, (60_000, 2)).astype(np.int16)
    copied(folder / "whole.flac", sound, 44_100, [0.5, 0.5], len(sound))
    copied(folder / "parts.flac", sound, 44_100, [0.5, 0.5], block)
    assert sha256_file(folder / "whole.flac") == sha256_file(folder / "parts.flac")


def test_samples_at_the_copys_own_rate_pass_unchanged(tmp_path: Path) -> None:
    sound = np.random.default_rng(1).integers(-32_768, 32_767, (16_000, 1)).astype(np.int16)
    copied(tmp_path / "copy.flac", sound, 16_000, [1.0], 3_000)
    assert np.array_equal(soundfile.read(tmp_path / "copy.flac", dtype="int16")[0], sound[:, 0])


def test_a_channel_that_is_no_number_harms_no_other(tmp_path: Path) -> None:
    sound = np.zeros((16_000, 3), np.float32)
    sound[:, 0] = 0.5
    sound[100:200, 1] = np.nan
    sound[300:400, 2] = np.inf
    got = copied(tmp_path / "copy.flac", sound, 16_000, [0.5, 0.5, 0.0], 4_096)
    assert np.allclose(got, 0.25, atol=1e-4)


def test_nothing_written_leaves_no_file(tmp_path: Path) -> None:
    with SpeechCopy(tmp_path / "copy.flac", 44_100, [1.0]):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_a_storage_error() -> None:
    noise = np.random.default_rng(2).normal(0, 3_000, (20 * 44_100, 1)).astype(np.int16)
    with pytest.raises(StorageError, match="can't be written") as caught:
        copied(Path("/dev/full"), noise, 44_100, [1.0], 44_100)
    assert "EARWITNESS_HOME" in caught.value.remedy
