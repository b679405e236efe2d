"""The node ``camera`` (executable ``camera_node``): scenes, photographs and bags as a live camera.

Publishes image (or image/compressed), camera_info and, where the source knows them, true depths:
~/truth/depth and the service ~/truth/query_points. The source is played ahead on a thread of its
own; the executor only stamps and publishes.
"""

import depthlm_ros.interfaces  # noqa: F401 (first: it tells the remedy where it fails)

# isort: split

import math
import time

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rosgraph_msgs.msg import Clock as ClockMsg
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from depthlm_msgs.srv import QueryTruth
from depthlm_ros.language.text import clean
from depthlm_ros.nodes import camera_parameters, conversions, replies
from depthlm_ros.nodes.guard import Faults
from depthlm_ros.nodes.offers import offer
from depthlm_ros.nodes.persistence import PersistentReplies
from depthlm_ros.nodes.playhead import Playhead
from depthlm_ros.nodes.process import run_node, sentence_of
from depthlm_ros.nodes.services import SERVICE_QOS
from depthlm_ros.nodes.sources.ahead import Ahead
from depthlm_ros.nodes.sources.opening import open_source
from depthlm_ros.nodes.sources.scenes import real_walk
from depthlm_ros.nodes.truth import TruthMemory
from depthlm_ros.status import Code, Refusal

TICK_S = 0.02
"""Period of /clock and of sending replies again."""
NO_CLOCK_RETRY_S = 0.1
STOP_TIMEOUT_S = 0.5


