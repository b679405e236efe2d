"""Lifecycle, parameters, time, QoS, and the end of the process."""

import math
import re
import signal
from pathlib import Path

import pytest
from lifecycle_msgs.msg import Transition, TransitionEvent
from lifecycle_msgs.srv import ChangeState, GetAvailableStates, GetAvailableTransitions, GetState
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import GetParameters
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from depthlm_ros.status import Code

PIXEL = (31.5, 23.5)
CONFIGURE, CLEANUP = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE


def threads_of(node):
    """Return how many threads the node's process has."""
    lines = Path(f"/proc/{node.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Threads:"))


def test_transitions_under_load(start_node, tools):
    node, robot = start_node(model={"seconds": 0.1}, max_age=30.0)
    robot.listen(Image, "depthlm/depth/image")
    threads = set()
    with robot.camera(hertz=60):
        for _ in range(4):
            assert robot.query(PIXEL).status.code == Code.OK
            assert robot.state() == "active"
            assert robot.change(DEACTIVATE) and robot.state() == "inactive"
            assert robot.query(PIXEL).status.code == Code.NOT_ACTIVE
            assert robot.change(CLEANUP) and robot.state() == "unconfigured"
            assert robot.ask("How far is (1, 2)?").status.code == Code.NOT_ACTIVE
            assert robot.change(CONFIGURE) and robot.change(ACTIVATE)
            threads.add(threads_of(node))
    assert len(threads) == 1  # nothing is left behind
    code, seconds = node.stop()
    assert code == 0


def test_a_waiting_request_is_told_of_the_deactivation(start_node, tools):
    from depthlm_msgs.srv import QueryPoints

    _, robot = start_node()
    request = QueryPoints.Request(pixels=[tools.Pixel(u=1.0, v=1.0)])
    tools.set_deadline(request, 60.0)
    future = robot.start(QueryPoints, "depthlm/query_points", request)
    while not robot.change(DEACTIVATE):
        pass
    tools.wait_until(future.done, "a reply")
    assert future.result().status.code == Code.NOT_ACTIVE


def test_wrong_and_unknown_transitions_are_refused(start_node, tools):
    node, robot = start_node(max_age=60.0)
    for number in (ACTIVATE, CONFIGURE, CLEANUP, 0, 99, 255, 60):
        assert not robot.change(number)
    assert not robot.change(label="nonsense") and not robot.change(label="configure")
    assert robot.state() == "active"
    with robot.camera():
        assert robot.query(PIXEL).status.code == Code.OK
    assert robot.change(label="shutdown") and robot.state() == "finalized"
    assert not robot.change(CONFIGURE)
    assert robot.query(PIXEL).status.code == Code.NOT_ACTIVE
    assert node.stop()[0] == 0


def test_a_second_configure_while_the_first_is_loading_is_refused(start_node, tools):
    node, robot = start_node(wait=False, autostart=False, model={"load_s": 2.0})
    request = ChangeState.Request()
    request.transition.id = CONFIGURE
    first = robot.start(ChangeState, "depthlm/change_state", request)
    node.wait_for_log("loading model")
    assert not robot.change(CONFIGURE)
    tools.wait_until(first.done, "the end of the first")
    assert first.result().success and robot.state() == "inactive"


def test_a_burst_of_transitions_and_of_questions_about_the_state(start_node, tools):
    """One of a hundred equal transitions is possible, and every caller is told."""
    node, robot = start_node()
    request = ChangeState.Request()
    request.transition.id = DEACTIVATE
    name = "depthlm/change_state"
    futures = [robot.start(ChangeState, name, request) for _ in range(100)]
    futures += [robot.start(GetState, "depthlm/get_state", GetState.Request()) for _ in range(100)]
    tools.wait_until(lambda: all(future.done() for future in futures), "200 replies")
    assert [future.result().success for future in futures[:100]].count(True) == 1
    seen = {future.result().current_state.label for future in futures[100:]}
    assert seen <= {"active", "inactive"} and robot.state() == "inactive"
    assert node.stop()[0] == 0


