"""Points into other frames by tf2 where it is installed; the camera's frame needs none.

Source for looking up across time: tf2's own lookup_transform_full. What is known of a frame at one
time is carried to another through a frame that does not move.
"""

import numpy as np

from depthlm_ros.nodes.common.conversions import time_of
from depthlm_ros.sanitize import clean
from depthlm_ros.status import Code, StatusError

NOT_INSTALLED = "tf2_ros is not installed (package tf2_ros_py)"


def rotation_matrix(x: float, y: float, z: float, w: float) -> np.ndarray:
    """Return the (3, 3) rotation of a quaternion; it is normalised first.

    Raises StatusError(NO_TF) for a zero quaternion, and where tf_transformations is not installed.
    """
    try:
        from tf_transformations import quaternion_matrix
    except ImportError as error:
        raise StatusError(
            Code.NO_TF, f"tf_transformations cannot be loaded ({error}): install it"
        ) from error
    if not np.linalg.norm((x, y, z, w)) > 0:
        raise StatusError(Code.NO_TF, "the transform's rotation is a zero quaternion")
    return quaternion_matrix((x, y, z, w))[:3, :3]


class Transforms:
    """Looks transforms up; listens to /tf from ``listen`` on, so that the buffer has a past."""

    def __init__(self, node, wait_for):
        """``wait_for(future, until)``: awaits a future; raises StatusError(DEADLINE)."""
        self._node, self._wait_for = node, wait_for
        self._buffer, self._listener, self._tf2 = None, None, None

    def listen(self) -> bool:
        """Begin to listen, once; False where tf2 is not installed."""
        if self._listener is not None:
            return True
        try:
            import tf2_ros
        except ImportError:
            return False
        # Without node: with one, some versions of Buffer raise at every jump of the clock.
        self._tf2, self._buffer = tf2_ros, tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, self._node, spin_thread=False)
        return True

    def forget(self) -> None:
        """Forget the transforms so far, as after a jump of the clock."""
        if self._buffer is not None:
            self._buffer.clear()

    def now(self, target: str, source: str, stamp_ns: int):
        """Return ``into``'s function without waiting, from any thread: the buffer has a lock.

        Raises StatusError(NO_TF) when tf2 does not know it now.
        """
        if self._buffer is None:
            raise StatusError(Code.NO_TF, f"{NOT_INSTALLED}, or the node has not been configured")
        try:
            found = self._buffer.lookup_transform(target, source, self._time(stamp_ns))
        except (self._tf2.TransformException, TypeError, ValueError) as error:
            names = clean(f"from {source!r} to {target!r}", 200)
            raise StatusError(Code.NO_TF, self._why(names, error)) from error
        return _mapping(found.transform)

    def pose_now(self, frame_id: str, stamp_ns: int) -> np.ndarray | None:
        """Return the pose (4, 4) of a frame in ``tf_fixed_frame`` at a time, as ``now`` does.

        None where tf2 does not know it now.
        """
        fixed = self._node.parameters.values.tf_fixed_frame
        if not fixed:
            return None
        try:
            return _matrix(self.now(fixed, frame_id, stamp_ns))
        except StatusError:
            return None  # which is an answer: nobody knows

    async def pose(self, frame_id: str, stamp_ns: int, until: float) -> np.ndarray:
        """Return the pose (4, 4) of a frame in ``tf_fixed_frame`` at a time.

        Raises StatusError(NO_TF) when there is no such frame, or it does not come until ``until``.
        """
        fixed = self._node.parameters.values.tf_fixed_frame
        if not fixed:
            raise StatusError(
                Code.NO_TF, "tf_fixed_frame is empty: set it to a frame that does not move (odom)"
            )
        return _matrix(await self.into(fixed, frame_id, stamp_ns, until))

    async def into(
        self, target: str, source: str, stamp_ns: int, until: float, source_ns: int = 0
    ):
        """Return the function that takes points (..., 3) of frame ``source`` to ``target``.

        ``stamp_ns``: the time at which they are wanted in ``target``, the image's. ``source_ns``:
        the time at which they were given in ``source``, where that is another: they are then
        carried over through the parameter ``tf_fixed_frame``, if tf2 knows that frame. Raises
        StatusError(NO_TF) when tf2 is missing or the transform does not come until ``until``.
        """
        moved = source_ns not in (0, stamp_ns)
        carried = moved and self.listen() and self._fixed_frame(target, source)
        if target == source and not carried:
            return lambda points: np.asarray(points, dtype=np.float64)
        names = clean(f"from {source!r} to {target!r}", 200)
        if not self.listen():
            raise StatusError(
                Code.NO_TF,
                f"a transform {names} is needed and {NOT_INSTALLED}: install it (the camera's own "
                "frame, an empty frame_id, needs no transform)",
            )
        if carried:
            given = await self._lookup(carried, source, source_ns, until)
            seen = await self._lookup(target, carried, stamp_ns, until)
            return lambda points: seen(given(points))
        return await self._lookup(target, source, stamp_ns, until)

    def _fixed_frame(self, target: str, source: str) -> str:
        """Return the frame that does not move, where tf2 leads from both to it; else ""."""
        fixed = self._node.parameters.values.tf_fixed_frame
        if not fixed or fixed == source:
            return ""
        latest = self._time(0)
        known = (self._buffer.can_transform(fixed, frame, latest) for frame in (source, target))
        return fixed if all(known) else ""

    async def _lookup(self, target: str, source: str, stamp_ns: int, until: float):
        """Return the function that takes points of ``source`` to ``target`` at one time."""
        names, when = clean(f"from {source!r} to {target!r}", 200), self._time(stamp_ns)
        found = self._found_now(target, source, when)
        if found is None:
            ready = self._buffer.wait_for_transform_async(target, source, when)
            try:
                await self._wait_for(ready, until)
            except StatusError as refusal:
                ready.cancel()  # or the buffer would keep its callback for ever
                if refusal.code != Code.DEADLINE:
                    raise
                raise StatusError(Code.NO_TF, self._why_late(target, source, when)) from refusal
            found = self._found_now(target, source, when)
        if found is None:
            raise StatusError(Code.NO_TF, f"the transform {names} has gone again: ask again")
        return _mapping(found.transform)

    def _found_now(self, target: str, source: str, when):
        """Return the transform, None where it may still come.

        Raises StatusError(NO_TF) where waiting would not help: a time before all that tf2 knows,
        or a name that is none.
        """
        try:
            return self._buffer.lookup_transform(target, source, when)
        except (self._tf2.TransformException, TypeError, ValueError) as error:
            may_come = (self._tf2.LookupException, self._tf2.ConnectivityException)
            is_late = isinstance(error, self._tf2.ExtrapolationException)
            if isinstance(error, may_come) or is_late and "past" not in str(error):
                return None
            names = clean(f"from {source!r} to {target!r}", 200)
            raise StatusError(Code.NO_TF, self._why(names, error)) from error

    def _why_late(self, target: str, source: str, when) -> str:
        """Say why a transform has not come within the deadline, as tf2 tells it now."""
        names = clean(f"from {source!r} to {target!r}", 200)
        try:
            self._buffer.lookup_transform(target, source, when)
        except self._tf2.TransformException as error:
            return self._why(names, error)
        return f"the transform {names} came after the deadline: allow more time"

    def _why(self, names: str, error: Exception) -> str:
        said = clean(str(error), 300)
        if isinstance(error, self._tf2.ExtrapolationException):
            if "past" in said:
                return (
                    f"no transform {names} at the image's time: it is older than what tf2 has "
                    f"kept or heard ({said}); ask about a newer image, or start /tf earlier"
                )
            return (
                f"no transform {names} at the image's time within the deadline: /tf is behind it "
                f"({said}); allow more time, or publish /tf faster"
            )
        return (
            f"no transform {names} within the deadline: no such frames, or nothing joins them "
            f"({said}); check the names and that /tf is published"
        )

    def _time(self, stamp_ns: int):
        from rclpy.time import Time

        return Time.from_msg(time_of(stamp_ns), clock_type=self._node.get_clock().clock_type)


def _matrix(mapping) -> np.ndarray:
    """Return what a function does to points, as a matrix (4, 4)."""
    pose = np.eye(4)
    pose[:3, 3] = mapping((0.0, 0.0, 0.0))
    pose[:3, :3] = (mapping(np.eye(3)) - pose[:3, 3]).T
    return pose


def _mapping(transform):
    q, t = transform.rotation, transform.translation
    rotation, shift = rotation_matrix(q.x, q.y, q.z, q.w), np.array([t.x, t.y, t.z])
    return lambda points: np.asarray(points, dtype=np.float64) @ rotation.T + shift
