"""The published demo's three-step resampling by PIL, kept for parity with the reference values."""

import numpy as np
from PIL import Image

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.canonical_view import CanonicalView
from depthlm_ros.models.runtime.image_patches import ImagePreprocessConfig, fit_to_multiple

DEMO_MULTIPLE = 28
DEMO_PIXELS = (4 * 28 * 28, 16384 * 28 * 28)


def published_view_of(camera: PinholeCamera, path: ImagePreprocessConfig) -> CanonicalView:
    """Return the view that the published demo's image path makes.

    ``depth_scale`` is 1: the demo corrects nothing.
    """
    _, after_28 = _demo_sizes(camera.width, camera.height, camera.fx, path.focal_px)
    return CanonicalView(camera, camera.resized(*path.fit(*after_28)), 1.0)


def _demo_sizes(width: int, height: int, fx: float, focal_px: float) -> tuple:
    unified = (round(width * focal_px / fx), round(height * focal_px / fx))
    return unified, fit_to_multiple(*unified, DEMO_MULTIPLE, *DEMO_PIXELS)


def published_resize(rgb: np.ndarray, fx: float, path: ImagePreprocessConfig) -> np.ndarray:
    """Resample as the published demo does before the processor.

    PIL BILINEAR to the unified focal length (fx for both axes), then PIL BICUBIC to multiples of
    28. ``rgb``: uint8 (H, W, 3); ``fx`` in pixels. Returns uint8 (H', W', 3).
    """
    height, width = rgb.shape[:2]
    unified, after_28 = _demo_sizes(width, height, fx, path.focal_px)
    image = Image.fromarray(rgb).resize(unified, Image.Resampling.BILINEAR)
    return np.array(image.resize(after_28, Image.Resampling.BICUBIC))
