"""The ground: by hand, on a small world, with noise, with a table, and where there is none."""

import numpy as np
import pytest

from depthlm_ros.benchmarks.geometry import bench_ground
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.geometry.ground_plane import GroundPlane, GroundSettings, fit_ground, measured


def tilt_deg(ground: GroundPlane, other: GroundPlane) -> float:
    return float(np.degrees(np.arccos(np.clip(np.dot(ground.up, other.up), -1, 1))))


def test_heights_of_points_by_hand():
    level = GroundPlane.from_camera(1.0)  # y is down: a point 1 m below the camera is on it
    assert level.height_of((0.3, 1.0, 5.0)) == pytest.approx(0.0)
    assert level.height_of([(0.0, 0.4, 2.0), (0.0, -0.5, 2.0)]) == pytest.approx([0.6, 1.5])
    # 45 degrees down: straight ahead the ground is sqrt(2) away.
    down = GroundPlane.from_camera(1.0, (0.0, -1.0, -1.0))
    assert down.height_of((0.0, 0.0, 2**0.5)) == pytest.approx(0.0)
    assert down.pitch_rad == pytest.approx(-np.pi / 4)
    assert down.roll_rad == 0.0
    # up leans to the left of the picture: the right side is lower.
    assert GroundPlane.from_camera(1.0, (-0.1, -1.0, 0.0)).roll_rad == pytest.approx(0.0996687)


def test_the_level_frame_by_hand():
    down = GroundPlane.from_camera(1.0, (0.0, -1.0, -1.0))
    forward, left, up = down.level_axes()
    half = 0.5**0.5
    np.testing.assert_allclose(forward, (0.0, -half, half), atol=1e-12)
    np.testing.assert_allclose(left, (-1.0, 0.0, 0.0), atol=1e-12)
    np.testing.assert_allclose(up, (0.0, -half, -half), atol=1e-12)
    with pytest.raises(ValueError, match="upright"):
        down.level_axes(up)


@pytest.mark.parametrize(
    ("height", "up"),
    [(0.0, (0, -1, 0)), (-1.0, (0, -1, 0)), (1.0, (0, 0, 0)), (float("nan"), (0, -1, 0))],
)
def test_an_impossible_camera_is_refused(height, up):
    with pytest.raises(ValueError, match="must be positive"):
        GroundPlane.from_camera(height, up)


@pytest.mark.parametrize(("height", "pitch"), [(0.25, 0.05), (1.0, 0.35), (1.8, 0.6), (0.6, -0.1)])
def test_an_exact_floor_is_found_exactly(world, height, pitch):
    there = world.but(height=height, pitch=pitch)
    ground = fit_ground(there.depth_map())
    assert ground.height_m == pytest.approx(height, rel=1e-4)
    assert tilt_deg(ground, there.ground) < 0.01
    assert ground.pitch_rad == pytest.approx(-pitch, abs=1e-4)
    assert ground.confidence > 0.9 and ground.residual_m < 1e-4


def test_a_noisy_floor_is_found(world):
    noise = np.random.default_rng(1).normal(1.0, 0.03, (240, 320))
    exact = world.depth_map()
    noisy = DepthMap((exact.depth_m * noise).astype(np.float32), exact.camera)
    ground = fit_ground(noisy)
    assert ground.height_m == pytest.approx(1.0, rel=0.02)
    assert tilt_deg(ground, world.ground) < 0.5
    assert 0.005 < ground.residual_m < 0.04  # 3 % of 1 m, of what lies within the band


def test_the_floor_below_a_table_is_the_ground_not_the_table(world):
    table = world.but(boxes=(((0.6, 3.0), (-1.5, 0.75), (0.4, 0.5)),))
    depth_map = table.depth_map()
    heights = world.ground.heights(depth_map)
    assert (np.abs(heights - 0.5) < 0.01).mean() > 1.2 * (np.abs(heights) < 0.01).mean()
    assert fit_ground(depth_map).height_m == pytest.approx(1.0, rel=1e-3)


def test_a_wall_alone_has_no_ground(world):
    wall = world.but(pitch=0.0, boxes=(((1.0, 1.1), (-5.0, 5.0), (-5.0, 5.0)),))
    assert fit_ground(wall.depth_map()) is None


def test_nothing_valid_has_no_ground(world):
    empty = np.full((240, 320), np.nan, np.float32)
    assert fit_ground(DepthMap(empty, world.camera)) is None
    assert fit_ground(DepthMap(np.full_like(empty, np.inf), world.camera)) is None
    given = measured(world.ground, DepthMap(empty, world.camera))
    assert given.support == 0.0 and given.confidence == 0.0


def test_a_known_camera_height_rules_a_table_out(world):
    only_a_table = world.but(boxes=(((0.0, 9.0), (-9.0, 9.0), (0.6, 0.7)),))
    found = fit_ground(only_a_table.depth_map())
    assert found.height_m == pytest.approx(0.3, rel=1e-3)
    known = GroundSettings(height_m=(0.8, 1.2))
    assert fit_ground(only_a_table.depth_map(), known) is None


def test_a_given_ground_tells_how_the_depth_agrees(world):
    depth_map = world.depth_map()
    good = measured(world.ground, depth_map)
    wrong = measured(GroundPlane.from_camera(1.5, world.ground.up), depth_map)
    assert good.residual_m < 1e-5 and good.support > 0.9
    assert wrong.support < 0.05 and wrong.confidence < 0.2


def test_random_scenes():
    """A part of ``depthlm bench geometry``, whose 200 scenes are its figure."""
    table = bench_ground(10)
    assert table.counts["with ground"] == 10
    assert table.counts["beyond 2 % or 0.5 degrees"] == 0
    assert table.counts["not found"] == 0
    assert table.percentile("height", 100) < 0.02 and table.percentile("tilt", 100) < 0.5


def test_a_rug_of_one_centimetre_does_not_tilt_the_floor():
    """Scene 122: 5 % of the view is floor, 4 % a rug on it; the plane lay askew between both.

    It is that of the one or the other, 1 cm of the camera's 1.16 m apart.
    """
    table = bench_ground(1, 122)
    assert table.counts["with ground"] == 1
    assert min(abs(table.errors["height"][0] + off) for off in (0.0, 0.01 / 1.1624)) < 0.0005
    assert table.errors["tilt"][0] < 0.05


def test_no_ground_is_found_where_none_is():
    """Scene 131 shows a level table's top alone: a ground for who does not know the height."""
    table = bench_ground(1, 131)
    assert table.counts["without ground"] >= 1
    assert table.counts["ground where none is, height known"] == 0
    assert table.counts["ground where no level surface is"] == 0
