"""A trainable DepthVLM: stock Qwen3-VL with a depth head, for transformers' Trainer.

Saved in the published layout: stock tensor names, ``depth_head.*``, and ``depth_head_type`` in
config.json, so that the node loads it. Unlike ``models/`` it runs transformers' own forward pass,
with its gradient checkpointing, attention kernels and sharding, and takes batches of images of
unlike sizes.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from transformers import Qwen3VLForConditionalGeneration
from transformers.utils import ModelOutput

from depthlm_ros.models.depthvlm.depth_heads import make_head
from depthlm_ros.models.depthvlm.settings import DepthVLMSettings
from depthlm_ros.training.losses import silog_per_image

FEATURE_SOURCES = ("tower+language", "tower+tower", "language+language")
"""Inner layers + last: the published one, and the two that the paper compares with."""


@dataclass
class DepthVLMOutput(ModelOutput):
    """What one forward pass gives.

    ``depth``: a list of z-depth maps (h, w) [m] in float32, one an image. ``text_loss``,
    ``depth_loss``: the two parts of ``loss``, None where a batch has none.
    """

    loss: torch.Tensor | None = None
    depth: list | None = None
    text_loss: torch.Tensor | None = None
    depth_loss: torch.Tensor | None = None


class DepthVLMForTraining(Qwen3VLForConditionalGeneration):
    """Qwen3-VL with ``depth_head``; ``from_pretrained`` takes a stock checkpoint or a DepthVLM.

    The config's ``depth_head_*`` say which head (DPT where absent), ``depth_loss_weight`` the
    depth's share of the loss, ``depth_feature_source`` where the head's features come from. A
    stock checkpoint leaves the head at the library's initialisation.
    """

    _keys_to_ignore_on_load_missing = [r"depth_head\..*"]

    def __init__(self, config):
        if getattr(config, "depth_head_type", None) is None:
            config.depth_head_type = "dpt"
        super().__init__(config)
        settings = DepthVLMSettings.from_config(config.to_dict())
        self.depth_head = make_head(settings.head, config.text_config.hidden_size)
        self.feature_source = getattr(config, "depth_feature_source", FEATURE_SOURCES[0])
        self.depth_loss_weight = float(getattr(config, "depth_loss_weight", 1.0))
        self.last_losses: dict = {}
        self.post_init()

    def train_stage(self, stage: int) -> "DepthVLMForTraining":
        """Freeze what a stage does not train: 1 the head alone, 2 all but the vision tower.

        The tower with its mergers (``model.visual``) stays frozen in both, as published.
        """
        for name, parameter in self.named_parameters():
            head = name.startswith("depth_head.")
            language = not head and not name.startswith("model.visual.")
            parameter.requires_grad_(head or (stage == 2 and language))
        return self

    @torch.no_grad()
    def start_head_at(self, median_m: float) -> None:
        """Let a new head say about ``median_m`` everywhere: softplus(bias) = median."""
        last = [m for m in self.depth_head.modules() if isinstance(m, nn.Conv2d | nn.Linear)][-1]
        last.weight.mul_(0.1)
        last.bias.fill_(math.log(math.expm1(median_m)))

    def forward(
        self,
        input_ids: torch.Tensor,
        pixel_values: torch.Tensor,
        image_grid_thw: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        mm_token_type_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        depth_m: list | None = None,
        **_,
    ) -> DepthVLMOutput:
        """Map B conversations of one image each to depth and loss.

        Tensors as ``DepthVLMCollator`` makes them: ``pixel_values`` (patches of all images,
        values of a patch), ``image_grid_thw`` (B, 3), ``labels`` (B, L) with -100 where nothing is
        learned, ``depth_m``: a truth (H, W) [m] an image, 0 unknown. The loss is the mean cross
        entropy over learned tokens plus the weighted mean of the images' SILog; either alone
        where the other has nothing.
        """
        features, hidden = self._features(
            input_ids, pixel_values, image_grid_thw, attention_mask, mm_token_type_ids
        )
        grids = (image_grid_thw[:, 1:] // self.config.vision_config.spatial_merge_size).tolist()
        depth = [self._head(levels, grid) for levels, grid in zip(features, grids, strict=True)]
        text_loss = self._text_loss(hidden, labels)
        depth_loss = None
        if depth_m is not None:
            depth_loss = silog_per_image(depth, [d.to(depth[0].device) for d in depth_m])
        parts = [text_loss] if text_loss is not None else []
        if depth_loss is not None:
            parts.append(self.depth_loss_weight * depth_loss)
        named = (("lm_loss", text_loss), ("pixel_depth_loss", depth_loss))
        self.last_losses = {name: part.detach() for name, part in named if part is not None}
        return DepthVLMOutput(sum(parts) if parts else None, depth, text_loss, depth_loss)

    def _features(self, input_ids, pixel_values, grids, attention_mask, token_types) -> tuple:
        """Return a list of the head's four inputs an image, and the hidden states (B, L, H)."""
        trains = any(p.requires_grad for p in self.model.parameters())
        with torch.set_grad_enabled(trains and torch.is_grad_enabled()):
            image_features = self.model.get_image_features(pixel_values, grids, return_dict=True)
            out = self.model(
                input_ids=input_ids,
                attention_mask=attention_mask,
                image_grid_thw=grids,
                mm_token_type_ids=token_types,
                mm_encoder_outputs={"image": image_features},
                use_cache=False,
                output_hidden_states=self.feature_source == "language+language",
            )
        hidden = out.last_hidden_state
        return self._levels(input_ids, image_features, out, hidden), hidden

    def _levels(self, input_ids, image_features, out, hidden) -> list:
        """Pick the four levels of every image: three inner ones and the last."""
        is_image = input_ids == self.config.image_token_id
        last = [row[mask] for row, mask in zip(hidden, is_image, strict=True)]
        inner = list(zip(*image_features.deepstack_features, strict=True))
        if self.feature_source == "tower+tower":
            last = list(image_features.pooler_output)
        elif self.feature_source == "language+language":
            count = len(out.hidden_states) - 1
            at = [count * share // 12 for share in (3, 6, 9)]
            inner = [
                [out.hidden_states[i][row][is_image[row]] for i in at]
                for row in range(len(hidden))
            ]
        return [[*levels, top] for levels, top in zip(inner, last, strict=True)]

    def _head(self, levels: list, grid: list) -> torch.Tensor:
        """Return one image's z-depth, float32 (h, w)."""
        dtype = self.depth_head.norm.weight.dtype
        return self.depth_head([x[None].to(dtype) for x in levels], tuple(grid))[0].float()

    def _text_loss(self, hidden: torch.Tensor, labels) -> torch.Tensor | None:
        """Return the mean cross entropy; the vocabulary's head runs at learned tokens alone."""
        if labels is None:
            return None
        wanted = labels[:, 1:] != -100
        if not wanted.any():
            return None
        logits = self.lm_head(hidden[:, :-1][wanted]).float()
        return F.cross_entropy(logits, labels[:, 1:][wanted])
