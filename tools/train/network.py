"""A person detector, and a crowd density that shares its first stages, in PyTorch.

The detector is NanoDet-g, read from its ONNX file, in which batch normalisation is folded into the
convolutions. A unit test compares the two. The detector is never trained: training on rendered
pictures harms its detections in photographs. The density shares the detector's stem and first
stage, which extract edges and colours. Its two next stages begin as copies of the detector's. It
also reads the detector's coarsest features, for context.

Tensors are [batch, channels, rows, columns]. Pictures are BGR, float32, normalised by `normalise`;
their sides are multiples of 32. In "s4", "s8" and so on, the number is the pixels of the picture
per cell of a feature map.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

MEAN = (103.53, 116.28, 123.675)
STD = (57.375, 57.12, 58.395)
#: The file has only the person's of COCO's 80 classes.
CLASSES = 1
BINS = 11
SIDES = 4
STRIDES = (8, 16, 32)
#: Pixels of the picture to one cell of the density map, along each side.
CELL = 8
SLOPE = 0.1
NECK = 128


class Features(NamedTuple):
    """Inputs of the detector's heads and of the density. s4 has 64 channels, the pyramid 128."""

    s4: Tensor
    pyramid_8: Tensor
    pyramid_16: Tensor
    pyramid_32: Tensor


class Detection(NamedTuple):
    """One stride of the detector.

    scores: logits of a person [n, 1, h, w]; distances: bin logits [n, 4 * 11, h, w].
    """

    scores: Tensor
    distances: Tensor


def normalise(pictures: np.ndarray | Tensor) -> Tensor:
    """Converts BGR pictures [n, h, w, 3], 0 to 255, to the network's input [n, 3, h, w]."""
    batch = torch.as_tensor(pictures).permute(0, 3, 1, 2).float()
    mean, std = (torch.tensor(x, device=batch.device).view(1, 3, 1, 1) for x in (MEAN, STD))
    return ((batch - mean) / std).contiguous(memory_format=torch.channels_last)


class Conv(nn.Module):
    """A convolution that keeps the size or, with stride 2, halves it; then a leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, side: int = 3, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, side, stride, side // 2 * dilation, dilation)

    def forward(self, x: Tensor) -> Tensor:
        return functional.leaky_relu(self.conv(x), SLOPE, inplace=True)


class Stage(nn.Module):
    """A cross-stage-partial stage: `blocks` dense pairs at half the width, and a bypass."""

    def __init__(self, inputs: int, width: int, blocks: int, stride: int) -> None:
        super().__init__()
        half = width // 2
        self.enter = Conv(inputs, width, stride=stride)
        self.narrow = Conv(width, half)
        self.grow = nn.ModuleList(Conv(half, half) for _ in range(blocks))
        self.join = nn.ModuleList(Conv(width, width if i == blocks - 1 else half) for i in range(blocks))

    def forward(self, x: Tensor) -> Tensor:
        entered = self.enter(x)
        x = self.narrow(entered)
        for grow, join in zip(self.grow, self.join, strict=True):
            x = join(torch.cat([grow(x), x], 1))
        return torch.cat([x, entered], 1)


def _upsample(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def _downsample(x: Tensor) -> Tensor:
    # With half-pixel centres, bilinear halving is exactly the mean of 2x2.
    return functional.avg_pool2d(x, 2)


class Detector(nn.Module):
    """NanoDet-g: backbone, pyramid and three heads."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv(3, 32, stride=2)
        self.stage_4 = Stage(32, 32, 1, 1)
        self.stage_8 = Stage(64, 64, 2, 2)
        self.stage_16 = Stage(128, 128, 2, 2)
        self.stage_32 = Stage(256, 256, 3, 2)
        self.lateral = nn.ModuleList(nn.Conv2d(width, NECK, 1) for width in (128, 256, 512))
        self.tower = nn.ModuleList(Conv(NECK, NECK) for _ in STRIDES)
        self.output = nn.ModuleList(nn.Conv2d(NECK, CLASSES + SIDES * BINS, 1) for _ in STRIDES)

    def features(self, x: Tensor) -> Features:
        """Computes the features of a normalised picture."""
        s4 = self.stage_4(functional.max_pool2d(self.stem(x), 3, 2, 1))
        s8 = self.stage_8(s4)
        s16 = self.stage_16(s8)
        pyramid_32 = self.lateral[2](self.stage_32(s16))
        pyramid_16 = self.lateral[1](s16) + _upsample(pyramid_32)
        pyramid_8 = self.lateral[0](s8) + _upsample(pyramid_16)
        return Features(s4, pyramid_8, pyramid_16, pyramid_32)

    def detect(self, features: Features) -> list[Detection]:
        """Computes the logits at the three strides."""
        level_16 = features.pyramid_16 + _downsample(features.pyramid_8)
        levels = (features.pyramid_8, level_16, features.pyramid_32 + _downsample(level_16))
        both = [output(tower(x)) for tower, output, x in zip(self.tower, self.output, levels, strict=True)]
        return [Detection(*x.split([CLASSES, SIDES * BINS], 1)) for x in both]

    def convolutions(self) -> list[nn.Conv2d]:
        """Lists all convolutions in the order of `ONNX_CONVOLUTIONS`."""
        backbone = [self.stem, self.stage_4, self.stage_8, self.stage_16, self.stage_32]
        ordered: list[nn.Conv2d] = []
        for part in backbone:
            if isinstance(part, Conv):
                ordered.append(part.conv)
                continue
            ordered += [part.enter.conv, part.narrow.conv]
            for grow, join in zip(part.grow, part.join, strict=True):
                ordered += [grow.conv, join.conv]
        ordered += list(self.lateral)
        for tower, output in zip(self.tower, self.output, strict=True):
            ordered += [tower.conv, output]
        return ordered


