"""From a camera's uint8 image to the patches of a Qwen-VL vision tower, on the model's device.

Knows sizes and pixels; nothing of networks. Two ways to the same place: our own (one resampling,
straight to the multiple that the model needs) and the published demo's (three, by PIL), kept for
parity. torch alone: no torchvision.
"""

import functools
import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.canonical_view import CanonicalView
from depthlm_ros.status import Code, StatusError

MAX_ASPECT = 200


@dataclass(frozen=True)
class ImagePreprocessConfig:
    """What a checkpoint wants of its images.

    ``patch``, ``merge``: side of a patch in pixels, and of a token in patches. ``focal_px``: the
    unified focal length. ``min_pixels``, ``max_pixels``: limits of width x height after resizing.
    ``mean``, ``std``: per channel, of values in 0..1. Defaults: DepthVLM-4B's.

    Raises StatusError(MODEL_ERROR) for values that no image can meet.
    """

    patch: int = 16
    merge: int = 2
    focal_px: float = 1000.0
    min_pixels: int = 65536
    max_pixels: int = 16777216
    mean: tuple = (0.5, 0.5, 0.5)
    std: tuple = (0.5, 0.5, 0.5)

    def __post_init__(self):
        """Refuse what no image can meet."""
        positive = min(self.patch, self.merge, self.focal_px, self.min_pixels, *self.std) > 0
        if not positive or self.min_pixels > self.max_pixels:
            raise StatusError(
                Code.MODEL_ERROR,
                f"{self}: all must be positive and min_pixels <= "
                "max_pixels; correct the checkpoint's config",
            )

    @property
    def multiple(self) -> int:
        """Both sides of a view are multiples of this many pixels: one token."""
        return self.patch * self.merge

    def limited(self, max_pixels: int | None) -> "ImagePreprocessConfig":
        """Return this path with the area's limit lowered to ``max_pixels`` (None: as it is)."""
        if max_pixels is None or max_pixels >= self.max_pixels:
            return self
        return replace(self, min_pixels=min(self.min_pixels, max_pixels), max_pixels=max_pixels)

    def fit(self, width: float, height: float) -> tuple[int, int]:
        """Return the (width, height) in whole tokens that the model gets for this size."""
        return fit_to_multiple(width, height, self.multiple, self.min_pixels, self.max_pixels)


def pixel_limits(preprocessor: dict) -> tuple[int | None, int | None]:
    """Return (min, max) of width x height from a Qwen-VL preprocessor_config.json, parsed.

    As its own processor reads it: ``min_pixels`` and ``max_pixels`` before ``size``. None where
    nothing is said; a null says nothing.
    """
    size = preprocessor.get("size") or {}
    return (
        preprocessor.get("min_pixels") or size.get("shortest_edge"),
        preprocessor.get("max_pixels") or size.get("longest_edge"),
    )


def fit_to_multiple(
    width: float, height: float, multiple: int, min_pixels: int, max_pixels: int
) -> tuple[int, int]:
    """Round both sides to multiples (half to even), keeping the area within limits.

    The rule of the Qwen-VL image processors. Returns (width, height) in pixels.
    Raises StatusError(BAD_IMAGE) for sides of more than 200 : 1, as they do.
    """
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise StatusError(
            Code.BAD_IMAGE,
            f"the model's view would be {width:.0f} x {height:.0f} px: "
            f"sides must not differ by more than {MAX_ASPECT} : 1; crop the image",
        )
    sides = [max(multiple, round(side / multiple) * multiple) for side in (width, height)]
    area = sides[0] * sides[1]
    if area > max_pixels:
        scale = multiple * math.sqrt(width * height / max_pixels)
        sides = [max(multiple, math.floor(side / scale) * multiple) for side in (width, height)]
    elif area < min_pixels:
        scale = multiple * math.sqrt(width * height / min_pixels)
        sides = [math.ceil(side / scale) * multiple for side in (width, height)]
    return sides[0], sides[1]


def view_of(camera: PinholeCamera, path: ImagePreprocessConfig) -> CanonicalView:
    """Return the view that our own image path makes: each axis by its own focal length.

    ``depth_scale`` corrects the little that rounding to whole tokens and the pixel limits take
    from the unified focal length.
    """
    size = path.fit(
        camera.width * path.focal_px / camera.fx, camera.height * path.focal_px / camera.fy
    )
    return CanonicalView.resized(camera, *size, path.focal_px)


def resize(images: torch.Tensor, width: int, height: int) -> torch.Tensor:
    """Resample uint8 (B, H, W, 3) to (B, height, width, 3) where it lies: bicubic, antialiased."""
    if tuple(images.shape[1:3]) == (height, width):
        return images
    planes, size = images.permute(0, 3, 1, 2), (height, width)
    on_cpu = images.device.type == "cpu"  # torch has a uint8 kernel for the CPU alone
    out = _bicubic(planes, size) if on_cpu else _bicubic_in_float(planes, size)
    return out.permute(0, 2, 3, 1)


def _bicubic(planes: torch.Tensor, size: tuple) -> torch.Tensor:
    return F.interpolate(planes, size=size, mode="bicubic", antialias=True)


def _bicubic_in_float(planes: torch.Tensor, size: tuple) -> torch.Tensor:
    """Resample uint8 (B, C, h, w) through float32, back to the grey levels of the uint8 kernel."""
    return _bicubic(planes.float(), size).round_().clamp_(0, 255).to(torch.uint8)


def to_patches(
    images: torch.Tensor, path: ImagePreprocessConfig, dtype: torch.dtype = torch.float32
) -> tuple:
    """Normalise and cut uint8 (B, H, W, 3) into patches.

    Returns ``(patches, grid)``: ``dtype`` (B, rows * columns, 3 * patch * patch) and
    (rows, columns) in patches. Order: token by token row-major, a token's merge x merge patches
    row-major inside it; channel, y, x inside a patch. A still image fills both temporal slices of
    the published patches alike; only one is kept here.

    Raises StatusError(BAD_IMAGE) when a side is no multiple of a token.
    """
    batch, height, width, _ = images.shape
    if height % path.multiple or width % path.multiple or not height or not width:
        raise StatusError(
            Code.BAD_IMAGE,
            f"image {width} x {height} px: both sides must be multiples "
            f"of {path.multiple} px for this model; resize it first",
        )
    p, m = path.patch, path.merge
    rows, columns = height // p, width // p
    mean, std = _grey_mean_and_std(path, images.device)
    tokens = images.reshape(batch, rows // m, m, p, columns // m, m, p, 3)
    # Cut first: bytes are a quarter of the traffic of floats. In place: the floats are our own.
    cut = tokens.permute(0, 1, 4, 2, 5, 7, 3, 6).reshape(batch, rows * columns, 3, p * p)
    values = cut.float().sub_(mean[:, None]).div_(std[:, None]).to(dtype)
    return values.flatten(2), (rows, columns)


@functools.lru_cache(maxsize=8)
@torch.inference_mode(False)  # cached across calls, also outside inference_mode
def _grey_mean_and_std(path: ImagePreprocessConfig, device: torch.device) -> tuple:
    """Return the path's mean and std in grey levels 0..255; made once, not copied each frame."""
    mean, std = torch.tensor((path.mean, path.std), device=device) * 255
    return mean, std
