"""Every refusal that the node can meet: its code, its sentence, and not a number beside it."""

import math

import pytest
from geometry_msgs.msg import PointStamped
from node_answers import PIXEL, QUESTION, answers, eventually, refused
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from depthlm_msgs.msg import PointDepthArray
from depthlm_ros.status import Code


@pytest.fixture(scope="module")
def plane(start_node):
    """Give a node with the plane at 2 m."""
    return start_node()


@pytest.fixture(scope="module")
def patient(start_node):
    """Give one that lets images grow old: for what has nothing to do with age."""
    return start_node(max_age=60.0)


def test_no_frame_then_no_camera_info_then_an_answer(start_node, tools):
    _, robot = start_node()
    refused(robot, tools, Code.NO_FRAME, "no image on /test_", deadline_s=0.2)
    for _ in range(3):
        image = tools.make_image()
        image.header.stamp = robot.now()
        robot.images.publish(image)
    refused(robot, tools, Code.NO_CAMERA_INFO, "published by /test_", deadline_s=0.5)
    answers(robot, tools)
    # the camera stops: within max_age the newest depth still answers, then it is STALE
    tools.wait_until(lambda: robot.query(PIXEL, deadline_s=0.2).status.code == Code.STALE, "STALE")
    refused(robot, tools, Code.STALE, "no new image for", deadline_s=0.2)


@pytest.mark.parametrize(
    "change, said",
    [
        ({"k": [0.0] * 9}, "uncalibrated"),
        ({"fx": math.nan}, "must be finite"),
        ({"fy": math.inf}, "must be finite"),
        ({"fx": -50.0}, "must be positive"),
        ({"width": 128}, "the image is 64 x 48 px, its CameraInfo is for 128 x 48"),
        ({"binning_x": 2}, "binning (2, 1)"),
        ({"distortion_model": "fish"}, "fish"),
        ({"d": [math.nan] * 5}, ""),
        ({"d": [0.1] * 7}, ""),
    ],
)
def test_bad_camera_info(plane, tools, change, said):
    _, robot = plane
    info = tools.make_info(**{key: value for key, value in change.items() if key != "k"})
    info.k = change.get("k", info.k)
    wait_for_old_results_to_age(robot, tools)
    with robot.camera(info=info):
        refused(robot, tools, Code.BAD_CAMERA_INFO, said)
    answers(robot, tools)


@pytest.mark.parametrize(
    "change, said",
    [
        ({"encoding": "rgb9"}, "rgb9"),
        ({"encoding": "32FC1"}, "32FC1"),
        ({"height": 49}, "64 x 49"),
        ({"step": 191}, "191"),
        ({"width": 0, "height": 0, "step": 0}, "0 x 0"),
        ({"width": 2**31, "height": 2**31, "step": 2**32 - 1}, "2147483648"),
        ({"width": 16384, "height": 16384, "step": 49152}, "16384"),
    ],
)
def test_bad_image(plane, tools, change, said):
    _, robot = plane
    wait_for_old_results_to_age(robot, tools)
    image = tools.make_image()
    for name, value in change.items():
        setattr(image, name, value)
    with robot.camera(image=image):
        refused(robot, tools, Code.BAD_IMAGE, said)
    answers(robot, tools)


@pytest.mark.parametrize(
    "offset_s, code, said",
    [
        (None, Code.BAD_STAMP, "stamp 0 s 0 ns"),
        (0.5, Code.BAD_STAMP, "in the future"),
        (3600.0, Code.BAD_STAMP, "in the future"),
        (-1.5, Code.STALE, "max_age = 1 s"),
        (-1e8, Code.STALE, "use_sim_time"),
    ],
)
def test_stamps_that_are_not_believed(plane, tools, offset_s, code, said):
    _, robot = plane
    wait_for_old_results_to_age(robot, tools)
    stamp = Image().header.stamp if offset_s is None else robot.now(offset_s)
    if offset_s == 0.5:
        stamp = robot.now(30.0)  # still in the future when the last request is answered
    with robot.camera(stamp=stamp):
        refused(robot, tools, code, said)
    answers(robot, tools)


def test_a_negative_stamp(plane, tools):
    _, robot = plane
    wait_for_old_results_to_age(robot, tools)
    stamp = robot.now()
    stamp.sec = -5
    with robot.camera(stamp=stamp):
        refused(robot, tools, Code.BAD_STAMP, "stamp -5 s")
    answers(robot, tools)


def wait_for_old_results_to_age(robot, tools):
    """Wait until nothing of earlier frames can answer any more."""
    tools.wait_until(
        lambda: robot.query(PIXEL, deadline_s=0.05).status.code != Code.OK, "an aged result"
    )


@pytest.mark.parametrize(
    "pixel",
    [(-0.6, 0.0), (63.6, 0.0), (0.0, 47.6), (math.nan, 0.0), (1e300, -1e300), (math.inf, 1)],
)
def test_pixels_out_of_the_image(patient, tools, pixel):
    _, robot = patient
    with robot.camera():
        reply = robot.query(pixel, PIXEL)
        assert reply.status.code == Code.OK  # the request as a whole
        outside, inside = reply.points
        assert outside.status.code == Code.OUT_OF_IMAGE and math.isnan(outside.distance)
        assert inside.status.code == Code.OK and inside.depth == pytest.approx(2.0)
        answer = robot.ask(QUESTION, pixel)
        assert answer.status.code == Code.OUT_OF_IMAGE and math.isnan(answer.value)
        assert len(answer.evidence) == 1


