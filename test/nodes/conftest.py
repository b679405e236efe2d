"""What node tests share: the node in a process of its own, and a robot around it that can be told.

Every wait is for a condition, with a deadline far beyond what the slowest machine needs.
"""

import contextlib
import os
from pathlib import Path

import node_process
import pytest
import rclpy
from node_process import DEPTH_NODES, SCRIPT, NodeProcess, Robot, wait_until
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

CAMERA = Path(__file__).with_name("camera_under_test.py")


@pytest.fixture(scope="session")
def ros():
    """Initialise rclpy for the test process."""
    rclpy.init()
    yield
    rclpy.try_shutdown()


_numbers = iter(range(10**6))


@pytest.fixture(scope="module")
def start_node(ros, tmp_path_factory):
    """Give a function that starts a node under test and returns it with its robot."""
    folder, started = tmp_path_factory.mktemp("nodes"), []

    def start(wait=True, **settings):
        namespace = f"/test_{os.getpid()}_{next(_numbers)}"
        if settings.get("script", SCRIPT) in DEPTH_NODES:
            settings.setdefault("refuse_blank", False)  # the tests' images are of one colour
        node, robot = NodeProcess(folder, namespace, **settings), Robot(namespace)
        started.append((node, robot))
        if wait:
            node.wait_for_log("active:")
            robot.meet(node)
        return node, robot

    start.started = started
    yield start
    _end(started)


def _end(started):
    while started:
        node, robot = started.pop()
        node.end()
        robot.close()


@pytest.fixture(autouse=True)
def end_nodes_of_one_test(request):
    """End the nodes that a test started for itself: idle nodes cost each other's time.

    Those of the fixtures of a file live on; they are started before this.
    """
    if "start_node" not in request.fixturenames:
        yield
        return
    started = request.getfixturevalue("start_node").started
    kept = len(started)
    yield
    own = started[kept:]
    del started[kept:]
    _end(own)


KEPT = 400


class Viewer(Robot):
    """A robot that sees every picture of the camera under test, from the first on.

    The camera offers its topics transient-local here, so that nothing is lost before discovery.
    """

    def __init__(self, namespace, compressed=False):
        self._compressed = compressed
        super().__init__(namespace)

    def _connect(self):
        kind = CompressedImage if self._compressed else Image
        self.seen = self._all(kind, "image/compressed" if self._compressed else "image")
        self.infos_seen = self._all(CameraInfo, "camera_info")
        self.clock = self._all(Clock, "clock")

    def _all(self, kind, topic):
        got = []
        qos = QoSProfile(depth=KEPT, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.node.create_subscription(kind, topic, got.append, qos)
        return got

    def pictures(self, count):
        """Wait for the first pictures; return them with their CameraInfo."""
        wait_until(
            lambda: min(len(self.seen), len(self.infos_seen)) >= count,
            lambda: f"{count} pictures: {len(self.seen)}, {len(self.infos_seen)} CameraInfos",
        )
        return list(zip(self.seen[:count], self.infos_seen[:count], strict=True))


def _camera_settings(namespace, settings):
    """Return the settings of a camera that keeps all it has published."""
    for topic in ("image", "image/compressed", "camera_info", "clock"):
        name = f"qos_overrides.{namespace}/{topic}.publisher"
        settings[f"{name}.durability"] = "transient_local"
        settings[f"{name}.depth"] = KEPT
    return {"script": CAMERA, "remaps": ["/clock:=clock"], **settings}


@contextlib.contextmanager
def _cameras(folder):
    """Give a function that starts a camera under test and returns it with its viewer."""
    started = []

    def start(wait=True, **settings):
        namespace = f"/camera_{os.getpid()}_{next(_numbers)}"
        viewer = Viewer(namespace, settings.get("image_transport") == "compressed")
        node = NodeProcess(folder, namespace, **_camera_settings(namespace, settings))
        started.append((node, viewer))
        if wait:
            node.wait_for_log("playing")
        return node, viewer

    try:
        yield start
    finally:
        for node, viewer in started:
            node.end()
            viewer.close()


@pytest.fixture
def start_camera(ros, tmp_path_factory):
    """Start cameras for one test: see ``_cameras``."""
    with _cameras(tmp_path_factory.mktemp("cameras")) as start:
        yield start


@pytest.fixture(scope="module")
def start_lasting_camera(ros, tmp_path_factory):
    """Start cameras for the tests of a file: see ``_cameras``."""
    with _cameras(tmp_path_factory.mktemp("cameras")) as start:
        yield start


@pytest.fixture(scope="session")
def tools():
    """Give the helpers for running nodes."""
    return node_process
