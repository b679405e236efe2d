"""From a depth map, or from a model that answers point by point, to one ``PointDepth`` a pixel."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from depthlm_ros.frame import Frame
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import (
    EDGE_RATIO,
    DepthMap,
    depth_from_distance,
    distance_from_depth,
)
from depthlm_ros.geometry.depth_sampling import sample_with_spread
from depthlm_ros.interval import UNKNOWN, UNSTATED, Interval
from depthlm_ros.models.base import DistanceReading, PointDepthModel
from depthlm_ros.point_depth import PointDepth
from depthlm_ros.status import Code


def sample_points(
    depth_map: DepthMap,
    pixels: ArrayLike,
    edge_ratio: float = EDGE_RATIO,
    max_range_m: float = float("inf"),
    source_pixels: ArrayLike | None = None,
) -> list[PointDepth]:
    """Read a depth map at float pixels (N, 2) of its own image; one reading a pixel, in order.

    Within one surface the reading is bilinear in inverse depth, in which planes are linear.
    Across a depth step nothing is averaged: the reading is the median of the side on which the
    nearest pixel lies. The interval joins the map's ``ratio_90`` with the spread of the depths
    around the pixel (root of the sum of the squared logarithms), so beside a step it reaches the
    other surface. Codes: OUT_OF_IMAGE, NO_DEPTH (unknown), IMPLAUSIBLE (beyond range).
    ``source_pixels`` (N, 2): to be reported instead, as of the image before rectification.
    """
    p = np.asarray(pixels, dtype=np.float64).reshape(-1, 2)
    names = (
        p if source_pixels is None else np.asarray(source_pixels, dtype=np.float64).reshape(-1, 2)
    )
    inside = depth_map.camera.contains(p)
    if not inside.any():
        rows = zip(p, names, strict=True)
        return [_outside((float(n[0]), float(n[1])), q, depth_map.camera) for q, n in rows]
    safe = np.where(inside[:, None], p, 0.0)
    z, spread_low, spread_high = sample_with_spread(depth_map, safe, edge_ratio)
    xy = depth_map.camera.normalise(safe)
    stretch = distance_from_depth(1.0, xy)
    noise = np.log(depth_map.ratio_90)
    with np.errstate(invalid="ignore"):  # depths that are not finite
        distance, points = z * stretch, xy * z[:, None]
        low = distance * np.exp(-np.hypot(noise, spread_low))
        high = distance * np.exp(np.hypot(noise, spread_high))

    def reading(i: int) -> PointDepth:
        pixel = (float(names[i, 0]), float(names[i, 1]))
        if not inside[i]:
            return _outside(pixel, p[i], depth_map.camera)
        if not np.isfinite(z[i]):
            return _no_number(pixel, float(z[i]), max_range_m)
        point = (float(points[i, 0]), float(points[i, 1]), float(z[i]))
        numbers = float(distance[i]), float(z[i]), float(low[i]), float(high[i])
        return PointDepth(pixel, Code.OK, "", *numbers, point, interval=depth_map.interval)

    return [reading(i) for i in range(len(p))]


def _no_number(pixel: tuple, z: float, max_range_m: float) -> PointDepth:
    """Refuse a pixel whose depth is unknown (NaN) or beyond the range (+Inf)."""
    if np.isnan(z):
        return PointDepth(pixel, Code.NO_DEPTH, f"no valid depth at {_px(pixel)}: ask elsewhere")
    text = f"beyond max_range_m = {max_range_m:g} m at {_px(pixel)}: no number is claimed"
    return PointDepth(pixel, Code.IMPLAUSIBLE, text)


def marker_points(
    model: PointDepthModel,
    frame: Frame,
    pixels: ArrayLike,
    min_range_m: float = 0.05,
    max_range_m: float = 100.0,
    source_pixels: ArrayLike | None = None,
) -> list[PointDepth]:
    """Ask a point model for the distance at float pixels (N, 2) of the frame; one reading a pixel.

    The model's Euclidean distances become z-depth here, and are refused, not clipped, when the
    z-depth leaves the range. Pixels outside the image are not shown to the model. Codes:
    OUT_OF_IMAGE, IN_MARKER_MARGIN, NO_ANSWER, IMPLAUSIBLE. ``source_pixels``: as in
    ``sample_points``.
    """
    check_range(min_range_m, max_range_m)
    p = np.asarray(pixels, dtype=np.float64).reshape(-1, 2)
    names = (
        p if source_pixels is None else np.asarray(source_pixels, dtype=np.float64).reshape(-1, 2)
    )
    inside = frame.camera.contains(p)
    readings = iter(model.distances(frame.rgb, frame.camera, p[inside]) if inside.any() else [])
    points = []
    for pixel, name, is_inside in zip(p, names, inside, strict=True):
        label = (float(name[0]), float(name[1]))
        if is_inside:
            reading = next(readings)
            point = _from_reading(reading, label, pixel, frame, min_range_m, max_range_m)
            points.append(replace(point, interval=_interval_of_reading(model, point)))
        else:
            points.append(replace(_outside(label, pixel, frame.camera), source="marker"))
    return points


def _interval_of_reading(model: PointDepthModel, point: PointDepth) -> Interval:
    """Return what the interval of a point model's reading rests on; UNKNOWN without one."""
    if not np.isfinite([point.low_m, point.high_m]).all():
        return UNKNOWN
    return getattr(model, "interval", UNSTATED)


