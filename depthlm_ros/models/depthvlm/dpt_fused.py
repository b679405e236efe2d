"""The DPT head with frozen weights: linear steps that follow one another are done as one.

Equal to ``DPTHead`` but for rounding; made from one, for inference alone. Two things are folded.
A deconvolution and the 3x3 convolution behind it are one larger deconvolution (64 to 100 kernel
positions instead of a 3x3 convolution of the 8 times larger map). And a 3x3 convolution of an
enlarged map may multiply by its weights first and enlarge afterwards, at a quarter of the
products; that one pays on a CPU with many channels only, where products are the price.
"""

from itertools import product

import torch
import torch.nn.functional as F
from torch import nn

from depthlm_ros.models.depthvlm.depth_heads import SCALES, DPTHead, mixed, resize
from depthlm_ros.models.weights.derived_sizes import HALO

CHANNELS_FOR_TAPS_FIRST = 128
NUMBERS_IN_CACHE = 2**19


class FusedDPTHead:
    """A frozen ``DPTHead``: called alike, it gives the same map sooner."""

    def __init__(self, head: DPTHead):
        self.head = head
        scratch = head.scratch
        self._levels = [
            FusedDeconvolution(head.resize_layers[level], getattr(scratch, f"layer{level + 1}_rn"))
            for level, scale in enumerate(SCALES)
            if scale > 1
        ]
        self._output = [
            ConvBeforeUpsample(scratch.output_conv1),
            ConvBeforeUpsample(scratch.output_conv2[0]),
        ]

    def __call__(self, features: list[torch.Tensor], grid: tuple) -> torch.Tensor:
        """Map four features (B, tokens, hidden) to z-depth; see ``DPTHead.forward``."""
        head, maps = self.head, []
        for level, tokens in enumerate(features):
            x = mixed(
                head.norm(tokens).unflatten(1, grid).permute(0, 3, 1, 2), head.projects[level]
            )
            last = level == len(self._levels)
            maps.append(head.scratch.layer4_rn(x) if last else self._levels[level](x))
        return self._decode(maps, grid)

    def _decode(self, maps: list, grid: tuple) -> torch.Tensor:
        """Do what ``DPTHead`` does with its maps, both output convolutions by their taps."""
        x = self.head.fused(maps)
        x = self._output[0](x, [2 * side for side in x.shape[-2:]])
        x = self._output[1](x, [side * self.head.config.pixels_per_token for side in grid])
        return self.head.scratch.output_conv2[1:](x).squeeze(1)


class FusedDeconvolution:
    """A deconvolution (kernel = stride) and a 3x3 convolution without bias, as one product.

    Each token gives a square of stride + 2 pixels a side; neighbouring squares overlap by the
    halo, where they add up.
    """

    def __init__(self, deconvolution: nn.Module, convolution: nn.Conv2d):
        weight, kernel = deconvolution.weight, convolution.weight.float()
        self.stride = weight.shape[-1]
        self.out, self.side = kernel.shape[0], self.stride + 2 * HALO
        spread = _through_kernel(weight.float(), kernel)
        self._weight = spread.flatten(0, 2).to(weight.dtype)
        bias = deconvolution.bias.float().view(1, -1, 1, 1).expand(-1, -1, *weight.shape[2:])
        spread = F.conv2d(bias, kernel, padding=2 * HALO).permute(0, 2, 3, 1)
        self._bias = spread.flatten().to(weight.dtype)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C, rows, columns) to (B, out, rows * stride, columns * stride)."""
        batch, _, rows, columns = x.shape
        # One product for each token: (B, rows, columns, C) to a square of side^2 x out numbers.
        squares = F.linear(x.permute(0, 2, 3, 1), self._weight, self._bias)
        squares = squares.view(batch, rows, columns, self.side, self.side, self.out)
        # Axes: (B, token row, token column, pixel row, pixel column, out). Adding the halos along
        # the rows, then along the columns, also brings each corner to its diagonal neighbour.
        tall = self._overlapped(squares, 1, 3)
        wide = self._overlapped(tall, 2, 4)
        image = wide.transpose(2, 3).reshape(
            batch, rows * self.stride, columns * self.stride, self.out
        )
        return image.permute(0, 3, 1, 2)

    def _overlapped(self, x: torch.Tensor, tokens: int, pixels: int) -> torch.Tensor:
        """Add each square's halo to its neighbours' along one axis; returns the squares' cores."""
        core = x.narrow(pixels, HALO, self.stride)
        count = x.shape[tokens] - 1
        if count:
            # A square's first pixels get what the square before spills over its end, its last
            # ones what the square after spills over its beginning.
            first, last = core.narrow(pixels, 0, HALO), core.narrow(pixels, -HALO, HALO)
            before = x.narrow(pixels, 0, HALO)
            after = x.narrow(pixels, self.side - HALO, HALO)
            last.narrow(tokens, 0, count).add_(before.narrow(tokens, 1, count))
            first.narrow(tokens, 1, count).add_(after.narrow(tokens, 0, count))
        return core


