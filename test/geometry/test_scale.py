"""Scale from known lengths: by hand, with outliers, and its bounds."""

import numpy as np
import pytest

from depthlm_ros.geometry import scale
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.geometry.ground_plane import GroundPlane
from depthlm_ros.status import Code, StatusError

CAMERA = PinholeCamera(100.0, 100.0, 50.0, 40.0, 101, 81)


def flat(depth: float) -> DepthMap:
    return DepthMap(np.full((81, 101), depth, np.float32), CAMERA, ratio_90=1.2)


def test_the_median_of_log_ratios_by_hand():
    found = scale.estimate_scale([2.0, 2.0, 2.0], [1.0, 2.0, 1.6])
    assert found.scale == pytest.approx(1.25)  # ratios 2, 1, 1.25
    # log ratios 0.6931, 0, 0.2231; from the median 0.4700, 0.2231, 0: 1.4826 * 0.2231.
    assert found.residual == pytest.approx(1.4826 * 0.22314, abs=1e-4)
    assert found.samples == 3


def test_outliers_do_not_move_it():
    rng = np.random.default_rng(0)
    measured = rng.uniform(1, 5, 100)
    true = 1.3 * measured * rng.normal(1, 0.01, 100)
    true[:30] = 50.0
    assert scale.estimate_scale(true, measured).scale == pytest.approx(1.3, rel=0.02)


def test_readings_without_depth_do_not_count():
    found = scale.estimate_scale([2.0, 2.0, np.nan, 0.0], [1.6, np.nan, 1.0, 1.0])
    assert found.samples == 1 and found.scale == pytest.approx(1.25)
    with pytest.raises(StatusError) as refused:
        scale.estimate_scale([2.0], [np.nan])
    assert refused.value.code == Code.NO_DEPTH
    with pytest.raises(StatusError, match="at least 5"):
        scale.estimate_scale([2.0] * 4, [2.0] * 4, least=5)


@pytest.mark.parametrize(("true", "measured"), [(5.0, 2.0), (1.0, 2.5)])
def test_a_scale_out_of_bounds_is_refused(true, measured):
    with pytest.raises(StatusError, match="0.5 to 2") as refused:
        scale.estimate_scale([true], [measured])
    assert refused.value.code == Code.IMPLAUSIBLE


def test_scaling_a_map():
    assert scale.scaled(flat(2.0), 1.0).depth_m[0, 0] == 2.0
    done = scale.scaled(flat(2.0), 1.25)
    assert done.depth_m[0, 0] == 2.5 and done.ratio_90 == 1.2
    nothing = DepthMap(np.array([[np.nan, np.inf]], np.float32), PinholeCamera(1, 1, 0, 0, 2, 1))
    np.testing.assert_array_equal(scale.scaled(nothing, 1.5).depth_m, [[np.nan, np.inf]])


def test_the_camera_height_is_a_reference():
    measured = GroundPlane.from_camera(0.96).height_m
    assert scale.estimate_scale([1.2], [measured]).scale == pytest.approx(1.25)


def test_a_laser_scan_is_a_reference():
    ranges = [np.inf, 3.0, np.nan, 0.01, 3.0]
    points = scale.scan_points(ranges, -0.2, 0.1, 0.1, 10.0)
    np.testing.assert_allclose(
        points, [[3 * np.cos(-0.1), 3 * np.sin(-0.1), 0], [3 * np.cos(0.2), 3 * np.sin(0.2), 0]]
    )
    # The scanner is the camera: its x is the optical z, its y the optical -x.
    optical = np.stack([-points[:, 1], points[:, 2], points[:, 0]], axis=-1)
    true, measured = scale.scan_pairs(flat(2.4), optical)
    np.testing.assert_allclose(true, points[:, 0])
    np.testing.assert_allclose(measured, 2.4, rtol=1e-6)
    behind_and_outside = [(0.0, 0.0, -1.0), (9.0, 0.0, 1.0), (np.nan, 0.0, 1.0)]
    assert len(scale.scan_pairs(flat(2.4), behind_and_outside)[0]) == 0


def test_a_range_sensor_reads_the_nearest_in_its_cone():
    depth = np.full((81, 101), 3.0, np.float32)
    depth[:, 70:] = 1.0  # at x = 0.2 and more: 11 degrees off
    depth_map = DepthMap(depth, CAMERA)
    narrow = scale.cone_depth(depth_map, (0, 0, 0), (0, 0, 1), 0.1)
    assert narrow == pytest.approx(3.0, abs=0.01)
    assert scale.cone_depth(depth_map, (0, 0, 0), (0, 0, 1), 0.35) == pytest.approx(1.02, abs=0.02)
    assert np.isnan(scale.cone_depth(depth_map, (0, 0, 0), (0, 0, -1), 0.1))


def test_the_scale_by_a_range_sensor_that_is_not_at_the_camera():
    """A wall truly at 3.6 m, shown at 3.0: a sonar 0.5 m behind the camera reads 4.1."""
    depth_map = DepthMap(np.full((81, 101), 3.0, np.float32), CAMERA)
    cone = ((0, 0, -0.5), (0, 0, 1), 0.05)
    assert scale.range_scale(depth_map, *cone, 4.1) == pytest.approx(1.2, rel=1e-3)
    assert scale.range_scale(depth_map, (0, 0, 0.5), (0, 0, 1), 0.05, 3.1) == pytest.approx(
        1.2, rel=1e-3
    )
    assert np.isnan(scale.range_scale(depth_map, (0, 0, 0), (0, 0, -1), 0.1, 4.1))
    assert scale.range_scale(depth_map, *cone, 90.0) > scale.HIGHEST  # refused by its bounds


def test_the_slow_mode_never_jumps():
    slow = scale.SlowScale(1.0, gain=0.5, per_step=0.01)
    target = scale.ScaleEstimate(1.5, 0.01, 50)
    steps = [slow.scale, *(slow.follow(target) for _ in range(100))]
    ratios = np.array(steps[1:]) / steps[:-1]
    assert ratios.max() <= np.exp(0.01) + 1e-12 and ratios.min() >= 1.0
    assert steps[-1] == pytest.approx(1.5, rel=1e-3)
    assert steps[1] == pytest.approx(np.exp(0.01))
    with pytest.raises(StatusError):
        scale.SlowScale(3.0)
