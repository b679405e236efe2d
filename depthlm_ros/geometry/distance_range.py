"""How far two points can be apart whose places along their rays are uncertain."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def range_of_distance(
    points: Sequence[ArrayLike], scales: Sequence[tuple[float, float]]
) -> tuple[float, float]:
    """Return least and greatest distance [m] of two points (3,) in the optical frame.

    Each moves along its ray from the camera by a factor within its ``scales`` (lowest, highest),
    whatever the other does: the worst case. NaN where a point or a factor is.

    With lengths a, b on rays at an angle of cosine c the squared distance is a2 + b2 - 2abc:
    convex, so the greatest is at a corner of the box, and the least on an edge (where a = bc or
    b = ac, clipped to it).
    """
    rays = [np.asarray(point, dtype=np.float64) for point in points]
    lengths = [float(np.linalg.norm(ray)) for ray in rays]
    boxes = [
        (length * low, length * high) for length, (low, high) in zip(lengths, scales, strict=True)
    ]
    if not all(math.isfinite(end) for box in boxes for end in box) or not all(lengths):
        return math.nan, math.nan
    c = float(np.clip(rays[0] @ rays[1] / (lengths[0] * lengths[1]), -1.0, 1.0))

    def apart(a: float, b: float) -> float:
        return math.sqrt(max(0.0, a * a + b * b - 2 * a * b * c))

    corners = [apart(a, b) for a in boxes[0] for b in boxes[1]]
    edges = [apart(a, min(max(a * c, boxes[1][0]), boxes[1][1])) for a in boxes[0]]
    edges += [apart(min(max(b * c, boxes[0][0]), boxes[0][1]), b) for b in boxes[1]]
    return min(corners + edges), max(corners)
