"""Measure the node's bars on this machine and print them.

    ./run exec python test/nodes/bench_node.py

Point queries while a model of 1 s runs on a 60 Hz VGA stream (bar: p99 below 50 ms), a burst of
200 requests (bar: 200 answered), and the time to leave on SIGINT and SIGTERM (bar: 2 s, code 0).
"""

import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rclpy

from depthlm_msgs.srv import QueryPoints

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import node_process as tools  # noqa: E402


def start(folder, name, **settings):
    """Start a node with its robot."""
    node = tools.NodeProcess(folder, f"/bench_{name}", **settings)
    robot = tools.Robot(f"/bench_{name}")
    node.wait_for_log("active:")
    robot.meet(node)
    return node, robot


def latencies_ms(robot, seconds):
    """Query one point after the other; return the round trips in ms."""
    robot.query((31.5, 23.5))
    found, end = [], time.monotonic() + seconds
    client = robot.client(QueryPoints, "depthlm/query_points")
    request = QueryPoints.Request(pixels=[tools.Pixel(u=31.5, v=23.5)])
    while time.monotonic() < end:
        begin, done = time.perf_counter(), []
        future = client.call_async(request)
        future.add_done_callback(lambda _, done=done: done.append(time.perf_counter()))
        tools.wait_until(lambda done=done: done, "a reply")
        assert future.result().status.code == 0, future.result().status
        found.append((done[0] - begin) * 1e3)
        time.sleep(random.uniform(0.005, 0.03))
    return found


def vga():
    """Return one VGA frame and its CameraInfo."""
    return {
        "image": tools.make_image(640, 480),
        "info": tools.make_info(640, 480, 500.0, 500.0, 319.5, 239.5),
    }


def bench_queries(folder, busy):
    """Measure point queries while a model of 1 s runs."""
    model = {"seconds": 1.0, "busy": busy}
    name = "busy" if busy else "asleep"
    node, robot = start(folder, name, model=model, continuous=True, max_age=10.0)
    with robot.camera(hertz=60, **vga()):
        found = latencies_ms(robot, 20.0)
    node.stop()
    robot.close()
    p50, p95, p99 = np.percentile(found, (50, 95, 99))
    kind = "computing" if busy else "waiting for a device"
    print(
        f"point queries, 1 s model {kind}, VGA at 60 Hz: p50 {p50:.1f} ms, p95 {p95:.1f} ms, "
        f"p99 {p99:.1f} ms, max {max(found):.1f} ms, n = {len(found)} (bar: p99 < 50 ms)"
    )


def bench_burst(folder):
    """Count the answers to a burst of 200."""
    node, robot = start(folder, "burst", continuous=True)
    request = QueryPoints.Request(pixels=[tools.Pixel(u=31.5, v=23.5)])
    with robot.camera(hertz=30, **vga()):
        robot.query((31.5, 23.5))
        begin = time.perf_counter()
        futures = [robot.start(QueryPoints, "depthlm/query_points", request) for _ in range(200)]
        tools.wait_until(lambda: all(f.done() for f in futures), "200 replies")
        seconds = time.perf_counter() - begin
    codes = [future.result().status.code for future in futures]
    node.stop()
    robot.close()
    print(f"burst of 200: {len(codes)} answered, {codes.count(0)} OK, in {seconds:.2f} s")


def bench_signals(folder, times=10):
    """Send signals at random moments of inferences; print codes and the slowest exit."""
    for number in (signal.SIGINT, signal.SIGTERM):
        codes, seconds = [], []
        for i in range(times):
            name = f"{number.name.lower()}{i}"
            node, robot = start(folder, name, model={"seconds": 1.0}, continuous=True)
            with robot.camera(hertz=30):
                time.sleep(random.uniform(0.0, 2.0))
                code, took = node.stop(number)
            robot.close()
            codes.append(code)
            seconds.append(took)
        print(
            f"{number.name}: exit codes {sorted(set(codes))}, slowest exit {max(seconds):.2f} s "
            f"of {times} (bar: 0, 2 s)"
        )


def main():
    """Run all of it."""
    rclpy.init()
    with tempfile.TemporaryDirectory() as folder:
        for busy in (False, True):
            bench_queries(Path(folder), busy)
        bench_burst(Path(folder))
        bench_signals(Path(folder))
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
