"""What the page knows of the robot: the newest message of each topic, and the node's services.

A node of its own, on a thread of its own, that uses the depth node's topics and services only.
It subscribes while somebody looks: the depth node computes nothing that nobody listens to. Each
topic keeps ONE message; what is slow to look at gets fewer of them.
"""

import threading
from dataclasses import dataclass, field

import numpy as np
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, LaserScan

from depthlm_ros.client import DepthClient
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.nodes.common import conversions
from depthlm_ros.status import StatusError
from depthlm_ros.web import drawing

NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


@dataclass
class Newest:
    """The newest message of a topic; ``number`` counts them."""

    message: object = None
    number: int = 0


@dataclass(frozen=True)
class Seen:
    """A picture ready to be shown. ``size``: (width, height) of the image [px]."""

    jpeg: bytes
    number: int
    size: tuple
    text: str = ""


@dataclass
class _Cache:
    seen: dict = field(default_factory=dict)


class LiveView:
    """Subscribes while ``look`` has been called more often than ``leave``."""

    def __init__(self, node, target: str, compressed: bool):
        """``target``: name of the depth node; ``compressed``: take <image>/compressed."""
        self._node, self._target = node, target
        self._lock, self._lookers, self._subscriptions = threading.Lock(), 0, []
        self._newest = {name: Newest() for name in ("image", "depth", "info", "scan")}
        self._cache = _Cache()
        image = node.resolve_topic_name("image")
        self._topics = [
            ("image", CompressedImage if compressed else Image,
             f"{image}/compressed" if compressed else image),
            ("depth", Image, f"{target}/depth/image"),
            ("info", CameraInfo, f"{target}/depth/camera_info"),
            ("scan", LaserScan, f"{target}/scan"),
        ]  # fmt: skip
        self.client = DepthClient(target)

    # -- on the executor's thread -------------------------------------------------------------

    def look(self) -> None:
        """Begin to subscribe, when nobody did yet."""
        self._node.executor.create_task(lambda: self._count(1))

    def leave(self) -> None:
        """Cease to subscribe, when nobody looks any more."""
        self._node.executor.create_task(lambda: self._count(-1))

    def _count(self, more: int) -> None:
        self._lookers = max(0, self._lookers + more)
        if self._lookers and not self._subscriptions:
            self._subscriptions = [
                self._node.create_subscription(kind, topic, self._taker(name), NEWEST)
                for name, kind, topic in self._topics
            ]
        elif not self._lookers:
            for subscription in self._subscriptions:
                self._node.destroy_subscription(subscription)
            self._subscriptions = []

    def _taker(self, name: str):
        def take(message) -> None:
            with self._lock:
                newest = self._newest[name]
                self._newest[name] = Newest(message, newest.number + 1)

        return take

    # -- on the page's threads ----------------------------------------------------------------

    def number(self, name: str) -> int:
        """Return how many messages of a kind have come."""
        return self._newest[name].number

    def stamp(self, name: str):
        """Return the stamp of the newest message of a kind, None before the first."""
        message = self._newest[name].message
        return None if message is None else message.header.stamp

    def picture(self) -> Seen | None:
        """Return the newest camera image; None before the first."""
        return self._seen("image", self._draw_image)

    def depth(self) -> Seen | None:
        """Return the newest depth map in colours; None before the first."""
        return self._seen("depth", self._draw_depth)

    def cloud(self) -> tuple[list, list]:
        """Return points [m] and colours of the newest depth map; empty before the first."""
        with self._lock:
            depth, info, image = (self._newest[n].message for n in ("depth", "info", "image"))
        if (
            depth is None
            or info is None
            or (info.width, info.height) != (depth.width, depth.height)
        ):
            return [], []
        camera = PinholeCamera.from_matrix(np.reshape(info.p, (3, 4)), info.width, info.height)
        same = image is not None and image.header.stamp == depth.header.stamp
        return drawing.cloud_of(_metres(depth), camera, self._rgb(image) if same else None)

    def beams(self) -> list:
        """Return the newest scan's points (x forward, y left) [m]."""
        scan = self._newest["scan"].message
        if scan is None:
            return []
        return drawing.beams_of(scan.ranges, scan.angle_min, scan.angle_increment)

    def _seen(self, name: str, draw) -> Seen | None:
        """Draw the newest message of a kind, once for all who look."""
        newest = self._newest[name]
        if newest.message is None:
            return None
        known = self._cache.seen.get(name)
        if known is None or known.number != newest.number:
            known = self._cache.seen[name] = draw(newest)
        return known

    def _draw_image(self, newest: Newest) -> Seen:
        rgb = self._rgb(newest.message)
        if rgb is None:
            return Seen(b"", newest.number, (0, 0), "the picture cannot be read")
        return Seen(drawing.jpeg_of(rgb), newest.number, rgb.shape[1::-1])

    def _draw_depth(self, newest: Newest) -> Seen:
        jpeg, low, high = drawing.depth_jpeg(_metres(newest.message))
        size = newest.message.width, newest.message.height
        return Seen(jpeg, newest.number, size, f"red {low:.2f} m, blue {high:.2f} m")

    def _rgb(self, message) -> np.ndarray | None:
        try:
            return conversions.rgb_of(message)
        except StatusError:
            return None


def _metres(message: Image) -> np.ndarray:
    """Return a 32FC1 depth image as float32 (H, W) [m]."""
    return np.frombuffer(message.data, "<f4").reshape(message.height, message.width)
