"""What RViz is told to draw: points, corridor, ground, 3-D boxes and gaps, in metres by hand."""

import math

import numpy as np
import pytest
from sensor_msgs.msg import Image
from visualization_msgs.msg import Marker

from depthlm_msgs.msg import Gap, RegionDepth
from depthlm_ros.geometry.box_rays import Obstacle
from depthlm_ros.geometry.clearance import Clearance, Verdict
from depthlm_ros.geometry.ground_plane import GroundPlane
from depthlm_ros.geometry.swept_box import SweptBox
from depthlm_ros.nodes.depth.clearance_markers import clearance_markers
from depthlm_ros.nodes.depth.markers import point_markers
from depthlm_ros.nodes.depth.region_markers import region_markers
from depthlm_ros.point_depth import PointDepth
from depthlm_ros.status import Code

HEADER = Image().header
GROUND = GroundPlane.from_camera(0.5)
BOX = SweptBox.standing(GROUND, (0, 0, 0), (0, 0, 1), 2.0, 0.6, 0.4, 1.0)


def named(array):
    return {(m.ns, m.id): m for m in array.markers}


def ends(marker):
    return np.array([(p.x, p.y, p.z) for p in marker.points])


def test_markers_lie_at_the_point_and_name_its_distance():
    point = PointDepth((1.0, 2.0), Code.OK, "", 5.0, 4.0, 4.5, 5.5, (0.0, 3.0, 4.0))
    sphere, label = point_markers([point], HEADER, 2.5).markers
    assert (sphere.pose.position.y, sphere.pose.position.z) == (3.0, 4.0)
    assert sphere.scale.x == pytest.approx(0.1) and label.text == "5.00 m"
    assert label.scale.z == pytest.approx(0.2) and label.pose.position.y == pytest.approx(2.8)
    assert (sphere.lifetime.sec, sphere.lifetime.nanosec) == (2, 500_000_000)


@pytest.mark.parametrize(
    ("verdict", "strongest"),
    [(Verdict.CLEAR, "g"), (Verdict.BLOCKED, "r"), (Verdict.DROP, "r"), (Verdict.UNKNOWN, "")],
)
def test_the_corridor_has_the_colour_of_its_verdict(verdict, strongest):
    made = named(clearance_markers(BOX, Clearance(verdict, "why"), GROUND, HEADER))
    sides, edges = made["clearance", 0], made["clearance", 1]
    assert len(sides.points) == 36 and len(edges.points) == 24
    # 0.5 m above the ground: y from 0.5 - 0.4 to 0.5 - 0.05, x +-0.3, z from 1 to 2.
    low, high = ends(edges).min(axis=0), ends(edges).max(axis=0)
    assert low == pytest.approx((-0.3, 0.1, 1.0)) and high == pytest.approx((0.3, 0.45, 2.0))
    colour = {name: getattr(sides.color, name) for name in "rgb"}
    assert [k for k in "rgb" if colour[k] == max(colour.values())] == list(strongest or "rgb")
    assert made["clearance", 3].text == "why"
    assert made["clearance", 2].action == Marker.DELETE  # no obstacle
    assert sides.lifetime.sec == 1


def test_the_nearest_obstacle_is_a_red_ball_at_its_point():
    near = Obstacle(1.5, 1.4, 1.6, (0.1, 0.2, 1.5), (3.0, 4.0), 7)
    found = Clearance(Verdict.BLOCKED, "something", near)
    ball = named(clearance_markers(BOX, found, GROUND, HEADER))["clearance", 2]
    at = ball.pose.position
    assert ball.action == Marker.ADD and (at.x, at.y, at.z) == (0.1, 0.2, 1.5)
    assert ball.type == Marker.SPHERE and (ball.color.r, ball.color.g) == (1.0, 0.0)


def test_the_ground_is_a_grid_of_metres_with_what_is_known_of_it():
    grid, words = (
        named(clearance_markers(BOX, Clearance(0, ""), GROUND, HEADER))["ground", i]
        for i in (0, 1)
    )
    lines = ends(grid)
    assert lines[:, 1] == pytest.approx(np.full(len(lines), 0.5))  # below the camera
    assert lines[:, 2].min() == 0.0 and lines[:, 2].max() == 6.0
    assert np.abs(lines[:, 0]).max() == 2.0 and len(lines) == 2 * (7 + 5)
    assert words.text == "ground 0.50 m below the camera"  # given, and not measured
    seen = GroundPlane(GROUND.up, 0.5, 0.004, 0.3, 0.9)
    words = named(clearance_markers(BOX, Clearance(0, ""), seen, HEADER))["ground", 1]
    assert words.text.endswith("confidence 0.90, rough by 0.004 m")


def test_without_a_ground_what_was_drawn_is_taken_away():
    made = clearance_markers(None, Clearance(Verdict.UNKNOWN, "no ground"), None, HEADER)
    assert len(made.markers) == 6
    assert {m.action for m in made.markers} == {Marker.DELETE}


def region(code=Code.OK, label="chair"):
    made = RegionDepth(label=label, distance=2.5)
    made.status.code = int(code)
    made.box.position.x, made.box.position.y, made.box.position.z = 1.0, 2.0, 3.0
    made.size.x, made.size.y, made.size.z = 0.4, 0.6, 0.8
    made.point.z = 3.0
    return made


def test_a_region_is_a_box_with_its_name_and_distance():
    made = named(region_markers([region()], [], HEADER))
    corners = ends(made["regions", 0])
    assert len(corners) == 24 and len(np.unique(corners.round(6), axis=0)) == 8
    assert corners.min(axis=0) == pytest.approx((0.8, 1.7, 2.6))
    assert corners.max(axis=0) == pytest.approx((1.2, 2.3, 3.4))
    lengths = np.linalg.norm(corners[::2] - corners[1::2], axis=1)
    assert sorted(lengths.round(6)) == [0.4] * 4 + [0.6] * 4 + [0.8] * 4
    assert made["region_names", 0].text == "chair 2.50 m"


def test_a_gap_is_a_line_with_its_width():
    gap = Gap(distance=0.75)
    gap.a.x, gap.b.x, gap.a.z, gap.b.z = -0.5, 0.25, 2.0, 2.0
    made = named(region_markers([], [gap], HEADER))
    assert ends(made["gaps", 0]) == pytest.approx(np.array([(-0.5, 0, 2), (0.25, 0, 2)]))
    assert made["gap_widths", 0].text == "0.75 m"
    assert made["gap_widths", 0].pose.position.x == pytest.approx(-0.125)


def test_what_holds_no_number_is_not_drawn():
    gap = Gap(distance=math.nan)
    gap.status.code = int(Code.NO_DEPTH)
    assert not region_markers([region(Code.NO_DEPTH)], [gap], HEADER).markers
