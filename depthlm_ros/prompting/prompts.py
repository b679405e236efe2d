"""The questions and answers of the six tasks, word for word as the models read and write them.

The distance question in its published form, the paper's plain form and its variants (text
coordinates, intrinsics in text, ray answer) are formats of the published models and must stay
literal. So are the questions of style MULTITASK, and the divisions in its replies: they are those
of the paper's Figure 7 (``media/multiTask.jpg`` of its repository); what the figure does not show
of a reply is our own. The other styles' wording of the five further tasks is our own too. Parsing
is ``parsing.py``'s.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.status import Code, StatusError
from depthlm_ros.tasks import Task

METRES, SPEED, SECONDS = "m", "m/s", "s"

_TAGS = (
    "Output the thinking process in <think> </think> and final answer (the {unit} number only,"
    " without the unit) in <answer> </answer> tags."
)
_UNIT_WORDS = {METRES: "meter", SPEED: "meters per second", SECONDS: "second"}
SLOT = "{}"
"""Where a reply holds a number."""


class Style(str, Enum):
    """How it is asked.

    PUBLISHED: thinking and answer tags, the trained form. PLAIN: the paper's one sentence.
    TEXT_COORDINATES and INTRINSICS: the paper's ablations; the pixel, or the camera, is told in
    words. RAY: the answer names two angles. MULTITASK: the six tasks of Figure 7.
    """

    PUBLISHED = "published"
    PLAIN = "plain"
    TEXT_COORDINATES = "text_coordinates"
    INTRINSICS = "intrinsics"
    RAY = "ray"
    MULTITASK = "multitask"


@dataclass(frozen=True)
class Prompt:
    """A question with the form of its reply.

    ``question``: the user's words, the picture(s) going before them. ``reply``: the trained reply,
    a slot for every number. ``unit``: of the number that answers. ``markers``, ``images``: how
    many of each the question speaks of. ``tags``: the final number stands between answer tags.
    ``given``: the seconds or metres a second by which the reply divides its distance, else NaN.
    """

    question: str
    reply: str
    unit: str = METRES
    markers: int = 1
    images: int = 1
    tags: bool = False
    given: float = math.nan

    @property
    def divides(self) -> bool:
        """Whether the reply names a distance first and divides it: the last number answers."""
        return not math.isnan(self.given)

    @property
    def lead(self) -> str:
        """The reply up to its first number: what number-only decoding forces."""
        return self.reply.split(SLOT, 1)[0]

    @property
    def reply_suffix(self) -> str:
        """What follows the first number, up to the next or the end."""
        return self.reply.split(SLOT)[1]

    def answer(self, value: float) -> str:
        """Write the trained reply for a value in ``unit``: two decimals, in every slot.

        Where it divides, the slots are the distance, twice, and the value, twice.
        """
        if self.divides:
            distance = f"{value * self.given:.2f}"
            value = float(distance) / self.given  # as the reply works it out
            return self.reply.format(distance, distance, f"{value:.2f}", f"{value:.2f}")
        return self.reply.replace(SLOT, f"{value:.2f}")


_WORDING = {
    Task.DISTANCE: (
        "how far is the point pointed by the red arrow from the camera?",
        "How many meters is this point from the camera?",
        "The point is around {} meters away from the camera.",
    ),
    Task.DEPTH: (
        "how far is the point pointed by the red arrow from the camera along the principal axis?",
        "How many meters is this point from the camera along the principal axis?",
        "The point is around {} meters away from the camera along the principal axis.",
    ),
    Task.SPEED: (
        (
            "how fast must the camera move to reach the point pointed by the red arrow in"
            " {time_s:.2f} seconds?"
        ),
        (
            "How many meters per second must the camera move to reach this point in {time_s:.2f}"
            " seconds?"
        ),
        "The camera must move at around {} meters per second.",
    ),
    Task.TIME: (
        (
            "how long does the camera take to reach the point pointed by the red arrow at"
            " {speed_m_s:.2f} meters per second?"
        ),
        (
            "How many seconds does the camera take to reach this point at {speed_m_s:.2f} meters"
            " per second?"
        ),
        "The camera takes around {} seconds.",
    ),
    Task.TWO_POINT_DISTANCE: (
        "how far apart are the points pointed by the red arrow and the blue arrow?",
        "How many meters apart are these two points?",
        "The two points are around {} meters apart.",
    ),
    Task.CAMERA_MOTION: (
        "how far did the camera move between them?",
        "How many meters did the camera move between these two images?",
        "The camera moved around {} meters.",
    ),
}
TASKS = tuple(_WORDING)
"""The six tasks that the models are asked; DepthLM section 4.4."""
_MULTITASK = {
    Task.DEPTH: (
        "How far is this point from the camera in the forward backward direction?",
        "The point is around {} meters away from the camera in the forward backward direction.",
    ),
    Task.SPEED: (
        "How many meters per second should we move in order to reach this point in exactly "
        "{given} seconds?",
        "The point is around {{}} meters away from the camera. {{}} / {given} = {{}}m/s",
    ),
    Task.TIME: (
        "How many seconds do we need to reach this point if we move towards it with the speed of "
        "{given}m/s?",
        "The point is around {{}} meters away from the camera. {{}} / {given} = {{}}s",
    ),
    Task.TWO_POINT_DISTANCE: (
        "How far are these 2 points from each other?",
        "The points are around {} meters away from each other.",
    ),
    Task.CAMERA_MOTION: (
        "How many meters has the camera moved between these 2 images?",
        "The camera has moved around {} meters.",
    ),
}


def prompt(
    task: Task = Task.DISTANCE,
    style: Style = Style.PUBLISHED,
    *,
    time_s: float | None = None,
    speed_m_s: float | None = None,
    size: tuple | None = None,
    pixel: tuple | None = None,
    camera: PinholeCamera | None = None,
) -> Prompt:
    """Return the prompt of a task in a style.

    ``time_s`` > 0: for SPEED; ``speed_m_s`` > 0: for TIME. ``size`` = (width, height) and
    ``pixel`` = (x, y), whole pixels of the model's picture: for TEXT_COORDINATES. ``camera``: the
    PinholeCamera of the model's picture: for INTRINSICS. Raises StatusError(UNSUPPORTED) when the
    style has no form of the task or a needed value is missing.
    """
    task, style = Task(task), Style(style)
    if task not in TASKS:
        known = ", ".join(known.value for known in TASKS)
        raise StatusError(
            Code.UNSUPPORTED, f"task {task.value}: the models are asked {known} only"
        )
    if style is Style.MULTITASK:
        return _multitask(task, time_s, speed_m_s)
    if style in (Style.PUBLISHED, Style.PLAIN):
        return _tagged_or_plain(task, style, time_s, speed_m_s)
    if task is not Task.DISTANCE:
        raise StatusError(
            Code.UNSUPPORTED,
            f"style {style.value} knows the distance task only, not {task.value}: use "
            "style published or plain",
        )
    if style is Style.TEXT_COORDINATES:
        return _text_coordinates(size, pixel)
    if style is Style.INTRINSICS:
        return _intrinsics(camera)
    return Prompt(
        _WORDING[Task.DISTANCE][1],
        "The point is around {} degrees to the {side}, {} degrees {height} and "
        "{} meters away from the camera.",
    )


def _multitask(task: Task, time_s: float | None, speed_m_s: float | None) -> Prompt:
    """Return Figure 7's prompt; a given time or speed is written with one decimal."""
    if task is Task.DISTANCE:
        return prompt(task)
    question, reply = _MULTITASK[task]
    unit, given = task.unit, math.nan
    if task in (Task.SPEED, Task.TIME):
        name, value = ("time_s", time_s) if task is Task.SPEED else ("speed_m_s", speed_m_s)
        given = round(_positive(name, value), 1)
        if not given:
            raise StatusError(Code.BAD_QUESTION, f"{name} = {value}: must be at least 0.1")
        question, reply = (text.format(given=f"{given:.1f}") for text in (question, reply))
    return Prompt(
        f"{question} {_TAGS.format(unit=_UNIT_WORDS[unit])}",
        f"<think> {reply} </think>\n\n<answer> {{}} </answer>",
        unit,
        task.points,
        2 if task is Task.CAMERA_MOTION else 1,
        tags=True,
        given=given,
    )


