from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from earwitness.audio.facts import Preprocessed, Validated, Verdict
from earwitness.audio.pcm import read_speech
from earwitness.audio.preprocess import preprocess
from earwitness.audio.validate import validate_recording
from earwitness.settings import PreprocessSettings, ValidateSettings

Samples = npt.NDArray[Any]


def both(path: Path, samples: Samples, **settings: Any) -> tuple[Validated, Preprocessed]:
    soundfile.write(path, samples, 16_000, subtype="PCM_16")
    validated = validate_recording(path, ValidateSettings())
    return validated, preprocess(validated, PreprocessSettings(**settings))


def lag_of(late: Samples, early: Samples) -> int:
    size = 2 * len(early)
    product = np.fft.rfft(late, size) * np.conj(np.fft.rfft(early, size))
    peak = int(np.argmax(np.fft.irfft(product)))
    return peak if peak < len(early) else peak - size


def test_good_speech_passes_through_unchanged(speech: Samples, tmp_path: Path) -> None:
    validated, prepared = both(tmp_path / "good.wav", speech)
    assert prepared.speech == validated.decoded
    assert (prepared.enhancement, prepared.duration_ms) == (None, 10_000)


def test_faint_speech_is_raised(speech: Samples, tmp_path: Path) -> None:
    validated, prepared = both(tmp_path / "faint.wav", speech * 10 ** (-40 / 20))
    assert validated.quality.verdict is Verdict.ENHANCE
    assert prepared.enhancement is not None
    assert prepared.enhancement.helped
    assert [step.split()[0] for step in prepared.enhancement.steps] == ["level"]
    # A limiter catches the crests, so it stays a little under the -23 LUFS that are aimed at.
    assert prepared.enhancement.after.loudness_lufs == pytest.approx(-25, abs=3)


def test_an_offset_is_removed(speech: Samples, tmp_path: Path) -> None:
    _, prepared = both(tmp_path / "offset.wav", speech + 0.4)
    assert prepared.enhancement is not None
    assert prepared.enhancement.before.dc_offset == pytest.approx(0.4, abs=0.01)
    assert prepared.enhancement.after.dc_offset == pytest.approx(0, abs=0.001)


def test_clipped_speech_is_restored(speech: Samples, tmp_path: Path) -> None:
    _, prepared = both(tmp_path / "clipped.wav", np.clip(speech * 12, -1, 1))
    assert prepared.enhancement is not None
    assert "de-clip" in prepared.enhancement.steps
    assert prepared.enhancement.helped
    assert prepared.enhancement.after.clipping_share < prepared.enhancement.before.clipping_share / 10


def test_noise_is_lowered_and_no_time_shifts(speech: Samples, tmp_path: Path) -> None:
    noise = np.random.default_rng(2).standard_normal(len(speech)) * np.sqrt(np.mean(speech**2)) * 0.9
    validated, prepared = both(tmp_path / "noisy.wav", speech + noise, enhance="always")
    assert prepared.enhancement is not None
    assert "denoise 12 dB" in prepared.enhancement.steps
    before, after = prepared.enhancement.before, prepared.enhancement.after
    assert before.snr_db is not None
    assert after.snr_db is not None
    assert after.snr_db > before.snr_db
    assert prepared.enhancement.helped
    cleaned = read_speech(prepared.speech.path)
    assert len(cleaned) == len(speech)
    assert abs(lag_of(cleaned, read_speech(validated.decoded.path))) <= 2


def test_what_does_not_help_is_thrown_away_and_said(speech: Samples, tmp_path: Path) -> None:
    told: list[str] = []
    path = tmp_path / "good.wav"
    soundfile.write(path, speech * 0.8 / np.abs(speech).max(), 16_000)
    validated = validate_recording(path, ValidateSettings())
    settings = PreprocessSettings(enhance="always")
    prepared = preprocess(validated, settings, lambda share, note="": told.append(note))
    assert prepared.enhancement is not None
    assert not prepared.enhancement.helped
    assert prepared.speech == validated.decoded
    assert "no better" in told[-1]


def test_never_means_never(speech: Samples, tmp_path: Path) -> None:
    validated, prepared = both(tmp_path / "faint.wav", speech * 10 ** (-40 / 20), enhance="never")
    assert validated.quality.verdict is Verdict.ENHANCE
    assert prepared.speech == validated.decoded


def test_the_same_input_gives_the_same_bytes(speech: Samples, tmp_path: Path) -> None:
    _, one = both(tmp_path / "a.wav", speech * 10 ** (-40 / 20))
    _, two = both(tmp_path / "b.wav", speech * 10 ** (-40 / 20))
    assert one.digest() == two.digest()
