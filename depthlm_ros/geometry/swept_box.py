"""The volume a thing sweeps as it moves straight: a box with a frame of its own, and its samples.

The box's frame: x forward along the way, y left, z up; its origin is where the way starts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.ground_plane import GroundPlane

NEAR_M = 0.01
_EDGES = [(a, a | bit) for bit in (1, 2, 4) for a in range(8) if not a & bit]


@dataclass(frozen=True)
class Cells:
    """Points that stand for a box's volume or its ground.

    ``points`` (N, 3): optical frame. ``along_m`` (N,): x in the box. ``reach_m``: so far before
    its x each stands for.
    """

    points: np.ndarray
    along_m: np.ndarray
    reach_m: float


@dataclass(frozen=True)
class SweptBox:
    """``begin_m`` to ``end_m`` along x, ``+-half_width_m`` in y, ``bottom_m`` to ``top_m`` in z.

    ``origin_m`` (3,) and ``axes`` (3, 3; rows x, y, z): in the optical frame. ``on_ground``: it
    stands on the ground, which is z = 0.
    """

    origin_m: np.ndarray
    axes: np.ndarray
    begin_m: float
    end_m: float
    half_width_m: float
    bottom_m: float
    top_m: float
    on_ground: bool

    def __post_init__(self) -> None:
        """Refuse a box without a volume."""
        sizes = (self.end_m - self.begin_m, self.half_width_m, self.top_m - self.bottom_m)
        if not all(np.isfinite(size) and size > 0 for size in sizes):
            raise ValueError(
                f"box of {sizes[0]:g} x {2 * sizes[1]:g} x {sizes[2]:g} m (length from "
                f"{self.begin_m:g} to {self.end_m:g} m, width, height): each must be positive"
            )
        if not (np.isfinite(self.origin_m).all() and np.isfinite(self.axes).all()):
            raise ValueError("start and direction of the box must be finite")

    @classmethod
    def standing(
        cls,
        ground: GroundPlane,
        start: ArrayLike,
        direction: Sequence[float] | np.ndarray,
        length_m: float,
        width_m: float,
        height_m: float,
        begin_m: float = 0.0,
        clearance_m: float = 0.05,
    ) -> "SweptBox":
        """Return the box of what drives: it stands on the ground below ``start``.

        ``start`` and ``direction`` (3,): optical frame; both are laid onto the ground.
        ``clearance_m``: its underside above the ground.
        """
        axes = ground.level_axes(direction)
        start = np.asarray(start, dtype=np.float64)
        origin = start - ground.height_of(start) * axes[2]
        return cls(
            origin,
            axes,
            float(begin_m),
            float(length_m),
            width_m / 2,
            float(clearance_m),
            float(height_m),
            True,
        )

    @classmethod
    def floating(
        cls,
        start: ArrayLike,
        direction: Sequence[float] | np.ndarray,
        length_m: float,
        width_m: float,
        height_m: float,
        begin_m: float = 0.0,
        up: Sequence[float] | np.ndarray = (0.0, -1.0, 0.0),
    ) -> "SweptBox":
        """Return the box of what flies or reaches: centred on the way from ``start`` (3,)."""
        forward, up = np.asarray(direction, np.float64), np.asarray(up, np.float64)
        forward = forward / np.linalg.norm(forward)
        left = np.cross(up, forward)
        if not np.linalg.norm(left) > 1e-6:  # straight up or down: any side will do
            left = np.array([-1.0, 0.0, 0.0])
        left = left / np.linalg.norm(left)
        axes = np.stack([forward, left, np.cross(forward, left)])
        return cls(
            np.asarray(start, np.float64),
            axes,
            float(begin_m),
            float(length_m),
            width_m / 2,
            -height_m / 2,
            height_m / 2,
            False,
        )

    def grown(self, margin_m: float) -> "SweptBox":
        """Return the box grown by a margin ahead, to both sides and above (floating: below)."""
        below = 0.0 if self.on_ground else margin_m
        return replace(
            self,
            end_m=self.end_m + margin_m,
            top_m=self.top_m + margin_m,
            half_width_m=self.half_width_m + margin_m,
            bottom_m=self.bottom_m - below,
        )

    def turned(self, yaw_rad: float) -> "SweptBox":
        """Return the box turned around its own z axis; positive to the left."""
        c, s = np.cos(yaw_rad), np.sin(yaw_rad)
        turn = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
        return replace(self, axes=turn @ self.axes)

    def limits(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the lowest and the highest x, y, z of the box in its frame [m]."""
        low = np.array([self.begin_m, -self.half_width_m, self.bottom_m])
        return low, np.array([self.end_m, self.half_width_m, self.top_m])

    def to_camera(self, points: ArrayLike) -> np.ndarray:
        """Take points (..., 3) of the box's frame to the optical frame."""
        return np.asarray(points, dtype=np.float64) @ self.axes + self.origin_m

    def from_camera(self, points: ArrayLike) -> np.ndarray:
        """Take points (..., 3) of the optical frame to the box's."""
        return (np.asarray(points, dtype=np.float64) - self.origin_m) @ self.axes.T

    def corners(self) -> np.ndarray:
        """Return the corners (8, 3) in the optical frame.

        Bit k of the index: high along axis k.
        """
        low, high = self.limits()
        bits = np.array([[c >> k & 1 for k in range(3)] for c in range(8)])
        return self.to_camera(np.where(bits, high, low))

    def window(self, camera: PinholeCamera) -> tuple[slice, slice] | None:
        """Return the rows and columns of the image that the box may touch; None for none."""
        ends = self.corners()
        a, b = ends[[e[0] for e in _EDGES]], ends[[e[1] for e in _EDGES]]
        rise = b[:, 2] - a[:, 2]
        share = np.clip((NEAR_M - a[:, 2]) / np.where(rise == 0, 1.0, rise), 0.0, 1.0)[:, None]
        cut = a + share * (b - a)
        points = np.concatenate([ends, cut])
        points = points[points[:, 2] >= NEAR_M * 0.999]
        if not len(points):
            return None
        pixels = camera.project(points)
        low = np.floor(pixels.min(axis=0)) - 1
        high = np.ceil(pixels.max(axis=0)) + 2
        x0, x1 = np.clip((low[0], high[0]), 0, camera.width).astype(int)
        y0, y1 = np.clip((low[1], high[1]), 0, camera.height).astype(int)
        return (slice(y0, y1), slice(x0, x1)) if x0 < x1 and y0 < y1 else None

    def samples(self, cell_m: float, most: int) -> Cells:
        """Return the middles of cells that fill the box.

        Cells of ``cell_m`` or, so that there are not more than about ``most``, larger ones.
        """
        low, high = self.limits()
        cell = _cell_size(high - low, cell_m, most)
        counts = np.maximum(np.ceil((high - low) / cell - 1e-9), 1).astype(int)
        x, y, z = (
            (np.arange(n) + 0.5) / n * (b - a) + a
            for n, a, b in zip(counts, low, high, strict=True)
        )
        return self._grid(x, y, z, reach_m=float(high[0] - low[0]) / counts[0] / 2)

    def footprint(self, cell_m: float, most: int) -> Cells:
        """Return a grid of the ground below the box, rims included; as ``samples``."""
        low, high = self.limits()
        cell = _cell_size((high - low)[:2], cell_m, most)
        nx, ny = np.maximum(np.ceil((high - low)[:2] / cell - 1e-9), 1).astype(int) + 1
        x, y = np.linspace(low[0], high[0], nx), np.linspace(low[1], high[1], ny)
        return self._grid(x, y, np.zeros(1), reach_m=float(high[0] - low[0]) / (nx - 1))

    def _grid(self, x: np.ndarray, y: np.ndarray, z: np.ndarray, reach_m: float) -> Cells:
        points = np.stack(np.meshgrid(x, y, z, indexing="ij"), axis=-1).reshape(-1, 3)
        return Cells(self.to_camera(points), points[:, 0], reach_m)


def _cell_size(sizes_m: np.ndarray, cell_m: float, most: int) -> float:
    """Return a size of cells that fill a box by not more than about ``most``, however flat it is.

    Along what is shorter than a cell there is one.
    """
    cell = cell_m
    for _ in sizes_m:  # each time those shorter than the cell, one more or none, fall out
        long = sizes_m[sizes_m > cell]
        if len(long):
            cell = max(cell, float(np.prod(long) / most) ** (1 / len(long)))
    return cell
