"""Readings marked and labelled on the image. The input image is never modified."""

from collections.abc import Sequence

import cv2
import numpy as np

from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.point_depth import PointDepth
from depthlm_ros.status import Code
from depthlm_ros.visualization.colormap import colourise
from depthlm_ros.visualization.drawing import (
    CAP_PX,
    INK,
    MUTED,
    PAPER,
    draw_line,
    fixed_point,
    text_scale,
    text_width,
    write_text,
)

_MARK = (255, 64, 48)


def annotate(
    rgb: np.ndarray, depth_map: DepthMap | None, points: Sequence, tint: float = 0.3
) -> np.ndarray:
    """Return the image with the readings marked and labelled, uint8 (H, W, 3).

    ``points``: PointDepth (or alike) whose ``pixel`` is of this image; a reading without a
    number is grey and says its code; one outside the image is left out. A ring leaves the pixel
    itself unpainted, and labels keep off all rings. ``tint``: how much of the depth's colours is
    blended in (0 to 1), where there is a map.
    """
    drawn = rgb.copy()
    if depth_map is not None and tint > 0:
        cv2.addWeighted(colourise(depth_map.depth_m), tint, rgb, 1 - tint, 0, dst=drawn)
    height, width = rgb.shape[:2]
    shown = [p for p in points if _inside(p.pixel, width, height)]
    scale, radius = text_scale(height, width), mark_radius(height, width)
    for point in shown:
        _mark(drawn, point.pixel, radius, _MARK if point.code == Code.OK else MUTED)
    taken = [_around(point.pixel, 1.6 * radius) for point in shown]
    for point in shown:
        taken.append(_label(drawn, point, radius, scale, taken))
    return drawn


def mark_radius(height: int, width: int) -> int:
    """Return the radius [px] of the ring around a reading."""
    return max(4, round(np.sqrt(height * width) / 75))


def label_of(point: PointDepth, with_interval: bool = True) -> str:
    """Return what a label says: the distance with its interval, or the code in words."""
    if point.code != Code.OK:
        return Code(point.code).name.lower().replace("_", " ")
    text = f"{_metres(point.distance_m)} m"
    if with_interval and np.isfinite([point.low_m, point.high_m]).all():
        text += f" ({_metres(point.low_m)} to {_metres(point.high_m)})"
    return text


def _metres(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _inside(pixel: Sequence[float], width: int, height: int) -> bool:
    u, v = pixel
    return bool(-0.5 <= u < width - 0.5 and -0.5 <= v < height - 0.5)


def _mark(drawn: np.ndarray, pixel: Sequence[float], radius: int, colour: tuple) -> None:
    """Draw a ring with ticks, dark below and bright above so that it shows on any ground."""
    u, v = (float(x) for x in pixel)
    for ink, thick in ((PAPER, max(3, radius // 2)), (colour, max(1, radius // 5))):
        centre, r = fixed_point((u, v)), round(radius * 16)
        cv2.circle(drawn, centre, r, ink, thick, cv2.LINE_AA, 4)
        for du, dv in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            inner, outer = ((u + du * k * radius, v + dv * k * radius) for k in (1.0, 1.5))
            draw_line(drawn, inner, outer, ink, thick)


def _label(drawn: np.ndarray, point: PointDepth, radius: int, scale: float, taken: list) -> tuple:
    """Write a reading's label at the best free place; return its box."""
    height, width = drawn.shape[:2]
    text = label_of(point)
    if text_width(text, scale) > 0.45 * width:
        text = label_of(point, with_interval=False)
    pad = max(2.0, 0.35 * CAP_PX * scale)
    scale *= min(1.0, (width - 2 * pad) / text_width(text, scale))
    size = (text_width(text, scale) + 2 * pad, CAP_PX * scale + 2 * pad)
    box = _best_box(point.pixel, size, radius, (width, height), taken)
    _shade(drawn, box)
    _leader(drawn, point.pixel, box, radius)
    ink = INK if point.code == Code.OK else MUTED
    write_text(drawn, text, (box[0] + pad, box[3] - pad), scale, ink)
    return box


def _best_box(
    pixel: Sequence[float], size: tuple, radius: float, picture: tuple, taken: list
) -> tuple:
    """Return the box (left, top, right, bottom) near a pixel that covers least of what is taken.

    Candidates lie on three rings around the pixel, pushed into the image; the nearer ones win.
    """
    (u, v), (w, h) = pixel, size
    best: tuple = ()
    least = np.inf
    for ring in (1, 2, 3.5, 5):
        away = radius * 1.7 + (ring - 1) * h
        for du, dv in ((1, -1), (1, 1), (-1, -1), (-1, 1), (1, 0), (-1, 0), (0, -1), (0, 1)):
            left = u + du * away - (0 if du > 0 else w if du < 0 else w / 2)
            top = v + dv * away - (0 if dv > 0 else h if dv < 0 else h / 2)
            left = min(max(left, 0), max(0, picture[0] - 1 - w))
            top = min(max(top, 0), max(0, picture[1] - 1 - h))
            box = (left, top, left + w, top + h)
            covered = sum(_overlap(box, other) for other in taken)
            if covered < least:
                best, least = box, covered
        if least == 0:
            break
    return best


def _overlap(a: tuple, b: tuple) -> float:
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, wide) * max(0.0, high)


def _around(pixel: Sequence[float], reach: float) -> tuple:
    u, v = pixel
    return u - reach, v - reach, u + reach, v + reach


def _shade(drawn: np.ndarray, box: tuple) -> None:
    """Darken the box so that white text stands out, and what is behind still shows."""
    left, top, right, bottom = (max(0, round(x)) for x in box)
    part = drawn[top : bottom + 1, left : right + 1]
    part[:] = np.rint(0.28 * part + 0.72 * np.array(PAPER)).astype(np.uint8)


def _leader(drawn: np.ndarray, pixel: Sequence[float], box: tuple, radius: float) -> None:
    """Join a label to its ring: among several it must be plain which belongs to which."""
    end = np.array([np.clip(pixel[0], box[0], box[2]), np.clip(pixel[1], box[1], box[3])])
    way = end - pixel
    length = np.hypot(*way)
    if length > 1.6 * radius:
        draw_line(
            drawn, np.add(pixel, way / length * 1.5 * radius), end, INK, max(1, int(radius // 8))
        )
