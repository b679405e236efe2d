"""The first run: what it asks of a model, and that no refusal stops a start."""

import math

import numpy as np
import torch

from depthlm_ros.benchmarks.random_weights import random_depthlm
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models import registry
from depthlm_ros.models.warmup import CAMERA, warm_up
from depthlm_ros.status import Code, StatusError


class Dense:
    """Sees, and refuses if told to."""

    name, ratio_90 = "dense", 1.2

    def __init__(self, refusal=None):
        self.refusal, self.seen, self.shrunk = refusal, [], 0

    def view_of(self, camera):
        """Return the camera, so that it is seen to be handed on."""
        return "view", camera

    def depth(self, rgb, view):
        """Remember what is shown."""
        self.seen.append((rgb.shape, rgb.dtype, view))
        if self.refusal:
            raise self.refusal

    def shrink(self):
        """Count."""
        self.shrunk += 1
        return True


def test_a_dense_model_sees_one_picture_of_the_camera():
    model, camera = Dense(), PinholeCamera(90.0, 90.0, 31.5, 15.5, 64, 32)
    seconds = warm_up(model, camera)
    assert model.seen == [((32, 64, 3), np.uint8, ("view", camera))]
    assert seconds > 0 and model.shrunk == 0


def test_a_refusal_shrinks_the_model_and_is_logged(caplog):
    model = Dense(StatusError(Code.MODEL_ERROR, "out of memory: shrink it"))
    assert math.isnan(warm_up(model))
    assert (len(model.seen), model.shrunk) == (1, 1)
    assert "smaller pictures are used: out of memory" in caplog.text


def test_afterwards_nothing_that_depends_on_the_size_is_made(tiny_folder, monkeypatch):
    model = registry.load(str(tiny_folder), "cpu")
    warm_up(model)

    def made(*_):
        raise AssertionError("tables are made again")

    monkeypatch.setattr(model.module, "_make_tables", made)
    rgb = np.random.default_rng(1).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    assert np.isfinite(model.depth(rgb, model.view_of(CAMERA))).all()


def test_a_model_that_finishes_on_its_device_packs_a_cloud_too(tiny_folder):
    model, packed = registry.load(str(tiny_folder), "cpu"), []
    model.postprocesses, pack = True, model.packed_cloud
    model.packed_cloud = lambda *a: packed.append(pack(*a)) or packed[-1]
    warm_up(model)
    assert packed[0].shape == (480, 640, 4)


def test_a_marker_model_is_asked_about_the_middle(monkeypatch):
    model, asked = random_depthlm("depthlm-tiny-qwen", torch.device("cpu"), torch.float32), []
    distances = model.distances
    monkeypatch.setattr(model, "distances", lambda *a: asked.append(a[2]) or distances(*a))
    assert warm_up(model, PinholeCamera(1000.0, 1000.0, 31.5, 31.5, 64, 64)) > 0
    assert asked == [[(31.5, 31.5)]]
