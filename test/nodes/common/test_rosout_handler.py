"""What the parts without ROS log arrives in the node's log; and what loading asks for."""

import logging
from types import SimpleNamespace

import pytest

from depthlm_ros.nodes import depth_node
from depthlm_ros.nodes.common.rosout_handler import RosLogHandler, attach_to_rosout


class Log:
    """A ROS logger that remembers."""

    def __init__(self):
        self.lines = []

    def __getattr__(self, severity):
        """Remember (severity, text)."""
        return lambda text: self.lines.append((severity, text))


@pytest.fixture
def ours():
    """Return the package's Python logger, left as it was found."""
    logger = logging.getLogger("depthlm_ros")
    before = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:], logger.level = before


def test_records_arrive_at_their_severity(ours):
    log = Log()
    attach_to_rosout(log)
    below = logging.getLogger("depthlm_ros.models.registry")
    below.debug("too fine")
    below.info("needs %.1f GB", 8.9)
    below.warning("shrinks")
    try:
        raise ValueError("bad luck")
    except ValueError:
        below.exception("a job failed")
    assert log.lines[:2] == [("info", "needs 8.9 GB"), ("warning", "shrinks")]
    severity, text = log.lines[2]
    assert severity == "error" and "a job failed" in text and "ValueError: bad luck" in text
    assert len(log.lines) == 3


def test_a_second_node_takes_the_log_over(ours):
    first, second = Log(), Log()
    attach_to_rosout(first)
    attach_to_rosout(second)
    ours.warning("once")
    assert (first.lines, second.lines) == ([], [("warning", "once")])
    assert sum(isinstance(handler, RosLogHandler) for handler in ours.handlers) == 1


def test_a_failing_log_does_not_fail_the_one_who_logs(ours, capsys):
    attach_to_rosout(SimpleNamespace())  # has no info(): as a logger after shutdown
    ours.info("late")
    assert "late" in capsys.readouterr().err


def test_loading_asks_the_registry_and_runs_the_model_once(monkeypatch):
    done = []

    def load(name, **options):
        done.append((name, options))
        return "the model"

    monkeypatch.setattr("depthlm_ros.models.registry.load", load)
    monkeypatch.setattr("depthlm_ros.models.warmup.warm_up", done.append)
    assert depth_node.load_by_registry("embedded", "cpu", "auto", "int8") == "the model"
    asked = {"device": "cpu", "dtype": "auto", "quantize": "int8", "revision": None}
    assert done == [("embedded", asked), "the model"]
    texts = ["style=plain", "max_pixels=5000"]
    depth_node.load_by_registry("m", "cpu", "auto", "none", "v2", texts)
    asked = {"device": "cpu", "dtype": "auto", "quantize": "none", "revision": "v2"}
    assert done[2:] == [
        ("m", {**asked, "style": "plain", "max_pixels": "5000"}),
        "the model",
    ]
