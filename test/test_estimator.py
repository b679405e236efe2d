"""The estimator's rules: range, edges, intervals and codes, by hand-worked numbers."""

import dataclasses
import math
from functools import partial

import numpy as np
import pytest
from fakes import ConstantDepth, PreparedDistances
from hypothesis import given, settings
from hypothesis import strategies as st

from depthlm_ros.estimator import DepthEstimator, apply_range
from depthlm_ros.frame import Frame
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.models.base import DenseDepthModel, DistanceReading
from depthlm_ros.point_readings import marker_points, sample_points
from depthlm_ros.status import Code, StatusError

CAMERA = PinholeCamera(500.0, 400.0, 31.5, 23.5, 64, 48)
NAN, INF = float("nan"), float("inf")


PlaneModel = partial(ConstantDepth, focal_px=500.0, ratio_90=1.25)


def frame(valid=None, camera=CAMERA):
    rgb = np.zeros((camera.height, camera.width, 3), np.uint8)
    return Frame(rgb, camera, 123, "optical", valid)


def depth_map(depth, **options):
    depth = np.asarray(depth, np.float32)
    camera = PinholeCamera(500.0, 400.0, 31.5, 23.5, depth.shape[1], depth.shape[0])
    return DepthMap(depth, camera, **options)


def all_nan(point):
    numbers = (point.distance_m, point.depth_m, point.low_m, point.high_m, *point.point_m)
    return all(math.isnan(n) for n in numbers)


def test_the_models_depth_becomes_metres_on_the_frames_grid():
    assert isinstance(PlaneModel(), DenseDepthModel)
    result = DepthEstimator(PlaneModel(2.0)).depth(frame())
    np.testing.assert_array_equal(result.depth_m, np.full((48, 64), 2.0, np.float32))
    assert (result.camera, result.stamp_ns, result.frame_id) == (CAMERA, 123, "optical")
    assert result.ratio_90 == 1.25


