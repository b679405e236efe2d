"""The metric scale of a model's depth, from what is known: a distance, a height, a range.

A scale is the median of true / measured over readings, found in logarithms: it multiplies depth.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.status import Code, StatusError

LOWEST, HIGHEST = 0.5, 2.0
"""Bounds of a scale: a model that is wrong by more is not corrected by a factor."""

_REPETITIONS = 6


@dataclass(frozen=True)
class ScaleEstimate:
    """A scale and what it rests on.

    ``scale``: multiplies measured depth. ``residual``: robust standard deviation (1.4826 MAD) of
    the single log ratios, a relative error. ``samples``: how many readings.
    """

    scale: float
    residual: float
    samples: int


def estimate_scale(true_m: ArrayLike, measured_m: ArrayLike, least: int = 1) -> ScaleEstimate:
    """Estimate the scale from pairs of lengths [m] (N,); pairs that are not positive are skipped.

    Raises StatusError(NO_DEPTH) for fewer than ``least`` pairs, StatusError(IMPLAUSIBLE) for a
    scale out of bounds.
    """
    true, measured = (np.asarray(x, np.float64).reshape(-1) for x in (true_m, measured_m))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = np.log(true / measured)
    ratios = ratios[np.isfinite(ratios) & (true > 0) & (measured > 0)]
    if len(ratios) < max(least, 1):
        raise StatusError(
            Code.NO_DEPTH,
            f"{len(ratios)} readings with a depth: at least {least} are "
            "needed; show the reference for longer",
        )
    middle = float(np.median(ratios))
    residual = float(1.4826 * np.median(np.abs(ratios - middle)))
    return ScaleEstimate(check_scale(float(np.exp(middle))), residual, len(ratios))


def check_scale(scale: float) -> float:
    """Return the scale; StatusError(IMPLAUSIBLE) unless it lies within the bounds."""
    if not LOWEST <= scale <= HIGHEST:
        raise StatusError(
            Code.IMPLAUSIBLE,
            f"scale {scale:g}: must lie within {LOWEST:g} to "
            f"{HIGHEST:g}; check the reference and its unit (metres)",
        )
    return float(scale)


def scan_pairs(depth_map: DepthMap, points_m: ArrayLike, edge_ratio: float = 1.15) -> tuple:
    """Return (true, measured) z-depths (N,) of range sensor's points (M, 3) in the optical frame.

    Points outside the image, behind the camera, at depth steps or without depth are left out.
    """
    points = np.asarray(points_m, np.float64).reshape(-1, 3)
    points = points[np.isfinite(points).all(axis=1)]
    pixels = depth_map.camera.project(points)
    inside = depth_map.camera.contains(pixels)
    column, row = np.rint(pixels[inside]).astype(int).T
    depth = np.where(depth_map.depth_discontinuities(edge_ratio), np.nan, depth_map.depth_m)[
        row, column
    ]
    good = np.isfinite(depth)
    return points[inside, 2][good], depth[good].astype(np.float64)


def scan_points(
    ranges_m: ArrayLike,
    angle_min_rad: float,
    angle_increment_rad: float,
    range_min_m: float,
    range_max_m: float,
) -> np.ndarray:
    """Return the points (N, 3) [m] of a LaserScan's valid ranges in the scan's own frame."""
    ranges = np.asarray(ranges_m, np.float64)
    angles = angle_min_rad + angle_increment_rad * np.arange(len(ranges))
    with np.errstate(invalid="ignore"):
        valid = np.isfinite(ranges) & (ranges >= range_min_m) & (ranges <= range_max_m)
    r, angle = ranges[valid], angles[valid]
    return np.stack([r * np.cos(angle), r * np.sin(angle), np.zeros_like(r)], axis=-1)


def cone_depth(
    depth_map: DepthMap,
    origin_m: ArrayLike,
    axis: Sequence[float] | np.ndarray,
    half_angle_rad: float,
) -> float:
    """Return the nearest distance [m] that a Range sensor at ``origin_m`` (3,) would read; NaN.

    ``axis`` (3,): its direction; both in the optical frame. The 2nd percentile of the distances
    within the cone stands for the nearest, as a sonar needs some surface to answer.
    """
    points = depth_map.points(depth_map.depth_discontinuities()).reshape(-1, 3).astype(np.float64)
    offset = points - np.asarray(origin_m, np.float64)
    distance = np.linalg.norm(offset, axis=1)
    axis = np.asarray(axis, np.float64) / np.linalg.norm(axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        inside = (offset @ axis) / distance >= np.cos(half_angle_rad)
    inside &= np.isfinite(distance)
    return float(np.percentile(distance[inside], 2)) if inside.sum() >= 4 else float("nan")


def range_scale(
    depth_map: DepthMap,
    origin_m: ArrayLike,
    axis: Sequence[float] | np.ndarray,
    half_angle_rad: float,
    range_m: float,
) -> float:
    """Return the scale of the depth at which ``cone_depth`` is ``range_m``; NaN for none.

    The sensor is not where the camera is, so that its range does not grow as the depth does: the
    scale is found by repetition, which closes in by the share that lies between the two.
    """
    scale = 1.0
    for _ in range(_REPETITIONS):
        seen = cone_depth(scaled(depth_map, scale), origin_m, axis, half_angle_rad)
        if not seen > 0:
            return float("nan")
        scale *= range_m / seen
        if not LOWEST / 2 <= scale <= HIGHEST * 2:  # out of bounds anyway
            break
    return scale


class SlowScale:
    """A scale that follows estimates slowly and never jumps: at most ``per_step`` each time."""

    def __init__(self, scale: float = 1.0, gain: float = 0.1, per_step: float = 0.002) -> None:
        """Begin with a scale; ``gain``: share of a difference that is taken over each time."""
        if not (0 < gain <= 1 and per_step > 0):
            raise ValueError(f"gain = {gain}, per_step = {per_step}: must be in (0, 1], positive")
        self.scale, self.gain, self.per_step = check_scale(scale), float(gain), float(per_step)

    def follow(self, estimate: ScaleEstimate) -> float:
        """Move towards an estimate, in logarithms, and return the scale."""
        step = self.gain * np.log(estimate.scale / self.scale)
        step = float(np.clip(step, -self.per_step, self.per_step))
        self.scale = float(np.clip(self.scale * np.exp(step), LOWEST, HIGHEST))
        return self.scale


def scaled(depth_map: DepthMap, scale: float) -> DepthMap:
    """Return the map with every depth multiplied by a scale; 1.0 returns the map itself."""
    if scale == 1.0:
        return depth_map
    return replace(depth_map, depth_m=depth_map.depth_m * np.float32(scale), pack_on_device=None)
