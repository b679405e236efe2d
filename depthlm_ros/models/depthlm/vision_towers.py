"""The vision towers of Qwen2.5-VL and Pixtral, layer by layer on the stock modules, without waste.

Knows which stock layer follows which; owns no weights. Exact, and equal to the stock forward to
rounding (``test/models/depthlm/test_vision_towers.py``):

* Qwen2.5-VL's windows are one attention call a layer where torch has one of variable length (CUDA,
  half precision), else at most four, grouped by size, instead of one a window (2,776 an image at
  3B); with no padding and no mask;
* the patch embedding is one matrix product: the temporal slices of a still image add up;
* B pictures of one size go together, where the stock Pixtral masks one long sequence;
* rotary tables and orders are made once per picture size.
"""

import logging
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F

from depthlm_ros.models.runtime.fused_layers import rotary_tables, rotated
from depthlm_ros.models.runtime.rotary import BASE, axial_frequencies, axial_tables
from depthlm_ros.models.runtime.text_decoder import normed

_log = logging.getLogger(__name__)
_FAILED_ON: set[torch.device] = set()


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


def varlen_attention(like: torch.Tensor):
    """Return torch's attention of variable length if it takes tensors such as ``like``, else None.

    Called with query, key, value (tokens, heads, width), where each sequence begins (twice,
    int32), and the longest one's length (twice): what all versions since torch 2.10 take.
    """
    takes = like.dtype in (torch.float16, torch.bfloat16) and like.shape[-1] % 8 == 0
    if not (like.is_cuda and takes and _has_flash(like.device)) or like.device in _FAILED_ON:
        return None
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    return varlen_attn


