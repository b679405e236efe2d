"""What the page knows of the robot: the newest message of each topic, and the node's services.

A node of its own, on a thread of its own, that uses the depth node's topics and services only.
It subscribes while somebody looks: the depth node computes nothing that nobody listens to. Each
topic keeps ONE message; what is slow to look at gets fewer of them.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, LaserScan

from depthlm_msgs.msg import Clearance
from depthlm_ros.client import DepthClient
from depthlm_ros.client_geometry import VERDICTS
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.nodes.common import conversions
from depthlm_ros.nodes.common.rectified_topics import is_rectified
from depthlm_ros.status import Code, StatusError
from depthlm_ros.web import drawing

NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
KEPT_PICTURES = 8
"""Drawn pictures of a kind that a browser may still be loading or showing."""
KEPT_IMAGES, KEPT_IMAGES_BYTES = 16, 64 * 2**20
"""Camera images that wait for their depth map, to colour the cloud."""
CORRIDOR_AGE_S = 2.0
"""How much older than the newest depth the corridor may be before it is no longer shown."""


@dataclass
class Newest:
    """The newest message of a topic; ``number`` counts them."""

    message: object = None
    number: int = 0


@dataclass(frozen=True)
class EncodedImage:
    """A picture ready to be shown. ``size``: (width, height) of the image [px]."""

    jpeg: bytes
    number: int
    size: tuple
    stamp_ns: int = 0
    text: str = ""


class LiveView:
    """Subscribes while ``subscribe`` has been called more often than ``unsubscribe``."""

    def __init__(self, node, target: str, compressed: bool, rectified: str = "auto"):
        """``target``: name of the depth node; ``compressed``: take <image>/compressed.

        ``rectified``: as the depth node's ``image_is_rectified``.
        """
        self._node = node
        self._lock, self._viewers, self._subscriptions = threading.Lock(), 0, []
        self._newest = {n: Newest() for n in ("image", "camera", "depth", "info", "scan", "way")}
        self._images: OrderedDict = OrderedDict()
        self._drawn = {"image": OrderedDict(), "depth": OrderedDict()}
        image = node.resolve_topic_name("image")
        self._frames = conversions.FrameMaker(is_rectified(rectified, image))
        self._topics = [
            ("image", CompressedImage if compressed else Image,
             f"{image}/compressed" if compressed else image),
            ("camera", CameraInfo, node.resolve_topic_name("camera_info")),
            ("depth", Image, f"{target}/depth/image"),
            ("info", CameraInfo, f"{target}/depth/camera_info"),
            ("scan", LaserScan, f"{target}/scan"),
            ("way", Clearance, f"{target}/clearance"),
        ]  # fmt: skip
        self.client = DepthClient(target)

    # -- on the executor's thread -------------------------------------------------------------

    def subscribe(self) -> None:
        """Begin to subscribe, when nobody did yet."""
        self._node.executor.create_task(lambda: self._count(1))

    def unsubscribe(self) -> None:
        """Cease to subscribe, when nobody looks any more."""
        self._node.executor.create_task(lambda: self._count(-1))

    def _count(self, more: int) -> None:
        self._viewers = max(0, self._viewers + more)
        if self._viewers and not self._subscriptions:
            self._subscriptions = [
                self._node.create_subscription(kind, topic, self._taker(name), NEWEST)
                for name, kind, topic in self._topics
            ]
        elif not self._viewers:
            for subscription in self._subscriptions:
                self._node.destroy_subscription(subscription)
            self._subscriptions = []

    def _taker(self, name: str):
        def take(message) -> None:
            with self._lock:
                newest = self._newest[name]
                self._newest[name] = Newest(message, newest.number + 1)
                if name == "image":
                    self._keep_image(message)

        return take

    def _keep_image(self, message) -> None:
        """Keep an image for the depth map of its stamp, which comes later; a few, not large."""
        self._images[_stamp_ns(message)] = message
        room = KEPT_IMAGES_BYTES // max(1, len(message.data))
        while len(self._images) > max(1, min(KEPT_IMAGES, room)):
            self._images.popitem(last=False)

    # -- on the page's threads ----------------------------------------------------------------

    def number(self, name: str) -> int:
        """Return how many messages of a kind have come."""
        return self._newest[name].number

    def picture(self, number: int = 0) -> EncodedImage | None:
        """Return a camera image, 0: the newest; None before the first, or when it is gone."""
        return self._encoded("image", self._draw_image, number)

    def depth(self, number: int = 0) -> EncodedImage | None:
        """Return a depth map in colours, 0: the newest; None before the first, or when gone."""
        return self._encoded("depth", self._draw_depth, number)

    def to_image(self, u: float, v: float) -> tuple:
        """Return the camera image's pixel of one of the depth map, which has no distortion."""
        return self._moved("rectified_to_source", u, v)

    def to_depth(self, u: float, v: float) -> tuple:
        """Return the depth map's pixel of one of the camera image; the inverse."""
        return self._moved("source_to_rectified", u, v)

    def _moved(self, how: str, u: float, v: float) -> tuple:
        info, depth = self._newest["camera"].message, self._newest["depth"].message
        if info is None or depth is None:
            return u, v
        try:
            with self._lock:
                rectifier = self._frames.rectifier(info, depth.width, depth.height)
        except StatusError:  # the depth node says what is wrong with it
            return u, v
        x, y = getattr(rectifier, how)((u, v))
        return float(x), float(y)

    def cloud(self) -> tuple[list, list]:
        """Return points [m] and colours of the newest depth map; empty before the first."""
        with self._lock:
            depth, info = (self._newest[name].message for name in ("depth", "info"))
            image = None if depth is None else self._images.get(_stamp_ns(depth))
        if (
            depth is None
            or info is None
            or (info.width, info.height) != (depth.width, depth.height)
        ):
            return [], []
        camera = PinholeCamera.from_matrix(np.reshape(info.p, (3, 4)), info.width, info.height)
        rgb = None if image is None else self._rgb(image)
        return drawing.cloud_of(_metres(depth), camera, rgb)

    def beams(self) -> list:
        """Return the newest scan's points (x forward, y left) [m]."""
        scan = self._newest["scan"].message
        if scan is None:
            return []
        return drawing.beams_of(scan.ranges, scan.angle_min, scan.angle_increment)

    def corridor(self) -> dict | None:
        """Return the standing corridor for ``drawing.top_view``; None: none, or an old one."""
        with self._lock:
            way, depth = self._newest["way"].message, self._newest["depth"].message
        if way is None or depth is None or way.status.code != int(Code.OK):
            return None
        if abs(_stamp_ns(depth) - _stamp_ns(way)) > CORRIDOR_AGE_S * 1e9:
            return None
        near = (way.nearest.z, -way.nearest.x)  # of the optical frame: forward and left
        return {
            "begin": way.begin,
            "length": way.length,
            "width": way.width,
            "verdict": VERDICTS[way.verdict] if way.verdict < len(VERDICTS) else VERDICTS[0],
            "clear": way.clear,
            "nearest": near if np.isfinite(near).all() else None,
            "text": way.text,
        }

    def _encoded(self, name: str, draw, number: int) -> EncodedImage | None:
        """Draw the newest message of a kind, once for all who look; the last few are kept."""
        drawn, newest = self._drawn[name], self._newest[name]
        if number and number != newest.number:
            return drawn.get(number)
        if newest.message is None:
            return None
        known = drawn.get(newest.number)
        if known is None:
            known = draw(newest)
            with self._lock:
                drawn[newest.number] = known
                while len(drawn) > KEPT_PICTURES:
                    drawn.popitem(last=False)
        return known

    def _draw_image(self, newest: Newest) -> EncodedImage:
        rgb, stamp = self._rgb(newest.message), _stamp_ns(newest.message)
        if rgb is None:
            return EncodedImage(b"", newest.number, (0, 0), stamp, "the picture cannot be read")
        return EncodedImage(drawing.jpeg_of(rgb), newest.number, rgb.shape[1::-1], stamp)

    def _draw_depth(self, newest: Newest) -> EncodedImage:
        jpeg, low, high = drawing.depth_jpeg(_metres(newest.message))
        size = newest.message.width, newest.message.height
        stamp = _stamp_ns(newest.message)
        return EncodedImage(
            jpeg, newest.number, size, stamp, f"red {low:.2f} m, blue {high:.2f} m"
        )

    def _rgb(self, message) -> np.ndarray | None:
        try:
            return conversions.rgb_of(message)
        except StatusError:
            return None


def _metres(message: Image) -> np.ndarray:
    """Return a depth image, 32FC1 [m] or 16UC1 [mm, 0: none], as float32 (H, W) [m]."""
    if message.encoding == "16UC1":
        raw = np.frombuffer(message.data, "<u2").reshape(message.height, message.width)
        return np.where(raw > 0, raw * np.float32(1e-3), np.float32(np.nan))
    return np.frombuffer(message.data, "<f4").reshape(message.height, message.width)


def _stamp_ns(message) -> int:
    """Return a message's stamp [ns]; 0 for one that is no time."""
    try:
        return conversions.stamp_ns(message.header.stamp)
    except StatusError:
        return 0
