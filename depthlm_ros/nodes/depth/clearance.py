"""Clearance for planners: the service, the standing corridor and the clicked target.

``~/check_clearance`` answers from the newest depth. ``~/clearance`` is published for every
result, at most ``clearance_rate_hz``, while somebody listens; a PointStamped on
``~/clearance_target`` (RViz's Publish Point) is answered there too.
"""

import math
import time
from functools import partial

import numpy as np
from geometry_msgs.msg import Point, PointStamped
from rclpy.qos import QoSProfile

from depthlm_msgs.msg import Clearance as ClearanceMsg
from depthlm_msgs.msg import Pixel
from depthlm_msgs.srv import CheckClearance
from depthlm_ros.geometry.clearance import (
    Clearance,
    Verdict,
    check_clearance,
    free_distances,
)
from depthlm_ros.geometry.swept_box import SweptBox
from depthlm_ros.nodes.common import conversions
from depthlm_ros.nodes.common.conversions import point_msg, requested_stamp_ns, xyz_of
from depthlm_ros.nodes.common.qos_publisher import create_publisher
from depthlm_ros.nodes.depth import clicks, responses
from depthlm_ros.nodes.depth.applied_scale import named_source
from depthlm_ros.nodes.depth.clearance_markers import clearance_markers
from depthlm_ros.nodes.depth.requests import RequestHandler
from depthlm_ros.sanitize import encodable
from depthlm_ros.status import Code, StatusError

MOST_HEADINGS = 32
FEW_HEADINGS = 4
"""More are looked at on the worker: the executor has others to serve."""
MOST_M, FARTHEST_M = 100.0, 1e7
NAN = math.nan


