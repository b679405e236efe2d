"""The ground and the labelled depth of a frame: made once a frame, by whoever asks first.

The worker (streams, standing corridor) and the executor (services) share them.
"""

import threading
import time

import numpy as np

from depthlm_ros.geometry.clearance import ClearanceRules
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.geometry.ground_plane import (
    GroundPlane,
    GroundSettings,
    fit_ground,
    measured,
)
from depthlm_ros.geometry.obstacles import ObstacleMap, ObstacleRules
from depthlm_ros.status import StatusError

HEIGHT_TOLERANCE = 0.25
"""A fitted ground must lie so near (share) to the camera height that is known."""
TF_WAIT_S = 0.3
"""How long a request waits for /tf: longer, and its image would be too old when it comes."""
TF_LATE_S = 0.5
"""Where /tf is behind an image, the ground of one so little older stands in for it."""


class TfGround:
    """The plane z = 0 of ``base_frame`` at the time of each image."""

    def __init__(self, node):
        self._node = node
        self._newest: tuple | None = None
        self.error = ""

    def forget(self) -> None:
        """Forget what was heard, as after a jump of the clock."""
        self._newest, self.error = None, ""

    def at(self, depth_map: DepthMap) -> GroundPlane | None:
        """Return the ground of a depth map, None where TF does not tell it; from any thread."""
        base, stamp = self._node.parameters.values.base_frame, depth_map.stamp_ns
        try:
            mapping = self._node.transforms.now(depth_map.frame_id, base, stamp)
            return self._take(depth_map, base, mapping)
        except StatusError as error:
            self.error = error.text
        except ValueError as error:  # a camera below the plane
            self.error = str(error)
        kept = self._newest
        if kept and kept[0] == (base, depth_map.frame_id):
            return kept[2] if abs(stamp - kept[1]) <= TF_LATE_S * 1e9 else None
        return None

    async def wait(self, depth_map: DepthMap, until: float) -> None:
        """Wait a little for what ``at`` needs, not later than ``until`` [monotonic s]."""
        until = min(until, time.monotonic() + TF_WAIT_S)
        base = self._node.parameters.values.base_frame
        try:
            await self._node.transforms.into(depth_map.frame_id, base, depth_map.stamp_ns, until)
        except StatusError as error:
            self.error = error.text  # ``at`` will not find it either

    def _take(self, depth_map: DepthMap, base: str, mapping) -> GroundPlane:
        origin, above = mapping([(0.0, 0.0, 0.0), (0.0, 0.0, 1.0)])
        up = above - origin
        ground = GroundPlane.from_camera(float(-up @ origin), tuple(up))
        self._newest = ((base, depth_map.frame_id), depth_map.stamp_ns, ground)
        return ground


class Surroundings:
    """Makes ground and ObstacleMap of depth maps with the node's parameters."""

    def __init__(self, node):
        self._node = node
        self._lock = threading.Lock()
        self._key, self._map = None, None
        self._tf = TfGround(node)

    async def obstacles_for(self, depth_map: DepthMap, until: float) -> ObstacleMap:
        """Return ``obstacles`` for a request, which waits for TF where it tells the ground."""
        if self._node.parameters.values.ground_source == "tf":
            await self._tf.wait(depth_map, until)
        return self.obstacles(depth_map)

    def obstacles(self, depth_map: DepthMap) -> ObstacleMap:
        """Return the labelled depth map; its ``ground_plane`` is None where there is no ground."""
        values = self._node.parameters.values
        rules = ObstacleRules(values.obstacle_min_height_m, values.max_drop_m)
        from_tf = self._tf.at(depth_map) if values.ground_source == "tf" else None
        key = (
            id(depth_map),
            rules,
            values.ground_source,
            values.camera_height_m,
            values.camera_pitch_rad,
            from_tf,
        )
        with self._lock:
            if key != self._key or self._map.depth_map is not depth_map:
                self._map = ObstacleMap.of(
                    depth_map, self._ground(depth_map, values, from_tf), rules
                )
                self._key = key
            return self._map

    def clearance_rules(self) -> ClearanceRules:
        """Return when a volume counts as known, by the parameters."""
        values = self._node.parameters.values
        return ClearanceRules(
            assumed_ratio_90=values.assumed_ratio_90,
            max_range_m=values.max_range_m,
            max_unseen=values.clearance_max_unseen,
        )

    def why_no_ground(self) -> str:
        """Say why there is no ground, in a sentence with its remedy."""
        if self._node.parameters.values.ground_source == "tf":
            return self._tf.error or "TF has not told the camera's pose yet"
        return (
            "no ground in view: tell the camera's height (ground_source given or tf), or ask "
            "with airborne"
        )

    def forget(self) -> None:
        """Forget what TF has told, as after a jump of the clock."""
        self._tf.forget()

    def _ground(self, depth_map: DepthMap, values, from_tf) -> GroundPlane | None:
        if values.ground_source == "given":
            pitch = values.camera_pitch_rad
            up = (0.0, -float(np.cos(pitch)), float(np.sin(pitch)))
            return measured(GroundPlane.from_camera(values.camera_height_m, up), depth_map)
        if values.ground_source == "tf":
            return from_tf and measured(from_tf, depth_map)
        height, near = values.camera_height_m, HEIGHT_TOLERANCE
        if not height:
            return fit_ground(depth_map)
        span = (height * (1 - near), height * (1 + near))
        return fit_ground(depth_map, GroundSettings(height_m=span))
