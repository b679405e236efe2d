"""./run on machines where something is missing: one sentence with the remedy, and nothing made."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = "bash cat cut dirname env find flock grep mkdir python3 rm sed sha256sum sort tail uname"


@pytest.fixture
def machine(tmp_path):
    """Return a bare clone and a PATH with ``TOOLS`` alone."""
    clone, tools = tmp_path / "clone", tmp_path / "bin"
    clone.mkdir()
    tools.mkdir()
    shutil.copy(ROOT / "run", clone)
    for name in TOOLS.split():
        target = sys.executable if name == "python3" else shutil.which(name)
        (tools / name).symlink_to(target)
    return clone, tools


def run(machine, *arguments, **variables):
    """Call ./run in the bare clone; return (exit code, standard error)."""
    clone, tools = machine
    done = subprocess.run(
        [clone / "run", *arguments],
        env={"PATH": str(tools), "HOME": os.environ.get("HOME", "/"), **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stderr


def fake_python(tools: Path, answer: str) -> str:
    """Write a python that answers every question with ``answer``, or fails when it is empty."""
    file = tools / "fakepython"
    file.write_text(f"#!{tools}/bash\n[ -n '{answer}' ] && echo '{answer}'\n")
    file.chmod(0o755)
    return str(file)


def test_help_needs_nothing(machine):
    clone, _ = machine
    code, _ = run(machine, "help")
    assert code == 0
    assert not (clone / ".env").exists()


def test_unknown_command(machine):
    code, text = run(machine, "demmo")
    assert code == 1
    assert "unknown command: demmo" in text


def test_exec_without_command(machine):
    code, text = run(machine, "exec")
    assert code == 1
    assert "exec wants a command" in text


def test_unknown_distribution(machine):
    code, text = run(machine, "exec", "true", ROS_DISTRO="humble")
    assert code == 1
    assert "ROS_DISTRO=humble: there are wheels for kilted (default) and jazzy only" in text


def test_sourced_ros_is_left_aside(machine):
    """With a sourced Humble the choice is Kilted; that it goes on is seen at the next fault."""
    variables = {"ROS_DISTRO": "humble", "AMENT_PREFIX_PATH": "/opt/ros/humble"}
    code, text = run(machine, "exec", "true", **variables)
    assert code == 1
    assert "humble installation is sourced: it is left aside" in text
    assert "no C++ compiler" in text


def test_no_compiler(machine):
    code, text = run(machine, "exec", "true")
    assert code == 1
    assert "no C++ compiler or no make found. Remedy: apt install g++ make" in text


@pytest.mark.parametrize("answer", ["", "3.9", "3.14", "2.7"])
def test_no_fitting_python(machine, answer):
    _, tools = machine
    code, text = run(machine, "exec", "true", PYTHON=fake_python(tools, answer))
    assert code == 1
    assert "no Python 3.10 to 3.13 among:" in text
    assert "Remedy: apt install python3" in text


def test_other_processor(machine):
    _, tools = machine
    (tools / "uname").unlink()
    (tools / "uname").write_text(f"#!{tools}/bash\necho Linux aarch64\n")
    (tools / "uname").chmod(0o755)
    code, text = run(machine, "exec", "true")
    assert code == 1
    assert "this is Linux aarch64" in text
    assert "docs/install.md" in text
