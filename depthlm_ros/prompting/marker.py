"""The marker that points at a pixel: what is painted, where it fits, what the border changes.

Knows numpy and the published shape (DepthLM, section 3.1 and its released marker); knows no model.
Coordinates here are whole pixels ``(x, y)`` of the image that the model sees, x to the right, y
down. The target itself is never painted: the model must still see what it is asked about.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from depthlm_ros.status import Code, StatusError

RED = (255, 0, 0)
BLUE = (0, 0, 255)
PUBLISHED_LENGTH_PX = 5
UNTRAINED_LENGTH_PX = 20
"""Models that never saw markers in training need about 20 px to notice one (DepthLM, sect. 4)."""

SHAPES = ("arrow", "cross", "circle")
ON_MARGIN = ("flip", "pad", "refuse")
DIRECTIONS = ("left", "right", "up", "down")
"""Where the marker lies, seen from the target; the published one lies to the left."""


def _arrow(length: int, thickness: int) -> set:
    """Return the offsets of an arrow whose tip is beside (0, 0): a shaft and two 45 degree wings.

    At length 5 and thickness 1 these are the nine published pixels.
    """
    half = (thickness - 1) // 2
    across = range(-half, thickness - half)
    cells = {(-d, t) for d in range(1, length + 1) for t in across}
    for d in range(2, 2 + round(0.4 * length)):
        cells |= {(-d - t, side * (d - 1)) for side in (-1, 1) for t in range(thickness)}
    return cells


def _cross(length: int, thickness: int) -> set:
    """Return the offsets of four strokes that leave the target and a gap round it free."""
    half = (thickness - 1) // 2
    across = range(-half, thickness - half)
    gap = max(1, length // 3)
    strokes = {(s * d, t) for s in (-1, 1) for d in range(gap, length + 1) for t in across}
    return strokes | {(y, x) for x, y in strokes}


def _circle(length: int, thickness: int) -> set:
    """Return the offsets of a ring of outer radius ``length``."""
    span = range(-length, length + 1)
    inner = max(0, length - thickness)
    return {(x, y) for x in span for y in span if inner**2 < x * x + y * y <= length**2}


_DRAWN = {"arrow": _arrow, "cross": _cross, "circle": _circle}


@dataclass(frozen=True)
class Marker:
    """What is drawn: shape, length in pixels, stroke in pixels, RGB colour.

    The defaults are the published marker. Raises StatusError(UNSUPPORTED) for a shape or size that
    cannot be drawn.
    """

    shape: str = "arrow"
    length_px: int = PUBLISHED_LENGTH_PX
    thickness_px: int = 1
    colour: tuple = RED

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        if self.shape not in SHAPES:
            raise StatusError(
                Code.UNSUPPORTED,
                f"marker shape {self.shape!r}: must be one of {', '.join(SHAPES)}",
            )
        if not 3 <= self.length_px <= 200 or not 1 <= self.thickness_px <= self.length_px // 2:
            raise StatusError(
                Code.UNSUPPORTED,
                f"marker of length {self.length_px} px and stroke {self.thickness_px} px: "
                "the length must be 3 to 200 px and the stroke 1 px to half the length",
            )

    @classmethod
    def for_untrained(cls, shape: str = "arrow") -> "Marker":
        """Return the larger marker that a model without marker training needs."""
        return cls(shape, UNTRAINED_LENGTH_PX, 3)

    @cached_property
    def offsets(self) -> np.ndarray:
        """The painted pixels from the target, int (N, 2) as (dx, dy), in the published way."""
        cells = _DRAWN[self.shape](self.length_px, self.thickness_px) - {(0, 0)}
        return np.array(sorted(cells), dtype=np.int64)

    @cached_property
    def margin_px(self) -> int:
        """The published margin rule: the marker is drawn only this far from every border."""
        return int(np.abs(self.offsets).max())

    def turned(self, direction: str) -> np.ndarray:
        """Return the offsets with the marker on another side of the target, int (N, 2)."""
        dx, dy = self.offsets.T
        turned = {"left": (dx, dy), "right": (-dx, dy), "up": (dy, dx), "down": (dy, -dx)}[
            direction
        ]
        return np.stack(turned, axis=1)


@dataclass(frozen=True)
class Placement:
    """Where a marker goes: the target, the painted pixels, and how far the image grows.

    ``target``: (x, y); ``painted``: int (N, 2); both in the grown image. ``padding``: columns or
    rows added at (left, top, right, bottom), repeating the border. ``direction``: the side that
    the marker lies on.
    """

    target: tuple
    painted: np.ndarray
    direction: str = "left"
    padding: tuple = (0, 0, 0, 0)


def pixel_in_view(pixel: Sequence[float], scale: Sequence[float], size: Sequence[int]) -> tuple:
    """Map a source pixel (u, v) to the whole pixel to mark in the view: ``int(p s)`` an axis.

    The published rule, not the pixel-centre rule; the two differ by less than one view pixel.
    ``scale``: view size over source size, (sx, sy). ``size``: the view's (width, height); the half
    pixel that a source pixel may lie outside of centre is clamped into it.
    """
    per_axis = zip(pixel, scale, size, strict=True)
    return tuple(int(np.clip(int(p * s), 0, n - 1)) for p, s, n in per_axis)


def place(
    marker: Marker, target: Sequence[int], width: int, height: int, on_margin: str = "flip"
) -> Placement:
    """Place the marker of the pixel ``target`` = (x, y) in an image of ``width`` x ``height``.

    Outside the margin the placement is the published one. Within it: "flip" lays the marker on the
    first side (right, up, down, or still left) on which all of it fits; "pad" grows the image;
    "refuse" refuses. Raises StatusError(IN_MARKER_MARGIN) when refused or when no side fits,
    StatusError(OUT_OF_IMAGE) for a pixel outside.
    """
    x, y = (int(v) for v in target)
    if on_margin not in ON_MARGIN:
        raise StatusError(
            Code.UNSUPPORTED, f"on_margin = {on_margin!r}: must be one of {', '.join(ON_MARGIN)}"
        )
    if not (0 <= x < width and 0 <= y < height):
        raise StatusError(
            Code.OUT_OF_IMAGE, f"pixel ({x}, {y}) is outside the picture of {width} x {height}"
        )
    m = marker.margin_px
    if m <= x < width - m and m <= y < height - m:
        return Placement((x, y), marker.offsets + (x, y))
    if on_margin == "pad":
        return _padded(marker, x, y, width, height)
    for direction in DIRECTIONS if on_margin == "flip" else ():
        painted = marker.turned(direction) + (x, y)
        if (painted >= 0).all() and (painted < (width, height)).all():
            return Placement((x, y), painted, direction)
    raise StatusError(
        Code.IN_MARKER_MARGIN,
        f"pixel ({x}, {y}) is within {m} px of the border of the picture of {width} x {height},"
        " where its marker does not fit: ask for a pixel further inside, or set on_margin to pad",
    )


def _padded(marker: Marker, x: int, y: int, width: int, height: int) -> Placement:
    """Grow the image just enough for the published rule to hold."""
    m = marker.margin_px
    left, top = max(0, m - x), max(0, m - y)
    right, bottom = max(0, m + x + 1 - width), max(0, m + y + 1 - height)
    target = (x + left, y + top)
    return Placement(target, marker.offsets + target, padding=(left, top, right, bottom))


def draw(rgb: np.ndarray, marker: Marker, placement: Placement) -> np.ndarray:
    """Return a copy of ``rgb``, uint8 (H, W, 3), grown and painted as the placement says."""
    left, top, right, bottom = placement.padding
    marked = np.pad(rgb, ((top, bottom), (left, right), (0, 0)), mode="edge")
    x, y = placement.painted.T
    marked[y, x] = marker.colour
    return marked


def draw_all(
    rgb: np.ndarray, markers: Sequence, targets: Sequence, on_margin: str = "flip"
) -> np.ndarray:
    """Draw several markers, each of its own colour, for two-point questions.

    The image keeps its size. ``markers``: Marker each; ``targets``: (x, y) each. "pad" is
    refused here, since each would move the others.
    """
    if on_margin == "pad":
        raise StatusError(
            Code.UNSUPPORTED,
            "several markers cannot pad one picture: use on_margin flip or refuse",
        )
    marked = rgb
    for marker, target in zip(markers, targets, strict=True):
        marked = draw(marked, marker, place(marker, target, rgb.shape[1], rgb.shape[0], on_margin))
    return marked