def _from_reading(
    reading: DistanceReading,
    label: tuple,
    pixel: np.ndarray,
    frame: Frame,
    nearest_m: float,
    farthest_m: float,
) -> PointDepth:
    """Turn a model's words about one pixel into a PointDepth."""
    distance = float(reading.distance_m)
    if reading.reason or np.isnan(distance):
        text = reading.reason or f"no usable number in {reading.text[:80]!r}"
        code = Code.NO_ANSWER if reading.code is Code.OK else reading.code
        return PointDepth(label, code, text, source="marker")
    xy = frame.camera.normalise(pixel)
    z = float(depth_from_distance(distance, xy))
    if not (nearest_m <= z <= farthest_m) or z <= 0:
        text = (
            f"the model says {distance:g} m, a depth of {z:g} m: must lie within "
            f"{nearest_m:g} to {farthest_m:g} m (min_range_m, max_range_m)"
        )
        return PointDepth(label, Code.IMPLAUSIBLE, text, source="marker")
    return PointDepth(
        label,
        Code.OK,
        reading.text,
        distance,
        z,
        float(reading.low_m),
        float(reading.high_m),
        (float(xy[0] * z), float(xy[1] * z), z),
        "marker",
    )


def _outside(label: tuple, pixel: np.ndarray, camera: PinholeCamera) -> PointDepth:
    """Refuse a pixel that is not in the image; ``label``: as asked, ``pixel``: rectified."""
    if np.isfinite(label).all() and not np.isfinite(pixel).all():
        text = f"the lens model has no ray for {_px(label)}: ask nearer to the image's centre"
    elif not np.array_equal(label, pixel, equal_nan=True):
        text = (
            f"{_px(label)} is {_px(pixel)} after rectification: must lie in the rectified image "
            f"of {camera.width} x {camera.height} px; ask nearer to its centre"
        )
    else:
        text = f"{_px(label)}: must lie in the image of {camera.width} x {camera.height} px"
    return PointDepth(label, Code.OUT_OF_IMAGE, text)


def _px(pixel: Sequence[float] | np.ndarray) -> str:
    """Name a pixel for people."""
    return f"pixel ({pixel[0]:.1f}, {pixel[1]:.1f})"


def check_range(min_range_m: float, max_range_m: float) -> None:
    """Refuse a range that is none."""
    if not 0.0 <= min_range_m < max_range_m:
        raise ValueError(
            f"min_range_m = {min_range_m}, max_range_m = {max_range_m}: must be 0 <= min < max"
        )
