"""Ground, clearance and scale by TF, of a node that sees a floor and a wall 3 m ahead.

With the stand-in of fake_tf2; TEST_WITH_TF2=real takes the installed tf2_ros, and the same
transform by /tf_static. In ``base`` x is forward, y left, z up; the camera, level, is 0.1 m ahead,
0.2 m to the left of and 0.3 m above its origin.
"""

import contextlib
import math
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from clearance_requests import check
from geometry_msgs.msg import PointStamped, TransformStamped
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import LaserScan, Range

from depthlm_msgs.msg import Clearance
from depthlm_msgs.srv import CalibrateScale, CheckClearance
from depthlm_ros.status import Code

REAL = os.environ.get("TEST_WITH_TF2") == "real"
CAMERA_IN_BASE = ((0.1, 0.2, 0.3), (-0.5, 0.5, -0.5, 0.5))
BOX = {"width": 0.3, "height": 0.25, "begin": 1.0, "length": 2.0, "frame_id": "base"}


@pytest.fixture(scope="module")
def start_with_tf(start_node):
    """Give a function that starts a node for which TF joins base and camera."""

    def start(**settings):
        fake = str(Path(__file__).with_name("fake_tf2"))
        path = os.pathsep.join([*([] if REAL else [fake]), os.environ.get("PYTHONPATH", "")])
        node, robot = start_node(environment={"PYTHONPATH": path}, max_age=60.0, **settings)
        if REAL:
            _tell(robot)
        return node, robot

    return start


def _tell(robot):
    from tf2_msgs.msg import TFMessage

    (x, y, z), turn = CAMERA_IN_BASE
    message = TransformStamped(child_frame_id="camera")
    message.header.frame_id = "base"
    shift, q = message.transform.translation, message.transform.rotation
    shift.x, shift.y, shift.z = x, y, z
    q.x, q.y, q.z, q.w = turn
    kept = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    robot.tf = robot.node.create_publisher(TFMessage, "/tf_static", kept)
    robot.tf.publish(TFMessage(transforms=[message]))


@pytest.fixture(scope="module")
def on_the_floor(start_with_tf):
    """Give a node whose base stands on the floor that it sees."""
    return start_with_tf(
        model={"kind": "room", "height_m": 0.3, "pitch": 0.0},
        ground_source="tf",
        base_frame="base",
        clearance_width_m=0.3,
        clearance_height_m=0.25,
        clearance_begin_m=1.0,
    )


def test_the_first_request_has_the_ground_of_tf(on_the_floor, tools):
    _, robot = on_the_floor
    found = check(robot, tools, **BOX)
    assert found.status.code == Code.OK and found.clear, (found.status.text, found.text)
    assert found.camera_height == pytest.approx(0.3, abs=1e-6)
    assert found.ground_confidence > 0.5


def test_a_way_in_base_to_a_target_there(on_the_floor, tools):
    """The wall is 3 m before the camera: 3.1 m ahead of base, by its interval 3 / 1.1 + 0.1."""
    _, robot = on_the_floor
    target = CheckClearance.Request().target
    target.x, target.y, target.z = 3.5, 0.0, 0.8
    found = check(robot, tools, **{**BOX, "length": 0.0}, to_target=True, target=target)
    assert found.verdict == CheckClearance.Response.BLOCKED and not found.clear
    assert found.header.frame_id == "base"
    assert found.distance == pytest.approx(3.1, abs=0.02)
    assert found.low == pytest.approx(3 / 1.1 + 0.1, abs=0.03)
    assert found.nearest.x == pytest.approx(3.1, abs=0.02) and 0 < found.nearest.z < 0.3
    assert found.nearest.y == pytest.approx(0.0, abs=0.2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"begin": -1e9}, "begin = -1e+09 m"),
        ({"height": 0.05}, "obstacle_min_height_m"),
        ({"to_target": True, "far": 1e6}, "1e+06 m from start"),
        ({"to_target": True, "far": 1e12}, "within 1e+07 m of its frame's origin"),
    ],
)
def test_sizes_beyond_all_measure_are_refused_at_once(on_the_floor, tools, change, words):
    _, robot = on_the_floor
    request = {**BOX, **change}
    far = request.pop("far", 0.0)
    target = CheckClearance.Request().target
    target.x = far
    found = check(robot, tools, **request, target=target)
    assert found.status.code == Code.BAD_QUESTION and words in found.status.text


def test_a_way_that_lies_behind_is_unknown(on_the_floor, tools):
    _, robot = on_the_floor
    back = CheckClearance.Request().direction
    back.x = -1.0
    found = check(robot, tools, **BOX, direction=back, headings=[0.0, 3.14159])
    assert found.status.code == Code.OK and found.verdict == CheckClearance.Response.UNKNOWN
    assert found.outside_view == 1.0 and math.isnan(found.visible_from)
    assert found.free_headings[0] == 1.0 and found.free_headings[1] == pytest.approx(2.0)


