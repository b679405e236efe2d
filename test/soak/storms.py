"""Storms: transitions, parameters, signals, clocks, processes that are stopped and killed."""

import os
import random
import signal
import threading
import time
from pathlib import Path

from figures import Tally, children_of, figures_of, seconds_of, tools
from lifecycle_msgs.msg import Transition
from rosgraph_msgs.msg import Clock

from depthlm_ros.status import Code

PIXEL = (31.5, 23.5)
MAX_AGE_S, EXIT_S = 1.0, 2.0
TRANSITIONS = (
    Transition.TRANSITION_CONFIGURE,
    Transition.TRANSITION_CLEANUP,
    Transition.TRANSITION_ACTIVATE,
    Transition.TRANSITION_DEACTIVATE,
    99,
)


def lifecycle(folder, count: int) -> str:
    """Ask for transitions at random beside a camera and queries."""
    node, robot = _start(folder, "/lifecycle", model={"seconds": 0.02}, continuous=True)
    tally, draw = Tally(), random.Random(11)
    with robot.camera(hertz=30):
        for number in (*TRANSITIONS[1::2], *TRANSITIONS[:3:2]):
            robot.change(number)
        before = figures_of(node.process.pid)
        for _ in range(count):
            tally.sent += 1
            robot.change(draw.choice(TRANSITIONS))
            code = robot.query(PIXEL, deadline_s=0.3).status.code
            active = robot.state() == "active"
            tally.answered += 1
            if (code == Code.NOT_ACTIVE) == active:
                tally.fault(f"code {code} while {robot.state()}")
        for number in (2, 4, 1, 3):  # whatever it is in: to active
            robot.change(number)
        _must_answer(robot, tally)
        after = figures_of(node.process.pid)
    if after.threads > before.threads + 1:
        tally.fault(f"{before} before, {after} afterwards")
    return _end(node, robot, "transitions", tally)


def parameters(folder, count: int) -> str:
    """Set parameters to sense and nonsense at random."""
    node, robot = _start(folder, "/parameters", continuous=True, max_age=MAX_AGE_S)
    tally, draw = Tally(), random.Random(12)
    values = (
        0.5,
        1.0,
        -1.0,
        0,
        3,
        1e12,
        float("nan"),
        float("inf"),
        True,
        "x",
        "",
        [1.0],
        "a" * 9999,
    )
    names = (
        "max_age",
        "max_range_m",
        "min_range_m",
        "deadline",
        "model",
        "max_waiting",
        "nothing",
    )
    with robot.camera(hertz=30):
        for _ in range(count):
            tally.sent += 1
            good, reason = robot.set_parameters(**{draw.choice(names): draw.choice(values)})
            tally.answered += 1
            if not good and not reason:
                tally.fault("refused without a reason")
        robot.set_parameters(max_age=MAX_AGE_S, min_range_m=0.1, max_range_m=100.0)
        _must_answer(robot, tally)
    return _end(node, robot, "parameters", tally)


def signals(folder, count: int) -> str:
    """Send SIGINT and SIGTERM at random moments, from the first imports to inferences."""
    tally, draw = Tally(), random.Random(13)
    for index in range(count):
        number = (signal.SIGINT, signal.SIGTERM)[index % 2]
        name = f"/signal_{index}"
        node = tools.NodeProcess(folder, name, model={"seconds": 1.0}, continuous=True,
                                 script=Path(__file__).with_name("started_node.py"))  # fmt: skip
        robot = tools.Robot(name)
        node.wait_for_log("started")
        with robot.camera(hertz=30):
            time.sleep(draw.uniform(0.0, 3.0))
            code, took = node.stop(number)
        robot.close()
        tally.sent += 1
        tally.answered += code == 0
        if code or node.said("Traceback"):
            tally.fault(f"{number.name}: code {code}\n{node.log.read_text()[-1500:]}")
        if took > EXIT_S:
            tally.late += 1
            tally.faults.append(f"{number.name}: {took:.2f} s")
    return _lines("signals", tally)


