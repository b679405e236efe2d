"""Several cameras, one model (executable ``multi_depth_node``): a depth node for each, fair turns.

    ros2 run depthlm_ros multi_depth_node front left right --ros-args --params-file ...

Each camera has a lifecycle node of its own in its own namespace (``/front/depthlm``), with its own
topics, services, parameters and diagnostics. Nodes that ask for the same model share it in memory;
they are served in the order in which they ask, so that a fast camera cannot starve a slow one, or
by the parameter ``turn_weight`` of each.
"""

import re
import sys
import threading
import weakref
from heapq import heappop, heappush
from itertools import count

from rclpy.utilities import remove_ros_args

from depthlm_ros.nodes.common.run_node import run_node
from depthlm_ros.nodes.depth_node import DepthNode, get_model, load_by_registry
from depthlm_ros.status import Code, StatusError

MOST_CAMERAS = 16


class FairTurn:
    """One turn at a time for several users, in the order of asking, or by their weights.

    Start-time fair queueing (Goyal, Vin, Cheng 1996): each turn of a user starts, by a virtual
    clock, one over its weight after its last one, and never before the turn that is served now.
    The least start is served, of equal ones the least end, then who asked first. Who always has a
    frame waiting gets turns in proportion to its weight; a camera at most about every other one,
    since it asks again only when it has published, and the next turn has begun then. Who was idle
    has saved nothing up.
    """

    def __init__(self):
        self._waiting: list = []
        self._clock, self._count, self._held = 0.0, count(), False
        self._change = threading.Condition()

    def share(self, weight=lambda: 1.0) -> "Share":
        """Return what one user takes its turns with; ``weight()``: positive, asked each time."""
        return Share(self, weight)

    @property
    def waiting(self) -> int:
        """Number of users that wait."""
        return len(self._waiting)

    def take(self, earliest: float, weight: float) -> float:
        """Wait for a turn that starts at ``earliest`` or later; return where it ends."""
        with self._change:
            start = max(self._clock, earliest)
            end = start + 1.0 / weight
            ticket = (start, end, next(self._count))
            heappush(self._waiting, ticket)
            self._change.wait_for(lambda: not self._held and self._waiting[0] == ticket)
            heappop(self._waiting)
            self._held, self._clock = True, max(self._clock, start)
            return end

    def give(self) -> None:
        """Let the next one have its turn."""
        with self._change:
            self._held = False
            self._change.notify_all()


class Share:
    """One user of a FairTurn; a context manager."""

    def __init__(self, turn: FairTurn, weight):
        self._turn, self._weight, self._end = turn, weight, 0.0

    def __enter__(self) -> "Share":
        """Wait for the turn."""
        self._end = self._turn.take(self._end, self._weight())
        return self

    def __exit__(self, *_) -> None:
        """End it."""
        self._turn.give()


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
            node.scheduler.turn = turn.share(_weight_of(node))
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


def _weight_of(node):
    """Return the function that tells a node's weight as it is now."""
    return lambda: node.parameters.values.turn_weight


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
