"""Scenes with exact depth, and what is true of them by another way than the depth map's.

Occupancy of a volume comes from the scene's own shapes in world coordinates (separating axes for
boxes, points for round ones) and never from pixels.
"""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.geometry.swept_box import SweptBox
from depthlm_ros.scenes import camera_poses
from depthlm_ros.scenes.primitives import BOX, CYLINDER
from depthlm_ros.scenes.raycast import Cameras, World, raycast
from depthlm_ros.scenes.render import Pose
from depthlm_ros.scenes.scene import Scene

CAMERA = PinholeCamera(525.0, 525.0, 319.5, 239.5, 640, 480)


@dataclass(frozen=True)
class TrueView:
    """A scene from a pose, with exact z-depth; ``up`` (3,): the world's, in the optical frame."""

    scene: Scene
    pose: Pose
    depth_map: DepthMap
    up: np.ndarray

    @property
    def camera_height_m(self) -> float:
        """Height of the camera above the world's z = 0 [m]."""
        return float(self.pose.position[2])

    def to_world(self, points) -> np.ndarray:
        """Take points (..., 3) of the optical frame to the world."""
        return np.asarray(points, np.float64) @ self.pose.rotation.T + self.pose.position

    def level_m(self) -> float:
        """Return the height of the largest level surface near z = 0 in view; NaN for none."""
        z = self.to_world(self.depth_map.points())[..., 2]
        near = np.round(z[np.abs(z) < 0.3], 3)
        levels, counts = np.unique(near, return_counts=True)
        return float(levels[counts.argmax()]) if len(levels) else float("nan")

    def level_surface_share(self) -> float:
        """Return the share of all pixels on the largest level surface below the camera.

        At whatever height: a table's top that fills the view, its legs and the floor out of sight,
        is a ground by all that depth can tell.
        """
        z = self.to_world(self.depth_map.points())[..., 2]
        below = np.round(z[z < self.camera_height_m - 0.03], 3)
        counts = np.unique(below, return_counts=True)[1]
        return float(counts.max(initial=0) / z.size)

    def level_share(self) -> float:
        """Return the share of all pixels that see that surface."""
        z = self.to_world(self.depth_map.points())[..., 2]
        return float((np.abs(z - self.level_m()) < 0.002).mean())


def true_view(seed: int, camera: PinholeCamera = CAMERA, kind: str | None = None) -> TrueView:
    """Make a random scene and a telling pose in it, and cast its exact depth."""
    rng = np.random.default_rng([seed, 11])
    kind = kind or camera_poses.draw_kind(rng)
    scene = camera_poses.make_scene(kind, [seed, 12])
    pose = camera_poses.informative_pose(scene, rng)
    return view_of(scene, pose, camera)


def view_of(scene: Scene, pose: Pose, camera: PinholeCamera = CAMERA) -> TrueView:
    """Cast the exact depth of a scene from a pose."""
    depth = exact_depth(scene, pose, camera)
    depth_map = DepthMap(depth, camera, ratio_90=1.0)
    return TrueView(scene, pose, depth_map, np.asarray(pose.rotation).T @ (0.0, 0.0, 1.0))


def exact_depth(scene: Scene, pose: Pose, camera: PinholeCamera) -> np.ndarray:
    """Return the z-depth of the ray through each pixel's centre, float32 (H, W); +Inf: sky."""
    cameras = Cameras(
        torch.tensor(pose.rotation, dtype=torch.float32)[None],
        torch.tensor(pose.position, dtype=torch.float32)[None],
        camera.fx,
        camera.fy,
        camera.cx,
        camera.cy,
        camera.width,
        camera.height,
    )
    depth, _ = raycast(World.of([scene.shapes], torch.device("cpu")), cameras)
    return cameras.untile(depth)[0].contiguous().numpy()


def occupied(view: TrueView, box: SweptBox, grow_m: float) -> bool:
    """Return whether any shape of the scene reaches into the box, grown (or shrunk) on all sides.

    The bottom of a box on the ground is never lowered. Exact for boxes; round shapes are met by
    points 1 cm apart.
    """
    low, high = box.limits()
    low, high = low - grow_m, high + grow_m
    low[2] = max(low[2], box.bottom_m) if box.on_ground else low[2]
    if (low >= high).any():
        return False
    axes = box.axes @ view.pose.rotation.T
    middle = view.to_world(box.to_camera((low + high) / 2))
    shapes, half = view.scene.shapes, (high - low) / 2
    near = _spheres_touch(shapes, middle, float(np.linalg.norm(half)))
    boxes = near[shapes.kind[near] == BOX]
    if any(_boxes_touch(shapes, i, middle, axes, half) for i in boxes):
        return True
    return any(
        _round_touches(shapes, i, middle, axes, half) for i in near[shapes.kind[near] != BOX]
    )


def _spheres_touch(shapes, middle: np.ndarray, radius: float) -> np.ndarray:
    """Return which shapes' bounding spheres touch a sphere."""
    reach = np.linalg.norm(shapes.half, axis=1) + radius
    return np.flatnonzero(np.linalg.norm(shapes.centre - middle, axis=1) < reach)


