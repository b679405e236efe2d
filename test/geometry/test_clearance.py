"""Swept boxes: clear only when known. Distances are worked out by hand in a world of boxes."""

import json
from dataclasses import replace

import numpy as np
import pytest

from depthlm_ros.benchmarks.geometry import bench_clearance
from depthlm_ros.benchmarks.geometry_by_model import seen_by
from depthlm_ros.benchmarks.geometry_truth import true_view
from depthlm_ros.geometry.clearance import ClearanceRules, Verdict, check_clearance, free_distances
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.geometry.obstacles import ObstacleMap, ObstacleRules
from depthlm_ros.geometry.swept_box import SweptBox
from depthlm_ros.models.weights.hub import EMBEDDED

AHEAD = (0.0, 0.0, 1.0)


def ask(world, length=4.0, width=0.6, height=0.5, begin=1.5, rules=None, change=None, yaw=0.0):
    depth_map = world.depth_map()
    if change is not None:
        depth = depth_map.depth_m.copy()
        change(depth)
        depth_map = DepthMap(depth, depth_map.camera, ratio_90=depth_map.ratio_90)
    box = SweptBox.standing(world.ground, (0, 0, 0), AHEAD, length, width, height, begin)
    return check_clearance(ObstacleMap.of(depth_map, world.ground), box.turned(yaw), rules)


def test_an_empty_floor_is_clear(world):
    found = ask(world)
    assert found.verdict is Verdict.CLEAR and found.clear, found.text
    assert found.free_m == 4.0 and found.unseen_fraction == 0.0 and found.valid_fraction == 1.0
    assert np.isnan(found.obstacle.distance_m) and np.isnan(found.drop_m)
    assert found.text == "free from 1.50 to 4.00 m"


def test_the_distance_to_a_box_by_hand(world):
    found = ask(world.but(boxes=(((2.5, 2.7), (-0.1, 0.1), (0.0, 0.3)),)))
    assert found.verdict is Verdict.BLOCKED and not found.clear
    assert found.obstacle.distance_m == pytest.approx(2.5, abs=0.01)
    assert found.obstacle.low_m == pytest.approx(2.5, abs=0.01)
    assert found.free_m == pytest.approx(2.5, abs=0.01)
    assert 2.49 <= found.obstacle.p10_m < 2.7
    # The point is on the front face: x = 2.5 in the world; the pixel is where it projects.
    point = np.array(found.obstacle.point_m)
    there = world.rotation @ point + (0.0, 0.0, 1.0)
    assert there[0] == pytest.approx(2.5, abs=0.01) and 0.05 <= there[2] <= 0.32
    u, v = world.camera.project(point)
    assert found.obstacle.pixel == pytest.approx((u, v), abs=0.51)


@pytest.mark.parametrize(("side", "verdict"), [(0.29, Verdict.BLOCKED), (0.33, Verdict.CLEAR)])
def test_what_stands_beside_is_told_from_what_reaches_in(world, side, verdict):
    there = world.but(boxes=(((2.5, 2.7), (side, side + 0.3), (0.0, 0.6)),))
    assert ask(there).verdict is verdict


@pytest.mark.parametrize(("bottom", "verdict"), [(0.48, Verdict.BLOCKED), (0.54, Verdict.CLEAR)])
def test_what_hangs_above_is_told_from_what_reaches_in(world, bottom, verdict):
    there = world.but(
        pitch=0.1, height=0.4, boxes=(((3.0, 3.4), (-1, 1), (bottom, bottom + 0.1)),)
    )
    found = ask(there, begin=1.5, length=4.0)
    assert found.verdict is verdict, found.text


def test_low_things_on_the_ground_are_driven_over(world):
    assert ask(world.but(boxes=(((2.5, 2.7), (-0.1, 0.1), (0.0, 0.03)),))).clear
    assert not ask(world.but(boxes=(((2.5, 2.7), (-0.1, 0.1), (0.0, 0.08)),))).clear


def test_a_pole_of_two_pixels_is_seen(world):
    pole = world.but(boxes=(((3.0, 3.03), (-0.015, 0.015), (0.0, 1.0)),))
    found = ask(pole)
    assert found.verdict is Verdict.BLOCKED
    assert found.obstacle.distance_m == pytest.approx(3.0, abs=0.01)