@lru_cache(maxsize=8)
def _has_flash(device: torch.device) -> bool:
    """Tell whether a CUDA device can run torch's flash attention kernels, and torch has them."""
    can = torch.cuda.get_device_capability(device) >= (8, 0)
    return can and torch.backends.cuda.is_flash_attention_available()


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
        """Return patch order, token inverse, windows in patches, rotary tables; kept per size.

        Windows: their runs, where each begins (int32, the end too), the longest one's patches.
        """
        if self._cached[0] != (grid, device):
            rows, columns = self.tokens(grid)
            unit = self.merge**2
            windows = windows_of(rows, columns, self.window)
            within = torch.arange(unit)
            order = (windows.order[:, None] * unit + within).flatten()
            y = (windows.order // columns)[:, None] * self.merge + within // self.merge
            x = (windows.order % columns)[:, None] * self.merge + within % self.merge
            f = axial_frequencies(self.visual.config.hidden_size // self.heads)
            positions = torch.stack([y.flatten(), x.flatten()], dim=1)
            cos, sin = axial_tables(positions, [f, f], torch.float32, device)
            runs = tuple((first * unit, count, n * unit) for first, count, n in windows.runs)
            sizes = [size for _, count, size in runs for _ in range(count)]
            begins = torch.tensor([0, *sizes]).cumsum(0).to(device, torch.int32)
            inverse = windows.inverse.to(device)
            segments = (runs, begins, max(sizes))
            tables = (order.to(device), inverse, segments, rotary_tables(cos, sin))
            self._cached = ((grid, device), tables)
        return self._cached[1]

    def __call__(self, patches: torch.Tensor, grid: tuple) -> torch.Tensor:
        """Map patches (B, rows * columns, 3 * patch * patch) to tokens (B, tokens, text width).

        ``grid``: (rows, columns) in patches; order of patches as ``image_patches.to_patches``.
        """
        visual = self.visual
        order, inverse, windows, tables = self._size_tables(tuple(grid), patches.device)
        kernel = visual.patch_embed.proj.weight
        kernel_of_both = kernel.sum(2).flatten(1)
        if kernel_of_both.shape[0] < kernel_of_both.shape[1]:  # reorder what is narrower
            x = F.linear(patches.to(kernel.dtype), kernel_of_both)[:, order]
        else:
            x = F.linear(patches[:, order].to(kernel.dtype), kernel_of_both)
        attend = _WindowAttention(*windows, *x.shape[:2])
        for index, block in enumerate(visual.blocks):
            mine = None if index in self.full else attend
            x = x + self._attend(block.attn, normed(x, block.norm1), mine, tables)
            x = x + block.mlp(normed(x, block.norm2))
        tokens = visual.merger(x)
        return tokens.view(len(x), -1, tokens.shape[-1])[:, inverse]

    def _attend(self, attention, x, windows, tables) -> torch.Tensor:
        """Attend within the windows, or everywhere where they are None."""
        parts = attention.qkv(x).unflatten(-1, (3 * self.heads, -1))
        both, v = parts.split([2 * self.heads, self.heads], dim=2)
        q, k = rotated(both, tables).chunk(2, dim=2)
        if windows is not None:
            return attention.proj(windows(q, k, v, attention.scaling).flatten(2))
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v, scale=attention.scaling)
        return attention.proj(out.transpose(1, 2).flatten(2))


class _WindowAttention:
    """Attention within the windows of B pictures of one size, for all layers alike."""

    def __init__(self, runs: tuple, begins: torch.Tensor, longest: int, batch: int, length: int):
        self._runs, self._longest = runs, longest
        self._begins = begins
        if batch > 1:
            offsets = torch.arange(batch, device=begins.device, dtype=torch.int32) * length
            inner = (offsets[:, None] + begins[:-1]).flatten()
            self._begins = torch.cat([inner, begins[-1:] + offsets[-1:]])

    def __call__(self, q, k, v, scale: float) -> torch.Tensor:
        """Map (B, tokens, heads, width) each to the same shape."""
        kernel = varlen_attention(v) if scale == v.shape[-1] ** -0.5 else None
        out = None if kernel is None else self._at_once(kernel, q, k, v)
        if out is not None:
            return out
        parts = [self._run(q, k, v, scale, *run) for run in self._runs]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def _at_once(self, kernel, q, k, v) -> torch.Tensor | None:
        """Attend by one call of the kernel; None, and never again there, where it fails."""
        flat = (t.flatten(0, 1) for t in (q, k, v))
        try:
            out = kernel(*flat, self._begins, self._begins, self._longest, self._longest)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # a device, or a build of torch, that has it not after all
            _FAILED_ON.add(v.device)
            _log.warning(
                "torch's attention of variable length fails on %s; windows are grouped, "
                "which is slower: %s",
                v.device,
                str(error).splitlines()[0],
            )
            return None
        return out.view(q.shape)

    def _run(self, q, k, v, scale, first: int, count: int, size: int) -> torch.Tensor:
        """Attend in one call within ``count`` windows of ``size`` tokens each, from ``first``."""
        q, k, v = (
            t[:, first : first + count * size].unflatten(1, (count, size)).flatten(0, 1)
            for t in (q, k, v)
        )
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v, scale=scale).transpose(1, 2)
        return out.unflatten(0, (-1, count)).flatten(1, 2)


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
            rope = getattr(config, "rope_parameters", None) or {}
            base = rope.get("rope_theta") or getattr(config, "rope_theta", BASE)
            f = 1.0 / base ** (torch.arange(0, size, 2, dtype=torch.float) / size)
            positions = torch.stack([y.flatten(), x.flatten()], dim=1)
            cos, sin = axial_tables(positions, [f[0::2], f[1::2]], dtype, device)
            self._cached = ((grid, dtype, device), rotary_tables(cos, sin))
        return self._cached[1]

    def __call__(self, patches: torch.Tensor, grid: tuple) -> torch.Tensor:
        """Map patches (B, rows * columns, 3 * patch * patch) to tokens (B, tokens, text width)."""
        kernel = self.tower.patch_conv.weight
        tables = self._size_tables(tuple(grid), kernel.dtype, patches.device)
        x = self.tower.ln_pre(F.linear(patches.to(kernel.dtype), kernel.flatten(1)))
        for layer in self.tower.transformer.layers:
            x = x + self._attend(layer.attention, normed(x, layer.attention_norm), tables)
            x = x + layer.feed_forward(normed(x, layer.ffn_norm))
        return self.projector(x)

    def _attend(self, attention, x, tables) -> torch.Tensor:
        q, k, v = (
            projection(x).unflatten(-1, (self.heads, -1))
            for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        q, k, v = (t.transpose(1, 2) for t in (rotated(q, tables), rotated(k, tables), v))
        out = F.scaled_dot_product_attention(q, k, v, scale=attention.scaling)
        return attention.o_proj(out.transpose(1, 2).flatten(2))
