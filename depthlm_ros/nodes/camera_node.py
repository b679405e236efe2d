"""The node ``camera`` (executable ``camera_node``): webcams, videos, photographs, bags, scenes.

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
from depthlm_ros.nodes.camera import parameters as camera_parameters
from depthlm_ros.nodes.camera.playback_clock import PlaybackClock
from depthlm_ros.nodes.camera.rate_monitor import RateMonitor
from depthlm_ros.nodes.camera.sources.factory import open_source
from depthlm_ros.nodes.camera.sources.ground_truth import TruthMemory
from depthlm_ros.nodes.camera.sources.prefetch import Prefetcher
from depthlm_ros.nodes.camera.sources.rendered_scenes import make_camera_path
from depthlm_ros.nodes.camera.sources.video import shown
from depthlm_ros.nodes.common import conversions
from depthlm_ros.nodes.common.callback_guard import CallbackGuard
from depthlm_ros.nodes.common.qos_publisher import create_publisher
from depthlm_ros.nodes.common.run_node import asked_for_help, help_of, run_node, sentence_of
from depthlm_ros.nodes.common.service_qos import SERVICE_QOS
from depthlm_ros.nodes.common.service_reply_retry import ServiceReplyRetrier
from depthlm_ros.nodes.depth import responses
from depthlm_ros.sanitize import clean
from depthlm_ros.status import Code, StatusError

TICK_S = 0.02
"""Period of /clock and of sending replies again."""
NO_CLOCK_RETRY_S = 0.1
STOP_TIMEOUT_S = 0.5


class CameraNode(Node):
    """``make_path``: makes the procedural world, as ``scenes.camera_path.CameraPath`` does."""

    def __init__(self, make_path=make_camera_path, **kwargs):
        super().__init__("camera", **kwargs)
        self.cannot_start = ""
        self.guard = CallbackGuard(self.get_logger(), lambda: not self.context.ok())
        self.parameters = camera_parameters.declare(self)
        values = self.parameters.values
        self._memory, self._playback_clock = TruthMemory(), None
        self._published, self._over, self._said_no_clock = 0, False, False
        self._prefetcher = Prefetcher(
            lambda: open_source(values, self.get_logger().warning, make_path),
            values.loop,
            self._on_news,
        )
        self._make_publishers(values)
        self._make_service()
        self._make_timers(values)

    # -- making -------------------------------------------------------------------------------

    def _make_publishers(self, values) -> None:
        """Reliable, as camera drivers offer: see ``qos_publisher.create_publisher``."""
        topic = self.resolve_topic_name("image")
        if values.image_transport == "compressed":  # image_transport's rule: base, then transport
            self._images = self._create_publisher(CompressedImage, topic + "/compressed")
        else:
            self._images = self._create_publisher(Image, topic)
        self._infos = self._create_publisher(CameraInfo, "camera_info")
        self._truths = self._create_publisher(Image, "~/truth/depth")
        self._clocks = self._create_publisher(ClockMsg, "/clock") if values.publish_clock else None

    def _create_publisher(self, kind, topic: str):
        return create_publisher(self, self.guard, kind, topic)

    def _make_service(self) -> None:
        self._replies = ServiceReplyRetrier(self.guard)
        service = self.create_service(
            QueryTruth, "~/truth/query_points", self._on_query, qos_profile=SERVICE_QOS
        )
        self._replies.attach(service)

    def _make_timers(self, values) -> None:
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # the ROS clock may stand still or jump
        group = MutuallyExclusiveCallbackGroup()

        def timer(what, function, seconds=TICK_S):
            return self.create_timer(
                seconds, self._wrapped(what, function), callback_group=group, clock=steady
            )

        timer("sending a reply", self._replies.retry)
        if values.publish_clock:
            timer("publishing /clock", self._publish_clock)
        self._due = timer("playing", self._advance, 3600.0)  # set anew for each picture
        self._due.cancel()

    # -- playing ------------------------------------------------------------------------------

    async def autostart(self) -> None:
        """Open the source, on its thread: importing the world or reading a list takes a while."""
        self.get_logger().info(f"opening {clean(shown(self.parameters.values.source))!r} ...")
        self._prefetcher.start()

    def _on_news(self) -> None:
        """Wake the executor: on the source's thread."""
        self.executor.create_task(self._advance_and_wake)

    def _advance_and_wake(self) -> None:
        self._wrapped("playing", self._advance)()
        self.executor.wake()

    def _wrapped(self, what: str, function):
        """Return a callback that cannot raise; what fails as the context goes is no fault."""

        def call():
            try:
                function()
            except Exception:
                if self.context.ok():
                    raise

        return self.guard.wrap(what, call)

    def _advance(self) -> None:
        """Publish the next sample if it is due; else come back when it is."""
        self._due.cancel()
        sample = self._prefetcher.next
        if sample is None:
            if self._prefetcher.ended and not self._over:
                self._finish(self._prefetcher.error)
            return
        if self._playback_clock is None:
            self._begin()
        now_s = time.monotonic()
        wait_s = self._playback_clock.due_s(sample, now_s) - now_s
        if wait_s <= 0:
            wait_s = self._publish(sample, now_s)
        self._come_back(wait_s)

    def _come_back(self, seconds: float) -> None:
        self._due.timer_period_ns = max(1, math.ceil(seconds * 1e9))
        self._due.reset()

    def _begin(self) -> None:
        values, source = self.parameters.values, self._prefetcher.source
        rate_hz = values.rate_hz or source.default_rate_hz
        live = getattr(source, "is_live", False)
        recorded = values.stamp == "recorded"
        self._playback_clock = PlaybackClock(rate_hz, recorded, time.time_ns(), live)
        pace = f"at {rate_hz:g} Hz" if rate_hz else f"at {'its' if live else 'the recorded'} pace"
        self._pace = RateMonitor(rate_hz)
        self.get_logger().info(f"playing {source.title}, {pace}: {self._images.topic_name}")
        if recorded and not live and not values.publish_clock:
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

    def _publish(self, sample, now_s: float) -> float:
        """Publish a sample and all that belongs to it; return the wait until the next [s]."""
        stamp = self._stamp_of(sample)
        if stamp is None:
            return NO_CLOCK_RETRY_S
        self._prefetcher.take()
        if self._playback_clock.advance(sample, now_s):
            self.get_logger().info(f"round {sample.round + 1}: the time jumps back")
            self._memory.forget()
        if self._clocks is not None:  # nobody shall see an image from the future
            self._clocks.publish(
                ClockMsg(clock=conversions.time_of(self._playback_clock.sample_ns))
            )
        sample.image.header.stamp = sample.info.header.stamp = stamp
        header = Header(stamp=stamp, frame_id=sample.image.header.frame_id)
        self._memory.add(header, sample.truth)  # first: whoever sees the image may ask at once
        self._publish_truth(header, sample.truth)
        self._infos.publish(sample.info)
        self._images.publish(sample.image)
        self._published += 1
        if late := self._pace.published(now_s):
            self.get_logger().warning(late)
        coming = self._prefetcher.next
        return (
            0.0 if coming is None else self._playback_clock.due_s(coming, now_s) - time.monotonic()
        )

    def _stamp_of(self, sample):
        """Return the stamp that a sample bears, None while the clock in force has not begun."""
        values = self.parameters.values
        if values.stamp == "recorded" or self._is_live_now():
            return sample.recorded  # of a live source: the moment when it was taken
        if values.publish_clock:
            return conversions.time_of(self._playback_clock.sim_ns(sample))
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

    def _is_live_now(self) -> bool:
        """Tell whether the pictures are of now, by the clock on the wall."""
        live = getattr(self._prefetcher.source, "is_live", False)
        return live and not self.parameters.values.publish_clock and not self._uses_sim_time()

    def _uses_sim_time(self) -> bool:
        return bool(self.get_parameter("use_sim_time").value)

    def _publish_clock(self) -> None:
        if self._playback_clock is None:
            return
        now_ns = self._playback_clock.clock_ns(self._prefetcher.next, time.monotonic())
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
            pixels = responses.pixels_of(request.pixels)
            header, readings = self._memory.read(request.stamp, pixels)
            refusal = StatusError(Code.OK, "")
        except Exception as error:  # every request gets a reply
            refusal = self._as_refusal(error)
            readings = responses.without_numbers(pixels, refusal)
        response.points = responses.point_messages(readings, header)
        response.status = conversions.status_msg(refusal.code, refusal.text)
        return response

    def _as_refusal(self, error: Exception) -> StatusError:
        if isinstance(error, StatusError):
            return error
        sentence = self.guard.record("~/truth/query_points", error)
        return StatusError(Code.NO_DEPTH, f"the request failed inside the node: {sentence}")

    def stop(self) -> str:
        """End for good; return "" when the source's thread has ended too, else what it is at."""
        self._due.cancel()
        return "" if self._prefetcher.stop(STOP_TIMEOUT_S) else "the playing of a picture"


def main(args=None, make_path=make_camera_path) -> int:
    """Run the node until SIGINT or SIGTERM ends the process; return only if it cannot start."""
    if asked_for_help(args):
        print(help_of("camera_node", __doc__, camera_parameters.PARAMETERS))
        return 0
    return run_node(lambda: CameraNode(make_path), args, "camera_node")


if __name__ == "__main__":
    raise SystemExit(main())
