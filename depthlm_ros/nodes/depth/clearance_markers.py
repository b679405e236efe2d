"""Clearance as RViz markers: the volume green, red or grey, the nearest obstacle, the ground."""

import numpy as np
from visualization_msgs.msg import Marker, MarkerArray

from depthlm_ros.geometry.clearance import Clearance, Verdict
from depthlm_ros.geometry.ground_plane import GroundPlane
from depthlm_ros.geometry.swept_box import SweptBox
from depthlm_ros.nodes.depth.marker import WHITE, box_edges, marker

LIFETIME_S = 1.5
"""How long a marker stays: a corridor that is not renewed must not go on looking green."""
COLOURS = {
    Verdict.CLEAR: (0.1, 0.8, 0.2),
    Verdict.BLOCKED: (0.9, 0.1, 0.1),
    Verdict.DROP: (0.9, 0.1, 0.1),
    Verdict.UNKNOWN: (0.6, 0.6, 0.6),
}
_GROUND_COLOUR = (0.4, 0.6, 0.9)
_GRID_AHEAD_M, _GRID_ASIDE_M = 6, 2
_FACES = ((0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5))


def clearance_markers(
    box: SweptBox | None, found: Clearance, ground: GroundPlane | None, header
) -> MarkerArray:
    """Return the volume's sides and edges, the nearest obstacle, the words, and the ground.

    What there is none of (no box without a ground, no obstacle) is taken away.
    """
    corners = np.zeros((8, 3)) if box is None else box.corners()
    sides = [corners[k] for a, b, c, d in _FACES for k in (a, b, c, a, c, d)]
    near, middle = found.obstacle.point_m, corners.mean(axis=0)
    colour, known = COLOURS[found.verdict], box is not None

    def part(number, kind, colour, size, **more):
        return marker(header, "clearance", number, kind, colour, size, LIFETIME_S, **more)

    return MarkerArray(
        markers=[
            part(0, Marker.TRIANGLE_LIST, colour, 1.0, alpha=0.25, points=sides, shown=known),
            part(
                1,
                Marker.LINE_LIST,
                colour,
                0.01,
                alpha=0.9,
                points=box_edges(corners),
                shown=known,
            ),
            part(
                2, Marker.SPHERE, (1.0, 0.0, 0.0), 0.08, at=near, shown=found.obstacle.pixels > 0
            ),
            part(3, Marker.TEXT_VIEW_FACING, WHITE, 0.12, at=middle, text=found.text, shown=known),
            *_ground_markers(ground, header),
        ]
    )


def _ground_markers(ground: GroundPlane | None, header) -> list[Marker]:
    """Return the ground as a grid of metres before the camera, with what is known of it."""
    lines, at, text = [], (0.0, 0.0, 0.0), ""
    if ground is not None:
        axes = ground.level_axes()
        foot = -ground.height_m * axes[2]
        ahead, aside = range(_GRID_AHEAD_M + 1), range(-_GRID_ASIDE_M, _GRID_ASIDE_M + 1)
        across = [(x, y) for x in ahead for y in (-_GRID_ASIDE_M, _GRID_ASIDE_M)]
        along = [(x, y) for y in aside for x in (0, _GRID_AHEAD_M)]
        lines = [foot + x * axes[0] + y * axes[1] for x, y in across + along]
        at = foot + axes[0]
        text = f"ground {ground.height_m:.2f} m below the camera"
        if np.isfinite(ground.confidence):
            text += f", confidence {ground.confidence:.2f}, rough by {ground.residual_m:.3f} m"
    shown = ground is not None
    return [
        marker(
            header,
            "ground",
            0,
            Marker.LINE_LIST,
            _GROUND_COLOUR,
            0.01,
            LIFETIME_S,
            alpha=0.7,
            points=lines,
            shown=shown,
        ),
        marker(
            header,
            "ground",
            1,
            Marker.TEXT_VIEW_FACING,
            _GROUND_COLOUR,
            0.1,
            LIFETIME_S,
            at=at,
            text=text,
            shown=shown,
        ),
    ]
