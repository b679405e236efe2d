"""A node whose model fails, is slow, is not there yet, or is asked too much."""

import math

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from node_answers import PIXEL, QUESTION, answers, refused
from sensor_msgs.msg import Image

from depthlm_ros.status import Code


@pytest.mark.parametrize(
    "model, said",
    [
        ({"error": "ValueError"}, "ValueError: bad luck ?"),
        ({"error": "SystemExit"}, "SystemExit"),
        ({"error": "shape"}, "gave a map of (3, 3)"),
        ({"error": "MemoryError"}, "out of memory, and the model knows no smaller size"),
        ({"error": "MemoryError", "shrinks": True}, "MemoryError"),
    ],
)
def test_a_model_that_fails(start_node, tools, model, said):
    node, robot = start_node(model={"kind": "failing", "times": 12, **model}, max_age=60.0)
    diagnosed = robot.listen(DiagnosticArray, "/diagnostics")
    name = f"{robot.node.get_namespace().lstrip('/')}/depthlm: model"
    depths = robot.listen(Image, "depthlm/depth/image")

    def level():
        found = [s.level for m in diagnosed for s in m.status if s.name == name]
        return found[-1] if found else None

    # calls fail one after the other, then the model recovers and the node with it
    with robot.camera():
        reply = robot.query(PIXEL)
        if reply.status.code:
            assert reply.status.code == Code.MODEL_ERROR and said in reply.status.text
        tools.wait_until(lambda: depths, "recovery")
        assert robot.query(PIXEL).status.code == Code.OK
    tools.wait_until(lambda: level() == DiagnosticStatus.OK, "a healthy model again")
    assert node.is_alive()


def test_memory_that_runs_out_once_costs_one_retry(start_node, tools):
    model = {"kind": "failing", "times": 1, "error": "MemoryError", "shrinks": True}
    _, robot = start_node(model=model)
    answers(robot, tools)


def test_a_failing_model_is_an_error_after_three(start_node, tools):
    _, robot = start_node(model={"kind": "failing"})
    diagnosed = robot.listen(DiagnosticArray, "/diagnostics")
    robot.listen(Image, "depthlm/depth/image")
    name = f"{robot.node.get_namespace().lstrip('/')}/depthlm: model"
    with robot.camera():
        refused(robot, tools, Code.MODEL_ERROR, "bad luck")
        tools.wait_until(
            lambda: any(
                s.name == name and s.level == DiagnosticStatus.ERROR and "failed" in s.message
                for m in diagnosed
                for s in m.status
            ),
            "an ERROR about the model",
        )


@pytest.mark.parametrize(
    "model, code, said",
    [
        ({"reason": "two numbers"}, Code.NO_ANSWER, "two numbers"),
        ({"distance_m": 1e9}, Code.IMPLAUSIBLE, "1e+09 m"),
        ({"distance_m": -3.0}, Code.IMPLAUSIBLE, "-3 m"),
    ],
)
def test_a_marker_model_that_says_nonsense(start_node, tools, model, code, said):
    _, robot = start_node(model={"kind": "marker", **model}, max_age=60.0)
    with robot.camera():
        answer = robot.ask(QUESTION, PIXEL)
        assert (answer.status.code, said in answer.status.text) == (code, True), answer.status
        assert math.isnan(answer.value)
        points = robot.query(PIXEL, (999.0, 0.0)).points
        assert [p.status.code for p in points] == [code, Code.OUT_OF_IMAGE]
        assert all(p.source == "marker" for p in points)


def test_a_deadline_that_the_model_cannot_meet(start_node, tools):
    _, robot = start_node(model={"seconds": 3.0}, max_age=30.0)
    with robot.camera():
        refused(robot, tools, Code.DEADLINE, "not ready within the deadline", deadline_s=0.3)
        assert robot.query(PIXEL, deadline_s=30.0).status.code == Code.OK


def test_a_picture_that_ages_on_the_way_is_followed_by_the_next(start_node, tools):
    from depthlm_msgs.srv import QueryPoints

    _, robot = start_node(model={"seconds": 4.0}, max_age=8.0)
    robot.client(QueryPoints, "depthlm/query_points")
    old = robot.see(stamp=robot.now(-6.0))  # young enough now, too old when it is finished
    request = QueryPoints.Request(pixels=[tools.Pixel(u=1.0, v=1.0)])
    tools.set_deadline(request, 40.0)
    future = robot.start(QueryPoints, "depthlm/query_points", request)
    with robot.camera(hertz=1.0):
        tools.wait_until(future.done, "a reply")
    reply = future.result()
    assert reply.status.code == Code.OK and reply.points[0].header.stamp != old
    assert reply.latency.sec >= 4


def test_a_model_slower_than_max_age_is_told_at_once(start_node, tools):
    _, robot = start_node(model={"seconds": 1.5}, max_age=1.0)
    with robot.camera():
        reply = robot.query(PIXEL, deadline_s=30.0)
    assert reply.status.code == Code.STALE and "max_age = 1 s" in reply.status.text
    assert reply.latency.sec < 20  # not the whole deadline


def test_a_marker_model_and_its_deadline(start_node, tools):
    _, robot = start_node(model={"kind": "marker", "seconds": 1.0}, max_age=30.0)
    with robot.camera():
        refused(robot, tools, Code.DEADLINE, "not ready within the deadline", deadline_s=0.1)
        answer = robot.ask(QUESTION, PIXEL, deadline_s=30.0)
    assert (answer.value, answer.source) == (pytest.approx(3.0), "marker")
    assert (answer.low, answer.high) == pytest.approx((2.5, 3.6))


def test_more_requests_than_may_wait_are_busy_at_once(start_node, tools):
    from depthlm_msgs.srv import QueryPoints

    _, robot = start_node(model={"seconds": 1.0}, max_age=60.0, max_waiting=4)
    robot.client(QueryPoints, "depthlm/query_points")
    with robot.camera():
        request = QueryPoints.Request(pixels=[tools.Pixel(u=1.0, v=1.0)])
        tools.set_deadline(request, 30.0)
        futures = [robot.start(QueryPoints, "depthlm/query_points", request) for _ in range(20)]
        tools.wait_until(lambda: all(f.done() for f in futures), "20 replies")
    codes = [future.result().status.code for future in futures]
    assert codes.count(Code.BUSY) + codes.count(Code.OK) == 20
    assert codes.count(Code.OK) >= 4 and codes.count(Code.BUSY) >= 1
    said = next(f.result().status.text for f in futures if f.result().status.code == Code.BUSY)
    assert "4 requests are waiting" in said


def test_a_model_that_is_still_loading_or_cannot_load(start_node, tools):
    _, robot = start_node(wait=False, model={"load_s": 90.0})
    refused(robot, tools, Code.MODEL_NOT_READY, "has been loading for")
    node, robot = start_node(wait=False, **{"parameter_model": "missing"})
    node.wait_for_log("cannot configure: .*run depthlm fetch missing")
    refused(robot, tools, Code.MODEL_NOT_READY, "run depthlm fetch missing")
    assert robot.state() == "unconfigured" and node.is_alive()