def test_below_the_view_is_not_clear_and_says_from_where(world):
    found = ask(world, begin=0.2)
    assert found.verdict is Verdict.UNKNOWN and not found.clear
    assert found.outside_view > 0.02 and found.free_m == 0.2
    # The lowest rays, (119.5 + 0.5) / 200 = 0.6 below the axis and 0.35 rad down, meet the floor
    # at 1 / tan(0.35 + atan(0.6)) = 0.810 m; cells are 5 cm.
    assert 0.81 < found.visible_from_m < 0.87
    assert "begin" in found.text
    assert ask(world, begin=found.visible_from_m).clear


def test_behind_a_thing_beside_the_way_is_not_clear(world):
    """From 1.6 m a shelf hangs across the line of sight, above the box of 0.5 m."""
    there = world.but(height=1.6, pitch=0.5, boxes=(((1.2, 1.4), (-0.5, 0.5), (0.9, 1.0)),))
    found = ask(there, begin=1.4, length=4.0)
    assert found.verdict is Verdict.UNKNOWN and found.hidden > 0.01
    assert np.isnan(found.obstacle.distance_m)
    assert "hidden" in found.text


def test_invalid_depth_is_not_clear(world):
    def blind(depth):
        depth[100:130, 140:180] = np.nan

    found = ask(world, change=blind)
    assert found.verdict is Verdict.UNKNOWN and found.invalid > 0.0
    assert found.valid_fraction == pytest.approx(1.0 - found.invalid)


def test_a_thing_never_hides_in_invalid_depth(world):
    """Where a thing stands the model gave nothing: not clear."""
    there = world.but(boxes=(((2.5, 2.7), (-0.05, 0.05), (0.0, 0.3)),))
    with_thing, without = there.depth_map().depth_m, world.depth_map().depth_m

    def blind(depth):
        depth[with_thing != without] = np.nan

    found = ask(there, change=blind)
    assert not found.clear


def test_the_near_end_of_the_interval_counts(world):
    """A wall at 4.4 m, 10 % uncertain.

    May stand at 4.4 / 1.1 = 4.0 m: a way of 4.1 m is blocked.
    """
    wall = world.but(pitch=0.1, ratio_90=1.1, boxes=(((4.4, 4.5), (-3, 3), (0, 3)),))
    blocked, free = ask(wall, length=4.1), ask(wall, length=3.8)
    assert blocked.verdict is Verdict.BLOCKED
    assert blocked.obstacle.distance_m == pytest.approx(4.4, abs=0.01)
    assert blocked.obstacle.low_m == pytest.approx(4.0, abs=0.02)
    assert "perhaps at 4.0" in blocked.text
    assert free.clear, free.text
    assert ask(wall.but(ratio_90=1.0), length=4.1).clear


def test_a_map_without_interval_counts_as_uncertain(world):
    wall = world.but(pitch=0.1, ratio_90=float("nan"), boxes=(((4.4, 4.5), (-3, 3), (0, 3)),))
    assert ask(wall, length=4.1).verdict is Verdict.BLOCKED  # 4.4 / 1.25 = 3.5
    assert ask(wall, length=4.1, rules=ClearanceRules(assumed_ratio_90=1.0)).clear


def test_beyond_range_is_free_only_as_far_as_the_range(world):
    """+Inf says beyond max_range_m: 3 m of it do not make 4 m clear."""
    sky = world.but(pitch=-0.1)
    depth_map = sky.depth_map()
    box = SweptBox.floating((0, 0, 0), AHEAD, 4.0, 0.4, 0.2, 1.0)
    seen = ObstacleMap.of(depth_map, None)
    assert check_clearance(seen, box).clear
    short = check_clearance(seen, box, ClearanceRules(max_range_m=3.0))
    assert short.verdict is Verdict.UNKNOWN and short.hidden > 0.2


@pytest.mark.parametrize(
    ("step", "verdict"), [(0.03, Verdict.CLEAR), (0.15, Verdict.DROP), (2.0, Verdict.DROP)]
)
def test_a_step_down_is_a_drop(world, step, verdict):
    found = ask(world.but(edge_x=3.0, step_down=step))
    assert found.verdict is verdict, found.text
    if verdict is Verdict.DROP:
        assert found.drop_m == pytest.approx(3.0, abs=0.1) and found.free_m == found.drop_m
        assert "lower" in found.text


def test_missing_ground_is_a_drop(world):
    def nothing_there(depth):
        depth[depth > 3.4] = np.inf

    found = ask(world, change=nothing_there)
    assert found.verdict is Verdict.DROP


