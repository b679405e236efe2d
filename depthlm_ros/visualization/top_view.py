"""What lies ahead, seen from above: the camera at the bottom, its axis upwards."""

from collections.abc import Sequence

import cv2
import numpy as np

from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.geometry.swept_box import SweptBox
from depthlm_ros.visualization.drawing import PAPER

TRUE_COLOUR, SEEN_COLOUR, RING_COLOUR = (150, 150, 150), (255, 176, 32), (60, 66, 78)
CLEAR, BLOCKED, UNKNOWN = (80, 200, 120), (235, 80, 70), (215, 175, 60)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def top_view(
    seen: DepthMap,
    size: tuple[int, int],
    reach_m: float,
    band_m: float,
    ways: Sequence[tuple[SweptBox, tuple]] = (),
    true: DepthMap | None = None,
) -> np.ndarray:
    """Draw the nearest surface in each column of a depth map from above, uint8 (H, W, 3).

    ``size``: (height, width) [px]. ``reach_m``: depth at the upper edge. ``band_m``: only points
    at most so far above or below the camera, along its y axis. ``ways``: swept boxes with the
    colours of their outlines. ``true``: drawn in grey beneath.
    """
    height, width = size
    drawn = np.full((height, width, 3), PAPER, np.uint8)
    scale = 0.94 * height / reach_m

    def at(x_m: np.ndarray, z_m: np.ndarray) -> np.ndarray:
        return np.stack([width / 2 + scale * x_m, height - scale * z_m], -1)

    for ring in range(1, int(reach_m) + 1):
        centre, radius = (width // 2, height), round(scale * ring)
        cv2.circle(drawn, centre, radius, RING_COLOUR, 1, cv2.LINE_AA)
        place = (width // 2 + 4, height - radius + 14)
        cv2.putText(drawn, f"{ring} m", place, _FONT, 0.4, TRUE_COLOUR, 1, cv2.LINE_AA)
    for box, colour in ways:
        corners = box.corners()[[0, 1, 3, 2]]  # the bottom's, in turn
        outline = np.rint(at(corners[:, 0], corners[:, 2])).astype(np.int32)
        cv2.polylines(drawn, [outline], True, colour, 2, cv2.LINE_AA)
    for depth_map, colour in ((true, TRUE_COLOUR), (seen, SEEN_COLOUR)):
        if depth_map is not None:
            _dots(drawn, at(*nearest_in_band(depth_map, band_m)), colour)
    return drawn


def nearest_in_band(depth_map: DepthMap, band_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Return x and z [m] of the nearest point of each column within ``band_m`` of y = 0."""
    points = depth_map.points()
    with np.errstate(invalid="ignore"):
        z = np.where(np.abs(points[..., 1]) <= band_m, points[..., 2], np.inf)
    z = np.where(np.isnan(z), np.inf, z)
    row = np.argmin(z, axis=0)
    columns = np.arange(z.shape[1])
    nearest = z[row, columns]
    kept = np.isfinite(nearest)
    return points[row, columns, 0][kept], nearest[kept]


def _dots(drawn: np.ndarray, places: np.ndarray, colour: tuple) -> None:
    height, width = drawn.shape[:2]
    u, v = np.rint(places).astype(int).T
    inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
    for du in (0, 1):
        for dv in (0, 1):
            drawn[
                np.minimum(v[inside] + dv, height - 1), np.minimum(u[inside] + du, width - 1)
            ] = colour
