"""Whether the node serves at all, and whether a result is young enough to answer from.

The part of ``InferenceScheduler`` (``inference.py``) that knows ages. Executor's thread only.
"""

from depthlm_ros.estimator import FrameDepth
from depthlm_ros.nodes.depth.time_sync import check_age
from depthlm_ros.status import Code, StatusError


class Freshness:
    """Checks that raise StatusError; state and clocks are those of ``InferenceScheduler``."""

    def check_active(self) -> None:
        """Raise StatusError when the node is not serving."""
        if self.model is None and (reason := self.why_no_model()):
            raise StatusError(Code.MODEL_NOT_READY, reason)
        if not self.active:
            raise StatusError(Code.NOT_ACTIVE, self._how_to_activate())

    def _how_to_activate(self) -> str:
        state, name = self._state_label(), self._node.get_fully_qualified_name()
        if state == "finalized":
            return "the node was shut down: start it again"
        first = "configure`, then `" if state == "unconfigured" else ""
        return f"the node is {state}: `ros2 lifecycle set {name} {first}activate`"

    def check_fresh(self, frame_depth: FrameDepth, margin_s: float = 0.0) -> float:
        """Return how old the image of a result will be when the reply goes out [s].

        ``margin_s``: what sending the reply will take. Raises StatusError(STALE) for a result too
        old to answer from, or older than a clock jump.
        """
        self.check_active()
        if frame_depth.clock_generation != self.clock_generation:
            raise StatusError(
                Code.STALE, "the clock jumped or the node restarted meanwhile: ask again"
            )
        return self._check_stamp(frame_depth.frame.stamp_ns, margin_s)

    def age_s(self, stamp_ns: int) -> float:
        """Return how old the image of a stamp is now [s]."""
        return self._ages.age_s(stamp_ns)

    def _now_ns(self) -> int:
        return self._node.get_clock().now().nanoseconds

    def _check_stamp(self, stamp: int, margin_s: float = 0.0) -> float:
        values = self._values
        age = self._ages.age_s(stamp) + margin_s
        check_age(stamp, self._now_ns(), values.max_age, values.future_tolerance, age)
        return age

    def _is_fresh(self, stamp: int) -> bool:
        try:
            self._check_stamp(stamp)
        except StatusError:
            return False
        return True
