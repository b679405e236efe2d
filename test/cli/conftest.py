"""Fixtures of the command line's tests."""

import numpy as np
import pytest
from PIL import Image

from depthlm_ros.image_io import pictures
from depthlm_ros.models import registry


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch):
    """Let pictures be small enough to be worked out by hand."""
    monkeypatch.setattr(pictures, "MIN_SIDE", 1)


@pytest.fixture
def use(monkeypatch):
    """Return a function that makes registry.load give this model, and notes how it was asked."""
    asked = {}

    def loads(model):
        def load(name, device, dtype, revision, **options):
            asked.update(name=name, device=device, dtype=dtype, revision=revision, **options)
            return model

        monkeypatch.setattr(registry, "load", load)
        return asked

    return loads


@pytest.fixture
def photo(tmp_path):
    """Return the path of an 8 x 6 px picture whose red is 10 u and green 20 v."""
    v, u = np.mgrid[:6, :8]
    rgb = np.stack([10 * u, 20 * v, np.full_like(u, 7)], axis=-1).astype(np.uint8)
    Image.fromarray(rgb).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"
