"""A rectifier whose image was scaled down beforehand: pixels stay those of the source image."""

from dataclasses import replace

import numpy as np

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.rectify import CameraModel, Rectifier


def resized_lens(lens: CameraModel, width: int, height: int) -> CameraModel:
    """Return the lens of the same image resampled to ``width`` x ``height`` px.

    Only for a lens without window and binning: both are in sensor pixels.
    """
    old_width, old_height = lens.image_size
    sx, sy = width / old_width, height / old_height

    def scaled(matrix: tuple, columns: int) -> tuple:
        if not any(matrix):
            return matrix
        m = np.reshape(np.asarray(matrix, dtype=np.float64), (3, columns)).copy()
        m[0] *= sx
        m[1] *= sy
        m[0, 2] += (sx - 1) / 2  # (c + 0.5) s - 0.5
        m[1, 2] += (sy - 1) / 2
        return tuple(m.ravel().tolist())

    return replace(lens, width=width, height=height, k=scaled(lens.k, 3), p=scaled(lens.p, 4))


class ResizedRectifier:
    """A Rectifier of the scaled image whose source pixels are those before the scaling.

    Same properties as ``Rectifier``; ``source_size`` is the size before.
    """

    def __init__(self, inner: Rectifier, source_size: tuple):
        self._inner, self.source_size = inner, source_size
        self.camera, self.valid = inner.camera, inner.valid
        self.is_identity, self.lens = inner.is_identity, inner.lens
        width, height = inner.source_size
        self._scale = np.array([width / source_size[0], height / source_size[1]])

    def rectify(self, rgb: np.ndarray) -> np.ndarray:
        """Return the rectified image of the scaled one, uint8 (H, W, 3)."""
        return self._inner.rectify(rgb)

    def source_to_rectified(self, pixels) -> np.ndarray:
        """Map pixels (..., 2) of the image before the scaling to the rectified one."""
        pixels = np.asarray(pixels, dtype=np.float64)
        return self._inner.source_to_rectified((pixels + 0.5) * self._scale - 0.5)

    def rectified_to_source(self, pixels) -> np.ndarray:
        """Map pixels (..., 2) of the rectified image to the one before the scaling."""
        return (self._inner.rectified_to_source(pixels) + 0.5) / self._scale - 0.5

    @property
    def source_camera(self) -> PinholeCamera:
        """The rectified camera at the source's size."""
        return self.camera.resized(*self.source_size)
