"""Subscribes to all demo topics: what arrives, when, and the truth on request.

A context, a node and a thread of its own. Messages are kept by stamp, so that image, depth and
truth of one image can be laid side by side.
"""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from depthlm_msgs.msg import Pixel
from depthlm_msgs.srv import QueryTruth
from depthlm_ros.demo.node_processes import DemoError
from depthlm_ros.frame import Frame
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.nodes.common.conversions import rgb_of

TOPICS = {
    "image": (Image, "/image"),
    "true depth": (Image, "/camera/truth/depth"),
    "depth": (Image, "/depthlm/depth/image"),
    "depth camera": (CameraInfo, "/depthlm/depth/camera_info"),
    "points": (PointCloud2, "/depthlm/points"),
    "annotated": (Image, "/depthlm/annotated"),
}
STREAMS = ("depth", "points", "annotated")
"""The topics of the depth node whose rate and latency are measured."""
KEPT = {"points": 2, "annotated": 4}
KEPT_OTHERWISE = 24
REPLY_S = 5.0


@dataclass(frozen=True)
class Arrival:
    """A message's stamp, and when it was received: both in ns on the same clock."""

    stamp_ns: int
    received_ns: int


class Inbox:
    """What arrived on one topic: every arrival, and the newest messages by stamp."""

    def __init__(self, kept: int = KEPT_OTHERWISE, clock=time.time_ns):
        self._kept, self._clock = kept, clock
        self._messages: OrderedDict = OrderedDict()
        self._lock = threading.Lock()
        self.arrivals: list = []

    def add(self, message) -> None:
        """Take a message."""
        stamp = stamp_of(message.header)
        with self._lock:
            self.arrivals.append(Arrival(stamp, self._clock()))
            self._messages[stamp] = message
            while len(self._messages) > self._kept:
                self._messages.popitem(last=False)

    def get(self, stamp_ns: int):
        """Return the message of a stamp, or None."""
        with self._lock:
            return self._messages.get(stamp_ns)

    def stamps(self) -> list[int]:
        """Return the stamps of the messages kept, oldest first."""
        with self._lock:
            return list(self._messages)

    def since(self, begin_ns: int) -> list[Arrival]:
        """Return the arrivals of images stamped at or after a time."""
        with self._lock:
            return [arrival for arrival in self.arrivals if arrival.stamp_ns >= begin_ns]


class TopicSubscriber:
    """Subscribes to everything of the demonstration; ``close`` ends it."""

    def __init__(self):
        self.inboxes = {name: Inbox(KEPT.get(name, KEPT_OTHERWISE)) for name in TOPICS}
        self.diagnostics: dict = {}
        self._context = Context()
        rclpy.init(args=[], context=self._context)
        self._node = rclpy.create_node("depthlm_demo", context=self._context)
        best_effort = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        for name, (kind, topic) in TOPICS.items():
            qos = 5 if topic.startswith("/depthlm/") else best_effort  # as a camera may offer
            self._node.create_subscription(kind, topic, self.inboxes[name].add, qos)
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self._truth = self._node.create_client(QueryTruth, "/camera/truth/query_points")
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._spin, name="subscriber", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave the graph."""
        self._executor.create_task(self._closing.set)  # a task, for spin_once waits for work
        self._thread.join(REPLY_S)
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()

    def _spin(self) -> None:
        while not self._closing.is_set():
            self._executor.spin_once()

    def _on_diagnostics(self, message) -> None:
        for status in message.status:
            part = status.name.rpartition(": ")[2]
            values = {pair.key: pair.value for pair in status.values}
            self.diagnostics[part] = {"says": status.message, **values}

    def truth(self, pixels, stamp_ns: int) -> list:
        """Return the camera's true PointDepth messages at pixels (N, 2) of the stamped image.

        A pixel without a truth has a status other than OK. Raises DemoError.
        """
        sec, nanosec = divmod(stamp_ns, 1_000_000_000)
        request = QueryTruth.Request(stamp=Time(sec=sec, nanosec=nanosec))
        request.pixels = [Pixel(u=float(u), v=float(v)) for u, v in pixels]
        done = threading.Event()
        future = self._truth.call_async(request)
        future.add_done_callback(lambda _: done.set())
        if not done.wait(REPLY_S):
            raise DemoError(f"{self._truth.srv_name} did not reply within {REPLY_S:g} s")
        response = future.result()
        if len(response.points) != len(request.pixels):
            raise DemoError(f"{self._truth.srv_name}: {response.status.text or 'no points'}")
        return list(response.points)

    # -- images -----------------------------------------------------------------------------

    def frame(self, stamp_ns: int) -> Frame | None:
        """Return the image of a stamp with the camera that its depth is for, if both came."""
        image = self.inboxes["image"].get(stamp_ns)
        info = self.inboxes["depth camera"].get(stamp_ns)
        if image is None or info is None:
            return None
        camera = PinholeCamera.from_matrix(np.reshape(info.k, (3, 3)), info.width, info.height)
        return Frame(rgb_of(image), camera, stamp_ns, image.header.frame_id)

    def depth_map(self, stamp_ns: int) -> DepthMap | None:
        """Return the depth node's map of a stamp, if it came."""
        frame, depth = self.frame(stamp_ns), self.inboxes["depth"].get(stamp_ns)
        if frame is None or depth is None:
            return None
        return DepthMap(metres_of(depth), frame.camera, stamp_ns, frame.frame_id)

    def true_depth(self, stamp_ns: int) -> np.ndarray | None:
        """Return the true z-depth of a stamp, float32 (H, W) [m], if it came; +Inf: sky."""
        message = self.inboxes["true depth"].get(stamp_ns)
        return None if message is None else metres_of(message)

    def newest_complete(self, names=("image", "depth camera", "depth")) -> int | None:
        """Return the newest stamp that all these topics have, or None."""
        common = set.intersection(*(set(self.inboxes[name].stamps()) for name in names))
        return max(common, default=None)


def stamp_of(header) -> int:
    """Return a header's stamp in ns."""
    return header.stamp.sec * 1_000_000_000 + header.stamp.nanosec


def metres_of(message: Image) -> np.ndarray:
    """Return a 32FC1 image as float32 (H, W), a copy."""
    if message.encoding != "32FC1" or message.step != 4 * message.width:
        raise DemoError(f"depth image is {message.encoding}, step {message.step}: not 32FC1")
    kind = ">f4" if message.is_bigendian else "<f4"
    values = np.frombuffer(message.data, kind).reshape(message.height, message.width)
    return values.astype(np.float32)
