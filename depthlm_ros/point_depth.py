"""PointDepth: the metric depth at one pixel, or why there is none."""

from dataclasses import dataclass

from depthlm_ros.interval import UNKNOWN, Interval
from depthlm_ros.status import Code

NAN = float("nan")


@dataclass(frozen=True)
class PointDepth:
    """Metric depth at one pixel; every number is NaN unless ``code`` is OK.

    ``pixel``: (u, v) as asked. ``distance_m``: straight line from the camera; ``depth_m``: along
    the optical axis; ``low_m``, ``high_m``: 90 % interval of ``distance_m`` (NaN: unknown), and
    ``interval``: what that rests on. ``point_m``: (x, y, z) in the optical frame. ``source``: what
    the number rests on, "dense" or "marker".
    """

    pixel: tuple
    code: Code
    text: str = ""
    distance_m: float = NAN
    depth_m: float = NAN
    low_m: float = NAN
    high_m: float = NAN
    point_m: tuple = (NAN, NAN, NAN)
    source: str = "dense"
    interval: Interval = UNKNOWN
