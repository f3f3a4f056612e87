"""pyannote's segmentation network, built without importing pyannote.

`import pyannote.audio` costs seven seconds of processor time and 350 MB in every process that diarizes: it brings its
training code, lightning and torchmetrics along. What is needed of it to listen are the layers below; a test holds
their answers against pyannote's own. The same layers as `PyanNet`: SincNet filters (arXiv:1808.00158), two-way LSTMs,
and a sigmoid a voice; End-to-end speaker segmentation for overlap-aware resegmentation, Bredin and Laurent 2021
(arXiv:2104.04045).
"""

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from asteroid_filterbanks import Encoder, ParamSincFB
from torch import nn
from torch.nn import functional

from earwitness.audio.facts import SPEECH_RATE_HZ


class SegmentationNetwork(nn.Module):
    """Waves of shape (batch, 1, samples) → activity of shape (batch, frames, voices), each between 0 and 1."""

    def __init__(self, *, stride: int, hidden: int, layers: int, linear: tuple[int, ...], voices: int) -> None:
        super().__init__()
        filters = ParamSincFB(80, 251, stride=stride, sample_rate=SPEECH_RATE_HZ, min_low_hz=50, min_band_hz=50)
        self.sincnet = nn.ModuleDict(
            {
                "wav_norm1d": nn.InstanceNorm1d(1, affine=True),
                "conv1d": nn.ModuleList([Encoder(filters), nn.Conv1d(80, 60, 5), nn.Conv1d(60, 60, 5)]),
                "norm1d": nn.ModuleList([nn.InstanceNorm1d(width, affine=True) for width in (80, 60, 60)]),
            }
        )
        self.lstm = nn.LSTM(60, hidden, num_layers=layers, bidirectional=True, batch_first=True)
        widths = (2 * hidden, *linear)
        self.linear = nn.ModuleList([nn.Linear(*pair) for pair in zip(widths, linear, strict=False)])
        self.classifier = nn.Linear(widths[-1], voices)

    def forward(self, waves: torch.Tensor) -> torch.Tensor:
        """How active each local voice is."""
        heard = self.sincnet["wav_norm1d"](waves)
        for number, (convolve, norm) in enumerate(
            zip(self.sincnet["conv1d"], self.sincnet["norm1d"], strict=True)  # type: ignore[call-overload]
        ):
            heard = convolve(heard)
            if number == 0:  # filters come in pairs of opposite phase, https://github.com/mravanelli/SincNet/issues/4
                heard = heard.abs()
            heard = functional.leaky_relu(norm(functional.max_pool1d(heard, 3)))
        heard, _ = self.lstm(heard.transpose(1, 2))
        for linear in self.linear:
            heard = functional.leaky_relu(linear(heard))
        return torch.sigmoid(self.classifier(heard))


def load_network(checkpoint: Path) -> SegmentationNetwork:
    """Read a checkpoint that pyannote.audio wrote.

    Args:
        checkpoint: of a `PyanNet` with one sigmoid a voice, as the whisperX wheel carries it.

    Raises:
        RuntimeError: the layers in it are others.
    """
    # Beside the weights it holds pyannote's and omegaconf's objects: neither is imported, nor anything else run.
    state = torch.load(checkpoint, map_location="cpu", weights_only=False, pickle_module=_WeightsOnly)["state_dict"]
    widths = [len(state[name]) for name in sorted(state) if name.startswith("linear.") and name.endswith("bias")]
    network = SegmentationNetwork(
        stride=_STRIDE,
        hidden=state["lstm.weight_hh_l0"].shape[1],
        layers=sum(name.startswith("lstm.weight_ih_l") and not name.endswith("_reverse") for name in state),
        linear=tuple(widths),
        voices=len(state["classifier.bias"]),
    )
    network.load_state_dict(state)
    return network.eval()


_STRIDE = 10
"""Of the filters, in samples; the weights do not tell."""


class _Unknown(SimpleNamespace):
    """In the place of whatever is no weight."""

    def __init__(self, *_: object) -> None:
        super().__init__()

    def __setstate__(self, _: object) -> None:
        return


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "torch" or (module, name) == ("collections", "OrderedDict"):
            return super().find_class(module, name)
        return _Unknown


class _WeightsOnly:
    """What torch.load takes for the pickle module."""

    Unpickler = _Unpickler
    load = staticmethod(pickle.load)
