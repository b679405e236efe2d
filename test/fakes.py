"""Models of the tests: a constant depth map, constant or prepared distances.

They keep the contracts of ``models/base.py``, so that what a test says about its caller is true of
a real model. Import as ``from fakes import ...``: pyproject.toml puts this folder on the path.
"""

import numpy as np

from depthlm_ros.geometry.canonical_view import CanonicalView
from depthlm_ros.models.base import DistanceReading

NAN = float("nan")


class ConstantDepth:
    """A dense model that gives one depth everywhere.

    ``focal_px``: of its view; None: the camera's own. ``is_metric``: whether ``depth_m`` is the
    true depth (the map is then what a model at ``focal_px`` says), else the map itself. ``sky``:
    the left half is beyond range. ``shape``: of a map that breaks the contract. ``calls`` counts.
    """

    name = "plane"

    def __init__(
        self,
        depth_m=2.0,
        focal_px=None,
        ratio_90=NAN,
        max_pixels=None,
        shape=None,
        sky=False,
        is_metric=False,
    ):
        self.depth_m, self.focal_px, self.ratio_90 = depth_m, focal_px, ratio_90
        self.max_pixels, self.shape = max_pixels, shape
        self.sky, self.is_metric, self.calls = sky, is_metric, 0

    def view_of(self, camera):
        """Return the view at the model's focal length."""
        return CanonicalView.of(camera, self.focal_px or camera.fx, max_pixels=self.max_pixels)

    def depth(self, rgb, view):
        """Return the same depth everywhere."""
        self.calls += 1
        value = self.depth_m / view.depth_scale if self.is_metric else self.depth_m
        depth = np.full(self.shape or (view.height, view.width), value, np.float32)
        if self.sky:
            depth[:, : view.width // 2] = np.inf
        return depth


class ConstantDistance:
    """A point model that gives one distance; ``silent``: nothing at every second pixel."""

    name = "marker"

    def __init__(self, distance_m=3.0, low_m=NAN, high_m=NAN, silent=False):
        self.distance_m, self.low_m, self.high_m, self.silent = distance_m, low_m, high_m, silent

    def distances(self, rgb, camera, pixels):
        """Return a reading a pixel."""
        said = DistanceReading(self.distance_m, self.low_m, self.high_m, f"{self.distance_m:.2f}")
        nothing = DistanceReading(NAN, NAN, NAN, reason="nothing said")
        return [nothing if self.silent and i % 2 else said for i in range(len(pixels))]


class PreparedDistances:
    """A point model that gives prepared readings and remembers the pixels it was asked about."""

    name = "marker"

    def __init__(self, *readings):
        self.readings, self.source_pixels = readings, None

    def distances(self, rgb, camera, pixels):
        """Return the prepared readings."""
        self.source_pixels = np.asarray(pixels)
        return list(self.readings)
