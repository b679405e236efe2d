"""The compact DepthVLM: convolutional tower, small causal language model, depth head.

The design of DepthVLM at a hundredth of its size. The language model reads one token that sums up
the whole image, then one token for each 32 x 32 px cell, then text; depth comes out of the states
at the cells in the same pass, whatever text follows (causal).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from transformers import Qwen3Config, Qwen3Model

from depthlm_ros.models.compact.config import CompactConfig
from depthlm_ros.models.compact.head import DepthHead
from depthlm_ros.models.compact.thing_head import ThingHead
from depthlm_ros.models.compact.tower import Tower
from depthlm_ros.models.versions import cache_argument

STRIDE = 32
"""Side of an image token in pixels: views are multiples of it."""
_RAY_FREQUENCIES = 4


@dataclass(frozen=True)
class ImageFeatures:
    """What the tower says about B images.

    ``pyramid``: features at strides 2..32. ``tokens`` (B, 1 + h w, W): inputs of the language
    model, the sum of the whole image first. ``size``: (H, W) in pixels.
    """

    pyramid: list
    tokens: torch.Tensor
    size: tuple


class CompactModule(nn.Module):
    """Weights and arithmetic; ``model.py`` serves it, ``training/compact`` trains it."""

    def __init__(self, config: CompactConfig):
        super().__init__()
        self.config = config
        self.tower = Tower(config.tower)
        channels, width = self.tower.channels, config.text_width
        self.cell = nn.Linear(4 * channels[3] + channels[4], width)
        self.summary = nn.Linear(channels[4], width)
        self.rays = nn.Sequential(
            nn.Linear(4 * _RAY_FREQUENCIES + 2, width), nn.GELU(), nn.Linear(width, width)
        )
        self.language = Qwen3Model(_language_config(config))
        self.head = DepthHead(width, channels, config.head_widths)
        self.things = ThingHead(channels, len(config.things)) if config.things else None

    def encode_image(self, images: torch.Tensor, principal: torch.Tensor) -> ImageFeatures:
        """Return what the tower sees in uint8 images (B, H, W, 3), sides multiples of 32.

        ``principal`` (B, 2): principal points (cx, cy) in pixels of these images, whose focal
        length is the unified one.
        """
        pyramid = self.pyramid(images)
        cells = torch.cat([F.pixel_unshuffle(pyramid[3], 2), pyramid[4]], dim=1)
        cells = self.cell(cells.flatten(2).mT) + self.rays(self._rays(images, principal))
        summary = self.summary(pyramid[4].mean(dim=(2, 3)))[:, None]
        return ImageFeatures(pyramid, torch.cat([summary, cells], dim=1), tuple(images.shape[1:3]))

    def pyramid(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return the tower's features at strides 2..32 of uint8 images (B, H, W, 3)."""
        x = images.permute(0, 3, 1, 2).to(self.cell.weight.dtype) / 127.5 - 1.0
        return self.tower(x.contiguous(memory_format=torch.channels_last))

    def _rays(self, images: torch.Tensor, principal: torch.Tensor) -> torch.Tensor:
        """Return Fourier features of the cells' rays on the plane z = 1, (B, h w, features)."""
        rows, columns = (side // STRIDE for side in images.shape[1:3])
        u = torch.arange(columns, device=images.device) * STRIDE + (STRIDE - 1) / 2
        v = torch.arange(rows, device=images.device) * STRIDE + (STRIDE - 1) / 2
        pixels = torch.stack(torch.meshgrid(u, v, indexing="xy"), dim=-1).view(1, -1, 2)
        ray = (pixels - principal[:, None]) / self.config.canonical_focal_px
        turns = ray[..., None] * (
            torch.pi * 2.0 ** torch.arange(_RAY_FREQUENCIES, device=ray.device) / 2
        )
        features = torch.cat([ray, turns.sin().flatten(2), turns.cos().flatten(2)], dim=-1)
        return features.to(self.cell.weight.dtype)

    def log_depth(self, features: ImageFeatures, states: torch.Tensor) -> torch.Tensor:
        """Return log z-depth (B, H, W); ``states`` (B, >= 1 + h w, W): of the language model."""
        return self.head(states[:, 1 : features.tokens.shape[1]], features.pyramid, features.size)

    def states(self, inputs: torch.Tensor, cache=None) -> torch.Tensor:
        """Return the language model's last hidden states (B, n, W) for inputs (B, n, W)."""
        kept = cache_argument(self.language.forward, cache)
        out = self.language(inputs_embeds=inputs, use_cache=cache is not None, **kept)
        return out.last_hidden_state

    def forward(
        self, images: torch.Tensor, principal: torch.Tensor, text: torch.Tensor | None = None
    ) -> tuple:
        """Return log z-depth (B, H, W) and, for ``text`` ids (B, n), logits (B, n, vocabulary).

        Logits at position k are those of text token k: predicted from what comes before it.
        """
        features = self.encode_image(images, principal)
        inputs, image = features.tokens, features.tokens.shape[1]
        if text is not None:
            inputs = torch.cat([inputs, self.embed(text)], dim=1)
        states = self.states(inputs)
        depth = self.log_depth(features, states)
        if text is None:
            return depth, None
        return depth, self.logits(states[:, image - 1 : -1])

    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """Return the scores (B, n, vocabulary) of the next token; the embeddings serve twice."""
        return F.linear(states, self.language.get_input_embeddings().weight)

    def embed(self, text: torch.Tensor) -> torch.Tensor:
        """Return the embeddings (B, n, W) of token ids (B, n)."""
        return self.language.get_input_embeddings()(text)


def _language_config(config: CompactConfig) -> Qwen3Config:
    return Qwen3Config(
        vocab_size=config.vocab_size,
        hidden_size=config.text_width,
        intermediate_size=config.text_mlp,
        num_hidden_layers=config.text_layers,
        num_attention_heads=config.text_heads,
        num_key_value_heads=config.text_kv_heads,
        head_dim=config.text_width // config.text_heads,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
    )