def _boxes_touch(shapes, i: int, middle: np.ndarray, axes: np.ndarray, half: np.ndarray) -> bool:
    """Return whether two boxes overlap, by the 15 separating axes (Gottschalk et al. 1996)."""
    other = shapes.rotation[i].astype(np.float64).T
    candidates = [*axes, *other, *(np.cross(a, b) for a, b in product(axes, other))]
    for axis in candidates:
        if np.linalg.norm(axis) < 1e-6:
            continue
        distance = abs(axis @ (shapes.centre[i] - middle))
        reach = half @ np.abs(axes @ axis) + shapes.half[i] @ np.abs(other @ axis)
        if distance >= reach:
            return False
    return True


def _round_touches(shapes, i: int, middle: np.ndarray, axes: np.ndarray, half: np.ndarray) -> bool:
    """Return whether points of a cylinder's or an ellipsoid's surface lie in the box."""
    local = (
        _unit_cylinder(shapes.half[i])
        if shapes.kind[i] == CYLINDER
        else _unit_ball(shapes.half[i])
    )
    points = local * shapes.half[i] @ shapes.rotation[i].T + shapes.centre[i]
    return bool((np.abs((points - middle) @ axes.T) <= half).all(axis=1).any())


def _unit_cylinder(half: np.ndarray) -> np.ndarray:
    around = int(np.clip(2 * np.pi * max(half[:2]) / 0.01, 24, 720))
    upward = int(np.clip(2 * half[2] / 0.01, 2, 600))
    angle, z = np.meshgrid(np.linspace(0, 2 * np.pi, around), np.linspace(-1, 1, upward))
    side = np.stack([np.cos(angle), np.sin(angle), z], axis=-1).reshape(-1, 3)
    rings = np.linspace(0.05, 1, int(np.clip(max(half[:2]) / 0.01, 3, 60)))
    caps = [side[:around] * (r, r, 1) * (1, 1, s) for r in rings for s in (-1, 1)]
    return np.concatenate([side, *caps])


def _unit_ball(half: np.ndarray) -> np.ndarray:
    n = int(np.clip(np.pi * max(half) / 0.01, 24, 400))
    polar, angle = np.meshgrid(np.linspace(0, np.pi, n), np.linspace(0, 2 * np.pi, 2 * n))
    return np.stack(
        [np.sin(polar) * np.cos(angle), np.sin(polar) * np.sin(angle), np.cos(polar)], axis=-1
    ).reshape(-1, 3)


@dataclass(frozen=True)
class FinerView:
    """What finer rays of the same camera meet, in a box's frame: points (N, 3) and rays (N, 3)."""

    points: np.ndarray
    rays: np.ndarray
    origin: np.ndarray
    box: SweptBox

    @classmethod
    def of(cls, view: TrueView, box: SweptBox, finer: int = 2) -> "FinerView":
        """Cast ``finer`` times as many rays along each axis at the part of the view with the box.

        The part is that of the box's own window in the image, footprint included.
        """
        camera = view.depth_map.camera
        camera = camera.resized(camera.width * finer, camera.height * finer)
        window = replace(box, bottom_m=min(0.0, box.bottom_m)).grown(0.05).window(camera)
        if window is None:
            return cls(np.empty((0, 3)), np.empty((0, 3)), np.zeros(3), box)
        part = camera.cropped(
            window[1].start,
            window[0].start,
            window[1].stop - window[1].start,
            window[0].stop - window[0].start,
        )
        depth = exact_depth(view.scene, view.pose, part)
        v, u = np.mgrid[: part.height, : part.width]
        pixels = np.stack([u, v], axis=-1).reshape(-1, 2)
        rays = np.concatenate([part.normalise(pixels), np.ones((len(pixels), 1))], axis=1)
        known = np.isfinite(depth.reshape(-1))
        points = rays[known] * depth.reshape(-1, 1)[known]
        return cls(
            box.from_camera(points), rays[known] @ box.axes.T, box.from_camera(np.zeros(3)), box
        )

    def nearest_m(self, grow_m: float = 0.0, rays: int = 1) -> float:
        """Return x of the nearest surface within the box, grown to the sides and above; or Inf.

        ``rays``: so many of the rays must meet it.
        """
        low, high = self.box.limits()
        low, high = low - (0, grow_m, 0), high + (0, grow_m, grow_m)
        inside = ((self.points >= low) & (self.points <= high)).all(axis=1)
        ahead = np.sort(self.points[inside, 0])
        return float(ahead[rays - 1]) if len(ahead) >= rays else float("inf")

    def has_drop(self, depth_m: float) -> bool:
        """Return whether a ray passes through the floor below the box to something lower."""
        if not len(self.points):
            return False
        with np.errstate(divide="ignore", invalid="ignore"):
            at = self.origin - self.rays * (self.origin[2] / self.rays[:, 2])[:, None]
        low, high = self.box.limits()
        within = ((at[:, :2] >= low[:2]) & (at[:, :2] <= high[:2])).all(axis=1)
        return bool((within & (self.points[:, 2] < -depth_m) & (self.rays[:, 2] < 0)).any())
