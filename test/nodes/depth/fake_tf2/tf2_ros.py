"""The few names of tf2_ros that the node uses, knowing one pair of frames: camera and base.

tf2 cannot be installed by pip; what is tested with this is what the node does around it. In base x
is forward, y left, z up; its origin lies 0.1 m behind, 0.2 m right of, 0.3 m below the camera.
"""

from geometry_msgs.msg import TransformStamped
from rclpy.task import Future

KNOWN = {
    ("base", "camera"): ((0.1, 0.2, 0.3), (-0.5, 0.5, -0.5, 0.5)),
    ("camera", "base"): ((0.2, 0.3, -0.1), (0.5, -0.5, 0.5, 0.5)),
}


class TransformException(Exception):
    """As in tf2_py."""


class Buffer:
    """Knows KNOWN, at any time."""

    def wait_for_transform_async(self, target, source, time):
        """Return a future that is done when the transform is known."""
        if target.startswith("/"):
            raise TransformException("frame ids cannot start with a slash")
        future = Future()
        if (target, source) in KNOWN:
            future.set_result(True)
        return future

    def lookup_transform(self, target, source, time):
        """Return the transform that takes points of source to target."""
        t, q = KNOWN[target, source]
        found = TransformStamped()
        shift, turn = found.transform.translation, found.transform.rotation
        shift.x, shift.y, shift.z = t
        turn.x, turn.y, turn.z, turn.w = q
        return found

    def clear(self):
        """Forget nothing: KNOWN does not depend on time."""


class TransformListener:
    """Listens to nothing."""

    def __init__(self, buffer, node, *, spin_thread=False):
        """Take what the real one takes."""
