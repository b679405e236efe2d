"""The executables of the package: what a signal does comes first, then what is to run is imported.

Importing takes a second or more. A signal in that time would end the process with a traceback out
of some library; here it ends it at once, with the exit code that it has later on: 0 for a node,
130 for the command line.

    python -m depthlm_ros.executables depth_node [--ros-args ...]
"""

import os
import signal
import sys
from importlib import import_module

NODES = {
    "depth_node": "depthlm_ros.nodes.depth_node",
    "multi_depth_node": "depthlm_ros.nodes.multi_depth_node",
    "camera_node": "depthlm_ros.nodes.camera_node",
    "web_node": "depthlm_ros.web.main",
}
COMMAND = "depthlm_ros.cli.main"
INTERRUPTED = 130


def depth_node() -> int:
    """Run the executable ``depth_node``."""
    return _run_node("depth_node")


def multi_depth_node() -> int:
    """Run the executable ``multi_depth_node``."""
    return _run_node("multi_depth_node")


def camera_node() -> int:
    """Run the executable ``camera_node``."""
    return _run_node("camera_node")


def web_node() -> int:
    """Run the executable ``web_node``."""
    return _run_node("web_node")


def depthlm() -> int:
    """Run the command ``depthlm``."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    main = import_module(COMMAND).main
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return main()


def _run_node(name: str) -> int:
    """Run a node; what it does on a signal it sets itself, once it can do more than end."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    return import_module(NODES[name]).main()


if __name__ == "__main__":
    if sys.argv[1:2] == [] or sys.argv[1] not in NODES:
        sys.exit(f"give one of {', '.join(NODES)}, then its arguments")
    sys.exit(_run_node(sys.argv.pop(1)))
