"""What the page shows, as bytes and bounded lists: JPEG pictures, a thin cloud, a view from above.

Knows arrays only: no messages, no web library.
"""

import cv2
import numpy as np

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.visualization.colormap import colourise, range_of

MAX_WIDTH_PX = 960
JPEG_QUALITY = 80
MAX_POINTS = 6000
MAX_BEAMS = 240
TOP_VIEW_M = 8.0
"""How far ahead the view from above reaches."""
GREEN, RED = "#4caf50", "#e5484d"
COLOURS = {"UNKNOWN": "#d9a521"}
"""Colours of a corridor that is not clear, RED where none is given: unknown is not blocked."""


def jpeg_of(rgb: np.ndarray) -> bytes:
    """Return rgb, uint8 (H, W, 3), as JPEG, at most MAX_WIDTH_PX wide."""
    height, width = rgb.shape[:2]
    if width > MAX_WIDTH_PX:
        size = MAX_WIDTH_PX, max(1, round(height * MAX_WIDTH_PX / width))
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    return cv2.imencode(".jpg", np.ascontiguousarray(rgb[..., ::-1]), options)[1].tobytes()


def depth_jpeg(depth_m: np.ndarray) -> tuple[bytes, float, float]:
    """Return a depth map (H, W) [m] in colours as JPEG, and the ends of the scale [m]."""
    low, high = range_of(depth_m)
    return jpeg_of(colourise(depth_m, low, high)), low, high


def shown_to_image(x: float, y: float, width: int, height: int) -> tuple[float, float]:
    """Return the image's pixel at a place of the picture that ``jpeg_of`` made of it.

    A browser counts from the picture's corner, in its own pixels; we count from the centre of the
    first pixel, in the image's.
    """
    scale = max(1.0, width / MAX_WIDTH_PX)
    shown_height = height if scale == 1.0 else max(1, round(height / scale))
    return x * scale - 0.5, y * height / shown_height - 0.5


def image_to_shown(u: float, v: float, width: int, height: int) -> tuple[float, float]:
    """Return where the picture of ``jpeg_of`` shows an image's pixel: the inverse."""
    scale = max(1.0, width / MAX_WIDTH_PX)
    shown_height = height if scale == 1.0 else max(1, round(height / scale))
    return (u + 0.5) / scale, (v + 0.5) * shown_height / height


def cloud_of(
    depth_m: np.ndarray, camera: PinholeCamera, rgb: np.ndarray | None
) -> tuple[list, list]:
    """Return at most MAX_POINTS points [m] and their colours (0 to 1), for a z-up viewer.

    x forward, y left, z up (REP-103's body frame), so that the floor lies flat.
    """
    height, width = depth_m.shape
    step = max(1, int(np.ceil(np.sqrt(height * width / MAX_POINTS))))
    v, u = np.mgrid[step // 2 : height : step, step // 2 : width : step]
    z = depth_m[v, u]
    good = np.isfinite(z) & (z > 0)
    u, v, z = u[good], v[good], z[good]
    points = camera.unproject(np.stack([u, v], axis=-1), z)
    body = np.stack([points[:, 2], -points[:, 0], -points[:, 1]], axis=-1)
    if rgb is not None and rgb.shape[:2] == depth_m.shape:
        colours = rgb[v, u] / 255.0
    else:
        low, high = range_of(depth_m)
        colours = colourise(depth_m[None, ...][0], low, high)[v, u] / 255.0
    return np.round(body, 3).tolist(), np.round(colours, 2).tolist()


def top_view(beams: list | None, corridor: dict | None) -> str:
    """Return an SVG of what is ahead: the scan's points, and the corridor that was checked.

    ``beams``: (x forward, y left) [m]. ``corridor``: begin, length and width [m], verdict, clear
    (bool), nearest (x, y) or None. Forward is up; the picture is TOP_VIEW_M high and as wide.
    """
    half = TOP_VIEW_M / 2
    parts = [
        f'<svg viewBox="{-half} {-TOP_VIEW_M} {TOP_VIEW_M} {TOP_VIEW_M + 0.4}" width="100%" '
        'data-what="top-view" style="background:#15181d;border-radius:6px">'
    ]
    for metres in range(1, int(TOP_VIEW_M) + 1):
        parts.append(
            f'<circle cx="0" cy="0" r="{metres}" fill="none" stroke="#333a44" '
            'stroke-width="0.02"/>'
            f'<text x="0.05" y="{-metres - 0.05}" font-size="0.28" fill="#77808c">'
            f"{metres} m</text>"
        )
    if corridor is not None:
        parts.append(_corridor(corridor))
    for x, y in (beams or [])[:MAX_BEAMS]:
        parts.append(f'<circle cx="{-y:.2f}" cy="{-x:.2f}" r="0.05" fill="#ffb454"/>')
    parts.append('<path d="M-0.15 0.3 L0 -0.1 L0.15 0.3 Z" fill="#7aa2f7"/></svg>')
    return "".join(parts)


def _corridor(corridor: dict) -> str:
    begin, end = (min(corridor[name], TOP_VIEW_M) for name in ("begin", "length"))
    width = corridor["width"]
    colour = GREEN if corridor["clear"] else COLOURS.get(corridor["verdict"], RED)
    drawn = (
        f'<rect data-what="corridor" data-verdict="{corridor["verdict"]}" x="{-width / 2:.2f}" '
        f'y="{-end:.2f}" width="{width:.2f}" height="{max(0.0, end - begin):.2f}" '
        f'fill="{colour}" fill-opacity="0.18" stroke="{colour}" stroke-width="0.03"/>'
    )
    if corridor.get("nearest") is not None:
        x, y = corridor["nearest"]
        drawn += f'<circle cx="{-y:.2f}" cy="{-x:.2f}" r="0.12" fill="{colour}"/>'
    return drawn


def beams_of(ranges, angle_min: float, angle_increment: float) -> list:
    """Return a scan's finite ranges [m] as (x forward, y left) [m], at most MAX_BEAMS."""
    r = np.asarray(ranges, dtype=np.float64)
    angles = angle_min + angle_increment * np.arange(len(r))
    keep = np.isfinite(r) & (r > 0)
    points = np.stack([r * np.cos(angles), r * np.sin(angles)], axis=-1)[keep]
    step = max(1, -(-len(points) // MAX_BEAMS))
    return points[::step].tolist()
