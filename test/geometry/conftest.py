"""A world of a floor and upright boxes, cast ray by ray: what geometry is tested with."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.geometry.ground_plane import GroundPlane

CAMERA = PinholeCamera(200.0, 200.0, 159.5, 119.5, 320, 240)


@dataclass(frozen=True)
class SmallWorld:
    """A camera at (0, 0, height) over the floor z = 0, looking along x and ``pitch`` down.

    World: x forward, y left, z up. ``boxes``: ((x0, x1), (y0, y1), (z0, z1)) [m]. ``edge_x``: the
    floor ends there, and lies ``step_down`` lower beyond it.
    """

    height: float = 1.0
    pitch: float = 0.35
    boxes: tuple = ()
    edge_x: float = np.inf
    step_down: float = 0.0
    camera: PinholeCamera = CAMERA
    ratio_90: float = 1.0

    @property
    def rotation(self) -> np.ndarray:
        """Optical frame to world, (3, 3): columns are right, down and ahead of the camera."""
        c, s = np.cos(self.pitch), np.sin(self.pitch)
        return np.array([[0.0, -s, c], [-1.0, 0.0, 0.0], [0.0, -c, -s]])

    @property
    def ground(self) -> GroundPlane:
        """The true ground."""
        return GroundPlane.from_camera(self.height, self.rotation.T @ (0.0, 0.0, 1.0))

    def depth_map(self) -> DepthMap:
        """Cast every pixel; +Inf where nothing is."""
        v, u = np.mgrid[: self.camera.height, : self.camera.width].astype(float)
        rays = np.stack(
            [
                (u - self.camera.cx) / self.camera.fx,
                (v - self.camera.cy) / self.camera.fy,
                np.ones_like(u),
            ],
            -1,
        )
        rays = rays @ self.rotation.T
        with np.errstate(divide="ignore", invalid="ignore"):
            best = np.where(rays[..., 2] < 0, -self.height / rays[..., 2], np.inf)
            past = ~(best * rays[..., 0] <= self.edge_x)
            lower = np.where(
                rays[..., 2] < 0, -(self.height + self.step_down) / rays[..., 2], np.inf
            )
            best = np.where(past, lower, best)
            for box in self.boxes:
                best = np.minimum(best, self._enter(box, rays))
        return DepthMap(best.astype(np.float32), self.camera, ratio_90=self.ratio_90)

    def _enter(self, box, rays: np.ndarray) -> np.ndarray:
        start = np.array([0.0, 0.0, self.height])
        a = (np.array([side[0] for side in box]) - start) / rays
        b = (np.array([side[1] for side in box]) - start) / rays
        enter, leave = np.minimum(a, b).max(-1), np.maximum(a, b).min(-1)
        return np.where((enter < leave) & (enter > 0), enter, np.inf)

    def but(self, **changes) -> "SmallWorld":
        """Return the world with changes."""
        return replace(self, **changes)


@pytest.fixture
def world() -> SmallWorld:
    """Return an empty floor, seen from 1 m, 0.35 rad downwards."""
    return SmallWorld()
