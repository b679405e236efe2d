"""From a camera's uint8 image to the patches that a Qwen-VL vision tower reads, in torch, on the model's device.

Knows sizes and pixels; nothing of networks. Two ways to the same place: our own (one resampling, straight to the
multiple that the model needs) and the published demo's (three, with PIL), kept for parity.
"""
import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.canonical_view import CanonicalView
from depthlm_ros.status import Code, Refusal

_DEMO_FACTOR = 28
_DEMO_PIXELS = (4 * 28 * 28, 16384 * 28 * 28)


@dataclass(frozen=True)
class ImagePath:
    """What a checkpoint wants of its images.

    ``patch``, ``merge``: side of a patch in pixels, and of a token in patches. ``focal_px``: the unified focal length.
    ``min_pixels``, ``max_pixels``: limits of width x height after resizing. ``mean``, ``std``: per channel, of values
    in 0..1.
    """

    patch: int = 16
    merge: int = 2
    focal_px: float = 1000.0
    min_pixels: int = 65536
    max_pixels: int = 16777216
    mean: tuple = (0.5, 0.5, 0.5)
    std: tuple = (0.5, 0.5, 0.5)

    def __post_init__(self):
        """Refuse limits that no image can meet."""
        if not (self.patch > 0 and self.merge > 0 and self.focal_px > 0 and 0 < self.min_pixels <= self.max_pixels):
            raise Refusal(Code.MODEL_ERROR, f"image path {self}: patch, merge and focal length must be positive and "
                          "0 < min_pixels <= max_pixels; correct the checkpoint's config")

    @property
    def multiple(self) -> int:
        """Both sides of a view are multiples of this many pixels: one token."""
        return self.patch * self.merge


def fit_to_multiple(width: float, height: float, multiple: int, min_pixels: int, max_pixels: int) -> tuple[int, int]:
    """Round a size to multiples (half to even) and bring its area within the limits; returns (width, height).

    The rule of the Qwen-VL image processors. Raises Refusal(BAD_IMAGE) for sides more than 200 : 1, as they do.
    """
    if max(width, height) > 200 * min(width, height):
        raise Refusal(Code.BAD_IMAGE, f"the model's view would be {width:.0f} x {height:.0f} px: sides must not differ "
                      "by more than 200 : 1; crop the image")
    sides = [max(multiple, round(side / multiple) * multiple) for side in (width, height)]
    area = sides[0] * sides[1]
    if area > max_pixels:
        shrink = math.sqrt(width * height / max_pixels)
        sides = [max(multiple, math.floor(side / shrink / multiple) * multiple) for side in (width, height)]
    elif area < min_pixels:
        grow = math.sqrt(min_pixels / (width * height))
        sides = [math.ceil(side * grow / multiple) * multiple for side in (width, height)]
    return sides[0], sides[1]


def view_of(camera: PinholeCamera, path: ImagePath) -> CanonicalView:
    """Return the view of ``camera``'s image that our own image path makes: each axis by its own focal length.

    ``depth_scale`` corrects the little that rounding to whole tokens and the pixel limits take from the unified
    focal length.
    """
    width, height = camera.width * path.focal_px / camera.fx, camera.height * path.focal_px / camera.fy
    return _view(camera, path, fit_to_multiple(width, height, path.multiple, path.min_pixels, path.max_pixels))


def _view(camera: PinholeCamera, path: ImagePath, size: tuple) -> CanonicalView:
    resized = camera.resized(*size)
    return CanonicalView(camera, resized, math.sqrt(resized.fx * resized.fy) / path.focal_px)


def published_view_of(camera: PinholeCamera, path: ImagePath) -> CanonicalView:
    """Return the view that the published demo's image path makes; ``depth_scale`` is 1: the demo corrects nothing."""
    _, after_28 = _demo_sizes(camera.width, camera.height, camera.fx, path.focal_px)
    size = fit_to_multiple(*after_28, path.multiple, path.min_pixels, path.max_pixels)
    return CanonicalView(camera, camera.resized(*size), 1.0)


