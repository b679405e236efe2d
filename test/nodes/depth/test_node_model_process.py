"""The node with its model in a process: a death costs one request, and the node stays."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray

from depthlm_ros.status import Code

PIXEL = (31.5, 23.5)
SCRIPT = Path(__file__).parents[1] / "process_node_under_test.py"


@pytest.fixture(scope="module")
def node_and_robot(start_node):
    """Start a node whose model is in a process; pictures' red value is 200: 20 m."""
    paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return start_node(script=SCRIPT, environment=paths, model_process="true", inference_limit=1.5)


def model_values(got):
    """Return the newest values that diagnostics tell of the model."""
    for message in reversed(got):
        for status in message.status:
            if status.name.endswith("model"):
                return {value.key: value.value for value in status.values} | {
                    "said": status.message
                }
    return {}


def pid_of(got, tools):
    """Return the number of the model's process, from diagnostics."""
    ready = tools.wait_until(
        lambda: "ready" in model_values(got).get("process", "") and model_values(got),
        "a ready process",
    )
    return int(ready["process"].rsplit(" ", 1)[1])


def test_a_death_at_work_costs_one_request_and_the_next_is_answered(node_and_robot, tools):
    node, robot = node_and_robot
    got = robot.listen(DiagnosticArray, "/diagnostics")
    with robot.camera(hertz=10, image=tools.make_image(fill=100)):
        first = robot.query(PIXEL)
        assert first.status.code == Code.OK
        assert first.points[0].depth == pytest.approx(10.0)  # red is 100 decimetres
        pid = pid_of(got, tools)
        assert pid != node.process.pid
        os.kill(pid, signal.SIGKILL)
        codes = set()
        end = time.monotonic() + 20.0
        while time.monotonic() < end:
            reply = robot.query(PIXEL, deadline_s=1.0)
            codes.add(reply.status.code)
            if reply.status.code == Code.OK and pid_of(got, tools) != pid:
                break
        assert codes <= {
            Code.OK, Code.MODEL_ERROR, Code.MODEL_NOT_READY, Code.DEADLINE, Code.STALE
        }  # fmt: skip
        assert robot.query(PIXEL).status.code == Code.OK
    assert node.is_alive() and robot.state() == "active"
    values = model_values(got)
    assert values["process replaced"] == "1"
    assert "SIGKILL" in values["process ended last since it"]


def test_the_node_ends_at_once_and_takes_its_process_along(node_and_robot, tools):
    node, robot = node_and_robot
    got = robot.listen(DiagnosticArray, "/diagnostics")
    pid = pid_of(got, tools)
    code, seconds = node.stop()
    assert code == 0 and seconds < 3.0
    tools.wait_until(lambda: not Path(f"/proc/{pid}/cmdline").exists(), "the end of the process")
