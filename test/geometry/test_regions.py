"""Regions and gaps, by hand."""

import numpy as np
import pytest

from depthlm_ros.geometry import regions
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.status import Code

CAMERA = PinholeCamera(100.0, 100.0, 50.0, 40.0, 101, 81)


def scene(ratio_90=1.1) -> DepthMap:
    """Return a wall at 4 m and two plates at 2 m: columns 20 to 40, 60 to 80, rows 20 to 60."""
    depth = np.full((81, 101), 4.0, np.float32)
    depth[20:61, 20:41] = depth[20:61, 60:81] = 2.0
    return DepthMap(depth, CAMERA, ratio_90=ratio_90)


def test_a_box_takes_pixels_whose_centres_it_holds():
    mask = regions.box_mask((1.5, 0.0, 3.0, 1.9), (4, 6))
    np.testing.assert_array_equal(np.argwhere(mask), [(0, 2), (0, 3), (1, 2), (1, 3)])
    assert regions.box_mask((3.0, 1.9, 1.5, 0.0), (4, 6)).sum() == 4  # corners in any order
    assert regions.box_mask((-9, -9, 90, 90), (4, 6)).all()
    assert not regions.box_mask((9, 9, 20, 20), (4, 6)).any()
    assert not regions.box_mask((np.nan, 0, 2, 2), (4, 6)).any()


def test_a_point_is_a_disc():
    assert regions.point_mask((2, 1), 0.0, (3, 5)).sum() == 1
    assert regions.point_mask((2, 1), 1.0, (3, 5)).sum() == 5


def test_run_lengths_go_down_the_columns():
    mask = regions.decode_rle([1, 2, 3], 2, 3)  # column by column: 0 1, 1 0, 0 0
    np.testing.assert_array_equal(mask, [[False, True, False], [True, False, False]])
    for counts in ([1, 2], [7, -1], [3, 3, 3]):
        with pytest.raises(ValueError, match="height x width = 2 x 3"):
            regions.decode_rle(counts, 2, 3)


def test_a_box_around_a_plate_is_measured_by_the_plate():
    found = regions.measure_region(scene(), regions.box_mask((10, 10, 50, 70), (81, 101)))
    assert found.code is Code.OK
    assert found.depth_m == found.p10_m == 2.0
    assert found.low_m == pytest.approx(2 / 1.1) and found.high_m == pytest.approx(2.2)
    # Without the rim of a pixel at the step: columns 21 to 39, rows 21 to 59; its median pixel is
    # (30, 40): x = (30 - 50) / 100 * 2.
    assert found.point_m == pytest.approx((-0.4, 0.0, 2.0))
    assert found.distance_m == pytest.approx((0.4**2 + 2**2) ** 0.5)
    assert found.size_m == pytest.approx((0.36, 0.76, 0.0), abs=0.03)
    assert found.centre_m == pytest.approx((-0.4, 0.0, 2.0), abs=0.01)
    assert found.pixels == 41 * 61 and found.valid_fraction == 1.0
    assert found.foreground_fraction == pytest.approx(19 * 39 / (41 * 61))


def test_a_mask_is_taken_as_it_is():
    mask = regions.box_mask((10, 10, 50, 70), (81, 101))
    whole = regions.measure_region(scene(), mask, split=False)
    assert whole.depth_m == 4.0 and whole.p10_m == 2.0  # two thirds of it are wall


def test_a_region_of_one_surface_has_no_background():
    found = regions.measure_region(scene(), regions.box_mask((42, 0, 58, 80), (81, 101)))
    assert found.depth_m == 4.0 and found.foreground_fraction > 0.7


def test_a_few_specks_in_front_are_not_the_thing():
    depth = scene().depth_m.copy()
    depth[40, 30] = 0.5
    found = regions.measure_region(
        DepthMap(depth, CAMERA), regions.box_mask((10, 10, 50, 70), (81, 101))
    )
    assert found.depth_m == 2.0 and np.isnan(found.low_m)


