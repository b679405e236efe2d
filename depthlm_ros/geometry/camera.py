"""The pinhole camera and the pixel-centre rule, stated here once and used everywhere.

Pixel ``(u, v)`` is a float; ``(0, 0)`` is the CENTRE of the top-left pixel, as in
``CameraInfo.K``. The image therefore covers ``-0.5 <= u < width - 0.5``. Scaling an axis by ``s``
maps ``u' = (u + 0.5) s - 0.5`` and the principal point with it. Camera frames are optical
(REP-103): x right, y down, z forward, metres.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from depthlm_ros.status import Code, StatusError


@dataclass(frozen=True)
class PinholeCamera:
    """An ideal camera: focal lengths and principal point in pixels, image size in pixels.

    Raises StatusError(BAD_CAMERA_INFO) when a value is not finite, or a focal length or a size is
    not positive.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    def __post_init__(self) -> None:
        """Refuse what no lens has."""
        for name in ("fx", "fy", "cx", "cy"):
            value = getattr(self, name)
            if not np.isfinite(value):
                raise StatusError(
                    Code.BAD_CAMERA_INFO,
                    f"{name} = {value} px: must be finite; calibrate the camera",
                )
        for name in ("fx", "fy", "width", "height"):
            value = getattr(self, name)
            if not value > 0:
                raise StatusError(
                    Code.BAD_CAMERA_INFO,
                    f"{name} = {value}: must be positive; calibrate the camera",
                )

    @classmethod
    def from_matrix(cls, matrix: ArrayLike, width: int, height: int) -> "PinholeCamera":
        """Take fx, fy, cx, cy from a (3, 3) or (3, 4) camera matrix in pixels."""
        m = np.asarray(matrix, dtype=np.float64)
        fx, fy, cx, cy = (float(m[at]) for at in ((0, 0), (1, 1), (0, 2), (1, 2)))
        return cls(fx, fy, cx, cy, int(width), int(height))

    @property
    def matrix(self) -> np.ndarray:
        """The (3, 3) float64 camera matrix K in pixels."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    def contains(self, pixels: ArrayLike) -> np.ndarray:
        """Tell, for pixels (..., 2), which lie inside the image; NaN is outside."""
        p = np.asarray(pixels, dtype=np.float64)
        u, v = p[..., 0], p[..., 1]
        return (u >= -0.5) & (u < self.width - 0.5) & (v >= -0.5) & (v < self.height - 0.5)

    def normalise(self, pixels: ArrayLike) -> np.ndarray:
        """Turn pixels (..., 2) into rays (x, y) on the plane z = 1; float64 (..., 2)."""
        p = np.asarray(pixels, dtype=np.float64)
        return (p - (self.cx, self.cy)) / (self.fx, self.fy)

    def project(self, points: ArrayLike) -> np.ndarray:
        """Project points (..., 3) [m], optical frame, to pixels (..., 2); NaN where z <= 0."""
        p = np.asarray(points, dtype=np.float64)
        z = np.where(p[..., 2:] > 0, p[..., 2:], np.nan)
        return p[..., :2] / z * (self.fx, self.fy) + (self.cx, self.cy)

    def unproject(self, pixels: ArrayLike, depth_m: ArrayLike) -> np.ndarray:
        """Turn pixels (..., 2) with z-depth (...) [m] to points (..., 3) [m], optical frame."""
        xy = self.normalise(pixels)
        z = np.asarray(depth_m, dtype=np.float64)[..., None]
        return np.concatenate([xy * z, z], axis=-1)

    def resized(self, width: int, height: int) -> "PinholeCamera":
        """Return the camera of the image resampled to ``width`` x ``height``, axis by axis."""
        sx, sy = width / self.width, height / self.height
        cx, cy = (self.cx + 0.5) * sx - 0.5, (self.cy + 0.5) * sy - 0.5
        return PinholeCamera(self.fx * sx, self.fy * sy, cx, cy, int(width), int(height))

    def cropped(self, x: int, y: int, width: int, height: int) -> "PinholeCamera":
        """Return the camera of the window whose top-left pixel is ``(x, y)``."""
        return PinholeCamera(self.fx, self.fy, self.cx - x, self.cy - y, int(width), int(height))
