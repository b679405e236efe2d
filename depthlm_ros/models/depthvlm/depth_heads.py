"""The depth heads of DepthVLM: four levels of token features to one dense z-depth map.

Knows tensors only; which features go in is ``models/depthvlm/network.py``'s business. Parameter
names are those of the published checkpoints under ``depth_head.``. Source: the DepthVLM paper's
head, a DPT (Ranftl et al. 2021, "Vision Transformers for Dense Prediction") with deconvolutions of
8, 4, 2, 1.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from depthlm_ros.status import Code, StatusError

SCALES = (8, 4, 2, 1)
LEVELS = len(SCALES)
FEATURE_MODES = ("llm_last", "concat", "sum")


@dataclass(frozen=True)
class HeadConfig:
    """Which head, and how wide; the defaults are the published 34M DPT head.

    ``widths``: channels of the four levels. ``fusion``: channels of the pyramid. ``output``:
    channels of the last two convolutions. ``pixels_per_token``: side in pixels of the square that
    one token covers (patch x merge). ``mlp_hidden`` and ``feature_mode`` are the MLP head's.

    Raises StatusError(MODEL_ERROR) for an unknown head type or feature mode.
    """

    kind: str = "dpt"
    widths: tuple = (256, 512, 1024, 1024)
    fusion: int = 256
    output: tuple = (128, 32)
    pixels_per_token: int = 32
    mlp_hidden: int = 1024
    feature_mode: str = "llm_last"

    def __post_init__(self):
        """Refuse a head that this package cannot build."""
        for key, value, known in (
            ("type", self.kind, tuple(HEADS)),
            ("feature_mode", self.feature_mode, FEATURE_MODES),
        ):
            if value not in known:
                raise StatusError(
                    Code.MODEL_ERROR,
                    f"depth_head_{key} = {value!r}: known are "
                    f"{', '.join(known)}; correct the checkpoint's config.json",
                )


def make_head(config: HeadConfig, hidden_size: int) -> nn.Module:
    """Build the head that ``config`` describes for features of width ``hidden_size``."""
    return HEADS[config.kind](config, hidden_size)


def resize(x: torch.Tensor, size: tuple) -> torch.Tensor:
    """Resample (B, C, h, w) bilinearly, corners aligned, as everywhere in this head."""
    if tuple(x.shape[-2:]) == tuple(size):
        return x
    return F.interpolate(x, size=size, mode="bilinear", align_corners=True)


def mixed(x: torch.Tensor, convolution: nn.Conv2d) -> torch.Tensor:
    """Apply a 1x1 convolution as the matrix product it is: channels lie last already."""
    weight = convolution.weight.flatten(1)
    return F.linear(x.permute(0, 2, 3, 1), weight, convolution.bias).permute(0, 3, 1, 2)


class ResidualConvUnit(nn.Module):
    """Two 3x3 convolutions with a shortcut taken AFTER the first ReLU.

    The published ReLU works in place, so its shortcut carries relu(x), not x, and the weights were
    trained so.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C, h, w) to the same shape."""
        x = F.relu(x)
        return self.conv2(F.relu_(self.conv1(x))).add_(x)


class FeatureFusion(nn.Module):
    """One step of the pyramid: add the skip, refine, mix channels, resample."""

    def __init__(self, channels: int, with_skip: bool):
        super().__init__()
        if with_skip:
            self.resConfUnit1 = ResidualConvUnit(channels)
        self.resConfUnit2 = ResidualConvUnit(channels)
        self.out_conv = nn.Conv2d(channels, channels, 1)

    def forward(self, x: torch.Tensor, skip: torch.Tensor | None, size: tuple) -> torch.Tensor:
        """Map (B, C, h, w) and an equal skip (or None) to (B, C, *size)."""
        if skip is not None:
            x = x + self.resConfUnit1(skip)
        # Published: resample, then mix. A 1x1 convolution commutes with bilinear weights (they
        # sum to 1), so the mixing is done on the smaller map.
        return resize(mixed(self.resConfUnit2(x), self.out_conv), size)


class Scratch(nn.Module):
    """The pyramid's parameters; only a namespace, as in the published tensor names."""

    def __init__(self, config: HeadConfig):
        super().__init__()
        wide, (first, second) = config.fusion, config.output
        for level, width in enumerate(config.widths, start=1):
            reduce = nn.Conv2d(width, wide, 3, padding=1, bias=False)
            setattr(self, f"layer{level}_rn", reduce)
            setattr(self, f"refinenet{level}", FeatureFusion(wide, with_skip=level < LEVELS))
        self.output_conv1 = nn.Conv2d(wide, first, 3, padding=1)
        self.output_conv2 = nn.Sequential(
            nn.Conv2d(first, second, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(second, 1, 1),
            nn.Softplus(),
        )


class DPTHead(nn.Module):
    """Four token maps to z-depth, through a convolutional pyramid."""

    def __init__(self, config: HeadConfig, hidden_size: int):
        super().__init__()
        self.config = config
        self.norm = nn.LayerNorm(hidden_size, eps=1e-5)
        self.projects = nn.ModuleList(nn.Conv2d(hidden_size, width, 1) for width in config.widths)
        self.resize_layers = nn.ModuleList(
            nn.ConvTranspose2d(width, width, scale, stride=scale) if scale > 1 else nn.Identity()
            for width, scale in zip(config.widths, SCALES, strict=True)
        )
        self.scratch = Scratch(config)

    def forward(self, features: list[torch.Tensor], grid: tuple) -> torch.Tensor:
        """Map four features to z-depth in metres.

        ``features``: each (B, rows * columns, hidden), row-major on ``grid`` = (rows, columns) of
        tokens. Returns (B, rows * pixels_per_token, columns * pixels_per_token).
        """
        maps = []
        for level, tokens in enumerate(features):
            x = self.norm(tokens).unflatten(1, grid).permute(0, 3, 1, 2)
            x = self.resize_layers[level](mixed(x, self.projects[level]))
            maps.append(getattr(self.scratch, f"layer{level + 1}_rn")(x))
        return self._decode(maps, grid)

    def _decode(self, maps: list, grid: tuple) -> torch.Tensor:
        x, scratch = self.fused(maps), self.scratch
        x = scratch.output_conv1(resize(x, [2 * side for side in x.shape[-2:]]))
        size = [side * self.config.pixels_per_token for side in grid]
        return scratch.output_conv2(resize(x, size)).squeeze(1)

    def fused(self, maps: list) -> torch.Tensor:
        """Run the pyramid on its four maps; returns (B, fusion, h, w) of the first map's size.

        The last step's resampling, by 2, is left to the caller.
        """
        scratch, (first, second, third, fourth) = self.scratch, maps
        x = scratch.refinenet4(fourth, None, third.shape[-2:])
        x = scratch.refinenet3(x, third, second.shape[-2:])
        x = scratch.refinenet2(x, second, first.shape[-2:])
        return scratch.refinenet1(x, first, first.shape[-2:])


class OriginalDPTHead(DPTHead):
    """The pyramid of Ranftl et al. 2021, which DepthVLM compares its own with: levels x4 to x1/2.

    The last level is halved by a 3x3 convolution of stride 2, the third stays as it is.
    """

    def __init__(self, config: HeadConfig, hidden_size: int):
        super().__init__(config, hidden_size)
        first, second, _, fourth = config.widths
        self.resize_layers = nn.ModuleList(
            [
                nn.ConvTranspose2d(first, first, 4, stride=4),
                nn.ConvTranspose2d(second, second, 2, stride=2),
                nn.Identity(),
                nn.Conv2d(fourth, fourth, 3, stride=2, padding=1),
            ]
        )


class MLPHead(nn.Module):
    """Each token to its own square of pixels."""

    def __init__(self, config: HeadConfig, hidden_size: int):
        super().__init__()
        self.config = config
        width = hidden_size * (LEVELS if config.feature_mode == "concat" else 1)
        self.norm = nn.LayerNorm(width, eps=1e-5)
        self.mlp = nn.Sequential(
            nn.Linear(width, config.mlp_hidden),
            nn.GELU(),
            nn.Linear(config.mlp_hidden, config.pixels_per_token**2),
        )

    def forward(self, features: list[torch.Tensor], grid: tuple) -> torch.Tensor:
        """Map the features to z-depth in metres; shapes as in ``DPTHead.forward``."""
        if self.config.feature_mode == "concat":
            x = torch.cat(features, dim=-1)
        else:
            x = sum(features) if self.config.feature_mode == "sum" else features[-1]
        side = self.config.pixels_per_token
        squares = F.softplus(self.mlp(self.norm(x))).unflatten(1, grid).unflatten(3, (side, side))
        return squares.permute(0, 1, 3, 2, 4).flatten(3, 4).flatten(1, 2)


HEADS = {"dpt": DPTHead, "dpt_original": OriginalDPTHead, "mlp": MLPHead}
