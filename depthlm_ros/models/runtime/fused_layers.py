"""A frozen Qwen3-VL's layers with fewer and larger operations: same weights, same results.

Equal to the stock layers but for rounding, for inference on whole images alone (text is decoded by
the stock model). The products of one input are one product (query, key and value; gate and up),
all images of a batch attend in one call, and rotation takes three operations. The joined weights
share their memory with the stock layers', which go on working.
"""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn


def rotary_tables(cos: torch.Tensor, sin: torch.Tensor) -> tuple:
    """Turn stock tables (length, width) into those of ``rotated``: float32 (length, 1, width).

    The sine's first half changes sign, which saves negating half of every query and key.
    """
    first, second = sin.float().chunk(2, dim=-1)
    return cos.float()[:, None], torch.cat([-first, second], dim=-1)[:, None]


def rotated(x: torch.Tensor, tables: tuple) -> torch.Tensor:
    """Apply rotary positions to (B, length, heads, width); computed in float32, as the stock."""
    cos, sin = tables
    turned = torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)
    return turned.to(x.dtype)


def fused_linear(*layers: nn.Linear) -> Callable:
    """Return one product that does for linear layers of one input what they do one by one.

    Their own weights become views of the joined one. Quantised weights stay apart, since their
    type knows no joining; the products of all rows are the same.
    """
    if any(type(layer.weight.data) is not torch.Tensor for layer in layers):
        return lambda x: torch.cat([layer(x) for layer in layers], dim=-1)
    weight = torch.cat([layer.weight.data for layer in layers])
    sizes = [layer.out_features for layer in layers]
    for layer, part in zip(layers, weight.split(sizes), strict=True):
        layer.weight.data = part
    bias = None
    if layers[0].bias is not None:
        bias = torch.cat([layer.bias.data for layer in layers])
    if weight.is_cuda:  # nothing joined later fits into the parts' blocks: no second copy
        torch.cuda.empty_cache()
    return partial(F.linear, weight=weight, bias=bias)


class FusedVisionBlock:
    """One block of the vision tower."""

    def __init__(self, block: nn.Module):
        self._block = block
        self._heads = block.attn.num_heads

    def __call__(self, x: torch.Tensor, tables: tuple) -> torch.Tensor:
        """Map (B, patches, width) to the same shape; every image attends to itself alone."""
        block, attention = self._block, self._block.attn
        qkv = attention.qkv(block.norm1(x)).unflatten(-1, (3 * self._heads, -1))
        query, key = rotated(qkv[:, :, : 2 * self._heads], tables).transpose(1, 2).chunk(2, 1)
        value = qkv[:, :, 2 * self._heads :].transpose(1, 2)
        attended = F.scaled_dot_product_attention(query, key, value)
        x = x + attention.proj(attended.transpose(1, 2).flatten(2))
        return x + block.mlp(block.norm2(x))


class FusedDecoderLayer:
    """One layer of the language model, reading a whole sequence from its beginning."""

    def __init__(self, layer: nn.Module):
        attention = layer.self_attn
        self._layer, self._width = layer, attention.head_dim
        self._heads = attention.q_proj.out_features // self._width
        self._shared = attention.k_proj.out_features // self._width
        self._joined = fused_linear(attention.q_proj, attention.k_proj, attention.v_proj)
        self._gated = fused_linear(layer.mlp.gate_proj, layer.mlp.up_proj)
        self._scale = torch.cat(
            [
                attention.q_norm.weight.data.expand(self._heads, -1),
                attention.k_norm.weight.data.expand(self._shared, -1),
            ]
        )

    def __call__(self, x: torch.Tensor, tables: tuple, cache=None) -> torch.Tensor:
        """Map (B, length, hidden) to the same shape, causally; fills ``cache`` where given."""
        layer, attention = self._layer, self._layer.self_attn
        parts = self._joined(_normed(x, layer.input_layernorm))
        parts = parts.unflatten(-1, (-1, self._width))
        both = parts[:, :, : self._heads + self._shared]
        both = F.rms_norm(both, (self._width,), eps=attention.q_norm.variance_epsilon)
        both = rotated(both * self._scale, tables).transpose(1, 2)
        query, key = both.split((self._heads, self._shared), dim=1)
        value = parts[:, :, self._heads + self._shared :].transpose(1, 2)
        if cache is not None:
            key, value = cache.update(key, value, attention.layer_idx)
        attended = F.scaled_dot_product_attention(
            query, key, value, is_causal=True, enable_gqa=self._heads != self._shared
        )
        x = x + attention.o_proj(attended.transpose(1, 2).flatten(2))
        gate, up = self._gated(_normed(x, layer.post_attention_layernorm)).chunk(2, -1)
        return x + layer.mlp.down_proj(layer.mlp.act_fn(gate) * up)


def _normed(x: torch.Tensor, norm: nn.Module) -> torch.Tensor:
    return F.rms_norm(x, (x.shape[-1],), norm.weight, norm.variance_epsilon)
