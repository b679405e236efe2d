"""Questions through the real services: values by hand, bursts, slow models, clients that die."""

import math
import os
import signal
import subprocess
import sys

import pytest

from depthlm_msgs.msg import Answer
from depthlm_msgs.msg import Status as StatusMsg
from depthlm_msgs.srv import Ask, QueryPoints
from depthlm_ros.client import DepthClient, ServiceTimeoutError
from depthlm_ros.status import Code

# fx = fy = 50, the centre at (31.5, 23.5), the plane at z = 2 m; true within a factor of 1.1
CENTRE, RIGHT, DOWN = (31.5, 23.5), (56.5, 23.5), (31.5, 48.5 - 12.5)
"""Points at (0, 0, 2), (1, 0, 2) and (0, 0.5, 2) metres."""


@pytest.fixture(scope="module")
def plane(start_node):
    """Give a node that sees the plane at 2 m, and its robot."""
    return start_node(model={"ratio_90": 1.1}, continuous=True, max_age=60.0)


def test_the_codes_are_those_of_the_message():
    names = [name for name in dir(type(StatusMsg)) if name[0].isupper()]
    constants = {name: getattr(StatusMsg, name) for name in names}
    assert constants == {code.name: int(code) for code in Code}


@pytest.mark.parametrize(
    "question, pixels, task, value, unit, words",
    [
        ("How far is this point?", [RIGHT], "distance", 5**0.5, "m", "2.24 m (90 % between"),
        ("What is the depth of this point?", [RIGHT], "depth", 2.0, "m", "axis the point is at 2"),
        ("How fast to get here in 4 s?", [CENTRE], "speed", 0.5, "m/s", "To arrive in 4.00 s"),
        ("How long to get here at 0.5 m/s?", [CENTRE], "time", 4.0, "s", "takes 4.00 s"),
        ("How far apart are these?", [RIGHT, CENTRE], "two_point_distance", 1.0, "m", "apart by"),
        (
            "How far apart are (56.5, 23.5) and (31.5, 36)?",
            [],
            "two_point_distance",
            math.hypot(1.0, 0.5),
            "m",
            "1.12 m",
        ),
        ("How far is the image centre in cm?", [], "distance", 2.0, "m", "200 cm = 2.00 m"),
        ("How far is it straight ahead?", [], "distance", 2.0, "m", "2.00 m"),
        ("How far is this point?", [], "distance", 2.0, "m", "No point was given"),
    ],
)
def test_every_task(plane, question, pixels, task, value, unit, words):
    _, robot = plane
    with robot.camera():
        reply = robot.ask(question, *pixels)
    assert reply.success and reply.status.code == Code.OK, reply.status
    assert (reply.task, reply.unit, reply.source) == (task, unit, "dense")
    assert reply.value == pytest.approx(value, rel=1e-5)
    assert reply.low < value < reply.high
    if len(reply.evidence) == 1:
        assert (reply.low, reply.high) == pytest.approx((value / 1.1, value * 1.1), rel=1e-5)
    assert words in reply.answer
    assert reply.header.frame_id == "camera" and reply.header.stamp.sec > 0
    assert 0 <= reply.age.sec < 60 and reply.latency.sec >= 0
    assert [point.header for point in reply.evidence] == [reply.header] * len(reply.evidence)


def test_many_pixels_at_once_keep_their_order(plane):
    _, robot = plane
    pixels = [(u + 0.25, v + 0.5) for u in range(60) for v in range(40)]
    with robot.camera():
        reply = robot.query(*pixels)
    assert [(p.pixel.u, p.pixel.v) for p in reply.points] == pixels
    for point, (u, v) in zip(reply.points, pixels, strict=True):
        x, y = (u - 31.5) / 50, (v - 23.5) / 50
        assert point.distance == pytest.approx(2 * math.sqrt(1 + x * x + y * y), rel=1e-5)
        assert (point.point.x, point.point.y) == pytest.approx((2 * x, 2 * y), abs=1e-5)


def test_answers_are_published_for_others(plane, tools):
    _, robot = plane
    heard = robot.listen(Answer, "depthlm/answers")
    with robot.camera():
        reply = robot.ask("How far is this point?", RIGHT)
        tools.wait_until(lambda: heard, "an answer")
    assert heard[0].question == "How far is this point?"
    assert (heard[0].value, heard[0].answer) == (reply.value, reply.answer)


def test_a_burst_of_200_is_answered_200_times(plane, tools):
    _, robot = plane
    ask = Ask.Request(question="How far is (31.5, 23.5)?")
    query = QueryPoints.Request(pixels=[tools.Pixel(u=31.5, v=23.5)])
    kinds = ((Ask, "depthlm/ask", ask), (QueryPoints, "depthlm/query_points", query))
    for kind, name, _ in kinds:
        robot.client(kind, name)
    with robot.camera():
        assert robot.query(CENTRE).status.code == Code.OK
        futures = [robot.start(*kinds[i % 2]) for i in range(200)]
        tools.wait_until(
            lambda: all(f.done() for f in futures),
            lambda: f"{sum(f.done() for f in futures)} of 200 answered",
        )
    codes = [future.result().status.code for future in futures]
    assert codes == [Code.OK] * 200