class ClearanceServices(RequestHandler):
    """Answers what is asked about clearance, and publishes the standing corridor."""

    def __init__(self, node, scheduler, depth_publishers, guard, surroundings):
        super().__init__(node, scheduler, guard)
        self._depth_publishers, self._surroundings = depth_publishers, surroundings
        self._last = -math.inf
        self._publisher = create_publisher(node, guard, ClearanceMsg, "~/clearance")
        self._serve(CheckClearance, "~/check_clearance", self._on_check)
        node.create_subscription(
            PointStamped,
            "~/clearance_target",
            guard.wrap("receiving ~/clearance_target", self._on_target),
            QoSProfile(depth=10),
            callback_group=self._group,
        )

    # -- service ------------------------------------------------------------------------------

    async def _on_check(self, request, response):
        begin, frame_depth = time.monotonic(), None
        try:
            _check_request(request)
            until = self._until(begin, request.deadline)
            frame_depth = await self._scheduler.fresh_depth(until)
            obstacles = await self._surroundings.obstacles_for(frame_depth.depth_map, until)
            into = await self._transform("", request.frame_id, frame_depth, until)
            back = await self._transform(request.frame_id, "", frame_depth, until)
            self._scheduler.check_active()
            box = self._box(obstacles, request, into)
            found = self._checked(obstacles, box, request.begin)
            response.free_headings = await self._free_headings(obstacles, box, request, until)
            self._fill(response, found, obstacles, back)
            response.source = named_source("dense", frame_depth.scale)
            self._show(frame_depth, box, found, obstacles)
            status = StatusError(Code.OK, "")
            age_s = self._scheduler.check_fresh(frame_depth)
        except Exception as error:  # every request gets a reply
            status = self._status_of("~/check_clearance", error)
            self._fill(response, Clearance(Verdict.UNKNOWN, status.text), None, None)
            response.free_headings, response.source = [], ""
            age_s = self._age_s(frame_depth)
        response.status = conversions.status_msg(status.code, status.text)
        response.header = responses.header_in(frame_depth, request.frame_id)
        self._stamp(response, age_s, begin, status.code)
        return response

    def _box(self, obstacles, request, into) -> SweptBox | None:
        """Return the box of a request; None where it needs a ground and there is none."""
        start = into(xyz_of(request.start))
        direction, length = self._way(request, into, start)
        size = (length, request.width, request.height, request.begin)
        ground = obstacles.ground_plane
        if request.airborne:
            up = (0.0, -1.0, 0.0) if ground is None else ground.up
            return SweptBox.floating(start, direction, *size, up=up).grown(request.margin)
        if ground is None:
            return None
        lowest = obstacles.rules.min_height_m
        if not request.height > lowest:
            raise StatusError(
                Code.BAD_QUESTION,
                f"height = {request.height:g} m: must be greater than obstacle_min_height_m = "
                f"{lowest:g} m, over which a thing drives",
            )
        if request.to_target:  # the way is measured on the ground
            length = float(np.linalg.norm(ground.level_axes()[:2] @ (direction * length)))
            size = (length, *size[1:])
        box = SweptBox.standing(ground, start, direction, *size, clearance_m=lowest)
        return box.grown(request.margin)

    def _way(self, request, into, start) -> tuple[np.ndarray, float]:
        """Return the direction, a unit vector in the optical frame, and how far it goes [m]."""
        if request.to_target:
            way = into(xyz_of(request.target)) - start
            length = float(np.linalg.norm(way))
            if not 0 < length <= MOST_M:
                raise StatusError(
                    Code.BAD_QUESTION,
                    f"target is {length:g} m from start: must be positive and at most {MOST_M:g}",
                )
            return way / length, length
        direction = xyz_of(request.direction)
        if not np.any(direction):
            direction = (1.0, 0.0, 0.0) if request.frame_id else (0.0, 0.0, 1.0)
        direction = np.asarray(direction) / np.abs(direction).max()  # of any length
        direction = into(direction) - into((0.0, 0.0, 0.0))
        return direction / np.linalg.norm(direction), request.length

    def _checked(self, obstacles, box: SweptBox | None, begin_m: float) -> Clearance:
        if box is None:
            why = self._surroundings.why_no_ground()
            return Clearance(Verdict.UNKNOWN, why, free_m=begin_m)
        return check_clearance(obstacles, box, self._surroundings.clearance_rules())

    async def _free_headings(
        self, obstacles, box: SweptBox | None, request, until: float
    ) -> list[float]:
        """Return how far it is free for each heading; the begin itself without a ground."""
        if box is None:
            return [request.begin] * len(request.headings)
        yaws, rules = request.headings, self._surroundings.clearance_rules()
        if len(yaws) <= FEW_HEADINGS:
            return free_distances(obstacles, box, yaws, rules)
        look = partial(free_distances, obstacles, box, yaws, rules)
        return await self._scheduler.compute(look, until)

    def _fill(self, message, found: Clearance, obstacles, back) -> None:
        """Put what was found into a reply or a message; ``back``: optical to its frame."""
        near = found.obstacle
        point = near.point_m if back is None else back(near.point_m)
        ground = None if obstacles is None else obstacles.ground_plane
        message.clear, message.verdict = found.clear, int(found.verdict)
        message.text = encodable(found.text)
        message.distance, message.low, message.p10 = near.distance_m, near.low_m, near.p10_m
        message.nearest = point_msg(point)
        message.nearest_pixel = Pixel(u=near.pixel[0], v=near.pixel[1])
        message.free, message.visible_from = found.free_m, found.visible_from_m
        message.drop, message.valid_fraction = found.drop_m, found.valid_fraction
        message.outside_view, message.hidden = found.outside_view, found.hidden
        message.invalid = found.invalid
        message.camera_height = NAN if ground is None else ground.height_m
        message.ground_confidence = NAN if ground is None else ground.confidence

    # -- standing corridor --------------------------------------------------------------------

    def wanted(self) -> bool:
        """Tell whether anybody listens to the standing corridor."""
        return self._publisher.get_subscription_count() > 0

    def publish(self, frame_depth) -> None:
        """Publish the corridor as this frame shows it; on the worker."""
        values, now = self._node.parameters.values, time.monotonic()
        markers = self._depth_publishers.has_subscriber("markers")
        if not (self.wanted() or markers) or now - self._last < _period(values.clearance_rate_hz):
            return
        self._last = now
        obstacles = self._surroundings.obstacles(frame_depth.depth_map)
        message = self._corridor(values)
        box = self._box(obstacles, _Corridor(message), np.asarray)
        found = self._checked(obstacles, box, message.begin)
        self._show(frame_depth, box, found, obstacles)
        try:
            self._send(message, found, obstacles, frame_depth)
        except StatusError as refusal:
            self._send_refusal(message, refusal, frame_depth)

    def _corridor(self, values) -> ClearanceMsg:
        return ClearanceMsg(
            begin=values.clearance_begin_m,
            length=values.clearance_length_m,
            width=values.clearance_width_m,
            height=values.clearance_height_m,
            margin=values.clearance_margin_m,
        )

    def _send(self, message, found: Clearance, obstacles, frame_depth) -> None:
        """Publish what was found; StatusError(STALE) when the image is too old by now."""
        self._fill(message, found, obstacles, None)
        message.header = conversions.header_of(frame_depth.frame)
        message.source = named_source("dense", frame_depth.scale)
        message.status = conversions.status_msg(Code.OK)
        message.age = responses.duration(self._scheduler.check_fresh(frame_depth))
        self._publisher.publish(message)

    def _send_refusal(self, message, status: StatusError, frame_depth) -> None:
        """Publish that nothing is known: not clear."""
        self._fill(message, Clearance(Verdict.UNKNOWN, status.text), None, None)
        message.status = conversions.status_msg(status.code, status.text)
        message.header = responses.header_in(frame_depth, "")
        message.age = responses.duration(self._age_s(frame_depth))
        self._guard.wrap("publishing ~/clearance", self._publisher.publish)(message)

    def _show(self, frame_depth, box: SweptBox | None, found: Clearance, obstacles) -> None:
        if self._depth_publishers.has_subscriber("markers"):
            header = conversions.header_of(frame_depth.frame)
            markers = clearance_markers(box, found, obstacles.ground_plane, header)
            self._depth_publishers.publish_message("markers", markers)

    # -- clicked target -----------------------------------------------------------------------

    def _on_target(self, message: PointStamped) -> None:
        if self.wanted() or self._depth_publishers.has_subscriber("markers"):
            self._node.executor.create_task(self._answer_target, message)

    async def _answer_target(self, target: PointStamped) -> None:
        message, frame_depth = self._corridor(self._node.parameters.values), None
        try:
            until = time.monotonic() + self._node.parameters.values.deadline
            frame_depth = await self._scheduler.fresh_depth(until)
            obstacles = await self._surroundings.obstacles_for(frame_depth.depth_map, until)
            clicks.check_finite(xyz_of(target.point))
            clicked_ns = requested_stamp_ns(target.header.stamp)
            into = await self._transform(
                "", target.header.frame_id, frame_depth, until, clicked_ns
            )
            corridor = _Corridor(message, target=into(xyz_of(target.point)))
            box = self._box(obstacles, corridor, np.asarray)
            found = self._checked(obstacles, box, message.begin)
            if box is not None:
                message.length = box.end_m - message.margin
            self._show(frame_depth, box, found, obstacles)
            self._send(message, found, obstacles, frame_depth)
        except Exception as error:  # every target gets an answer
            self._send_refusal(message, self._status_of("~/clearance_target", error), frame_depth)


