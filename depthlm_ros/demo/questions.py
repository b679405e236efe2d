"""What is asked in the demonstration, where, and what the true answer is. Pure arithmetic."""

from dataclasses import dataclass

import cv2
import numpy as np

from depthlm_ros.geometry.depth_map import edge_mask
from depthlm_ros.language.question import Task

NEAR_M, FAR_M = 0.3, 30.0
"""Range of true z-depth in which points are asked about."""
CLEAR_PX = 8
"""No depth step and no sky within so many pixels of a point, to each side."""
CLEAR_RATIO = 1.15
BORDER_PX = 24
TRIES = 200
NAMED = ("door", "person")
SPEED_M_S, TIME_S = 0.5, 4.0


@dataclass(frozen=True)
class Asked:
    """A question for ``~/ask``, the pixels that it names, in order, and the unit of its value.

    Without pixels it names a thing.
    """

    task: Task
    question: str
    pixels: tuple
    unit: str

    def true_value(self, distances_m, depths_m, points_m) -> float:
        """Return the answer that the truth gives.

        For each pixel: distance from the camera (N,) [m], z-depth (N,) [m], point (N, 3) [m].
        """
        if self.task is Task.DEPTH:
            return float(depths_m[0])
        if self.task is Task.TWO_POINT_DISTANCE:
            return float(np.linalg.norm(np.subtract(points_m[0], points_m[1])))
        if self.task is Task.TIME:
            return float(distances_m[0]) / SPEED_M_S
        if self.task is Task.SPEED:
            return float(distances_m[0]) / TIME_S
        return float(distances_m[0])


def questions_about(a, b) -> list[Asked]:
    """Return one question of each task, about pixels ``a`` and ``b`` (u, v)."""
    at_a, at_b = _written(a), _written(b)
    return [
        Asked(Task.DISTANCE, f"How far is the point at {at_a}?", (a,), "m"),
        Asked(Task.DEPTH, f"How far is {at_b} along the principal axis?", (b,), "m"),
        Asked(Task.TWO_POINT_DISTANCE, f"How far apart are {at_a} and {at_b}?", (a, b), "m"),
        Asked(Task.TIME, f"How long to reach {at_a} at {SPEED_M_S:g} m/s?", (a,), "s"),
        Asked(Task.SPEED, f"How fast must I go to reach {at_b} in {TIME_S:g} s?", (b,), "m/s"),
    ]


def questions_by_name() -> list[Asked]:
    """Return questions about things that a model must find; the reply says at which pixel."""
    return [Asked(Task.DISTANCE, f"How far is the nearest {name}?", (), "m") for name in NAMED]


def to_be_refused(width: int, height: int) -> list[tuple[str, str]]:
    """Return (what is wrong, question) for an image of this size: none may get a number."""
    return [
        ("a pixel outside the image", f"How far is the point at ({width + 80}, {height // 2})?"),
        ("nonsense", "What is for lunch?"),
        ("no point given", "How far is it?"),
    ]


def clear_of_steps(true_depth_m: np.ndarray) -> np.ndarray:
    """Tell where a truth is beyond dispute, bool (H, W); ``true_depth_m``: float32 (H, W) [m].

    Within NEAR_M to FAR_M, with no depth step, sky or unknown within CLEAR_PX, and not at the
    border.
    """
    depth = np.asarray(true_depth_m, np.float32)
    with np.errstate(invalid="ignore"):
        good = np.isfinite(depth) & (depth >= NEAR_M) & (depth <= FAR_M)
    kernel = np.ones((2 * CLEAR_PX + 1, 2 * CLEAR_PX + 1), np.uint8)
    good = cv2.erode(good.astype(np.uint8), kernel, borderValue=0).astype(bool)
    good &= ~_steps(depth)
    for edge in (good[:BORDER_PX], good[-BORDER_PX:], good[:, :BORDER_PX], good[:, -BORDER_PX:]):
        edge[:] = False
    return good


def choose_pixels(allowed: np.ndarray, count: int, apart_px: float, rng) -> list[tuple[int, int]]:
    """Draw up to ``count`` pixels (u, v) of ``allowed``, bool (H, W), at least so far apart."""
    rows, columns = np.nonzero(allowed)
    chosen: list = []
    for at in rng.permutation(len(rows))[:TRIES]:
        here = (int(columns[at]), int(rows[at]))
        if all(np.hypot(here[0] - u, here[1] - v) >= apart_px for u, v in chosen):
            chosen.append(here)
        if len(chosen) == count:
            break
    return chosen


def _steps(depth: np.ndarray) -> np.ndarray:
    """Depth steps between neighbours, widened by CLEAR_PX; a slanted floor is none."""
    steps = edge_mask(depth, CLEAR_RATIO, 1).astype(np.uint8)
    return cv2.dilate(steps, np.ones((2 * CLEAR_PX + 1, 2 * CLEAR_PX + 1), np.uint8)).astype(bool)


def _written(pixel) -> str:
    return f"({pixel[0]:g}, {pixel[1]:g})"
