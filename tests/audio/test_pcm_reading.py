from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from earwitness.audio.pcm import cut_piece, iter_speech, quietest_ms, read_speech, speech_duration_ms
from earwitness.errors import StorageError, UsageError

RATE = 16_000


@pytest.fixture(scope="module")
def ramp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2.5 s in which every sample is its own index."""
    path = tmp_path_factory.mktemp("pcm") / "ramp.flac"
    soundfile.write(path, (np.arange(40_000) - 20_000).astype(np.int16), RATE)
    return path


def index_of(samples: np.ndarray) -> list[int]:
    return [round(float(value) * 32768) + 20_000 for value in samples]


@given(start=st.integers(-500, 4000), length=st.integers(0, 4000))
def test_a_range_is_cut_to_the_sample(ramp: Path, start: int, length: int) -> None:
    samples = read_speech(ramp, start, start + length)
    first, last = max(0, start) * 16, min(40_000, max(0, start + length) * 16)
    assert index_of(samples) == list(range(first, max(first, last)) if first < 40_000 else [])
    assert samples.dtype == np.float32


@settings(max_examples=40)
@given(window=st.floats(0.01, 4), hop=st.none() | st.floats(0.01, 4))
def test_windows_cover_everything_once_each_hop(ramp: Path, window: float, hop: float | None) -> None:
    size = round(window * RATE)
    step = size if hop is None else round(hop * RATE)
    seen = list(iter_speech(ramp, window, hop))
    assert [start for start, _ in seen] == [i * step for i in range(len(seen))]
    for start, samples in seen:
        assert index_of(samples) == list(range(start, min(start + size, 40_000)))
    assert seen[-1][0] + size >= 40_000 or seen[-1][0] + step >= 40_000


def test_an_empty_window_is_refused(ramp: Path) -> None:
    with pytest.raises(UsageError):
        next(iter_speech(ramp, 0))


def test_duration_is_in_milliseconds(ramp: Path) -> None:
    assert speech_duration_ms(ramp) == 2500


def test_other_rates_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "cd.wav"
    soundfile.write(path, np.zeros((100, 2)), 44_100)
    with pytest.raises(UsageError, match="44100 Hz with 2 channels"):
        read_speech(path)


def test_a_missing_file_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="none"):
        read_speech(tmp_path / "none.flac")


def test_a_piece_has_its_length_and_fades(ramp: Path) -> None:
    piece = cut_piece(ramp, 100, 900, fade_ms=50)
    assert (len(piece), piece.frame_rate, piece.channels, piece.sample_width) == (800, RATE, 1, 2)
    samples = np.array(piece.get_array_of_samples())
    assert abs(int(samples[0])) < 200
    assert abs(int(samples[-1])) < 200
    middle = piece[400:401].get_array_of_samples()[0]
    assert middle == 500 * 16 - 20_000


def test_the_quietest_moment_is_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    noise = (rng.standard_normal(32_000) * 3000).astype(np.int16)
    noise[1_230 * 16 : 1_290 * 16] = 0
    path = tmp_path / "pause.flac"
    soundfile.write(path, noise, RATE)
    assert 1_250 <= quietest_ms(path, 1_100, 300) <= 1_270
    assert 1_000 <= quietest_ms(path, 1_100, 100) <= 1_200
    assert quietest_ms(path, 9_000, 100) == 9_000


def test_pieces_of_stereo_at_any_rate(tmp_path: Path) -> None:
    path = tmp_path / "cd.wav"
    soundfile.write(path, np.full((44_100, 2), [0.5, -0.25]), 44_100)
    piece = cut_piece(path, 0, 250)
    assert (piece.channels, piece.frame_rate, len(piece)) == (2, 44_100, 250)
