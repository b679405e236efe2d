"""The language models of both families, layer by layer on the stock modules, for short readings.

Knows which stock layer follows which (Qwen2 and Mistral have the same); owns no weights. Equal to
the stock forward to rounding (``test/models/test_text_decoder.py``), and cheaper here because

* keys and values lie in one buffer a layer, with room for what is read later: nothing is copied
  when a few tokens follow, and several branches may follow the same beginning under a mask;
* the last layer works on the last rows alone where only those are wanted (``keep``);
* the causal case carries no mask at all.
"""

import torch
import torch.nn.functional as F


class KeyValues:
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
            grown = keys.new_empty(2, batch, heads, end + self.room, size)
            if held is not None:
                grown[0, :, :, : self.length] = held[0][:, :, : self.length]
                grown[1, :, :, : self.length] = held[1][:, :, : self.length]
            held = self.layers[layer] = (grown[0], grown[1])
        held[0][:, :, self.length : end] = keys
        held[1][:, :, self.length : end] = values
        return held[0][:, :, :end], held[1][:, :, :end]

    def cut(self, length: int) -> None:
        """Forget every token from ``length`` on."""
        self.length = min(self.length, length)

    def select(self, which: torch.Tensor) -> None:
        """Keep the conversations ``which`` only."""
        for layer, held in self.layers.items():
            self.layers[layer] = tuple(tensor[which] for tensor in held)


def _rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotate (B, heads, n, head size) by tables (B, 1, n, head size)."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


class TextDecoder:
    """Run a stock Qwen2.5-VL or Mistral text model on embeddings."""

    def __init__(self, language_model):
        self.stock = language_model
        attention = language_model.layers[0].self_attn
        self.head_size, self.scale = attention.head_dim, attention.scaling

    def __call__(
        self,
        x: torch.Tensor,
        positions: torch.Tensor,
        cache: KeyValues,
        mask: torch.Tensor | None = None,
        keep: int | None = None,
    ) -> torch.Tensor:
        """Read embeddings (B, n, width) at ``positions``, (3, B, n) or (B, n), after the cache.

        ``mask``: bool (B, 1, n, cached + n), True where a token sees another; None: each sees
        everything before it, which needs an empty cache or n = 1. ``keep``: return the states of
        the last ``keep`` tokens only. Returns (B, n or keep, width) after the final norm.
        """
        if mask is None and cache.length and x.shape[1] > 1:
            raise ValueError("several tokens after a cache need a mask")
        cos, sin = (t.unsqueeze(1) for t in self.stock.rotary_emb(x, positions))
        last = len(self.stock.layers) - 1
        for index, layer in enumerate(self.stock.layers):
            rows = x.shape[1] if index < last or keep is None else keep
            attended = self._attend(index, layer, x, cos, sin, cache, mask, rows)
            x = x[:, -rows:] + attended
            x = x + layer.mlp(layer.post_attention_layernorm(x))
        cache.length += cos.shape[2]
        return self.stock.norm(x)

    def _attend(self, index, layer, x, cos, sin, cache, mask, rows) -> torch.Tensor:
        """Attend from the last ``rows`` tokens to everything: (B, rows, width)."""
        attention, normed = layer.self_attn, layer.input_layernorm(x)
        n = x.shape[1]
        q = self._heads(attention.q_proj(normed[:, n - rows :]))
        k, v = self._heads(attention.k_proj(normed)), self._heads(attention.v_proj(normed))
        q = _rotate(q, cos[:, :, n - rows :], sin[:, :, n - rows :])
        k, v = cache.put(index, _rotate(k, cos, sin), v)
        causal = mask is None and rows == n and n > 1
        if mask is not None:
            mask = mask[:, :, n - rows :]
        elif not causal and rows > 1:  # the last rows of a causal triangle
            mask = x.new_ones(rows, n, dtype=torch.bool).tril(n - rows)
        out = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=causal, scale=self.scale, enable_gqa=True
        )
        return attention.o_proj(out.transpose(1, 2).flatten(2))

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (-1, self.head_size)).transpose(1, 2)
