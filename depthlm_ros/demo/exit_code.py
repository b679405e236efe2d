"""From how a program of the demonstration ends to its exit code and last words."""

import signal
import sys
from collections.abc import Callable

from depthlm_ros.demo.node_processes import DemoError

FAILED, INTERRUPTED = 1, 130


def exit_code(perform: Callable[[], None], failed: str, interrupted: str) -> int:
    """Run ``perform``; return 0, or FAILED for a DemoError, or INTERRUPTED.

    SIGTERM and SIGHUP end it as Ctrl-C does, but where they are ignored, as under nohup.
    ``failed``: goes before the reason. ``interrupted``: is said instead of one.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):  # SIGINT does so by itself
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        perform()
    except DemoError as failure:
        print(f"\n{failed}{failure}", file=sys.stderr, flush=True)
        return FAILED
    except KeyboardInterrupt:
        print(f"\n{interrupted}", file=sys.stderr, flush=True)
        return INTERRUPTED
    return 0


def _interrupt(number, frame):
    raise KeyboardInterrupt
