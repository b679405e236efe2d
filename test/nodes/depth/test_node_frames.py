"""Points in and from other frames, with tf2_ros played by fake_tf2."""

import math
import os
from pathlib import Path

import pytest
from geometry_msgs.msg import PointStamped

from depthlm_msgs.msg import PointDepthArray
from depthlm_ros.status import Code

# the point at pixel (56.5, 23.5) is (1, 0, 2) in the camera: base has (2 + 0.1, -1 + 0.2, 0 + 0.3)
RIGHT, IN_BASE = (56.5, 23.5), (2.1, -0.8, 0.3)


@pytest.fixture(scope="module")
def plane(start_node):
    """Give a node that finds fake_tf2 in front of everything else."""
    path = os.pathsep.join(
        [str(Path(__file__).with_name("fake_tf2")), os.environ.get("PYTHONPATH", "")]
    )
    return start_node(environment={"PYTHONPATH": path}, max_age=60.0)


def test_points_are_given_in_the_frame_that_was_asked_for(plane):
    _, robot = plane
    with robot.camera():
        point = robot.query(RIGHT, frame_id="base").points[0]
        answer = robot.ask("How far is this point?", RIGHT, frame_id="base")
        own = robot.query(RIGHT, frame_id="camera").points[0]
    assert (point.header.frame_id, point.status.code) == ("base", Code.OK)
    assert (point.point.x, point.point.y, point.point.z) == pytest.approx(IN_BASE)
    # distance and depth stay those of the camera
    assert (point.distance, point.depth) == pytest.approx((5**0.5, 2.0))
    assert answer.header.frame_id == "base"
    assert answer.evidence[0].point.x == pytest.approx(2.1)
    assert own.point.x == pytest.approx(1.0)


@pytest.mark.parametrize(
    "frame_id, said", [("map", "within the deadline"), ("/map", "cannot start with a '/'")]
)
def test_an_unknown_frame(plane, frame_id, said):
    _, robot = plane
    with robot.camera():
        reply = robot.query(RIGHT, frame_id=frame_id, deadline_s=1.0)
    assert (reply.status.code, said in reply.status.text) == (Code.NO_TF, True), reply.status
    assert math.isnan(reply.points[0].distance)


def test_a_3d_point_by_topic_is_projected_into_the_image(plane, tools):
    _, robot = plane
    got = robot.listen(PointDepthArray, "depthlm/point_depths")
    publisher = robot.node.create_publisher(PointStamped, "depthlm/query_points", 5)
    tools.wait_until(publisher.get_subscription_count, "the topic's subscriber")
    message = PointStamped()
    message.header.frame_id = "base"
    message.point.x, message.point.y, message.point.z = IN_BASE
    with robot.camera():
        publisher.publish(message)
        tools.wait_until(lambda: got, "a reply")
        point = got.pop().points[0]
        message.point.x = -1.0  # behind the camera
        publisher.publish(message)
        tools.wait_until(lambda: got, "a reply")
    assert (point.pixel.u, point.pixel.v) == pytest.approx(RIGHT)
    assert point.status.code == Code.OK and point.distance == pytest.approx(5**0.5)
    assert got[0].points[0].status.code == Code.OUT_OF_IMAGE


def test_motion_since_the_last_question_by_tf(start_node):
    """The stand-in's camera is fixed to base: it stands still. Moving ones: test_motion.py."""
    path = os.pathsep.join(
        [str(Path(__file__).with_name("fake_tf2")), os.environ.get("PYTHONPATH", "")]
    )
    _, robot = start_node(environment={"PYTHONPATH": path}, max_age=60.0, tf_fixed_frame="base")
    question = "How far has the camera moved?"
    with robot.camera():
        first = robot.ask(question)
        lately = robot.ask("How far has the camera moved in the last 2 s?")
        later = robot.ask("How far has the camera moved since stamp 4000000000.5?")
        elsewhere = robot.ask("How far has the camera moved towards the door?")
        second = robot.ask(question)
        robot.set_parameters(tf_fixed_frame="nowhere")
        third = robot.ask(question, deadline_s=1.0)
    assert lately.status.code == Code.OK and lately.value == pytest.approx(0.0, abs=1e-9)
    assert lately.answer.startswith("In 2.0 s the camera stood still"), lately.answer
    assert later.status.code == Code.BAD_QUESTION and "must begin after 0" in later.status.text
    assert elsewhere.status.code == Code.BAD_QUESTION and math.isnan(elsewhere.value)
    assert "'towards the door' is not understood" in elsewhere.status.text
    assert first.status.code == Code.NO_FRAME and "no question before" in first.status.text
    assert second.status.code == Code.OK, second.status.text
    assert (second.task, second.unit, second.source) == ("camera_motion", "m", "tf")
    assert second.value == pytest.approx(0.0, abs=1e-9) and math.isnan(second.low)
    assert "the camera stood still and did not turn" in second.answer
    assert third.status.code == Code.NO_TF and math.isnan(third.value)
