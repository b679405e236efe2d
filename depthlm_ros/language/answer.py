"""From a read question and the depth at its points to an answer: value, 90 % interval, sentence.

The numbers rest on geometry and their sentences are fixed templates. What a model writes to a
question in free words is passed on as advice, with no number.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from depthlm_ros.interval import UNKNOWN, Interval, weakest
from depthlm_ros.language.quantities import LENGTHS_M, format_number
from depthlm_ros.language.question import Question, Task
from depthlm_ros.sanitize import clean
from depthlm_ros.status import Code

UNITS = {
    Task.DISTANCE: "m",
    Task.DEPTH: "m",
    Task.SPEED: "m/s",
    Task.TIME: "s",
    Task.TWO_POINT_DISTANCE: "m",
}
"""The SI unit of every task's value."""
MAX_SENTENCE = 400
MAX_REPLY = 1000
FREE = "free"
"""The task of a question in free words."""


@dataclass(frozen=True)
class Answer:
    """What an asker gets.

    ``value``, ``low``, ``high`` in ``unit`` (SI): NaN unless ``code`` is OK, and always for the
    task FREE; the interval alone is NaN where the model's error is unknown. ``sentence`` for
    people. ``evidence``: the point readings that the value rests on, as they came. ``source``:
    "dense", "marker" or "language". ``interval``: what low and high rest on.
    """

    code: Code
    text: str
    task: str
    unit: str
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    sentence: str = ""
    evidence: tuple = ()
    source: str = ""
    interval: Interval = UNKNOWN

    @property
    def success(self) -> bool:
        """True exactly when the question was answered."""
        return self.code == Code.OK


def refused(code: Code, text: str, task: str = "", unit: str = "", evidence=()) -> Answer:
    """Return an answer without a number."""
    said = clean(text, MAX_SENTENCE)
    return Answer(
        Code(code), said, task, unit, sentence=f"No answer: {said}", evidence=tuple(evidence)
    )


def answer_freely(reply: str) -> Answer:
    """Return a model's own words as an answer: one safe line; NO_ANSWER where there are none."""
    said = clean(reply, MAX_REPLY)
    if not any(character.isalnum() for character in said):
        return refused(Code.NO_ANSWER, "the model wrote nothing: ask in other words", FREE)
    return Answer(Code.OK, "", FREE, "", sentence=said, source="language")


def answer_question(question: Question, readings: Sequence) -> Answer:
    """Answer from the readings at the question's points, in order.

    A reading has ``code``, ``text``, ``distance_m``, ``depth_m``, ``low_m``, ``high_m`` (of the
    distance), ``point_m`` (x, y, z in metres, the camera's optical frame) and ``source``. The
    first reading that is not OK makes the answer's status.
    """
    task, unit = question.task, UNITS[question.task]
    for reading in readings:
        if reading.code != Code.OK:
            return refused(reading.code, reading.text, task.value, unit, readings)
    value, low, high = _VALUES[task](question, readings)
    if not math.isfinite(value):
        return refused(
            Code.NO_DEPTH,
            f"the {task.value} came out as {value}: there is no finite depth here",
            task.value,
            unit,
            readings,
        )
    interval = weakest(getattr(reading, "interval", UNKNOWN) for reading in readings)
    return Answer(
        Code.OK,
        "",
        task.value,
        unit,
        value,
        low,
        high,
        _sentence(question, value, low, high, interval),
        tuple(readings),
        readings[0].source,
        interval,
    )


def _distance(question, readings):
    reading = readings[0]
    return reading.distance_m, reading.low_m, reading.high_m


def _depth(question, readings):
    """z-depth; the interval of the distance shrinks by the cosine of the ray."""
    reading = readings[0]
    cosine = reading.depth_m / reading.distance_m if reading.distance_m else math.nan
    return reading.depth_m, reading.low_m * cosine, reading.high_m * cosine


def _scaled(divisor):
    """Return the function that divides the distance by the amount: v = d / t, t = d / v."""

    def value(question, readings):
        return tuple(number / divisor(question) for number in _distance(question, readings))

    return value


def _two_points(question, readings):
    first, second = readings
    apart = float(np.linalg.norm(np.subtract(first.point_m, second.point_m)))
    return apart, *two_point_interval(first, second)


_VALUES = {
    Task.DISTANCE: _distance,
    Task.DEPTH: _depth,
    Task.SPEED: _scaled(lambda q: q.amount),
    Task.TIME: _scaled(lambda q: q.amount),
    Task.TWO_POINT_DISTANCE: _two_points,
}


def two_point_interval(first, second) -> tuple[float, float]:
    """Return least and greatest distance of two points whose ranges vary over their intervals.

    Worst case: the two errors are taken as unrelated, although in one image they mostly go
    together. With ranges a, b on rays at an angle of cosine c the squared distance is a2 + b2 -
    2abc: convex, so the greatest is at a corner of the box, and the least on an edge (where a = bc
    or b = ac, clipped to it).
    """
    points = (np.asarray(reading.point_m, dtype=float) for reading in (first, second))
    rays = [point / np.linalg.norm(point) for point in points]
    c = float(np.clip(rays[0] @ rays[1], -1.0, 1.0))
    boxes = [(first.low_m, first.high_m), (second.low_m, second.high_m)]
    if not all(math.isfinite(end) for box in boxes for end in box):
        return math.nan, math.nan

    def apart(a, b):
        return math.sqrt(max(0.0, a * a + b * b - 2 * a * b * c))

    corners = [apart(a, b) for a in boxes[0] for b in boxes[1]]
    edges = [apart(a, min(max(a * c, boxes[1][0]), boxes[1][1])) for a in boxes[0]]
    edges += [apart(min(max(b * c, boxes[0][0]), boxes[0][1]), b) for b in boxes[1]]
    return min(corners + edges), max(corners)


def _sentence(question: Question, value: float, low: float, high: float, interval) -> str:
    said = f"{_LEADS[question.task](question)} {_reading(question, value, low, high, interval)}."
    return f"{said} No point was given: it is the image centre." if question.assumed else said


_LEADS = {
    Task.DISTANCE: lambda q: "The point is at a distance of",
    Task.DEPTH: lambda q: "Along the camera's axis the point is at",
    Task.SPEED: lambda q: f"To arrive in {format_number(q.amount)} s, the speed must be",
    Task.TIME: lambda q: f"At {format_number(q.amount)} m/s, the way to the point takes",
    Task.TWO_POINT_DISTANCE: lambda q: "The two points are apart by",
}


def _reading(question: Question, value: float, low: float, high: float, interval) -> str:
    """Write value and interval, first in the unit asked for where that is not the metre."""
    unit = UNITS[question.task]
    basis = f", {interval}" if interval.kind else ""
    interval = (
        f"90 % between {format_number(low)} and {format_number(high)} {unit}{basis}"
        if math.isfinite(low) and math.isfinite(high)
        else "the error is unknown"
    )
    metric = f"{format_number(value)} {unit}"
    if unit == "m" and question.unit != "m":
        asked = value / LENGTHS_M[question.unit]
        return f"{format_number(asked)} {question.unit} = {metric} ({interval})"
    return f"{metric} ({interval})"
