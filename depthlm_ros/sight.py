"""A finished look at one picture, and readings at its pixels: what node and command line share.

Pixels are those of the picture as it was taken, lens and all; the depth map is of the rectified
one. Both kinds of model end in the same ``PointDepth``.
"""

from dataclasses import dataclass, replace

import numpy as np

from depthlm_ros.estimator import DepthEstimator, PointDepth, marker_points
from depthlm_ros.frame import Frame
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.geometry.rectify import Rectifier
from depthlm_ros.models.base import CloudWish, DenseDepthModel, PointDepthModel


@dataclass(frozen=True)
class Sight:
    """A frame that questions can be answered from; ``depth_map`` is None for a marker model.

    ``epoch``: counts jumps of the clock, where there is a clock.
    """

    frame: Frame
    rectifier: Rectifier
    depth_map: DepthMap | None
    epoch: int = 0


def look(
    model: DenseDepthModel | PointDepthModel,
    frame: Frame,
    rectifier: Rectifier,
    min_range_m: float,
    max_range_m: float,
    epoch: int = 0,
    cloud: CloudWish | None = None,
) -> Sight:
    """Look at a frame: a dense model gives its depth map, a marker model is asked later."""
    if not isinstance(model, DenseDepthModel):
        return Sight(frame, rectifier, None, epoch)
    estimator = DepthEstimator(model, min_range_m, max_range_m)
    return Sight(frame, rectifier, estimator.depth(frame, cloud), epoch)


def read(
    model: DenseDepthModel | PointDepthModel,
    sight: Sight,
    pixels,
    min_range_m: float,
    max_range_m: float,
) -> list[PointDepth]:
    """Read the depth at pixels (N, 2) of the picture as taken; one reading a pixel, in order."""
    seen = sight.rectifier.source_to_rectified(pixels)
    if sight.depth_map is None:
        return marker_points(model, sight.frame, seen, min_range_m, max_range_m, pixels)
    estimator = DepthEstimator(model, min_range_m, max_range_m)
    return estimator.read(sight.depth_map, seen, pixels)


def camera_asked_about(sight: Sight) -> PinholeCamera:
    """Return the camera in whose pixels people ask: of the picture as taken, lens and all.

    Its principal point is where the camera's axis meets that picture.
    """
    seen, camera = sight.frame.camera, sight.rectifier.source_camera
    ahead = sight.rectifier.rectified_to_source(np.array([seen.cx, seen.cy]))
    if not np.isfinite(ahead).all():
        return camera
    return replace(camera, cx=float(ahead[0]), cy=float(ahead[1]))
