"""A camera that walks through one scene after another: the live source of demo and tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.scenes import camera_poses
from depthlm_ros.scenes.render import Pose, render
from depthlm_ros.scenes.scene import Scene

SPEED_M_S = 0.4
"""How fast the camera walks."""
PAN_RAD = 0.35
"""How far it looks to either side on its way."""


@dataclass(frozen=True)
class RenderedFrame:
    """One image with its truth.

    ``rgb`` uint8 (H, W, 3). ``depth_m`` (z-depth), ``distance_m`` float32 (H, W), +Inf in the sky.
    ``normal`` float32 (H, W, 3), optical frame. ``object_id`` int16 (H, W): index into ``names``.
    """

    rgb: np.ndarray
    depth_m: np.ndarray
    distance_m: np.ndarray
    normal: np.ndarray
    object_id: np.ndarray
    names: tuple
    kind: str
    scene: int
    camera: PinholeCamera
    pose: Pose


@dataclass(frozen=True)
class _Path:
    """A way through a scene: from ``start`` to ``end`` (3,) [m], looking along ``yaw`` +- pan."""

    scene: Scene
    start: np.ndarray
    end: np.ndarray
    yaw: float
    pitch: float
    pan: float

    def pose(self, share: float) -> Pose:
        """Return the pose after a share of the way, 0 to 1."""
        position = self.start + share * (self.end - self.start)
        return Pose.looking(
            position, self.yaw + self.pan * np.sin(np.pi * (share - 0.5)), self.pitch
        )


class CameraPath:
    """Frames by number: a pure function of the arguments, in any order.

    ``camera``: of every frame. ``kinds``: of scenes, in turn. ``shots_per_scene``, ``rate_hz``:
    how long a scene lasts, and so how far the camera walks in it.
    """

    def __init__(
        self,
        camera: PinholeCamera,
        seed: int = 0,
        kinds: Sequence = ("room", "corridor", "street"),
        shots_per_scene: int = 30,
        rate_hz: float = 5.0,
        supersample: int = 1,
    ):
        unknown = [kind for kind in kinds if kind not in camera_poses.MAKERS]
        if unknown or not kinds:
            raise ValueError(
                f"kinds = {tuple(kinds)}: must be some of {', '.join(camera_poses.MAKERS)}"
            )
        if shots_per_scene < 1 or not rate_hz > 0:
            raise ValueError(
                f"shots_per_scene = {shots_per_scene}, rate_hz = {rate_hz}: must be positive"
            )
        self.camera, self.seed, self.kinds = camera, int(seed), tuple(kinds)
        self.shots_per_scene, self.rate_hz = int(shots_per_scene), float(rate_hz)
        self.supersample = int(supersample)
        self._path = lru_cache(maxsize=4)(self._make_path)

    def frame(self, index: int) -> RenderedFrame:
        """Render frame ``index`` >= 0."""
        number, step = divmod(int(index), self.shots_per_scene)
        path = self._path(number)
        pose = path.pose(step / max(1, self.shots_per_scene - 1))
        out = render([path.scene], [pose], self.camera, self.supersample, shadow_px=256)
        rgb, depth, distance, normal, objects = (
            getattr(out, name)[0].contiguous().numpy()
            for name in ("rgb", "depth_m", "distance_m", "normal", "object_id")
        )
        return RenderedFrame(
            rgb,
            depth,
            distance,
            normal,
            objects,
            path.scene.names,
            path.scene.kind,
            number,
            self.camera,
            pose,
        )

    def _make_path(self, number: int) -> _Path:
        """Choose the best of some ways: one that shows something at both ends."""
        kind = self.kinds[number % len(self.kinds)]
        scene = camera_poses.make_scene(kind, [self.seed, number])
        rng = np.random.default_rng([self.seed, number, 1])
        for _ in range(12):
            path = self._draw(scene, rng)
            if all(
                camera_poses.is_informative(scene, path.pose(share)) for share in (0.0, 0.5, 1.0)
            ):
                break
        return path

    def _draw(self, scene: Scene, rng: np.random.Generator) -> _Path:
        place, height = camera_poses.standing_place(scene, rng), camera_poses.camera_height(rng)
        yaw, pan = camera_poses.heading(scene, place, rng), rng.uniform(-PAN_RAD, PAN_RAD)
        length = SPEED_M_S * self.shots_per_scene / self.rate_hz
        end = place
        for reach in (length, length / 2, length / 4):
            ahead = place + reach * np.array([np.cos(yaw), np.sin(yaw)])
            if scene.free.line_is_free(place, ahead, camera_poses.BODY_M):
                end = ahead
                break
        pitch = rng.normal(-0.1 if height > 0.8 else 0.0, 0.06)
        return _Path(scene, np.array([*place, height]), np.array([*end, height]), yaw, pitch, pan)
