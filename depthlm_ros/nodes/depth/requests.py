"""What all requests have in common: a deadline, a frame, a status whatever happens, an age."""

import time

from rclpy.callback_groups import ReentrantCallbackGroup

from depthlm_ros.nodes.common.service_qos import SERVICE_QOS
from depthlm_ros.nodes.depth import responses
from depthlm_ros.status import Code, StatusError

MAX_DEADLINE_S = 600.0


class RequestHandler:
    """Base of what answers requests from the scheduler's depth; never blocks, never raises."""

    def __init__(self, node, scheduler, guard):
        self._node, self._scheduler, self._guard = node, scheduler, guard
        # A request that waits must not hold the others up.
        self._group = ReentrantCallbackGroup()

    def _serve(self, kind, name: str, handler) -> None:
        """Offer a service whose handler is a coroutine."""
        self._node.create_service(
            kind, name, handler, qos_profile=SERVICE_QOS, callback_group=self._group
        )

    def _until(self, begin: float, deadline) -> float:
        """Return the monotonic time at which a request that came at ``begin`` gives up."""
        return begin + self._deadline_s(deadline)

    def _deadline_s(self, deadline) -> float:
        """Return how long a request may wait [s]; the node's default for zero."""
        seconds = deadline.sec + deadline.nanosec * 1e-9
        if seconds < 0 or seconds > MAX_DEADLINE_S:
            raise StatusError(
                Code.BAD_QUESTION,
                f"deadline of {seconds:g} s: must be from 0 (the node's default) to "
                f"{MAX_DEADLINE_S:g} s",
            )
        return seconds or self._node.parameters.values.deadline

    def _status_of(self, where: str, error: Exception) -> StatusError:
        """Return an error as a status that can be sent; one of our own making as it is."""
        if isinstance(error, StatusError):
            return error
        if isinstance(error, ValueError):  # a box without volume, a mask of the wrong size
            return StatusError(Code.BAD_QUESTION, str(error))
        sentence = self._guard.record(where, error)
        return StatusError(Code.MODEL_ERROR, f"the request failed inside the node: {sentence}")

    def _stamp(self, response, age_s: float, begin: float, code: Code) -> None:
        """Fill ``age`` and ``latency``, and count the answer.

        ``age_s``: of an answer what ``check_fresh`` returned as the last thing before, so that
        none goes out with an image past its limit; of a refusal ``_age_s``.
        """
        response.age = responses.duration(age_s)
        response.latency = responses.duration(time.monotonic() - begin)
        self._scheduler.statistics.answers[Code(code).name] += 1

    def _age_s(self, frame_depth) -> float:
        return 0.0 if frame_depth is None else self._scheduler.age_s(frame_depth.frame.stamp_ns)

    async def _transform(
        self, target: str, source: str, frame_depth, until: float, source_ns: int = 0
    ):
        """Return the function that takes points of ``source`` to ``target`` at the image's time.

        "" stands for the camera's own frame. ``source_ns``: when they were given, if not then.
        """
        own, stamp = frame_depth.frame.frame_id, frame_depth.frame.stamp_ns
        into = self._node.transforms.into
        return await into(target or own, source or own, stamp, until, source_ns)
