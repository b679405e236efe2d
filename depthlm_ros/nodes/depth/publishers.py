"""The outgoing topics: made only when somebody listens, always with the image's own stamp."""

import time

from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from visualization_msgs.msg import MarkerArray

from depthlm_msgs.msg import Answer as AnswerMsg
from depthlm_msgs.msg import PointDepthArray
from depthlm_ros.estimator import FrameDepth
from depthlm_ros.geometry.depth_map import EDGE_RATIO
from depthlm_ros.nodes.common import conversions
from depthlm_ros.nodes.common.qos_publisher import create_publisher
from depthlm_ros.nodes.depth.markers import point_markers
from depthlm_ros.nodes.depth.point_clouds import CloudPacker
from depthlm_ros.point_readings import sample_points
from depthlm_ros.status import Code

SHOWN_FOR_S = 3.0
"""How long a queried point stays on the annotated image and among the markers."""

TOPICS = {
    "depth": (Image, "~/depth/image"),
    "camera_info": (CameraInfo, "~/depth/camera_info"),
    "points": (PointCloud2, "~/points"),
    "annotated": (Image, "~/annotated"),
    "point_depths": (PointDepthArray, "~/point_depths"),
    "answers": (AnswerMsg, "~/answers"),
    "markers": (MarkerArray, "~/markers"),
}
DENSE = ("depth", "camera_info", "points", "annotated")


class DepthPublishers:
    """Publishers of the node; ``publish`` runs on the worker, everything else on the executor."""

    def __init__(self, node, parameters, guard):
        self._node, self._parameters, self._guard = node, parameters, guard
        self._packer = CloudPacker()
        self._last_cloud_s = float("-inf")
        self._shown: list = []
        self._streams: list = []
        self._publishers = {
            name: create_publisher(node, guard, kind, topic)
            for name, (kind, topic) in TOPICS.items()
        }

    def add_stream(self, stream) -> None:
        """Let an object with ``wanted()`` and ``publish(frame_depth)`` publish results too."""
        self._streams.append(stream)

    def has_subscriber(self, name: str) -> bool:
        """Tell whether anybody subscribes to one of TOPICS."""
        return self._publishers[name].get_subscription_count() > 0

    def wanted(self) -> bool:
        """Tell whether anybody listens to what needs a depth map."""
        return any(map(self.has_subscriber, DENSE)) or any(s.wanted() for s in self._streams)

    def _cloud_is_due(self) -> bool:
        """Tell whether ``cloud_max_rate`` allows one more; a little early is no harm."""
        rate = self._parameters.values.cloud_max_rate
        return not rate or time.monotonic() - self._last_cloud_s >= 0.95 / rate

    def publish(self, frame_depth: FrameDepth) -> bool:
        """Publish to the topics with subscribers, on the worker's thread; True: done."""
        try:
            self._publish_depth(frame_depth)
            self._publish_points(frame_depth)
            self._publish_annotated(frame_depth)
            for stream in self._streams:
                stream.publish(frame_depth)
        except Exception as error:  # counted: one bad message must not stop the rest
            if self._node.context.ok():  # else the node is leaving, and that is no fault
                self._guard.record("publishing", error)
            return False
        return True

    def _publish_depth(self, frame_depth) -> None:
        if self.has_subscriber("camera_info"):
            header = conversions.header_of(frame_depth.frame)
            info = conversions.camera_info(frame_depth.frame.camera, header)
            self._publishers["camera_info"].publish(info)
        if self.has_subscriber("depth"):
            encoding = self._parameters.values.depth_encoding
            image = conversions.depth_image(frame_depth.depth_map, encoding)
            self._publishers["depth"].publish(image)

    def _publish_points(self, frame_depth) -> None:
        if self.has_subscriber("points") and self._cloud_is_due():
            values, header = self._parameters.values, conversions.header_of(frame_depth.frame)
            self._last_cloud_s = time.monotonic()
            cloud = self._packer.pack(
                frame_depth.depth_map,
                frame_depth.frame.rgb,
                header,
                None if values.cloud_keeps_edges else EDGE_RATIO,
                values.cloud_step,
            )
            self._publishers["points"].publish(cloud)

    def _publish_annotated(self, frame_depth) -> None:
        if self.has_subscriber("annotated"):
            from depthlm_ros.visualization.annotate import annotate

            drawn = annotate(
                frame_depth.frame.rgb, frame_depth.depth_map, self._points_to_show(frame_depth)
            )
            header = conversions.header_of(frame_depth.frame)
            self._publishers["annotated"].publish(conversions.rgb_image(drawn, header))

    def _points_to_show(self, frame_depth) -> list:
        """Return the queried points of late as they are now: each read anew from this map."""
        now = time.monotonic()
        self._shown = [item for item in self._shown if now - item[0] < SHOWN_FOR_S]
        pixels = [pixel for _, pixel in self._shown][-20:]
        if not pixels:
            return []
        rectified = frame_depth.rectifier.source_to_rectified(pixels)
        far = self._parameters.values.max_range_m
        return sample_points(frame_depth.depth_map, rectified, max_range_m=far)

    def show(self, frame_depth, readings) -> None:
        """Put the readings of a request among the markers and on the next annotated images."""
        good = [reading for reading in readings if reading.code == Code.OK]
        self._shown = (self._shown + [(time.monotonic(), r.pixel) for r in good])[-50:]
        if good and self.has_subscriber("markers"):
            header = conversions.header_of(frame_depth.frame)
            self._publishers["markers"].publish(point_markers(good, header, SHOWN_FOR_S))

    def publish_message(self, name: str, message) -> None:
        """Publish a ready message if anybody listens."""
        if self.has_subscriber(name):
            self._publishers[name].publish(message)
