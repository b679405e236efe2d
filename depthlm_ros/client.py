"""A typed Python client of the node's services, with deadlines.

    with DepthClient() as client:
        answer = client.ask("How far is the point at (320, 240)?")
        if answer.code == Code.OK:
            print(answer.value, answer.unit, answer.low, answer.high)

It has a context, a node and a thread of its own: a call blocks its caller, never a callback or an
executor of somebody else, and needs no spinning. Service queues are 1000 deep on both sides, so
that bursts are not lost; a call that gets no reply in time raises ServiceTimeoutError.
"""

import depthlm_ros.interfaces  # noqa: F401 (first: it tells the remedy where it fails)

# isort: split

import atexit
import threading
from dataclasses import dataclass

import rclpy
from builtin_interfaces.msg import Duration, Time
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from sensor_msgs.msg import RegionOfInterest

from depthlm_msgs.msg import Pixel
from depthlm_msgs.srv import Ask, QueryPoints
from depthlm_ros.client_geometry import GeometryCalls
from depthlm_ros.interval import Interval, IntervalKind
from depthlm_ros.status import Code

QUEUE = QoSProfile(depth=1000)
MAX_DEADLINE_S = 600.0
"""What the node allows."""
MARGIN_S = 2.0
"""What a call waits beyond the deadline that the node keeps: for transport."""


class ServiceTimeoutError(TimeoutError):
    """The node did not reply in time, or there is no such node."""


@dataclass(frozen=True)
class Reading:
    """Metric depth at one pixel; every number is NaN unless ``code`` is OK (see PointDepth.msg).

    ``point_m``: (x, y, z) in ``frame_id``. ``stamp_ns``: of the image. ``interval``: what the 90 %
    interval from ``low_m`` to ``high_m`` rests on.
    """

    code: Code
    text: str
    pixel: tuple
    distance_m: float
    depth_m: float
    low_m: float
    high_m: float
    point_m: tuple
    frame_id: str
    stamp_ns: int
    source: str
    interval: Interval


@dataclass(frozen=True)
class Readings:
    """The reply of ``query_points``: ``code`` and ``text`` of the request as a whole."""

    code: Code
    text: str
    points: tuple
    age_s: float
    latency_s: float


@dataclass(frozen=True)
class Reply:
    """The reply of ``ask``: the numbers are NaN unless ``code`` is OK (see Ask.srv)."""

    code: Code
    text: str
    answer: str
    task: str
    value: float
    unit: str
    low: float
    high: float
    evidence: tuple
    source: str
    frame_id: str
    stamp_ns: int
    age_s: float
    latency_s: float
    interval: Interval