def _onnx_name(number: int) -> str:
    return "PartitionedCall/Add" + (f"_{number}" if number else "")


#: Names of the convolutions in the ONNX file: backbone, laterals, tower and output of each stride.
ONNX_CONVOLUTIONS = [_onnx_name(i) for i in [*range(28), 28, 29, 32, 33, 36, 37]]


def load_detector(path: Path) -> Detector:
    """Loads the detector with the weights of its ONNX file."""
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}
    detector = Detector()
    with torch.no_grad():
        for name, conv in zip(ONNX_CONVOLUTIONS, detector.convolutions(), strict=True):
            conv.weight.copy_(torch.from_numpy(weights[f"{name}/weight"].copy()))
            conv.bias.copy_(torch.from_numpy(weights[f"{name}/bias"].copy()))
    return detector


class DensityStages(nn.Module):
    """Trainable copies of the detector's second and third stage, with two pyramid levels."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.stage_8 = copy.deepcopy(detector.stage_8)
        self.stage_16 = copy.deepcopy(detector.stage_16)
        self.lateral_8, self.lateral_16 = (copy.deepcopy(detector.lateral[i]) for i in range(2))

    def forward(self, features: Features) -> tuple[Tensor, Tensor, Tensor]:
        """Computes s8 (128 channels), and the pyramid levels 8 and 16 (128 each)."""
        s8 = self.stage_8(features.s4)
        level_16 = self.lateral_16(self.stage_16(s8)) + _upsample(features.pyramid_32)
        return s8, self.lateral_8(s8) + _upsample(level_16), level_16


class DensityHead(nn.Module):
    """Persons per 8x8-pixel cell from fine (s4, s8) and pyramid features.

    A small head is a texture in s4 and s8. A large head spans many cells. So a second branch
    computes context at s16, where a dilated convolution is cheap, and passes it to the fine branch.
    """

    #: Divisor of the last softplus. Crowds have up to about one person per cell, and outputs near
    #: ten learn faster than outputs near one.
    SCALE = 10.0

    def __init__(self) -> None:
        super().__init__()
        self.from_s4 = Conv(64, 32, stride=2)
        self.from_s8 = Conv(128, 32, side=1)
        self.from_8 = Conv(NECK, 64, side=1)
        self.wide_in = Conv(NECK, 32, side=1)
        self.wide_near = Conv(32, 32)
        self.wide_far = Conv(32, 32, dilation=3)
        self.mix = Conv(32 + 32 + 64 + 32, 64)
        self.look = Conv(64, 64, dilation=2)
        self.far = Conv(64, 64, dilation=4)
        self.narrow = Conv(64, 32)
        self.output = nn.Conv2d(32, 1, 1)
        for layer in self.modules():
            if isinstance(layer, Conv):
                # PyTorch's default weights are so small that six layers would erase the signal.
                nn.init.kaiming_normal_(layer.conv.weight, a=SLOPE)
                nn.init.zeros_(layer.conv.bias)
        # The detector's features have mean squares of 0.25, 0.15 and 0.08; scale them to about 1.
        for layer, gain in ((self.from_s4, 4.0), (self.from_s8, 6.5), (self.from_8, 12.0), (self.wide_in, 12.0)):
            layer.conv.weight.data.mul_(gain)
        nn.init.normal_(self.output.weight, 0.0, 0.01)
        # Start with a density near 0.
        nn.init.constant_(self.output.bias, -3.0)

    def forward(self, s4: Tensor, s8: Tensor, level_8: Tensor, level_16: Tensor) -> Tensor:
        """Computes the density [n, 1, h/8, w/8], at least 0."""
        near = self.wide_near(self.wide_in(level_16))
        wide = _upsample(near + self.wide_far(near))
        fine = [self.from_s4(s4), self.from_s8(s8), self.from_8(level_8), wide]
        x = self.narrow(self.far(self.look(self.mix(torch.cat(fine, 1)))))
        return functional.softplus(self.output(x)) / self.SCALE


class Density(nn.Module):
    """The density network: all parameters that are trained."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.stages = DensityStages(detector)
        self.head = DensityHead()

    def forward(self, features: Features, frozen: bool = False) -> Tensor:
        """Computes the density [n, 1, h/8, w/8]. frozen: no gradient reaches the stages."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            levels = self.stages(features)
        return self.head(features.s4, *levels)


class CrowdNet(nn.Module):
    """The unchanged detector, and the density."""

    def __init__(self, detector: Detector | None = None) -> None:
        super().__init__()
        self.detector = (detector or Detector()).requires_grad_(False)
        self.density = Density(self.detector)

    def features(self, x: Tensor) -> Features:
        """Computes the detector's features of a normalised picture, without gradients."""
        with torch.no_grad():
            return self.detector.features(x)

    def forward(self, x: Tensor) -> tuple[list[Detection], Tensor]:
        """Computes the detector's logits at three strides, and persons per cell."""
        features = self.features(x)
        return self.detector.detect(features), self.density(features)