def _demo_sizes(width: int, height: int, fx: float, focal_px: float) -> tuple:
    focal = (round(width * focal_px / fx), round(height * focal_px / fx))
    return focal, fit_to_multiple(*focal, _DEMO_FACTOR, *_DEMO_PIXELS)


def published_resize(rgb: np.ndarray, fx: float, path: ImagePath) -> np.ndarray:
    """Resample as the published demo does, up to the processor: PIL BILINEAR to the focal length, BICUBIC to 28s.

    ``rgb``: uint8 (H, W, 3); ``fx`` in pixels. Returns uint8 (H', W', 3), sides multiples of 28.
    """
    height, width = rgb.shape[:2]
    focal, after_28 = _demo_sizes(width, height, fx, path.focal_px)
    image = Image.fromarray(rgb)
    if focal != (width, height):
        image = image.resize(focal, Image.Resampling.BILINEAR)
    return np.asarray(image.resize(after_28, Image.Resampling.BICUBIC))


def resize(images: torch.Tensor, width: int, height: int) -> torch.Tensor:
    """Resample uint8 (B, H, W, 3) to uint8 (B, height, width, 3), bicubic with antialias, on the images' device."""
    if tuple(images.shape[1:3]) == (height, width):
        return images
    planes = images.permute(0, 3, 1, 2)
    if images.device.type == "cpu":  # torch has the uint8 kernel, bit-equal to PIL to a grey level, on the CPU alone
        out = F.interpolate(planes, size=(height, width), mode="bicubic", antialias=True)
    else:
        out = F.interpolate(planes.float(), size=(height, width), mode="bicubic", antialias=True)
        out = out.round_().clamp_(0, 255).to(torch.uint8)
    return out.permute(0, 2, 3, 1)


def to_patches(images: torch.Tensor, path: ImagePath, dtype: torch.dtype = torch.float32) -> tuple:
    """Normalise and cut uint8 (B, H, W, 3) into patches.

    Returns ``(patches, grid)``: ``dtype`` (B, rows * columns, 3 * patch * patch) and (rows, columns) in patches.
    Order: token by token row-major, the merge x merge patches of a token row-major inside it; channel, y, x within a
    patch. A still image fills both temporal slices of the published patches alike; only one is kept here.

    Raises Refusal(BAD_IMAGE) when a side is no multiple of a token.
    """
    batch, height, width, _ = images.shape
    if height % path.multiple or width % path.multiple or not height or not width:
        raise Refusal(Code.BAD_IMAGE, f"image {width} x {height} px: both sides must be multiples of {path.multiple} "
                      "px for this model; resize it first")
    rows, columns, p, m = height // path.patch, width // path.patch, path.patch, path.merge
    mean = torch.tensor(path.mean, device=images.device) * 255
    std = torch.tensor(path.std, device=images.device) * 255
    values = ((images.float() - mean) / std).to(dtype)
    cut = values.view(batch, rows // m, m, p, columns // m, m, p, 3).permute(0, 1, 4, 2, 5, 7, 3, 6)
    return cut.reshape(batch, rows * columns, 3 * p * p), (rows, columns)


def fold_published_patches(pixel_values: torch.Tensor, path: ImagePath) -> torch.Tensor:
    """Drop the repeated temporal slice of a stock processor's (N, 3 * 2 * patch * patch) pixel values."""
    p = path.patch
    slices = pixel_values.view(-1, 3, pixel_values.shape[-1] // (3 * p * p), p, p)
    if not torch.equal(slices[:, :, 0], slices[:, :, -1]):
        raise Refusal(Code.BAD_IMAGE, "pixel values whose temporal slices differ: these are of a video; give an image")
    return slices[:, :, 0].reshape(-1, 3 * p * p)
