"""One sample type for both papers' annotation lines: an image, its camera, its labels.

What a label measures is a field of the sample, never guessed from the method: z-depth along the
optical axis, or the Euclidean distance from the camera. Both papers' files mix the two
(``registry.py`` has the default of every set).
"""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import depth_from_distance, distance_from_depth


class LabelKind(str, Enum):
    """What a label in metres measures: ``z`` along the optical axis, or straight ``distance``."""

    Z = "z"
    DISTANCE = "distance"


def convert(metres, xy, have: LabelKind, want: LabelKind) -> np.ndarray:
    """Turn labels (...) [m] of one kind into another; ``xy``: normalised rays (..., 2)."""
    have, want = LabelKind(have), LabelKind(want)
    if have is want:
        return np.asarray(metres, float)
    turn = depth_from_distance if have is LabelKind.DISTANCE else distance_from_depth
    return turn(np.asarray(metres, float), xy)


@dataclass(frozen=True)
class Points:
    """Labelled pixels: ``pixels`` (N, 2) as (column, row) on ``grid`` = (W, H), ``metres`` (N,).

    ``grid`` is the image's own size, or that of the depth map (DepthVLM's evaluation lines).
    """

    pixels: np.ndarray
    metres: np.ndarray
    grid: tuple

    def __len__(self) -> int:
        return len(self.metres)

    def on_grid(self, size: tuple) -> np.ndarray:
        """Return the pixels (N, 2) on another grid (W, H), by the pixel-centre rule."""
        scale = np.array(size, float) / np.array(self.grid, float)
        return (self.pixels + 0.5) * scale - 0.5


@dataclass(frozen=True)
class DepthFile:
    """A depth map on disk: metres = raw / ``scale``.

    ``format``: "image" (16-bit), or "binary_float32" (raw little-endian float32 of ``size``).
    ``masks``: image files that are > 0 where depth may be used. ``size``: (W, H).
    """

    path: Path
    scale: float
    format: str = "image"
    masks: tuple = ()
    size: tuple | None = None


@dataclass(frozen=True)
class Sample:
    """One annotation line.

    ``camera``: of the image as it lies on disk. ``centred``: the file gave no principal point, so
    the image's centre is taken, as the published demo of DepthVLM does. ``points``: labelled
    pixels, or None; ``depth``: a dense map, or None. ``second_image``: another image of the same
    camera, whose centre lies ``motion_m`` [m] from the first one's.
    ``canonical_size``: (W, H) at the unified
    focal length, None for the image's own. ``place``: "FILE, line N", for messages.
    """

    image: Path
    camera: PinholeCamera
    label: LabelKind
    dataset: str = ""
    points: Points | None = None
    depth: DepthFile | None = None
    canonical_size: tuple | None = None
    centred: bool = False
    scene: str = ""
    prompt: str = ""
    solution: str = ""
    place: str = ""
    second_image: Path | None = None
    motion_m: float = float("nan")