def test_a_view_of_half_the_unified_focal_length_halves_the_depth():
    # fx = 500 at unified 500: 64 px wide; fy = 400: 48 * 500 / 400 = 60 high; a quarter of it.
    result = DepthEstimator(PlaneModel(2.0, max_pixels=64 * 60 // 4)).depth(frame())
    np.testing.assert_allclose(result.depth_m, 1.0)


@pytest.mark.parametrize(
    ("said", "published"),
    [
        (0.0, NAN),
        (-1.0, NAN),
        (NAN, NAN),
        (0.29, NAN),
        (0.3, 0.3),
        (8.0, 8.0),
        (8.01, INF),
        (1e9, INF),
        (INF, INF),
        (-INF, NAN),
    ],
)
def test_only_depths_within_the_range_are_numbers(said, published):
    estimator = DepthEstimator(PlaneModel(said), min_range_m=0.3, max_range_m=8.0)
    np.testing.assert_allclose(estimator.depth(frame()).depth_m, np.float32(published))


def test_zero_is_no_depth_even_without_a_minimum():
    np.testing.assert_array_equal(apply_range(np.zeros((1, 2)), 0.0, 8.0), [[NAN, NAN]])


def test_the_input_of_the_range_rule_is_not_touched():
    given_depth = np.array([[0.0, 100.0]], np.float32)
    apply_range(given_depth, 0.1, 8.0)
    assert given_depth.tolist() == [[0.0, 100.0]]


def test_where_the_frame_shows_nothing_there_is_no_depth():
    valid = np.ones((48, 64), bool)
    valid[10, 20] = False
    depth = DepthEstimator(PlaneModel()).depth(frame(valid)).depth_m
    assert np.isnan(depth[10, 20]) and np.isfinite(depth).sum() == 48 * 64 - 1


def test_a_map_of_the_wrong_size_is_a_model_error():
    with pytest.raises(StatusError) as refusal:
        DepthEstimator(PlaneModel(shape=(7, 9))).depth(frame())
    assert refusal.value.code == Code.MODEL_ERROR
    assert "plane" in refusal.value.text and "(7, 9)" in refusal.value.text


def test_a_coarse_view_widens_the_edges():
    coarse = DepthEstimator(PlaneModel(focal_px=100.0)).depth(frame())  # a fifth in x
    assert coarse.edge_radius_px == 3
    assert DepthEstimator(PlaneModel(focal_px=1000.0)).depth(frame()).edge_radius_px == 1


@pytest.mark.parametrize("limits", [(1.0, 1.0), (-0.1, 5.0), (2.0, 1.0), (NAN, 1.0), (0.0, NAN)])
def test_a_range_that_is_none_is_refused(limits):
    with pytest.raises(ValueError, match="min_range_m"):
        DepthEstimator(PlaneModel(), *limits)
    with pytest.raises(ValueError, match="min_range_m"):
        marker_points(PreparedDistances(), frame(), [], *limits)


def test_an_edge_ratio_that_is_none_is_refused():
    with pytest.raises(ValueError, match="edge_ratio"):
        DepthEstimator(PlaneModel(), edge_ratio=1.0)


def test_a_reading_by_hand():
    (point,) = sample_points(depth_map(np.full((48, 64), 2.0), ratio_90=1.25), [[56.5, 3.5]])
    # Ray: (56.5 - 31.5) / 500 = 0.05, (3.5 - 23.5) / 400 = -0.05; length sqrt(1.005) = 1.0024969.
    assert point.code == Code.OK and point.source == "dense" and point.pixel == (56.5, 3.5)
    assert point.depth_m == 2.0
    assert point.distance_m == pytest.approx(2.0049938)
    assert point.point_m == pytest.approx((0.1, -0.1, 2.0))
    assert point.low_m == pytest.approx(2.0049938 / 1.25)
    assert point.high_m == pytest.approx(2.0049938 * 1.25)


def test_between_pixels_planes_are_read_exactly():
    # Inverse depth 0.4 + 0.002 u - 0.001 v is a plane; bilinear in inverse depth gives it back.
    u, v = np.meshgrid(np.arange(64), np.arange(48))
    planar = depth_map(1 / (0.4 + 0.002 * u - 0.001 * v))
    pixels = np.array([[10.25, 7.75], [0.0, 0.0], [62.9, 46.1]])
    expected = 1 / (0.4 + 0.002 * pixels[:, 0] - 0.001 * pixels[:, 1])
    np.testing.assert_allclose(
        [p.depth_m for p in sample_points(planar, pixels)], expected, rtol=1e-6
    )


def test_an_unknown_ratio_gives_an_unknown_interval_and_still_a_number():
    (point,) = sample_points(depth_map(np.full((48, 64), 2.0)), [[5, 5]])
    assert point.code == Code.OK and point.depth_m == 2.0
    assert math.isnan(point.low_m) and math.isnan(point.high_m)


def test_the_outer_half_pixel_is_in_the_image():
    corners = [[-0.5, -0.5], [63.49, 47.49]]
    assert [p.depth_m for p in sample_points(depth_map(np.full((48, 64), 2.0)), corners)] == [2, 2]


def test_nothing_is_averaged_across_a_step_and_the_interval_reaches_both_sides():
    depth = np.full((48, 64), 1.0)
    depth[:, 32:] = 3.0
    stepped = depth_map(depth, ratio_90=1.1)
    near, far, inside = sample_points(stepped, [[31.4, 20], [31.6, 20], [20, 20]])
    assert (near.depth_m, far.depth_m, inside.depth_m) == (1.0, 3.0, 1.0)
    stretch = near.distance_m  # depth is 1
    # log high = sqrt(log(1.1)^2 + log(3)^2): 3.0124; low is not widened: nothing is nearer.
    assert near.high_m / stretch == pytest.approx(3.0124, rel=1e-4)
    assert near.low_m / stretch == pytest.approx(1 / 1.1)
    assert far.low_m / far.distance_m == pytest.approx(1 / 3.0124, rel=1e-4)
    assert inside.high_m / inside.distance_m == pytest.approx(1.1)


def test_a_floating_pixel_is_given_to_the_side_it_is_nearer_to():
    depth = np.full((48, 64), 1.0)
    depth[:, 32], depth[:, 33:] = 1.5, 4.0  # the split lies at sqrt(1 * 4) = 2
    (point,) = sample_points(depth_map(depth, ratio_90=1.1), [[32, 20]])
    assert point.depth_m == 1.25  # the median of three at 1.0 and three at 1.5
    assert point.low_m < point.distance_m / 1.25 and point.high_m > 3.9


def test_codes_of_pixels_without_a_number():
    depth = np.full((48, 64), 2.0)
    depth[10, 10], depth[10, 20] = NAN, INF
    pixels = [[10, 10], [20, 10], [64, 10], [NAN, 10], [-0.6, 0], [1e300, INF]]
    points = sample_points(depth_map(depth), pixels, max_range_m=8.0)
    assert [p.code for p in points] == [
        Code.NO_DEPTH,
        Code.IMPLAUSIBLE,
        *[Code.OUT_OF_IMAGE] * 4,
    ]
    assert all(all_nan(p) and p.text for p in points)
    assert "8 m" in points[1].text and "64 x 48" in points[2].text


def test_unknown_neighbours_have_no_say():
    depth = np.full((48, 64), 2.0)
    depth[10, 11], depth[11, 10] = NAN, INF
    (point,) = sample_points(depth_map(depth, ratio_90=1.2), [[10.4, 10.4]])
    assert point.depth_m == 2.0 and point.high_m == pytest.approx(point.distance_m * 1.2)


def test_readings_tell_the_pixel_that_was_asked():
    rectified, source_pixels = [[5, 5], [70, 5], [NAN, NAN]], [[6, 7], [8, 9], [1, 2]]
    points = sample_points(
        depth_map(np.full((48, 64), 2.0)), rectified, source_pixels=source_pixels
    )
    assert [p.pixel for p in points] == [(6.0, 7.0), (8.0, 9.0), (1.0, 2.0)]
    assert [p.code for p in points] == [Code.OK, Code.OUT_OF_IMAGE, Code.OUT_OF_IMAGE]
    assert "(8.0, 9.0)" in points[1].text and "(70.0, 5.0)" in points[1].text
    assert "no ray" in points[2].text


def test_no_pixels_no_readings():
    assert sample_points(depth_map(np.ones((48, 64))), []) == []
    assert marker_points(PreparedDistances(), frame(), []) == []


def test_the_estimator_reads_with_its_own_rules():
    estimator = DepthEstimator(PlaneModel(9.0), max_range_m=8.0)
    (point,) = estimator.sample(estimator.depth(frame()), [[5, 5]], source_pixels=[[1, 1]])
    assert point.code == Code.IMPLAUSIBLE and "max_range_m = 8 m" in point.text
    assert point.pixel == (1.0, 1.0)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.sampled_from([NAN, INF, 0.5, 1.0, 1.1, 4.0]), min_size=12, max_size=12),
    st.lists(st.floats(allow_nan=True, width=32), min_size=2, max_size=2),
    st.tuples(st.floats(-0.5, 3.4), st.floats(-0.5, 2.4)),
)
def test_a_number_comes_with_ok_and_lies_among_its_neighbours(values, anywhere, inside):
    grid = depth_map(np.reshape(values, (3, 4)), ratio_90=1.2)
    for point in sample_points(grid, [anywhere, inside]):
        if point.code != Code.OK:
            assert all_nan(point)
            continue
        assert 0.5 - 1e-9 <= point.depth_m <= 4.0 + 1e-9
        assert 0 < point.low_m <= point.distance_m <= point.high_m < INF


