"""From a camera's image to DepthLM's patches: unified focal length, marker, the processor's size.

The published order, each step in torch on the model's device: resample to the unified focal
length, paint the marker, resample to whole patches (which blurs the marker a little, as in
training), normalise, cut. Resampling and cutting are ``models/runtime/image_patches.py``'s.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.canonical_view import CanonicalView
from depthlm_ros.models.runtime.host_device import to_device
from depthlm_ros.models.runtime.image_patches import (
    ImagePreprocessConfig,
    pixel_limits,
    resize,
    to_patches,
)
from depthlm_ros.models.weights import processor_settings
from depthlm_ros.prompting.marker import Marker, Placement, pixel_in_view, place
from depthlm_ros.status import Code, StatusError

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
MIN_PIXELS, MAX_PIXELS = 3136, 12845056
"""The published Qwen processor's limits of a picture's area; the upper is ours for Pixtral too."""


@dataclass(frozen=True)
class DepthLMPreprocessConfig:
    """What a DepthLM checkpoint wants of its pictures.

    ``image``: patch size, focal length, limits, mean and std. ``round_up``: sides grow to whole
    patches (Pixtral) instead of being rounded (Qwen). ``longest_edge``: cap on the longer side in
    pixels, None for none. The stock Pixtral processor has a silent one of 1024, which undoes the
    focal length; here a cap is told to the depth through ``CanonicalView.depth_scale``.
    """

    image: ImagePreprocessConfig
    round_up: bool = False
    longest_edge: int | None = None

    def __post_init__(self):
        """Refuse a cap that leaves nothing to see."""
        if self.longest_edge is not None and self.longest_edge < 4 * self.image.multiple:
            least = 4 * self.image.multiple
            raise StatusError(
                Code.MODEL_ERROR,
                f"longest_edge = {self.longest_edge} px: must be at least {least} px",
            )

    @classmethod
    def qwen(cls, config, preprocessor: dict, longest_edge=None) -> "DepthLMPreprocessConfig":
        """Read a Qwen2.5-VL's config, built, and its preprocessor_config.json, parsed.

        The focal length is 1000 px unless told. What is null counts as not said.
        """
        vision, (least, most) = config.vision_config, pixel_limits(preprocessor)
        processor_settings.check(preprocessor, vision.patch_size, vision.spatial_merge_size)
        image = ImagePreprocessConfig(
            vision.patch_size,
            vision.spatial_merge_size,
            float(_config_value(config, "canonical_focal_px") or 1000.0),
            _config_value(config, "min_pixels") or least or MIN_PIXELS,
            _config_value(config, "max_pixels") or most or MAX_PIXELS,
            *_mean_and_std(preprocessor),
        )
        return cls(image, False, longest_edge)

    @classmethod
    def pixtral(cls, config, preprocessor: dict, longest_edge=None) -> "DepthLMPreprocessConfig":
        """Read a Pixtral's config and preprocessor as ``qwen`` does.

        The focal length is 750 px unless told.
        """
        processor_settings.check(preprocessor, config.vision_config.patch_size)
        image = ImagePreprocessConfig(
            config.vision_config.patch_size,
            1,
            float(_config_value(config, "canonical_focal_px") or 750.0),
            1,
            _config_value(config, "max_pixels") or MAX_PIXELS,
            *_mean_and_std(preprocessor),
        )
        return cls(image, True, longest_edge)

    def fit(self, width: int, height: int) -> tuple:
        """Return the (width, height) in whole patches that a picture is resampled to."""
        if not self.round_up:
            return self.image.fit(width, height)
        unit = self.image.multiple
        return tuple(math.ceil(side / unit) * unit for side in (width, height))

    def grid(self, width: int, height: int) -> tuple:
        """Return the (rows, columns) in patches of that."""
        columns, rows = (side // self.image.patch for side in self.fit(width, height))
        return rows, columns


def _config_value(config, key: str):
    """Return what a config says beyond transformers' own keys, or None."""
    return getattr(config, key, None)


def _mean_and_std(preprocessor: dict) -> tuple:
    return processor_settings.mean_and_std(preprocessor, CLIP_MEAN, CLIP_STD)