def test_requests_that_make_no_sense(patient, tools):
    _, robot = patient
    with robot.camera():
        assert robot.query().status.code == Code.BAD_QUESTION
        assert "0 pixels: must be 1 to 4096" in robot.query().status.text
        assert robot.query(*[PIXEL] * 4097).status.code == Code.BAD_QUESTION
        reply = robot.query(PIXEL, deadline_s=-1.0)
        assert (reply.status.code, "deadline of -1 s" in reply.status.text) == (14, True)
        assert robot.ask("").status.code == Code.BAD_QUESTION
        assert robot.ask("x" * 100_000).status.code == Code.BAD_QUESTION
        assert robot.ask("how far\x07").status.code == Code.BAD_QUESTION
        assert "give them in the field" in robot.ask("How far is it?").status.text
        assert robot.ask("How far is the chair?").status.code == Code.UNSUPPORTED
        motion = "How far did the camera move between the two images?"
        robot.ask(motion)  # the first image of the two
        moved = robot.ask(motion, deadline_s=1.0).status
        assert (moved.code, "odom" in moved.text) == (Code.NO_TF, True)
        size = "Given this image of size (width = 1000, height = 48), how far is (3, 4)?"
        assert "the image has 64" in robot.ask(size).status.text


def test_another_frame_without_tf2(patient, tools):
    _, robot = patient
    try:
        import tf2_ros  # noqa: F401
    except ImportError:
        said = "tf2_ros is not installed"
    else:
        said = "no transform"
    with robot.camera():
        refused(robot, tools, Code.NO_TF, said, frame_id="map", deadline_s=1.0)
        got = robot.listen(PointDepthArray, "depthlm/point_depths")
        publisher = robot.node.create_publisher(PointStamped, "depthlm/query_points", 5)
        tools.wait_until(publisher.get_subscription_count, "the topic's subscriber")
        message = PointStamped()
        message.header.frame_id = "map"
        publisher.publish(message)
        tools.wait_until(lambda: got, "a reply on the topic")
    assert got[0].points[0].status.code == Code.NO_TF and math.isnan(got[0].points[0].distance)


def test_points_by_topic(patient, tools):
    _, robot = patient
    got = robot.listen(PointDepthArray, "depthlm/point_depths")
    publisher = robot.node.create_publisher(PointStamped, "depthlm/query_points", 5)
    tools.wait_until(publisher.get_subscription_count, "the topic's subscriber")
    for frame_id in ("", "camera"):
        message = PointStamped()
        message.header.frame_id, message.point.x, message.point.y = frame_id, 56.5, 23.5
        with robot.camera():
            publisher.publish(message)
            tools.wait_until(lambda: got, "a reply on the topic")
        point = got.pop().points[0]
        # (56.5 - 31.5) / 50 * 2 m = 1 m to the right: sqrt(1 + 4) m away
        assert point.status.code == Code.OK and point.distance == pytest.approx(5**0.5)
        assert (point.point.x, point.point.y) == pytest.approx((1.0, 0.0), abs=1e-6)


def test_beyond_and_before_the_range(plane, tools):
    _, robot = plane

    def point_is(code):
        point = robot.query(PIXEL).points[0]
        return point if point.status.code == code else None

    assert robot.set_parameters(max_range_m=1.0) == (True, "")
    try:
        with robot.camera():
            beyond = tools.wait_until(lambda: point_is(Code.IMPLAUSIBLE), "IMPLAUSIBLE")
            assert math.isnan(beyond.depth) and "max_range_m" in beyond.status.text
            answer = eventually(tools, lambda: robot.ask(QUESTION, PIXEL), Code.IMPLAUSIBLE, "")
            assert math.isnan(answer.value)
            assert robot.set_parameters(max_range_m=100.0, min_range_m=3.0)[0]
            before = tools.wait_until(lambda: point_is(Code.NO_DEPTH), "NO_DEPTH")
            assert math.isnan(before.distance)
    finally:
        assert robot.set_parameters(max_range_m=100.0, min_range_m=0.05)[0]


def test_a_node_that_is_not_active(start_node, tools):
    node, robot = start_node(wait=False, autostart=False)
    first = f"the node is unconfigured: `ros2 lifecycle set {node.name} configure`, then"
    refused(robot, tools, Code.NOT_ACTIVE, f"{first} `activate`")
    assert robot.change(label="configure") and robot.change(label="activate")
    answers(robot, tools)
    assert robot.change(label="deactivate")
    said = f"the node is inactive: `ros2 lifecycle set {node.name} activate`"
    refused(robot, tools, Code.NOT_ACTIVE, said)
    assert robot.change(label="shutdown")
    refused(robot, tools, Code.NOT_ACTIVE, "the node was shut down: start it again")


def test_a_frame_name_that_is_not_text(plane, tools):
    """Bytes that are no UTF-8 come as surrogates and must not reach an outgoing message."""
    node, robot = plane
    wait_for_old_results_to_age(robot, tools)
    got = robot.listen(Image, "depthlm/depth/image")

    def send():
        image, info = tools.make_image(), tools.make_info()
        image.header.stamp = info.header.stamp = robot.now()
        for publisher, message in ((robot.images, image), (robot.infos, info)):
            message.header.frame_id = "cam__"
            publisher.publish(serialize_message(message).replace(b"cam__", b"cam\xff\xfe"))
        return got

    tools.wait_until(send, "a depth image")
    send()
    answer = robot.ask(QUESTION, PIXEL)
    assert answer.status.code in (Code.OK, Code.BAD_IMAGE)
    assert node.is_alive()
    answers(robot, tools)


def test_an_image_of_more_pixels_than_the_node_takes(start_node, tools):
    """The tests' images have 64 x 48 = 3072 pixels."""
    _, robot = start_node(max_image_pixels=3071)
    with robot.camera():
        refused(robot, tools, Code.BAD_IMAGE, "3071 px in all")
