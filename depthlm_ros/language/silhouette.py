"""Which pixels of a box are the thing that it is drawn around: by depth alone.

A tight box touches its thing on all four sides. Of the layers of depth in the box, that thing is
the nearest one that reaches from side to side and from top to bottom; what stands before it, as a
person before a whiteboard, does not, and what lies behind it is farther.
"""

import cv2
import numpy as np

from depthlm_ros.geometry.depth_map import EDGE_RATIO, DepthMap
from depthlm_ros.geometry.regions import box_mask, foreground
from depthlm_ros.language.boxes import Box

REACH = 0.8
"""Share of the box's width and height that the thing's layer reaches over, at least."""
LEAST_SHARE = 0.03
"""Smaller layers are no surface of their own."""
SAME_DEPTH = 1.15
INSIDE = 0.5
"""A pixel is well inside with this share of the largest distance to what is not the thing."""


def thing_mask(depth_map: DepthMap, box: Box) -> np.ndarray:
    """Return the pixels of a box, bool (H, W), that are its thing; none without a depth."""
    mask = box_mask((box.left, box.top, box.right, box.bottom), depth_map.depth_m.shape)
    valid = mask & np.isfinite(depth_map.depth_m)
    if not valid.any():
        return valid
    for low, high in _layers(depth_map.depth_m[valid]):
        with np.errstate(invalid="ignore"):
            layer = valid & (depth_map.depth_m >= low) & (depth_map.depth_m <= high)
        if _reaches(layer, box):
            return layer
    return foreground(depth_map, mask)


def _layers(depth_m: np.ndarray):
    """Yield the ranges of depth [m] between wide steps of depths (N,), nearest first."""
    ordered = np.sort(depth_m)
    steps = np.flatnonzero(ordered[1:] > ordered[:-1] * EDGE_RATIO) + 1
    for part in np.split(ordered, steps):
        if len(part) >= LEAST_SHARE * len(ordered):
            yield part[0], part[-1]


def _reaches(layer: np.ndarray, box: Box) -> bool:
    """Tell whether a layer reaches from side to side and from top to bottom of its box."""
    rows, columns = np.flatnonzero(layer.any(1)), np.flatnonzero(layer.any(0))
    if not len(rows):
        return False
    wide = (columns[-1] - columns[0] + 1) / (box.right - box.left)
    tall = (rows[-1] - rows[0] + 1) / (box.bottom - box.top)
    return min(wide, tall) >= REACH


def inner_pixel(depth_map: DepthMap, thing: np.ndarray, box: Box) -> tuple[float, float]:
    """Return the pixel (u, v) of a thing nearest to the box's middle that is well inside it.

    ``thing``: bool (H, W), not empty. Only pixels at about its median depth count.
    """
    middle = np.median(depth_map.depth_m[thing])
    with np.errstate(invalid="ignore"):
        near = thing & (depth_map.depth_m < middle * SAME_DEPTH)
        near &= depth_map.depth_m > middle / SAME_DEPTH
    inside = cv2.distanceTransform(np.pad(near, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    rows, columns = np.nonzero(inside >= INSIDE * inside.max())
    u, v = box.centre
    at = int(np.argmin(np.square(columns - u) + np.square(rows - v)))
    return float(columns[at]), float(rows[at])
