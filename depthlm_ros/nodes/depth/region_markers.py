"""Measured regions as RViz markers: 3-D boxes with their names, gaps with their width."""

import numpy as np
from visualization_msgs.msg import Marker, MarkerArray

from depthlm_ros.nodes.common.conversions import xyz_of
from depthlm_ros.nodes.depth.marker import WHITE, box_edges, marker
from depthlm_ros.status import Code

LIFETIME_S = 3.0
_BOX_COLOUR, _GAP_COLOUR = (1.0, 0.8, 0.1), (0.1, 0.9, 0.9)


def region_markers(regions, gaps, header) -> MarkerArray:
    """Return two markers for each region and each gap that is OK; lengths as in the messages.

    ``regions``: RegionDepth, ``gaps``: Gap messages, in the frame of ``header``.
    """
    markers = []
    for number, region in enumerate(regions):
        if region.status.code == Code.OK:
            markers += _box(region, number, header)
    for number, gap in enumerate(gaps):
        if gap.status.code == Code.OK:
            markers += _gap(gap, number, header)
    return MarkerArray(markers=markers)


def _box(region, number: int, header) -> list[Marker]:
    half = xyz_of(region.size) / 2
    signs = np.array([[1 if corner >> k & 1 else -1 for k in range(3)] for corner in range(8)])
    corners = xyz_of(region.box.position) + signs * half
    text = f"{region.label} {region.distance:.2f} m".strip()
    lines = marker(
        header,
        "regions",
        number,
        Marker.LINE_LIST,
        _BOX_COLOUR,
        0.01,
        LIFETIME_S,
        points=box_edges(corners),
    )
    return [lines, _words("region_names", number, header, xyz_of(region.point), text)]


def _gap(gap, number: int, header) -> list[Marker]:
    a, b = xyz_of(gap.a), xyz_of(gap.b)
    line = marker(
        header, "gaps", number, Marker.LINE_LIST, _GAP_COLOUR, 0.02, LIFETIME_S, points=(a, b)
    )
    return [line, _words("gap_widths", number, header, (a + b) / 2, f"{gap.distance:.2f} m")]


def _words(namespace: str, number: int, header, at, text: str) -> Marker:
    kind = Marker.TEXT_VIEW_FACING
    return marker(header, namespace, number, kind, WHITE, 0.1, LIFETIME_S, at=at, text=text)