class _Corridor:
    """A ``Clearance`` message read as a request in the camera's own frame."""

    frame_id, airborne = "", False

    def __init__(self, message: ClearanceMsg, target=None):
        self.start = self.direction = Point()
        self.to_target = target is not None
        if target is not None:
            self.target = point_msg(target)
        for name in ("begin", "length", "width", "height", "margin"):
            setattr(self, name, getattr(message, name))


def _period(rate_hz: float) -> float:
    return 1.0 / rate_hz if rate_hz > 0 else 0.0


def _check_request(request) -> None:
    """Refuse sizes that make no box, with the rule."""
    sizes = {name: getattr(request, name) for name in ("width", "height", "length", "margin")}
    for name, value in sizes.items():
        may_be_0 = name == "margin" or name == "length" and request.to_target
        least_ok = value >= 0 if may_be_0 else value > 0
        if not (math.isfinite(value) and least_ok and value <= MOST_M):
            raise StatusError(
                Code.BAD_QUESTION,
                f"{name} = {value:g} m: must be positive and at most {MOST_M:g} m, as in "
                "{width: 0.6, height: 1.0, length: 2.0, begin: 0.8}",
            )
    numbers = [*request.headings, *xyz_of(request.direction)]
    if not all(map(math.isfinite, numbers)) or len(request.headings) > MOST_HEADINGS:
        raise StatusError(
            Code.BAD_QUESTION,
            f"headings and direction must be finite numbers, and headings at most {MOST_HEADINGS}",
        )
    for name in ("start", "target"):
        if not (np.abs(xyz := xyz_of(getattr(request, name))) <= FARTHEST_M).all():
            raise StatusError(
                Code.BAD_QUESTION,
                f"{name} = {tuple(xyz.tolist())} m: must be finite, and within {FARTHEST_M:g} m "
                "of its frame's origin",
            )
    if not abs(request.begin) <= MOST_M:
        raise StatusError(
            Code.BAD_QUESTION,
            f"begin = {request.begin:g} m: must be from -{MOST_M:g} to {MOST_M:g} m",
        )
