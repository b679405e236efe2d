"""Text and lines on an image, with OpenCV."""

from collections.abc import Sequence

import cv2
import numpy as np

_FONT = cv2.FONT_HERSHEY_SIMPLEX
CAP_PX = 21.0
"""Height of a capital of this font at scale 1."""
_SMALLEST_CAP_PX = 7.5
INK, PAPER, MUTED = (255, 255, 255), (20, 22, 26), (190, 190, 190)


def text_scale(height: int, width: int) -> float:
    """Return the font scale for an image: capitals of 1/40 of its size, 7.5 px at least."""
    return max(_SMALLEST_CAP_PX, np.sqrt(height * width) / 42) / CAP_PX


def text_width(text: str, scale: float) -> float:
    """Return the width of a text [px]."""
    return cv2.getTextSize(text, _FONT, scale, _stroke(scale))[0][0]


def _stroke(scale: float) -> int:
    return max(1, round(1.6 * scale))


def write_text(
    drawn: np.ndarray, text: str, base_left: Sequence[float], scale: float, ink: tuple = INK
) -> None:
    """Write a text whose baseline begins at ``base_left``."""
    at = (round(base_left[0]), round(base_left[1]))
    cv2.putText(drawn, text, at, _FONT, scale, ink, _stroke(scale), cv2.LINE_AA)


def fixed_point(point: Sequence[float] | np.ndarray) -> tuple:
    """Return a float point as OpenCV's fixed-point pair (4 fractional bits)."""
    return round(float(point[0]) * 16), round(float(point[1]) * 16)


def draw_line(
    drawn: np.ndarray,
    start: Sequence[float] | np.ndarray,
    end: Sequence[float] | np.ndarray,
    ink: tuple,
    thick: int,
) -> None:
    """Draw an antialiased line between two float points."""
    cv2.line(drawn, fixed_point(start), fixed_point(end), ink, int(thick), cv2.LINE_AA, 4)