def test_a_step_up_is_an_obstacle(world):
    stairs = world.but(boxes=(((3.0, 9.0), (-3, 3), (0.0, 0.16)),))
    found = ask(stairs)
    assert found.verdict is Verdict.BLOCKED
    assert found.obstacle.distance_m == pytest.approx(3.0, abs=0.01)


def test_without_ground_nothing_that_drives_is_clear(world):
    depth_map = world.depth_map()
    box = SweptBox.standing(world.ground, (0, 0, 0), AHEAD, 3.0, 0.5, 0.5, 1.0)
    found = check_clearance(ObstacleMap.of(depth_map, None), box)
    assert found.verdict is Verdict.UNKNOWN and "no ground" in found.text


def test_a_floating_box_takes_the_floor_for_an_obstacle(world):
    """Along the axis, 0.35 rad down from 1 m, the floor is 1 / sin(0.35) = 2.916 m away."""
    seen = ObstacleMap.of(world.depth_map(), None)
    far = check_clearance(seen, SweptBox.floating((0, 0, 0), AHEAD, 3.5, 0.02, 0.02, 0.5))
    assert far.verdict is Verdict.BLOCKED
    # The floor meets the underside first: 0.01 m lower and a pixel, 2.9 / 200 = 0.0145 m, which
    # is (0.01 + 0.0145) / tan(0.35) = 0.067 m nearer.
    assert far.obstacle.distance_m == pytest.approx(2.916 - 0.027 - 0.04, abs=0.02)
    assert check_clearance(seen, SweptBox.floating((0, 0, 0), AHEAD, 2.5, 0.2, 0.2, 0.5)).clear


def test_free_distances_ahead_left_and_right(world):
    there = world.but(boxes=(((2.5, 2.7), (-0.3, 0.3), (0.0, 0.4)),))
    box = SweptBox.standing(world.ground, (0, 0, 0), AHEAD, 4.0, 0.3, 0.5, 1.5)
    ahead, left, right = free_distances(
        ObstacleMap.of(there.depth_map(), world.ground), box, (0.0, 0.3, -0.3)
    )
    assert ahead == pytest.approx(2.5, abs=0.01)
    assert left == right == 4.0


def test_more_margin_never_makes_clear(world):
    there = world.but(boxes=(((2.5, 2.7), (0.35, 0.6), (0.0, 0.6)),))
    seen = ObstacleMap.of(there.depth_map(), there.ground)
    box = SweptBox.standing(there.ground, (0, 0, 0), AHEAD, 4.0, 0.6, 0.5, 1.5)
    verdicts = [check_clearance(seen, box.grown(m)).clear for m in (0.0, 0.02, 0.04, 0.06, 0.2)]
    assert verdicts == sorted(verdicts, reverse=True) and verdicts[0] and not verdicts[-1]


def test_a_box_without_volume_is_refused(world):
    with pytest.raises(ValueError, match="must be positive"):
        SweptBox.standing(world.ground, (0, 0, 0), AHEAD, 1.0, 0.5, 0.5, begin_m=1.0)
    with pytest.raises(ValueError, match="must be positive"):
        SweptBox.floating((0, 0, 0), AHEAD, 1.0, float("nan"), 0.5)
    with pytest.raises(ValueError, match="min_height_m"):
        ObstacleRules(min_height_m=0.0)


def test_a_box_behind_the_camera_is_unknown(world):
    found = ask(world, begin=-3.0, length=-1.0)
    assert found.verdict is Verdict.UNKNOWN and found.outside_view == 1.0
    assert found.valid_fraction == 0.0 and np.isnan(found.visible_from_m)


@pytest.mark.parametrize("aside", [0.0, 0.013, 0.027, 0.041])
def test_the_narrowest_shadow_in_a_wide_box_is_unknown(world, aside):
    """A pole of 4 cm before a box whose cells, 5 cm wide, may miss its shadow."""
    pole = world.but(boxes=(((1.9, 1.94), (aside - 0.02, aside + 0.02), (0.0, 1.5)),))
    found = ask(pole, begin=2.0, length=2.4, width=1.8, height=0.4)
    assert found.verdict is Verdict.UNKNOWN and found.hidden > 0.0, found.text
    assert found.free_m == pytest.approx(2.0, abs=0.01)
    without = ask(world, begin=2.0, length=2.4, width=1.8, height=0.4)
    assert without.clear, without.text


