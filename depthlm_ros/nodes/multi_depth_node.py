"""Several cameras, one model (executable ``multi_depth_node``): a depth node for each, fair turns.

    ros2 run depthlm_ros multi_depth_node front left right --ros-args --params-file ...

Each camera has a lifecycle node of its own in its own namespace (``/front/depthlm``), with its own
topics, services, parameters and diagnostics. Nodes that ask for the same model share it in memory;
they are served in the order in which they ask, so that a fast camera cannot starve a slow one.
"""

import re
import sys
import threading
import weakref
from collections import deque

from rclpy.utilities import remove_ros_args

from depthlm_ros.nodes.common.run_node import run_node
from depthlm_ros.nodes.depth_node import DepthNode, get_model, load_by_registry
from depthlm_ros.status import Code, StatusError

MOST_CAMERAS = 16


class FairTurn:
    """A lock that is given in the order of asking; a context manager."""

    def __init__(self):
        self._waiting: deque = deque()
        self._change = threading.Condition()

    def __enter__(self) -> "FairTurn":
        """Wait for the turn."""
        ticket = object()
        with self._change:
            self._waiting.append(ticket)
            self._change.wait_for(lambda: self._waiting[0] is ticket)
        return self

    def __exit__(self, *_) -> None:
        """Let the next one have its turn."""
        with self._change:
            self._waiting.popleft()
            self._change.notify_all()


class SharedModels:
    """Loads the same model once, while any node still holds it; called as ``get_model`` is."""

    def __init__(self):
        self._lock = threading.Lock()
        self._loaded: weakref.WeakValueDictionary = weakref.WeakValueDictionary()

    def __call__(self, load, arguments: tuple, own_process: bool, limit_s: float):
        """Return the model of these arguments."""
        key = (load, arguments, own_process)
        with self._lock:  # a second node waits here for the first one's model
            model = self._loaded.get(key)
            if model is None:
                model = self._loaded[key] = get_model(load, arguments, own_process, limit_s)
            return model


class Cameras:
    """The nodes of all cameras, run as one."""

    def __init__(self, names, load_model=load_by_registry):
        """Make a node for each name; StatusError for names that make no namespaces."""
        _check(names)
        shared, turn = SharedModels(), FairTurn()
        self.nodes = []
        for name in names:
            node = DepthNode(load_model, shared, namespace=name)
            node.scheduler.turn = turn
            self.nodes.append(node)
        self.guard = self.nodes[0].guard

    @property
    def cannot_start(self) -> str:
        """Why one of them cannot start; "" when all can."""
        return next((node.cannot_start for node in self.nodes if node.cannot_start), "")

    async def autostart(self) -> None:
        """Configure and activate each, as its parameter says."""
        for node in self.nodes:
            await node.autostart()

    def stop(self) -> str:
        """End for good; return "" when all workers have ended, else what the first is at."""
        return next(filter(None, [node.stop() for node in self.nodes]), "")

    def destroy_node(self) -> None:
        """Leave the graph."""
        for node in self.nodes:
            node.destroy_node()


def _check(names) -> None:
    good = all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) for name in names)
    if not (1 <= len(names) <= MOST_CAMERAS and good and len(set(names)) == len(names)):
        raise StatusError(
            Code.BAD_QUESTION,
            f"cameras {' '.join(names)!r}: give 1 to {MOST_CAMERAS} different names of letters, "
            "digits and _, as in: multi_depth_node front left right",
        )


def main(args=None, load_model=load_by_registry) -> int:
    """Run the nodes until SIGINT or SIGTERM ends the process; return only if they cannot start."""
    arguments = sys.argv if args is None else [sys.argv[0], *args]
    names = remove_ros_args(arguments)[1:]
    return run_node(lambda: Cameras(names, load_model), args, "multi_depth_node")


if __name__ == "__main__":
    raise SystemExit(main())
