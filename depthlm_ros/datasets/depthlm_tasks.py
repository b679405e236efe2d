"""Training samples of DepthLM's other tasks from labelled points (DepthLM section 3.4, figure 7).

Questions and replies are those that the node asks and reads (``prompting/prompts.py``). What the
paper leaves open is chosen here: the given time is 1.0 to 10.0 s and the given speed 0.5 to
10.0 m/s, uniform, with one decimal; the second point of a pair is any other that the crop kept.
Lines with a second image train the camera's motion between both, and that alone.
"""

import numpy as np

from depthlm_ros.datasets.base import LabelKind, Sample, convert
from depthlm_ros.prompting.marker import BLUE, Marker, draw, draw_all, place
from depthlm_ros.prompting.prompts import TASKS, Prompt, Style, prompt
from depthlm_ros.status import Code, StatusError
from depthlm_ros.tasks import PRINCIPAL_AXIS_DISTANCE, Task

TIME_S, SPEED_M_S = (1.0, 10.0), (0.5, 10.0)


def check_tasks(tasks) -> tuple:
    """Return tasks as such; StatusError(UNSUPPORTED) for one that cannot be trained."""
    known = [task.value for task in TASKS] + [PRINCIPAL_AXIS_DISTANCE]
    for task in tasks:
        if task not in known:
            raise StatusError(
                Code.UNSUPPORTED, f"sampling.tasks: {task!r}: must be among {', '.join(known)}"
            )
    return tuple(Task(task) for task in tasks)


def points_3d(sample: Sample) -> np.ndarray:
    """Return the labelled points (N, 3) [m] in the camera's optical frame."""
    camera = sample.camera
    pixels = sample.points.on_grid((camera.width, camera.height))
    z = convert(sample.points.metres, camera.normalise(pixels), sample.label, LabelKind.Z)
    return camera.unproject(pixels, z)


def ask(task: Task, points: np.ndarray, index: int, other: int | None, rng, style: Style) -> tuple:
    """Return (prompt, value in its unit) of a task about a point (and another one).

    ``points``: (N, 3) [m]. ``style``: "multitask" is the paper's Figure 7, "published" and "plain"
    are ours in the manner of the distance question.
    """
    amount = given(task, rng)
    chosen = [index] if other is None else [index, other]
    value = value_of(task, points[chosen], amount)
    if task is Task.SPEED:
        return prompt(task, style, time_s=amount), value
    if task is Task.TIME:
        return prompt(task, style, speed_m_s=amount), value
    return prompt(task, style), value


def given(task: Task, rng) -> float:
    """Draw the seconds of SPEED or the metres a second of TIME; NaN for the other tasks."""
    between = {Task.SPEED: TIME_S, Task.TIME: SPEED_M_S}.get(task)
    return float("nan") if between is None else round(float(rng.uniform(*between)), 1)


def value_of(task: Task, points: np.ndarray, amount: float) -> float:
    """Return the value of a task in its unit, of its points (1 or 2, 3) [m].

    ``amount``: seconds for SPEED, metres a second for TIME.
    """
    if task is Task.TWO_POINT_DISTANCE:
        return float(np.linalg.norm(points[0] - points[1]))
    if task is Task.DEPTH:
        return float(points[0, 2])
    distance = float(np.linalg.norm(points[0]))
    return distance / amount if task in (Task.SPEED, Task.TIME) else distance


def marked(
    rgb: np.ndarray, asked: Prompt, marker: Marker, first: tuple, second, style: Style
) -> np.ndarray:
    """Return the image with the question's arrows.

    Two points: in Figure 7's style two arrows of one look, else the second one is blue.
    """
    size = rgb.shape[1], rgb.shape[0]
    if asked.markers == 2:
        colour = marker.colour if Style(style) is Style.MULTITASK else BLUE
        other = Marker(marker.shape, marker.length_px, marker.thickness_px, colour)
        return draw_all(rgb, (marker, other), (first, second))
    return draw(rgb, marker, place(marker, first, *size))
