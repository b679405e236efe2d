"""Measure several cameras that share one model in one process, and print what each of them gets.

    ./run exec python test/nodes/bench_cameras.py [--cameras 3] [--hertz 5] [--seconds 60]

Rendered rooms of 640 x 480 px go to ``multi_depth_node`` with the embedded model; the depth images
that come back are counted, and their age is taken from the picture's stamp to when they are heard
here. Bar: as many come back as went out (99 %), and their age does not grow: the last third's 95th
percentile is at most a fifth above the first's.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rclpy
from sensor_msgs.msg import Image

from depthlm_ros.benchmarks.geometry_truth import CAMERA, true_view
from depthlm_ros.scenes.render import render

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import node_process as tools  # noqa: E402

PICTURES = 6


def pictures():
    """Return image messages of rooms, and their CameraInfo."""
    views = [true_view(seed, kind="room") for seed in range(PICTURES)]
    found = render([v.scene for v in views], [v.pose for v in views], CAMERA).rgb.numpy()
    messages = []
    for rgb in found:
        message = tools.make_image(640, 480)
        message.data = tools.array.array("B", np.ascontiguousarray(rgb).tobytes())
        messages.append(message)
    c = CAMERA
    return messages, tools.make_info(c.width, c.height, c.fx, c.fy, c.cx, c.cy)


class Eye(tools.Robot):
    """One camera: publishes in time, and notes when each depth came back."""

    def __init__(self, name):
        super().__init__(f"/{name}")
        self.sent, self.heard = [], []
        self.node.create_subscription(Image, "depthlm/depth/image", self._take, 5)

    def _take(self, message):
        stamp = message.header.stamp.sec + message.header.stamp.nanosec * 1e-9
        self.heard.append((stamp, time.time() - stamp))

    def show(self, image, info):
        """Publish one picture."""
        stamp = self.see(image, info)
        self.sent.append(stamp.sec + stamp.nanosec * 1e-9)

    def row(self, since, hertz):
        """Return what was measured of pictures since a time, as a line; and whether it is good."""
        sent = [stamp for stamp in self.sent if stamp >= since]
        heard = [(stamp, age) for stamp, age in self.heard if stamp >= since]
        ages = 1e3 * np.array([age for _, age in heard])
        third = max(1, len(ages) // 3)
        begin, end = (np.percentile(part, 95) for part in (ages[:third], ages[-third:]))
        p50, p95 = np.percentile(ages, (50, 95))
        line = (
            f"{len(sent)} sent at {hertz:g} Hz, {len(heard)} back; age p50 {p50:.0f} ms, "
            f"p95 {p95:.0f} ms, max {ages.max():.0f} ms; p95 of the first third {begin:.0f} ms, "
            f"of the last {end:.0f} ms"
        )
        return line, len(heard) >= 0.99 * len(sent) and end <= 1.2 * begin


def cpu_s(pid):
    """Return the CPU time [s] that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def play(eyes, hertz, seconds):
    """Publish in turns, evenly spread, for so long."""
    images, info = pictures()
    period, begin = 1.0 / (hertz * len(eyes)), time.monotonic()
    for number in range(int(seconds / period)):
        time.sleep(max(0.0, begin + number * period - time.monotonic()))
        eyes[number % len(eyes)].show(images[number % len(images)], info)


def main():
    """Run it; 1 where the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, default=3)
    parser.add_argument("--hertz", type=float, default=5.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    names = [f"eye_{os.getpid()}_{number}" for number in range(options.cameras)]
    command = [sys.executable, "-m", "depthlm_ros.nodes.multi_depth_node", *names]
    rclpy.init()
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        said = Path(log.name).read_text
        tools.wait_until(lambda: said().count("active:") == len(names), said, 120.0)
        eyes = [Eye(name) for name in names]
        for eye in eyes:
            tools.wait_until(eye.images.get_subscription_count, "a subscription")
        play(eyes, options.hertz, 3.0)  # warm
        since, cpu = time.time(), cpu_s(process.pid)
        play(eyes, options.hertz, options.seconds)
        cpu = cpu_s(process.pid) - cpu
        time.sleep(1.0)
        memory_mb = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * 4096 / 1e6
        process.terminate()
        process.wait(20.0)
    rows = [eye.row(since, options.hertz) for eye in eyes]
    for name, (line, _) in zip("abcdefghijklmnop", rows, strict=False):
        print(f"camera {name}: {line}")
    print(
        f"one process: {cpu / options.seconds:.2f} cores, {memory_mb:.0f} MB; "
        f"OMP_NUM_THREADS {os.environ.get('OMP_NUM_THREADS', 'unset')}"
    )
    for eye in eyes:
        eye.close()
    rclpy.try_shutdown()
    return 0 if all(good for _, good in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
