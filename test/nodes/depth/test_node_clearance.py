"""Clearance, obstacles, scan, regions and scale of a node that sees a floor and a wall 3 m ahead.

The camera is 0.5 m over the floor and looks 0.3 rad down; 90 % of depths lie within 1.1.
"""

import json
import math
import time

import numpy as np
import pytest
from clearance_requests import check
from geometry_msgs.msg import PointStamped
from sensor_msgs.msg import LaserScan, PointCloud2
from sensor_msgs_py.point_cloud2 import read_points
from visualization_msgs.msg import MarkerArray

from depthlm_msgs.msg import Clearance, Pixel, Region
from depthlm_msgs.srv import CalibrateScale, CheckClearance, MeasureRegions
from depthlm_ros.status import Code

SIZE = {"width": 0.4, "height": 0.3, "begin": 1.0}


@pytest.fixture(scope="module")
def room(start_node, tmp_path_factory):
    """Give a node in that room."""
    kept = tmp_path_factory.mktemp("scale") / "scale.json"
    return start_node(
        model={"kind": "room"},
        max_age=60.0,
        scale_file=str(kept),
        clearance_rate_hz=0.0,
        clearance_width_m=0.4,
        clearance_height_m=0.3,
        clearance_begin_m=1.0,
        clearance_length_m=2.0,
        clearance_margin_m=0.0,
    )


def test_the_way_to_the_wall_is_clear(room, tools):
    _, robot = room
    found = check(robot, tools, **SIZE, length=2.0, headings=[0.0, 0.2])
    many = check(robot, tools, **SIZE, length=2.0, headings=[0.2, 0.0] * 16)
    assert list(many.free_headings) == [found.free_headings[1], found.free_headings[0]] * 16
    assert found.status.code == Code.OK, found.status.text
    assert found.clear and found.verdict == CheckClearance.Response.CLEAR, found.text
    assert math.isnan(found.distance) and math.isnan(found.nearest.x) and math.isnan(found.drop)
    assert found.free == 2.0 and found.valid_fraction == 1.0 and found.hidden == 0.0
    assert found.free_headings[0] == 2.0 and len(found.free_headings) == 2
    assert found.camera_height == pytest.approx(0.5, rel=0.02)
    assert found.ground_confidence > 0.5 and found.source == "dense"
    assert found.header.frame_id == "camera" and found.header.stamp.sec > 0


def test_the_wall_blocks_by_the_near_end_of_its_interval(room, tools):
    _, robot = room
    found = check(robot, tools, **SIZE, length=2.9)
    assert not found.clear and found.verdict == CheckClearance.Response.BLOCKED
    assert found.distance == pytest.approx(3.0, abs=0.05)
    # Along a ray 3 / 1.1 = 2.727 m; what of it lies within 0.3 m of the floor.
    assert found.low == pytest.approx(2.727, abs=0.05) and found.free == pytest.approx(found.low)
    # The wall 0.3 rad below the axis: z = 3 cos(0.3) - (0.5 - h) sin(0.3) or so.
    assert found.nearest.z == pytest.approx(3 * math.cos(0.3) + 0.35 * math.sin(0.3), abs=0.1)
    assert 0 <= found.nearest_pixel.u < 64 and 0 <= found.nearest_pixel.v < 48


def test_a_direction_of_any_length_is_one(room, tools):
    _, robot = room
    direction = CheckClearance.Request().direction
    for length in (1e300, 1e-300):
        direction.z = length
        assert check(robot, tools, **SIZE, length=2.0, direction=direction).clear


