"""The language models of both families, layer by layer on the stock modules, for short readings.

Knows which stock layer follows which (Qwen2 and Mistral have the same); its weights are the stock
layers'. Equal to the stock forward to rounding (``test/models/runtime/test_text_decoder.py``), and
cheaper here because

* keys and values lie in one buffer a layer, with room for what is read later: nothing is copied
  when a few tokens follow, and several branches may follow the same beginning under a mask;
* the last layer works on the last rows alone where only those are wanted (``keep``);
* query, key and value are one product, gate and up another (``fused_layers.fused_linear``), and a
  norm is one operation;
* the causal case carries no mask at all, and on a GPU the queries that share keys are otherwise
  rows of one head: its kernel that knows masks knows no shared keys, and none is copied so.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from depthlm_ros.models.runtime.fused_layers import fused_linear, rotated
from depthlm_ros.models.runtime.rotary import one_axis


class KVCache:
    """Keys and values of B conversations: ``length`` tokens of every layer, and room for more."""

    def __init__(self, room: int):
        self.room, self.length = room, 0
        self.layers = {}  # layer -> (keys, values), each (B, heads, capacity, head size)

    def put(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> tuple:
        """Write n tokens' keys and values, (B, heads, n, head size), after ``length``.

        Returns views of all of the layer's, this call's included.
        """
        batch, heads, n, size = keys.shape
        end = self.length + n
        held = self.layers.get(layer)
        if held is None or held[0].shape[2] < end:
            # New memory only when the room is used up; what lies beyond ``length`` is undefined
            # and never returned.
            grown = keys.new_empty(2, batch, heads, end + self.room, size)
            if held is not None:
                grown[0, :, :, : self.length] = held[0][:, :, : self.length]
                grown[1, :, :, : self.length] = held[1][:, :, : self.length]
            held = self.layers[layer] = (grown[0], grown[1])
        held[0][:, :, self.length : end] = keys
        held[1][:, :, self.length : end] = values
        return held[0][:, :, :end], held[1][:, :, :end]

    def advance(self, n: int) -> None:
        """Count the n tokens that every layer has put."""
        self.length += n

    def cut(self, length: int) -> None:
        """Forget every token from ``length`` on."""
        self.length = min(self.length, length)

    def select(self, which: torch.Tensor) -> None:
        """Keep the conversations ``which`` only."""
        for layer, held in self.layers.items():
            self.layers[layer] = tuple(tensor[which] for tensor in held)


@dataclass(frozen=True)
class _Products:
    """What a layer's linear modules do, one product for each input.

    ``qkv``: None in the last layer, where queries (``q``) may be asked of fewer rows than keys and
    values (``kv``).
    """

    q: Callable
    kv: Callable | None
    qkv: Callable | None
    gated: Callable


def _apart(*layers) -> Callable:
    """Return the product of linear layers whose weights are being trained."""
    return lambda x: torch.cat([layer(x) for layer in layers], dim=-1)


class TextDecoder:
    """Run a stock Qwen2.5-VL or Mistral text model on embeddings.

    The stock layers' weights become views of joined ones at the first call, and the stock model
    goes on working. Weights that require gradients, or were replaced since, are noticed; biases
    changed in place are not.

    ``fold``: whether queries that share keys become rows of one head; None: on a GPU.
    """

    def __init__(self, language_model, fold: bool | None = None):
        self.stock = language_model
        attention = language_model.layers[0].self_attn
        self.head_size, self.scale = attention.head_dim, attention.scaling
        self.heads = attention.q_proj.out_features // self.head_size
        self.kv_heads = attention.k_proj.out_features // self.head_size
        self._fold = fold
        self._seal, self._products = (), []

    def __call__(
        self,
        x: torch.Tensor,
        positions: torch.Tensor,
        cache: KVCache,
        mask: torch.Tensor | None = None,
        keep: int | None = None,
    ) -> torch.Tensor:
        """Read embeddings (B, n, width) at ``positions``, (3, B, n) or (B, n), after the cache.

        ``positions``: of one conversation where all have the same. ``mask``: bool
        (B, 1, n, cached + n), True where a token sees another; None: each sees everything before
        it, which needs an empty cache or n = 1. ``keep``: return the states of the last ``keep``
        tokens only. Returns (B, n or keep, width) after the final norm.
        """
        n = x.shape[1]
        if mask is None and cache.length and n > 1:
            raise ValueError("several tokens after a cache need a mask")
        self.prepare()
        tables, last = self._tables(positions), len(self._products) - 1
        attend = _Attention(self, n, mask, x.is_cuda if self._fold is None else self._fold)
        for index, (layer, products) in enumerate(
            zip(self.stock.layers, self._products, strict=True)
        ):
            # The last layer's keys and values are needed of all n tokens (later ones see them),
            # its queries and everything after only of the rows that are returned.
            rows = n if index < last or keep is None else keep
            parts = self._parts(products, normed(x, layer.input_layernorm), tables, rows)
            attended = attend(*cache.put(index, *parts[1:]), parts[0])
            x = x[:, n - rows :] + layer.self_attn.o_proj(attended)
            gate, up = products.gated(normed(x, layer.post_attention_layernorm)).chunk(2, -1)
            x = x + layer.mlp.down_proj(layer.mlp.act_fn(gate) * up)
        cache.advance(n)
        return normed(x, self.stock.norm)

    def prepare(self) -> None:
        """Join the weights, unless that is done."""
        weight = self.stock.layers[0].self_attn.q_proj.weight
        seal = (weight, weight.requires_grad, weight.dtype, weight.device)
        if self._seal and seal[0] is self._seal[0] and seal[1:] == self._seal[1:]:
            return
        join = _apart if weight.requires_grad else fused_linear
        self._products = []
        with torch.inference_mode(weight.is_inference()):  # joined ones of the same kind
            for layer in self.stock.layers:
                self._products.append(_products(layer, join, layer is self.stock.layers[-1]))
        self._seal = seal

    def _tables(self, positions: torch.Tensor) -> tuple:
        """Return cosines and sines for ``fused_layers.rotated``, float32 (B or 1, n, 1.

        Head size).
        """
        # The module casts its tables to this argument's dtype: bfloat16 would round them.
        as_float = torch.empty(0, device=positions.device)
        tables = self.stock.rotary_emb(as_float, positions)
        cos, sin = (one_axis(t, self.stock.config)[:, :, None] for t in tables)
        # rotate_half(x) * sin, with its sign moved into the table: x2 * (-sin1), x1 * sin2.
        first, second = sin.chunk(2, dim=-1)
        return cos, torch.cat([-first, second], dim=-1)

    def _parts(self, products, x, tables, rows) -> tuple:
        """Return query of the last rows, key and value of all, each (B, heads, n, head size)."""
        n = x.shape[1]
        if products.qkv is not None:
            parts = products.qkv(x).unflatten(-1, (-1, self.head_size))
            # (B, n, heads + 2 kv_heads, head size): queries and keys are rotated as one tensor.
            both, value = parts.split([self.heads + self.kv_heads, self.kv_heads], dim=2)
            both = rotated(both, tables).transpose(1, 2)
            query, key = both.split([self.heads, self.kv_heads], dim=1)
            return query, key, value.transpose(1, 2)
        query = products.q(x[:, n - rows :]).unflatten(-1, (-1, self.head_size))
        query = rotated(query, tuple(t[:, n - rows :] for t in tables))
        key, value = products.kv(x).unflatten(-1, (-1, self.head_size)).chunk(2, dim=2)
        return tuple(t.transpose(1, 2) for t in (query, rotated(key, tables), value))


class _Attention:
    """The attention of a pass of n tokens: its masks are the same in every layer."""

    def __init__(self, decoder: TextDecoder, n: int, mask: torch.Tensor | None, fold: bool):
        self._n, self._mask, self._scale = n, mask, decoder.scale
        self._kv_heads, self._group = decoder.kv_heads, decoder.heads // decoder.kv_heads
        self._fold, self._masks = fold, {}

    def __call__(self, key, value, query) -> torch.Tensor:
        """Attend from queries (B, heads, rows, d), the last: (B, rows, heads * d)."""
        rows = query.shape[2]
        # Without a mask and with all rows the kernel knows the causal triangle by itself; a single
        # row sees everything and needs none. Else a bool mask (B or 1, 1, rows, keys).
        causal = self._mask is None and rows == self._n and rows > 1
        if causal or not self._fold:
            mask = None if causal else self._mask_of(rows, query.device)
            out = F.scaled_dot_product_attention(
                query, key, value, mask, is_causal=causal, scale=self._scale, enable_gqa=True
            )
            return out.transpose(1, 2).flatten(2)
        # Grouped queries as rows: (B, kv_heads * group, rows, d) to (B, kv_heads, rows * group,
        # d), the ``group`` queries of a row side by side: no key is repeated in memory.
        query = query.unflatten(1, (self._kv_heads, self._group)).transpose(2, 3).flatten(2, 3)
        mask = self._mask_of(rows, query.device)
        out = F.scaled_dot_product_attention(query, key, value, mask, scale=self._scale)
        return out.unflatten(2, (rows, self._group)).transpose(1, 2).flatten(2)

    def _mask_of(self, rows: int, device: torch.device) -> torch.Tensor | None:
        """Return the mask of the last rows, each for all queries that share keys if folded."""
        if rows == 1 and self._mask is None:
            return None
        if rows not in self._masks:
            # Of n = 5 tokens and rows = 2: row 3 sees keys 0..3, row 4 sees keys 0..4.
            if self._mask is None:  # the last rows of a causal triangle
                ones = torch.ones(rows, self._n, dtype=torch.bool, device=device)
                mask = ones.tril(self._n - rows)[None, None]
            else:
                mask = self._mask[:, :, self._n - rows :]
            if self._fold:  # each row of the mask ``group`` times, as the queries lie
                mask = mask[:, :, :, None].expand(-1, -1, -1, self._group, -1).flatten(2, 3)
            self._masks[rows] = mask
        return self._masks[rows]


def _products(layer, join: Callable, is_last: bool) -> _Products:
    attention, mlp = layer.self_attn, layer.mlp
    gated = join(mlp.gate_proj, mlp.up_proj)
    if is_last:
        return _Products(attention.q_proj, join(attention.k_proj, attention.v_proj), None, gated)
    qkv = join(attention.q_proj, attention.k_proj, attention.v_proj)
    return _Products(attention.q_proj, None, qkv, gated)


def normed(x: torch.Tensor, norm) -> torch.Tensor:
    """Apply a stock root-mean-square norm as one operation."""
    return F.rms_norm(x, (x.shape[-1],), norm.weight, norm.variance_epsilon)
