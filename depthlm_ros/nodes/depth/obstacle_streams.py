"""The streams for navigation: ~/obstacles (ground taken away) and ~/scan (level), while wanted."""

import math
import time

import numpy as np
from geometry_msgs.msg import TransformStamped
from sensor_msgs.msg import LaserScan, PointCloud2
from sensor_msgs_py.point_cloud2 import create_cloud_xyz32

from depthlm_ros.geometry.laser_scan import Scan, ScanRules, scan_of
from depthlm_ros.geometry.obstacles import ObstacleMap
from depthlm_ros.nodes.common import conversions
from depthlm_ros.nodes.common.qos_publisher import create_publisher

OBSTACLES, SCAN = "~/obstacles", "~/scan"
WARN_AGAIN_S = 60.0
"""How often at most is told what may come and go with every image."""
LEVEL = "_level"
"""The scan's frame is the image's with this at the end: at the camera, x ahead, z up."""


class ObstacleStreams:
    """Publishes obstacles and scans; nothing without a ground: an empty scan reads as free."""

    def __init__(self, node, scheduler, depth_publishers, guard, surroundings):
        self._node, self._surroundings = node, surroundings
        self._cloud = create_publisher(node, guard, PointCloud2, OBSTACLES)
        self._scan = create_publisher(node, guard, LaserScan, SCAN)
        self._last = {"obstacles": -math.inf, "scan": -math.inf}
        self._broadcaster, self._warned_at_s = None, {}

    def wanted(self) -> bool:
        """Tell whether anybody listens."""
        return any(p.get_subscription_count() for p in (self._cloud, self._scan))

    def publish(self, frame_depth) -> None:
        """Publish what is wanted and due; on the worker."""
        values = self._node.parameters.values
        cloud = self._due(self._cloud, "obstacles", values.obstacles_rate_hz)
        scan = self._due(self._scan, "scan", values.scan_rate_hz)
        if not (cloud or scan):
            return
        obstacles = self._surroundings.obstacles(frame_depth.depth_map)
        if obstacles.ground_plane is None:
            why = self._surroundings.why_no_ground()
            self._warn("ground", f"no ~/obstacles, no ~/scan: {why}", again_s=WARN_AGAIN_S)
            return
        header = conversions.header_of(frame_depth.frame)
        if cloud:
            self._cloud.publish(obstacle_cloud(self._points(obstacles, values), header))
        if scan:
            self._publish_scan(obstacles, values, header)

    def _due(self, publisher, name: str, rate_hz: float) -> bool:
        now = time.monotonic()
        period = 1.0 / rate_hz if rate_hz else 0.0
        if not publisher.get_subscription_count() or now - self._last[name] < period:
            return False
        self._last[name] = now
        return True

    def _points(self, obstacles: ObstacleMap, values) -> np.ndarray:
        """Return obstacles, and where asked for the rims of drops, float32 (N, 3)."""
        stride = values.obstacles_stride
        points = obstacles.points(obstacles.in_band(values.obstacle_max_height_m), stride)
        if not values.mark_drops:
            return points
        return np.concatenate([points, obstacles.drop_points(stride=stride)])

    def _publish_scan(self, obstacles: ObstacleMap, values, header) -> None:
        rules = ScanRules(
            max_height_m=values.obstacle_max_height_m,
            range_min_m=values.scan_range_min_m,
            range_max_m=values.scan_range_max_m,
            columns_per_beam=values.scan_columns_per_beam,
            mark_drops=values.mark_drops,
            assumed_ratio_90=values.assumed_ratio_90,
        )
        scan = scan_of(obstacles, rules)
        self._broadcast(scan, header)
        self._scan.publish(scan_message(scan, header))

    def _broadcast(self, scan: Scan, header) -> None:
        """Tell TF where the level frame is: it turns with the ground that is found."""
        try:
            if self._broadcaster is None:
                from tf2_ros import TransformBroadcaster

                self._broadcaster = TransformBroadcaster(self._node)
            self._broadcaster.sendTransform(level_transform(scan, header))
        except ImportError as error:
            self._warn(
                "tf",
                f"the frame {header.frame_id}{LEVEL} of ~/scan is not broadcast: "
                f"tf2_ros cannot be loaded ({error})",
            )

    def _warn(self, key: str, sentence: str, again_s: float = math.inf) -> None:
        """Warn once, and again after a while of what comes and goes with the images."""
        now, last = time.monotonic(), self._warned_at_s.get(key)
        if last is None or now - last >= again_s:
            self._warned_at_s[key] = now
            self._node.get_logger().warning(sentence)


def obstacle_cloud(points: np.ndarray, header) -> PointCloud2:
    """Return points, float32 (N, 3) [m], as an unorganised cloud of x, y, z."""
    message = create_cloud_xyz32(header, np.ascontiguousarray(points, np.float32))
    message.is_dense = True
    return message


def scan_message(scan: Scan, header) -> LaserScan:
    """Return a scan in the level frame: REP-117's +Inf, -Inf and NaN as they are."""
    message = LaserScan(
        angle_min=scan.angle_min_rad,
        angle_max=float(scan.angles_rad[-1]),
        angle_increment=scan.angle_increment_rad,
        range_min=scan.range_min_m,
        range_max=scan.range_max_m,
    )
    message.header.stamp, message.header.frame_id = header.stamp, header.frame_id + LEVEL
    message.ranges.frombytes(scan.ranges_m.astype("<f4").tobytes())
    return message


def level_transform(scan: Scan, header) -> TransformStamped:
    """Return the pose of the level frame in the image's: the axes of the scan."""
    from tf_transformations import quaternion_from_matrix

    matrix = np.eye(4)
    matrix[:3, :3] = scan.axes.T
    message = TransformStamped(header=header, child_frame_id=header.frame_id + LEVEL)
    rotation = message.transform.rotation
    rotation.x, rotation.y, rotation.z, rotation.w = map(float, quaternion_from_matrix(matrix))
    return message
