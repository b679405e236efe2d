"""Cheap filters of depth maps. None invents a point: each only removes, or takes a neighbour's.

The mask of floating points at depth steps is ``DepthMap.depth_discontinuities``.
"""

from dataclasses import replace

import cv2
import numpy as np

from depthlm_ros.geometry.depth_map import DepthMap

_FAR = np.float32(3e38)


def median_3x3(depth_map: DepthMap) -> DepthMap:
    """Return the map with every finite depth replaced by the median of the 3 x 3 around it.

    The median is one of the nine depths; +Inf counts as the farthest. A pixel stays as it is
    where the median is no depth, where any of the nine is NaN, and where it is itself not finite.
    """
    depth = depth_map.depth_m
    known = np.where(np.isnan(depth), np.float32(0.0), np.minimum(depth, _FAR))
    middle = cv2.medianBlur(known, 3)
    whole = cv2.erode(known, np.ones((3, 3), np.uint8)) > 0
    take = whole & np.isfinite(depth) & (middle < _FAR)
    return replace(depth_map, depth_m=np.where(take, middle, depth), pack_on_device=None)


def in_range(depth_map: DepthMap, min_m: float, max_m: float) -> DepthMap:
    """Return the map with depths nearer than ``min_m`` as NaN, beyond ``max_m`` as +Inf."""
    if not 0 <= min_m < max_m:
        raise ValueError(f"min_m = {min_m}, max_m = {max_m}: must be 0 <= min_m < max_m")
    depth = depth_map.depth_m.copy()
    with np.errstate(invalid="ignore"):
        depth[depth < np.float32(min_m)] = np.nan
        depth[depth > np.float32(max_m)] = np.inf
    return replace(depth_map, depth_m=depth, pack_on_device=None)


class TemporalFilter:
    """Steadies the depth of a camera that stands still; what changed is taken as it is now.

    ``smoothing``: share of the old in the new, 0 to below 1, in log depth. ``change_ratio``: a
    depth that differs by more than this factor from the old is another surface and replaces it.
    """

    def __init__(self, smoothing: float = 0.7, change_ratio: float = 1.1) -> None:
        """Begin without a past."""
        if not (0 <= smoothing < 1 and change_ratio > 1):
            raise ValueError(
                f"smoothing = {smoothing}, change_ratio = {change_ratio}: must be in "
                "[0, 1), and greater than 1"
            )
        self.smoothing, self.change_ratio = float(smoothing), float(change_ratio)
        self._past: DepthMap | None = None

    def forget(self) -> None:
        """Forget the past, as when the camera moves or the clock jumps."""
        self._past = None

    def apply(self, depth_map: DepthMap, camera_is_still: bool) -> DepthMap:
        """Return the map steadied by the past ones; a moving camera has no past.

        Pixels that are not finite now stay so: what is unknown now is not known from before.
        """
        past = self._past if camera_is_still else None
        if past is None or past.camera != depth_map.camera:
            self._past = depth_map
            return depth_map
        now, old = depth_map.depth_m, past.depth_m
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = now / old
            same = (ratio < self.change_ratio) & (ratio > 1 / self.change_ratio)
            steady = now * np.power(ratio, np.float32(-self.smoothing))
        self._past = replace(depth_map, depth_m=np.where(same, steady, now), pack_on_device=None)
        return self._past
