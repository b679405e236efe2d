"""From a read question and the depth at its points to an answer: value, 90 % interval, sentence.

The numbers rest on geometry and their sentences are fixed templates. What a model writes to a
question in free words is passed on as advice, with no number.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from depthlm_ros.interval import UNKNOWN, Interval, weakest
from depthlm_ros.language.measures import measure, two_point_interval
from depthlm_ros.language.pixel_references import CENTRE, STRAIGHT_AHEAD, RelativePoint
from depthlm_ros.language.quantities import format_number
from depthlm_ros.language.question import Question
from depthlm_ros.language.unit_tables import LENGTHS_M
from depthlm_ros.sanitize import clean
from depthlm_ros.status import Code
from depthlm_ros.tasks import Task

__all__ = ["Answer", "answer_freely", "answer_question", "refused", "two_point_interval"]

MAX_SENTENCE = 400
MAX_REPLY = 1000
FREE = "free"
"""The task of a question in free words."""


_MEASURE = re.compile(
    r"\d\s*(?:m|cm|mm|km|ft|met(?:er|re)s?|(?:centi|milli|kilo)met(?:er|re)s?|feet|foot|yards?|"
    r"inch(?:es)?)\b",
    re.IGNORECASE,
)
"""A number with a unit of length: what words of a model must not give."""


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


def answered(
    task: Task,
    measured: tuple,
    sentence: str,
    evidence: Sequence = (),
    source: str = "dense",
    interval: Interval = UNKNOWN,
) -> Answer:
    """Return an answer with its number; ``measured``: (value, low, high) in the task's unit."""
    numbers = (*measured, sentence, tuple(evidence), source, interval)
    return Answer(Code.OK, "", task.value, task.unit, *numbers)


def answer_freely(reply: str) -> Answer:
    """Return a model's own words as an answer: one safe line; NO_ANSWER where there are none."""
    said = clean(reply, MAX_REPLY)
    if not any(character.isalnum() for character in said):
        return refused(Code.NO_ANSWER, "the model wrote nothing: ask in other words", FREE)
    if found := _MEASURE.search(said):
        return refused(
            Code.NO_ANSWER,
            f"the model's words hold a measure ({found[0].strip()!r}), which rests on nothing: "
            "ask for a distance",
            FREE,
        )
    return Answer(Code.OK, "", FREE, "", sentence=said, source="language")


def answer_question(
    question: Question, readings: Sequence, names: Sequence = (), measured: tuple = ()
) -> Answer:
    """Answer from the readings at the question's points, in order.

    A reading has ``code``, ``text``, ``pixel``, ``distance_m``, ``depth_m``, ``low_m``, ``high_m``
    (of the distance), ``point_m`` (x, y, z in metres, the camera's optical frame) and ``source``.
    The first reading that is not OK makes the answer's status. ``names``: what to call the points,
    as in "the door"; empty for a point that is only that. ``measured``: (value, low, high) where
    they come of more than the readings.
    """
    task, unit = question.task, question.task.unit
    for reading in readings:
        if reading.code != Code.OK:
            return refused(reading.code, reading.text, task.value, unit, readings)
    value, low, high = measured or measure(question, readings)
    if not math.isfinite(value):
        return refused(
            Code.NO_DEPTH,
            f"the {task.value} came out as {value}: there is no finite depth here",
            task.value,
            unit,
            readings,
        )
    names = [*names, "", ""][:2]
    said = _said(question, value, low, high, readings, names) + _assumptions(question, readings)
    interval = weakest(getattr(reading, "interval", UNKNOWN) for reading in readings)
    if interval.kind and math.isfinite(low):
        said += f" The interval is {interval}."
    interval = interval if math.isfinite(low) else UNKNOWN
    return answered(task, (value, low, high), said, readings, readings[0].source, interval)


def _said(question: Question, value, low, high, readings, names) -> str:
    """Return the sentence of a task."""
    task = question.task
    if task in (Task.NEARER, Task.FARTHER):
        return _comparison(task, value, low, readings, names)
    if task is Task.PASSAGE:
        return _passage(question, value, low, high, names)
    if task in (Task.LATERAL, Task.VERTICAL, Task.TWO_POINT_LATERAL, Task.TWO_POINT_VERTICAL):
        return _component(question, value, low, high, readings, names)
    amount = format_number(question.amount)
    lead = {
        Task.DISTANCE: f"{_the(names[0])} is at a distance of",
        Task.DEPTH: f"Along the camera's axis {_the(names[0], False)} is at",
        Task.SPEED: f"To arrive in {amount} s, the speed must be",
        Task.TIME: f"At {amount} m/s, the way to {_the(names[0], False)} takes",
        Task.HORIZONTAL: f"{_the(names[0])} is, along the level of the camera's axes, at",
        Task.BEARING: f"{_the(names[0])} is, from the camera's axis, "
        f"to the {'right' if value > 0 else 'left'} by",
        Task.TWO_POINT_DISTANCE: f"{_both(names)} are apart by",
        Task.TWO_POINT_DEPTH: f"Along the camera's axis {_both(names, False)} are apart by",
        Task.TWO_POINT_HORIZONTAL: f"Along the level of the camera's axes {_both(names, False)} "
        "are apart by",
        Task.TWO_POINT_ANGLE: f"Seen from the camera {_both(names, False)} are apart by",
        Task.DISTANCE_DIFFERENCE: f"{_the(names[0] or 'first point')} is farther than "
        f"{_the(names[1] or 'second point', False)} by",
    }[task]
    return f"{lead} {said_value(question, value, low, high)}."