def test_below_the_view_is_not_clear(room, tools):
    _, robot = room
    found = check(robot, tools, **{**SIZE, "begin": 0.0}, length=2.0)
    assert found.status.code == Code.OK and not found.clear
    assert found.verdict == CheckClearance.Response.UNKNOWN and found.outside_view > 0
    assert found.free == 0.0 and 0.4 < found.visible_from < 1.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 0.0},
        {"height": math.nan},
        {"length": -1.0},
        {"margin": -0.1},
        {"begin": 3.0},
        {"headings": [math.inf]},
        {"to_target": True, "width": 0.0},
    ],
)
def test_a_box_that_is_none_is_refused_and_never_clear(room, tools, wrong):
    _, robot = room
    found = check(robot, tools, **{**SIZE, "length": 2.0, **wrong})
    assert found.status.code == Code.BAD_QUESTION and not found.clear
    assert "must be" in found.status.text and math.isnan(found.distance)


def test_another_frame_without_tf_is_refused(room, tools):
    _, robot = room
    found = check(robot, tools, **SIZE, length=2.0, frame_id="base")
    assert found.status.code == Code.NO_TF and not found.clear


def test_the_standing_corridor_and_a_clicked_target(room, tools):
    _, robot = room
    corridor = robot.listen(Clearance, "depthlm/clearance")
    markers = robot.listen(MarkerArray, "depthlm/markers")
    robot.see_until(lambda: corridor and markers)
    first = corridor[0]
    assert first.clear and first.length == 2.0 and first.width == pytest.approx(0.4)
    assert first.header.frame_id == "camera" and first.status.code == Code.OK
    green = markers[0].markers[0]
    assert (green.ns, green.type, len(green.points)) == ("clearance", 11, 36)
    assert green.color.g > green.color.r and markers[0].markers[2].action == 2  # no obstacle
    # A point on the wall, 3 m ahead of the camera over the floor: blocked there.
    clicks = robot.node.create_publisher(PointStamped, "depthlm/clearance_target", 5)
    tools.wait_until(clicks.get_subscription_count, "the target's subscription")
    click = PointStamped()
    click.header.frame_id = "camera"
    click.point.y, click.point.z = 0.3 - 3 * math.sin(0.3), 3 * math.cos(0.3)
    clicks.publish(click)
    found = robot.see_until(lambda: [m for m in corridor if m.length > 2.5], period_s=0.1)[0]
    assert not found.clear and found.verdict == Clearance.BLOCKED
    assert found.length == pytest.approx(3.0, abs=0.15)


def test_obstacles_are_the_wall_without_the_floor(room):
    _, robot = room
    clouds = robot.listen(PointCloud2, "depthlm/obstacles")
    robot.see_until(lambda: clouds)
    cloud = clouds[0]
    assert [(f.name, f.offset, f.datatype) for f in cloud.fields] == [
        ("x", 0, 7),
        ("y", 4, 7),
        ("z", 8, 7),
    ]
    points = np.stack([read_points(cloud)[name] for name in "xyz"], axis=1)
    assert cloud.height == 1 and cloud.is_dense and len(points) > 50
    ahead = points[:, 2] * math.cos(0.3) - points[:, 1] * math.sin(0.3)
    height = 0.5 - points[:, 1] * math.cos(0.3) - points[:, 2] * math.sin(0.3)
    assert ahead == pytest.approx(np.full(len(points), 3.0), abs=0.05)
    assert height.min() > 0.04 and height.max() < 1.81


def test_the_scan_sees_the_wall(room):
    node, robot = room
    scans = robot.listen(LaserScan, "depthlm/scan")
    robot.see_until(lambda: scans)
    scan = scans[0]
    assert scan.header.frame_id == "camera_level" and scan.range_max == 8.0
    ranges = np.array(scan.ranges)
    angles = scan.angle_min + scan.angle_increment * np.arange(len(ranges))
    assert len(ranges) == 32 and angles[-1] == pytest.approx(scan.angle_max)
    assert ranges == pytest.approx(3.0 / np.cos(angles), rel=0.04)
    assert "is not broadcast" in node.log.read_text()  # no tf2_ros here, and it says so