def test_the_lifecycle_can_be_looked_at(start_node, tools):
    """Names and numbers of the managed node design: design.ros2.org/articles/node_lifecycle."""
    _, robot = start_node()
    events = robot.listen(TransitionEvent, "depthlm/transition_event")
    found = {}
    for name in ("available_transitions", "transition_graph"):
        request = GetAvailableTransitions.Request()
        response = robot.call(GetAvailableTransitions, f"depthlm/get_{name}", request)
        found[name] = {
            (t.start_state.label, t.transition.label, t.goal_state.label)
            for t in response.available_transitions
        }
    assert found["available_transitions"] == {
        ("active", "deactivate", "deactivating"),
        ("active", "shutdown", "shuttingdown"),
    }
    assert ("unconfigured", "configure", "configuring") in found["transition_graph"]
    assert found["available_transitions"] < found["transition_graph"]
    request = GetAvailableStates.Request()
    states = robot.call(GetAvailableStates, "depthlm/get_available_states", request)
    numbers = {state.label: state.id for state in states.available_states}
    primary = {"unconfigured": 1, "inactive": 2, "active": 3, "finalized": 4}
    assert primary.items() <= numbers.items()
    assert robot.change(DEACTIVATE)
    tools.wait_until(lambda: len(events) == 2, "two events")
    assert [(e.start_state.label, e.goal_state.label) for e in events] == [
        ("active", "deactivating"),
        ("deactivating", "inactive"),
    ]


@pytest.mark.parametrize(
    "change, rule",
    [
        ({"max_age": -1.0}, ""),
        ({"max_age": math.nan}, ""),
        ({"max_age": 1e9}, ""),
        ({"max_age": -3}, "max_age"),
        ({"max_age": "soon"}, ""),
        ({"deadline": 0.0}, ""),
        ({"min_range_m": 200.0}, "the first must be less than the second"),
        ({"min_range_m": 5.0, "max_range_m": 4.0}, "the first must be less than the second"),
        ({"max_waiting": 0}, ""),
        ({"max_waiting": 3}, "deactivate the node, then clean it up"),
        ({"model": "another"}, "deactivate the node, then clean it up"),
        ({"image_transport": "telepathy"}, "must be one of raw, compressed"),
        ({"image_transport": "compressed"}, "deactivate the node first"),
        ({"autostart": False}, ""),
        ({"dtype": "int3"}, "must be one of auto"),
        ({"image_is_rectified": True}, "deactivate the node first"),
    ],
)
def test_nonsense_parameters_are_refused_with_the_rule(standing, change, rule):
    node, robot = standing
    successful, reason = robot.set_parameters(**change)
    assert not successful and reason and rule in reason
    if "first (`" in reason:  # what to type is for this node, in its namespace
        assert f"ros2 lifecycle set {node.name} " in reason
    assert node.is_alive()


@pytest.fixture(scope="module")
def standing(start_node):
    """Give an active node."""
    return start_node()


def test_good_parameters_are_taken_over(standing):
    _, robot = standing
    assert robot.set_parameters(max_age=2.5, max_range_m=50) == (True, "")
    assert robot.change(DEACTIVATE)
    for value in ("true", "auto", False, True):  # YAML turns the bare word into a bool
        assert robot.set_parameters(image_is_rectified=value) == (True, "")
    assert not robot.set_parameters(image_is_rectified=1)[0]
    assert not robot.set_parameters(image_is_rectified="maybe")[0]
    assert robot.change(CLEANUP)
    assert robot.set_parameters(max_waiting=3) == (True, "")
    assert robot.change(CONFIGURE) and robot.change(ACTIVATE)


def test_whole_numbers_are_good_for_floats_and_stay_floats(start_node, tools):
    _, robot = start_node(max_age=3)
    name = "depthlm/get_parameters"
    for number in (3.0, 7.0):
        values = robot.call(GetParameters, name, GetParameters.Request(names=["max_age"])).values
        assert (values[0].type, values[0].double_value) == (ParameterType.PARAMETER_DOUBLE, number)
        assert robot.set_parameters(max_age=7) == (True, "")


@pytest.mark.parametrize(
    "parameters, said",
    [
        ({"max_age": -3.0}, "max_age"),
        ({"max_age": -3}, "max_age"),
        ({"max_age": "soon"}, "max_age"),
        ({"image_transport": "x"}, "image_transport = 'x': must be one of raw, compressed"),
        ({"min_range_m": 500.0}, "the first must be less than the second"),
    ],
)
def test_nonsense_at_the_start_ends_the_node_with_the_rule(start_node, tools, parameters, said):
    node, _ = start_node(wait=False, **parameters)
    assert node.process.wait(tools.WAIT_S) == 2
    log = node.log.read_text()
    assert "cannot start" in log and said in log and "Traceback" not in log


