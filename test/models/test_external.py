"""Models of other packages by name: a stand-in package's entry point."""

import numpy as np
import pytest

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models import external, registry
from depthlm_ros.status import StatusError

PACKAGE = """
import numpy as np
from depthlm_ros.geometry.canonical_view import CanonicalView

class Flat:
    name, ratio_90 = "flat", float("nan")

    def __init__(self, metres):
        self.metres = float(metres)

    def view_of(self, camera):
        return CanonicalView.of(camera, camera.fx)

    def depth(self, rgb, view):
        return np.full((view.height, view.width), self.metres, np.float32)

def load(device, dtype, metres="2.0"):
    return Flat(metres)

def wrong(device, dtype):
    return "no model"
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Install a package with metadata of its own, as pip would."""
    (tmp_path / "flat_depth.py").write_text(PACKAGE)
    info = tmp_path / "flat_depth-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: flat-depth\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[depthlm_ros.models]\nflat = flat_depth:load\nwrong = flat_depth:wrong\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_package_offers_its_model_by_entry_point(stand_in):
    model = registry.load("plugin:flat", "cpu", metres="3.5")
    camera = PinholeCamera(50.0, 50.0, 9.5, 9.5, 20, 20)
    assert model.depth(np.zeros((20, 20, 3), np.uint8), model.view_of(camera)).max() == 3.5
    with pytest.raises(StatusError, match="is a str: must be a DenseDepthModel"):
        registry.load("plugin:wrong")
    with pytest.raises(StatusError, match=r"no installed package offers it .*flat, wrong"):
        registry.load("plugin:none")


def test_names_and_sources():
    assert registry.source_of("transformers:org/name") == "org/name"
    with pytest.raises(StatusError, match="fetches its own weights"):
        registry.source_of("plugin:flat")
    assert not external.is_external("embedded")
