"""DepthVLM's network: a stock Qwen3-VL whose features a head turns into a dense metric map.

Knows what goes in, in which order, and which features come out. Disk and hub are
``models/weights/checkpoint.py``'s, pixels ``models/runtime/image_patches.py``'s. While training,
every layer is transformers' own and only the order of their calls is here, so that nothing is
computed that a depth map does not need: no text after the image (attention is causal), no
vocabulary logits, and position tables once per image size. Once frozen, leaner equals of the
layers take over (``models/runtime/fused_layers.py``, ``models/depthvlm/dpt_fused.py``).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

from depthlm_ros.models.base import noop
from depthlm_ros.models.depthvlm.depth_heads import DPTHead, make_head
from depthlm_ros.models.depthvlm.dpt_fused import FusedDPTHead
from depthlm_ros.models.depthvlm.settings import DepthVLMSettings
from depthlm_ros.models.runtime.fused_layers import (
    FusedDecoderLayer,
    FusedVisionBlock,
    rotary_tables,
)
from depthlm_ros.models.runtime.rotary import axial_frequencies, axial_tables
from depthlm_ros.models.versions import cache_argument
from depthlm_ros.status import Code, StatusError

PREFIX = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "<|im_start|>user\n<|vision_start|>"
)
SUFFIX = "<|vision_end|>{question}<|im_end|>\n<|im_start|>assistant\n"
DEPTH_QUESTION = (
    "Given this image, estimate the metric depth (in meters, rounded to two decimal "
    "places) for every pixel of the image."
)
NOT_LEARNED = -100
SIZES_KEPT = 16


@dataclass
class DenseOutput:
    """What one forward pass gives.

    ``depth``: z-depth in metres, float32 (B, H, W). ``text_loss``: mean cross entropy, or None
    without labels.
    """

    depth: torch.Tensor
    text_loss: torch.Tensor | None = None


@dataclass(frozen=True)
class _Tables:
    """Everything that depends on the sizes of image and text alone.

    ``vision_rotary`` (of one image), ``text_rotary``: cosines and sines, as the layers in use
    want them. ``positions``: the resampled learned table, of frozen weights only: training
    changes it.
    """

    vision_rotary: tuple
    text_rotary: tuple
    positions: torch.Tensor | None


@dataclass(frozen=True)
class _Frozen:
    """What depends on the weights alone, and the layers that take over."""

    patch_weight: torch.Tensor
    blocks: list
    layers: list
    head: object


class DepthVLMModule(nn.Module):
    """The trainable network: ``vlm`` (stock Qwen3-VL) and ``depth_head``.

    ``stage_callback`` is called with "vision", "language" and "head" when each has been queued.

    ``config``: a parsed config.json. ``prefix_ids``: token ids of ``PREFIX``. ``preprocessor``: a
    parsed preprocessor_config.json, for pixel limits and normalisation.
    """

    def __init__(self, config: dict, prefix_ids, preprocessor: dict | None = None):
        super().__init__()
        self.settings = DepthVLMSettings.from_config(config, preprocessor)
        self.vlm = Qwen3VLForConditionalGeneration(Qwen3VLConfig.from_dict(config))
        head = make_head(self.settings.head, self.vlm.config.text_config.hidden_size)
        # Tokens lie channels-last already, and convolutions of few channels are 1.6 times faster
        # so on a CPU.
        self.depth_head = head.to(memory_format=torch.channels_last)
        ids = torch.as_tensor(list(prefix_ids), dtype=torch.long)
        self.register_buffer("prefix_ids", ids, persistent=False)
        self.stage_callback = noop
        self._tables_of = {}
        self._frozen = None

    @staticmethod
    def name_in_module(published: str) -> str:
        """Turn a published tensor name into this module's."""
        return published if published.startswith("depth_head.") else f"vlm.{published}"

    def published_state_dict(self) -> dict:
        """Return the weights under their published names (``model.*``, ``depth_head.*``).

        Tied weights are there once. What ``safetensors.torch.save_file`` takes.
        """
        tied = {"lm_head.weight"} if self.vlm.config.tie_word_embeddings else set()
        state = {name.removeprefix("vlm."): value for name, value in self.state_dict().items()}
        return {name: value.contiguous() for name, value in state.items() if name not in tied}

    @property
    def dtype(self) -> torch.dtype:
        """The weights' dtype."""
        return self.depth_head.norm.weight.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.depth_head.norm.weight.device

    def freeze(self) -> "DepthVLMModule":
        """Prepare for inference alone: what depends on weights only is computed once.

        To be called after the weights are in place and on their device, and again after either
        changes; returns the module.
        """
        self.eval().requires_grad_(False)
        head = self.depth_head.to(memory_format=torch.channels_last)
        self._tables_of.clear()
        model = self.vlm.model
        self._frozen = _Frozen(
            self._fold_patch_embedding(),
            [FusedVisionBlock(block) for block in model.visual.blocks],
            [FusedDecoderLayer(layer) for layer in model.language_model.layers],
            FusedDPTHead(head) if type(head) is DPTHead else head,
        )
        return self

    def forward(
        self,
        patches: torch.Tensor,
        grid: tuple,
        text_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        cache=None,
    ) -> DenseOutput:
        """Map B images of one size to depth, and score text after the image where labelled.

        ``patches``: (B, rows * columns, 3 * patch * patch) from ``image_patches.to_patches``;
        ``grid``: (rows, columns) in patches. ``text_ids`` (B, T): what follows the image,
        beginning with ``<|vision_end|>``, padded on the right by anything. ``labels`` (B, T): the
        same ids where a token is to be learned, else -100. ``cache``: see ``features``.
        """
        features, hidden = self.features(patches, grid, text_ids, cache)
        merge = self.settings.path.merge
        head = self._frozen.head if self._frozen else self.depth_head
        depth = head(features, (grid[0] // merge, grid[1] // merge)).float()
        self.stage_callback("head")
        if labels is None:
            return DenseOutput(depth)
        if text_ids is None:
            raise StatusError(Code.MODEL_ERROR, "labels without text_ids: give their text too")
        # The state before a token predicts it: text begins right after the image.
        wanted = labels != NOT_LEARNED
        before = hidden[:, -text_ids.shape[1] - 1 : -1][wanted]
        return DenseOutput(
            depth, F.cross_entropy(self.vlm.lm_head(before).float(), labels[wanted])
        )

    def features(
        self, patches: torch.Tensor, grid: tuple, text_ids: torch.Tensor | None = None, cache=None
    ) -> tuple:
        """Return the head's four inputs and the language model's hidden states.

        Inputs as in ``forward``; ``cache``: a transformers Cache to be filled, so that text can
        be decoded afterwards. Returns ([4 x (B, tokens, hidden)], (B, length, hidden)).
        """
        batch, text_length = patches.shape[0], 0 if text_ids is None else text_ids.shape[1]
        tables = self._tables(tuple(grid), text_length, patches.device)
        image, deepstack = self._vision(patches, grid, tables)
        self.stage_callback("vision")
        embed = self.vlm.model.language_model.embed_tokens
        parts = [embed(self.prefix_ids).expand(batch, -1, -1), image]
        if text_ids is not None:
            parts.append(embed(text_ids))
        hidden = self._language(torch.cat(parts, dim=1), deepstack, tables, cache)
        self.stage_callback("language")
        start = len(self.prefix_ids)
        return [*deepstack, hidden[:, start : start + image.shape[1]]], hidden

    def _vision(self, patches: torch.Tensor, grid: tuple, tables: _Tables) -> tuple:
        """Return image tokens (B, tokens, hidden) and the DeepStack features, alike."""
        visual, batch = self.vlm.model.visual, patches.shape[0]
        frozen = self._frozen
        weight = frozen.patch_weight if frozen else self._fold_patch_embedding()
        x = F.linear(patches.to(weight.dtype), weight, visual.patch_embed.proj.bias)
        x = x + (tables.positions if frozen else self._positions(grid).to(x.dtype))
        run = self._lean_blocks if frozen else self._stock_blocks
        deepstack, tapped = [], list(visual.deepstack_visual_indexes)
        for index, states in enumerate(run(x, tables)):
            if index in tapped:
                merger = visual.deepstack_merger_list[tapped.index(index)]
                deepstack.append(merger(states).unflatten(0, (batch, -1)))
        return visual.merger(states).unflatten(0, (batch, -1)), deepstack

    def _lean_blocks(self, x: torch.Tensor, tables: _Tables):
        """Yield (B, patches, width) after each block of the vision tower."""
        for block in self._frozen.blocks:
            x = block(x, tables.vision_rotary)
            yield x

    def _stock_blocks(self, x: torch.Tensor, tables: _Tables):
        """Yield (B * patches, width) after each block of the vision tower."""
        batch, patches, _ = x.shape
        rotary = tuple(table.repeat(batch, 1) for table in tables.vision_rotary)
        # On the CPU: attention splits the images by these without asking the device.
        segments = torch.arange(batch + 1, dtype=torch.int32) * patches
        x = x.flatten(0, 1)
        for block in self.vlm.model.visual.blocks:
            x = block(x, cu_seqlens=segments, position_embeddings=rotary)
            yield x

    def _language(self, x: torch.Tensor, deepstack: list, tables: _Tables, cache) -> torch.Tensor:
        """Run the decoder on (B, length, hidden); a DeepStack feature follows each first layer."""
        model, start = self.vlm.model.language_model, len(self.prefix_ids)
        for index, layer in enumerate(model.layers):
            if self._frozen:
                x = self._frozen.layers[index](x, tables.text_rotary, cache)
            else:
                kept = cache_argument(layer.forward, cache)
                x = layer(x, position_embeddings=tables.text_rotary, attention_mask=None, **kept)
            if index < len(deepstack):
                after = x.shape[1] - start - deepstack[index].shape[1]
                x = x + F.pad(deepstack[index].to(x.dtype), (0, 0, start, after))
        return model.norm(x)

    def _fold_patch_embedding(self) -> torch.Tensor:
        """Add up the time slices of the patch kernel; (width, 3 * patch * patch).

        A still image repeats in time, so one matrix product does the 3-D convolution's work.
        """
        return self.vlm.model.visual.patch_embed.proj.weight.sum(2).flatten(1)

    def _positions(self, grid: tuple) -> torch.Tensor:
        """Resample the learned square table to the grid; float32 (patches, width), patch order."""
        weight = self.vlm.model.visual.pos_embed.weight.float()
        side = int(weight.shape[0] ** 0.5)
        square = weight.view(1, side, side, -1).permute(0, 3, 1, 2)
        table = F.interpolate(square, size=tuple(grid), mode="bilinear", align_corners=True)[0]
        return self._patch_order(table.permute(1, 2, 0))

    def _patch_order(self, table: torch.Tensor) -> torch.Tensor:
        """Reorder (rows, columns, C) to (rows * columns, C), a token's patches side by side."""
        merge = self.settings.path.merge
        blocks = table.unflatten(1, (-1, merge)).unflatten(0, (-1, merge))
        return blocks.transpose(1, 2).flatten(0, 3)

    def _tables(self, grid: tuple, text_length: int, device: torch.device) -> _Tables:
        key = (grid, text_length, device, self.dtype)
        if key not in self._tables_of:
            if len(self._tables_of) >= SIZES_KEPT:
                self._tables_of.clear()
            self._tables_of[key] = self._make_tables(grid, text_length, device)
        return self._tables_of[key]

    @torch.inference_mode(False)  # tables outlive the call; training may meet them later
    @torch.no_grad()
    def _make_tables(self, grid: tuple, text_length: int, device: torch.device) -> _Tables:
        rows, columns = grid
        dtype = torch.float32 if self._frozen else self.dtype
        reference = torch.empty(0, dtype=dtype, device=device)
        cells = torch.stack(
            torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij"), dim=-1
        ).to(device)
        vision_config = self.vlm.model.visual.config
        f = axial_frequencies(vision_config.hidden_size // vision_config.num_heads)
        vision = axial_tables(self._patch_order(cells), [f, f], torch.float32, device)
        positions = self.positions_3d(grid, text_length).to(device)[:, None]
        text = self.vlm.model.language_model.rotary_emb(reference, positions)
        if not self._frozen:
            return _Tables(vision, text, None)
        return _Tables(
            rotary_tables(*vision),
            rotary_tables(*(table[0] for table in text)),
            self._positions(grid).to(self.dtype),
        )

    def positions_3d(self, grid: tuple, text_length: int) -> torch.Tensor:
        """Return the time, row and column positions (3, length) of prefix, image and text.

        M-RoPE: text counts on alike on all three axes, and goes on after the image's longer side.
        """
        start, merge = len(self.prefix_ids), self.settings.path.merge
        rows, columns = grid[0] // merge, grid[1] // merge
        row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        image = torch.stack([torch.zeros_like(row), row, column]).flatten(1) + start
        before = torch.arange(start).expand(3, -1)
        after = (torch.arange(text_length) + start + max(rows, columns)).expand(3, -1)
        return torch.cat([before, image, after], dim=1)