def test_a_target_clicked_in_another_frame(on_the_floor, tools):
    _, robot = on_the_floor
    corridor = robot.listen(Clearance, "depthlm/clearance")
    clicks = robot.node.create_publisher(PointStamped, "depthlm/clearance_target", 5)
    tools.wait_until(clicks.get_subscription_count, "the target's subscription")
    robot.see_until(lambda: corridor)  # the node knows that somebody listens
    click = PointStamped()
    click.header.frame_id = "base"
    click.point.x, click.point.y = 2.6, 0.2  # 2.5 m straight ahead of the camera
    clicks.publish(click)
    found = robot.see_until(lambda: [m for m in corridor if m.length > 2.4])[0]
    assert found.length == pytest.approx(2.5, abs=1e-6) and found.clear, found.text


def test_without_the_transform_nothing_is_clear_and_it_is_said(start_with_tf, tools):
    _, robot = start_with_tf(
        model={"kind": "room", "height_m": 0.3, "pitch": 0.0},
        ground_source="tf",
        base_frame="nowhere",
    )
    found = check(robot, tools, **{**BOX, "frame_id": ""}, headings=[0.0, 0.3])
    assert found.status.code == Code.OK and not found.clear
    assert "nowhere" in found.text and math.isnan(found.camera_height)
    assert found.free == 1.0 and list(found.free_headings) == [1.0, 1.0]


@contextlib.contextmanager
def sensor(robot, kind, topic, message):
    """Publish a message of a range sensor at 20 Hz."""
    publisher = robot.node.create_publisher(kind, topic, qos_profile_sensor_data)
    stop = threading.Event()

    def run():
        while not stop.wait(0.05):
            publisher.publish(message)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield
    stop.set()
    thread.join(10.0)
    robot.node.destroy_publisher(publisher)


def calibrate(robot, tools, seconds=20.0, **request):
    request = CalibrateScale.Request(frames=3, **request)
    tools.set_deadline(request, seconds)
    with robot.camera():
        return robot.call(CalibrateScale, "depthlm/calibrate_scale", request)


@pytest.fixture(scope="module")
def high_up(start_with_tf, tmp_path_factory):
    """Give a node whose floor is so low that rays from base, level, meet nothing but the wall."""
    kept = tmp_path_factory.mktemp("scale") / "scale.json"
    return start_with_tf(
        model={"kind": "room", "height_m": 1.0, "pitch": 0.0}, scale_file=str(kept)
    )


def test_scale_by_a_laser_scan(high_up, tools):
    """The wall is truly 3.6 m before the camera, 3.7 m ahead of the scanner in base."""
    _, robot = high_up
    scan = LaserScan(angle_min=-0.4, angle_increment=0.02, range_min=0.1, range_max=10.0)
    scan.header.frame_id = "base"
    angles = scan.angle_min + scan.angle_increment * np.arange(41)
    ranges = 3.7 / np.cos(angles)
    ranges[:10] = (math.nan, math.inf, 0.0, 50.0, -math.inf, *[1.0] * 5)  # and a passer-by
    scan.ranges.fromlist(ranges.tolist())
    with sensor(robot, LaserScan, "scan", scan):
        kind = CalibrateScale.Request.LASER_SCAN
        found = calibrate(robot, tools, kind=kind, topic="scan", measure_only=True)
    assert found.status.code == Code.OK, found.status.text
    assert found.scale == pytest.approx(1.2, rel=1e-3) and found.relative_residual < 1e-3
    assert found.samples > 60 and found.previous == 1.0


def test_scale_by_a_sonar_is_applied(high_up, tools):
    _, robot = high_up
    sonar = Range(field_of_view=0.2, min_range=0.1, max_range=10.0, range=3.7)
    sonar.header.frame_id = "base"
    with sensor(robot, Range, "sonar", sonar):
        kind = CalibrateScale.Request.RANGE
        found = calibrate(robot, tools, kind=kind, topic="sonar")
        again = calibrate(robot, tools, kind=kind, topic="sonar", measure_only=True)
    assert found.status.code == Code.OK, found.status.text
    assert found.scale == pytest.approx(1.2, rel=0.005) and found.samples == 3
    assert again.scale == pytest.approx(found.scale, rel=0.005)  # of the model, not on top of it
    with robot.camera():
        (point,) = robot.query((31.5, 23.5)).points
    assert point.depth == pytest.approx(3.6, rel=0.005)
    assert point.source == f"dense*{found.scale:.3f}"


@pytest.mark.parametrize(
    ("topic", "code", "words"),
    [
        ("silent", Code.DEADLINE, "no sensor_msgs/Range came on 'silent'"),
        ("no name!", Code.BAD_QUESTION, "no name of a topic"),
        ("", Code.BAD_QUESTION, "topic is empty"),
    ],
)
def test_a_sensor_that_says_nothing_or_is_none(high_up, tools, topic, code, words):
    _, robot = high_up
    kind = CalibrateScale.Request.RANGE
    found = calibrate(robot, tools, seconds=1.0, kind=kind, topic=topic)
    assert found.status.code == code and words in found.status.text, found.status
    assert math.isnan(found.scale)
