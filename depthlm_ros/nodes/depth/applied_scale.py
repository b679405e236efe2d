"""A calibrated scale where numbers leave the model: depth maps, readings, and their source."""

from dataclasses import replace

from depthlm_ros.estimator import FrameDepth
from depthlm_ros.geometry.scale import scaled
from depthlm_ros.point_depth import PointDepth
from depthlm_ros.status import Code


def scaled_frame(frame_depth: FrameDepth, scale: float) -> FrameDepth:
    """Return the frame with ``scale`` applied instead of the one that it has."""
    if scale == frame_depth.scale or frame_depth.depth_map is None:
        return frame_depth
    depth_map = scaled(frame_depth.depth_map, scale / frame_depth.scale)
    return replace(frame_depth, depth_map=depth_map, scale=scale)


def scaled_readings(readings: list[PointDepth], scale: float) -> list[PointDepth]:
    """Return readings of a model without depth map, multiplied by a scale and named so."""
    if scale == 1.0:
        return readings
    return named_readings([_scaled(r, scale) if r.code == Code.OK else r for r in readings], scale)


def named_readings(readings: list[PointDepth], scale: float) -> list[PointDepth]:
    """Return readings whose source tells the scale that they contain."""
    if scale == 1.0:
        return readings
    return [replace(r, source=named_source(r.source, scale)) for r in readings]


def named_source(source: str, scale: float) -> str:
    """Return "dense" as "dense*1.050" where a scale of 1.05 is applied."""
    return source if scale == 1.0 or not source else f"{source}*{scale:.3f}"


def _scaled(reading: PointDepth, scale: float) -> PointDepth:
    names = ("distance_m", "depth_m", "low_m", "high_m")
    lengths = {name: getattr(reading, name) * scale for name in names}
    return replace(reading, point_m=tuple(x * scale for x in reading.point_m), **lengths)
