"""Where cameras stand: heights of robots and of hands, looking where there is something to see."""

import numpy as np
import torch

from depthlm_ros.scenes.raycast import Cameras, World, raycast
from depthlm_ros.scenes.render import Pose
from depthlm_ros.scenes.rooms import make_corridor, make_room
from depthlm_ros.scenes.scene import Scene
from depthlm_ros.scenes.street import make_street

MAKERS = {"room": make_room, "corridor": make_corridor, "street": make_street}
MIXTURE = {"room": 0.6, "corridor": 0.12, "street": 0.28}
"""Share of each kind among the images to train on and to measure with."""
HEIGHTS_M = ((0.2, 0.5, 0.2), (0.5, 1.0, 0.2), (1.0, 1.8, 0.6))
"""Camera heights (low, high, share): floor robots, service robots, masts and hands."""
BODY_M = 0.2
"""Half width that a camera keeps free around itself."""


def make_scene(kind: str, seed) -> Scene:
    """Make a scene of a kind: "room", "corridor" or "street"; ``seed``: int or list of ints."""
    if kind not in MAKERS:
        raise ValueError(f"kind = {kind!r}: known are {', '.join(MAKERS)}")
    return MAKERS[kind](seed)


def draw_kind(rng: np.random.Generator) -> str:
    """Draw a kind of scene in the shares of MIXTURE."""
    return str(rng.choice(list(MIXTURE), p=list(MIXTURE.values())))


def camera_height(rng: np.random.Generator) -> float:
    """Draw a camera's height above the ground [m]."""
    low, high, _ = HEIGHTS_M[rng.choice(len(HEIGHTS_M), p=[share for *_, share in HEIGHTS_M])]
    return rng.uniform(low, high)


def standing_place(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Draw a free place to stand, (x, y); the ground's middle when everything is taken."""
    ground = scene.free
    reach = 25.0 if scene.kind == "street" else np.inf
    for _ in range(200):
        x = rng.uniform(max(ground.x[0], -reach), min(ground.x[1], reach))
        y = rng.uniform(*ground.y)
        if ground.is_free(x, y, BODY_M, BODY_M):
            return np.array([x, y])
    return np.array([sum(ground.x) / 2, sum(ground.y) / 2])


def heading(scene: Scene, place: np.ndarray, rng: np.random.Generator) -> float:
    """Draw a heading [rad]: rooms: mostly away from the nearest wall; long scenes: along them."""
    if scene.kind != "room":
        along = rng.choice([0.0, np.pi])
        return along + (rng.normal(0, 0.35) if rng.random() < 0.75 else rng.uniform(-np.pi, np.pi))
    if rng.random() < 0.25:
        return rng.uniform(-np.pi, np.pi)
    middle = np.array([sum(scene.free.x) / 2, sum(scene.free.y) / 2])
    return np.arctan2(*(middle - place)[::-1]) + rng.normal(0, 0.6)


def random_pose(scene: Scene, rng: np.random.Generator) -> Pose:
    """Draw a camera pose: height, place, heading, pitch and a slight roll."""
    place, height = standing_place(scene, rng), camera_height(rng)
    pitch = rng.normal(-0.1 if height > 0.8 else 0.02, 0.14)
    return Pose.looking(
        [*place, height],
        heading(scene, place, rng),
        np.clip(pitch, -0.6, 0.35),
        rng.normal(0.0, 0.03),
    )


def informative_pose(scene: Scene, rng: np.random.Generator, tries: int = 8) -> Pose:
    """Draw a pose from which there is something to tell a size by; the last one if none is."""
    for _ in range(tries):
        pose = random_pose(scene, rng)
        if is_informative(scene, pose):
            break
    return pose


def is_informative(scene: Scene, pose: Pose) -> bool:
    """Return whether a view lets sizes be told: a bare wall teaches nothing and answers nothing.

    A quick look must see parts of four things or more, nothing nearer than 0.25 m, and half of the
    rays beyond 0.8 m.
    """
    depth, things = _quick_look(scene, pose)
    return things >= 4 and depth.min() > 0.25 and bool(np.median(depth) > 0.8)


def _quick_look(scene: Scene, pose: Pose) -> tuple[np.ndarray, int]:
    """Return z-depth (32, 48) [m] and how many objects cover 4 rays or more."""
    world = World.of([scene.shapes], torch.device("cpu"))
    cameras = Cameras(
        torch.tensor(pose.rotation, dtype=torch.float32)[None],
        torch.tensor(pose.position, dtype=torch.float32)[None],
        32.0,
        32.0,
        23.5,
        15.5,
        48,
        32,
    )
    depth, shape = (cameras.untile(x)[0] for x in raycast(world, cameras))
    objects = torch.where(shape >= 0, world.object_id[shape.clamp_min(0)], 0)
    return depth.numpy(), int((torch.bincount(objects.flatten()) >= 4).sum())