def test_requests_are_answered_while_a_model_of_1_s_runs(start_node, tools):
    """Untimed (bench_node.py measures): from the finished depth, where the next comes too late."""
    _, robot = start_node(model={"seconds": 1.0}, continuous=True, max_age=30.0)
    with robot.camera():
        stamps = set()
        assert robot.query(CENTRE).status.code == Code.OK
        for _ in range(40):
            reply = robot.query(CENTRE, deadline_s=0.5)
            assert reply.status.code == Code.OK
            stamp = reply.points[0].header.stamp
            stamps.add((stamp.sec, stamp.nanosec))
    assert len(stamps) < 20  # several answers rest on one inference


def test_a_marker_model_reads_the_newest_frame(start_node, tools):
    model = {"kind": "marker", "distance_m": 3.0, "spread": 1.2}
    _, robot = start_node(model=model, max_age=60.0)
    with robot.camera():
        reply = robot.ask("How far is this point?", RIGHT)
        depth = robot.ask("What is the depth of this point?", RIGHT)
        two = robot.query(CENTRE, RIGHT)
    assert (reply.value, reply.source, reply.evidence[0].source) == (3.0, "marker", "marker")
    assert (reply.low, reply.high) == pytest.approx((2.5, 3.6))
    # the ray of RIGHT is (0.5, 0, 1): z = 3 / sqrt(1.25)
    assert depth.value == pytest.approx(3 / 1.25**0.5)
    assert [p.distance for p in two.points] == [3.0, 3.0]


def test_a_client_that_dies_in_the_middle_frees_its_place(start_node, tools):
    node, robot = start_node(model={"seconds": 2.0}, max_waiting=1, max_age=60.0)
    code = (
        "from depthlm_ros.client import DepthClient\n"
        f"client = DepthClient('{node.name}')\n"
        "client.wait_for_node(60)\n"
        "print('calling', flush=True)\n"
        "client.query_points([(1, 1)], deadline_s=60)\n"
    )
    with robot.camera():
        caller = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert caller.stdout.readline() == b"calling\n"
        caller.send_signal(signal.SIGKILL)
        caller.wait()
        caller.stdout.close()
        tools.wait_until(
            lambda: robot.query(CENTRE, deadline_s=30).status.code == Code.OK, "a free place"
        )
    assert node.is_alive()


def test_the_typed_client(plane, tools):
    node, robot = plane
    with DepthClient(node.name) as client, robot.camera():
        client.wait_for_node(tools.WAIT_S)
        reply = client.ask("How fast must I go to reach this point in 2 s?", [RIGHT])
        assert (reply.code, reply.task, reply.unit) == (Code.OK, "speed", "m/s")
        assert reply.value == pytest.approx(5**0.5 / 2)
        assert reply.evidence[0].point_m == pytest.approx((1.0, 0.0, 2.0), abs=1e-6)
        assert reply.frame_id == "camera" and reply.stamp_ns > 0
        assert 0 <= reply.age_s < 60 and 0 <= reply.latency_s < 60
        readings = client.query_points([CENTRE, (-5, 0)], deadline_s=0.5)
        assert [p.code for p in readings.points] == [Code.OK, Code.OUT_OF_IMAGE]
        assert readings.points[0].depth_m == pytest.approx(2.0)
        assert math.isnan(readings.points[1].distance_m)
        assert client.ask("", []).code == Code.BAD_QUESTION
        seen = client.ask("What is the depth of this?", region=(8, 4, 20, 30))
        assert (seen.code, seen.value) == (Code.OK, pytest.approx(2.0))
        (point,) = seen.evidence
        assert 8 <= point.pixel[0] <= 27 and 4 <= point.pixel[1] <= 33
        assert client.ask("How far is this?", region=(60, 4, 5, 5)).code == Code.OUT_OF_IMAGE
        assert client.ask("How far is this?", region=(1, 1, 0, 5)).code == Code.BAD_QUESTION
        with pytest.raises(ValueError, match="deadline_s = 0"):
            client.ask("How far?", deadline_s=0)
        with pytest.raises(ValueError, match="whole pixels from 0 on"):
            client.ask("How far?", region=(-1, 0, 5, 5))


def test_the_client_says_when_nobody_replies(ros):
    with (
        DepthClient(f"/nobody_{os.getpid()}") as client,
        pytest.raises(ServiceTimeoutError, match="no service"),
    ):
        client.ask("How far is (1, 2)?", deadline_s=0.2)


def test_a_model_of_the_six_tasks_is_heard_beside_the_geometry(start_node, tools):
    """And alone, where no pose is known: how the camera moved between two images."""
    model = {"kind": "marker", "asks_tasks": True}
    _, robot = start_node(model=model, max_age=60.0)
    with robot.camera():
        reply = robot.ask("How fast must I go to reach this point in 2 s?", (20.0, 10.0))
        assert reply.success and reply.value == pytest.approx(1.5)  # 3 m in 2 s
        assert reply.answer.endswith("The model itself says 132 m/s."), reply.answer
        named = robot.ask("How far is the point at (20, 10)?")
        assert named.success and "The model itself" not in named.answer  # its own already
        moved = robot.ask("How far did the camera move?")
        assert (moved.success, moved.value, moved.source) == (True, 200.0, "language")
        assert moved.answer.endswith("moved 200 m, as the model sees it."), moved.answer