class DepthClient(GeometryCalls):
    """Calls the services of a depth node; safe to use from several threads.

    Has a ROS context, node and thread of its own, beside any that the caller has. Use it as a
    context manager, or call ``close``. Refusals are replies with a ``code`` and no number, not
    exceptions.

    Args:
        node: Absolute or relative name of the depth node.
        args: ROS arguments, as for ``rclpy.init``.
    """

    def __init__(self, node: str = "/depthlm", args=None):
        self._context = Context()
        rclpy.init(args=args, context=self._context)
        self._node = rclpy.create_node("depthlm_client", context=self._context)
        self._ask = self._node.create_client(Ask, f"{node}/ask", qos_profile=QUEUE)
        self._query = self._node.create_client(
            QueryPoints, f"{node}/query_points", qos_profile=QUEUE
        )
        self._open_geometry(node)
        self._closing = threading.Event()
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, name="depthlm_client", daemon=True)
        self._thread.start()
        atexit.register(self.close)  # a script that forgets to close leaves the graph in order too

    def __enter__(self) -> "DepthClient":
        """Return the client itself."""
        return self

    def __exit__(self, *_) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Stop the thread and leave the ROS graph; once is enough, more is no error."""
        atexit.unregister(self.close)
        if self._closing.is_set():
            return
        self._executor.create_task(self._closing.set)  # a task, for spin_once waits for work
        self._thread.join(MARGIN_S)
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()

    def wait_for_node(self, timeout_s: float = 10.0) -> None:
        """Wait until ~/ask and ~/query_points are there.

        Args:
            timeout_s: For each [s].

        Raises:
            ServiceTimeoutError: when one of them is not.
        """
        for client in (self._ask, self._query):
            if not client.wait_for_service(timeout_sec=timeout_s):
                raise ServiceTimeoutError(
                    f"no service {client.srv_name} within {timeout_s:g} s: is the node running, "
                    "with the same ROS_DOMAIN_ID and namespace?"
                )

    def ask(
        self,
        question: str,
        pixels=(),
        frame_id: str = "",
        deadline_s: float = 5.0,
        stamp_ns: int = 0,
        region: tuple[int, int, int, int] | None = None,
    ) -> Reply:
        """Ask a question about pixels, or about points or things in its text.

        Args:
            question: In English.
            pixels: (u, v) of the subscribed image [px], each a point that the question speaks of.
            frame_id: Frame that the evidence's points are wanted in; "": the camera's optical one.
            deadline_s: How long the node may take [s].
            stamp_ns: Stamp of the image it is about [ns]; 0: the newest.
            region: x, y, width, height of the part of the image it is about [px], as a detector's
                box: "this" is the thing in it, things are counted in it. None: all of it.

        Returns:
            The answer in SI units with its 90 % interval and evidence; NaN unless OK.

        Raises:
            ServiceTimeoutError: when no reply comes within the deadline and a margin.
            ValueError: for a region that is not four whole numbers from 0 on.
        """
        request = Ask.Request(
            question=question, pixels=_pixels(pixels), frame_id=frame_id, stamp=_time(stamp_ns)
        )
        if region is not None:
            request.region = _region(region)
        r = self._call(self._ask, request, deadline_s)
        return Reply(
            Code(r.status.code),
            r.status.text,
            r.answer,
            r.task,
            r.value,
            r.unit,
            r.low,
            r.high,
            tuple(_reading(point) for point in r.evidence),
            r.source,
            r.header.frame_id,
            _nanoseconds(r.header.stamp),
            _nanoseconds(r.age) * 1e-9,
            _nanoseconds(r.latency) * 1e-9,
            _interval(r),
        )

    def query_points(
        self, pixels, frame_id: str = "", deadline_s: float = 5.0, stamp_ns: int = 0
    ) -> Readings:
        """Read the depth at pixels of an image.

        Args:
            pixels: (N, 2), (u, v) of the subscribed image [px].
            frame_id: Frame that the points are wanted in; "": the camera's optical one.
            deadline_s: How long the node may take [s].
            stamp_ns: Stamp of the image [ns]; 0: the newest.

        Returns:
            One reading a pixel, in order: metres in SI units, NaN unless its code is OK.

        Raises:
            ServiceTimeoutError: when no reply comes within the deadline and a margin.
        """
        request = QueryPoints.Request(
            pixels=_pixels(pixels), frame_id=frame_id, stamp=_time(stamp_ns)
        )
        r = self._call(self._query, request, deadline_s)
        return Readings(
            Code(r.status.code),
            r.status.text,
            tuple(_reading(point) for point in r.points),
            _nanoseconds(r.age) * 1e-9,
            _nanoseconds(r.latency) * 1e-9,
        )

    def _call(self, client, request, deadline_s: float):
        if not 0 < deadline_s <= MAX_DEADLINE_S:
            raise ValueError(
                f"deadline_s = {deadline_s}: must be positive, at most {MAX_DEADLINE_S:g}"
            )
        if self._closing.is_set():
            raise RuntimeError("the client is closed: make a new one")
        sec, part = divmod(float(deadline_s), 1.0)
        request.deadline = Duration(sec=int(sec), nanosec=int(part * 1e9))
        self.wait_for_node(deadline_s)
        done = threading.Event()
        future = client.call_async(request)
        future.add_done_callback(lambda _: done.set())
        if not done.wait(deadline_s + MARGIN_S):
            client.remove_pending_request(future)
            raise ServiceTimeoutError(
                f"{client.srv_name} did not reply within {deadline_s + MARGIN_S:g} s: is the node "
                "alive (`ros2 node list`)?"
            )
        return future.result()

    def _spin(self) -> None:
        while not self._closing.is_set():
            self._executor.spin_once()


def _region(region: tuple) -> RegionOfInterest:
    whole = len(region) == 4 and all(side == int(side) and 0 <= side < 2**32 for side in region)
    if not whole:
        raise ValueError(f"region {region}: must be x, y, width, height, whole pixels from 0 on")
    x, y, width, height = map(int, region)
    return RegionOfInterest(x_offset=x, y_offset=y, width=width, height=height)


def _pixels(pixels) -> list:
    return [Pixel(u=float(u), v=float(v)) for u, v in pixels]


def _time(ns: int) -> Time:
    sec, nanosec = divmod(int(ns), 1_000_000_000)
    return Time(sec=sec, nanosec=nanosec)


def _nanoseconds(stamp) -> int:
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def _reading(m) -> Reading:
    return Reading(
        Code(m.status.code),
        m.status.text,
        (m.pixel.u, m.pixel.v),
        m.distance,
        m.depth,
        m.low,
        m.high,
        (m.point.x, m.point.y, m.point.z),
        m.header.frame_id,
        _nanoseconds(m.header.stamp),
        m.source,
        _interval(m),
    )


def _interval(m) -> Interval:
    return Interval(IntervalKind(m.interval_kind), m.interval_basis)
