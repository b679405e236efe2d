"""DepthVLM: a stock Qwen3-VL whose features a depth head turns into a dense metric map, in one pass.

Knows the network: what goes in, in which order, and which features come out. Disk and hub are ``checkpoint.py``'s,
pixels ``preprocess.py``'s. Every layer is transformers' own; only their order of call is here, so that nothing is
computed that a depth map does not need: no text after the image (attention is causal), no vocabulary logits, and
position tables once per image size.
"""
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import nn
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

from depthlm_ros.models.dpt_head import HeadConfig, make_head
from depthlm_ros.models.preprocess import ImagePath
from depthlm_ros.status import Code, Refusal

PREFIX = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|vision_start|>"
SUFFIX = "<|vision_end|>{question}<|im_end|>\n<|im_start|>assistant\n"
DEPTH_QUESTION = ("Given this image, estimate the metric depth (in meters, rounded to two decimal places) for every "
                  "pixel of the image.")


@dataclass(frozen=True)
class DepthVLMSettings:
    """What a DepthVLM checkpoint's config.json says beyond the stock Qwen3-VL config.

    ``ratio_90`` and ``measured``: accuracy on held-out data, see ``models/base.py``; NaN and {} when unknown.
    """

    head: HeadConfig = field(default_factory=HeadConfig)
    path: ImagePath = field(default_factory=ImagePath)
    ratio_90: float = float("nan")
    measured: dict = field(default_factory=dict)

    @classmethod
    def from_config(cls, config: dict, preprocessor: dict | None = None) -> "DepthVLMSettings":
        """Read a config.json (and preprocessor_config.json) already parsed.

        Keys of config.json, all optional but the first: ``depth_head_type``, ``depth_head_widths`` (4),
        ``depth_head_fusion``, ``depth_head_output`` (2), ``depth_head_mlp_hidden``, ``depth_head_feature_mode``,
        ``canonical_focal_px`` (1000), ``min_pixels``, ``max_pixels`` (else the preprocessor's), ``ratio_90``,
        ``measured``.
        """
        vision, pre = config["vision_config"], preprocessor or {}
        patch, merge = vision["patch_size"], vision["spatial_merge_size"]
        default_head, default_path, size = HeadConfig(), ImagePath(), pre.get("size", {})
        head = HeadConfig(
            kind=config["depth_head_type"],
            widths=tuple(config.get("depth_head_widths", default_head.widths)),
            fusion=config.get("depth_head_fusion", default_head.fusion),
            output=tuple(config.get("depth_head_output", default_head.output)),
            pixels_per_token=patch * merge,
            mlp_hidden=config.get("depth_head_mlp_hidden", default_head.mlp_hidden),
            feature_mode=config.get("depth_head_feature_mode", default_head.feature_mode))
        path = ImagePath(
            patch=patch, merge=merge,
            focal_px=float(config.get("canonical_focal_px", default_path.focal_px)),
            min_pixels=config.get("min_pixels", size.get("shortest_edge", default_path.min_pixels)),
            max_pixels=config.get("max_pixels", size.get("longest_edge", default_path.max_pixels)),
            mean=tuple(pre.get("image_mean", default_path.mean)), std=tuple(pre.get("image_std", default_path.std)))
        return cls(head, path, float(config.get("ratio_90", "nan")), dict(config.get("measured", {})))


@dataclass
class DenseOutput:
    """``depth``: z-depth in metres, float32 (B, H, W). ``text_loss``: mean cross entropy, or None without labels."""

    depth: torch.Tensor
    text_loss: torch.Tensor | None = None


@dataclass(frozen=True)
class _Tables:
    """Everything that depends on the size of the image and of the text alone."""

    vision_rotary: tuple
    text_rotary: tuple
    segments: torch.Tensor


