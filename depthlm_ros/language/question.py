"""What is asked: a question in free English about points or things of the image, read into a task.

Knows the wording of people and of the papers (DepthLM section 3, the six tasks). Does not know
where a named thing is, nor how far anything is. The node's own templates are fixed; nothing of a
question's text reaches a prompt (but the name of a thing), a path or a format string.
"""

import math
import re
from dataclasses import dataclass, field, replace
from enum import Flag, auto

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.language import phrases, unsupported
from depthlm_ros.language.classify import classify
from depthlm_ros.language.kind import FreeKindError, Kind
from depthlm_ros.language.motion_span import MOVED, MotionSpan, read_span
from depthlm_ros.language.normalise import prepare
from depthlm_ros.language.pixel_references import (
    CENTRE,
    STRAIGHT_AHEAD,
    RelativePoint,
    read_points,
)
from depthlm_ros.language.quantities import (
    read_quantities,
    wanted_length_unit,
)
from depthlm_ros.language.question_checks import (
    UnclearError,
    amount_of,
    in_english,
    normalise_text,
    refuse_left_over,
)
from depthlm_ros.language.question_points import points_of, refuse_beside
from depthlm_ros.language.things import (
    ALL,
    NoThingError,
    Phrase,
    Thing,
    thing_of,
)
from depthlm_ros.sanitize import clean
from depthlm_ros.status import Code, StatusError
from depthlm_ros.tasks import OF_THINGS, OF_WAYS, Task

MAX_QUESTION = 1000
"""Characters a question may have."""


class Able(Flag):
    """What whoever asks can have answered beside depth at given points."""

    POINTS = 0
    THINGS = auto()
    """Named things can be found."""
    WAYS = auto()
    """Clearance can be measured."""
    MOTION = auto()
    """The camera's pose at the time of an image is known."""


@dataclass(frozen=True)
class Question:
    """A question that can be answered once the depth at its points is known.

    ``points``: pixels (u, v), RelativePoints, CENTRE, STRAIGHT_AHEAD or Things, as many as the
    task needs. ``amount``: seconds for SPEED, metres a second for TIME, else NaN. ``unit``: the
    length unit the asker wants to read, the answer's value stays in SI. ``declared``: width,
    height, fx, fy, cx, cy that the question states. ``assumed``: nobody gave the point or the
    direction, the centre or ahead was taken for it. ``direction``: "left", "right", "up", "down",
    "forward" or "ahead", where the question has one. ``width_m``: what is to pass a gap, else NaN.
    ``span``: when the camera's motion begins and ends.
    """

    task: Task
    points: tuple
    amount: float = math.nan
    unit: str = "m"
    declared: dict = field(default_factory=dict)
    assumed: bool = False
    direction: str = ""
    width_m: float = math.nan
    span: MotionSpan = MotionSpan()

    @property
    def things(self) -> tuple:
        """The named things among the points, which must be found before ``pixels``."""
        return tuple(point for point in self.points if isinstance(point, Thing))

    def pixels(self, camera: PinholeCamera) -> list[tuple[float, float]]:
        """Return the points as pixels of the image that ``camera`` describes.

        Raises StatusError(BAD_QUESTION) when the question states another image size or other
        intrinsics, ValueError for a named thing.
        """
        for name, stated in self.declared.items():
            actual = float(getattr(camera, name))
            if not math.isclose(stated, actual, rel_tol=0.01, abs_tol=1.0):
                raise StatusError(
                    Code.BAD_QUESTION,
                    f"the question says {name} = {stated:g}, the image has "
                    f"{actual:g}: leave it out, or give pixels of this image",
                )
        return [_pixel(point, camera) for point in self.points]


def _pixel(point, camera: PinholeCamera) -> tuple[float, float]:
    if point is CENTRE:
        return (camera.width - 1) / 2, (camera.height - 1) / 2
    if point is STRAIGHT_AHEAD:
        return camera.cx, camera.cy
    if isinstance(point, RelativePoint):
        return point.pixel(camera.width, camera.height)
    if isinstance(point, Thing):
        raise ValueError(f"{point} must be found in the image first")
    return point


