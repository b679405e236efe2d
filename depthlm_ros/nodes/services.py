"""The services ~/query_points and ~/ask and the topic ~/query_points: coroutines, never blocking.

Each request is checked, waits for a sight within its deadline, is answered, and the sight's age is
checked once more. A reply is sent whatever happens.
"""

import math
import time

from geometry_msgs.msg import PointStamped
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.qos import QoSProfile

from depthlm_msgs.msg import PointDepthArray
from depthlm_msgs.srv import Ask, QueryPoints
from depthlm_ros.language.answer import Answer, answer_freely, answer_question, refused
from depthlm_ros.language.question import FreeQuestion, read_any_question
from depthlm_ros.language.text import clean
from depthlm_ros.models.base import speaks
from depthlm_ros.nodes import replies
from depthlm_ros.nodes.stamps import age_s
from depthlm_ros.nodes.transforms import Transforms
from depthlm_ros.sight import camera_asked_about
from depthlm_ros.status import Code, Refusal

SERVICE_QOS = QoSProfile(depth=1000)
"""No burst may be lost: at the default depth of 10 only ten of 200 were answered."""
MAX_DEADLINE_S = 600.0


class Services:
    """Answers requests from the engine's sights."""

    def __init__(self, node, engine, streams, faults):
        self._node, self._engine, self._streams = node, engine, streams
        self._faults = faults
        self._transforms = Transforms(node)
        group = ReentrantCallbackGroup()  # a request that waits must not hold the others up
        for kind, name, handler in (
            (QueryPoints, "~/query_points", self._on_query),
            (Ask, "~/ask", self._on_ask),
        ):
            node.create_service(kind, name, handler, qos_profile=SERVICE_QOS, callback_group=group)
        node.create_subscription(
            PointStamped,
            "~/query_points",
            faults.guarded("receiving ~/query_points", self._on_point),
            QoSProfile(depth=10),
            callback_group=group,
        )

    def forget(self) -> None:
        """Forget what depends on time, as after a jump of the clock."""
        self._transforms.forget()

    # -- services -----------------------------------------------------------------------------

    async def _on_query(self, request, response):
        begin, sight, pixels = time.monotonic(), None, []
        try:
            pixels = replies.pixels_of(request.pixels)
            self._engine.check_active()
            until = begin + self._deadline_s(request.deadline)
            sight, readings = await self._engine.read(lambda sight: pixels, until)
            to_frame = await self._to_frame(request.frame_id, sight, until)
            self._engine.check_fresh(sight)
            header = replies.header_in(sight, request.frame_id)
            response.points = replies.point_messages(readings, header, to_frame)
            self._streams.show(sight, readings)
            refusal = Refusal(Code.OK, "")
        except Exception as error:  # every request gets a reply
            refusal = self._as_refusal("~/query_points", error)
            header = replies.header_in(sight, request.frame_id)
            empty = replies.without_numbers(pixels, refusal)
            response.points = replies.point_messages(empty, header)
        response.status = replies.conversions.status_msg(refusal.code, refusal.text)
        self._stamp_reply(response, sight, begin, refusal.code)
        return response

    async def _on_ask(self, request, response):
        begin, sight, points = time.monotonic(), None, []
        try:
            self._engine.check_active()
            limit = self._node.parameters.values.max_question_length
            given = replies.pixels_of(request.pixels, at_least=0)
            question = read_any_question(request.question, given, limit)
            until = begin + self._deadline_s(request.deadline)
            if isinstance(question, FreeQuestion):
                sight, answer = await self._answer_freely(question, until)
                header = replies.header_in(sight, "")
            else:
                sight, readings = await self._engine.read(
                    lambda sight: question.pixels(camera_asked_about(sight)), until
                )
                to_frame = await self._to_frame(request.frame_id, sight, until)
                self._engine.check_fresh(sight)
                answer = answer_question(question, readings)
                header = replies.header_in(sight, request.frame_id)
                points = replies.point_messages(readings, header, to_frame)
                self._streams.show(sight, readings)
        except Exception as error:  # every request gets a reply
            refusal = self._as_refusal("~/ask", error)
            answer: Answer = refused(refusal.code, refusal.text)
            header = replies.header_in(sight, request.frame_id)
        replies.fill_answer(response, answer, header, points)
        self._stamp_reply(response, sight, begin, answer.code)
        self._faults.guarded("publishing an answer", self._publish_answer)(request, response)
        return response

    async def _answer_freely(self, question: FreeQuestion, until: float):
        """Return (Sight, Answer) to a question in free words, where the model has any."""
        if not speaks(self._engine.model):
            raise question.refusal
        sight, reply = await self._engine.reply(question.words, until)
        self._engine.check_fresh(sight)
        return sight, answer_freely(reply)

    def _publish_answer(self, request, response) -> None:
        message = replies.answer_message(clean(request.question), response)
        self._streams.publish_message("answers", message)

    def _as_refusal(self, where: str, error: Exception) -> Refusal:
        if isinstance(error, Refusal):
            return error
        sentence = self._faults.note(where, error)
        return Refusal(Code.MODEL_ERROR, f"the request failed inside the node: {sentence}")

    def _stamp_reply(self, response, sight, begin: float, code: Code) -> None:
        now = self._node.get_clock().now().nanoseconds
        age = 0.0 if sight is None else age_s(sight.frame.stamp_ns, now)
        response.age = replies.duration(age)
        response.latency = replies.duration(time.monotonic() - begin)
        self._engine.statistics.answers[Code(code).name] += 1

    def _deadline_s(self, deadline) -> float:
        seconds = deadline.sec + deadline.nanosec * 1e-9
        if seconds < 0 or seconds > MAX_DEADLINE_S:
            raise Refusal(
                Code.BAD_QUESTION,
                f"deadline of {seconds:g} s: must be from 0 (the node's default) to "
                f"{MAX_DEADLINE_S:g} s",
            )
        return seconds or self._node.parameters.values.deadline

    async def _to_frame(self, frame_id: str, sight, until: float):
        """Return the function that takes points to the wanted frame, None for the camera's."""
        if frame_id in ("", sight.frame.frame_id):
            return None
        frame = sight.frame
        return await self._transforms.into(frame_id, frame.frame_id, frame.stamp_ns, until)

    # -- topic --------------------------------------------------------------------------------

    def _on_point(self, message: PointStamped) -> None:
        wanted = ("point_depths", "markers", "annotated")
        if any(self._streams.has_listener(name) for name in wanted):
            self._node.executor.create_task(self._answer_point, message)

    async def _answer_point(self, message: PointStamped) -> None:
        sight, pixel = None, (math.nan, math.nan)
        try:
            until = time.monotonic() + self._node.parameters.values.deadline
            sight, readings = await self._read_stamped(message, until)
            self._engine.check_fresh(sight)
            self._streams.show(sight, readings)
        except Exception as error:  # every question gets a reply
            refusal = self._as_refusal("~/query_points topic", error)
            readings = replies.without_numbers([pixel], refusal)
        self._faults.guarded("publishing ~/point_depths", self._publish_points)(sight, readings)

    def _publish_points(self, sight, readings) -> None:
        header = replies.header_in(sight, "")
        points = replies.point_messages(readings, header)
        self._streams.publish_message(
            "point_depths", PointDepthArray(header=header, points=points)
        )

    async def _read_stamped(self, message: PointStamped, until: float):
        """Read the pixel that a PointStamped means: x, y in the camera's own frame, or by TF."""
        point, frame_id = message.point, message.header.frame_id
        camera_frame = await self._camera_frame(until)
        if frame_id in ("", camera_frame):
            return await self._engine.read(lambda sight: [(point.x, point.y)], until)
        stamp = message.header.stamp
        stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
        to_camera = await self._transforms.into(camera_frame, frame_id, stamp_ns, until)
        seen = to_camera((point.x, point.y, point.z))

        def pixels(sight):
            projected = sight.frame.camera.project(seen)
            return [tuple(sight.rectifier.rectified_to_source(projected))]

        return await self._engine.read(pixels, until)

    async def _camera_frame(self, until: float) -> str:
        return (await self._engine.newest_picture(until)).image.header.frame_id