def test_regions_without_depth_or_outside():
    empty = DepthMap(np.full((81, 101), np.nan, np.float32), CAMERA)
    mask = regions.box_mask((10, 10, 50, 70), (81, 101))
    found = regions.measure_region(empty, mask)
    assert found.code is Code.NO_DEPTH and np.isnan(found.depth_m) and found.valid_fraction == 0.0
    outside = regions.measure_region(empty, np.zeros((81, 101), bool))
    assert outside.code is Code.OUT_OF_IMAGE and outside.pixels == 0


def test_the_box_lies_along_the_axes_asked_for():
    axes = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])  # ahead, left, up
    mask = regions.box_mask((10, 10, 50, 70), (81, 101))
    found = regions.measure_region(scene(), mask, axes=axes)
    assert found.size_m == pytest.approx((0.0, 0.36, 0.76), abs=0.03)
    assert found.centre_m == pytest.approx((-0.4, 0.0, 2.0), abs=0.01)


def test_the_gap_between_two_points_is_that_of_their_surfaces():
    """Column 40 to column 60 at 2 m: 20 / 100 * 2 = 0.4 m."""
    gap = regions.gap_between_points(scene(), (30, 40), (70, 40))
    assert gap.code is Code.OK and gap.distance_m == pytest.approx(0.4)
    # Nearest when both are at 2 / 1.1 m; farthest when one is there, the other at 2 * 1.1 m:
    # 0.1 * (1.818 + 2.2) = 0.402 m apart to the side, 0.382 m in depth.
    assert gap.low_m == pytest.approx(0.4 / 1.1)
    assert gap.high_m == pytest.approx(0.5543, abs=1e-4)
    assert gap.a_m == pytest.approx((-0.2, 0.0, 2.0)) and gap.b_m == pytest.approx((0.2, 0.0, 2.0))


def test_the_gap_between_a_plate_and_the_wall_is_the_step():
    gap = regions.gap_between_points(scene(), (30, 40), (50, 40))
    assert gap.distance_m == pytest.approx(np.hypot(2.0, -0.2 + 0.36), abs=1e-6)


def test_one_surface_has_no_gap():
    gap = regions.gap_between_points(scene(), (30, 30), (30, 50))
    assert gap.code is Code.NOT_FOUND and np.isnan(gap.distance_m)
    assert regions.gap_between_points(scene(), (30, 30), (300, 50)).code is Code.OUT_OF_IMAGE


def test_the_gap_between_large_things_is_that_of_all_their_points():
    """Two coins of 300 px: here each point of the nearer parts, there every second of a rim."""
    camera = PinholeCamera(300.0, 300.0, 319.5, 239.5, 640, 480)
    v, u = np.mgrid[:480, :640]
    a, b = (np.hypot(u - at, v - 240 - off) < 150 for at, off in ((155, -30), (481.6, 30)))
    depth = np.where(a, 2.0, np.where(b, 2.3, 5.0)).astype(np.float32)
    depth_map = DepthMap(depth, camera)
    p, q = (depth_map.points()[mask].astype(np.float64) for mask in (a, b))
    p, q = (
        part[np.argsort(np.linalg.norm(part - other.mean(axis=0), axis=1))[:3000]]
        for part, other in ((p, q), (q, p))
    )
    truly = min(float(np.linalg.norm(q - point, axis=1).min()) for point in p)
    gap = regions.gap_between_masks(depth_map, a, b, split=False)
    assert gap.distance_m == pytest.approx(truly, abs=1e-6)


def test_the_gap_between_two_boxes():
    """From column 40 to column 60, 20 / 100 * 2 = 0.4 m."""
    a, b = (regions.box_mask(box, (81, 101)) for box in ((10, 10, 45, 70), (55, 10, 90, 70)))
    gap = regions.gap_between_masks(scene(), a, b)
    assert gap.distance_m == pytest.approx(0.4, abs=1e-6)
    nothing = regions.gap_between_masks(scene(), a, np.zeros_like(b))
    assert nothing.code is Code.OUT_OF_IMAGE and np.isnan(nothing.distance_m)