def test_regions_and_the_gap_between_two(room, tools):
    _, robot = room
    wall = Region(kind=Region.BOX, label="wall")
    wall.pixel.u, wall.pixel.v, wall.corner.u, wall.corner.v = 20.0, 0.0, 44.0, 12.0
    point = Region(kind=Region.POINT, label="mark", radius=1.0)
    point.pixel.u, point.pixel.v = 31.5, 6.0
    rle = Region(kind=Region.RLE, rle=[1, 2])
    markers = robot.listen(MarkerArray, "depthlm/markers")
    request = MeasureRegions.Request(regions=[wall, point], gaps=True)
    tools.set_deadline(request, 20.0)
    with robot.camera():
        found = robot.call(MeasureRegions, "depthlm/measure_regions", request)
        request.regions = [rle]
        wrong = robot.call(MeasureRegions, "depthlm/measure_regions", request)
        request.regions = [rle, point]
        mixed = robot.call(MeasureRegions, "depthlm/measure_regions", request)
        request.regions, request.stamp = [point], robot.now(-30.0)
        old = robot.call(MeasureRegions, "depthlm/measure_regions", request)
    assert found.status.code == Code.OK, found.status.text
    assert [r.label for r in found.regions] == ["wall", "mark"]
    mark = found.regions[1]
    # Row 6 is (6 - 23.5) / 50 = -0.35: z = 3 / (cos 0.3 + 0.35 sin 0.3).
    assert mark.depth == pytest.approx(3 / (math.cos(0.3) + 0.35 * math.sin(0.3)), rel=0.01)
    assert mark.low == pytest.approx(mark.depth / 1.1) and mark.valid_fraction == 1.0
    assert found.regions[0].size.x == pytest.approx(24 / 50 * found.regions[0].depth, rel=0.15)
    assert found.gaps[0].distance == pytest.approx(0.0, abs=0.05)  # the mark is on the wall
    assert wrong.status.code == Code.BAD_QUESTION and "run lengths" in wrong.status.text
    assert math.isnan(wrong.regions[0].depth)
    assert old.status.code == Code.NO_FRAME and math.isnan(old.regions[0].depth)
    # What is no region harms no other, and its gap holds no number.
    assert mixed.status.code == Code.OK, mixed.status.text
    assert [r.status.code for r in mixed.regions] == [Code.BAD_QUESTION, Code.OK]
    assert mixed.regions[1].depth == pytest.approx(mark.depth, rel=1e-6)
    assert mixed.gaps[0].status.code == Code.BAD_QUESTION and math.isnan(mixed.gaps[0].distance)
    drawn = [m.ns for array in markers for m in array.markers if m.ns in ("regions", "gaps")]
    assert drawn.count("regions") >= 2 and "gaps" in drawn


def test_a_region_of_the_picture_with_its_stamp(room, tools):
    """Nobody listens, and the picture is not the newest: its depth is made when it is asked."""
    _, robot = room
    stamps = []
    for _ in range(8):
        stamps.append(robot.see())
        time.sleep(0.05)
    request = MeasureRegions.Request(regions=[Region(kind=Region.POINT)])
    request.regions[0].pixel.u, request.regions[0].pixel.v = 31.5, 6.0
    tools.set_deadline(request, 20.0)
    answered = []
    for stamp in stamps[:-2]:  # on a busy machine some picture may have been lost on the way
        request.stamp = stamp
        found = robot.call(MeasureRegions, "depthlm/measure_regions", request)
        if found.status.code == Code.OK:
            assert found.header.stamp == stamp
            answered.append(found.regions[0].depth)
    assert answered and max(answered) - min(answered) < 1e-6


def calibrate(robot, tools, kind, value, **more):
    request = CalibrateScale.Request(kind=kind, value=value, **more)
    tools.set_deadline(request, 20.0)
    with robot.camera():
        return robot.call(CalibrateScale, "depthlm/calibrate_scale", request)


