"""Run a module as a process that does not outlive the one that started it.

    python -m depthlm_ros.demo.die_with_parent PARENT_PID MODULE [ARGUMENTS]

The kernel sends SIGTERM when the parent has gone, however it went; nothing is left running.
"""

import ctypes
import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Attach this process to its parent and become the module."""
    parent, module = int(sys.argv[1]), sys.argv[2]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it went before the line above
        raise SystemExit(f"process {parent}, which wanted {module}, has gone")
    sys.argv = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