def _through_kernel(squares: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Return a 3x3 kernel's response to a deconvolution's squares, one for each of its channels.

    ``squares``: (C, M, side, side); ``kernel``: (out, M, 3, 3). Returns (side + 2, side + 2, out,
    C). Each pixel and each tap is one product, added up in place: torch's own convolution of so
    many channels takes ten times the time and the memory.
    """
    pixels = squares.permute(2, 3, 1, 0).contiguous()
    taps = kernel.permute(2, 3, 0, 1).contiguous()
    side = pixels.shape[0]
    spread = squares.new_zeros(side + 2 * HALO, side + 2 * HALO, kernel.shape[0], len(squares))
    for (down, right), (y, x) in product(
        product(range(3), repeat=2), product(range(side), repeat=2)
    ):
        # A kernel looks from its own pixel to others: what it sees lies mirrored in the response.
        seen_by = spread[y + 2 * HALO - down, x + 2 * HALO - right]
        seen_by.addmm_(taps[down, right], pixels[y, x])
    return spread


class ConvBeforeUpsample:
    """A 3x3 convolution of a bilinearly resized map: weights first, resizing afterwards.

    Resizing mixes pixels and a kernel's tap mixes channels, so they commute; what is left after
    both is to add up the nine shifted maps, with zeros beyond the border.
    """

    def __init__(self, convolution: nn.Conv2d):
        self.convolution = convolution
        weight = convolution.weight
        self._pays = weight.device.type == "cpu" and weight.shape[1] >= CHANNELS_FOR_TAPS_FIRST
        self._taps = weight.permute(3, 2, 0, 1).flatten(0, 2).contiguous() if self._pays else None

    def __call__(self, x: torch.Tensor, size) -> torch.Tensor:
        """Map (B, C, h, w) to the convolution of its enlargement to ``size``, (B, out, *size)."""
        if not self._pays or x.shape[-1] >= size[1]:
            return self.convolution(resize(x, size))
        widened = _shifted_sum(resize(self._widened(x, size[1]), size), 2)
        return widened.add_(self.convolution.bias.view(1, -1, 1, 1))

    def _widened(self, x: torch.Tensor, width: int) -> torch.Tensor:
        """Return (B, 3 * out, h, width), added up along the rows, a few rows at a time.

        All nine taps of the whole map would not fit the processor's cache.
        """
        batch, _, height, _ = x.shape
        groups = len(self._taps) // 3
        wide = x.new_empty(batch, height, width, groups).permute(0, 3, 1, 2)
        step = max(1, NUMBERS_IN_CACHE // (batch * width * len(self._taps)))
        for row in range(0, height, step):
            rows = x[:, :, row : row + step].permute(0, 2, 3, 1)
            # (B, step, width, C) to nine maps of ``out`` channels, in three groups by column.
            taps = F.linear(rows, self._taps).permute(0, 3, 1, 2)
            wide[:, :, row : row + step] = _shifted_sum(resize(taps, (taps.shape[2], width)), 3)
        return wide


def _shifted_sum(x: torch.Tensor, axis: int) -> torch.Tensor:
    """Add three groups of channels, the first moved forward along ``axis``, the last backward."""
    before, middle, after = x.chunk(3, dim=1)
    total, count = middle.contiguous(memory_format=torch.channels_last), x.shape[axis] - 1
    total.narrow(axis, 1, count).add_(before.narrow(axis, 0, count))
    total.narrow(axis, 0, count).add_(after.narrow(axis, 1, count))
    return total
