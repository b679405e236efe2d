"""Free ways: how far it is free ahead, left or right, and where it is most. Geometry alone.

Who asks is a box that drives on the ground, or hovers where no ground is in view. Only what is
known to be free counts: an obstacle with its whole interval, and what is unseen is not free.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from depthlm_ros.geometry.clearance import Clearance, ClearanceRules, check_clearance
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.geometry.ground_plane import fit_ground
from depthlm_ros.geometry.obstacles import ObstacleMap
from depthlm_ros.geometry.swept_box import SweptBox
from depthlm_ros.language.answer import Answer, answered, refused
from depthlm_ros.language.quantities import format_number
from depthlm_ros.language.question import Question
from depthlm_ros.status import Code
from depthlm_ros.tasks import Task

LENGTH_M = 10.0
"""How far a way is looked at."""
SIDES = {"ahead": 0.0, "left": 0.5, "right": -0.5}
"""Direction -> share of half the view's width by which it is turned; positive to the left."""
_FAN = np.linspace(0.7, -0.7, 9)


def fitted_obstacles(depth_map: DepthMap) -> ObstacleMap:
    """Return a depth map labelled over the ground that is fitted to it."""
    return ObstacleMap.of(depth_map, fit_ground(depth_map))


@dataclass(frozen=True)
class Body:
    """Who moves: width and height [m]; it drives on the ground.

    ``obstacles``: how it tells obstacles from ground. ``rules``: when a way counts as known.
    """

    width_m: float = 0.6
    height_m: float = 1.0
    obstacles: Callable[[DepthMap], ObstacleMap] = fitted_obstacles
    rules: ClearanceRules = field(default_factory=ClearanceRules)


def answer_way(question: Question, depth_map: DepthMap, body: Body) -> Answer:
    """Answer FREE_DISTANCE or FREEST; NO_DEPTH where nothing is known of the way."""
    obstacles = body.obstacles(depth_map)
    half_view = math.atan((depth_map.camera.width / 2) / depth_map.camera.fx)
    if question.task is Task.FREEST:
        return _freest(obstacles, half_view, body)
    yaw = SIDES[question.direction or "ahead"] * half_view
    found = _look(obstacles, yaw, body)
    task = question.task
    if found is None:
        return refused(Code.NO_DEPTH, _UNSEEN, task.value, task.unit)
    value, low, high = _reach(found)
    where = _where(yaw)
    assumed = " No direction was given: it is ahead." if question.assumed else ""
    said = (
        f"{where}, {format_number(body.width_m)} m wide, the way is free for "
        f"{format_number(value)} m ({found.text}). {_BASIS}{assumed}"
    )
    said = said[0].upper() + said[1:]
    return answered(task, (value, low, high), said, interval=depth_map.interval)


_UNSEEN = "no part of the way is in view with a depth: nothing is known to be free"
_BASIS = "Known from the picture alone: use check_clearance before moving."


def _where(yaw: float) -> str:
    degrees = round(math.degrees(abs(yaw)))
    return "ahead" if not degrees else f"{degrees} degrees to the {'left' if yaw > 0 else 'right'}"


def _look(obstacles: ObstacleMap, yaw: float, body: Body) -> Clearance | None:
    """Return what is known of the way from where it comes into view; None where it never does."""
    box = _box(obstacles, body, 0.0).turned(yaw)
    first = check_clearance(obstacles, box, body.rules)
    if not math.isfinite(first.visible_from_m) or first.visible_from_m >= LENGTH_M - 0.1:
        return first if first.obstacle.pixels else None
    box = _box(obstacles, body, first.visible_from_m).turned(yaw)
    return check_clearance(obstacles, box, body.rules)


def _box(obstacles: ObstacleMap, body: Body, begin_m: float) -> SweptBox:
    sizes = (LENGTH_M, body.width_m, body.height_m, begin_m)
    if obstacles.ground_plane is None:
        return SweptBox.floating((0.0, 0.0, 0.0), (0.0, 0.0, 1.0), *sizes)
    return SweptBox.standing(
        obstacles.ground_plane,
        (0.0, 0.0, 0.0),
        (0.0, 0.0, 1.0),
        *sizes,
        clearance_m=obstacles.rules.min_height_m,
    )


def _reach(found: Clearance) -> tuple[float, float, float]:
    """Return how far the way is free: to the obstacle, or as far as is known (no upper end)."""
    obstacle = found.obstacle
    if obstacle.pixels and found.free_m >= obstacle.low_m - 0.15:
        share = obstacle.low_m / obstacle.distance_m if obstacle.distance_m else math.nan
        return obstacle.distance_m, obstacle.low_m, obstacle.distance_m / share
    return found.free_m, found.free_m, math.nan


def _freest(obstacles: ObstacleMap, half_view: float, body: Body) -> Answer:
    """Say in which direction of the view the way is free farthest."""
    task = Task.FREEST
    yaws = [float(share * half_view) for share in _FAN]
    found = [_look(obstacles, yaw, body) for yaw in yaws]
    reach = [(-1.0, 0.0, 0.0) if f is None else _reach(f) for f in found]
    best = max(range(len(yaws)), key=lambda i: (reach[i][1], -abs(yaws[i])))
    if found[best] is None or reach[best][1] <= 0:
        return refused(Code.NO_DEPTH, _UNSEEN, task.value, task.unit)
    value = reach[best][0]
    said = (
        f"The way is free farthest {_where(yaws[best])}: {format_number(value)} m "
        f"({found[best].text}). {_BASIS}"
    )
    return answered(task, reach[best], said, interval=obstacles.depth_map.interval)
