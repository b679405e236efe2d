"""Children of the demonstration: watched, always ended, none left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from depthlm_ros.demo import node_processes
from depthlm_ros.demo.node_processes import Children, DemoError

PATIENCE_S = 60.0
POLITE = """
import signal, sys, time
def leave(number, frame):
    print("leaving", flush=True)
    sys.exit(0)
signal.signal(signal.SIGINT, leave)
print("up", sys.argv[1:], flush=True)
time.sleep(600)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(600)
"""
BROKEN = "print('the reason'); raise SystemExit(3)"
REFUSING = """
print("opening ...")
print("[FATAL] [12.5] [camera_node]: cannot start: no such camera")
raise SystemExit(2)
"""


@pytest.fixture
def scripts(tmp_path):
    """Write the stand-ins as modules; return the environment in which they are found."""
    named = {"polite": POLITE, "stubborn": STUBBORN, "broken": BROKEN, "refusing": REFUSING}
    for name, text in named.items():
        (tmp_path / f"stand_in_{name}.py").write_text(text)
    return {"PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}


def wait_until(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def is_gone(number):
    """Tell whether a process has ended, a zombie that nobody waits for included."""
    try:
        stat = Path(f"/proc/{number}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def up(child):
    wait_until(lambda: "up" in child.log.read_text())


def test_a_polite_child_gets_its_arguments_and_ends_at_sigint(scripts, tmp_path):
    with Children(tmp_path) as children:
        child = children.start("one", "stand_in_polite", ["-p", "a:=1"], scripts)
        up(child)
        children.check()
        assert children.has("one")
    assert children.exit_codes == {"one": 0}
    assert child.log == tmp_path / "one.log"
    assert child.log.read_text() == "up ['-p', 'a:=1']\nleaving\n"


def test_a_stubborn_child_is_killed(scripts, tmp_path, monkeypatch):
    monkeypatch.setattr(node_processes, "INTERRUPT_S", 0.2)
    monkeypatch.setattr(node_processes, "TERMINATE_S", 0.2)
    with Children(tmp_path) as children:
        up(children.start("one", "stand_in_stubborn", environment=scripts))
    assert children.exit_codes == {"one": -signal.SIGKILL}


def test_children_end_when_the_parent_fails(scripts, tmp_path):
    with pytest.raises(ZeroDivisionError), Children(tmp_path) as children:
        child = children.start("one", "stand_in_polite", environment=scripts)
        up(child)
        raise ZeroDivisionError
    assert child.process.poll() == 0


def test_a_child_that_ended_by_itself_is_told_with_its_last_words(scripts, tmp_path):
    with Children(tmp_path) as children:
        child = children.start("one", "stand_in_broken", environment=scripts)
        wait_until(lambda: child.process.poll() is not None)
        with pytest.raises(DemoError, match=r"one ended by itself \(exit code 3\)") as caught:
            children.check()
    assert "  | the reason" in str(caught.value)


def test_a_child_that_cannot_start_is_told_by_its_reason_alone(scripts, tmp_path):
    with Children(tmp_path) as children:
        child = children.start("one", "stand_in_refusing", environment=scripts)
        wait_until(lambda: child.process.poll() is not None)
        with pytest.raises(DemoError) as caught:
            children.check()
    assert str(caught.value) == "one cannot start: no such camera"


def test_stopping_one_leaves_the_others(scripts, tmp_path):
    with Children(tmp_path) as children:
        for name in ("one", "two"):
            up(children.start(name, "stand_in_polite", environment=scripts))
        children.stop("one")
        assert (children.has("one"), children.has("two")) == (False, True)
        assert children.exit_codes == {"one": 0}
        children.check()


def test_a_child_does_not_outlive_a_parent_that_is_killed(scripts, tmp_path):
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from depthlm_ros.demo.node_processes import Children\n"
        "children = Children(Path(sys.argv[1]))\n"
        "print(children.start('one', 'stand_in_polite').process.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **scripts},
    ) as parent:
        number = int(parent.stdout.readline())
        wait_until(lambda: (tmp_path / "one.log").read_text().startswith("up"))
        assert not is_gone(number)
        parent.kill()
    wait_until(lambda: is_gone(number))
