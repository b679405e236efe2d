"""Depth in colours: near is red, far is blue (TURBO reversed).

Grey is "no depth" (NaN), white is "beyond range" (+Inf, such as the sky); neither occurs on the
scale. Depth is spread over the colours linearly, or by its logarithm where the far end is more
than LOG_RATIO times the near one: ``place`` is the one rule for colours and ticks. Images are
uint8 (H, W, 3), RGB.
"""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import ArrayLike

NO_DEPTH_RGB = (112, 112, 112)
BEYOND_RGB = (244, 246, 250)
LOG_RATIO = 6.0
_ENDS = (0.05, 0.95)
"""The part of TURBO that is used: its dark ends look alike."""


def range_of(depth_m: np.ndarray) -> tuple[float, float]:
    """Return the (low, high) [m] that shows a map well: its 2nd and 98th percentile.

    A map of one depth gets 5 % to each side; a map without a finite depth gets 1 to 10 m.
    """
    finite = depth_m[np.isfinite(depth_m) & (depth_m > 0)]
    if not finite.size:
        return 1.0, 10.0
    low, high = (float(value) for value in np.percentile(finite, (2, 98)))
    return (low, high) if high > 1.1 * low else (0.95 * low, 1.05 * high)


def place(depth_m: ArrayLike, low_m: float, high_m: float) -> np.ndarray:
    """Return where depths [m] lie on the scale: 0 at ``low_m``, 1 at ``high_m``, NaN unchanged."""
    if not 0 <= low_m < high_m < np.inf:
        raise ValueError(f"low_m = {low_m}, high_m = {high_m}: must be 0 <= low < high, finite")
    depth = np.asarray(depth_m, dtype=np.float32)
    if not is_log(low_m, high_m):
        return (depth - np.float32(low_m)) / np.float32(high_m - low_m)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(depth / np.float32(low_m)) / np.float32(np.log(high_m / low_m))


def is_log(low_m: float, high_m: float) -> bool:
    """Return whether a range is shown by its logarithm."""
    return low_m > 0 and high_m > LOG_RATIO * low_m


def colourise(
    depth_m: np.ndarray, low_m: float | None = None, high_m: float | None = None
) -> np.ndarray:
    """Show a depth map (H, W) [m] in colours; depths outside low..high take the end's colour.

    ``low_m``, ``high_m``: default ``range_of`` the map. NaN: NO_DEPTH_RGB; +Inf: BEYOND_RGB.
    """
    low, high = range_of(depth_m)
    low = low if low_m is None else low_m
    high = high if high_m is None else high_m
    at = np.clip(np.nan_to_num(place(depth_m, low, high)), 0, 1)
    rgb = colour_table()[np.rint(255 * at).astype(np.uint8)]
    rgb[~np.isfinite(depth_m)] = NO_DEPTH_RGB
    rgb[depth_m == np.inf] = BEYOND_RGB
    return rgb


@lru_cache(maxsize=1)
def colour_table() -> np.ndarray:
    """Return the colours from near to far, uint8 (256, 3)."""
    steps = np.rint(255 * np.linspace(_ENDS[1], _ENDS[0], 256)).astype(np.uint8)
    return cv2.applyColorMap(steps[:, None], cv2.COLORMAP_TURBO)[:, 0, ::-1].copy()
