"""DepthVLM the way the published demo runs it, as the yardstick of the speed benchmark.

PIL resampling, the stock image processor on the CPU, float pixels copied to the device, the whole
prompt through the stock model with its vocabulary logits, and the head in its published order and
memory layout. Same weights as ours, so results can be compared.
"""

import copy

import numpy as np
import torch
import torch.nn.functional as F

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.canonical_view import CanonicalView
from depthlm_ros.models.base import noop
from depthlm_ros.models.depthvlm.depth_heads import DPTHead, FeatureFusion
from depthlm_ros.models.depthvlm.network import DepthVLMModule
from depthlm_ros.models.depthvlm.published_preprocess import published_resize, published_view_of
from depthlm_ros.models.runtime.image_patches import ImagePreprocessConfig


def stock_processor(path: ImagePreprocessConfig):
    """Return transformers' own image processor for ``path``, the one that needs no torchvision."""
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    return Qwen2VLImageProcessorPil(
        size={"shortest_edge": path.min_pixels, "longest_edge": path.max_pixels},
        patch_size=path.patch,
        merge_size=path.merge,
        image_mean=list(path.mean),
        image_std=list(path.std),
    )


class ReferenceDepthVLM:
    """The stock forward pass over ``module``'s weights. ``suffix_ids``: tokens after the image.

    A DenseDepthModel, as ours. ``stage_callback`` is called with "preprocess", "vision",
    "language" and "head" when each is done.
    """

    name, ratio_90 = "published way", float("nan")

    def __init__(self, module: DepthVLMModule, suffix_ids):
        self.module, self.suffix_ids = module, list(suffix_ids)
        self.head = copy.deepcopy(module.depth_head).to(memory_format=torch.contiguous_format)
        self.processor = stock_processor(module.settings.path)
        self.stage_callback = noop

    def view_of(self, camera: PinholeCamera) -> CanonicalView:
        """Return the view that the published demo makes."""
        return published_view_of(camera, self.module.settings.path)

    @torch.inference_mode()
    def depth(self, rgb: np.ndarray, view: CanonicalView) -> np.ndarray:
        """Map a source image to z-depth, float32 (view.height, view.width), the published way."""
        picture = published_resize(rgb, view.source.fx, self.module.settings.path)
        inputs = self.processor(images=[picture], return_tensors="pt")
        return self.depth_of(inputs["pixel_values"], inputs["image_grid_thw"])

    @torch.inference_mode()
    def depth_of(self, pixels: torch.Tensor, image_grid: torch.Tensor) -> np.ndarray:
        """Map a stock processor's pixel values and grid to z-depth, float32 (H, W)."""
        path, vlm, device = self.module.settings.path, self.module.vlm, self.module.device
        rows, columns = (int(side) // path.merge for side in image_grid[0, 1:])
        pad, prefix = vlm.config.image_token_id, self.module.prefix_ids.tolist()
        ids = torch.tensor([[*prefix, *[pad] * (rows * columns), *self.suffix_ids]])
        inputs = {
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "pixel_values": pixels,
            "image_grid_thw": image_grid,
            "mm_token_type_ids": (ids == pad).int(),
        }
        inputs = {name: value.to(device) for name, value in inputs.items()}
        self.stage_callback("preprocess")
        features = self._features(inputs, slice(len(prefix), len(prefix) + rows * columns))
        depth = self._headed(features, (rows, columns))[0].float()
        self.stage_callback("head")
        return depth.cpu().numpy()

    def _features(self, inputs: dict, image: slice) -> list:
        """Run the stock model, logits and all; returns the head's four inputs."""
        model, taps = self.module.vlm.model, []
        hooks = [
            merger.register_forward_hook(lambda _, __, out: taps.append(out[None]))
            for merger in model.visual.deepstack_merger_list
        ]
        hooks += [
            model.visual.register_forward_hook(lambda *_: self.stage_callback("vision")),
            model.language_model.norm.register_forward_hook(
                lambda _, __, out: taps.append(out[:, image])
            ),
        ]
        try:
            self.module.vlm(**inputs)
        finally:
            for hook in hooks:
                hook.remove()
        self.stage_callback("language")
        return taps

    def _headed(self, features: list, grid: tuple) -> torch.Tensor:
        if not isinstance(self.head, DPTHead):
            return self.head(features, grid)
        head, scratch, maps = self.head, self.head.scratch, []
        for level, tokens in enumerate(features):
            x = head.norm(tokens).transpose(1, 2).reshape(1, -1, *grid)
            x = head.resize_layers[level](head.projects[level](x))
            maps.append(getattr(scratch, f"layer{level + 1}_rn")(x))
        x = None
        for level in (4, 3, 2, 1):
            size = maps[level - 2].shape[-2:] if level > 1 else [2 * n for n in maps[0].shape[-2:]]
            x = _fused(getattr(scratch, f"refinenet{level}"), x, maps[level - 1], size)
        size = [side * head.config.pixels_per_token for side in grid]
        return scratch.output_conv2(_up(scratch.output_conv1(x), size))[:, 0]


def _up(x: torch.Tensor, size) -> torch.Tensor:
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=True)


def _fused(fusion: FeatureFusion, x: torch.Tensor | None, skip: torch.Tensor, size):
    x = skip if x is None else x + fusion.resConfUnit1(skip)
    return fusion.out_conv(_up(fusion.resConfUnit2(x), size))
