"""A scale in metres below a depth image: colours, round ticks and a legend."""

from collections.abc import Iterator

import cv2
import numpy as np

from depthlm_ros.visualization.colormap import (
    BEYOND_RGB,
    NO_DEPTH_RGB,
    colour_table,
    is_log,
    place,
)
from depthlm_ros.visualization.drawing import (
    CAP_PX,
    INK,
    PAPER,
    draw_line,
    text_scale,
    text_width,
    write_text,
)


def with_scale_bar(coloured: np.ndarray, low_m: float, high_m: float) -> np.ndarray:
    """Return the image with a strip below it: colours, round ticks in metres, the legend."""
    width = coloured.shape[1]
    scale = text_scale(*coloured.shape[:2])
    cap = max(3, round(CAP_PX * scale))
    margin = max(2, cap)
    strip = np.full((round(7.5 * cap), width, 3), PAPER, np.uint8)
    left, right = margin, max(margin + 1, width - margin)
    at = np.rint(np.linspace(0, 255, right - left)).astype(int)
    strip[cap // 2 : 2 * cap, left:right] = colour_table()[at]
    for value, label in _ticks(low_m, high_m, right - left, scale):
        u = left + round(float(place(value, low_m, high_m)) * (right - left - 1))
        draw_line(strip, (u, cap // 2), (u, 2.4 * cap), INK, max(1, cap // 8))
        half = text_width(label, scale) / 2
        write_text(strip, label, (min(max(u - half, 0), width - 2 * half), 3.9 * cap), scale)
    _legend(strip, left, 6.6 * cap, scale, cap)
    return np.concatenate([np.ascontiguousarray(coloured), strip])


def _legend(strip: np.ndarray, left: int, base: float, scale: float, cap: int) -> None:
    """Name the two colours that are no depth; smaller where the strip is narrow."""
    names = (("no depth", NO_DEPTH_RGB), ("beyond range (sky)", BEYOND_RGB))
    needed = sum(text_width(name, scale) + 3.5 * cap for name, _ in names)
    shrink = min(1.0, 0.95 * (strip.shape[1] - left) / needed)
    scale, cap, u = scale * shrink, max(2, round(cap * shrink)), float(left)
    for name, colour in names:
        corner = (round(u + 1.4 * cap), round(base))
        cv2.rectangle(strip, (round(u), round(base) - cap), corner, colour, cv2.FILLED)
        write_text(strip, name, (u + 1.9 * cap, base), scale)
        u += text_width(name, scale) + 3.5 * cap


def _ticks(low_m: float, high_m: float, width: int, scale: float) -> list:
    """Return (value [m], label): as many round values as fit side by side, the last with "m"."""
    room = 1.5 * CAP_PX * scale
    best: list = []
    for values in _candidates(low_m, high_m):
        labels = [f"{value:g}" for value in values]
        labels[-1:] = [f"{label} m" for label in labels[-1:]]
        sides = [text_width(label, scale) / 2 for label in labels]
        at = place(values, low_m, high_m) * width
        gaps = np.diff(at) - np.add(sides[1:], sides[:-1])
        if len(values) > len(best) and (gaps > room).all():
            best = list(zip(values, labels, strict=True))
    return best


def _candidates(low_m: float, high_m: float) -> Iterator[list]:
    """Yield lists of round values within the range: 1-2-5 steps, or 1-2-5 series for a log scale.

    The last resort is a single value near the middle.
    """
    powers = 10.0 ** np.arange(np.floor(np.log10(high_m)) - 4, np.ceil(np.log10(high_m)) + 1)
    series = [d * p for p in powers for d in (1, 2, 5)]
    if is_log(low_m, high_m):
        for digits in ((1, 1.5, 2, 3, 4, 6, 8), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1, 5), (1,)):
            rows = [d * p for p in powers for d in digits]
            yield [_tidy(v) for v in rows if low_m <= v <= high_m]
    for step in series:
        if (high_m - low_m) / step <= 50 and not is_log(low_m, high_m):
            counts = np.arange(np.ceil(low_m / step - 1e-9), np.floor(high_m / step + 1e-9) + 1)
            yield [_tidy(n * step) for n in counts]
    yield [_tidy((low_m + high_m) / 2, 2)]


def _tidy(value: float, digits: int = 6) -> float:
    """Drop the rounding error of a decimal number."""
    return float(f"{value:.{digits}g}") + 0.0  # no negative zero
