"""The virtual scan: by hand, by depthimage_to_laserscan's column rule, and on random scenes."""

import numpy as np
import pytest

from depthlm_ros.benchmarks.geometry import bench_scan
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.geometry.laser_scan import ScanRules, _Fan, scan_of
from depthlm_ros.geometry.obstacles import ObstacleMap

BAND = ScanRules(range_max_m=6.0)


def scan(world, rules=BAND, change=None):
    depth_map = world.depth_map()
    if change is not None:
        depth = depth_map.depth_m.copy()
        change(depth)
        depth_map = DepthMap(depth, depth_map.camera)
    return scan_of(ObstacleMap.of(depth_map, world.ground), rules)


def beam(scan_, degrees: float) -> float:
    index = (np.radians(degrees) - scan_.angle_min_rad) / scan_.angle_increment_rad
    return float(scan_.ranges_m[round(index)])


def test_angles_cover_the_view_from_right_to_left(world):
    found = scan(world.but(pitch=0.0))
    # The sides of the image lie (159.5 + 0.5) / 200 = 0.8 off the axis: 38.66 degrees.
    half = found.angle_increment_rad / 2 * np.array([-1, 1])
    edge = np.degrees(found.angles_rad[[0, -1]] + half)
    np.testing.assert_allclose(edge, (-38.6598, 38.6598), atol=1e-3)
    assert len(found.ranges_m) == 160 and found.ranges_m.dtype == np.float32
    np.testing.assert_allclose(found.axes, world.but(pitch=0.0).ground.level_axes())


@pytest.mark.parametrize("pitch", [0.0, 0.2, 0.35])
def test_a_wall_by_hand(world, pitch):
    """A wall 3 m ahead: 3 m straight ahead, 3 / cos(20 deg) = 3.1925 m at 20 degrees."""
    found = scan(world.but(pitch=pitch, boxes=(((3.0, 3.2), (-9, 9), (0, 3)),)))
    assert np.isfinite(found.ranges_m).all()
    step = np.degrees(found.angle_increment_rad)
    for degrees in (-20.0, 0.0, 20.0, 35.0):
        # A beam has the nearest of its sector: half a step nearer to the axis.
        near = 3.0 / np.cos(np.radians(max(abs(degrees) - step, 0.0)))
        assert near - 0.01 <= beam(found, degrees) <= 3.0 / np.cos(np.radians(degrees)) + 0.01


def test_left_is_positive(world):
    found = scan(world.but(pitch=0.1, boxes=(((2.0, 2.2), (0.5, 0.9), (0, 1)),)))
    assert beam(found, np.degrees(np.arctan2(0.7, 2.0))) == pytest.approx(
        np.hypot(2, 0.7), abs=0.02
    )
    assert beam(found, -np.degrees(np.arctan2(0.7, 2.0))) == np.inf


def test_free_beyond_range_needs_rays_that_stay_in_the_band(world):
    """Level rays see 6 m far: free. Looking 0.6 rad down no ray does: unknown."""
    assert (scan(world.but(pitch=0.1)).ranges_m == np.inf).all()
    assert np.isnan(scan(world.but(pitch=0.9)).ranges_m).all()


def test_a_thing_beyond_the_range_is_free_and_one_too_near_is_minus_inf(world):
    far = scan(world.but(pitch=0.1, boxes=(((7.0, 7.2), (-9, 9), (0, 3)),)))
    assert (far.ranges_m == np.inf).all()
    near = scan(
        world.but(pitch=0.1, boxes=(((0.5, 0.6), (-2, 2), (0.5, 1.4)),)),
        ScanRules(range_min_m=1.0, range_max_m=6.0),
    )
    assert beam(near, 0.0) == -np.inf


def test_unknown_is_nan_and_never_free(world):
    def blind(depth):
        depth[90:110, 150:170] = np.nan

    found = scan(world.but(pitch=0.1), change=blind)
    assert np.isnan(beam(found, 0.0)) and beam(found, 20.0) == np.inf
    wall = world.but(pitch=0.1, boxes=(((3.0, 3.2), (-9, 9), (0, 3)),))
    assert beam(scan(wall, change=blind), 0.0) == pytest.approx(3.0, abs=0.01)


def test_what_is_above_the_band_is_no_obstacle_and_hides_what_is_below(world):
    arch = ((2.0, 2.3), (-9, 9), (1.6, 1.9))
    assert (scan(world.but(pitch=0.0, boxes=(arch,))).ranges_m == np.inf).all()
    # From above the band a board between stops the rays before they enter it: unknown.
    high = world.but(height=2.2, pitch=0.3, boxes=(((0.8, 2.4), (-9, 9), (1.6, 1.7)),))
    assert np.isnan(scan(high).ranges_m).any() and not (scan(high).ranges_m == np.inf).any()


def test_drops_end_beams_where_the_ground_is_missing(world):
    there = world.but(edge_x=2.5, step_down=1.0)
    found = scan(there)
    assert beam(found, 0.0) == pytest.approx(2.5, abs=0.04)
    # Without them the band above the missing ground is free, as level rays have seen.
    assert beam(scan(there, ScanRules(range_max_m=6.0, mark_drops=False)), 0.0) == np.inf


def test_the_floor_itself_is_no_obstacle(world):
    assert not np.isfinite(scan(world).ranges_m).any()


