"""Metric readings of regions of an image: points, boxes and masks, and the gap between two.

A box around a thing shows its background too. The foreground is what lies nearer than the widest
step in depth of the region, where it is a real step and enough of the region lies before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike

from depthlm_ros.geometry.depth_map import EDGE_RATIO, DepthMap, ray_axes
from depthlm_ros.geometry.distance_range import range_of_distance
from depthlm_ros.geometry.rectify import Rectifier
from depthlm_ros.status import Code

NAN = float("nan")
_NONE = (NAN, NAN, NAN)
_LEAST_PIXELS = 4
_LEAST_SHARE = 0.1
_GAP_POINTS = 1500
_AROUND_PX = 8


@dataclass(frozen=True)
class RegionDepth:
    """What is known of a region; every number is NaN unless ``code`` is OK.

    ``depth_m``: median z-depth of its foreground, ``p10_m``: 10th percentile, ``low_m`` and
    ``high_m``: 90 % interval of the median. ``distance_m``: of ``point_m`` (3,), the foreground's
    median point, from the camera. ``centre_m``, ``size_m`` (3,): its box, along the axes asked
    for, without the outermost 2 % on each side. ``pixels``, ``valid_fraction``: of the region.
    """

    code: Code
    text: str = ""
    depth_m: float = NAN
    p10_m: float = NAN
    low_m: float = NAN
    high_m: float = NAN
    distance_m: float = NAN
    point_m: tuple = _NONE
    centre_m: tuple = _NONE
    size_m: tuple = _NONE
    pixels: int = 0
    valid_fraction: float = 0.0
    foreground_fraction: float = 0.0


@dataclass(frozen=True)
class Gap:
    """The gap between two things; NaN unless ``code`` is OK.

    ``distance_m``: between the nearest points ``a_m`` and ``b_m`` (3,) of their facing surfaces.
    ``low_m``, ``high_m``: least and greatest distance where both keep to their depth's 90 %
    interval, whatever the other does.
    """

    code: Code
    text: str = ""
    distance_m: float = NAN
    low_m: float = NAN
    high_m: float = NAN
    a_m: tuple = _NONE
    b_m: tuple = _NONE


def box_mask(box: Sequence, shape: tuple) -> np.ndarray:
    """Return the mask, bool (H, W), of a box (u0, v0, u1, v1) in pixels; what is outside is cut.

    A pixel belongs to the box when its centre does.
    """
    u0, v0, u1, v1 = (float(x) for x in box)
    mask = np.zeros(shape, dtype=bool)
    if not all(np.isfinite((u0, v0, u1, v1))):
        return mask
    (u0, u1), (v0, v1) = sorted((u0, u1)), sorted((v0, v1))
    rows = slice(
        int(np.clip(np.ceil(v0), 0, shape[0])), int(np.clip(np.floor(v1) + 1, 0, shape[0]))
    )
    columns = slice(
        int(np.clip(np.ceil(u0), 0, shape[1])), int(np.clip(np.floor(u1) + 1, 0, shape[1]))
    )
    mask[rows, columns] = True
    return mask


def rectified_bounds(rectifier: Rectifier, box: Sequence) -> tuple | None:
    """Return the (left, top, right, bottom) around a box of the image as taken, rectified [px].

    None where the rectified image shows nothing of it.
    """
    left, top, right, bottom = box
    rim = [(u, v) for u in np.linspace(left, right, 9) for v in np.linspace(top, bottom, 9)]
    rectified = rectifier.source_to_rectified(rim)
    rectified = rectified[np.isfinite(rectified).all(axis=1)]
    if not len(rectified):
        return None
    return (*rectified.min(axis=0).tolist(), *rectified.max(axis=0).tolist())


def point_mask(pixel: Sequence, radius_px: float, shape: tuple) -> np.ndarray:
    """Return the mask, bool (H, W), of the disc around a pixel (u, v)."""
    u, v = float(pixel[0]), float(pixel[1])
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return np.square(columns - u) + np.square(rows - v) <= max(radius_px, 0.71) ** 2


def decode_rle(counts: ArrayLike, height: int, width: int) -> np.ndarray:
    """Return the mask, bool (H, W), of COCO's uncompressed run lengths (column by column).

    ``counts``: lengths of the runs in turn, beginning with zeros. Raises ValueError when they do
    not add up to the size.
    """
    runs = np.asarray(counts, dtype=np.int64).reshape(-1)
    if (runs < 0).any() or runs.sum() != height * width:
        raise ValueError(
            f"run lengths add up to {int(runs.sum())}: must be height x width = {height} x "
            f"{width} = {height * width}, none negative"
        )
    values = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return values.reshape(width, height).T.copy()


def foreground(
    depth_map: DepthMap, mask: np.ndarray, split: bool = True, edge_ratio: float = EDGE_RATIO
) -> np.ndarray:
    """Return the part of a mask, bool (H, W), that is one thing in front; finite depths only.

    ``split``: look for a background; False for a mask that has none. Pixels across a depth step
    are left out, unless nothing else remains.
    """
    valid = mask & np.isfinite(depth_map.depth_m)
    inner = valid & ~depth_map.depth_discontinuities(edge_ratio)
    if inner.sum() >= _LEAST_PIXELS:
        valid = inner
    if split and valid.sum() >= _LEAST_PIXELS:
        valid = valid & (
            depth_map.depth_m < _background_from(depth_map.depth_m[valid], edge_ratio)
        )
    return valid


def _background_from(depth: np.ndarray, edge_ratio: float) -> float:
    """Return the depth [m] at which the background begins; +Inf for none.

    The widest step of the sorted log depths with at least _LEAST_SHARE of the pixels before it;
    a step is real when it is wider than ``edge_ratio``.
    """
    ordered = np.log(np.sort(depth[:: max(1, len(depth) // 4096)]).astype(np.float64))
    first = max(1, int(np.ceil(_LEAST_SHARE * len(ordered))))
    steps = np.diff(ordered)[first - 1 :]
    if not len(steps) or steps.max() < np.log(edge_ratio):
        return float("inf")
    k = first - 1 + int(steps.argmax())
    return float(np.exp((ordered[k] + ordered[k + 1]) / 2))


def measure_region(
    depth_map: DepthMap, mask: np.ndarray, split: bool = True, axes: ArrayLike | None = None
) -> RegionDepth:
    """Measure a mask, bool (H, W). ``axes`` (3, 3): rows along which its box lies; None: optical.

    Codes: OUT_OF_IMAGE (no pixel in the image), NO_DEPTH (too few valid depths).
    """
    pixels = int(mask.sum())
    if not pixels:
        return RegionDepth(Code.OUT_OF_IMAGE, "no pixel of the region lies in the image")
    valid = float(np.isfinite(depth_map.depth_m[mask]).mean())
    front = foreground(depth_map, mask, split)
    if not front.any() or valid < 0.05:
        return RegionDepth(
            Code.NO_DEPTH,
            f"{100 * valid:.0f} % of the region's {pixels} pixels have a depth: too few",
            pixels=pixels,
            valid_fraction=valid,
        )
    points = _points(depth_map, front)
    middle = np.median(points, axis=0)
    depth, ratio = float(middle[2]), depth_map.ratio_90
    axes = np.eye(3) if axes is None else np.asarray(axes, np.float64)
    low, high = np.percentile(points @ axes.T, [2, 98], axis=0)
    return RegionDepth(
        Code.OK,
        "",
        depth,
        float(np.percentile(points[:, 2], 10)),
        depth / ratio,
        depth * ratio,
        float(np.linalg.norm(middle)),
        tuple(middle.tolist()),
        tuple(((low + high) / 2 @ axes).tolist()),
        tuple((high - low).tolist()),
        pixels,
        valid,
        float(front.sum() / pixels),
    )


def gap_between_masks(
    depth_map: DepthMap, a: np.ndarray, b: np.ndarray, split: bool = True
) -> Gap:
    """Measure the gap between the foregrounds of two masks: between their nearest points."""
    wholes = []
    for name, mask in (("first", a), ("second", b)):
        front = foreground(depth_map, mask, split)
        if not front.any():
            code = Code.NO_DEPTH if mask.any() else Code.OUT_OF_IMAGE
            return Gap(code, f"the {name} region has no valid depth: ask elsewhere")
        wholes.append(_with_border(depth_map, front, mask))
    pair = _nearest(*(_points(depth_map, _rim(whole)) for whole in wholes))
    around = (_around(depth_map, *both) for both in zip(wholes, pair, strict=True))
    return _gap(*_nearest(*around), depth_map.ratio_90)


def _nearest(p: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest two of points (N, 3) and (M, 3)."""
    squared = np.square(p).sum(1)[:, None] + np.square(q).sum(1)[None] - 2 * p @ q.T
    i, j = np.unravel_index(np.argmin(squared), squared.shape)
    return p[i], q[j]


