"""The life of the process: spin that nothing ends but shutdown, and an exit within two seconds."""

import os
import signal
import sys
import textwrap
import time

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.logging import get_logger

from depthlm_ros.nodes.common.parameters import ParameterError
from depthlm_ros.nodes.common.stale_segments import remove_stale_segments
from depthlm_ros.sanitize import clean
from depthlm_ros.status import StatusError

BAD_START = 2
"""Exit code when a start-up value or argument makes no sense."""


def run_node(make_node, args=None, name: str = "depth_node") -> int:
    """Run a node until the process ends; return only when it could not be made, with exit code 2.

    The node has ``autostart`` (a coroutine), ``stop`` (its worker has ended: "", else what it is
    at), ``guard``, and ``cannot_start``: "", or the sentence with which the process ends with exit
    code 2; several run as one list themselves as ``nodes``. ``name``: in the log.
    """
    started = []
    for number in (signal.SIGINT, signal.SIGTERM):
        # rclpy's handler, put in front of this one, shuts the context down. Python's own would
        # also raise KeyboardInterrupt, at any line of any callback.
        signal.signal(number, lambda *_: None if started else os._exit(0))
    try:
        remove_stale_segments()
        rclpy.init(args=args)
        started.append(True)
        node = make_node()
    except Exception as error:  # told in one line, not as a traceback
        if started and not rclpy.ok():
            get_logger(name).info("stopped while starting")
            return 0
        rclpy.try_shutdown()
        get_logger(name).fatal(f"cannot start: {sentence_of(error)}")
        return BAD_START
    executor = SingleThreadedExecutor()
    for one in getattr(node, "nodes", (node,)):
        executor.add_node(one)
    executor.create_task(node.autostart)
    _spin(executor, node)
    _leave(executor, node, get_logger(name))


def asked_for_help(args) -> bool:
    """Tell whether the command line of a node asks what it does, before any ROS argument."""
    own = list(sys.argv[1:] if args is None else args)
    return any(
        word in ("-h", "--help") for word in own[: (own + ["--ros-args"]).index("--ros-args")]
    )


def help_of(executable: str, text: str, table) -> str:
    """Return what ``--help`` of a node says: what it is, and its parameters with defaults."""
    lines = [text.strip(), "", f"usage: {executable} [--ros-args -p NAME:=VALUE ...]", ""]
    lines += ["parameters (default; ros2 param describe tells the same of a running node):"]
    for one in table:
        range_text = f", {one.low:g} to {one.high:g}" if one.low is not None else ""
        choices = f", one of {', '.join(one.choices)}" if one.choices else ""
        lines.append(f"  {one.name} ({one.default!r}{range_text}{choices})")
        lines.append(textwrap.fill(one.description, 92, initial_indent=" " * 6,
                                   subsequent_indent=" " * 6))  # fmt: skip
    return "\n".join(lines)


def sentence_of(error: BaseException) -> str:
    """Return one line about an error; an expected one has its own words, without its type."""
    if isinstance(error, StatusError):
        return clean(error.text)
    known = isinstance(error, ParameterError)
    return clean(str(error) if known else f"{type(error).__name__}: {error}")


def _spin(executor, node) -> None:
    """Spin until the context is shut down; an error in a callback is counted, not fatal."""
    while rclpy.ok() and not node.cannot_start:
        try:
            executor.spin_once()
        except (KeyboardInterrupt, ExternalShutdownException):
            return
        except Exception as error:  # the node must outlive any callback
            if not rclpy.ok():
                return
            node.guard.record("the executor", error)
            time.sleep(0.001)  # an error that repeats must not take the whole core


def _leave(executor, node, logger) -> None:
    """End the process within two seconds, whatever the worker is doing: code 0, or BAD_START.

    Without Python's own tear-down: nobody can interrupt the model's thread, tearing Python down
    under it may crash, and even at rest torch takes its time about it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    work = node.stop()
    if node.cannot_start:
        logger.fatal(f"cannot start: {node.cannot_start}")
    else:
        logger.info(f"stopped during {work}" if work else "stopped")
    # Leave the graph, or the middleware's shared memory outlives the process. A worker that has
    # not ended may meet handles that are gone; it has no say any more.
    executor.shutdown(timeout_sec=0.5)
    node.destroy_node()
    rclpy.try_shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(BAD_START if node.cannot_start else 0)