def _tagged_or_plain(
    task: Task, style: Style, time_s: float | None, speed_m_s: float | None
) -> Prompt:
    values = {}
    if task is Task.SPEED:
        values = {"time_s": _positive("time_s", time_s)}
    elif task is Task.TIME:
        values = {"speed_m_s": _positive("speed_m_s", speed_m_s)}
    tagged, plain, reply = _WORDING[task]
    unit, markers = task.unit, task.points
    images = 2 if task is Task.CAMERA_MOTION else 1
    if style is Style.PLAIN:
        return Prompt(plain.format(**values), reply, unit, markers, images)
    lead = "Given this image" if images == 1 else "Given these two images"
    question = f"{lead}, {tagged.format(**values)} {_TAGS.format(unit=_UNIT_WORDS[unit])}"
    return Prompt(
        question,
        f"<think> {reply} </think>\n\n<answer> {{}} </answer>",
        unit,
        markers,
        images,
        tags=True,
    )


def _text_coordinates(size: Sequence | None, pixel: Sequence | None) -> Prompt:
    if size is None or pixel is None:
        raise StatusError(Code.UNSUPPORTED, "style text_coordinates: size and pixel must be given")
    question = (
        f"Given this image of size (width = {int(size[0])}, height = {int(size[1])}), how far is"
        f" the pixel at ({int(pixel[0])}, {int(pixel[1])}) from the camera?"
    )
    return Prompt(question, _WORDING[Task.DISTANCE][2], markers=0)


def _intrinsics(camera: PinholeCamera | None) -> Prompt:
    if camera is None:
        raise StatusError(Code.UNSUPPORTED, "style intrinsics: the camera must be given")
    question = (
        f"Given this image of size (width = {camera.width}, height = {camera.height}) where the"
        f" camera intrinsics are (fx = {camera.fx:.2f}, fy = {camera.fy:.2f}, cx ="
        f" {camera.cx:.2f}, cy = {camera.cy:.2f}) and the images are without"
        " distortions, how many meters is this point away from the camera?"
    )
    return Prompt(question, _WORDING[Task.DISTANCE][2])


def _positive(name: str, value: float | None) -> float:
    if value is None or not 0 < value < float("inf"):
        raise StatusError(Code.BAD_QUESTION, f"{name} = {value}: must be a positive finite number")
    return float(value)


def ray_answer(right_deg: float, down_deg: float, distance_m: float) -> str:
    """Write the ray reply: degrees right (negative: left), below (negative: above), metres."""
    return (
        f"The point is around {abs(right_deg):.2f} degrees to the"
        f" {'right' if right_deg >= 0 else 'left'}, {abs(down_deg):.2f} degrees"
        f" {'below' if down_deg >= 0 else 'above'} and {distance_m:.2f} meters away from the"
        " camera."
    )
