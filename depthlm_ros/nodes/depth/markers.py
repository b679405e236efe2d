"""Readings as RViz markers: a sphere at each point and its distance beside it."""

from visualization_msgs.msg import Marker, MarkerArray

from depthlm_ros.nodes.depth.marker import marker

SPHERE_OF_DISTANCE = 0.02
"""Diameter of a sphere as a part of its distance, so that near and far are seen alike."""
_COLOUR = (1.0, 0.2, 0.1)


def point_markers(readings, header, lifetime_s: float) -> MarkerArray:
    """Return two markers a reading (estimator.PointDepth that is OK), in the camera's frame."""
    markers = []
    for i, reading in enumerate(readings):
        size = max(0.01, SPHERE_OF_DISTANCE * reading.distance_m)
        x, y, z = reading.point_m
        look = {"colour": _COLOUR, "lifetime_s": lifetime_s, "alpha": 0.9}
        markers.append(marker(header, "points", i, Marker.SPHERE, size=size, at=(x, y, z), **look))
        markers.append(
            marker(
                header,
                "distances",
                i,
                Marker.TEXT_VIEW_FACING,
                size=2 * size,
                at=(x, y - 2 * size, z),
                text=f"{reading.distance_m:.2f} m",
                **look,
            )
        )
    return MarkerArray(markers=markers)
