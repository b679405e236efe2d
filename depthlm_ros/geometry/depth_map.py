"""A metric depth map, and z-depth told apart from ray length: here, and nowhere else."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import ArrayLike

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.interval import UNKNOWN, Interval
from depthlm_ros.status import Code, StatusError

EDGE_RATIO = 1.15
"""Default of ``edge_ratio``: neighbours that differ by more than this factor are two things."""


def distance_from_depth(depth_m: ArrayLike, xy: ArrayLike) -> np.ndarray:
    """Turn z-depth (...) [m] into distance to the camera [m]; ``xy``: normalised rays (..., 2)."""
    return np.asarray(depth_m) * np.sqrt(1.0 + np.square(xy).sum(axis=-1))


def depth_from_distance(distance_m: ArrayLike, xy: ArrayLike) -> np.ndarray:
    """Turn distance to the camera (...) [m] into z-depth [m]; ``xy``: normalised rays (..., 2)."""
    return np.asarray(distance_m) / np.sqrt(1.0 + np.square(xy).sum(axis=-1))


PackOnDevice = Callable[[float | None], np.ndarray | None]
"""From an ``edge_ratio`` to the cloud that ``point_cloud.pack_into`` makes, int32 (H, W, 4)."""


@dataclass(frozen=True)
class DepthMap:
    """z-depth of every pixel of a rectified image.

    Attributes:
        depth_m: float32 (H, W), metres along the optical axis (REP-118); NaN unknown, +Inf beyond
            range (REP-117), never 0.
        camera: The pinhole camera of the map's pixels; its size is (W, H).
        stamp_ns: Acquisition time of the image [ns].
        frame_id: The image's optical frame.
        ratio_90: 90 % of the true depths are expected within [depth / ratio_90, depth * ratio_90];
            NaN: unknown.
        edge_radius_px: How far a depth step is smeared by the resampling from the model's own
            grid, for ``depth_discontinuities``.
        pack_on_device: Packs the cloud where the model's device still has this map; gives None
            where it has not.
        interval: What ``ratio_90`` rests on.

    Raises:
        StatusError: MODEL_ERROR, when ``depth_m`` is not float32 of its camera's size.
    """

    depth_m: np.ndarray
    camera: PinholeCamera
    stamp_ns: int = 0
    frame_id: str = ""
    ratio_90: float = float("nan")
    edge_radius_px: int = 1
    pack_on_device: PackOnDevice | None = None
    interval: Interval = UNKNOWN

    def __post_init__(self) -> None:
        """Refuse a map that breaks the contract."""
        depth, expected = self.depth_m, (self.camera.height, self.camera.width)
        if depth.dtype != np.float32 or depth.shape != expected:
            raise StatusError(
                Code.MODEL_ERROR,
                f"depth is {depth.dtype} {depth.shape}: must be float32 {expected}, as its camera",
            )

    def points(self, masked: np.ndarray | None = None) -> np.ndarray:
        """Return every pixel's point, float32 (H, W, 3), optical frame, metres.

        NaN where the depth is not finite, and where ``masked``, bool (H, W), is True.
        """
        return cv2.merge(self.coordinates(masked))

    def coordinates(self, masked: np.ndarray | None = None) -> tuple:
        """Return ``points`` as three planes x, y, z, float32 (H, W)."""
        x, y = ray_axes(self.camera)
        unknown = ~np.isfinite(self.depth_m)
        if masked is not None:
            unknown |= masked
        z = self.depth_m.copy()
        z[unknown] = np.nan
        return z * x, z * y, z

    def distance_m(self) -> np.ndarray:
        """Return the distance from the camera to every pixel's point, float32 (H, W), metres."""
        return self.depth_m * _ray_lengths(self.camera)

    def depth_discontinuities(self, edge_ratio: float = EDGE_RATIO) -> np.ndarray:
        """Tell where a pixel lies across a depth step, so that its point may float in the air.

        bool (H, W). True where, within ``edge_radius_px`` pixels to each side, the largest depth
        is more than ``edge_ratio`` times the smallest. Pixels without a finite depth are False
        and have no say. A floor seen from h metres keeps all points nearer than
        (edge_ratio - 1) h fy / (2 reach) metres: 9.4 m for h = 0.25, fy = 500 and the default.
        """
        return edge_mask(self.depth_m, edge_ratio, self.edge_radius_px)


def edge_mask(depth_m: np.ndarray, edge_ratio: float, reach_px: int = 1) -> np.ndarray:
    """Return ``DepthMap.depth_discontinuities`` of a bare map, float32 (H, W)."""
    if not edge_ratio > 1.0:
        raise ValueError(f"edge_ratio = {edge_ratio}: must be greater than 1")
    finite = np.isfinite(depth_m)
    kernel = np.ones((2 * reach_px + 1, 2 * reach_px + 1), np.uint8)
    far = cv2.dilate(np.where(finite, depth_m, np.float32(0.0)), kernel)
    near = cv2.erode(np.where(finite, depth_m, np.float32(1e30)), kernel)
    return (far > near * np.float32(edge_ratio)) & finite


@lru_cache(maxsize=8)
def ray_axes(camera: PinholeCamera) -> tuple:
    """Return x (1, W) and y (H, 1) of the normalised rays, float32, read-only."""
    u, v = np.arange(camera.width), np.arange(camera.height)
    x = ((u - camera.cx) / camera.fx).astype(np.float32)[None, :]
    y = ((v - camera.cy) / camera.fy).astype(np.float32)[:, None]
    x.flags.writeable = y.flags.writeable = False
    return x, y


@lru_cache(maxsize=4)
def _ray_lengths(camera: PinholeCamera) -> np.ndarray:
    """Return distance / depth of every pixel, float32 (H, W), read-only."""
    x, y = ray_axes(camera)
    lengths = np.sqrt(1.0 + np.square(x) + np.square(y))
    lengths.flags.writeable = False
    return lengths
