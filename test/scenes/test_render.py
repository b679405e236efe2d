"""Truth of rendered pictures, and what light and textures do, by numbers worked out by hand."""

import numpy as np
import pytest
import torch

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.scenes import textures
from depthlm_ros.scenes.camera_poses import informative_pose, make_scene
from depthlm_ros.scenes.materials import CHECKER, STRIPES, TILES, Material
from depthlm_ros.scenes.primitives import Builder
from depthlm_ros.scenes.render import Pose, render
from depthlm_ros.scenes.scene import Ground, Scene

CAMERA = PinholeCamera(30.0, 25.0, 19.5, 11.5, 40, 24)


def stage(fill, sun=(0.0, 0.0, 1.0), power=1.0, ambient=0.2) -> Scene:
    """Return an outdoor scene of what ``fill(builder)`` adds, under a sun."""
    b = Builder(np.random.default_rng(0))
    fill(b)
    return Scene(
        "street",
        b.shapes(),
        tuple(b.names),
        Ground((-5, 5), (-5, 5)),
        np.array([sun], dtype=float),
        np.full((1, 3), power),
        (ambient,) * 3,
        sun=True,
    )


def floor_and_wall(b: Builder) -> None:
    b.begin("floor")
    b.box((-50, 50), (-50, 50), (-1, 0), Material((0.5, 0.5, 0.5), noise=0.0))
    b.begin("wall")
    b.box((4, 5), (-50, 50), (0, 50), Material((0.5, 0.5, 0.5), noise=0.0))


def test_truth_of_a_wall_and_a_floor():
    out = render([stage(floor_and_wall)], [Pose.looking([0, 0, 1.0], 0.0)], CAMERA)
    depth, distance = out.depth_m[0].numpy(), out.distance_m[0].numpy()
    assert depth[5, 20] == pytest.approx(4.0, abs=1e-5)
    ray = np.sqrt(1 + (0.5 / 30) ** 2 + (6.5 / 25) ** 2)  # through pixel (20, 5)
    assert distance[5, 20] == pytest.approx(4.0 * ray, abs=1e-4)
    assert depth[23, 3] == pytest.approx(25.0 / 11.5, abs=1e-5)  # h fy / (v - cy)
    np.testing.assert_allclose(out.normal[0, 5, 20], [0, 0, -1], atol=1e-6)  # towards the camera
    np.testing.assert_allclose(out.normal[0, 23, 3], [0, -1, 0], atol=1e-6)  # up
    assert (out.object_id[0, 23, 3], out.object_id[0, 5, 20]) == (1, 2)
    assert out.rgb.dtype == torch.uint8 and out.rgb.shape == (1, 24, 40, 3)


def test_the_sky_is_infinitely_far():
    def fill(b):
        b.begin("box")
        b.box((3, 4), (-0.1, 0.1), (0, 1), Material((1.0, 1.0, 1.0)))

    scene = stage(fill)
    out = render([scene], [Pose.looking([0, 0, 1.0], 0.0)], CAMERA)
    assert torch.isinf(out.depth_m[0, 0]).all() and torch.isinf(out.distance_m[0, 0]).all()
    assert (out.object_id[0, 0] == 0).all() and (out.normal[0, 0] == 0).all()


