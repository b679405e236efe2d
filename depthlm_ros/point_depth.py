"""PointDepth: the metric depth at one pixel, or why there is none."""

from dataclasses import dataclass

from depthlm_ros.interval import UNKNOWN, Interval
from depthlm_ros.status import Code

NAN = float("nan")


@dataclass(frozen=True)
class PointDepth:
    """Metric depth at one pixel; every number is NaN unless ``code`` is OK.

    Attributes:
        pixel: (u, v) as asked, float; (0, 0) is the centre of the image's first pixel.
        code: OK, or why there is no number.
        text: The reason in a sentence (value, rule, remedy); of a point model its own words.
        distance_m: Straight line from the camera to the point [m].
        depth_m: Along the optical axis (REP-118) [m].
        low_m, high_m: 90 % interval of ``distance_m`` [m]; NaN: unknown.
        point_m: (x, y, z) in the optical frame (REP-103: x right, y down, z forward) [m].
        source: What the number rests on: "dense" (a map) or "marker" (a point model).
        interval: What ``low_m`` and ``high_m`` rest on.
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
