"""The life of the process: spin that nothing ends but shutdown, and an exit within two seconds."""

import os
import signal
import sys
import time

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.logging import get_logger

from depthlm_ros.language.text import clean
from depthlm_ros.nodes.parameters import ParameterError

BAD_START = 2
"""Exit code when a start-up value or argument makes no sense."""


def run_node(make_node, args=None) -> int:
    """Run a node that has ``autostart``, ``stop`` and ``faults`` until the process ends.

    Returns only when the node could not start, with the exit code.
    """
    started = []
    for number in (signal.SIGINT, signal.SIGTERM):
        # rclpy's handler, put in front of this one, shuts the context down. Python's own would
        # also raise KeyboardInterrupt, at any line of any callback.
        signal.signal(number, lambda *_: None if started else os._exit(0))
    try:
        rclpy.init(args=args)
        started.append(True)
        node = make_node()
    except Exception as error:  # told in one line, not as a traceback
        if started and not rclpy.ok():
            get_logger("depth_node").info("stopped while starting")
            return 0
        rclpy.try_shutdown()
        known = isinstance(error, ParameterError)
        text = str(error) if known else f"{type(error).__name__}: {error}"
        get_logger("depth_node").fatal(f"cannot start: {clean(text)}")
        return BAD_START
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    executor.create_task(node.autostart)
    _spin(executor, node)
    _leave(executor, node)


def _spin(executor, node) -> None:
    """Spin until the context is shut down; an error in a callback is counted, not fatal."""
    while rclpy.ok():
        try:
            executor.spin_once()
        except (KeyboardInterrupt, ExternalShutdownException):
            return
        except Exception as error:  # the node must outlive any callback
            if not rclpy.ok():
                return
            node.faults.note("the executor", error)
            time.sleep(0.001)  # an error that repeats must not take the whole core


def _leave(executor, node) -> None:
    """End the process within two seconds with code 0, whatever the worker is doing.

    Without Python's own tear-down: nobody can interrupt the model's thread, tearing Python down
    under it may crash, and even at rest torch takes its time about it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ended = node.stop()
    get_logger("depth_node").info("stopped" if ended else "stopped during an inference")
    if ended:  # leave the graph in good order; the worker can no longer use what goes away here
        executor.shutdown(timeout_sec=0.5)
        node.destroy_node()
        rclpy.try_shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
