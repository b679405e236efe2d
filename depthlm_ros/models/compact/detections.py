"""Things out of the thing head's maps: cells whose boxes agree are one thing."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from depthlm_ros.models.compact.thing_head import STRIDE

CANDIDATE = 0.4
"""Least probability of a class at a cell that can be part of a thing."""
SURE = 0.65
"""Least mean probability over a thing's cells."""
LEAST_SHARE = 0.0015
"""Least share of the picture that a thing's cells cover."""
SAME_IOU = 0.5
PART_OF = 0.8
"""Share of a box within that of a larger thing of its name from which on it is a part of that."""


@dataclass(frozen=True)
class Detection:
    """One thing: its ``box`` (left, top, right, bottom) and a ``point`` (u, v) on it.

    In pixels of the view, with pixel edges at whole numbers. ``score``: mean probability.
    """

    box: tuple
    point: tuple
    score: float


def detections(probability: np.ndarray, boxes: np.ndarray) -> list[Detection]:
    """Return the things of one class, the surest first.

    ``probability`` (h, w) of the class at each cell; ``boxes`` (4, h, w) [px]. The cell with the
    highest probability votes first; all whose boxes agree with its own belong to the same thing.
    """
    v, u = np.nonzero(probability >= CANDIDATE)
    p, box = probability[v, u], boxes[:, v, u].T
    at = (np.stack([u, v, u, v], axis=1) + 0.5) * STRIDE  # a cell's centre as a box without size
    left, groups = np.ones(len(p), bool), []
    while left.any():
        seed = np.flatnonzero(left)[np.argmax(p[left])]
        same = left & (iou(box, box[seed]) >= SAME_IOU)
        same[seed] = True
        mean = np.average(box[same], axis=0, weights=p[same])
        inside = (_shared(at, mean, least=1.0) > 0) & (iou(box, mean) >= SAME_IOU / 2)
        same |= left & inside
        left &= ~same
        size, score = same.sum() / probability.size, float(p[same].mean())
        if size >= LEAST_SHARE and score >= SURE:
            groups.append(
                (size, Detection(tuple(map(float, mean)), _middle(u[same], v[same]), score))
            )
    found = []
    for _, thing in sorted(groups, key=lambda group: -group[0]):
        if all(_covered(thing.box, other.box) < PART_OF for other in found):
            found.append(thing)
    return sorted(found, key=lambda thing: -thing.score)


def detect(
    probability: np.ndarray, boxes: np.ndarray, classes: Collection[int]
) -> list[Detection]:
    """Return the things of several classes as of one, the surest first.

    ``probability`` (1 + classes, h, w) and ``boxes`` (4, h, w): the thing head's maps of a view;
    ``classes``: numbers as ``finding.classes_of`` gives them.
    """
    return detections(probability[[1 + number for number in classes]].sum(axis=0), boxes)


def _middle(u: np.ndarray, v: np.ndarray) -> tuple:
    """Return the centre [px] of that cell of a thing which is nearest to their middle."""
    best = np.argmin((u - u.mean()) ** 2 + (v - v.mean()) ** 2)
    return (float(u[best]) + 0.5) * STRIDE, (float(v[best]) + 0.5) * STRIDE


def iou(boxes: np.ndarray, one: np.ndarray) -> np.ndarray:
    """Return the intersection over the union (N,) of boxes (N, 4) with one (4,)."""
    shared = _shared(boxes, one)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) + np.prod(one[2:] - one[:2])
    return shared / np.maximum(area - shared, 1e-9)


def _shared(boxes: np.ndarray, one: np.ndarray, least: float = 0.0) -> np.ndarray:
    """Return the area [px^2] that boxes (N, 4) share with one; sides that touch have ``least``."""
    size = np.minimum(boxes[:, 2:], one[2:]) - np.maximum(boxes[:, :2], one[:2])
    return np.where((size >= 0).all(axis=1), np.maximum(size, least).prod(axis=1), 0.0)


def _covered(one: tuple, other: tuple) -> float:
    """Return the share of a box that another covers."""
    boxes = np.array([one], float)
    return float(
        _shared(boxes, np.array(other))[0] / max(1e-9, np.prod(boxes[0, 2:] - boxes[0, :2]))
    )