class InFreeWords(StatusError):
    """No question of the typed tasks: a model that writes may answer it in its own words."""


@dataclass(frozen=True)
class FreeQuestion:
    """A question about the whole image in free words: no number comes of it.

    ``words``: the question, one safe line. ``refusal``: the answer of a model that cannot write.
    ``has_pixels``: it came with pixels, which words cannot point at.
    """

    words: str
    refusal: StatusError
    has_pixels: bool = False

    def check(self, writes: bool) -> None:
        """Raise the refusal of a model that cannot write, or of pixels beside free words."""
        if not writes:
            raise StatusError(
                self.refusal.code,
                f"{self.refusal.text}; other questions need a model that writes (the parameter "
                "language_model, or depthvlm-4b)",
            )
        if self.has_pixels:
            raise StatusError(
                Code.BAD_QUESTION,
                "a question in free words is about the whole image: leave the pixels out, and a "
                f"region, or ask "
                f"for example {phrases.EXAMPLES}",
            )


def read_any_question(
    text: str, pixels=(), max_length: int = MAX_QUESTION, able: Able = Able.POINTS
) -> Question | FreeQuestion:
    """Read a typed question, else one in free words; raises what ``read_question`` raises.

    Whether a way is free and whatever is a measure is refused in free words (UNSUPPORTED), since
    robots act on that; ``FreeQuestion.check`` refuses one with pixels.
    """
    try:
        return read_question(text, pixels, max_length, able)
    except InFreeWords as refusal:
        plain = normalise_text(text, max_length)
        found, tagged = read_points(plain)
        for pattern, reason, error in (
            (unsupported.ABOUT_THE_WAY, unsupported.WAY_REASON, StatusError),
            (unsupported.ABOUT_A_MEASURE, unsupported.MEASURE_REASON, UnclearError),
        ):
            if pattern.search(plain) or pattern.search(tagged):
                raise in_english(text, error(Code.UNSUPPORTED, reason)) from refusal
        ahead_only = all(point in (STRAIGHT_AHEAD, CENTRE) for point in found)
        has_pixels = len(pixels) > 0 or not ahead_only
        return FreeQuestion(clean(text, max_length), refusal, has_pixels)


def read_question(
    text: str, pixels=(), max_length: int = MAX_QUESTION, able: Able = Able.POINTS
) -> Question:
    """Read a question; ``pixels`` (u, v) came beside it and go before those in the text.

    Among them may be one ``things.region_thing``: what a part of the image shows.

    "This point" with no pixel anywhere is the centre of the image; a named thing, a superlative or
    a free way never is.

    Raises StatusError: BAD_QUESTION when it is empty, too long, has control characters, lacks a
    number or a point, or holds a number that is not understood; UNSUPPORTED when it asks for
    something else than the tasks, or for what ``able`` does not hold. InFreeWords, which is one of
    these, when it asks for no measure at all.
    """
    try:
        return _read(text, pixels, max_length, able)
    except StatusError as refusal:
        told = in_english(text, refusal)
        if told is refusal:  # raised from itself it would be its own cause
            raise
        raise told from refusal