def _the(name: str, begins: bool = True) -> str:
    """Return "The door", or "The point" where it has no name."""
    return f"{'The' if begins else 'the'} {name or 'point'}"


def _both(names, begins: bool = True) -> str:
    the = "The" if begins else "the"
    if not any(names):
        return f"{the} two points"
    first, second = (name or "point" for name in names)
    return f"{the} {first} and the {second}"


def _component(question: Question, value, low, high, readings, names) -> str:
    """Say a component with the side on which it really is, whatever was asked."""
    axis = 0 if question.task in (Task.LATERAL, Task.TWO_POINT_LATERAL) else 1
    signed = readings[0].point_m[axis]
    of = "the camera's axis" if axis == 0 else "the camera"
    if len(readings) == 2:
        signed -= readings[1].point_m[axis]
        of = _the(names[1] or "second point", False)
        names = [names[0] or "first point"]
    side = (("right", "left"), ("below", "above"))[axis][signed < 0]
    where = f"to the {side} of" if axis == 0 else side
    numbers = said_value(question, value, low, high)
    note = "" if value >= 0 else " (not on the side asked for: the value is negative)"
    return f"{_the(names[0])} is {where} {of} by {numbers}, in the camera's own axes{note}."


def _comparison(task: Task, margin: float, low: float, readings, names) -> str:
    """Say which is nearer or farther, with both distances; and whether that is sure."""
    names = [names[0] or "first point", names[1] or "second point"]
    order = sorted((0, 1), key=lambda i: readings[i].distance_m, reverse=task is Task.FARTHER)
    distances = [f"{format_number(readings[i].distance_m)} m" for i in order]
    word = task.value
    sure = (
        ""
        if low > 0
        else " The intervals of the two overlap: it may be the other way round."
        if math.isfinite(low)
        else " The error is unknown: it may be the other way round."
    )
    return (
        f"The {names[order[0]]} is {word}: {distances[0]}, and the {names[order[1]]} "
        f"{distances[1]}, "
        f"{format_number(margin)} m between them.{sure}"
    )


def _passage(question: Question, value, low, high, names) -> str:
    """Say how wide a gap is; and whether something fits, yes only where the least width does."""
    gap = f"Between {_both(names, False)} there are {said_value(question, value, low, high)}"
    width = question.width_m
    if math.isnan(width):
        return f"{gap}, measured level between the two."
    asked = f"{format_number(width)} m"
    if low >= width:
        return f"Yes, {asked} fit: {gap[0].lower()}{gap[1:]}. What stands in the gap is not "
        "looked at."
    if high < width or value < width:
        return f"No, {asked} do not fit: {gap[0].lower()}{gap[1:]}."
    return f"Not certain to fit {asked}: {gap[0].lower()}{gap[1:]}."


def _assumptions(question: Question, readings) -> str:
    """Say which point was taken where the question did not name its pixel."""
    if question.assumed:
        return " No point was given: it is the image centre."
    notes = []
    for point, reading in zip(question.points, readings, strict=False):
        at = "({:.4g}, {:.4g})".format(*reading.pixel)
        if point is STRAIGHT_AHEAD:
            notes.append(
                f" The point is the one straight ahead, on the camera's axis: pixel {at}."
            )
        elif point is CENTRE:
            notes.append(f" The image centre is pixel {at}.")
        elif isinstance(point, RelativePoint):
            notes.append(
                f" ({point.x:.4g}, {point.y:.4g}) was taken as fractions of the image: pixel {at}."
            )
    return "".join(notes)


def said_value(question: Question, value: float, low: float, high: float) -> str:
    """Write value and interval, first in the unit asked for where that is not the metre."""
    unit = question.task.unit
    if unit == "rad":
        return (
            f"{format_number(abs(math.degrees(value)))} degrees ({format_number(abs(value))} rad)"
        )
    interval = (
        f"90 % between {format_number(low)} and {format_number(high)} {unit}"
        if math.isfinite(low) and math.isfinite(high)
        else "the error is unknown"
    )
    metric = f"{format_number(value)} {unit}"
    if unit == "m" and question.unit != "m":
        asked = value / LENGTHS_M[question.unit]
        return f"{format_number(asked)} {question.unit} = {metric} ({interval})"
    return f"{metric} ({interval})"