def test_a_markers_distance_becomes_depth():
    camera = PinholeCamera(100.0, 100.0, 100.0, 100.0, 301, 301)
    reading = DistanceReading(6.0, 5.0, 7.0, "The point is around 6 meters away.")
    (point,) = marker_points(PreparedDistances(reading), frame(camera=camera), [[300.0, 300.0]])
    # The ray (2, 2, 1) has length 3.
    assert (point.code, point.source) == (Code.OK, "marker")
    assert (point.distance_m, point.depth_m) == (6.0, 2.0)
    assert point.point_m == (4.0, 4.0, 2.0)
    assert (point.low_m, point.high_m, point.text) == (5.0, 7.0, reading.text)


def test_a_markers_silence_and_nonsense_are_codes():
    readings = (
        DistanceReading(NAN, NAN, NAN, "it is far"),
        DistanceReading(NAN, NAN, NAN, "3 or 4", "two numbers"),
        DistanceReading(NAN, NAN, NAN, "", "no room", Code.IN_MARKER_MARGIN),
        DistanceReading(1e9, NAN, NAN, "1e9"),
        DistanceReading(INF, NAN, NAN, "inf"),
        DistanceReading(-2.0, NAN, NAN, "-2"),
        DistanceReading(0.0, NAN, NAN, "0"),
    )
    points = marker_points(PreparedDistances(*readings), frame(), [[5, 5]] * 7)
    codes = [Code.NO_ANSWER] * 2 + [Code.IN_MARKER_MARGIN] + [Code.IMPLAUSIBLE] * 4
    assert [p.code for p in points] == codes
    assert all(all_nan(p) and p.source == "marker" for p in points)
    assert "it is far" in points[0].text and points[1].text == "two numbers"


def test_only_pixels_in_the_image_are_shown_to_a_marker_model():
    model = PreparedDistances(DistanceReading(2.0, 1.0, 3.0), DistanceReading(4.0, 3.0, 5.0))
    pixels = [[5, 5], [-5, 5], [NAN, NAN], [6, 6]]
    points = marker_points(model, frame(), pixels, source_pixels=[[1, 1], [2, 2], [3, 3], [4, 4]])
    np.testing.assert_array_equal(model.source_pixels, [[5, 5], [6, 6]])
    assert [p.code for p in points] == [
        Code.OK,
        Code.OUT_OF_IMAGE,
        Code.OUT_OF_IMAGE,
        Code.OK,
    ]
    assert [p.distance_m for p in points[::3]] == [2.0, 4.0]
    assert [p.pixel for p in points] == [(1, 1), (2, 2), (3, 3), (4, 4)]
    assert {p.source for p in points} == {"marker"}


def test_a_frame_refuses_what_breaks_its_contract():
    good = frame()
    for change in (
        {"rgb": good.rgb.astype(np.float32)},
        {"rgb": good.rgb[:, ::2]},
        {"rgb": np.zeros((64, 48, 3), np.uint8).transpose(1, 0, 2)},
        {"valid": np.ones((48, 64), np.uint8)},
        {"valid": np.ones((64, 48), bool)},
    ):
        with pytest.raises(StatusError) as refusal:
            dataclasses.replace(good, **change)
        assert refusal.value.code == Code.BAD_IMAGE
