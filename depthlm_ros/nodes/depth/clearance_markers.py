"""Clearance as RViz markers: the volume green, red or grey, and the nearest obstacle in it."""

from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from depthlm_ros.geometry.clearance import Clearance, Verdict
from depthlm_ros.geometry.swept_box import SweptBox
from depthlm_ros.sanitize import encodable

LIFETIME_S = 1.5
"""How long a marker stays: a corridor that is not renewed must not go on looking green."""
COLOURS = {
    Verdict.CLEAR: (0.1, 0.8, 0.2),
    Verdict.BLOCKED: (0.9, 0.1, 0.1),
    Verdict.DROP: (0.9, 0.1, 0.1),
    Verdict.UNKNOWN: (0.6, 0.6, 0.6),
}
_FACES = ((0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5))
_EDGES = [(a, a | bit) for bit in (1, 2, 4) for a in range(8) if not a & bit]


def clearance_markers(box: SweptBox, found: Clearance, header) -> MarkerArray:
    """Return the volume's sides and edges, the nearest obstacle or its absence, and the words."""
    corners = box.corners()
    sides = [corners[k] for a, b, c, d in _FACES for k in (a, b, c, a, c, d)]
    edges = [corners[k] for edge in _EDGES for k in edge]
    colour = COLOURS[found.verdict]
    near, middle = found.obstacle.point_m, corners.mean(axis=0)
    shown = bool(found.obstacle.pixels)
    return MarkerArray(
        markers=[
            _marker(header, 0, Marker.TRIANGLE_LIST, colour, 0.25, 1.0, sides),
            _marker(header, 1, Marker.LINE_LIST, colour, 0.9, 0.01, edges),
            _marker(header, 2, Marker.SPHERE, (1.0, 0.0, 0.0), 1.0, 0.08, at=near, shown=shown),
            _marker(
                header,
                3,
                Marker.TEXT_VIEW_FACING,
                (1.0, 1.0, 1.0),
                1.0,
                0.12,
                at=middle,
                text=encodable(found.text),
            ),
        ]
    )


def _marker(
    header,
    number: int,
    kind: int,
    colour: tuple,
    alpha: float,
    size: float,
    points=(),
    at=(0.0, 0.0, 0.0),
    text: str = "",
    shown: bool = True,
) -> Marker:
    marker = Marker(header=header, ns="clearance", id=number, type=kind, text=text)
    marker.action = Marker.ADD if shown else Marker.DELETE
    if shown:
        marker.pose.position = _point(at)
    marker.pose.orientation.w = 1.0
    marker.scale.x = marker.scale.y = marker.scale.z = size
    marker.color = ColorRGBA(**dict(zip("rgba", (*colour, alpha), strict=True)))
    marker.points = [_point(p) for p in points]
    marker.lifetime = Duration(sec=int(LIFETIME_S), nanosec=int(LIFETIME_S % 1 * 1e9))
    return marker


def _point(xyz) -> Point:
    return Point(**dict(zip("xyz", map(float, xyz), strict=True)))