def test_scale_is_measured_applied_named_kept_and_taken_back(start_node, tools, tmp_path):
    kept = tmp_path / "kept" / "scale.json"
    node, robot = start_node(model={"kind": "room"}, max_age=60.0, scale_file=str(kept))
    kinds = CalibrateScale.Request
    # The camera is truly at 0.6 m, where the depth says 0.5: everything is 1.2 times as far.
    only = calibrate(robot, tools, kinds.CAMERA_HEIGHT, 0.6, frames=3, measure_only=True)
    assert only.status.code == Code.OK, only.status.text
    assert only.scale == pytest.approx(1.2, rel=0.02) and only.samples == 3 and only.previous == 1
    assert not kept.exists()
    found = calibrate(robot, tools, kinds.CAMERA_HEIGHT, 0.6, frames=3)
    assert found.scale == pytest.approx(1.2, rel=0.02) and found.residual < 0.01
    with robot.camera():
        robot.query((31.5, 23.5))
    after = check(robot, tools, **SIZE, length=4.0)
    assert after.distance == pytest.approx(3.6, abs=0.1)
    assert after.source == f"dense*{found.scale:.3f}"
    # A second calibration measures the model itself, not what is corrected already.
    again = calibrate(robot, tools, kinds.CAMERA_HEIGHT, 0.6, frames=2)
    assert again.scale == pytest.approx(found.scale, rel=1e-3)
    bad = calibrate(robot, tools, kinds.CAMERA_HEIGHT, 5.0, frames=1)
    assert bad.status.code == Code.IMPLAUSIBLE and math.isnan(bad.scale)
    assert list(json.loads(kept.read_text()).values()) == [pytest.approx(again.scale)]
    assert robot.change(label="deactivate") and robot.change(label="cleanup")
    assert robot.change(label="configure") and robot.change(label="activate")
    assert "scale 1.2" in node.log.read_text()
    back = calibrate(robot, tools, kinds.SET, 1.0)
    assert back.previous == pytest.approx(again.scale) and back.scale == 1.0


def test_scale_is_measured_at_a_point_of_known_distance(start_node, tools):
    _, robot = start_node(model={"kind": "plane", "offset_m": 2.0}, max_age=60.0)
    with robot.camera():
        (now,) = robot.query((31.5, 23.5)).points
    pixel = Pixel(u=31.5, v=23.5)
    kind = CalibrateScale.Request.POINT
    found = calibrate(robot, tools, kind, 1.5 * now.distance, pixel=pixel, frames=2)
    assert found.status.code == Code.OK, found.status.text
    assert found.scale == pytest.approx(1.5, rel=1e-4) and found.samples == 2


def test_a_model_without_depth_map_says_what_is_needed(start_node, tools):
    _, robot = start_node(model={"kind": "marker"}, max_age=60.0)
    found = check(robot, tools, **SIZE, length=2.0)
    assert found.status.code == Code.UNSUPPORTED and not found.clear
    assert "dense model" in found.status.text


def test_a_corridor_of_an_old_image_is_not_clear(start_node, tools):
    """The model takes longer than an image may be old: nothing of it is to be relied on."""
    _, robot = start_node(
        model={"kind": "room", "seconds": 0.3}, max_age=0.25, clearance_length_m=2.0
    )
    corridor = robot.listen(Clearance, "depthlm/clearance")
    found = robot.see_until(lambda: corridor and corridor[-1])
    assert found.status.code == Code.STALE and found.verdict == Clearance.UNKNOWN
    assert not found.clear and math.isnan(found.free) and math.isnan(found.distance)
    assert found.age.sec + found.age.nanosec * 1e-9 > 0.25


def test_without_ground_nothing_is_clear_and_no_scan_comes(start_node, tools):
    node, robot = start_node(model={"kind": "plane", "offset_m": 5.0}, max_age=60.0)
    scans = robot.listen(LaserScan, "depthlm/scan")
    found = check(robot, tools, **SIZE, length=2.0)
    assert found.status.code == Code.OK and not found.clear
    assert "no ground" in found.text and math.isnan(found.camera_height)
    floating = check(robot, tools, **SIZE, length=2.0, airborne=True)
    assert floating.clear, floating.text
    tools.wait_until(lambda: "no ~/scan" in node.log.read_text(), "the warning")
    assert not scans
