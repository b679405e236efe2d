"""The services ~/query_points and ~/ask and the topic ~/query_points: coroutines, never blocking.

Each request is checked, waits for a depth within its deadline, is answered, and the depth's age is
checked once more. A reply is sent whatever happens.
"""

import contextlib
import math
import time

from geometry_msgs.msg import PointStamped
from rclpy.qos import QoSProfile

from depthlm_msgs.msg import PointDepthArray
from depthlm_msgs.srv import Ask, QueryPoints
from depthlm_ros.language.answer import Answer, refused
from depthlm_ros.nodes.common.conversions import requested_stamp_ns
from depthlm_ros.nodes.depth import clicks, responses
from depthlm_ros.nodes.depth.ask import Asker, Progress
from depthlm_ros.nodes.depth.ask_action import AskAction
from depthlm_ros.nodes.depth.deadline import Deadline
from depthlm_ros.nodes.depth.depth_requests import LARGE_REQUEST
from depthlm_ros.nodes.depth.requests import RequestHandler
from depthlm_ros.sanitize import clean
from depthlm_ros.status import Code, StatusError


class Services(RequestHandler):
    """Answers requests from the engine's sights."""

    def __init__(self, node, scheduler, depth_publishers, guard):
        super().__init__(node, scheduler, guard)
        self._depth_publishers, self.transforms = depth_publishers, node.transforms
        self._asker = Asker(node, scheduler)
        self.server_statistics = self._asker.statistics
        self._serve(QueryPoints, "~/query_points", self._on_query)
        self._serve(Ask, "~/ask", self._on_ask)
        self._action = AskAction(node, self, guard, self._group)
        node.create_subscription(
            PointStamped,
            "~/query_points",
            guard.wrap("receiving ~/query_points", self._on_point),
            QoSProfile(depth=10),
            callback_group=self._group,
        )

    def close(self) -> None:
        """Give up what a node does not destroy by itself: the action keeps the node's handle."""
        self._action.close()

    def forget(self) -> None:
        """Forget what depends on time, as after a jump of the clock."""
        self.transforms.forget()
        self._asker.forget()

    # -- services -----------------------------------------------------------------------------

    async def _on_query(self, request, response):
        begin, frame_depth, pixels = time.monotonic(), None, []
        try:
            pixels = responses.pixels_of(request.pixels)
            self._scheduler.check_active()
            until = self._until(begin, request.deadline)
            stamp = requested_stamp_ns(request.stamp)
            frame_depth, readings = await self._scheduler.sample(lambda _: pixels, until, stamp)
            to_frame = await self._to_frame(request.frame_id, frame_depth, until)
            response.points, seconds = await self._messages(
                frame_depth, readings, request.frame_id, to_frame, until
            )
            self._depth_publishers.show(frame_depth, readings)
            refusal = StatusError(Code.OK, "")
            age_s = self._scheduler.check_fresh(frame_depth, seconds)
        except Exception as error:  # every request gets a reply
            refusal = self._status_of("~/query_points", error)
            header = responses.header_in(frame_depth, request.frame_id)
            echoed = pixels if len(pixels) <= LARGE_REQUEST else []  # a refusal is cheap
            empty = responses.without_numbers(echoed, refusal)
            response.points = responses.point_messages(empty, header)
            age_s = self._age_s(frame_depth)
        response.status = responses.conversions.status_msg(refusal.code, refusal.text)
        self._stamp(response, age_s, begin, refusal.code)
        return response

    async def _messages(self, frame_depth, readings, frame_id: str, to_frame, until) -> tuple:
        """Return readings as messages, and how long it took [s].

        Many are made on the worker: the executor has others to serve. What was just taken for
        them will be taken once more for writing them out.
        """
        header = responses.header_in(frame_depth, frame_id)

        def make():
            begin = time.monotonic()
            points = responses.point_messages(readings, header, to_frame)
            return points, time.monotonic() - begin

        large = len(readings) > LARGE_REQUEST
        return await self._scheduler.compute(make, until) if large else make()

    async def _on_ask(self, request, response):
        return await self.fill(request, response, self.progress_of(request))

    def progress_of(self, request, tell=None) -> Progress:
        """Return the progress of a question that begins now; without a deadline until it is read.

        ``tell``: as in ``Progress``.
        """
        try:
            seconds = self._deadline_s(request.deadline)
        except StatusError:  # told by ``fill``, which reads it again
            seconds = 0.0
        progress = Progress(Deadline(time.monotonic() + seconds), tell)
        with contextlib.suppress(StatusError):  # told by ``fill`` too
            progress.stamp_ns = requested_stamp_ns(request.stamp)
        return progress

    async def fill(self, request, response, progress: Progress):
        """Fill the response of ~/ask, or the result of ~/ask_action, and return it."""
        begin, frame_depth, points = time.monotonic(), None, []
        try:
            self._deadline_s(request.deadline)
            requested_stamp_ns(request.stamp)
            self._scheduler.check_active()
            given = responses.pixels_of(request.pixels, at_least=0)
            given += responses.region_of(request.region)
            frame_depth, answer = await self._asker.answer(request.question, given, progress)
            progress.stage("answering")
            wanted = request.frame_id if answer.evidence else ""
            to_frame = await self._to_frame(wanted, frame_depth, progress.until)
            header = responses.header_in(frame_depth, wanted)
            points, seconds = await self._messages(
                frame_depth, answer.evidence, wanted, to_frame, progress.until
            )
            self._depth_publishers.show(frame_depth, answer.evidence)
            age_s = self._scheduler.check_fresh(frame_depth, seconds)
        except Exception as error:  # every request gets a reply
            refusal = self._status_of("~/ask", error)
            answer: Answer = refused(refusal.code, refusal.text)
            header, points = responses.header_in(frame_depth, request.frame_id), []
            age_s = self._age_s(frame_depth)
        responses.fill_answer(response, answer, header, points)
        self._stamp(response, age_s, begin, answer.code)
        self._guard.wrap("publishing an answer", self._publish_answer)(request, response)
        return response

    def _publish_answer(self, request, response) -> None:
        message = responses.answer_message(clean(request.question), response)
        self._depth_publishers.publish_message("answers", message)

    async def _to_frame(self, frame_id: str, frame_depth, until: float):
        """Return the function that takes points to the wanted frame, None for the camera's."""
        if frame_id in ("", frame_depth.frame.frame_id):
            return None
        frame = frame_depth.frame
        return await self.transforms.into(frame_id, frame.frame_id, frame.stamp_ns, until)

    # -- topic --------------------------------------------------------------------------------

    def _on_point(self, message: PointStamped) -> None:
        wanted = ("point_depths", "markers", "annotated")
        if any(self._depth_publishers.has_subscriber(name) for name in wanted):
            self._node.executor.create_task(self._answer_point, message)

    async def _answer_point(self, message: PointStamped) -> None:
        frame_depth, pixel = None, (math.nan, math.nan)
        try:
            until = time.monotonic() + self._node.parameters.values.deadline
            frame_depth, readings = await self._read_stamped(message, until)
            self._depth_publishers.show(frame_depth, readings)
            self._scheduler.check_fresh(frame_depth)
        except Exception as error:  # every question gets a reply
            refusal = self._status_of("~/query_points topic", error)
            readings = responses.without_numbers([pixel], refusal)
        self._guard.wrap("publishing ~/point_depths", self._publish_points)(frame_depth, readings)

    def _publish_points(self, frame_depth, readings) -> None:
        header = responses.header_in(frame_depth, "")
        points = responses.point_messages(readings, header)
        self._depth_publishers.publish_message(
            "point_depths", PointDepthArray(header=header, points=points)
        )

    async def _read_stamped(self, message: PointStamped, until: float):
        """Read the depth at what a PointStamped means (``clicks.py``), on its own image or newest.

        A stamp that is one of the images of late, as a detector's, names that image.
        """
        point, frame_id = message.point, message.header.frame_id
        stamp = message.header.stamp
        clicked_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
        point_xyz = (point.x, point.y, point.z)
        clicks.check_finite(point_xyz)

        async def pixels(frame_depth):
            frame = frame_depth.frame
            if clicks.is_pixel(point_xyz, frame_id, frame.frame_id):
                return [point_xyz[:2]]
            to_camera = await self.transforms.into(
                frame.frame_id, frame_id, frame.stamp_ns, until, clicked_ns
            )
            xyz = to_camera(point_xyz)
            return [clicks.pixel_of(xyz, frame_depth, frame_id)]

        own = clicked_ns if self._scheduler.keeps(clicked_ns) else 0
        return await self._scheduler.sample(pixels, until, own)
