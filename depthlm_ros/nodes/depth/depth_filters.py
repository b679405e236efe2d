"""The filters of depth maps that the parameters choose, between the model and everybody else.

The mask of floating points belongs to the cloud (``cloud_keeps_edges``), the range to
``min_range_m`` and ``max_range_m``.
"""

from dataclasses import replace

import numpy as np

from depthlm_ros.estimator import FrameDepth
from depthlm_ros.geometry.filters import TemporalFilter, median_3x3

STILL_M, STILL_RAD = 0.01, 0.01
"""A camera that moved or turned by more than this since the last image does not stand still."""


class DepthFilters:
    """Applies ``median_filter`` and ``temporal_filter``; on the worker's thread only.

    ``values()``: the node's parameters. ``pose_of(frame_id, stamp_ns)``: the camera's pose (4, 4)
    in a frame that does not move, None where TF does not know it now.
    """

    def __init__(self, values, pose_of):
        self._values, self._pose_of = values, pose_of
        self._temporal: TemporalFilter | None = None
        self._pose: np.ndarray | None = None
        self._generation: int | None = None

    def any(self) -> bool:
        """Tell whether any filter is on."""
        values = self._values()
        return values.median_filter or values.temporal_filter > 0

    def apply(self, frame_depth: FrameDepth, in_order: bool = True) -> FrameDepth:
        """Return a result with its depth map filtered; one without a depth map as it is.

        ``in_order``: its image follows those before; else it is left out of the filter in time.
        """
        values = self._values()
        if frame_depth.depth_map is None or not self.any():
            self._temporal = None
            return frame_depth
        depth_map = frame_depth.depth_map
        if values.median_filter:
            depth_map = median_3x3(depth_map)
        if in_order and values.temporal_filter > 0:
            depth_map = self._steadied(frame_depth, depth_map, values)
        return replace(frame_depth, depth_map=depth_map)

    def _steadied(self, frame_depth: FrameDepth, depth_map, values):
        same_clock = frame_depth.clock_generation == self._generation
        self._generation = frame_depth.clock_generation
        if self._temporal is None or self._temporal.smoothing != values.temporal_filter:
            self._temporal, same_clock = TemporalFilter(values.temporal_filter), False
        still = self._stands_still(frame_depth.frame, values.camera_is_still)
        return self._temporal.apply(depth_map, camera_is_still=still and same_clock)

    def _stands_still(self, frame, always: bool) -> bool:
        """Tell whether the camera is where it was at the last image; unknown: it is not."""
        if always:
            return True
        before, self._pose = self._pose, self._pose_of(frame.frame_id, frame.stamp_ns)
        if before is None or self._pose is None:
            return False
        change = np.linalg.inv(before) @ self._pose
        cosine = (np.trace(change[:3, :3]) - 1) / 2
        turned = np.arccos(np.clip(cosine, -1.0, 1.0))
        return bool(np.linalg.norm(change[:3, 3]) <= STILL_M and turned <= STILL_RAD)
