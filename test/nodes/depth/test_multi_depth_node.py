"""Three cameras at different rates on one model: loaded once, served fairly, told apart."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sensor_msgs.msg import Image

from depthlm_ros.nodes.multi_depth_node import FairTurn, SharedModels

SCRIPT = Path(__file__).parents[1] / "multi_node_under_test.py"
NAMES = [f"cam_{os.getpid()}_{side}" for side in ("front", "left", "right")]


class Model:
    """A model that can be held weakly."""


def test_the_same_model_is_loaded_once_and_freed_with_its_last_holder():
    loads = []

    def load(*names):
        loads.append(names)
        return Model()

    shared = SharedModels()
    first = shared(load, ("a", "cpu", ("x=1",)), False, 0.0)
    assert shared(load, ("a", "cpu", ("x=1",)), False, 0.0) is first and len(loads) == 1
    other = shared(load, ("a", "cpu", ("x=2",)), False, 0.0)
    assert other is not first and len(loads) == 2
    del first
    again = shared(load, ("a", "cpu", ("x=1",)), False, 0.0)
    assert isinstance(again, Model) and len(loads) == 3


def test_turns_are_given_in_the_order_of_asking():
    turn, order, threads = FairTurn(), [], []

    def ask(name):
        with turn.share():
            order.append(name)

    with turn.share():
        for name in "abc":
            threads.append(threading.Thread(target=ask, args=(name,)))
            threads[-1].start()
            while turn.waiting < len(threads):
                time.sleep(0.001)
    for thread in threads:
        thread.join(5.0)
    assert order == list("abc")


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"a": 1.0, "b": 1.0, "c": 1.0}, (40, 40, 40)),
        ({"a": 2.0, "b": 1.0, "c": 1.0}, (60, 30, 30)),
        ({"a": 1.0, "b": 1.0, "c": 0.25}, (53.3, 53.3, 13.3)),
        ({"a": 9.0, "b": 1.0, "c": 1.0}, (60, 30, 30)),  # every other turn at most
    ],
)
def test_turns_follow_the_weights_of_those_who_always_wait(weights, expected):
    turn, order, done = FairTurn(), [], threading.Event()

    def infer_and_publish(share, name):
        with share:
            order.append(name)
            mine = len(order)
            # As an inference: whoever had the last turn asks again while this one runs.
            wait_for(lambda: turn.waiting == len(weights) - 1 or done.is_set())
        # As publishing: the next one's turn has begun when this one asks again.
        wait_for(lambda: len(order) > mine or done.is_set())

    def camera(name):
        share = turn.share(lambda: weights[name])
        while not done.is_set():
            infer_and_publish(share, name)

    threads = [threading.Thread(target=camera, args=(name,)) for name in weights]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(order) >= 130)
    done.set()
    for thread in threads:
        thread.join(5.0)
    counts = [order[10:130].count(name) for name in weights]
    assert counts == pytest.approx(expected, abs=3)


def test_who_was_idle_has_saved_nothing_up():
    turn = FairTurn()
    busy, idle = turn.share(), turn.share()
    for _ in range(50):
        with busy:
            pass
    order = []

    def ask(share, name):
        with share:
            order.append(name)

    threads = []
    with busy:
        for share, name in ((idle, "idle"), (turn.share(), "new")):
            threads.append(threading.Thread(target=ask, args=(share, name)))
            threads[-1].start()
            wait_for(lambda: turn.waiting == len(threads))
    for thread in threads:
        thread.join(5.0)
    assert order == ["idle", "new"]
    # Fifty turns of the other have not earned it fifty in a row: its second comes after one.
    assert idle._end == pytest.approx(busy._end, abs=1.01)


def wait_for(condition):
    """Wait, briefly at a time, for what other threads do."""
    end = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.0002)


@pytest.fixture(scope="module")
def three(ros, tools, tmp_path_factory):
    """Give the log of a process with three cameras, and a robot for each."""
    log = tmp_path_factory.mktemp("three") / "log.txt"
    model = {"kind": "plane", "offset_m": 2.0, "seconds": 0.1}
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *NAMES, "--ros-args", "-p", "max_age:=60.0"],
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
        env={
            **os.environ,
            "NODE_MODEL": json.dumps(model),
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": "1",
        },
    )
    robots = [tools.Robot(f"/{name}") for name in NAMES]
    tools.wait_until(lambda: log.read_text().count("active:") == 3, lambda: log.read_text())
    yield log, robots
    process.terminate()
    assert process.wait(10.0) == 0
    for robot in robots:
        robot.close()


def test_three_cameras_share_one_model_fairly(three, tools):
    log, robots = three
    depths = [robot.listen(Image, "depthlm/depth/image") for robot in robots]
    for robot in robots:
        tools.wait_until(robot.images.get_subscription_count, "the node's subscription")
    with (
        robots[0].camera(40.0, frame_id="front"),
        robots[1].camera(20.0, frame_id="left"),
        robots[2].camera(15.0, frame_id="right"),
    ):
        tools.wait_until(lambda: min(map(len, depths)) >= 3, "three results of each")
        begin = [len(got) for got in depths]
        time.sleep(4.0)
        counts = [len(got) - first for got, first in zip(depths, begin, strict=True)]
    # One at a time, 0.1 s each: about 40 in all, a third for each whatever its rate.
    assert 6 <= sum(counts) <= 44
    assert max(counts) - min(counts) <= max(2, 0.25 * max(counts))
    for got, name in zip(depths, ("front", "left", "right"), strict=True):
        assert {image.header.frame_id for image in got} == {name}
    assert log.read_text().count("loaded a model") == 1


def test_each_camera_answers_for_itself(three):
    _, robots = three
    with robots[1].camera(20.0, frame_id="left"):
        points = robots[1].query((31.5, 23.5)).points
    assert points[0].header.frame_id == "left"
    assert points[0].depth == pytest.approx(2.0, rel=1e-3)


@pytest.mark.parametrize("names", [[], ["a", "a"], ["9x"], ["a/b"]])
def test_names_that_make_no_namespaces_are_refused(names):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *names], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2 and "different names" in done.stdout + done.stderr