def column_rule(depth, camera, angle_min, increment, beams, low, high):
    """depthimage_to_laserscan's ``convert``: of each column of rows low..high the nearest range.

    Range hypot(x, z), beam by -atan2(x, z); finite before +Inf before NaN.
    """
    ranges = np.full(beams, np.nan)
    for row in range(low, high):
        for column in range(camera.width):
            z = float(depth[row, column])
            x = (column - camera.cx) / camera.fx
            index = int((-np.arctan2(x, 1.0) - angle_min) / increment)
            new = np.hypot(x * z, z) if np.isfinite(z) else z
            old = ranges[index]
            if np.isfinite(new):
                if not np.isfinite(old) or new < old:
                    ranges[index] = new
            elif np.isnan(old) and not np.isnan(new):
                ranges[index] = new
    return ranges


def test_the_column_rule_of_depthimage_to_laserscan_agrees(world):
    """A level camera at 0.5 m: rows whose rays stay between 0.05 and 1.5 m over the ground."""
    boxes = (
        ((2.0, 2.4), (0.3, 0.8), (0, 1.2)),
        ((3.5, 4.0), (-1.5, -0.2), (0, 2)),
        ((5.0, 5.1), (-9, 9), (0, 3)),
    )
    there = world.but(pitch=0.0, height=0.5, boxes=boxes)
    depth = there.depth_map().depth_m
    ours = scan(there, ScanRules(range_max_m=8.0))
    half = ours.angle_increment_rad / 2
    theirs = column_rule(
        depth,
        there.camera,
        ours.angle_min_rad - half,
        ours.angle_increment_rad,
        len(ours.ranges_m),
        119,
        121,
    )
    assert np.isfinite(theirs).all()
    difference = np.abs(ours.ranges_m - theirs)
    assert (difference <= 0.01 + 0.01 * theirs).mean() > 0.96  # two beams see a box's very edge
    assert np.median(difference) < 1e-3


@pytest.mark.parametrize(
    ("wall_m", "ratio_90", "range_m"),
    [(8.5, 1.0, np.inf), (8.5, 1.1, np.nan), (9.0, 1.1, np.inf), (9.0, np.nan, np.nan)],
)
def test_what_may_stand_within_range_leaves_a_beam_unknown(world, wall_m, ratio_90, range_m):
    """A range of 8 m: 8.5 / 1.1 is less, 9 / 1.1 is not; without an interval 1.25 counts."""
    there = world.but(
        pitch=0.0, height=0.5, ratio_90=ratio_90, boxes=(((wall_m, wall_m + 1), (-9, 9), (0, 9)),)
    )
    found = scan(there, ScanRules(range_max_m=8.0, columns_per_beam=4))
    assert len(found.ranges_m) == 80
    np.testing.assert_array_equal(beam(found, 0.0), np.float32(range_m))


def test_an_impossible_scan_is_refused(world):
    with pytest.raises(ValueError, match="range_min_m"):
        ScanRules(range_min_m=5.0, range_max_m=1.0)
    with pytest.raises(ValueError, match="needs the ground"):
        scan_of(ObstacleMap.of(world.depth_map(), None))


def test_random_scenes():
    """A part of ``depthlm bench geometry``."""
    counts = bench_scan(6).counts
    assert counts["finite"] > 300 and counts["free although it is not"] == 0
    assert counts["beyond 1 cm + 1 %"] <= 0.002 * counts["finite"]


@pytest.mark.parametrize("seed", [27, 3005, 3034, 3042])
def test_thin_and_cut_off_things_end_their_beams(seed):
    """Scenes with a thing in the last row alone, or at the rim of a beam that was free before."""
    table = bench_scan(1, seed)
    assert table.counts["finite"] > 100
    assert table.counts["beyond 1 cm + 1 %"] == 0
    assert table.counts["free although it is not"] == 0


def test_a_beam_beside_a_thing_is_not_known_to_be_free(world):
    """A post before the sky: the beams at its sides are unknown, those farther out free."""
    post = world.but(pitch=0.0, boxes=(((2.0, 2.1), (-0.1, 0.1), (0.0, 3.0)),))
    ranges = scan(post).ranges_m
    hit = np.flatnonzero(np.isfinite(ranges))
    assert len(hit) and (np.diff(hit) == 1).all()
    assert np.isnan(ranges[[hit[0] - 1, hit[-1] + 1]]).all()
    assert np.isposinf(ranges[[hit[0] - 3, hit[-1] + 3]]).all()


def test_a_bearing_by_the_table_is_that_of_arctan2(world):
    """Directions between the beams' edges, against the angle itself; and outside of the fan."""
    fan = _Fan.of(ObstacleMap.of(world.depth_map(), world.ground), BAND)
    rng = np.random.default_rng(0)
    wanted = rng.integers(-1, fan.beams + 1, 4000)
    angle = fan.first_rad + fan.step_rad * (wanted + rng.uniform(-0.49, 0.49, 4000))
    reach = rng.uniform(0.2, 9.0, 4000)
    ahead, left = (reach * part for part in (np.cos(angle), np.sin(angle)))
    found = fan._beam(ahead.astype(np.float32), left.astype(np.float32))
    np.testing.assert_array_equal(np.clip(found, -1, fan.beams), wanted)