class CameraNode(Node):
    """``make_walk``: makes the procedural world, as ``scenes.walk.Walk`` does."""

    def __init__(self, make_walk=real_walk, **kwargs):
        super().__init__("camera", **kwargs)
        self.cannot_start = ""
        self.faults = Faults(self.get_logger())
        self.parameters = camera_parameters.declare(self)
        values = self.parameters.values
        self._memory, self._playhead = TruthMemory(), None
        self._published, self._over, self._said_no_clock = 0, False, False
        self._ahead = Ahead(
            lambda: open_source(values, self.get_logger().warning, make_walk),
            values.loop,
            self._on_news,
        )
        self._make_publishers(values)
        self._make_service()
        self._make_timers(values)

    # -- making -------------------------------------------------------------------------------

    def _make_publishers(self, values) -> None:
        """Reliable, as camera drivers offer: see ``offers.offer``."""
        topic = self.resolve_topic_name("image")
        if values.image_transport == "compressed":  # image_transport's rule: base, then transport
            self._images = self._offer(CompressedImage, topic + "/compressed")
        else:
            self._images = self._offer(Image, topic)
        self._infos = self._offer(CameraInfo, "camera_info")
        self._truths = self._offer(Image, "~/truth/depth")
        self._clocks = self._offer(ClockMsg, "/clock") if values.publish_clock else None

    def _offer(self, kind, topic: str):
        return offer(self, self.faults, kind, topic)

    def _make_service(self) -> None:
        self._replies = PersistentReplies(self.faults)
        service = self.create_service(
            QueryTruth, "~/truth/query_points", self._on_query, qos_profile=SERVICE_QOS
        )
        self._replies.attach(service)

    def _make_timers(self, values) -> None:
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # the ROS clock may stand still or jump
        group = MutuallyExclusiveCallbackGroup()

        def timer(what, function, seconds=TICK_S):
            return self.create_timer(
                seconds, self._guarded(what, function), callback_group=group, clock=steady
            )

        timer("sending a reply", self._replies.retry)
        if values.publish_clock:
            timer("publishing /clock", self._publish_clock)
        self._due = timer("playing", self._advance, 3600.0)  # set anew for each picture
        self._due.cancel()

    # -- playing ------------------------------------------------------------------------------

    async def autostart(self) -> None:
        """Open the source, on its thread: importing the world or reading a list takes a while."""
        self.get_logger().info(f"opening {clean(self.parameters.values.source)!r} ...")
        self._ahead.start()

    def _on_news(self) -> None:
        """Wake the executor: on the source's thread."""
        self.executor.create_task(self._advance_and_wake)

    def _advance_and_wake(self) -> None:
        self._guarded("playing", self._advance)()
        self.executor.wake()

    def _guarded(self, what: str, function):
        """Return a callback that cannot raise; what fails as the context goes is no fault."""

        def call():
            try:
                function()
            except Exception:
                if self.context.ok():
                    raise

        return self.faults.guarded(what, call)

    def _advance(self) -> None:
        """Publish the next shot if it is due; else come back when it is."""
        self._due.cancel()
        shot = self._ahead.next
        if shot is None:
            if self._ahead.ended and not self._over:
                self._finish(self._ahead.error)
            return
        if self._playhead is None:
            self._begin()
        now_s = time.monotonic()
        wait_s = self._playhead.due_s(shot, now_s) - now_s
        if wait_s <= 0:
            wait_s = self._publish(shot, now_s)
        self._come_back(wait_s)

    def _come_back(self, seconds: float) -> None:
        self._due.timer_period_ns = max(1, math.ceil(seconds * 1e9))
        self._due.reset()

    def _begin(self) -> None:
        values, source = self.parameters.values, self._ahead.source
        rate_hz = values.rate_hz or source.default_rate_hz
        self._playhead = Playhead(rate_hz, values.stamp == "recorded", time.time_ns())
        pace = f"at {rate_hz:g} Hz" if rate_hz else "at the recorded pace"
        self.get_logger().info(f"playing {source.title}, {pace}: {self._images.topic_name}")
        if values.stamp == "recorded" and not values.publish_clock:
            self.get_logger().warning(
                "the stamps are the recorded ones and no /clock goes with them: nodes on another "
                "clock will call them stale; set publish_clock, and use_sim_time there"
            )

    def _finish(self, error: BaseException | None) -> None:
        """Say that the stream is over; one that never began ends the process."""
        self._over = True
        if error is not None and not self._published:
            self.cannot_start = sentence_of(error)
        elif error is not None:
            self.get_logger().error(
                f"the stream is over after {self._published} pictures: {sentence_of(error)}"
            )
        else:
            self.get_logger().info(
                f"the stream is over after {self._published} pictures: the source has ended and "
                "loop is false"
            )

    def _publish(self, shot, now_s: float) -> float:
        """Publish a shot with all that belongs to it; return the wait before the next look [s]."""
        stamp = self._stamp_of(shot)
        if stamp is None:
            return NO_CLOCK_RETRY_S
        self._ahead.take()
        if self._playhead.advance(shot, now_s):
            self.get_logger().info(f"round {shot.round + 1}: the time jumps back")
            self._memory.forget()
        if self._clocks is not None:  # nobody shall see an image from the future
            self._clocks.publish(ClockMsg(clock=conversions.time_of(self._playhead.shot_ns)))
        shot.image.header.stamp = shot.info.header.stamp = stamp
        header = Header(stamp=stamp, frame_id=shot.image.header.frame_id)
        self._memory.add(header, shot.truth)  # first: whoever sees the image may ask at once
        self._publish_truth(header, shot.truth)
        self._infos.publish(shot.info)
        self._images.publish(shot.image)
        self._published += 1
        coming = self._ahead.next
        return 0.0 if coming is None else self._playhead.due_s(coming, now_s) - time.monotonic()

    def _stamp_of(self, shot):
        """Return the stamp that a shot bears, None while the clock in force has not begun."""
        values = self.parameters.values
        if values.stamp == "recorded":
            return shot.recorded
        if values.publish_clock:
            return conversions.time_of(self._playhead.sim_ns(shot))
        now = self.get_clock().now()
        if now.nanoseconds > 0:
            return now.to_msg()
        if not self._said_no_clock:
            self._said_no_clock = True
            self.get_logger().warning(
                "use_sim_time is set and no /clock arrives: waiting for it; set publish_clock if "
                "this node is to make it"
            )
        return None

    def _publish_clock(self) -> None:
        if self._playhead is None:
            return
        now_ns = self._playhead.clock_ns(self._ahead.next, time.monotonic())
        if now_ns is not None:
            self._clocks.publish(ClockMsg(clock=conversions.time_of(now_ns)))

    # -- truth --------------------------------------------------------------------------------

    def _publish_truth(self, header: Header, truth) -> None:
        if truth is None or not self._truths.get_subscription_count():
            return
        depth_map = truth.depth_map()
        if depth_map is not None:
            message = conversions.depth_image(depth_map)
            message.header = header
            self._truths.publish(message)

    def _on_query(self, request, response):
        pixels, header = [], Header()
        try:
            pixels = replies.pixels_of(request.pixels)
            header, readings = self._memory.read(request.stamp, pixels)
            refusal = Refusal(Code.OK, "")
        except Exception as error:  # every request gets a reply
            refusal = self._as_refusal(error)
            readings = replies.without_numbers(pixels, refusal)
        response.points = replies.point_messages(readings, header)
        response.status = conversions.status_msg(refusal.code, refusal.text)
        return response

    def _as_refusal(self, error: Exception) -> Refusal:
        if isinstance(error, Refusal):
            return error
        sentence = self.faults.note("~/truth/query_points", error)
        return Refusal(Code.NO_DEPTH, f"the request failed inside the node: {sentence}")

    def stop(self) -> bool:
        """End for good: True when the source's thread has ended too."""
        self._due.cancel()
        return self._ahead.stop(STOP_TIMEOUT_S)


def main(args=None, make_walk=real_walk) -> int:
    """Run the node until SIGINT or SIGTERM ends the process; return only if it cannot start."""
    return run_node(lambda: CameraNode(make_walk), args, "camera_node", "the playing of a picture")


if __name__ == "__main__":
    raise SystemExit(main())
