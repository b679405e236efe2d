"""A dense map from a model that only answers point by point: ask on a grid, coarse first.

Knows the protocol ``PointDepthModel`` and nothing of networks. Slow by nature (the published 12B
model needs hours for a full map); so it reports progress, can be stopped at any time, and what it
has by then covers the whole image evenly.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import depth_from_distance
from depthlm_ros.models.base import PointDepthModel
from depthlm_ros.status import Code, StatusError


@dataclass(frozen=True)
class PointGrid:
    """What a model said on a grid of pixels.

    ``pixels``: float (rows, columns, 2), source pixels. ``depth_m``, ``low_m``, ``high_m``:
    float32 (rows, columns), z-depth and its interval in metres; NaN where there is no answer or
    none was asked for. ``asked``: how many pixels were. ``complete``: nobody stopped it.
    """

    pixels: np.ndarray
    depth_m: np.ndarray
    low_m: np.ndarray
    high_m: np.ndarray
    asked: int
    complete: bool

    def to_image(self, camera: PinholeCamera, values: np.ndarray | None = None) -> np.ndarray:
        """Return z-depth of every pixel of ``camera``'s image, float32 (H, W).

        Bilinear in log depth between answers (equal steps are equal ratios); NaN wherever one of
        the four neighbours has no answer, and nearest beyond the outermost grid line. Of a grid
        that was stopped, the finest one that is asked for everywhere counts. ``values``: ``low_m``
        or ``high_m`` instead of ``depth_m``.
        """
        values = self.depth_m if values is None else values
        (rows, columns), step = values.shape, self.step
        x = (np.arange(camera.width) + 0.5) * columns / camera.width - 0.5
        y = (np.arange(camera.height) + 0.5) * rows / camera.height - 0.5
        log = np.log(values[::step, ::step])
        between = _mix(_mix(log, y / step, 0), x / step, 1)
        return np.exp(between).astype(np.float32)

    @property
    def step(self) -> int:
        """Every how many rows and columns an answer was asked for without a gap."""
        rows, columns = self.depth_m.shape
        step = 1
        while -(-rows // step) * -(-columns // step) > max(1, self.asked):
            step *= 2
        return step


def _mix(values: np.ndarray, at: np.ndarray, axis: int) -> np.ndarray:
    """Interpolate ``values`` linearly at float indices along an axis; NaN spreads."""
    at = np.clip(at, 0, values.shape[axis] - 1)
    first = np.floor(at).astype(int)
    share = (at - first).reshape([-1, 1] if axis == 0 else [1, -1])
    second = np.minimum(first + 1, values.shape[axis] - 1)
    a, b = values.take(first, axis), values.take(second, axis)
    return np.where(share == 0, a, a * (1 - share) + b * share)


def coarse_first(rows: int, columns: int) -> np.ndarray:
    """Return every (row, column) of a grid once, so ordered that any beginning covers it evenly.

    Int (rows * columns, 2): grids of step 2^k, then of half the step, and so on.
    """
    v, u = (a.ravel() for a in np.mgrid[:rows, :columns])
    both = v | u
    level = np.where(both == 0, 62, np.log2(np.maximum(both & -both, 1)).astype(int))
    return np.stack([v, u], axis=1)[np.argsort(-level, kind="stable")]


def ask_grid(
    model: PointDepthModel,
    rgb: np.ndarray,
    camera: PinholeCamera,
    rows: int,
    columns: int,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    batch: int = 64,
    tick_s: float = 2.0,
) -> PointGrid:
    """Ask ``model`` at the centres of ``rows`` x ``columns`` equal cells of the image.

    Pixels go in batches that take about ``tick_s`` seconds, of ``batch`` at the most.
    ``progress``: called with the share done, 0..1, after each; ``cancelled`` is asked before each,
    and True ends it with what there is. Raises StatusError(UNSUPPORTED) for a
    grid that is empty or finer than the image.
    """
    if not (0 < rows <= camera.height and 0 < columns <= camera.width and batch > 0):
        raise StatusError(
            Code.UNSUPPORTED,
            f"a grid of {rows} x {columns} points by {batch}: must have 1 to {camera.height} rows "
            f"and 1 to {camera.width} columns, the image's, and a batch of at least 1",
        )
    u = (np.arange(columns) + 0.5) * camera.width / columns - 0.5
    v = (np.arange(rows) + 0.5) * camera.height / rows - 0.5
    pixels = np.stack(np.meshgrid(u, v), axis=-1)
    out = np.full((3, rows, columns), np.nan, np.float32)
    order, done, size = coarse_first(rows, columns), 0, min(4, batch)
    while done < len(order) and not (cancelled is not None and cancelled()):
        begin, cells = time.monotonic(), order[done : done + size]
        asked = pixels[cells[:, 0], cells[:, 1]]
        readings = model.distances(rgb, camera, asked)
        metres = np.array([[r.distance_m, r.low_m, r.high_m] for r in readings]).T
        out[:, cells[:, 0], cells[:, 1]] = depth_from_distance(metres, camera.normalise(asked))
        done += len(cells)
        took_s = time.monotonic() - begin
        if took_s > 2 * tick_s:
            size = max(1, size // 2)
        elif took_s < tick_s / 2:
            size = min(batch, 2 * size)
        if progress is not None:
            progress(done / len(order))
    return PointGrid(pixels, *out, asked=done, complete=done == len(order))
