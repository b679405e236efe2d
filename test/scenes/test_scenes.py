"""Scenes: sizes that are true, ground that is free, the same again by the same seed."""

import numpy as np
import pytest

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.scenes import equipment, furniture, street
from depthlm_ros.scenes.camera_path import CameraPath
from depthlm_ros.scenes.camera_poses import (
    MAKERS,
    informative_pose,
    is_informative,
    make_scene,
    standing_place,
)
from depthlm_ros.scenes.primitives import Builder
from depthlm_ros.scenes.scene import Ground

CAMERA = PinholeCamera(60.0, 60.0, 39.5, 29.5, 80, 60)


def built(thing, seed=0) -> tuple:
    b = Builder(np.random.default_rng(seed))
    footprint = thing(b)
    shapes = b.shapes()
    # Corners of the boxes around all shapes, turned with them.
    signs = np.array([[(c >> k & 1) * 2 - 1 for k in range(3)] for c in range(8)])
    corners = np.einsum("nij,ncj->nci", shapes.rotation, signs * shapes.half[:, None])
    corners = corners + shapes.centre[:, None]
    return corners.reshape(-1, 3), footprint, b.names


STANDARD = {  # name: top [m], low and high, as sold and as grown
    furniture.table: (0.7, 1.1),  # 0.72 to 0.76 and what lies on it
    furniture.chair: (0.76, 1.12),
    furniture.sofa: (0.74, 1.0),
    furniture.bed: (0.79, 1.15),
    furniture.fridge: (1.44, 2.02),
    equipment.person: (1.45, 2.0),
    furniture.shelf: (0.6, 2.4),
    street.car: (1.35, 2.55),
    street.waste_bin: (1.06, 1.08),
    street.bollard: (0.8, 1.0),
}


@pytest.mark.parametrize("thing", STANDARD, ids=lambda thing: thing.__name__)
@pytest.mark.parametrize("seed", range(12))
def test_things_have_their_standard_heights(thing, seed):
    corners, footprint, names = built(thing, seed)
    low, high = STANDARD[thing]
    assert low <= corners[:, 2].max() <= high
    assert corners[:, 2].min() == pytest.approx(0.0, abs=0.1)
    assert names[0] == "sky" and len(names) > 1
    assert min(footprint) > 0.05 and max(footprint) < 3.0


def test_things_keep_within_their_footprint():
    """Up to what hangs over it a little: arms, cushions, handles."""
    for thing in (furniture.table, furniture.cabinet, equipment.rack, street.car, furniture.bed):
        for seed in range(8):
            corners, (hx, hy), _ = built(thing, seed)
            assert abs(corners[:, 0]).max() <= hx + 0.15
            assert abs(corners[:, 1]).max() <= hy + 0.15


def test_ground_by_hand():
    ground = Ground((0.0, 4.0), (0.0, 2.0))
    assert ground.is_free(2.0, 1.0, 1.9, 0.9)
    assert not ground.is_free(2.0, 1.0, 2.1, 0.9)  # beyond the wall
    ground.take(3.0, 1.0, 0.5, 0.2)
    assert not ground.is_free(2.3, 1.0, 0.3, 0.1)
    assert ground.is_free(2.0, 1.0, 0.3, 0.1)
    assert ground.is_free(3.0, 1.6, 0.5, 0.2)
    # Turned by 90 degrees the same rectangle reaches along y instead.
    assert not ground.is_free(3.0, 1.6, 0.5, 0.2, np.pi / 2)
    assert ground.line_is_free((0.5, 1.0), (2.0, 1.0), 0.2)
    assert not ground.line_is_free((0.5, 1.0), (3.5, 1.0), 0.2)


@pytest.mark.parametrize("kind", MAKERS)
def test_same_seed_same_scene_and_another_seed_another(kind):
    one, two, other = (make_scene(kind, seed) for seed in ([3, 1], [3, 1], [3, 2]))
    for name in ("kind", "centre", "half", "rotation", "material", "object_id"):
        np.testing.assert_array_equal(getattr(one.shapes, name), getattr(two.shapes, name))
    assert len(one.shapes) != len(other.shapes) or not np.array_equal(
        one.shapes.centre, other.shapes.centre
    )
    assert one.shapes.object_id.max() == len(one.names) - 1
    assert one.kind == kind


