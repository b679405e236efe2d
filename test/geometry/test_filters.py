"""Filters: what they remove, and that they invent nothing."""

import numpy as np
import pytest

from depthlm_ros.geometry import filters
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import DepthMap

CAMERA = PinholeCamera(5.0, 5.0, 2.0, 2.0, 5, 5)


def depth_map(rows) -> DepthMap:
    return DepthMap(np.array(rows, np.float32), CAMERA)


def test_the_median_removes_a_speck_and_keeps_an_edge():
    rows = np.full((5, 5), 2.0)
    rows[2, 2] = 9.0
    assert filters.median_3x3(depth_map(rows)).depth_m[2, 2] == 2.0
    edge = np.full((5, 5), 2.0)
    edge[:, 3:] = 4.0
    np.testing.assert_array_equal(filters.median_3x3(depth_map(edge)).depth_m, edge)


def test_the_median_leaves_what_is_unknown_and_what_is_beside_it():
    rows = np.arange(25, dtype=float).reshape(5, 5) + 1
    rows[0, 0], rows[4, 4] = np.nan, np.inf
    done = filters.median_3x3(depth_map(rows)).depth_m
    assert np.isnan(done[0, 0]) and done[4, 4] == np.inf
    assert done[1, 1] == rows[1, 1]  # one of its nine is NaN: as it was
    # Around (3, 3): 13 14 15 / 18 19 20 / 23 24 and Inf: the middle of nine is 19.
    assert done[3, 3] == 19.0


def test_the_median_gives_only_depths_that_were_there():
    rng = np.random.default_rng(0)
    rows = rng.uniform(1, 5, (5, 5)).astype(np.float32)
    rows[rng.random((5, 5)) < 0.2] = np.inf
    done = filters.median_3x3(depth_map(rows)).depth_m
    assert np.isin(done, rows).all()
    np.testing.assert_array_equal(np.isinf(done), np.isinf(rows))


def test_range():
    rows = np.full((5, 5), 3.0)
    rows[0, :4] = 0.2, 20.0, np.nan, np.inf
    done = filters.in_range(depth_map(rows), 0.3, 10.0).depth_m
    np.testing.assert_array_equal(done[0], [np.nan, np.inf, np.nan, np.inf, 3.0])
    with pytest.raises(ValueError, match="min_m"):
        filters.in_range(depth_map(rows), 2.0, 1.0)


def test_a_still_camera_steadies_and_a_moving_one_does_not():
    steady = filters.TemporalFilter(smoothing=0.5, change_ratio=1.1)
    first, second = depth_map(np.full((5, 5), 4.0)), depth_map(np.full((5, 5), 4.2))
    assert steady.apply(first, True) is first
    # Half way in log depth: sqrt(4 * 4.2).
    assert steady.apply(second, True).depth_m[0, 0] == pytest.approx((4 * 4.2) ** 0.5, rel=1e-6)
    assert steady.apply(second, False) is second
    steady.forget()
    assert steady.apply(first, True) is first


def test_what_changed_or_is_unknown_now_is_taken_as_it_is_now():
    steady = filters.TemporalFilter(smoothing=0.9, change_ratio=1.1)
    steady.apply(depth_map(np.full((5, 5), 4.0)), True)
    now = np.full((5, 5), 4.0)
    now[0, :4] = 2.0, 5.0, np.nan, np.inf
    done = steady.apply(depth_map(now), True).depth_m
    np.testing.assert_array_equal(done[0], now[0].astype(np.float32))
    back = steady.apply(depth_map(np.full((5, 5), 4.0)), True).depth_m
    assert np.isfinite(back).all()


@pytest.mark.parametrize(("smoothing", "ratio"), [(1.0, 1.1), (-0.1, 1.1), (0.5, 1.0)])
def test_impossible_settings_are_refused(smoothing, ratio):
    with pytest.raises(ValueError, match="smoothing"):
        filters.TemporalFilter(smoothing, ratio)
