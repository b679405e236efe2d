"""Which pixels of a box are the thing that it is drawn around: by colour and depth.

The thing is cut out of its surroundings by GrabCut (Rother, Kolmogorov, Blake 2004; OpenCV's) on
depth and colour. Where that finds nothing, by depth alone: a tight box touches its thing on all
four sides, so of the layers of depth in the box the thing is the nearest one that goes from side
to side and from top to bottom; what stands before it, as a person before a whiteboard, does not,
and what lies behind it is farther.
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
CUT_PX, CUT_ROUNDS = 160, 3
"""GrabCut works on a picture so large at most, and so many rounds."""
AROUND = 0.25
"""So much around a box, as a share of its longer side, tells what is not the thing."""
LEVELS_A_FACTOR = 120.0
"""Levels of 8 bit for a factor of e in depth: a step of 15 % is as plain as one of colour."""
INSIDE = 0.5
"""A pixel is well inside with this share of the largest distance to what is not the thing."""


def thing_mask(depth_map: DepthMap, box: Box, rgb: np.ndarray | None = None) -> np.ndarray:
    """Return the pixels of a box, bool (H, W), that are its thing; none without a depth.

    ``rgb``: the map's image, uint8 (H, W, 3); None: by depth alone.
    """
    mask = box_mask((box.left, box.top, box.right, box.bottom), depth_map.depth_m.shape)
    valid = mask & np.isfinite(depth_map.depth_m)
    if not valid.any():
        return valid
    if rgb is not None:
        cut = _cut_out(depth_map.depth_m, rgb, mask) & valid
        if cut.sum() >= LEAST_SHARE * valid.sum():
            return cut
    for low, high in _layers(depth_map.depth_m[valid]):
        with np.errstate(invalid="ignore"):
            layer = valid & (depth_map.depth_m >= low) & (depth_map.depth_m <= high)
        if _reaches(layer, box):
            return layer
    return foreground(depth_map, mask)


def _cut_out(depth_m: np.ndarray, rgb: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return what GrabCut takes for the thing in a box, bool (H, W); ``mask``: the box."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    pad = max(4, round(AROUND * max(len(rows), len(columns))))
    window = tuple(
        slice(max(0, at[0] - pad), min(size, at[-1] + 1 + pad))
        for at, size in zip((rows, columns), mask.shape, strict=True)
    )
    height, width = mask[window].shape
    scale = min(1.0, CUT_PX / max(height, width))
    size = max(8, round(width * scale)), max(8, round(height * scale))
    known = depth_m[window]
    known = np.where(np.isfinite(known), known, known[np.isfinite(known)].max())
    logarithm = cv2.resize(np.log(known), size, interpolation=cv2.INTER_NEAREST)
    seen = cv2.cvtColor(
        cv2.resize(rgb[window], size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB
    )
    levels = 128 + LEVELS_A_FACTOR * (logarithm - np.median(logarithm))
    seen[..., 0] = np.clip(levels, 0, 255)  # in the place of the lightness, which shadows change
    inside = cv2.resize(mask[window].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    if inside.all() or not inside.any():
        return mask
    labels = np.where(inside, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    behind, front = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)  # its clusters begin at random; the same picture gives the same answer
    no_rect = (0, 0, 0, 0)  # the labels tell
    cv2.grabCut(seen, labels, no_rect, behind, front, CUT_ROUNDS, cv2.GC_INIT_WITH_MASK)
    thing = ((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.uint8)
    cut = np.zeros_like(mask)
    cut[window] = cv2.resize(thing, (width, height), interpolation=cv2.INTER_NEAREST) > 0
    return cut


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
