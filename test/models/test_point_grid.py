"""The grid of point queries against a scene whose distances are known by hand."""

import numpy as np
import pytest

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models import point_grid
from depthlm_ros.models.base import DistanceReading
from depthlm_ros.models.point_grid import ask_grid, coarse_first
from depthlm_ros.status import StatusError

CAMERA = PinholeCamera(40.0, 40.0, 15.5, 11.5, 32, 24)
RGB = np.zeros((24, 32, 3), np.uint8)


class _Wall:
    """A wall across the view, 2 m away; it says nothing about pixels in ``silent``."""

    name = "wall"

    def __init__(self, silent=()):
        self.asked, self.silent = [], silent

    def distances(self, rgb, camera, pixels):
        self.asked.append(len(pixels))
        out = []
        for u, v in pixels:
            d = 2.0 * np.sqrt(1 + ((u - 15.5) / 40) ** 2 + ((v - 11.5) / 40) ** 2)
            silent = (u, v) in self.silent
            reason = "silent" if silent else ""
            out.append(DistanceReading(np.nan if silent else d, 0.9 * d, 1.1 * d, "", reason))
        return out


def test_distances_become_depth_everywhere():
    seen = []
    grid = ask_grid(_Wall(), RGB, CAMERA, 6, 8, progress=seen.append, batch=10)
    assert grid.complete and grid.asked == 48
    assert seen == pytest.approx([4 / 48, 12 / 48, 22 / 48, 32 / 48, 42 / 48, 1.0])
    np.testing.assert_allclose(grid.depth_m, 2.0, rtol=1e-6)
    np.testing.assert_allclose(grid.low_m, 1.8, rtol=1e-6)
    assert grid.pixels[0, 0].tolist() == [1.5, 1.5] and grid.pixels[5, 7].tolist() == [29.5, 21.5]
    image = grid.to_image(CAMERA)
    assert image.dtype == np.float32 and image.shape == (24, 32)
    np.testing.assert_allclose(image, 2.0, rtol=1e-6)


def test_no_answer_stays_unknown_only_where_it_matters():
    grid = ask_grid(_Wall(silent={(13.5, 9.5)}), RGB, CAMERA, 6, 8)
    assert np.isnan(grid.depth_m[2, 3]) and np.isnan(grid.depth_m).sum() == 1
    unknown = np.isnan(grid.to_image(CAMERA))
    assert unknown[10, 14] and unknown[6, 10] and not unknown[5, 9] and not unknown[13, 18]


def test_a_cancelled_grid_keeps_what_it_has():
    left = iter([False, False, False, True])
    grid = ask_grid(_Wall(), RGB, CAMERA, 8, 8, cancelled=lambda: next(left), batch=8)
    assert not grid.complete and grid.asked == 20 and grid.step == 2
    answered = np.isfinite(grid.depth_m)
    assert answered.sum() == 20
    assert answered[::2, ::2].all(), "sixteen answers lie on every second line"
    np.testing.assert_allclose(grid.to_image(CAMERA), 2.0, rtol=1e-6)
    np.testing.assert_allclose(grid.to_image(CAMERA, grid.high_m), 2.2, rtol=1e-6)


def test_a_stopped_grid_of_a_slope_is_the_slope_of_the_coarser_grid():
    class Slope(_Wall):
        def distances(self, rgb, camera, pixels):
            """Log depth rises by 0.01 a column and 0.02 a row."""
            rays = np.sqrt(1 + ((pixels - (15.5, 11.5)) ** 2).sum(1) / 40**2)
            depth = np.exp(0.01 * pixels[:, 0] + 0.02 * pixels[:, 1])
            return [DistanceReading(d, d, d) for d in depth * rays]

    left = iter([False, False, False, True])
    grid = ask_grid(Slope(), RGB, CAMERA, 8, 8, cancelled=lambda: next(left), batch=8)
    u, v = np.meshgrid(np.arange(32), np.arange(24))
    log = np.log(grid.to_image(CAMERA))
    inside = (u >= 1.5) & (u <= 25.5) & (v >= 1) & (v <= 19)  # between the first and last asked
    np.testing.assert_allclose(log[inside], (0.01 * u + 0.02 * v)[inside], atol=1e-5)


def test_nothing_asked_is_nothing_known():
    grid = ask_grid(_Wall(), RGB, CAMERA, 5, 7, cancelled=lambda: True)
    assert grid.asked == 0 and np.isnan(grid.to_image(CAMERA)).all()


def test_batches_take_about_a_tick(monkeypatch):
    now, wall = [0.0], _Wall()
    monkeypatch.setattr(point_grid.time, "monotonic", lambda: now[0])
    distances = wall.distances

    def slow(rgb, camera, pixels):
        now[0] += 1.5 * len(pixels)
        return distances(rgb, camera, pixels)

    wall.distances = slow
    ask_grid(wall, RGB, CAMERA, 3, 4)
    assert wall.asked == [4, 2, 2, 2, 2]  # 6 s: too long; 3 s: neither long nor short
    now[0], wall.asked = 0.0, []
    ask_grid(wall, RGB, CAMERA, 6, 8, tick_s=100.0)
    assert wall.asked == [4, 8, 16, 20]


def test_coarse_first_visits_everything_once():
    for rows, columns in ((1, 1), (3, 5), (8, 8)):
        cells = coarse_first(rows, columns)
        assert len({tuple(c) for c in cells.tolist()}) == rows * columns
    assert coarse_first(8, 8)[0].tolist() == [0, 0]


@pytest.mark.parametrize("rows, columns, batch", [(0, 4, 8), (25, 4, 8), (4, 33, 8), (4, 4, 0)])
def test_impossible_grids_are_refused(rows, columns, batch):
    with pytest.raises(StatusError):
        ask_grid(_Wall(), RGB, CAMERA, rows, columns, batch=batch)
