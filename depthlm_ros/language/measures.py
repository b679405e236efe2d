"""The value of a task and its interval, out of the readings at its points. Pure arithmetic.

A reading has ``distance_m``, ``depth_m``, ``low_m``, ``high_m`` (of the distance) and ``point_m``
(x right, y down, z forward, metres, the camera's optical frame). Its point may lie anywhere
between low and high on its ray; the errors of two readings are taken as unrelated, which is the
worst case.
"""

import math

import numpy as np

from depthlm_ros.geometry.distance_range import range_of_distance
from depthlm_ros.language.question import Question
from depthlm_ros.tasks import Task

_AXES = {
    Task.LATERAL: 0,
    Task.VERTICAL: 1,
    Task.DEPTH: 2,
    Task.TWO_POINT_LATERAL: 0,
    Task.TWO_POINT_VERTICAL: 1,
    Task.TWO_POINT_DEPTH: 2,
}
_SIGNS = {"left": -1.0, "right": 1.0, "up": -1.0, "down": 1.0, "forward": 1.0}
"""Directions along x (right), y (down) and z."""


def measure(question: Question, readings) -> tuple[float, float, float]:
    """Return (value, low, high) in the task's unit; low and high are NaN where unknown."""
    task = question.task
    if task in (Task.SPEED, Task.TIME):
        value, low, high = (number / question.amount for number in _distance(readings[0]))
        return value, low, high
    if task is Task.DISTANCE:
        return _distance(readings[0])
    if task in (Task.BEARING, Task.TWO_POINT_ANGLE):
        angle = _bearing(readings[0]) if task is Task.BEARING else _angle(*readings)
        return angle, angle, angle  # of the rays, which no depth changes
    if task in (Task.DISTANCE_DIFFERENCE, Task.NEARER, Task.FARTHER):
        return _difference(task, *readings)
    if task in _AXES:
        return _along(question, readings)
    if task is Task.HORIZONTAL:
        return _scaled(readings[0], _level(readings[0]))
    flat = task in (Task.TWO_POINT_HORIZONTAL, Task.PASSAGE)
    return _apart(*readings, flat=flat)


def _distance(reading) -> tuple[float, float, float]:
    return reading.distance_m, reading.low_m, reading.high_m


def _scales(reading) -> tuple[float, float]:
    """Return by what factors the point may move along its ray."""
    if not reading.distance_m:
        return math.nan, math.nan
    return reading.low_m / reading.distance_m, reading.high_m / reading.distance_m


def _scaled(reading, value: float) -> tuple[float, float, float]:
    """Return a value that grows with the range, with its interval in order."""
    ends = [value * scale for scale in _scales(reading)]
    return value, min(ends), max(ends)


def _level(reading) -> float:
    return math.hypot(reading.point_m[0], reading.point_m[2])


def _bearing(reading) -> float:
    return math.atan2(reading.point_m[0], reading.point_m[2])


def _angle(first, second) -> float:
    """Return the angle between two rays [rad], well conditioned for small ones."""
    p, q = (np.asarray(reading.point_m, dtype=float) for reading in (first, second))
    return math.atan2(float(np.linalg.norm(np.cross(p, q))), float(p @ q))


def _difference(task: Task, first, second) -> tuple[float, float, float]:
    """Return how much farther the first is; for a comparison by how much the right one is so."""
    value = first.distance_m - second.distance_m
    low, high = first.low_m - second.high_m, first.high_m - second.low_m
    if task is not Task.DISTANCE_DIFFERENCE and value < 0:
        return -value, -high, -low
    return value, low, high


def _along(question: Question, readings) -> tuple[float, float, float]:
    """Return a component along an axis, or the difference of two.

    With a direction: positive that way, of the first from the second where there are two; without
    one: its size.
    """
    axis, sign = _AXES[question.task], _SIGNS.get(question.direction, 0.0)
    ends = [_scaled(reading, reading.point_m[axis]) for reading in readings]
    value, low, high = ends[0]
    if len(ends) == 2:
        value, low, high = value - ends[1][0], low - ends[1][2], high - ends[1][1]
    if question.task is Task.DEPTH:
        return value, low, high
    if sign:
        return (value, low, high) if sign > 0 else (-value, -high, -low)
    if math.isnan(low) or math.isnan(high):
        return abs(value), math.nan, math.nan
    least = 0.0 if low <= 0.0 <= high else min(abs(low), abs(high))
    return abs(value), least, max(abs(low), abs(high))


def _apart(first, second, flat: bool) -> tuple[float, float, float]:
    """Return the distance of two points; ``flat``: in the plane of the x and z axes."""
    points = [np.asarray(reading.point_m, dtype=float) for reading in (first, second)]
    if flat:
        points = [point * (1.0, 0.0, 1.0) for point in points]
    value = float(np.linalg.norm(points[0] - points[1]))
    return value, *range_of_distance(points, [_scales(first), _scales(second)])


def two_point_interval(first, second) -> tuple[float, float]:
    """Return least and greatest distance of two points whose ranges vary over their intervals."""
    return _apart(first, second, flat=False)[1:]