def _around(depth_map: DepthMap, mask: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Return all points (N, 3) of a mask around one of it, which was found among a few."""
    u, v = np.rint(depth_map.camera.project(point)).astype(int)
    rows, columns = (slice(max(0, at - _AROUND_PX), at + _AROUND_PX + 1) for at in (v, u))
    near = np.zeros_like(mask)
    near[rows, columns] = mask[rows, columns]
    return _points(depth_map, near)


def gap_between_points(
    depth_map: DepthMap, a: np.ndarray, b: np.ndarray, edge_ratio: float = EDGE_RATIO
) -> Gap:
    """Measure the gap between the surfaces on which two pixels (u, v) lie.

    Along the straight line between the pixels the surface of each ends at the first depth step;
    the gap is from the one end to the other. One surface all along has none: NOT_FOUND.
    """
    ends = np.array([a, b], dtype=np.float64)
    if not depth_map.camera.contains(ends).all():
        return Gap(Code.OUT_OF_IMAGE, f"{tuple(a)} or {tuple(b)} lies outside the image")
    count = int(np.abs(ends[1] - ends[0]).max()) + 2
    line = np.rint(ends[0] + np.linspace(0, 1, count)[:, None] * (ends[1] - ends[0])).astype(int)
    z = depth_map.depth_m[line[:, 1], line[:, 0]].astype(np.float64)
    if not np.isfinite(z[[0, -1]]).all():
        return Gap(Code.NO_DEPTH, "no valid depth at one of the two points: ask elsewhere")
    with np.errstate(invalid="ignore"):
        smooth = np.abs(np.diff(np.log(z))) < np.log(edge_ratio)
    broken = np.flatnonzero(~smooth)
    if not len(broken):
        return Gap(Code.NOT_FOUND, "both points lie on one surface: there is no gap between them")
    p, q = (depth_map.camera.unproject(line[k], z[k]) for k in (broken[0], broken[-1] + 1))
    return _gap(p, q, depth_map.ratio_90)


def _gap(p: np.ndarray, q: np.ndarray, ratio: float) -> Gap:
    distance = float(np.linalg.norm(p - q))
    low, high = range_of_distance((p, q), ((1 / ratio, ratio),) * 2)
    return Gap(
        Code.OK,
        "",
        distance,
        low,
        high,
        tuple(float(x) for x in p),
        tuple(float(x) for x in q),
    )


def _with_border(depth_map: DepthMap, front: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return a foreground with its pixels at the depth step, bool (H, W).

    They were left out, since their depth may be mixed with the background's; without them a gap
    would seem wider than it is.
    """
    kernel = np.ones((2 * depth_map.edge_radius_px + 1,) * 2, np.uint8)
    inside = np.where(front, depth_map.depth_m, np.float32(0.0))
    near = cv2.dilate(inside, kernel) * np.float32(EDGE_RATIO)
    with np.errstate(invalid="ignore"):
        return front | (mask & (depth_map.depth_m < near))


def _rim(mask: np.ndarray) -> np.ndarray:
    """Return a mask, thinned to _GAP_POINTS; its outline first, where things face each other."""
    inner = cv2.erode(
        mask.view(np.uint8),
        np.ones((3, 3), np.uint8),
        borderType=cv2.BORDER_CONSTANT,
        borderValue=0,
    ).view(bool)
    chosen = np.zeros_like(mask)
    for part in (mask & ~inner, inner):
        at = np.flatnonzero(part)
        chosen.flat[at[:: max(1, -(-len(at) // (_GAP_POINTS // 2)))]] = True
    return chosen


def _points(depth_map: DepthMap, mask: np.ndarray) -> np.ndarray:
    x, y = (np.broadcast_to(part, mask.shape)[mask] for part in ray_axes(depth_map.camera))
    z = depth_map.depth_m[mask]
    return np.stack([x * z, y * z, z], axis=-1).astype(np.float64)
