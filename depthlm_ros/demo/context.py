"""Shared state of a demo run: options, processes, subscriber, client, waiting with a timeout."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from depthlm_ros.client import DepthClient
from depthlm_ros.demo.node_processes import Children, DemoError
from depthlm_ros.demo.subscriber import TopicSubscriber

CAMERA, DEPTH = "camera_node", "depth_node"
SAYS_EVERY_S = 5.0
POLL_S = 0.02
ROOT = Path(__file__).resolve().parents[2]
"""The clone, where the package runs from one."""


def say(text: str = "") -> None:
    """Tell the user something, at once."""
    print(text, flush=True)


@dataclass
class DemoContext:
    """``options``: the command line. ``out``: the folder for files."""

    options: object
    out: Path
    children: Children
    subscriber: TopicSubscriber
    client: DepthClient

    def start_camera(self, **parameters) -> None:
        """Start the camera node."""
        module = "depthlm_ros.nodes.camera_node"
        self.children.start(CAMERA, module, ros_arguments(parameters), threads())

    def start_depth(self, **parameters) -> None:
        """Start the depth node."""
        module = "depthlm_ros.nodes.depth_node"
        self.children.start(DEPTH, module, ros_arguments(parameters), threads())

    def wait_for(self, condition, what: str, timeout_s: float):
        """Wait for a condition and return its value; tell every few seconds what is waited for.

        Raises DemoError when a child ends, or after the timeout.
        """
        begin = said = time.monotonic()
        while not (value := condition()):
            self.children.check()
            now = time.monotonic()
            if now - begin > timeout_s:
                raise DemoError(
                    f"no {what} within {timeout_s:g} s. {self.state()}\n{self.children.tails()}"
                )
            if now - said > SAYS_EVERY_S:
                said = now
                say(f"  waiting for {what}, {now - begin:.0f} s ... {self.state()}")
            time.sleep(POLL_S)
        return value

    def state(self) -> str:
        """Say in a line how far the nodes are."""
        images = len(self.subscriber.inboxes["image"].arrivals)
        parts = [f"{images} images came"]
        for part, status in sorted(self.subscriber.diagnostics.items()):
            parts.append(f"{part}: {status['says']}")
        return "; ".join(parts) + "."


def threads() -> dict:
    """Return the environment that gives a node half of the cores: there are two of them."""
    half = str(max(1, len(os.sched_getaffinity(0)) // 2))
    return {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", half)}


def ros_arguments(parameters: dict) -> list[str]:
    """Return parameters as the command line of a node; None: the node's own default."""
    given = {name: value for name, value in parameters.items() if value is not None}
    words = [f"{name}:={_yaml(value)}" for name, value in given.items()]
    return ["--ros-args", *(part for word in words for part in ("-p", word))]


def _yaml(value) -> str:
    """Write a value so that YAML reads its type back."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value)


def prepare_ros(domain: int | None) -> int:
    """Put the domain and the Fast DDS profile into this process's environment; return the domain.

    Children inherit both. None: a domain that hardly anybody else uses.
    """
    chosen = 10 + os.getpid() % 90 if domain is None else domain
    os.environ["ROS_DOMAIN_ID"] = str(chosen)
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    for name in ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"):
        if name in os.environ:
            break
    else:
        old = os.environ.get("ROS_DISTRO") in ("humble", "iron", "jazzy")
        name = f"{'FASTRTPS' if old else 'FASTDDS'}_DEFAULT_PROFILES_FILE"
        os.environ[name] = str(config_file("fastdds.xml"))
    return chosen


def config_file(name: str) -> Path:
    """Return the path of a file of ``config/``: of the clone, else as installed."""
    if (ROOT / "config" / name).is_file():
        return ROOT / "config" / name
    from ament_index_python.packages import get_package_share_directory

    return Path(get_package_share_directory("depthlm_ros")) / "config" / name
