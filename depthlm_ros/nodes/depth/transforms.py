"""Points into other frames by tf2 where it is installed; the camera's frame needs none."""

import numpy as np

from depthlm_ros.language.text import clean
from depthlm_ros.nodes.common.conversions import time_of
from depthlm_ros.status import Code, StatusError


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
    """Looks transforms up; listens to /tf only from the first request that needs it."""

    def __init__(self, node, wait_for):
        """``wait_for(future, until)``: awaits a future; raises StatusError(DEADLINE)."""
        self._node, self._wait_for = node, wait_for
        self._buffer, self._listener = None, None

    async def into(self, target: str, source: str, stamp_ns: int, until: float):
        """Return the function that takes points (..., 3) of frame ``source`` to ``target``.

        Raises StatusError(NO_TF) when tf2 is missing or the transform does not come until
        ``until``.
        """
        if target == source:
            return lambda points: np.asarray(points, dtype=np.float64)
        names = clean(f"from {source!r} to {target!r}", 200)
        self._listen(names)
        from tf2_ros import TransformException

        when, ready = self._time(stamp_ns), None
        try:
            ready = self._buffer.wait_for_transform_async(target, source, when)
            await self._wait_for(ready, until)
            found = self._buffer.lookup_transform(target, source, when)
        except StatusError as refusal:
            ready.cancel()  # or the buffer would keep its callback for ever
            if refusal.code != Code.DEADLINE:
                raise
            raise StatusError(
                Code.NO_TF,
                f"no transform {names} at the image's time within the deadline: check the names "
                "and that /tf is published",
            ) from refusal
        except (TransformException, TypeError, ValueError) as error:
            raise StatusError(
                Code.NO_TF, f"no transform {names}: {clean(str(error), 200)}"
            ) from error
        return _mapping(found.transform)

    def forget(self) -> None:
        """Forget the transforms so far, as after a jump of the clock."""
        if self._buffer is not None:
            self._buffer.clear()

    def _listen(self, names: str) -> None:
        if self._listener is not None:
            return
        try:
            import tf2_ros
        except ImportError as error:
            raise StatusError(
                Code.NO_TF,
                f"a transform {names} is needed and tf2_ros is not installed: leave frame_id "
                "empty for the camera's own frame, or install tf2_ros",
            ) from error
        # Without node: with one, some versions of Buffer raise at every jump of the clock.
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, self._node, spin_thread=False)

    def _time(self, stamp_ns: int):
        from rclpy.time import Time

        return Time.from_msg(time_of(stamp_ns), clock_type=self._node.get_clock().clock_type)


def _mapping(transform):
    q, t = transform.rotation, transform.translation
    rotation, shift = rotation_matrix(q.x, q.y, q.z, q.w), np.array([t.x, t.y, t.z])
    return lambda points: np.asarray(points, dtype=np.float64) @ rotation.T + shift
