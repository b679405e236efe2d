"""Readings as RViz markers: a sphere at each point and its distance beside it."""

from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

SPHERE_OF_DISTANCE = 0.02
"""Diameter of a sphere as a part of its distance, so that near and far are seen alike."""
_COLOUR = ColorRGBA(r=1.0, g=0.2, b=0.1, a=0.9)


def point_markers(readings, header, lifetime_s: float) -> MarkerArray:
    """Return two markers a reading (estimator.PointDepth that is OK), in the camera's frame."""
    seconds = Duration(sec=int(lifetime_s), nanosec=int(lifetime_s % 1 * 1e9))
    markers = []
    for i, reading in enumerate(readings):
        size = max(0.01, SPHERE_OF_DISTANCE * reading.distance_m)
        x, y, z = reading.point_m
        markers.append(_marker(header, seconds, "points", i, Marker.SPHERE, (x, y, z), size))
        label = _marker(
            header, seconds, "distances", i, Marker.TEXT_VIEW_FACING, (x, y - 2 * size, z), size
        )
        label.text = f"{reading.distance_m:.2f} m"
        label.scale.z = 2 * size
        markers.append(label)
    return MarkerArray(markers=markers)


def _marker(header, lifetime, namespace: str, number: int, kind: int, at, size: float) -> Marker:
    marker = Marker(header=header, ns=namespace, id=number, type=kind, action=Marker.ADD)
    marker.pose.position = Point(x=float(at[0]), y=float(at[1]), z=float(at[2]))
    marker.pose.orientation.w = 1.0
    marker.scale.x = marker.scale.y = marker.scale.z = float(size)
    marker.color = _COLOUR
    marker.lifetime = lifetime
    return marker
