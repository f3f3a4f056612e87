"""The segmentation network gives what pyannote's own code gives, and does not import it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earwitness.engines.quiet import import_speech_library
from earwitness.speech.segmentation import FRAMES, LOCAL_VOICES, WINDOW_SAMPLES, iter_activity, weights_path


def test_its_answers_are_those_of_pyannote(phone_call: Path) -> None:
    import torch

    waves, activity = next(iter_activity(phone_call, batch=4))
    assert activity.shape == (4, FRAMES, LOCAL_VOICES)
    theirs = import_speech_library("pyannote.audio").Model.from_pretrained(weights_path()).eval()
    with torch.inference_mode():
        expected = theirs(torch.from_numpy(waves)[:, None]).numpy()
    assert np.ptp(expected) > 0.9
    np.testing.assert_array_equal(activity, expected.astype(np.float16))


def test_other_layers_are_refused(tmp_path: Path) -> None:
    import torch

    from earwitness.speech.segmentation_network import load_network

    checkpoint = torch.load(weights_path(), map_location="cpu", weights_only=False)
    del checkpoint["state_dict"]["sincnet.conv1d.1.weight"]
    torch.save(checkpoint, tmp_path / "other.bin")
    with pytest.raises(RuntimeError, match=r"conv1d\.1\.weight"):
        load_network(tmp_path / "other.bin")


def test_listening_does_not_bring_pyannotes_training_code_along(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "quiet.wav", np.zeros(WINDOW_SAMPLES, np.float32), 16_000)
    script = (
        "import sys; from pathlib import Path; from earwitness.speech.bundled_diarizer import find_speakers;"
        f"find_speakers(Path({str(tmp_path / 'quiet.wav')!r}));"
        "print(sorted({'lightning', 'torchmetrics', 'pyannote.audio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"