class DepthVLMModule(nn.Module):
    """The trainable network: ``vlm`` (stock Qwen3-VL) and ``depth_head``.

    ``config``: a parsed config.json. ``prefix_ids``: token ids of ``PREFIX``.
    """

    def __init__(self, config: dict, prefix_ids, preprocessor: dict | None = None):
        super().__init__()
        self.settings = DepthVLMSettings.from_config(config, preprocessor)
        self.vlm = Qwen3VLForConditionalGeneration(Qwen3VLConfig.from_dict(config))
        head = make_head(self.settings.head, self.vlm.config.text_config.hidden_size)
        # Tokens lie channels-last already, and convolutions of few channels run 1.6 times faster so on a CPU.
        self.depth_head = head.to(memory_format=torch.channels_last)
        self.register_buffer("prefix_ids", torch.as_tensor(list(prefix_ids), dtype=torch.long), persistent=False)
        self._tables_of = {}

    @property
    def dtype(self) -> torch.dtype:
        """The weights' dtype."""
        return self.depth_head.norm.weight.dtype

    def forward(self, patches: torch.Tensor, grid: tuple, text_ids: torch.Tensor | None = None,
                labels: torch.Tensor | None = None) -> DenseOutput:
        """Map B images of one size to depth, and score text after the image where labels are given.

        ``patches``: (B, rows * columns, 3 * patch * patch) from ``preprocess.to_patches``; ``grid``: (rows, columns)
        in patches. ``text_ids`` (B, T): what follows the image, beginning with ``<|vision_end|>``, padded on the
        right by anything. ``labels`` (B, T): the same ids where a token is to be learned, else -100.
        """
        if labels is not None and text_ids is None:
            raise Refusal(Code.MODEL_ERROR, "labels without text_ids: give the text that the labels belong to")
        features, hidden = self.features(patches, grid, text_ids)
        merge = self.settings.path.merge
        depth = self.depth_head(features, (grid[0] // merge, grid[1] // merge)).float()
        if labels is None:
            return DenseOutput(depth)
        # The state before a token predicts it: text begins right after the image.
        before = hidden[:, -text_ids.shape[1] - 1:-1]
        wanted = labels != -100
        logits = self.vlm.lm_head(before[wanted]).float()
        return DenseOutput(depth, F.cross_entropy(logits, labels[wanted]))

    def features(self, patches: torch.Tensor, grid: tuple, text_ids: torch.Tensor | None = None) -> tuple:
        """Return the head's four inputs, each (B, tokens, hidden), and all hidden states (B, length, hidden)."""
        batch, text_length = patches.shape[0], 0 if text_ids is None else text_ids.shape[1]
        tables = self._tables(tuple(grid), text_length, batch, patches.device)
        image, deepstack = self._vision(patches, grid, tables)
        embed = self.vlm.model.language_model.embed_tokens
        parts = [embed(self.prefix_ids).expand(batch, -1, -1), image]
        if text_ids is not None:
            parts.append(embed(text_ids))
        hidden = self._language(torch.cat(parts, dim=1), deepstack, tables)
        start = len(self.prefix_ids)
        return [*deepstack, hidden[:, start:start + image.shape[1]]], hidden

    def _vision(self, patches: torch.Tensor, grid: tuple, tables: _Tables) -> tuple:
        """Return image tokens (B, tokens, hidden) and the list of DeepStack features of the same shape."""
        visual, batch = self.vlm.model.visual, patches.shape[0]
        projection = visual.patch_embed.proj
        # A still image repeats in time, so the temporal slices of the 3-D kernel add up: one matrix product.
        x = F.linear(patches.to(projection.weight.dtype), projection.weight.sum(2).flatten(1), projection.bias)
        x = (x + self._positions(grid).to(x.dtype)).flatten(0, 1)
        deepstack = []
        for index, block in enumerate(visual.blocks):
            x = block(x, cu_seqlens=tables.segments, position_embeddings=tables.vision_rotary)
            if index in visual.deepstack_visual_indexes:
                merger = visual.deepstack_merger_list[list(visual.deepstack_visual_indexes).index(index)]
                deepstack.append(merger(x).unflatten(0, (batch, -1)))
        return visual.merger(x).unflatten(0, (batch, -1)), deepstack

    def _language(self, x: torch.Tensor, deepstack: list, tables: _Tables) -> torch.Tensor:
        """Run the decoder layers on (B, length, hidden), adding a DeepStack feature after each of the first."""
        model, start = self.vlm.model.language_model, len(self.prefix_ids)
        for index, layer in enumerate(model.layers):
            x = layer(x, position_embeddings=tables.text_rotary, attention_mask=None)
            if index < len(deepstack):
                add = deepstack[index].to(x.dtype)
                x = x + F.pad(add, (0, 0, start, x.shape[1] - start - add.shape[1]))
        return model.norm(x)

    def _positions(self, grid: tuple) -> torch.Tensor:
        """Resample the learned square position table to the grid; float32 (patches, width) in patch order."""
        weight = self.vlm.model.visual.pos_embed.weight.float()
        side = int(weight.shape[0] ** 0.5)
        square = weight.view(1, side, side, -1).permute(0, 3, 1, 2)
        table = F.interpolate(square, size=grid, mode="bilinear", align_corners=True)[0]
        return self._patch_order(table.permute(1, 2, 0))

    def _patch_order(self, table: torch.Tensor) -> torch.Tensor:
        """Reorder (rows, columns, C) to (rows * columns, C), the patches of one token side by side."""
        merge = self.settings.path.merge
        blocks = table.unflatten(1, (-1, merge)).unflatten(0, (-1, merge))
        return blocks.transpose(1, 2).flatten(0, 3)

    def _tables(self, grid: tuple, text_length: int, batch: int, device: torch.device) -> _Tables:
        key = (grid, text_length, batch, device, self.dtype)
        if key not in self._tables_of:
            if len(self._tables_of) >= 16:
                self._tables_of.clear()
            self._tables_of[key] = self._make_tables(grid, text_length, batch, device)
        return self._tables_of[key]

    @torch.inference_mode(False)  # tables outlive the call, and training may use them after inference
    @torch.no_grad()
    def _make_tables(self, grid: tuple, text_length: int, batch: int, device: torch.device) -> _Tables:
        rows, columns = grid
        reference = torch.empty(0, dtype=self.dtype, device=device)
        cells = torch.stack(torch.meshgrid(torch.arange(rows, device=device), torch.arange(columns, device=device),
                                           indexing="ij"), dim=-1)
        vision = self.vlm.model.visual.rotary_pos_emb(reference, self._patch_order(cells).repeat(batch, 1))
        positions = self.positions_3d(grid, text_length).to(device)[:, None]
        text = self.vlm.model.language_model.rotary_emb(reference, positions)
        # On the CPU: attention splits the images by these lengths without asking the device.
        segments = torch.arange(batch + 1, dtype=torch.int32) * (rows * columns)
        return _Tables(vision, text, segments)

    def positions_3d(self, grid: tuple, text_length: int) -> torch.Tensor:
        """Return the (3, length) time, row and column positions of prefix, image and following text (M-RoPE)."""
        start, merge = len(self.prefix_ids), self.settings.path.merge
        rows, columns = grid[0] // merge, grid[1] // merge
        before = torch.arange(start).expand(3, -1)
        row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        image = torch.stack([torch.zeros_like(row), row, column]).flatten(1) + start
        after = (torch.arange(text_length) + start + max(rows, columns)).expand(3, -1)
        return torch.cat([before, image, after], dim=1)

    def published_state_dict(self) -> dict:
        """Return the weights under the published tensor names (``model.*``, ``depth_head.*``), tied ones once."""
        tied = self.vlm.config.tie_word_embeddings
        state = {name.removeprefix("vlm."): tensor for name, tensor in self.state_dict().items()}
        return {name: tensor.contiguous() for name, tensor in state.items()
                if not (tied and name == "lm_head.weight")}
