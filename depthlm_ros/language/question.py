"""What is asked: a question in free English about points of the image, read into a typed task.

Knows the wording of people and of the papers (DepthLM section 3, the six tasks). Does not know
where a named thing is, nor how far anything is. The node's own templates are fixed; nothing of a
question's text reaches a prompt, a path or a format string.
"""

import math
import unicodedata
from dataclasses import dataclass, field
from enum import Enum

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.language import phrases
from depthlm_ros.language.pixel_references import CENTRE, STRAIGHT_AHEAD, read_points
from depthlm_ros.language.quantities import format_number, read_quantities, wanted_length_unit
from depthlm_ros.sanitize import clean, has_control_characters
from depthlm_ros.status import Code, StatusError

MAX_QUESTION = 1000
"""Characters a question may have."""
MAX_AMOUNT = 1e6
"""Seconds or metres a second above which a number is taken for a slip."""


class Task(str, Enum):
    """What the value of an answer is."""

    DISTANCE = "distance"
    """Euclidean distance from the camera to the point, m."""
    DEPTH = "depth"
    """Distance along the camera's principal axis (REP-118), m."""
    SPEED = "speed"
    """Speed that covers the distance in the given time, m/s."""
    TIME = "time"
    """Time that the distance takes at the given speed, s."""
    TWO_POINT_DISTANCE = "two_point_distance"
    """Straight line between two points, m."""

    @property
    def points(self) -> int:
        """How many points the task needs."""
        return 2 if self is Task.TWO_POINT_DISTANCE else 1


@dataclass(frozen=True)
class Question:
    """A question that can be answered once the depth at its points is known.

    ``points``: pixels (u, v), or CENTRE or STRAIGHT_AHEAD, as many as the task needs. ``amount``:
    seconds for SPEED, metres a second for TIME, else NaN. ``unit``: the length unit the asker
    wants to read, the answer's value stays in SI. ``declared``: width, height, fx, fy, cx, cy that
    the question states. ``assumed``: nobody gave the point, the centre was taken for it.
    """

    task: Task
    points: tuple
    amount: float = math.nan
    unit: str = "m"
    declared: dict = field(default_factory=dict)
    assumed: bool = False

    def pixels(self, camera: PinholeCamera) -> list[tuple[float, float]]:
        """Return the points as pixels of the image that ``camera`` describes.

        Raises StatusError(BAD_QUESTION) when the question states another image size or other
        intrinsics.
        """
        for name, stated in self.declared.items():
            actual = float(getattr(camera, name))
            if not math.isclose(stated, actual, rel_tol=0.01, abs_tol=1.0):
                raise StatusError(
                    Code.BAD_QUESTION,
                    f"the question says {name} = {stated:g}, the image has "
                    f"{actual:g}: leave it out, or give pixels of this image",
                )
        named = {
            CENTRE: ((camera.width - 1) / 2, (camera.height - 1) / 2),
            STRAIGHT_AHEAD: (camera.cx, camera.cy),
        }
        return [named.get(point, point) for point in self.points]


class InFreeWords(StatusError):
    """No question of the typed tasks: a model that writes may answer it in its own words."""


@dataclass(frozen=True)
class FreeQuestion:
    """A question about the whole image in free words: no number comes of it.

    ``words``: the question, one safe line. ``refusal``: the answer of a model that cannot write.
    """

    words: str
    refusal: StatusError


def read_any_question(
    text: str, pixels=(), max_length: int = MAX_QUESTION
) -> Question | FreeQuestion:
    """Read a typed question, else one in free words; raises what ``read_question`` raises.

    Whether a way is free and whatever is a measure is refused in free words (UNSUPPORTED), since
    robots act on that; so is a free question with pixels (BAD_QUESTION), which words cannot point
    at.
    """
    try:
        return read_question(text, pixels, max_length)
    except InFreeWords as refusal:
        plain = _normalise(text, max_length)
        for pattern, reason in phrases.NOT_FREELY:
            if pattern.search(plain):
                raise StatusError(Code.UNSUPPORTED, reason) from refusal
        if len(pixels) or read_points(plain)[0]:
            raise StatusError(
                Code.BAD_QUESTION,
                "a question in free words is about the whole image: leave the pixels out, or ask "
                f"for example {phrases.EXAMPLES}",
            ) from refusal
        return FreeQuestion(clean(text, max_length), refusal)


def read_question(text: str, pixels=(), max_length: int = MAX_QUESTION) -> Question:
    """Read a question; ``pixels`` (u, v) came beside it and go before those in the text.

    "This point" with no pixel anywhere is the centre of the image.

    Raises StatusError: BAD_QUESTION when it is empty, too long, has control characters, lacks a
    number or a point; UNSUPPORTED when it asks for something else than the five tasks or about a
    named thing. InFreeWords, which is one of these, when it asks for no measure at all.
    """
    plain = _normalise(text, max_length)
    declared, plain = phrases.read_declared(plain)
    found, plain = read_points(plain)
    quantities = read_quantities(plain)
    _refuse_other_kinds(quantities.rest)
    task, amount = _task_of(quantities, len(pixels) + len(found))
    given = [tuple(p) for p in pixels]
    assumed = task.points == 1 and not given + found and phrases.means_the_centre(quantities.rest)
    points = _points_for(task, given + [CENTRE] * assumed, found, quantities.rest)
    return Question(task, points, amount, wanted_length_unit(plain), declared, assumed)