def test_rooms_and_corridors_have_true_proportions():
    rooms = [make_scene("room", [11, i]) for i in range(30)]
    heights = []
    for room in rooms:
        ceiling = room.names.index("ceiling")
        row = np.flatnonzero(room.shapes.object_id == ceiling)[0]
        heights.append(room.shapes.centre[row, 2] - room.shapes.half[row, 2])
        assert {"floor", "ceiling", "wall"} <= set(room.names)
    assert min(heights) >= 2.3 and max(heights) <= 6.0
    assert np.median(heights) == pytest.approx(2.6, abs=0.35)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_camera_stands_on_free_ground_and_sees_something(kind):
    telling = 0
    for i in range(6):
        scene, rng = make_scene(kind, [5, i]), np.random.default_rng(i)
        x, y = standing_place(scene, rng)
        assert scene.free.is_free(x, y, 0.15, 0.15)
        pose = informative_pose(scene, rng)
        telling += is_informative(scene, pose)
        assert 0.2 <= pose.position[2] <= 1.8
        np.testing.assert_allclose(pose.rotation @ pose.rotation.T, np.eye(3), atol=1e-12)
    assert telling >= 4


def test_unknown_kind_is_named():
    with pytest.raises(ValueError, match="'moon': known are room, corridor, street"):
        make_scene("moon", 1)
    with pytest.raises(ValueError, match="must be some of"):
        CameraPath(CAMERA, kinds=("room", "moon"))
    with pytest.raises(ValueError, match="must be positive"):
        CameraPath(CAMERA, rate_hz=0.0)


def test_walk_is_a_function_of_its_arguments_alone():
    one, two = (
        CameraPath(CAMERA, seed=4, shots_per_scene=3),
        CameraPath(CAMERA, seed=4, shots_per_scene=3),
    )
    forwards = [one.frame(i) for i in range(5)]
    for i in (4, 0, 2):
        again = two.frame(i)
        np.testing.assert_array_equal(again.rgb, forwards[i].rgb)
        np.testing.assert_array_equal(again.depth_m, forwards[i].depth_m)
    assert [s.scene for s in forwards] == [0, 0, 0, 1, 1]
    assert [s.kind for s in forwards] == ["room"] * 3 + ["corridor"] * 2
    other = CameraPath(CAMERA, seed=5, shots_per_scene=3).frame(0)
    assert not np.array_equal(other.rgb, forwards[0].rgb)


def test_a_shot_keeps_the_contracts():
    shot = CameraPath(CAMERA, seed=1, kinds=("street",)).frame(7)
    assert shot.rgb.dtype == np.uint8 and shot.rgb.shape == (60, 80, 3)
    assert shot.rgb.flags.c_contiguous
    assert shot.depth_m.dtype == np.float32 and (shot.depth_m > 0).all()
    seen = np.isfinite(shot.depth_m)
    x, y = (np.arange(80) - 39.5) / 60, (np.arange(60) - 29.5) / 60
    stretch = np.sqrt(1 + x[None] ** 2 + y[:, None] ** 2)
    np.testing.assert_allclose(shot.distance_m[seen], (shot.depth_m * stretch)[seen], rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(shot.normal[seen], axis=-1), 1.0, atol=1e-5)
    assert shot.names[0] == "sky" and (shot.object_id[~seen] == 0).all()
    assert shot.object_id.max() < len(shot.names)


def test_the_camera_walks_towards_what_it_sees():
    """Between two shots of a walk the truth itself must agree: points seen stay where they are."""
    walk = CameraPath(CAMERA, seed=2, kinds=("corridor",), shots_per_scene=10)
    a, b = walk.frame(0), walk.frame(3)
    pixels = np.stack(np.meshgrid(np.arange(20, 60, 7), np.arange(20, 40, 5)), -1)
    depth = a.depth_m[pixels[..., 1], pixels[..., 0]]
    world = CAMERA.unproject(pixels, depth) @ a.pose.rotation.T + a.pose.position
    there = (world - b.pose.position) @ b.pose.rotation
    seen = CAMERA.project(there)
    inside = CAMERA.contains(seen)
    at = np.rint(np.where(inside[..., None], seen, 0)).astype(int)
    agree = np.abs(b.depth_m[at[..., 1], at[..., 0]] - there[..., 2]) < 0.06 * there[..., 2]
    assert inside.sum() >= 8
    assert agree[inside].mean() > 0.8  # the rest: hidden, or on a slanted surface between pixels
