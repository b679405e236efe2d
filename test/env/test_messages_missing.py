"""Without depthlm_msgs the build and the import fail at once, and say what to do."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REMEDY = "colcon build --base-paths src src/depthlm_ros/depthlm_msgs"


@pytest.fixture
def clone(tmp_path):
    """Return a clone that holds what setup.py reads, without the weights."""
    folder = tmp_path / "clone"
    folder.mkdir()
    for name in ("setup.py", "setup.cfg", "package.xml", "resource", "launch", "config"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    (folder / "depthlm_ros").mkdir()
    (folder / "depthlm_ros" / "__init__.py").write_text("")
    return folder


def build(clone, prefix):
    return subprocess.run(
        [sys.executable, "setup.py", "build", "--build-base", "out"],
        cwd=clone,
        env={**os.environ, "AMENT_PREFIX_PATH": prefix},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_build_without_the_messages_ends_with_the_remedy(clone, tmp_path):
    done = build(clone, str(tmp_path))
    assert done.returncode == 1 and REMEDY in done.stderr, done.stderr
    assert not (clone / "out" / "lib").exists()


@pytest.mark.parametrize("sourced", [True, False])
def test_with_the_messages_or_without_ros_it_is_built(clone, tmp_path, sourced):
    share = tmp_path / "share" / "depthlm_msgs"
    share.mkdir(parents=True)
    (share / "package.xml").write_text("<package/>")
    done = build(clone, f"/none:{tmp_path}" if sourced else "")
    assert done.returncode == 0, done.stderr
    assert (clone / "out" / "lib" / "depthlm_ros" / "__init__.py").is_file()


@pytest.mark.parametrize("module", ["nodes.depth_node", "nodes.camera_node", "client"])
def test_an_import_without_the_messages_ends_with_the_remedy(module):
    code = (
        "import sys, importlib\nsys.modules['depthlm_msgs'] = None\n"
        f"importlib.import_module('depthlm_ros.{module}')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ImportError: depthlm_msgs is not built")
    assert REMEDY in done.stderr
