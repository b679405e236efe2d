"""How the camera moved between two images, in words: by poses, not by a model."""

import numpy as np

from depthlm_ros.language.answer import Answer
from depthlm_ros.language.quantities import format_number
from depthlm_ros.status import Code
from depthlm_ros.tasks import Task

LEAST_M, LEAST_DEGREES = 0.005, 0.5
"""Less is not told apart from standing still."""


def answer_motion(before: np.ndarray, after: np.ndarray, seconds: float) -> Answer:
    """Say how the camera moved; poses (4, 4) of its optical frame in a frame that does not move.

    The value is the straight line between both places [m]. Its error is that of the odometry,
    which is not known here.
    """
    change = np.linalg.inv(before) @ after
    moved = change[:3, 3]
    distance = float(np.linalg.norm(moved))
    task = Task.CAMERA_MOTION
    said = f"In {seconds:.1f} s the camera {_moved(distance, moved)} and {_turned(change)}."
    return Answer(Code.OK, "", task.value, task.unit, distance, sentence=said, source="tf")


def _moved(distance: float, moved: np.ndarray) -> str:
    if distance < LEAST_M:
        return "stood still"
    names = (("right", "left"), ("down", "up"), ("ahead", "back"))
    parts = [
        f"{format_number(abs(value))} m {positive if value > 0 else negative}"
        for value, (positive, negative) in zip(moved, names, strict=True)
        if abs(value) >= max(LEAST_M, 0.05 * distance)
    ]
    return f"moved {format_number(distance)} m ({', '.join(parts)})"


def _turned(change: np.ndarray) -> str:
    """Tell the turn about the vertical axis; y of the optical frame points down."""
    degrees = float(np.degrees(np.arctan2(change[0, 2], change[2, 2])))
    if abs(degrees) < LEAST_DEGREES:
        return "did not turn"
    return f"turned {abs(degrees):.0f} degrees to the {'right' if degrees > 0 else 'left'}"
