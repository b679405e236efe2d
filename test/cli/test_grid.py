"""``depthlm depth`` with a model that answers point by point: the grid, its bounds, and Ctrl-C."""

import json
import os
import signal

import numpy as np
import pytest
from PIL import Image

from depthlm_ros.cli import main as cli
from depthlm_ros.models import registry
from depthlm_ros.models.base import DistanceReading

NAN = float("nan")


class Marker:
    """Every point is 3 m away, between 2.5 and 3.6 m; Ctrl-C comes during ``pressed_in``."""

    name = "marker"

    def __init__(self, pressed_in=(), bounds=(2.5, 3.6)):
        self.pressed_in, self.bounds, self.calls = pressed_in, bounds, 0

    def distances(self, rgb, camera, pixels):
        """Answer each pixel."""
        self.calls += 1
        if self.calls in self.pressed_in:
            os.kill(os.getpid(), signal.SIGINT)
        return [DistanceReading(3.0, *self.bounds, "3.00") for _ in pixels]


@pytest.fixture
def grid(monkeypatch, capsys, tmp_path):
    """Return a function that runs the command on an 8 x 8 px picture and returns what it left."""
    Image.linear_gradient("L").resize((8, 8)).save(tmp_path / "photo.png")

    def run(model):
        monkeypatch.setattr(registry, "load", lambda *_, **__: model)
        words = [
            "depth",
            tmp_path / "photo.png",
            "--fx",
            90,
            "-o",
            tmp_path / "out",
            "--json",
            "--grid",
            8,
            8,
        ]
        code = cli.main([str(word) for word in words])
        printed = capsys.readouterr()
        files = {f.name: np.load(f) for f in (tmp_path / "out").glob("*.npy")}
        record = json.loads(printed.out)["images"][0] if printed.out else None
        return code, record, files, printed.err

    return run


def test_the_models_interval_is_written_beside_the_depth(grid):
    code, record, files, _ = grid(Marker())
    assert code == 0 and record["complete"] is True
    for name, metres in (("depth", 3.0), ("depth_low", 2.5), ("depth_high", 3.6)):
        np.testing.assert_allclose(files[f"photo_{name}.npy"], metres, rtol=2e-3)
    assert record["files"]["low"].endswith("photo_depth_low.npy")


def test_no_interval_no_files(grid):
    _, record, files, _ = grid(Marker(bounds=(NAN, NAN)))
    assert list(files) == ["photo_depth.npy"] and "low" not in record["files"]


def test_ctrl_c_writes_what_there_is(grid):
    handler = signal.getsignal(signal.SIGINT)
    model = Marker(pressed_in=(3,))
    code, record, files, err = grid(model)
    assert code == 0 and record["complete"] is False
    assert model.calls == 3  # 4, 8 and 16 questions: 28 of 64, every second line and more
    assert "stopping after what is being asked" in err and "every 2. row and column" in err
    np.testing.assert_allclose(files["photo_depth.npy"], 3.0, rtol=2e-3)
    assert signal.getsignal(signal.SIGINT) is handler


def test_ctrl_c_twice_ends_at_once(grid):
    class Twice(Marker):
        def distances(self, rgb, camera, pixels):
            """Press twice."""
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            raise AssertionError("not ended")

    code, _, files, _ = grid(Twice())
    assert code == 130 and not files
