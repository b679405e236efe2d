"""A script that forgets to close its client ends like any other."""

import subprocess
import sys


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    )


def test_a_client_that_was_not_closed_does_not_abort_the_process():
    done = run("from depthlm_ros.client import DepthClient\nclient = DepthClient()\nprint('end')")
    assert (done.returncode, done.stdout) == (0, "end\n"), done.stderr
    assert "terminate" not in done.stderr


def test_closing_twice_is_no_error():
    done = run(
        "from depthlm_ros.client import DepthClient\n"
        "with DepthClient() as client: client.close()\n"
        "client.close()"
    )
    assert (done.returncode, done.stderr) == (0, "")
