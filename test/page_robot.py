"""A robot whose depth and answers a page shows."""

import threading

import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import CameraInfo, Image, LaserScan
from std_msgs.msg import Header

from depthlm_msgs.msg import Clearance, PointDepth
from depthlm_msgs.srv import Ask, QueryPoints
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.nodes.common import conversions
from depthlm_ros.nodes.common.callback_guard import CallbackGuard
from depthlm_ros.nodes.common.service_reply_retry import PAUSE_S, ServiceReplyRetrier
from depthlm_ros.status import Code

CAMERA = PinholeCamera(500.0, 500.0, 319.5, 239.5, 640, 480)


def depth_at(u, v):
    """Return the robot's depth [m] at a pixel: 1 m at the left, more to the right and below."""
    return 1.0 + u / 100.0 + v / 1000.0


class Robot:
    """A camera and a depth node of the tests' making; ``close`` and a new one are a restart."""

    def __init__(self, rate_hz=10.0, distortion=None):
        self._context = Context()
        rclpy.init(context=self._context)
        self.node = rclpy.create_node("robot", context=self._context)
        make = self.node.create_publisher
        self._image, self._depth = make(Image, "image", 5), make(Image, "/depthlm/depth/image", 5)
        self._info = make(CameraInfo, "/depthlm/depth/camera_info", 5)
        self._scan = make(LaserScan, "/depthlm/scan", 5)
        self._way = make(Clearance, "/depthlm/clearance", 5)
        self._camera, self._distortion = make(CameraInfo, "camera_info", 5), distortion
        self.verdict, self.way_behind_s, self.shows_images = Clearance.CLEAR, 0, True
        self.image_stamp, self.known_stamps = None, None
        replies = ServiceReplyRetrier(CallbackGuard(self.node.get_logger()))  # as the depth node
        replies.attach(self.node.create_service(QueryPoints, "/depthlm/query_points", self._query))
        replies.attach(self.node.create_service(Ask, "/depthlm/ask", self._ask))
        self.node.create_timer(PAUSE_S / 2, replies.retry)
        self.node.create_timer(1 / rate_hz, self._publish)
        self.asked, self.queried, self._header = [], [], Header()
        v, u = np.mgrid[:480, :640]
        self._metres = depth_at(u, v).astype(np.float32)
        self._rgb = np.stack([u * 0.39, v * 0.5, np.full_like(u, 90)], axis=-1).astype(np.uint8)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._thread.start()

    def is_heard(self):
        """Tell whether the page listens to this robot."""
        topics = self._image, self._depth, self._camera
        return all(topic.get_subscription_count() for topic in topics)

    def close(self):
        """End, as a node that is stopped."""
        self._executor.shutdown()
        self._thread.join(5)
        self.node.destroy_node()
        self._context.try_shutdown()

    def _publish(self):
        now = self.node.get_clock().now().to_msg()
        self._header = Header(stamp=now, frame_id="camera")
        if self.shows_images:
            self.image_stamp = now
            self._image.publish(conversions.rgb_image(self._rgb, self._header))
        if self._distortion is not None:
            info = conversions.camera_info(CAMERA, self._header)
            info.distortion_model, info.d = "plumb_bob", self._distortion
            self._camera.publish(info)
        self._info.publish(conversions.camera_info(CAMERA, self._header))
        depth = Image(header=self._header, width=640, height=480, encoding="32FC1", step=2560)
        depth.data.frombytes(self._metres.tobytes())
        self._depth.publish(depth)
        scan = LaserScan(angle_min=-0.5, angle_increment=0.5, ranges=[2.0, 3.0, float("inf")])
        self._scan.publish(scan)
        way = Clearance(verdict=self.verdict, begin=0.5, length=3.0, width=0.6, text="as told")
        way.clear, way.header.stamp = self.verdict == Clearance.CLEAR, now
        way.header.stamp.sec -= self.way_behind_s
        way.nearest.x, way.nearest.y, way.nearest.z = 0.25, 0.4, 2.5  # optical: right, down, ahead
        self._way.publish(way)

    def _query(self, request, response):
        self.queried.append(request)
        if request.stamp.sec and self.known_stamps == []:
            response.status.code, response.status.text = int(Code.NO_FRAME), "gone"
            return response
        for pixel in request.pixels:
            z = depth_at(pixel.u, pixel.v)
            point = PointDepth(header=self._header, pixel=pixel, depth=z, distance=z + 0.5)
            point.low, point.high = z - 0.1, z + 0.9
            response.points.append(point)
        return response

    def _ask(self, request, response):
        self.asked.append((request.question, [(p.u, p.v) for p in request.pixels]))
        response.status.code = int(Code.OK)
        response.answer = "It is 2.50 m away <b>."
        response.success = True
        return response