def _read(text: str, pixels, max_length: int, able: Able) -> Question:
    plain = normalise_text(text, max_length)
    declared, plain = phrases.read_declared(plain)
    given = [p if isinstance(p, Thing) else tuple(p) for p in pixels]
    found, plain = read_points(plain)
    unit = wanted_length_unit(plain)
    quantities = read_quantities(plain)
    if not (given or found):
        if Able.MOTION not in able and MOVED.search(plain):
            raise StatusError(Code.UNSUPPORTED, unsupported.MOTION_REASON)
        if (span := read_span(quantities.rest, quantities.times_s)) is not None:
            return Question(Task.CAMERA_MOTION, (), unit=unit, declared=declared, span=span)
    try:
        words = prepare(quantities.rest)
        kind = classify(words, quantities, Able.THINGS in able, len(given))
    except FreeKindError as refusal:
        raise InFreeWords(refusal.code, refusal.reason) from refusal
    refuse_left_over(kind.rest)
    refuse_beside(words, kind)
    common = {"unit": unit, "declared": declared, "direction": kind.direction}
    if kind.task in OF_WAYS:
        return _way(kind, given + found, able, common)
    within = None
    if kind.task in (Task.COUNT, Task.EXISTS):  # of a name, in the region where there is one
        within = next((thing.within for thing in given if isinstance(thing, Thing)), None)
        given = [p for p in given if not isinstance(p, Thing)]
    task, points, assumed = points_of(kind, given, found)
    _check_able(task, points, able)
    if len(points) != task.points:
        raise _wrong_number(task, len(points))
    width = quantities.lengths_m[0] if quantities.lengths_m else math.nan
    amount = amount_of(task, quantities)
    points = tuple(
        replace(thing_of(p), within=within) if isinstance(p, Phrase) else p for p in points
    )
    if len(points) > 1 and any(isinstance(p, Thing) and p.select == ALL for p in points):
        raise StatusError(
            Code.BAD_QUESTION, "all of several things have no one distance: ask for one of them"
        )
    return Question(task, points, amount, assumed=assumed, width_m=width, **common)


def _way(kind: Kind, points: list, able: Able, common: dict) -> Question:
    """Return a question about a free way.

    StatusError where nobody measures it or it is at a point.
    """
    if any(point is not STRAIGHT_AHEAD for point in points):
        raise StatusError(
            Code.BAD_QUESTION,
            "a free way is measured ahead, left or right, not at a point: leave the pixels out",
        )
    if Able.WAYS not in able:
        if not points and not kind.direction and re.search(r"\bobjects?\b", kind.rest):
            raise _needs(Task.DISTANCE, 0)
        raise StatusError(Code.UNSUPPORTED, unsupported.WAY_REASON)
    if kind.task is Task.FREE_DISTANCE and not kind.direction:
        common = {**common, "direction": "ahead", "assumed": True}
    return Question(kind.task, (), **common)


def _check_able(task: Task, points: list, able: Able) -> None:
    """Refuse what nobody here can have answered."""
    given = [point for point in points if isinstance(point, Thing) and point.is_given]
    named = [p for p in points if isinstance(p, Phrase | Thing) and p not in given]
    if task in OF_THINGS and not given and (Able.THINGS not in able or not named):
        raise StatusError(Code.UNSUPPORTED, unsupported.SIZES)
    for phrase in named:
        try:
            thing = phrase if isinstance(phrase, Thing) else thing_of(phrase)
        except NoThingError as refusal:
            raise _needs(task, len(points) - len(named), refusal.text) from refusal
        if Able.THINGS not in able:
            raise StatusError(
                Code.UNSUPPORTED,
                f"the question is about {clean(thing.name, 40)!r}: this model cannot "
                f"find named things; ask about points: {phrases.HOW_TO_GIVE_POINTS}",
            )


def _needs(task: Task, given: int, why: str = "") -> StatusError:
    return StatusError(
        Code.BAD_QUESTION,
        f"{why}{': ' if why else ''}{task.value} needs {task.points} "
        f"point{'s' * (task.points > 1)}, {given} given: {phrases.HOW_TO_GIVE_POINTS}",
    )


def _wrong_number(task: Task, given: int) -> StatusError:
    """Say what is missing and how to give it, or what is too much."""
    if given > task.points:
        return StatusError(
            Code.BAD_QUESTION,
            f"{task.value} is about {task.points} "
            f"point{'s' * (task.points > 1)}, {given} given: {phrases.TOO_MANY}",
        )
    return _needs(task, given)