def _normalise(text: str, max_length: int) -> str:
    if len(text) > max_length:
        raise StatusError(
            Code.BAD_QUESTION,
            f"the question has {len(text)} characters: at most {max_length}; shorten it",
        )
    if has_control_characters(text):
        raise StatusError(
            Code.BAD_QUESTION,
            "the question holds control characters or broken text: send plain UTF-8 text",
        )
    plain = clean(unicodedata.normalize("NFKC", text).lower(), 4 * max_length)
    if not any(c.isalnum() for c in plain):
        raise StatusError(
            Code.BAD_QUESTION, f"the question is empty: ask for example {phrases.EXAMPLES}"
        )
    return phrases.strip_reply_format(plain)


def _refuse_other_kinds(rest: str) -> None:
    """Refuse what is understood and not offered."""
    for pattern, reason in phrases.UNSUPPORTED:
        if pattern.search(rest):
            raise StatusError(Code.UNSUPPORTED, reason)
    for pattern, reason in phrases.FREE_ONLY:
        if pattern.search(rest):
            raise InFreeWords(Code.UNSUPPORTED, reason)


def _task_of(quantities, given: int) -> tuple[Task, float]:
    """Return the task and its amount (seconds, or metres a second)."""
    rest, speeds, times = quantities.rest, quantities.speeds_m_s, quantities.times_s
    if quantities.lengths_m:
        raise StatusError(
            Code.UNSUPPORTED,
            "the question states a length: ask for the distance itself and "
            "compare, lengths are not taken into account",
        )
    if speeds and times:
        raise StatusError(
            Code.BAD_QUESTION,
            "the question states a speed and a time: give the time to get a "
            "speed, or the speed to get a time",
        )
    if times or phrases.ASKS_SPEED.search(rest):
        return Task.SPEED, _amount(
            sum(times), bool(times), "time", "s", "... to reach this point in 2 s?"
        )
    if speeds or phrases.ASKS_TIME.search(rest):
        if len(speeds) > 1:
            raise StatusError(
                Code.BAD_QUESTION, f"the question states {len(speeds)} speeds: give one"
            )
        return Task.TIME, _amount(
            sum(speeds), bool(speeds), "speed", "m/s", "... to reach this point at 0.5 m/s?"
        )
    if phrases.asks_two_points(rest, given):
        return Task.TWO_POINT_DISTANCE, math.nan
    if phrases.ASKS_DEPTH.search(rest):
        return Task.DEPTH, math.nan
    if phrases.ASKS_DISTANCE.search(rest):
        return Task.DISTANCE, math.nan
    raise InFreeWords(
        Code.BAD_QUESTION,
        f"this is not a question that can be read here: ask for example {phrases.EXAMPLES}",
    )


def _amount(value: float, given: bool, name: str, unit: str, example: str) -> float:
    if not given:
        raise StatusError(
            Code.BAD_QUESTION,
            f"the question lacks a {name} with its unit: write for example {example!r}",
        )
    if not 0 < value <= MAX_AMOUNT:
        raise StatusError(
            Code.BAD_QUESTION,
            f"a {name} of {format_number(value)} {unit}: must be above 0 and at "
            f"most {MAX_AMOUNT:g} {unit}",
        )
    return value


def _points_for(task: Task, given: list, found: list, rest: str) -> tuple:
    """Choose the task's points, or say what is missing and how to give it."""
    points = given + [p for p in found if p is not STRAIGHT_AHEAD]
    if len(points) < task.points:  # "ahead" counts only where no other point is meant
        points += [p for p in found if p is STRAIGHT_AHEAD][:1]
    if len(points) == task.points:
        return tuple(points)
    if len(points) > task.points:
        raise StatusError(
            Code.BAD_QUESTION,
            f"{task.value} is about {task.points} "
            f"point{'s' * (task.points > 1)}, {len(points)} given: {phrases.TOO_MANY}",
        )
    thing = phrases.named_thing(rest)
    if thing:
        raise StatusError(
            Code.UNSUPPORTED,
            f"the question is about {clean(thing, 40)!r}: this model cannot "
            f"find named things; {phrases.HOW_TO_GIVE_POINTS}",
        )
    raise StatusError(
        Code.BAD_QUESTION,
        f"{task.value} needs {task.points} point{'s' * (task.points > 1)}, "
        f"{len(points)} given: {phrases.HOW_TO_GIVE_POINTS}",
    )
