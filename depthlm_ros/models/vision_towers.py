"""The vision towers of Qwen2.5-VL and Pixtral, layer by layer on the stock modules, without waste.

Knows which stock layer follows which; owns no weights. Exact, and equal to the stock forward to
rounding (``test/models/test_depthlm_vision.py``):

* Qwen2.5-VL's windows are grouped by size, so that a layer makes at most four attention calls
  instead of one a window (2,776 an image at 3B), with no padding and no mask;
* the patch embedding is one matrix product: the temporal slices of a still image add up;
* B pictures of one size go together, where the stock Pixtral masks one long sequence;
* rotary tables and orders are made once per picture size.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F

_ROTARY_BASE = 10000.0


@dataclass(frozen=True)
class _Windows:
    """The order in which tokens are worked on, its inverse, and runs of equal windows.

    ``order``, ``inverse``: (tokens,) int64. ``runs``: (first token, windows, tokens a window)
    each.
    """

    order: torch.Tensor
    inverse: torch.Tensor
    runs: tuple


@lru_cache(maxsize=16)
def windows_of(rows: int, columns: int, side: int) -> _Windows:
    """Group the ``side`` x ``side`` windows of a token grid by size; the last ones may be cut."""
    by_size = {}
    numbers = torch.arange(rows * columns).view(rows, columns)
    for top in range(0, rows, side):
        for left in range(0, columns, side):
            window = numbers[top : top + side, left : left + side]
            by_size.setdefault(tuple(window.shape), []).append(window.flatten())
    order, runs, first = [], [], 0
    for members in by_size.values():
        runs.append((first, len(members), len(members[0])))
        first += len(members) * len(members[0])
        order += members
    order = torch.cat(order)
    return _Windows(order, torch.argsort(order), tuple(runs))


def _tables(positions: torch.Tensor, frequencies: list, dtype, device) -> tuple:
    """Return cos and sin, (tokens, head size), of angles laid out as the halves that rotate."""
    angles = torch.cat(
        [positions[:, axis, None].float() * f for axis, f in enumerate(frequencies)], dim=-1
    )
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos().to(device, dtype), angles.sin().to(device, dtype)


def _rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotate (..., head size) by tables that broadcast to it."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat([-second, first], dim=-1).mul_(sin).addcmul_(x, cos)


class Qwen25Vision:
    """Run the stock ``Qwen2_5_VisionTransformerPretrainedModel`` on B pictures of one size."""

    def __init__(self, visual):
        self.visual = visual
        config = visual.config
        self.merge, self.heads = config.spatial_merge_size, config.num_heads
        self.window = config.window_size // config.spatial_merge_size // config.patch_size
        self.full = set(config.fullatt_block_indexes)
        self._cached = (None, None)

    def tokens(self, grid: tuple) -> tuple:
        """Return the (rows, columns) of image tokens that a grid of patches becomes."""
        return grid[0] // self.merge, grid[1] // self.merge

    def prepare(self, grid: tuple, device: torch.device) -> None:
        """Make what depends on the size alone."""
        self._size_tables(tuple(grid), device)

    def _size_tables(self, grid: tuple, device) -> tuple:
        """Return patch order, token inverse, window runs in patches, cos, sin; kept per size."""
        if self._cached[0] != (grid, device):
            rows, columns = self.tokens(grid)
            unit = self.merge**2
            windows = windows_of(rows, columns, self.window)
            within = torch.arange(unit)
            order = (windows.order[:, None] * unit + within).flatten()
            y = (windows.order // columns)[:, None] * self.merge + within // self.merge
            x = (windows.order % columns)[:, None] * self.merge + within % self.merge
            size = self.visual.config.hidden_size // self.heads // 2
            f = 1.0 / _ROTARY_BASE ** (torch.arange(0, size, 2, dtype=torch.float) / size)
            positions = torch.stack([y.flatten(), x.flatten()], dim=1)
            cos, sin = _tables(positions, [f, f], torch.float32, device)
            runs = tuple((first * unit, count, n * unit) for first, count, n in windows.runs)
            inverse = windows.inverse.to(device)
            tables = (order.to(device), inverse, runs, cos[:, None, None], sin[:, None, None])
            self._cached = ((grid, device), tables)
        return self._cached[1]

    def __call__(self, patches: torch.Tensor, grid: tuple) -> torch.Tensor:
        """Map patches (B, rows * columns, 3 * patch * patch) to tokens (B, tokens, text width).

        ``grid``: (rows, columns) in patches; order of patches as ``preprocess.to_patches``.
        """
        visual = self.visual
        order, inverse, runs, cos, sin = self._size_tables(tuple(grid), patches.device)
        kernel = visual.patch_embed.proj.weight
        kernel_of_both = kernel.sum(2).flatten(1)
        if kernel_of_both.shape[0] < kernel_of_both.shape[1]:  # reorder what is narrower
            x = F.linear(patches.to(kernel.dtype), kernel_of_both)[:, order]
        else:
            x = F.linear(patches[:, order].to(kernel.dtype), kernel_of_both)
        for index, block in enumerate(visual.blocks):
            mine = ((0, 1, x.shape[1]),) if index in self.full else runs
            x = x + self._attend(block.attn, block.norm1(x), mine, cos, sin)
            x = x + block.mlp(block.norm2(x))
        tokens = visual.merger(x)
        return tokens.view(len(x), -1, tokens.shape[-1])[:, inverse]

    def _attend(self, attention, x, runs, cos, sin) -> torch.Tensor:
        """Attend within every window of every run: one call a run."""
        batch, length, width = x.shape
        both, v = attention.qkv(x).view(batch, length, 3, self.heads, -1).split([2, 1], dim=2)
        q, k = _rotate(both.float(), cos, sin).to(v.dtype).unbind(2)
        v = v.squeeze(2)
        parts = []
        for first, count, size in runs:
            span = slice(first, first + count * size)
            q_, k_, v_ = (
                t[:, span].reshape(batch * count, size, self.heads, -1).transpose(1, 2)
                for t in (q, k, v)
            )
            out = F.scaled_dot_product_attention(q_, k_, v_, scale=attention.scaling)
            parts.append(out.transpose(1, 2).reshape(batch, count * size, width))
        return attention.proj(parts[0] if len(parts) == 1 else torch.cat(parts, dim=1))


class PixtralVision:
    """Run the stock ``PixtralVisionModel`` and Llava's projector on B pictures of one size."""

    def __init__(self, tower, projector):
        self.tower, self.projector = tower, projector
        self.heads = tower.config.num_attention_heads
        self._cached = (None, None)

    def tokens(self, grid: tuple) -> tuple:
        """Return the (rows, columns) of image tokens: one a patch."""
        return tuple(grid)

    def prepare(self, grid: tuple, device: torch.device) -> None:
        """Make what depends on the size alone."""
        self._size_tables(tuple(grid), self.tower.patch_conv.weight.dtype, device)

    def _size_tables(self, grid: tuple, dtype, device) -> tuple:
        if self._cached[0] != (grid, dtype, device):
            rows, columns = grid
            y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
            config = self.tower.config
            size = config.hidden_size // self.heads
            base = config.rope_parameters["rope_theta"]
            f = 1.0 / base ** (torch.arange(0, size, 2, dtype=torch.float) / size)
            positions = torch.stack([y.flatten(), x.flatten()], dim=1)
            cos, sin = _tables(positions, [f[0::2], f[1::2]], dtype, device)
            self._cached = ((grid, dtype, device), (cos[:, None], sin[:, None]))
        return self._cached[1]

    def __call__(self, patches: torch.Tensor, grid: tuple) -> torch.Tensor:
        """Map patches (B, rows * columns, 3 * patch * patch) to tokens (B, tokens, text width)."""
        kernel = self.tower.patch_conv.weight
        cos, sin = self._size_tables(tuple(grid), kernel.dtype, patches.device)
        x = self.tower.ln_pre(F.linear(patches.to(kernel.dtype), kernel.flatten(1)))
        for layer in self.tower.transformer.layers:
            x = x + self._attend(layer.attention, layer.attention_norm(x), cos, sin)
            x = x + layer.feed_forward(layer.ffn_norm(x))
        return self.projector(x)

    def _attend(self, attention, x, cos, sin) -> torch.Tensor:
        q, k, v = (
            projection(x).unflatten(-1, (self.heads, -1))
            for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        q, k, v = (t.transpose(1, 2) for t in (_rotate(q, cos, sin), _rotate(k, cos, sin), v))
        out = F.scaled_dot_product_attention(q, k, v, scale=attention.scaling)
        return attention.o_proj(out.transpose(1, 2).flatten(2))
