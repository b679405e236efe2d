"""A scene: shapes, lamps, and where a camera may stand. Rooms, corridors and streets make them."""

from dataclasses import dataclass, field

import numpy as np

from depthlm_ros.scenes.primitives import Shapes


@dataclass(frozen=True)
class Scene:
    """A piece of world, metres, z up.

    ``lamps`` (L, 3): positions; where ``sun``, the first is the direction to the sun instead.
    ``lamp_power`` (L, 3), ``ambient`` (3,): linear light. ``sky``: colours of horizon and zenith.
    ``exposure``: mean linear brightness that the camera aims for. ``free``: the ground on which a
    camera may stand. ``names``: of the objects, by id; 0 is the sky.
    """

    kind: str
    shapes: Shapes
    names: tuple
    free: "Ground"
    lamps: np.ndarray
    lamp_power: np.ndarray
    ambient: tuple
    sun: bool = False
    sky: tuple = ((0.6, 0.7, 0.8), (0.25, 0.45, 0.8))
    exposure: float = 0.22


@dataclass
class Ground:
    """Which ground is taken, on a grid of cells.

    Covers ``x`` = (x0, x1) and ``y`` [m]; ``taken`` bool (rows along y, columns along x).
    """

    x: tuple
    y: tuple
    cell_m: float = 0.1
    taken: np.ndarray = field(init=False)

    def __post_init__(self):
        """Begin with everything free."""
        size = [max(1, int(np.ceil((b - a) / self.cell_m))) for a, b in (self.y, self.x)]
        self.taken = np.zeros(size, dtype=bool)

    def _covered(self, x: float, y: float, half_x: float, half_y: float, yaw: float) -> tuple:
        """Return the window of cells around a turned rectangle, and which of them it covers."""
        reach = np.hypot(half_x, half_y) + self.cell_m
        columns = self._cells(x - reach, x + reach, self.x[0], self.taken.shape[1])
        rows = self._cells(y - reach, y + reach, self.y[0], self.taken.shape[0])
        cx = self.x[0] + (np.arange(columns.start, columns.stop) + 0.5) * self.cell_m - x
        cy = self.y[0] + (np.arange(rows.start, rows.stop) + 0.5) * self.cell_m - y
        c, s = np.cos(yaw), np.sin(yaw)
        along = np.abs(c * cx[None] + s * cy[:, None]) <= half_x + self.cell_m / 2
        across = np.abs(-s * cx[None] + c * cy[:, None]) <= half_y + self.cell_m / 2
        return rows, columns, along & across

    def _cells(self, low: float, high: float, start: float, count: int) -> slice:
        first = int(np.clip(np.floor((low - start) / self.cell_m), 0, count))
        return slice(first, int(np.clip(np.ceil((high - start) / self.cell_m), first, count)))

    def is_free(self, x: float, y: float, half_x: float, half_y: float, yaw: float = 0.0) -> bool:
        """Return whether a rectangle lies within and on free ground only."""
        c, s = abs(np.cos(yaw)), abs(np.sin(yaw))
        rx, ry = c * half_x + s * half_y, s * half_x + c * half_y
        within = (
            self.x[0] <= x - rx
            and x + rx <= self.x[1]
            and self.y[0] <= y - ry
            and y + ry <= self.y[1]
        )
        if not within:
            return False
        rows, columns, covered = self._covered(x, y, half_x, half_y, yaw)
        return not (self.taken[rows, columns] & covered).any()

    def take(self, x: float, y: float, half_x: float, half_y: float, yaw: float = 0.0) -> None:
        """Take a rectangle, whatever is there."""
        rows, columns, covered = self._covered(x, y, half_x, half_y, yaw)
        self.taken[rows, columns] |= covered

    def line_is_free(self, a, b, half_m: float) -> bool:
        """Return whether a square of ``half_m`` may move straight from a (2,) to b (2,)."""
        a, b = np.asarray(a, float), np.asarray(b, float)
        middle, length = (a + b) / 2, np.hypot(*(b - a))
        return self.is_free(*middle, length / 2 + half_m, half_m, np.arctan2(*(b - a)[::-1]))
