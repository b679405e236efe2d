"""What a signal does to an executable while it imports what it is to run."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from depthlm_ros import executables

SLOW = "import time; print('importing', flush=True); time.sleep(60); main = None"
SETUP = Path(executables.__file__).resolve().parent.parent / "setup.py"


def interrupted(tmp_path, function, number):
    """Send a signal while the module of an executable is imported; return (code, stderr)."""
    (tmp_path / "slow_module.py").write_text(SLOW)
    program = (
        "import sys; from depthlm_ros import executables as e; "
        "e.COMMAND = 'slow_module'; e.NODES = dict.fromkeys(e.NODES, 'slow_module'); "
        f"sys.path.insert(0, {str(tmp_path)!r}); sys.exit(e.{function}())"
    )
    command, pipe = [sys.executable, "-c", program], subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as child:
        try:
            assert child.stdout.readline() == "importing\n"
            child.send_signal(number)
            _, errors = child.communicate(timeout=30)
        finally:
            child.kill()  # one that does not end fails the test, and is left to nobody
    return child.returncode, errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", ["depth_node", "multi_depth_node", "camera_node", "web_node"])
def test_a_node_ends_with_code_0_and_without_a_traceback(tmp_path, name, number):
    assert interrupted(tmp_path, name, number) == (0, "")


def test_the_command_ends_as_interrupted(tmp_path):
    assert interrupted(tmp_path, "depthlm", signal.SIGINT) == (130, "")


def test_every_executable_that_is_installed_begins_here():
    scripts = dict(re.findall(r'"(\w+) = depthlm_ros\.executables:(\w+)"', SETUP.read_text()))
    assert scripts == {name: name for name in [*executables.NODES, "depthlm"]}
    assert all(callable(getattr(executables, name)) for name in scripts)


def test_an_unknown_node_is_refused_with_the_names():
    command = [sys.executable, "-m", "depthlm_ros.executables", "depht_node"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"give one of {', '.join(executables.NODES)}, then its arguments\n"
