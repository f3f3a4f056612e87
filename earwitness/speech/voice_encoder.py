"""What a voice sounds like, as 256 numbers: the GE2E encoder whose weights the Resemblyzer wheel carries.

Generalized End-to-End Loss for Speaker Verification, Wan et al. 2018 (arXiv:1710.10467). Only the weights are taken
from the wheel: importing `resemblyzer` would pull in webrtcvad and librosa, which we have no use for.
"""

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earwitness.audio.facts import SPEECH_RATE_HZ
from earwitness.errors import EngineUnavailable

Vectors = npt.NDArray[np.float32]

DIMENSIONS = 256
FRAME_SAMPLES = 160
"""One spectrogram frame is 10 ms."""

_MEAN_AT_LEVEL = 0.0093
_MELS = 40
_PARTIAL_FRAMES = 160
_PARTIAL_HOP = 80
_BATCH = 64


def weights_path() -> Path:
    """Where the installed Resemblyzer keeps its weights.

    Raises:
        EngineUnavailable: the wheel or its weights are missing.
    """
    spec = find_spec("resemblyzer")
    path = Path(spec.origin).parent / "pretrained.pt" if spec and spec.origin else None
    if path is None or not path.is_file():
        raise EngineUnavailable(
            "The voice encoder's weights (resemblyzer/pretrained.pt) are not installed.", "Run: pip install resemblyzer"
        )
    return path


def spectrogram(waves: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Mel power spectrogram as the encoder was trained on: 25 ms windows every 10 ms, 40 bands, no logarithm.

    Args:
        waves: float32, shape (batch, samples), 16 kHz.

    Returns:
        float32, shape (batch, samples // 160 + 1, 40).
    """
    import torch

    with torch.inference_mode():
        mel: npt.NDArray[np.float32] = _mel()(torch.from_numpy(np.ascontiguousarray(waves))).transpose(1, 2).numpy()
    return mel


def embed_frames(pieces: Sequence[npt.NDArray[np.float32]], device: str = "cpu") -> Vectors:
    """One unit-length vector a piece.

    Args:
        pieces: rows of `spectrogram` that belong to one voice each, shape (frames, 40), at least one frame; frames that
            did not follow one another in the recording may be joined.
        device: torch device to compute on.

    Returns:
        float32, shape (pieces, 256), non-negative. Every piece is brought to the level the encoder was trained at and
        heard in partials of 1.6 s, half overlapping; their mean counts.
    """
    if not pieces:
        return np.zeros((0, DIMENSIONS), np.float32)
    partials: list[npt.NDArray[np.float32]] = []
    owner: list[int] = []
    for number, piece in enumerate(pieces):
        for partial in _partials(_levelled(piece)):
            partials.append(partial)
            owner.append(number)
    vectors = _forward(np.stack(partials), device)
    sums = np.zeros((len(pieces), DIMENSIONS), np.float32)
    np.add.at(sums, owner, vectors)
    return unit(sums)


def unit(vectors: npt.NDArray[np.float32]) -> Vectors:
    """Scale each row to length 1 (zero rows stay zero)."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Vectors = (vectors / np.maximum(norms, 1e-9)).astype(np.float32)
    return scaled


def _levelled(piece: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    # Power spectra scale with the square of the wave, so the level is set here. Their mean over the bands is not the
    # wave's power but proportional to it for speech; the constant was measured on LibriSpeech.
    power = float(piece.mean())
    return piece * np.float32(_MEAN_AT_LEVEL / power) if power > 1e-12 else piece


def _partials(piece: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
    frames = len(piece)
    if frames < _PARTIAL_FRAMES:  # say it again until it is long enough: padding with silence changes the voice
        return [np.tile(piece, (-(-_PARTIAL_FRAMES // frames), 1))[:_PARTIAL_FRAMES]]
    count = max(1, round((frames - _PARTIAL_FRAMES) / _PARTIAL_HOP) + 1)
    starts = np.linspace(0, frames - _PARTIAL_FRAMES, count).astype(int)
    return [piece[start : start + _PARTIAL_FRAMES] for start in starts]


def _forward(partials: npt.NDArray[np.float32], device: str) -> Vectors:
    import torch

    lstm, linear = _network(device)
    answers = []
    with torch.inference_mode():
        for start in range(0, len(partials), _BATCH):
            _, (hidden, _) = lstm(torch.from_numpy(partials[start : start + _BATCH]).to(device))
            answers.append(torch.relu(linear(hidden[-1])).cpu().numpy())
    return unit(np.concatenate(answers))


@lru_cache(maxsize=2)
def _network(device: str) -> tuple[Any, Any]:
    import torch

    state = torch.load(weights_path(), map_location="cpu", weights_only=True)["model_state"]
    lstm = torch.nn.LSTM(_MELS, DIMENSIONS, num_layers=3, batch_first=True)
    linear = torch.nn.Linear(DIMENSIONS, DIMENSIONS)
    for name, module in (("lstm.", lstm), ("linear.", linear)):
        module.load_state_dict({k.removeprefix(name): v for k, v in state.items() if k.startswith(name)})
        module.eval().to(device)
    return lstm, linear


@lru_cache(maxsize=1)
def _mel() -> Any:
    from earwitness.engines.quiet import import_speech_library

    transforms = import_speech_library("torchaudio").transforms
    return transforms.MelSpectrogram(
        sample_rate=SPEECH_RATE_HZ,
        n_fft=400,
        hop_length=FRAME_SAMPLES,
        n_mels=_MELS,
        power=2.0,
        center=True,
        pad_mode="constant",
        norm="slaney",
        mel_scale="slaney",
    )
