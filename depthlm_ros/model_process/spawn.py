"""Starting the model's process, and the words for how one ended."""

import mmap
import os
import signal
import socket
import subprocess
import sys

from depthlm_ros.model_process.messages import DEVICE_LOST_EXIT


def start_child() -> tuple[subprocess.Popen, socket.socket, mmap.mmap]:
    """Start a process; returns it, this side's end of its socket, and its page of heartbeats.

    It gets a session of its own, so that Ctrl-C goes to the node alone, which then ends it.
    Raises OSError.
    """
    ours, theirs = socket.socketpair()
    beat = os.memfd_create("depthlm-heartbeat", os.MFD_CLOEXEC)
    os.ftruncate(beat, mmap.PAGESIZE)
    numbers = (theirs.fileno(), beat, os.getpid())
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "depthlm_ros.model_process.child", *map(str, numbers)],
            pass_fds=numbers[:2],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        return process, ours, mmap.mmap(beat, mmap.PAGESIZE)
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
        os.close(beat)


def how_it_ended(code: int | None) -> str:
    """Say how a process ended, from ``Popen.returncode``."""
    if code is None:
        return "does not answer"
    if code == DEVICE_LOST_EXIT:
        return "lost its device: no call on it works after such an error"
    if code >= 0:
        return f"ended with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = " (by hand, or by the kernel for want of memory)" if name == "SIGKILL" else ""
    return f"was killed by {name}{hint}"
