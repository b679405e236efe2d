"""A metric depth map, and z-depth told apart from ray length: here, and nowhere else."""

from dataclasses import dataclass

import numpy as np

from depthlm_ros.geometry.camera import PinholeCamera


def distance_from_depth(depth_m, xy) -> np.ndarray:
    """Turn z-depth (...) [m] into distance to the camera [m]; ``xy``: normalised rays (..., 2)."""
    return np.asarray(depth_m) * np.sqrt(1.0 + np.square(xy).sum(axis=-1))


def depth_from_distance(distance_m, xy) -> np.ndarray:
    """Turn distance to the camera (...) [m] into z-depth [m]; ``xy``: normalised rays (..., 2)."""
    return np.asarray(distance_m) / np.sqrt(1.0 + np.square(xy).sum(axis=-1))


@dataclass(frozen=True)
class DepthMap:
    """z-depth of every pixel of a rectified image.

    ``depth_m``: float32 (H, W), metres along the optical axis (REP-118); NaN unknown, +Inf beyond
    range (REP-117). ``ratio_90``: 90 % of the true depths are expected within
    [depth / ratio_90, depth * ratio_90]; NaN if unknown.
    """

    depth_m: np.ndarray
    camera: PinholeCamera
    stamp_ns: int = 0
    frame_id: str = ""
    ratio_90: float = float("nan")