def clock(folder, count: int) -> str:
    """Jump with the clock, back and forth, beside a camera that goes by it."""
    node, robot = _start(folder, "/clock", continuous=True, use_sim_time=True,
                         remaps=["/clock:=/clock/clock"])  # fmt: skip
    tally, draw = Tally(), random.Random(14)
    publisher, now_s, stop = (
        robot.node.create_publisher(Clock, "clock", 5),
        [1000.0],
        threading.Event(),
    )

    def stamp():
        return Clock(clock=tools.rclpy.time.Time(nanoseconds=int(now_s[0] * 1e9)).to_msg()).clock

    def play():
        while not stop.wait(0.03):
            now_s[0] += 0.03
            publisher.publish(Clock(clock=stamp()))
            robot.see(stamp=stamp())

    player = threading.Thread(target=play, daemon=True)
    player.start()
    for _ in range(count):
        now_s[0] = max(1.0, now_s[0] + draw.choice((-900.0, -30.0, -1.0, 0.5, 60.0, 86400.0)))
        tally.sent += 1
        begin = time.monotonic()
        response = robot.query(PIXEL, deadline_s=2.0)
        tally.answered += 1
        if response.status.code == 0 and seconds_of(response.age) > 5.0:
            tally.fault(f"an image {seconds_of(response.age):.1f} s old, OK")
        if time.monotonic() - begin > 2.5:
            tally.late += 1
    stop.set()
    player.join()
    return _end(node, robot, "clock jumps", tally)


def stopped(folder, count: int) -> str:
    """Stop the process (SIGSTOP) for a while: nothing old may come out of it afterwards."""
    node, robot = _start(folder, "/stopped", continuous=True, max_age=MAX_AGE_S)
    tally, draw = Tally(), random.Random(15)
    with robot.camera(hertz=30):
        _must_answer(robot, tally)
        for _ in range(count):
            node.process.send_signal(signal.SIGSTOP)
            time.sleep(draw.uniform(0.05, 2.0))
            node.process.send_signal(signal.SIGCONT)
            tally.sent += 1
            response = robot.query(PIXEL, deadline_s=3.0)
            tally.answered += 1
            if response.status.code == 0 and seconds_of(response.age) > MAX_AGE_S:
                tally.fault(f"an image {seconds_of(response.age):.2f} s old, OK")
        _must_answer(robot, tally)
    return _end(node, robot, "SIGSTOP", tally)


def killed(folder, count: int) -> str:
    """Kill the model's process, then the node's: no process and no shared memory may be left."""
    tally = Tally()
    for index in range(count):
        name = f"/killed_{index}"
        node = tools.NodeProcess(folder, name, script=tools.IN_PROCESS, model_process="true",
                                 continuous=True, max_age=30.0)  # fmt: skip
        robot = tools.Robot(name)
        node.wait_for_log("active:")
        robot.meet(node)
        with robot.camera(hertz=30):
            _must_answer(robot, tally)
            for pid in children_of(node.process.pid):
                os.kill(pid, signal.SIGKILL)
            tally.sent += 1
            end = time.monotonic() + 20.0
            while not (left := children_of(node.process.pid)) and time.monotonic() < end:
                time.sleep(0.05)
            _must_answer(robot, tally)
            node.process.kill()
            node.process.wait()
        time.sleep(0.5)
        alive = [pid for pid in left if _runs(pid)]
        tally.answered += 1
        if alive or not left:
            tally.fault(f"processes {left}, of them alive {alive}")
        robot.close()
    return _lines("SIGKILL of model and node", tally)


def _runs(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def _start(folder, name: str, **settings):
    node, robot = (
        tools.NodeProcess(folder, name, refuse_blank=False, **settings),
        tools.Robot(name),
    )
    node.wait_for_log("active:")
    robot.meet(node)
    return node, robot


def _must_answer(robot, tally: Tally) -> None:
    """Wait for an answer; a fault when none comes within 20 s."""
    end = time.monotonic() + 20.0
    while robot.query(PIXEL).status.code != Code.OK:
        if time.monotonic() > end:
            tally.fault("no answer any more")
            return


def _end(node, robot, name: str, tally: Tally) -> str:
    if not node.is_alive() or node.stop()[0]:
        tally.fault("the node has ended, or not with code 0")
    robot.close()
    if node.said("Traceback"):
        tally.fault("a traceback in the log")
    return _lines(name, tally)


def _lines(name: str, tally: Tally) -> str:
    return "\n".join([tally.row(name), *tally.faults[:20]])
