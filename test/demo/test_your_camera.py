"""``./run camera``: what becomes of its words, and what it tells of the nodes that it starts."""

import contextlib
import os
from types import SimpleNamespace

import pytest

from depthlm_ros.demo import your_camera
from depthlm_ros.demo.node_processes import DemoError

SAID = """\
[INFO] [1.5] [camera]: opening 'webcam' ...
[INFO] [1.6] [camera]: playing webcam, 640 x 480 px
[WARN] [1.7] [camera]: later than its rate
[WARN] [1.8] [camera]: later than its rate
[ERROR] [1.9] [camera]: not whole yet"""


class Nodes:
    """Stands for ``Children``: notes what is started, and each "node" has said SAID."""

    def __init__(self, folder):
        self.folder, self.started, self.ended, self.checked = folder, {}, False, False
        Nodes.last = self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended = True

    def start(self, name, module, arguments, environment):
        """Note it."""
        self.started[name] = (module, arguments)
        log = self.folder / f"{name}.log"
        log.write_text(SAID)
        return SimpleNamespace(name=name, log=log)

    def check(self):
        """Fail if the test says so; the second time somebody presses Ctrl-C."""
        if self.failure:
            raise DemoError(self.failure)
        if self.checked:
            raise KeyboardInterrupt
        self.checked = True


@pytest.fixture
def nodes(monkeypatch):
    for name in ("ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE"):
        monkeypatch.setenv(name, os.environ[name])  # is set back when the test has ended
    monkeypatch.setattr(your_camera, "Children", Nodes)
    monkeypatch.setattr(Nodes, "failure", "", raising=False)
    return Nodes


def parameters(*words):
    """Return the camera node's parameters that are not left to it."""
    given = your_camera.camera_parameters(your_camera.arguments([*words]))
    return {name: value for name, value in given.items() if value is not None}


def test_words_become_the_camera_nodes_parameters(tmp_path, monkeypatch):
    assert parameters() == {"source": "webcam", "assume_phone": True}
    assert parameters("--fx", "525", "--size", "1280X720") == {
        "source": "webcam",
        "fx": 525.0,
        "width": 1280,
        "height": 720,
    }
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.mp4").write_bytes(b"")
    found = parameters("clip.mp4", "--hfov", "70", "--rate", "10", "--fourcc", "MJPG")
    assert found["source"] == str(tmp_path / "clip.mp4")  # the node may work elsewhere
    assert (found["hfov"], found["rate_hz"], found["fourcc"]) == (70.0, 10.0, "MJPG")
    assert parameters("rtsp://10.0.0.2/live")["source"] == "rtsp://10.0.0.2/live"


def test_a_size_that_is_none_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        your_camera.arguments(["--size", "1280"])
    assert ended.value.code == 2 and "1280: must be WxH" in capsys.readouterr().err


def test_warnings_of_the_nodes_are_told_once(nodes, capsys):
    with pytest.raises(KeyboardInterrupt):
        your_camera.perform(your_camera.arguments(["--domain", "33"]))
    told = capsys.readouterr().out
    assert "ROS domain 33" in told and "export ROS_DOMAIN_ID=33" in told
    assert told.count("later than its rate") == 1 + (len(nodes.last.started) - 1)  # a node once
    assert "playing webcam" in told and "opening" not in told and "not whole" not in told
    assert list(nodes.last.started) == [your_camera.CAMERA, your_camera.DEPTH]
    module, words = nodes.last.started[your_camera.CAMERA]
    assert module == "depthlm_ros.nodes.camera_node" and "source:='webcam'" in words
    assert nodes.last.ended


def test_the_page_is_one_node_more_and_its_address_is_read(nodes, tmp_path):
    words = ["--web", "--port", "0", "--domain", "33", "--seconds", "0.01"]
    with contextlib.suppress(KeyboardInterrupt):  # on a quick machine
        your_camera.perform(your_camera.arguments(words))
    module, words = nodes.last.started[your_camera.WEB]
    assert module == "depthlm_ros.web.main" and "port:=0" in words
    page = SimpleNamespace(log=tmp_path / "web.log")
    page.log.write_text("starting\n")
    assert your_camera.page_address(page) == ""
    page.log.write_text("starting\nopen http://127.0.0.1:40123 in a browser\n")
    assert your_camera.page_address(page) == "http://127.0.0.1:40123"


def test_a_node_that_has_ended_ends_it(nodes, monkeypatch):
    monkeypatch.setattr(nodes, "failure", "camera_node cannot start: no camera")
    with pytest.raises(DemoError, match="no camera"):
        your_camera.perform(your_camera.arguments(["--domain", "33"]))
    assert nodes.last.ended


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
