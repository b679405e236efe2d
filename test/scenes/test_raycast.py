"""Rays at shapes: distances worked out by hand, and a slow independent caster in float64."""

import numpy as np
import pytest
import torch

from depthlm_ros.scenes.materials import Material
from depthlm_ros.scenes.primitives import (
    BOX,
    CYLINDER,
    Builder,
    rotation_x,
    rotation_y,
    rotation_z,
)
from depthlm_ros.scenes.raycast import Cameras, World, raycast
from depthlm_ros.scenes.render import Pose

GREY = Material((0.5, 0.5, 0.5))


def cameras(pose: Pose, width: int = 40, height: int = 24, fx: float = 30.0, fy: float = 25.0):
    return Cameras(
        torch.tensor(pose.rotation, dtype=torch.float32)[None],
        torch.tensor(pose.position, dtype=torch.float32)[None],
        fx,
        fy,
        (width - 1) / 2,
        (height - 1) / 2,
        width,
        height,
    )


def look(builder: Builder, pose: Pose, **size) -> tuple[np.ndarray, np.ndarray]:
    """Return z-depth and shape index, (H, W)."""
    world = World.of([builder.shapes()], torch.device("cpu"))
    seen = cameras(pose, **size)
    return tuple(seen.untile(part)[0].numpy() for part in raycast(world, seen))


def builder() -> Builder:
    made = Builder(np.random.default_rng(0))
    made.begin("thing")
    return made


def test_floor_is_as_far_as_its_row_says():
    b = builder()
    b.box((-500, 500), (-500, 500), (-1, 0), GREY)
    depth, _ = look(b, Pose.looking([0, 0, 1.5], 0.0))
    rows = np.arange(24) - 11.5
    below = rows > 0
    expected = 1.5 * 25.0 / rows[below]  # z = h fy / (v - cy)
    np.testing.assert_allclose(depth[below], np.repeat(expected[:, None], 40, 1), rtol=2e-5)
    assert np.isinf(depth[~below]).all()


@pytest.mark.parametrize("shape", ["box", "cylinder", "ellipsoid"])
def test_front_of_a_shape_ahead(shape):
    b = builder()
    if shape == "box":
        b.box((3, 5), (-1, 1), (0, 2), GREY)
    elif shape == "cylinder":
        b.cylinder(4, 0, (0, 2), 1.0, GREY)
    else:
        b.ellipsoid(4, 0, 1, 1.0, GREY)
    depth, index = look(b, Pose.looking([0, 0, 1.0], 0.0), width=41, height=25)
    assert depth[12, 20] == pytest.approx(3.0, abs=1e-5)
    assert index[12, 20] == 0
    off = (3 / 30.0) ** 2  # three pixels beside the middle: x = 3 / 30, and a unit circle at 4
    ray = depth[12, 23]
    assert ray == pytest.approx(
        3.0 if shape == "box" else (4 - np.sqrt(16 - 15 * (1 + off))) / (1 + off), abs=1e-5
    )


def test_nearest_wins_and_behind_the_camera_nothing_is_seen():
    b = builder()
    b.box((6, 7), (-9, 9), (-9, 9), GREY)
    b.box((2, 3), (-0.1, 0.1), (0.9, 1.1), GREY)
    b.box((-3, -2), (-9, 9), (-9, 9), GREY)
    depth, index = look(b, Pose.looking([0, 0, 1.0], 0.0), width=41, height=25)
    assert (depth[12, 20], index[12, 20]) == (2.0, 1)
    assert (depth[2, 2], index[2, 2]) == (6.0, 0)
    assert set(np.unique(index)) == {0, 1}


def test_turned_shapes_in_turned_frames():
    """A thin plate whose normal points at the camera, put up by at() and a rotation of its own."""
    b = builder()
    b.at(5, 0, np.pi / 2)
    b.box((-2, 2), (-0.01, 0.01), (0, 2), GREY)  # in the world: thin along x, wide along y
    depth, _ = look(b, Pose.looking([0, 0, 1.0], 0.0), width=41, height=25)
    assert depth[12, 20] == pytest.approx(4.99, abs=1e-4)
    b = builder()
    b.box((4, 6), (-2, 2), (0.99, 1.01), GREY, rotation_y(np.pi / 2))  # stood up on its edge
    depth, _ = look(b, Pose.looking([0, 0, 1.0], 0.0), width=41, height=25)
    assert depth[12, 20] == pytest.approx(4.99, abs=1e-4)


def slow_hit(kind, origin, ray) -> float:
    """Return where a ray enters a unit shape, by stepping over all its surfaces in float64."""
    found = []

    def inside(p):
        if kind == BOX:
            return np.abs(p).max() <= 1 + 1e-9
        if kind == CYLINDER:
            return np.hypot(p[0], p[1]) <= 1 + 1e-9 and abs(p[2]) <= 1 + 1e-9
        return np.linalg.norm(p) <= 1 + 1e-9

    flats = {BOX: (0, 1, 2), CYLINDER: (2,)}.get(kind, ())
    for axis in flats:
        for side in (-1, 1):
            found.append((side - origin[axis]) / ray[axis])
    round_axes = {CYLINDER: 2}.get(kind, 3 if kind != BOX else 0)
    if round_axes:
        o, d = origin[:round_axes], ray[:round_axes]
        roots = np.roots([d @ d, 2 * o @ d, o @ o - 1])
        found += [r.real for r in roots if abs(r.imag) < 1e-12]
    hits = [t for t in found if t > 0.03 and inside(origin + t * ray)]
    return min(hits, default=np.inf)


def test_against_a_slow_caster_of_another_make():
    rng = np.random.default_rng(5)
    b = Builder(rng)
    for _ in range(14):
        b.begin("thing")
        b.at(*rng.uniform((2, -3), (8, 3)), rng.uniform(0, 6), rng.uniform(-1, 1))
        turn = rotation_x(rng.uniform(0, 3)) @ rotation_z(rng.uniform(0, 3))
        half = rng.uniform(0.1, 1.0, 3)
        kind = rng.integers(3)
        if kind == 0:
            b.box((-half[0], half[0]), (-half[1], half[1]), (-half[2], half[2]), GREY, turn)
        elif kind == 1:
            b.cylinder(0, 0, (-half[2], half[2]), half[:2], GREY, turn)
        else:
            b.ellipsoid(0, 0, 0, half, GREY)
    pose = Pose.looking([0, 0, 0.5], 0.1, 0.05, 0.2)
    depth, index = look(b, pose)
    shapes = b.shapes()
    for v in range(0, 24, 3):
        for u in range(0, 40, 3):
            ray = pose.rotation @ [(u - 19.5) / 30, (v - 11.5) / 25, 1.0]
            hits = []
            for i in range(len(shapes)):
                back = shapes.rotation[i].astype(float).T
                origin = back @ (pose.position - shapes.centre[i]) / shapes.half[i]
                hits.append(slow_hit(shapes.kind[i], origin, back @ ray / shapes.half[i]))
            nearest = min(hits)
            grazing = sum(abs(h - nearest) < 1e-3 for h in hits) > 1
            if np.isfinite(depth[v, u]) != np.isfinite(nearest):
                continue  # a silhouette: float32 and float64 may differ on a hair
            assert depth[v, u] == pytest.approx(nearest, rel=1e-3)
            assert grazing or index[v, u] == (-1 if np.isinf(nearest) else np.argmin(hits))
    assert 0.2 < np.isfinite(depth).mean() < 0.98
