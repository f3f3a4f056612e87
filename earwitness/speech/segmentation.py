"""Who speaks within five seconds, and that all along a recording.

The model is pyannote's segmentation network that the whisperX wheel carries: up to three voices a window, several at
once allowed. Which of the three outputs is whom changes from window to window; `clustering` sorts that out.
End-to-end speaker segmentation for overlap-aware resegmentation, Bredin and Laurent 2021 (arXiv:2104.04045).
"""

from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earwitness.audio.facts import SPEECH_RATE_HZ
from earwitness.audio.pcm import Samples, iter_speech
from earwitness.errors import EngineUnavailable

Activity = npt.NDArray[np.float16]
"""Probability that a local voice is active, shape (windows, FRAMES, LOCAL_VOICES)."""
Flags = npt.NDArray[np.bool_]

WINDOW_SAMPLES = 5 * SPEECH_RATE_HZ
FRAMES = 293
"""Frames of a window."""
FRAME_SAMPLES = 270
FIRST_FRAME_CENTRE = 495
HOP_FRAMES = 74
"""From one window to the next: a whole number of frames, 1.25 s, so that all windows share one time grid."""
LOCAL_VOICES = 3


def weights_path() -> Path:
    """Where the installed whisperX keeps the model.

    Raises:
        EngineUnavailable: the wheel or its model is missing.
    """
    spec = find_spec("whisperx")
    path = Path(spec.origin).parent / "assets" / "pytorch_model.bin" if spec and spec.origin else None
    if path is None or not path.is_file():
        raise EngineUnavailable(
            "The segmentation model (whisperx/assets/pytorch_model.bin) is not installed.", "Run: pip install whisperx"
        )
    return path


def iter_activity(path: Path, device: str = "cpu", batch: int = 8) -> Iterator[tuple[Samples, Activity]]:
    """Walk over a 16 kHz mono file.

    Args:
        path: the speech copy.
        device: torch device to compute on.
        batch: windows computed together.

    Yields:
        (waves of shape (n, WINDOW_SAMPLES), activity of shape (n, FRAMES, LOCAL_VOICES)) for up to `batch` windows that
        begin HOP_FRAMES * FRAME_SAMPLES samples apart; the last is filled up with silence.
    """
    hop_s = HOP_FRAMES * FRAME_SAMPLES / SPEECH_RATE_HZ
    waves: list[Samples] = []
    for _, samples in iter_speech(path, WINDOW_SAMPLES / SPEECH_RATE_HZ, hop_s):
        waves.append(np.pad(samples, (0, WINDOW_SAMPLES - len(samples))))
        if len(waves) == batch:
            yield _activity(waves, device)
            waves = []
    if waves:
        yield _activity(waves, device)


def window_count(samples: int) -> int:
    """How many windows `iter_activity` walks over."""
    hop = HOP_FRAMES * FRAME_SAMPLES
    return 0 if samples <= 0 else 1 + max(0, -(-(samples - WINDOW_SAMPLES) // hop))


def with_hysteresis(activity: npt.NDArray[Any], onset: float, offset: float) -> Flags:
    """Switch on above `onset` and off below `offset`, along the second to last axis (time)."""
    above = activity > onset
    decided = above | (activity <= offset)
    time = np.arange(activity.shape[-2])[:, None]
    last = np.maximum.accumulate(np.where(decided, time, 0), axis=-2)  # in between, the last decision holds
    flags: Flags = np.take_along_axis(above, last, axis=-2)
    return flags


def _activity(waves: list[Samples], device: str) -> tuple[Samples, Activity]:
    import torch

    batch = np.stack(waves)
    with torch.inference_mode():
        answer = _model(device)(torch.from_numpy(batch)[:, None].to(device))
    activity: Activity = answer.cpu().numpy().astype(np.float16)
    return batch, activity


@lru_cache(maxsize=2)
def _model(device: str) -> Any:
    from earwitness.speech.segmentation_network import load_network  # torch: half a second, and nothing before needs it

    return load_network(weights_path()).to(device)