# What keeps the model busy must outlast the test by far, so that "during" is certain.
LONG_S = 300.0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["loading", "inference", "waiting request", "idle"])
def test_signals_end_the_process_with_code_0(start_node, tools, number, moment):
    from depthlm_msgs.srv import QueryPoints

    model = {"load_s": LONG_S} if moment == "loading" else {"seconds": LONG_S}
    node, robot = start_node(wait=False, model=model)
    if moment == "loading":
        node.wait_for_log("revision")  # the load has begun
    else:
        node.wait_for_log("active:")
        robot.meet(node)
    if moment == "waiting request":
        robot.start(QueryPoints, "depthlm/query_points", QueryPoints.Request())
    if moment == "inference":
        request = QueryPoints.Request(pixels=[tools.Pixel(u=1.0, v=1.0)])
        robot.start(QueryPoints, "depthlm/query_points", request)
        with robot.camera():
            node.wait_for_log("thinking")
    segments = node.shared_memory()
    assert segments and all(segment.exists() for segment in segments)
    code, seconds = node.stop(number)
    assert code == 0
    assert not [segment for segment in segments if segment.exists()]  # 64 MB at every start
    assert seconds < 20.0  # the bar of 2 s is measured by bench_node.py, on a machine at rest
    log = node.log.read_text()
    work = {"loading": " during the loading of the model", "inference": " during an inference"}
    assert re.search(rf"\bstopped{work.get(moment, '')}$", log, re.MULTILINE)
    assert log.count("stopped") == 1 and "Traceback" not in log and "rror" not in log


def test_a_subscriber_that_asks_for_too_much_is_named(start_node, tools):
    node, robot = start_node()
    qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    robot.node.create_subscription(Image, "depthlm/depth/image", lambda _: None, qos)
    node.wait_for_log(r"subscriber of \S+/depth/image asks for a QoS DURABILITY")


def test_a_publisher_that_offers_too_little_is_named(start_node, tools):
    node, robot = start_node(
        wait=False,
        remaps=["image:=/strict/image"],
        **{"qos_overrides./strict/image.subscription.reliability": "reliable"},
    )
    qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    robot.node.create_publisher(Image, "/strict/image", qos)
    node.wait_for_log(
        r"publisher\(s\) of /strict/image offer an incompatible QoS RELIABILITY.*\n?.*"
        r"qos_overrides./strict/image.subscription.reliability"
    )


def test_sim_time_jumps_and_a_clock_that_never_comes(start_node, tools):
    node, robot = start_node(
        wait=False, remaps=["/clock:=clock"], use_sim_time=True, max_age=1000.0
    )
    node.wait_for_log("active:")
    robot.meet(node)
    clock = robot.node.create_publisher(
        Clock, "clock", QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    )

    def at(seconds):
        stamp = Clock().clock
        stamp.sec = seconds
        return stamp

    with robot.camera(stamp=at(100)):
        reply = robot.query(PIXEL, deadline_s=1.0)
        assert reply.status.code == Code.BAD_STAMP and "/clock" in reply.status.text

    def answered(seconds, stamp):
        clock.publish(Clock(clock=at(seconds)))
        robot.see(stamp=at(stamp))
        reply = robot.query(PIXEL, deadline_s=0.2)
        return reply.status.code == Code.OK and reply.points[0].header.stamp.sec == stamp

    tools.wait_until(lambda: answered(100, 99), "an answer at 100 s")
    # the bag begins anew: what was seen at 99 s lies in the future and must not answer
    tools.wait_until(lambda: clock.publish(Clock(clock=at(50))) or node.said("clock jumped"), "")
    reply = robot.query(PIXEL, deadline_s=0.2)
    assert reply.status.code != Code.OK and math.isnan(reply.points[0].distance)
    tools.wait_until(lambda: answered(50, 49), "an answer at 50 s")
    assert node.is_alive()


def test_silence_is_explained(start_node, tools):
    node, robot = start_node(wait=False)
    # On a busy machine the robot's topic may be known long before its name, or after 3 s only.
    node.wait_for_log(r"nothing on \S+/camera_info for \d+ s: published by \S+/robot")
    node.wait_for_log(r"WARN.*nothing on \S+/camera_info for \d+ s: (published by|no publisher)")
    node.wait_for_log(r"ERROR.*nothing on \S+/camera_info for \d+ s")
    assert robot.query(PIXEL, deadline_s=0.1).status.code == Code.NO_FRAME