def focal_view(camera: PinholeCamera, path: DepthLMPreprocessConfig) -> CanonicalView:
    """Return the picture at the unified focal length: (int(W sx), int(H sy)), s = f_uni / f.

    Each axis by its own focal length (the paper's rule; the released code uses fx for both, which
    is the same where fx = fy). ``depth_scale`` differs from 1 only where a cap made the picture
    smaller: the later step to whole patches was there in training too. Raises
    StatusError(BAD_IMAGE) for a picture more than 200 times as long as wide.
    """
    width = camera.width * (path.image.focal_px / camera.fx)
    height = camera.height * (path.image.focal_px / camera.fy)
    if max(width, height) > 200 * min(width, height) or min(width, height) < 1:
        raise StatusError(
            Code.BAD_IMAGE,
            f"the model's picture would be {width:.0f} x {height:.0f} px: sides must be at least "
            "1 px and not differ by more than 200 : 1; crop the image, or calibrate the camera",
        )
    shrink = min(1.0, math.sqrt(path.image.max_pixels / (width * height)))
    if path.longest_edge is not None:
        shrink = min(shrink, path.longest_edge / max(width, height))
    size = (max(1, int(width * shrink)), max(1, int(height * shrink)))
    return CanonicalView(camera, camera.resized(*size), shrink)


def target_in_view(pixel, view: CanonicalView, path: DepthLMPreprocessConfig) -> tuple:
    """Return the whole pixel (x, y) of the view for a source pixel, by the published pixel rule.

    Raises StatusError(OUT_OF_IMAGE) for a pixel that is NaN or outside the source image.
    """
    camera = view.source
    if not camera.contains(pixel):
        raise StatusError(
            Code.OUT_OF_IMAGE,
            f"pixel ({pixel[0]:g}, {pixel[1]:g}) is outside the image of {camera.width} x "
            f"{camera.height}",
        )
    f, shrink = path.image.focal_px, view.depth_scale
    scale = (f / camera.fx * shrink, f / camera.fy * shrink)
    return pixel_in_view(pixel, scale, (view.width, view.height))


def place_in_view(
    marker: Marker, pixel, view: CanonicalView, path: DepthLMPreprocessConfig, on_margin: str
) -> Placement:
    """Place the marker of a source pixel in the view.

    Raises what ``target_in_view`` and ``marker.place`` raise.
    """
    target = target_in_view(pixel, view, path)
    return place(marker, target, view.width, view.height, on_margin)


def upload(rgb: np.ndarray, device: torch.device) -> torch.Tensor:
    """Return a picture, uint8 (H, W, 3), as uint8 (1, H, W, 3) on the device."""
    return to_device(rgb, device)[None]


def mark(picture: torch.Tensor, marker: Marker, placements) -> torch.Tensor:
    """Paint a marker each into copies of uint8 (1, H, W, 3): uint8 (B, H', W', 3).

    All placements must have the same padding.
    """
    left, top, right, bottom = placements[0].padding
    marked = picture.expand(len(placements), -1, -1, -1)
    if any(placements[0].padding):
        rows, columns = (
            torch.arange(-before, side + after, device=picture.device).clamp(0, side - 1)
            for before, side, after in (
                (top, picture.shape[1], bottom),
                (left, picture.shape[2], right),
            )
        )
        marked = marked[:, rows][:, :, columns]
    marked = marked.clone()
    painted = to_device(np.stack([p.painted for p in placements]), picture.device)
    which = torch.arange(len(placements), device=picture.device)[:, None]
    colour = _on_device(tuple(marker.colour), picture.device)
    return marked.index_put_((which, painted[..., 1], painted[..., 0]), colour)


@lru_cache(maxsize=8)
@torch.inference_mode(False)  # cached across calls, also outside inference_mode
def _on_device(colour: tuple, device: torch.device) -> torch.Tensor:
    """Return a colour as uint8 (3,); made once, not copied for each query."""
    return torch.tensor(colour, dtype=torch.uint8, device=device)


def patches_of(pictures: torch.Tensor, path: DepthLMPreprocessConfig, dtype: torch.dtype) -> tuple:
    """Resample uint8 (B, H, W, 3) to whole patches and cut: ``(patches, grid)``.

    Shapes and order: ``image_patches.to_patches``.
    """
    size = path.fit(pictures.shape[2], pictures.shape[1])
    return to_patches(resize(pictures, *size), path.image, dtype)
