"""A node as a process, and a robot that talks to it."""

import array
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rclpy
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image

from depthlm_msgs.msg import Pixel
from depthlm_msgs.srv import Ask, QueryPoints, QueryTruth
from depthlm_ros.nodes.camera import parameters as camera_parameters

WAIT_S = 60.0
NODES = Path(__file__).with_name("nodes")
SCRIPT = NODES / "node_under_test.py"
IN_PROCESS = NODES / "process_node_under_test.py"
PRODUCT = NODES / "product_node.py"
DEPTH_NODES = (SCRIPT, IN_PROCESS, PRODUCT)


def wait_until(condition, what, patience_s=WAIT_S):
    """Wait for a condition and return its value; fail with ``what()`` or ``what``."""
    end = time.monotonic() + patience_s
    while not (value := condition()):
        if time.monotonic() > end:
            pytest.fail(f"in {patience_s} s not: {what() if callable(what) else what}")
        time.sleep(0.005)
    return value


class NodeProcess:
    """The node under test; ``namespace`` is its own, so that no two tests can meet."""

    def __init__(
        self,
        folder,
        namespace,
        model=None,
        remaps=(),
        environment=(),
        parameter_model="",
        script=SCRIPT,
        params_file=None,
        **parameters,
    ):
        """Start it with a model (settings of node_under_test) and ROS parameters."""
        name = "depthlm" if script in DEPTH_NODES else "camera"
        self.namespace, self.name = namespace, f"{namespace}/{name}"
        self.log = folder / f"node{len(list(folder.iterdir()))}.log"
        arguments = ["-r", f"__ns:={namespace}"]
        if params_file:  # first, as launch does: what comes later goes before it
            arguments += ["--params-file", str(params_file)]
        if parameter_model:
            parameters["model"] = parameter_model
        for key, value in parameters.items():
            arguments += ["-p", f"{key}:={json.dumps(value)}"]
        for remap in remaps:
            arguments += ["-r", remap]
        self.process = subprocess.Popen(
            [sys.executable, str(script), "--ros-args", *arguments],
            stdout=self.log.open("wb"),
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                "NODE_MODEL": json.dumps(model or {}),
                "OMP_NUM_THREADS": "1",
                "OPENBLAS_NUM_THREADS": "1",
                "PYTHONUNBUFFERED": "1",
                **dict(environment),
            },
        )

    def said(self, pattern):
        """Return the first match of a pattern in the log, or None."""
        return re.search(pattern, self.log.read_text(errors="replace"))

    def wait_for_log(self, pattern):
        """Wait until the log holds a pattern."""
        return wait_until(
            lambda: self.said(pattern), lambda: f"{pattern!r} in\n{self.log.read_text()[-3000:]}"
        )

    def is_alive(self):
        """Tell whether the process runs."""
        return self.process.poll() is None

    def shared_memory(self):
        """Return the segments that Fast DDS keeps for the process: it holds a lock beside each."""
        links = (str(link.readlink()) for link in Path(f"/proc/{self.process.pid}/fd").iterdir())
        locks = (re.match(r"(/dev/shm/fast(?:dds|rtps)_[0-9a-f]{16})_el$", link) for link in links)
        return [Path(lock[1]) for lock in locks if lock]

    def end(self):
        """End the process for sure, gently first: what is killed leaves its shared memory."""
        if self.is_alive():
            self.process.terminate()
        try:
            self.process.wait(10.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(WAIT_S)

    def stop(self, number=signal.SIGINT):
        """Send a signal; return (exit code, seconds it took)."""
        begin = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(WAIT_S)
        return code, time.monotonic() - begin


class Robot:
    """Publishes images, listens and calls, on a thread of its own."""

    def __init__(self, namespace):
        self.node = rclpy.create_node("robot", namespace=namespace)
        self._connect()
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self._clients, self._closing = {}, threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _connect(self):
        self.images = self.node.create_publisher(Image, "image", 5)
        self.infos = self.node.create_publisher(CameraInfo, "camera_info", 5)

    def _spin(self):
        while not self._closing.is_set():
            self.executor.spin_once()

    def close(self):
        """Leave the graph."""
        self.executor.create_task(self._closing.set)  # a task, for spin_once waits for work
        self._thread.join(WAIT_S)
        self.executor.shutdown()
        self.node.destroy_node()

    # -- camera -------------------------------------------------------------------------------

    def now(self, offset_s=0.0):
        """Return the time, shifted, as a stamp."""
        return (self.node.get_clock().now() + rclpy.duration.Duration(seconds=offset_s)).to_msg()

    def see(self, image=None, info=None, stamp=None, info_stamp=None, frame_id="camera"):
        """Publish one image with its CameraInfo; return the stamp."""
        stamp = stamp or self.now()
        image, info = image or make_image(), info or make_info()
        image.header.stamp, image.header.frame_id = stamp, frame_id
        info.header.stamp, info.header.frame_id = info_stamp or stamp, frame_id
        self.images.publish(image)
        self.infos.publish(info)
        return stamp

    def see_until(self, condition, what="a result", period_s=0.03, **frame):
        """Publish frames until the condition holds; return its value."""

        def looking():
            self.see(**frame)
            time.sleep(period_s)
            return condition()

        return wait_until(looking, what)

    @contextlib.contextmanager
    def camera(self, hertz=30.0, **frame):
        """Publish frames all the while, on a thread."""
        stop = threading.Event()

        def run():
            while not stop.wait(1.0 / hertz):
                self.see(**frame)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(WAIT_S)

    def meet(self, node):
        """Wait until the node hears this camera."""
        wait_until(
            lambda: self.images.get_subscription_count() and self.infos.get_subscription_count(),
            lambda: f"subscriptions of {node.name}\n{node.log.read_text()[-2000:]}",
        )

    # -- listening and calling ----------------------------------------------------------------

    def listen(self, kind, topic, qos=5):
        """Subscribe and wait for the match; return the growing list of messages."""
        got = []
        subscription = self.node.create_subscription(kind, topic, got.append, qos)
        self.executor.wake()
        wait_until(lambda: self.node.count_publishers(subscription.topic_name), topic)
        return got

    def client(self, kind, name):
        """Return a ready client, made once."""
        if name not in self._clients:
            client = self.node.create_client(kind, name, qos_profile=QoSProfile(depth=1000))
            wait_until(client.service_is_ready, name)
            self._clients[name] = client
        return self._clients[name]

    def start(self, kind, name, request):
        """Call a service; return the future."""
        return self.client(kind, name).call_async(request)

    def call(self, kind, name, request):
        """Call a service and wait for its reply."""
        future = self.start(kind, name, request)
        wait_until(future.done, f"a reply of {name}")
        return future.result()

    def ask(self, question, *pixels, deadline_s=20.0, frame_id=""):
        """Ask the node under test."""
        request = Ask.Request(question=question, pixels=as_pixels(pixels), frame_id=frame_id)
        set_deadline(request, deadline_s)
        return self.call(Ask, "depthlm/ask", request)

    def query(self, *pixels, deadline_s=20.0, frame_id=""):
        """Query points of the node under test."""
        request = QueryPoints.Request(pixels=as_pixels(pixels), frame_id=frame_id)
        set_deadline(request, deadline_s)
        return self.call(QueryPoints, "depthlm/query_points", request)

    def truth(self, *pixels, stamp=None):
        """Ask the camera under test for true depths; of the newest image without a stamp."""
        request = QueryTruth.Request(pixels=as_pixels(pixels))
        request.stamp = stamp or request.stamp
        return self.call(QueryTruth, "camera/truth/query_points", request)

    def change(self, number=0, label=""):
        """Ask for a lifecycle transition; return whether it succeeded."""
        request = ChangeState.Request()
        request.transition.id, request.transition.label = number, label
        return self.call(ChangeState, "depthlm/change_state", request).success

    def state(self):
        """Return the lifecycle state's label."""
        return self.call(GetState, "depthlm/get_state", GetState.Request()).current_state.label

    def set_parameters(self, **values):
        """Set parameters together; return (successful, reason)."""
        request = SetParametersAtomically.Request(
            parameters=[Parameter(k, value=v).to_parameter_msg() for k, v in values.items()]
        )
        kind, name = SetParametersAtomically, "depthlm/set_parameters_atomically"
        result = self.call(kind, name, request).result
        return result.successful, result.reason


def set_deadline(request, seconds):
    """Put a deadline into a request."""
    request.deadline.sec = int(seconds // 1)
    request.deadline.nanosec = int(seconds % 1 * 1e9)


def as_pixels(pixels):
    return [Pixel(u=float(u), v=float(v)) for u, v in pixels]


def make_image(width=64, height=48, encoding="rgb8", channels=3, fill=100, **changed):
    """Return a grey image; in colour its blue goes up and down, or it would be blank."""
    data = array.array("B", [fill]) * (width * height * channels)
    if channels == 3:
        data[2::6] = array.array("B", [fill ^ 64]) * len(data[2::6])
    values = {"width": width, "height": height, "encoding": encoding, "step": width * channels}
    return Image(**{**values, "data": data, **changed})


def make_info(width=64, height=48, fx=50.0, fy=50.0, cx=31.5, cy=23.5, **changed):
    """Return a CameraInfo without distortion."""
    k = [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0]
    values = {"distortion_model": "plumb_bob", "d": [0.0] * 5}
    return CameraInfo(width=width, height=height, k=k, **{**values, **changed})


def floats(message):
    """Return a depth image's numbers (H, W)."""
    return np.frombuffer(bytes(message.data), "<f4").reshape(message.height, message.width)


def camera_values(**changed):
    """Return the camera's parameters with their defaults, and some changed."""
    values = {p.name: p.default for p in camera_parameters.PARAMETERS}
    assert not changed.keys() - values.keys()
    return SimpleNamespace(**{**values, **changed})