def test_lambert_and_shadow():
    """Under a sun at 45 degrees a floor gets cos 45 of it, and none behind a screen."""
    sun = np.array([-1.0, 0.0, 1.0]) / np.sqrt(2)  # from behind the camera

    def fill(b):
        b.begin("floor")
        b.box((-50, 50), (-50, 50), (-1, 0), Material((0.5, 0.5, 0.5), noise=0.0))
        b.begin("screen")  # throws its shadow from x = 3 to x = 5 on the floor
        b.box((2.99, 3.0), (-50, 50), (1.0, 2.0), Material((0.5, 0.5, 0.5), noise=0.0))

    pose = Pose.looking([0, 0, 8.0], 0.0, -1.2)
    out = render([stage(fill, sun)], [pose], CAMERA, supersample=1, shadow_px=512)
    points = CAMERA.unproject(np.stack(np.meshgrid(range(40), range(24)), -1), out.depth_m[0])
    ground = points @ pose.rotation.T + pose.position
    on_floor = out.object_id[0].numpy() == 1
    level = (out.rgb[0].numpy().mean(-1) / 255.0) ** 2.2
    level = 0.5 * ((4 * level - 4) + np.sqrt((4 * level - 4) ** 2 + 16 * level))  # undo the curve
    dark = level[on_floor & (abs(ground[..., 0] - 4.5) < 0.3)]  # the shadow: 4 to 5
    bright = level[on_floor & ((abs(ground[..., 0] - 2.0) < 0.8) | (ground[..., 0] > 5.6))]
    assert len(dark) > 20 and len(bright) > 100
    assert np.median(dark) / np.median(bright) == pytest.approx(0.2 / (0.2 + 0.5**0.5), rel=0.05)


def albedo(material: Material, u, footprint=1e-4) -> np.ndarray:
    rows = torch.from_numpy(material.row(np.random.default_rng(0))).repeat(len(u), 1)
    rows[:, 14:] = 0.0  # no random phase
    uv = torch.stack([torch.as_tensor(u, dtype=torch.float32), torch.full((len(u),), 0.5)], 1)
    return textures.albedo(rows, uv, torch.full((len(u),), footprint))[:, 0].numpy()


def test_tiles_have_their_joints_where_they_belong():
    tiles = Material((0.8,) * 3, (0.1,) * 3, TILES, (0.3, 9.0), line=0.01, noise=0.0)
    found = albedo(tiles, [0.15, 0.299, 0.303, 0.31, 0.45, 0.6])
    np.testing.assert_allclose(found, [0.8, 0.1, 0.1, 0.8, 0.8, 0.1], atol=1e-5)


def test_patterns_keep_their_mean_when_a_pixel_covers_them():
    """Stripes of 2 cm every 10 cm are a fifth of the surface, seen from near or far."""
    stripes = Material((1.0,) * 3, (0.0,) * 3, STRIPES, (0.1, 1.0), line=0.02, noise=0.0)
    near = albedo(stripes, np.arange(0, 2, 0.001), 1e-4)
    assert near.mean() == pytest.approx(0.8, abs=0.01)
    middle = albedo(stripes, np.arange(0, 2, 0.001), 0.05)
    assert middle.mean() == pytest.approx(0.8, abs=0.01)
    assert middle.std() < near.std()
    checker = Material((1.0,) * 3, (0.0,) * 3, CHECKER, (0.3, 0.3), noise=0.0)
    np.testing.assert_allclose(albedo(checker, [0.1, 0.4], 1.0), 0.5, atol=1e-6)
    np.testing.assert_allclose(albedo(checker, [0.1, 0.4]), [0.0, 1.0], atol=1e-6)


def test_a_batch_is_its_pictures_one_by_one():
    scenes = [make_scene(kind, [7, i]) for i, kind in enumerate(("room", "corridor", "street"))]
    poses = [informative_pose(s, np.random.default_rng([7, i])) for i, s in enumerate(scenes)]
    together = render(scenes, poses, CAMERA)
    for i, (scene, pose) in enumerate(zip(scenes, poses, strict=True)):
        alone = render([scene], [pose], CAMERA)
        torch.testing.assert_close(alone.depth_m[0], together.depth_m[i], rtol=1e-5, atol=1e-5)
        off = (alone.rgb[0].int() - together.rgb[i].int()).abs()
        assert off.float().mean() < 0.5
        again = render([scene], [pose], CAMERA)
        assert torch.equal(again.rgb, alone.rgb) and torch.equal(again.depth_m, alone.depth_m)
