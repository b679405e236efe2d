"""What ./run camera tells of its nodes, and when it ends because of one."""

from types import SimpleNamespace

import pytest

from depthlm_ros.demo import your_camera
from depthlm_ros.demo.node_processes import DemoError


def log_of(tmp_path, text):
    path = tmp_path / "depth_node.log"
    path.write_text(text)
    return your_camera._Log(SimpleNamespace(name="depth_node", log=path)), path


def test_warnings_are_told_once_and_whole_lines_only(tmp_path, capsys):
    log, path = log_of(
        tmp_path, "[INFO] [1] [n]: loading\n[WARN] [1] [n]: dark\n[WARN] [2] [n]: da"
    )
    log.report()
    with path.open("a") as file:
        file.write("rk\n[ERROR] [3] [n]: no camera\n")
    log.report()
    said = capsys.readouterr().out
    assert said.splitlines() == ["dark", "no camera"]


def test_a_node_that_cannot_configure_ends_it_with_the_reason(tmp_path):
    log, _ = log_of(tmp_path, "[ERROR] [1] [depthlm]: cannot configure: no model 'x'; fetch it\n")
    with pytest.raises(DemoError) as caught:
        log.report()
    assert str(caught.value) == "depth_node: no model 'x'; fetch it"