@pytest.mark.parametrize("column", range(155, 165))
def test_a_single_column_without_depth_or_with_a_hole_is_not_clear(world, column):
    def blind(depth):
        depth[:, column] = np.nan

    def hole(depth):
        depth[60:, column] *= 1.1

    found = ask(world, change=blind)
    assert found.verdict is Verdict.UNKNOWN and found.invalid > 0.0
    found = ask(world, change=hole)
    assert found.verdict is Verdict.DROP
    assert 1.5 <= found.drop_m == found.free_m < 1.55


def test_nothing_stands_before_what_is_called_free(world):
    """The view of a box that begins too near ends between two of its cells of 5 cm."""
    for begin in np.linspace(0.3, 0.7, 5):
        assert ask(world, begin=float(begin), length=2.0).free_m == begin
    shelf = world.but(height=1.6, pitch=0.5, boxes=(((1.2, 1.4), (-0.5, 0.5), (0.9, 1.0)),))
    found = ask(shelf, begin=1.4, length=6.0)
    # The sight over the shelf's far upper rim, 1.4 m away and 0.6 m below the camera, is back on
    # the ground at 1.6 / 0.6 * 1.4 = 3.73 m; under its near lower rim at 1.6 / 0.7 * 1.2 = 2.74 m
    # and on the box's top, 0.5 m high, at 1.1 / 0.7 * 1.2 = 1.89 m.
    assert found.free_m == pytest.approx(1.886, abs=0.02)


def test_over_rough_ground_nothing_low_is_known(world):
    """Ground with a deviation of 4 cm hides what is lower than 12 cm."""
    rough = replace(world.ground, residual_m=0.04)
    box = SweptBox.standing(rough, (0, 0, 0), AHEAD, 4.0, 0.6, 0.5, 1.5)
    found = check_clearance(ObstacleMap.of(world.depth_map(), rough), box)
    assert found.verdict is Verdict.UNKNOWN and found.free_m == 1.5
    assert "nothing lower than 0.12 m" in found.text
    allowed = ObstacleMap.of(world.depth_map(), rough, ObstacleRules(min_height_m=0.12))
    assert check_clearance(allowed, box).clear
    wall = world.but(boxes=(((2.5, 2.7), (-1, 1), (0.0, 0.4)),)).depth_map()
    found = check_clearance(ObstacleMap.of(wall, rough), box)
    assert found.verdict is Verdict.BLOCKED and found.free_m == 1.5


def test_a_flat_box_has_no_more_cells_than_another():
    box = SweptBox.floating((0, 0, 0), AHEAD, 200.0, 200.0, 1e-4)
    assert len(box.samples(0.05, 12_000).points) <= 2 * 12_000
    assert len(box.footprint(0.05, 1_500).points) <= 2 * 1_500
    needle = SweptBox.floating((0, 0, 0), AHEAD, 200.0, 0.01, 0.01)
    assert len(needle.samples(0.05, 12_000).points) == 4_000


def test_random_scenes():
    """A part of ``depthlm bench geometry``, whose 500 scenes are its figure."""
    counts = bench_clearance(8).counts
    assert counts["scenes"] == 8 and counts["requests"] >= 24
    assert counts["something stands inside"] >= 8
    assert counts["clear although it is not"] == 0
    assert counts["false alarms"] == 0
    assert counts["distances"] > 0 and counts["distances beyond 2 cm + 1 %"] == 0


def test_what_a_wrong_depth_costs_is_counted():
    """Twice as far: the ground is not where it must be; a tenth too far: things are late."""

    def farther(factor):
        return lambda view: replace(view.depth_map, depth_m=view.depth_map.depth_m * factor)

    assert bench_clearance(3, see=farther(2)).counts["scenes without ground"] == 3
    counts = bench_clearance(3, see=farther(1.1)).counts
    assert 0 < counts["distances beyond 2 cm + 1 %"] <= counts["distances"]


def test_a_model_sees_the_picture_of_a_scene():
    view = true_view(0)
    seen = seen_by("embedded", "cpu")(view)
    assert seen.depth_m.shape == (480, 640) and np.isfinite(seen.depth_m).mean() > 0.9
    stated = json.loads((EMBEDDED / "config.json").read_text())["ratio_90"]
    assert seen.ratio_90 == pytest.approx(stated) and seen.camera == view.depth_map.camera
