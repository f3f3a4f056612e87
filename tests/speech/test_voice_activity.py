"""Voice activity on real speech, silence and long files."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earwitness.speech.voice_activity import FRAME, spans_of, speech_probabilities, speech_spans

RATE = 16_000


def _call(phone_call: Path) -> np.ndarray:
    samples: np.ndarray = soundfile.read(phone_call, dtype="float32")[0]
    return samples


def test_it_finds_the_speech_of_a_phone_call(phone_call: Path) -> None:
    spans = speech_spans(phone_call)

    speech = [line.split() for line in phone_call.with_suffix(".rttm").read_text().splitlines()]
    truth = np.zeros(30_000, dtype=bool)
    for _, _, _, start, length, *_ in speech:
        truth[int(float(start) * 1000) : int((float(start) + float(length)) * 1000)] = True
    found = np.zeros(30_000, dtype=bool)
    for start_ms, end_ms in spans:
        found[start_ms:end_ms] = True
    assert (truth == found).mean() > 0.9


def test_spans_are_ordered_inside_the_file_and_do_not_overlap(phone_call: Path) -> None:
    spans = spans_of(*speech_probabilities(phone_call), pad_ms=400, min_silence_ms=100)
    edges = [edge for span in spans for edge in span]
    assert edges == sorted(edges)
    assert all(start < end for start, end in spans)
    assert edges[0] >= 0
    assert edges[-1] <= 30_000


def test_silence_and_an_empty_file_hold_no_speech(tmp_path: Path) -> None:
    for name, samples in (("silence", 5 * RATE), ("empty", 0), ("one-sample", 1)):
        path = tmp_path / f"{name}.wav"  # libsndfile writes no FLAC without samples
        soundfile.write(path, np.zeros(samples, dtype=np.float32), RATE)
        assert speech_spans(path) == []


def test_blocks_leave_no_seam(phone_call: Path, tmp_path: Path) -> None:
    """The streamed probabilities equal those of Silero's own one-piece call."""
    from silero_vad import load_silero_vad

    call = _call(phone_call)
    path = tmp_path / "twice.flac"
    soundfile.write(path, np.concatenate([call, call[: 7 * RATE + 123]]), RATE)
    ours, samples = speech_probabilities(path)
    whole = soundfile.read(path, dtype="float32")[0]
    theirs = load_silero_vad(sequence=True, max_frames=10_000).audio_forward(whole)
    assert samples == whole.size
    assert len(ours) == -(-whole.size // FRAME)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_torch_keeps_its_threads(phone_call: Path) -> None:
    """Silero sets torch to one thread when it is first imported, so ask a fresh process."""
    code = (
        "import sys, torch; torch.set_num_threads(3); from pathlib import Path\n"
        "from earwitness.speech.voice_activity import speech_spans\n"
        "speech_spans(Path(sys.argv[1])); print(torch.get_num_threads())"
    )
    done = subprocess.run([sys.executable, "-c", code, phone_call], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3"]


def test_progress_rises_to_one(phone_call: Path) -> None:
    shares: list[float] = []
    speech_spans(phone_call, lambda share, note="": shares.append(share))
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
