"""z-depth, distance, points and edges, by hand-worked numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import (
    DepthMap,
    depth_from_distance,
    distance_from_depth,
    edge_mask,
)
from depthlm_ros.status import Code, StatusError

CAMERA = PinholeCamera(2.0, 4.0, 1.0, 1.0, 4, 3)


def test_distance_and_depth_by_hand():
    # The ray (0.75, 1) of length sqrt(1 + 0.5625 + 1) = 1.6007811; and the ray (2, 2), length 3.
    assert distance_from_depth(2.0, [0.75, 1.0]) == pytest.approx(3.2015621)
    assert distance_from_depth(2.0, [2.0, 2.0]) == 6.0
    assert depth_from_distance(6.0, [2.0, 2.0]) == 2.0
    assert distance_from_depth(5.0, [0.0, 0.0]) == 5.0


@given(st.floats(0.001, 1000), st.floats(-5, 5), st.floats(-5, 5))
def test_distance_and_depth_invert_each_other(depth, x, y):
    distance = distance_from_depth(depth, [x, y])
    assert distance >= depth
    assert depth_from_distance(distance, [x, y]) == pytest.approx(depth)


def test_points_by_hand():
    depth = np.array([[1, 2, 3, 4], [np.nan, 2, np.inf, 4], [1, 2, 3, 8]], np.float32)
    points = DepthMap(depth, CAMERA).points()
    assert points.dtype == np.float32 and points.shape == (3, 4, 3)
    np.testing.assert_array_equal(points[0, 0], [-0.5, -0.25, 1.0])  # (0 - 1) / 2, (0 - 1) / 4
    np.testing.assert_array_equal(points[0, 3], [4.0, -1.0, 4.0])
    np.testing.assert_array_equal(points[2, 3], [8.0, 2.0, 8.0])
    assert np.isnan(points[1, 0]).all() and np.isnan(points[1, 2]).all()
    masked = np.zeros((3, 4), bool)
    masked[2, 3] = True
    without = DepthMap(depth, CAMERA).points(masked)
    assert np.isnan(without[2, 3]).all() and np.isfinite(without[2, 2]).all()
    assert depth[2, 3] == 8.0  # the map itself is not touched


def test_points_project_back_to_their_pixels():
    camera = PinholeCamera(500.0, 400.0, 12.3, 9.7, 32, 24)
    depth = np.random.default_rng(0).uniform(0.5, 9, (24, 32)).astype(np.float32)
    pixels = camera.project(DepthMap(depth, camera).points())
    u, v = np.meshgrid(np.arange(32), np.arange(24))
    np.testing.assert_allclose(pixels, np.stack([u, v], axis=-1), atol=1e-3)


def test_distance_is_the_length_of_the_point():
    depth = np.random.default_rng(0).uniform(0.5, 9, (3, 4)).astype(np.float32)
    depth[0, 0], depth[0, 1] = np.nan, np.inf
    depth_map = DepthMap(depth, CAMERA)
    lengths = np.linalg.norm(depth_map.points(), axis=-1)
    distance = depth_map.distance_m()
    np.testing.assert_allclose(distance.ravel()[2:], lengths.ravel()[2:], rtol=1e-6)
    assert np.isnan(distance[0, 0]) and distance[0, 1] == np.inf


def test_edges_are_the_pixels_on_both_sides_of_a_step():
    depth = np.full((5, 8), 1.0, np.float32)
    depth[:, 4:] = 1.2
    columns = np.flatnonzero(edge_mask(depth, 1.15)[2])
    assert columns.tolist() == [3, 4]
    assert not edge_mask(depth, 1.25).any()
    assert np.flatnonzero(edge_mask(depth, 1.15, reach_px=2)[2]).tolist() == [2, 3, 4, 5]


def test_a_pixel_that_floats_between_two_things_is_an_edge():
    depth = np.full((5, 9), 1.0, np.float32)
    depth[:, 4], depth[:, 5:] = 2.0, 3.0
    assert np.flatnonzero(edge_mask(depth, 1.15)[2]).tolist() == [3, 4, 5]


def test_unknown_and_beyond_range_are_no_edges_and_make_none():
    depth = np.full((5, 9), 2.0, np.float32)
    depth[2, 4], depth[:, 8] = np.nan, np.inf
    assert not edge_mask(depth, 1.15).any()
    assert not edge_mask(np.full((3, 3), np.nan, np.float32), 1.15).any()


def test_a_floor_keeps_its_points_as_far_as_stated():
    # h = 0.25 m, fy = 500: z = 125 / v below the horizon; kept nearer than 0.15 * 125 / 2 = 9.4 m.
    v = np.arange(1, 240, dtype=np.float32)
    depth = np.repeat((125.0 / v)[:, None], 5, axis=1)
    edges = edge_mask(depth, 1.15)[:, 2]
    assert not edges[depth[:, 2] < 8.7].any()
    assert edges[depth[:, 2] > 10.0].all()


def test_the_method_uses_the_maps_own_reach():
    camera = PinholeCamera(100.0, 100.0, 4.0, 2.0, 8, 5)
    depth = np.full((5, 8), 1.0, np.float32)
    depth[:, 4:] = 2.0
    assert DepthMap(depth, camera, edge_radius_px=2).depth_discontinuities().sum() == 4 * 5
    assert DepthMap(depth, camera).depth_discontinuities().sum() == 2 * 5


def test_a_ratio_that_is_none_is_refused():
    with pytest.raises(ValueError, match="greater than 1"):
        edge_mask(np.ones((3, 3), np.float32), 1.0)


@pytest.mark.parametrize(
    "depth", [np.ones((3, 4)), np.ones((4, 3), np.float32), np.ones((3, 4, 1), np.float32)]
)
def test_a_map_that_is_not_its_cameras_is_refused(depth):
    with pytest.raises(StatusError) as refusal:
        DepthMap(depth, CAMERA)
    assert refusal.value.code == Code.MODEL_ERROR
