"""The ground and the labelled depth of a frame: made once a frame, by whoever asks first.

The worker (streams, standing corridor) and the executor (services) share them.
"""

import threading

import numpy as np

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
TF_EVERY_S = 1.0


class Surroundings:
    """Makes ground and ObstacleMap of depth maps with the node's parameters."""

    def __init__(self, node):
        self._node = node
        self._lock = threading.Lock()
        self._key, self._map = None, None
        self._from_tf: GroundPlane | None = None
        self._tf_error, self._tf_next = "", 0.0

    def obstacles(self, depth_map: DepthMap) -> ObstacleMap:
        """Return the labelled depth map; its ``ground_plane`` is None where there is no ground."""
        values = self._node.parameters.values
        rules = ObstacleRules(values.obstacle_min_height_m, values.max_drop_m)
        key = (
            id(depth_map),
            rules,
            values.ground_source,
            values.camera_height_m,
            values.camera_pitch_rad,
            self._from_tf,
        )
        with self._lock:
            if key != self._key or self._map.depth_map is not depth_map:
                self._map = ObstacleMap.of(depth_map, self._ground(depth_map, values), rules)
                self._key = key
            return self._map

    def why_no_ground(self) -> str:
        """Say why there is no ground, in a sentence with its remedy."""
        if self._node.parameters.values.ground_source == "tf":
            return self._tf_error or "TF has not told the camera's pose yet"
        return (
            "no ground in view: tell the camera's height (ground_source given or tf), or ask "
            "with airborne"
        )

    def forget(self) -> None:
        """Forget what TF has told, as after a jump of the clock."""
        self._from_tf, self._tf_next = None, 0.0

    async def follow_tf(self, frame_depth, now: float) -> None:
        """Take the ground from TF, at most once every TF_EVERY_S; on the executor."""
        values = self._node.parameters.values
        if values.ground_source != "tf" or now < self._tf_next:
            return
        self._tf_next, frame = now + TF_EVERY_S, frame_depth.frame
        try:
            into = await self._node.transforms.into(
                frame.frame_id, values.base_frame, frame.stamp_ns, now + 0.5
            )
            origin, above = into([(0.0, 0.0, 0.0), (0.0, 0.0, 1.0)])
            up = above - origin
            self._from_tf = GroundPlane.from_camera(float(-up @ origin), tuple(up))
            self._tf_error = ""
        except (StatusError, ValueError) as error:
            self._from_tf, self._tf_error = None, str(error)

    def _ground(self, depth_map: DepthMap, values) -> GroundPlane | None:
        if values.ground_source == "given":
            pitch = values.camera_pitch_rad
            up = (0.0, -float(np.cos(pitch)), float(np.sin(pitch)))
            return measured(GroundPlane.from_camera(values.camera_height_m, up), depth_map)
        if values.ground_source == "tf":
            return self._from_tf and measured(self._from_tf, depth_map)
        height, near = values.camera_height_m, HEIGHT_TOLERANCE
        if not height:
            return fit_ground(depth_map)
        span = (height * (1 - near), height * (1 + near))
        return fit_ground(depth_map, GroundSettings(height_m=span))
