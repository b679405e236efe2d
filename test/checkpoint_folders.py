"""Checkpoint folders that tests break, and how they are loaded."""

import json

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models import registry
from depthlm_ros.status import StatusError

CAMERA = PinholeCamera(525.0, 525.0, 319.5, 239.5, 640, 480)


def refusal_of(call, *arguments, **options):
    with pytest.raises(StatusError) as refusal:
        call(*arguments, **options)
    return refusal.value


def load_refusal(folder):
    return refusal_of(registry.load, str(folder), device="cpu")


def edit_config(folder, **changes):
    file = folder / "config.json"
    config = json.loads(file.read_text())
    file.write_text(
        json.dumps({key: value for key, value in (config | changes).items() if value is not None})
    )


def edit_tensors(folder, edit):
    file = folder / "model.safetensors"
    tensors = load_file(file)
    edit(tensors)
    save_file(tensors, file)


def image():
    return np.random.default_rng(8).integers(0, 256, (480, 640, 3), np.uint8)


def depth_of(folder, **options):
    model = registry.load(str(folder), device="cpu", **options)
    return model, model.depth(image(), model.view_of(CAMERA))
