"""The few names of tf2_ros that the node uses, with the answers that the real one gave.

tf2 cannot be installed by pip. Transforms are set as in the real Buffer; between times positions
are interpolated, rotations are the later one's. From the start it knows, at any time, one pair of
frames: in base x is forward, y left, z up; its origin lies 0.1 m behind, 0.2 m right of, 0.3 m
below the camera. The sentences are the real one's (geometry2, rolling).
"""

import numpy as np
from geometry_msgs.msg import TransformStamped
from rclpy.task import Future
from tf_transformations import quaternion_from_matrix, quaternion_matrix

ALWAYS = "always"
KNOWN = {("base", "camera"): ((0.1, 0.2, 0.3), (-0.5, 0.5, -0.5, 0.5))}


class TransformException(Exception):
    """As in tf2_py."""


class LookupException(TransformException):
    """No such frame."""


class ConnectivityException(TransformException):
    """Frames of two trees."""


class ExtrapolationException(TransformException):
    """Frames that are known at other times."""


class InvalidArgumentException(TransformException):
    """A name that is none."""


def _matrix(message):
    t, q = message.transform.translation, message.transform.rotation
    matrix = quaternion_matrix((q.x, q.y, q.z, q.w))
    matrix[:3, 3] = t.x, t.y, t.z
    return matrix


class Buffer:
    """Knows each frame's parent, with the times at which it was told."""

    def __init__(self):
        """Start with KNOWN."""
        self._parents, self._told, self._waiting = {}, {}, []
        for (parent, child), (t, q) in KNOWN.items():
            matrix = quaternion_matrix(q)
            matrix[:3, 3] = t
            self._parents[child], self._told[child] = parent, {ALWAYS: matrix}

    def set_transform(self, message, authority):
        """Take a transform of a time."""
        child, stamp = message.child_frame_id, message.header.stamp
        self._parents[child] = message.header.frame_id
        ns = stamp.sec * 1_000_000_000 + stamp.nanosec
        self._told.setdefault(child, {})[ns] = _matrix(message)
        for future, *asked in list(self._waiting):
            if not future.done() and self.can_transform(*asked):
                future.set_result(True)

    def _chain(self, frame):
        chain = [frame]
        while chain[-1] in self._parents:
            chain.append(self._parents[chain[-1]])
        return chain

    def _to_parent(self, child, ns, names):
        told = self._told[child]
        if ALWAYS in told:
            return told[ALWAYS]
        times = sorted(told)
        if ns == 0:
            return told[times[-1]]
        if not times[0] <= ns <= times[-1]:
            what, kind = ("past", "earliest") if ns < times[0] else ("future", "latest")
            edge = times[0] if ns < times[0] else times[-1]
            raise ExtrapolationException(
                f"Lookup would require extrapolation into the {what}.  Requested time "
                f"{ns / 1e9:.6f} but the {kind} data is at time {edge / 1e9:.6f}, when looking up "
                f"transform from frame [{names[1]}] to frame [{names[0]}]"
            )
        after = next(t for t in times if t >= ns)
        before = max(t for t in times if t <= ns)
        share = 0.0 if after == before else (ns - before) / (after - before)
        matrix = told[after].copy()
        matrix[:3, 3] = (1 - share) * told[before][:3, 3] + share * told[after][:3, 3]
        return matrix

    def _to_root(self, frame, ns, names):
        matrix = np.eye(4)
        for child in self._chain(frame)[:-1]:
            matrix = self._to_parent(child, ns, names) @ matrix
        return matrix

    def lookup_transform(self, target, source, time):
        """Return the transform that takes points of source to target."""
        known = set(self._parents) | set(self._parents.values())
        for name, what in ((target, "target_frame"), (source, "source_frame")):
            if name.startswith("/"):
                raise InvalidArgumentException(
                    f'Invalid argument "{name}" passed to lookupTransform argument {what} - in '
                    "tf2 frame_ids cannot start with a '/'"
                )
            if name not in known:
                raise LookupException(
                    f'"{name}" passed to lookupTransform argument {what} does not exist. '
                )
        if self._chain(target)[-1] != self._chain(source)[-1]:
            raise ConnectivityException(
                f"Could not find a connection between '{target}' and '{source}' because they are "
                "not part of the same tree.Tf has two or more unconnected trees."
            )
        ns, names = time.nanoseconds, (target, source)
        whole = np.linalg.inv(self._to_root(target, ns, names)) @ self._to_root(source, ns, names)
        found = TransformStamped()
        shift, turn = found.transform.translation, found.transform.rotation
        shift.x, shift.y, shift.z = (float(x) for x in whole[:3, 3])
        turn.x, turn.y, turn.z, turn.w = (float(x) for x in quaternion_from_matrix(whole))
        return found

    def can_transform(self, target, source, time):
        """Tell whether lookup_transform would give one."""
        try:
            self.lookup_transform(target, source, time)
        except TransformException:
            return False
        return True

    def wait_for_transform_async(self, target, source, time):
        """Return a future that is done when the transform is known."""
        future = Future()
        if self.can_transform(target, source, time):
            future.set_result(True)
        else:
            self._waiting.append((future, target, source, time))
        return future

    def clear(self):
        """Forget what was told of a time."""
        self._told = {c: told for c, told in self._told.items() if ALWAYS in told}
        self._parents = {c: p for c, p in self._parents.items() if c in self._told}


class TransformListener:
    """Listens to nothing."""

    def __init__(self, buffer, node, *, spin_thread=False):
        """Take what the real one takes."""
