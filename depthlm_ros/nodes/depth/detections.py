"""A detector made metric by topics, where vision_msgs is installed: boxes in, 3-D boxes out.

``~/detections`` (vision_msgs/Detection2DArray, of a picture this node has seen) is answered on
``~/detections_3d`` (Detection3DArray) while somebody listens there. What has no depth is left out;
``id`` and ``results`` stay with each detection. Nothing is published of a picture that is gone:
an empty array would say that nothing was detected.
"""

import math
import time

import numpy as np
from rclpy.qos import QoSProfile

from depthlm_msgs.msg import Region
from depthlm_ros.nodes.common import conversions
from depthlm_ros.nodes.common.qos_publisher import create_publisher
from depthlm_ros.nodes.depth.regions import MOST_REGIONS, RegionServices
from depthlm_ros.nodes.depth.requests import RequestHandler
from depthlm_ros.sanitize import clean
from depthlm_ros.status import Code, StatusError

WARN_AGAIN_S = 60.0
DEVIATIONS_OF_90 = 3.29
"""Width of a normal distribution's 90 % interval, in standard deviations."""


def offer_detections(node, scheduler, regions: RegionServices, guard) -> "Detections | None":
    """Offer the pair of topics; None where vision_msgs is not installed."""
    try:
        from vision_msgs import msg as vision_msgs
    except ImportError:
        return None
    return Detections(node, scheduler, regions, guard, vision_msgs)


class Detections(RequestHandler):
    """Answers arrays of 2-D detections with 3-D ones, measured as regions."""

    def __init__(self, node, scheduler, regions: RegionServices, guard, vision_msgs):
        super().__init__(node, scheduler, guard)
        self._regions, self._messages = regions, vision_msgs
        self._warned_at_s: dict = {}
        self._publisher = create_publisher(
            node, guard, vision_msgs.Detection3DArray, "~/detections_3d"
        )
        node.create_subscription(
            vision_msgs.Detection2DArray,
            "~/detections",
            guard.wrap("receiving ~/detections", self._on_detections),
            QoSProfile(depth=5),
            callback_group=self._group,
        )

    def _on_detections(self, message) -> None:
        if self._publisher.get_subscription_count():
            self._node.executor.create_task(self._answer, message)

    async def _answer(self, message) -> None:
        code = Code.OK
        try:
            self._publisher.publish(await self._measured(message))
        except Exception as error:  # the next array may be measured
            refusal = self._status_of("~/detections", error)
            code = refusal.code
            self._warn(code, f"no ~/detections_3d: {refusal.text or code.name}")
        self._scheduler.statistics.answers[Code(code).name] += 1

    async def _measured(self, message):
        """Return an array as Detection3DArray; raises StatusError."""
        count = len(message.detections)
        if count > MOST_REGIONS:
            raise StatusError(
                Code.BAD_QUESTION, f"{count} detections: must be at most {MOST_REGIONS}"
            )
        until = time.monotonic() + self._node.parameters.values.deadline
        stamp = conversions.requested_stamp_ns(message.header.stamp)
        frame_depth = await self._scheduler.fresh_depth(until, stamp)
        _check_frame(message.header.frame_id, frame_depth.frame.frame_id)
        asked, found = [region_of(one) for one in message.detections], []
        if asked:
            found, _ = await self._regions.measure(asked, False, frame_depth, np.asarray, until)
        self._scheduler.check_fresh(frame_depth)
        header = conversions.header_of(frame_depth.frame)
        self._regions.show(found, [], header)
        good = [
            detection_3d(self._messages, seen, region, header)
            for seen, region in zip(message.detections, found, strict=True)
            if region.status.code == Code.OK
        ]
        return self._messages.Detection3DArray(header=header, detections=good)

    def _warn(self, code: Code, sentence: str) -> None:
        """Warn, of each code once a minute at most."""
        now = time.monotonic()
        if now - self._warned_at_s.get(code, -math.inf) >= WARN_AGAIN_S:
            self._warned_at_s[code] = now
            self._node.get_logger().warning(sentence)


def _check_frame(given: str, own: str) -> None:
    if given and given != own:
        raise StatusError(
            Code.BAD_QUESTION,
            f"detections of frame {clean(given, 100)!r}: must be of this camera's, {own!r}",
        )


def region_of(detection) -> Region:
    """Return a Detection2D as a box; of a turned one the upright box around it.

    vision_msgs counts from the image's upper left edge; pixel 0's centre lies at 0.5 there.
    """
    box = detection.bbox
    half_x, half_y, turn = box.size_x / 2, box.size_y / 2, box.center.theta
    wide = abs(half_x * math.cos(turn)) + abs(half_y * math.sin(turn))
    high = abs(half_x * math.sin(turn)) + abs(half_y * math.cos(turn))
    u, v = box.center.position.x - 0.5, box.center.position.y - 0.5
    region = Region(kind=Region.BOX, label=_label(detection))
    region.pixel.u, region.pixel.v = u - wide, v - high
    region.corner.u, region.corner.v = u + wide, v + high
    return region


def _label(detection) -> str:
    best = max(detection.results, key=lambda r: r.hypothesis.score, default=None)
    return best.hypothesis.class_id if best else detection.id


def detection_3d(vision_msgs, seen, region, header):
    """Return a Detection3D: the region's 3-D box, and at each hypothesis where the thing is.

    The covariance of its position lies along the ray: the depth's 90 % interval.
    """
    made = vision_msgs.Detection3D(header=header, id=seen.id)
    made.bbox.center, made.bbox.size = region.box, region.size
    point = np.array([region.point.x, region.point.y, region.point.z])
    covariance = np.zeros((6, 6))
    if math.isfinite(region.low) and region.depth > 0:
        deviation = (region.high - region.low) / region.depth / DEVIATIONS_OF_90
        covariance[:3, :3] = np.outer(point, point) * deviation**2
    for result in seen.results:
        one = vision_msgs.ObjectHypothesisWithPose(hypothesis=result.hypothesis)
        one.pose.pose.position = region.point
        one.pose.pose.orientation.w = 1.0
        one.pose.covariance = covariance.reshape(-1)
        made.results.append(one)
    return made
