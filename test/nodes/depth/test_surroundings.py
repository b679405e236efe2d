"""The ground of TF at each image's time, and what stands in for it while /tf is behind."""

import asyncio
import time
from types import SimpleNamespace

import numpy as np
import pytest

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.nodes.depth.surroundings import Surroundings
from depthlm_ros.status import Code, StatusError

S = 1_000_000_000
CAMERA = PinholeCamera(50.0, 50.0, 31.5, 23.5, 64, 48)


class Lift:
    """TF of a camera that looks level and rises: at t seconds it is t / 10 m over the base."""

    def __init__(self, known_until_s):
        self.until_s, self.asked, self.waited = known_until_s, [], []

    def now(self, target, source, stamp_ns):
        """Take points of the base (z up) to the optical frame (y down)."""
        self.asked.append((target, source))
        if stamp_ns > self.until_s * S:
            raise StatusError(Code.NO_TF, f"/tf is behind {stamp_ns / S:g} s")
        shift = np.array([0.0, stamp_ns / S / 10, 0.0])
        turn = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
        return lambda points: np.asarray(points, np.float64) @ turn.T + shift

    async def into(self, target, source, stamp_ns, until):
        """Wait for it."""
        self.waited.append(until - time.monotonic())
        return self.now(target, source, stamp_ns)


def surroundings(transforms, **changed):
    values = {
        "ground_source": "tf",
        "base_frame": "base",
        "obstacle_min_height_m": 0.05,
        "max_drop_m": 0.05,
        "camera_height_m": 0.0,
        "camera_pitch_rad": 0.0,
    }
    values = SimpleNamespace(**{**values, **changed})
    node = SimpleNamespace(parameters=SimpleNamespace(values=values), transforms=transforms)
    return Surroundings(node), values


def floor(seconds, height_m):
    """Return the depth of a level floor below the camera, at a time."""
    v = np.arange(48.0)[:, None] - 23.5
    with np.errstate(divide="ignore"):
        depth = np.where(v > 0, height_m * 50.0 / v, np.inf)
    depth = np.broadcast_to(depth, (48, 64)).astype(np.float32)
    return DepthMap(depth, CAMERA, stamp_ns=int(seconds * S), frame_id="camera")


def test_the_ground_is_that_of_the_images_own_time():
    around, _ = surroundings(Lift(100.0))
    for seconds in (4.0, 9.0, 5.0):
        found = around.obstacles(floor(seconds, seconds / 10)).ground_plane
        assert found.height_m == pytest.approx(seconds / 10)
        assert found.up == pytest.approx((0.0, -1.0, 0.0))
        assert found.confidence > 0.9  # and the floor is where TF says
    assert around.obstacles(floor(9.0, 0.6)).ground_plane.support < 0.1  # here it is not


def test_where_tf_is_behind_the_last_ground_stands_in_for_half_a_second():
    tf = Lift(4.0)
    around, values = surroundings(tf)
    assert around.obstacles(floor(4.0, 0.4)).ground_plane.height_m == pytest.approx(0.4)
    assert around.obstacles(floor(4.4, 0.4)).ground_plane.height_m == pytest.approx(0.4)
    late = around.obstacles(floor(4.6, 0.4))
    assert late.ground_plane is None and late.height_m is None
    assert around.why_no_ground() == "/tf is behind 4.6 s"
    values.base_frame = "other"  # of another frame nothing is known
    assert around.obstacles(floor(4.3, 0.4)).ground_plane is None
    values.base_frame = "base"
    around.forget()
    assert around.obstacles(floor(4.4, 0.4)).ground_plane is None
    tf.until_s = 5.0
    assert around.obstacles(floor(4.6, 0.46)).ground_plane.height_m == pytest.approx(0.46)


def test_a_request_waits_a_little_and_not_beyond_its_deadline():
    tf = Lift(4.0)
    around, values = surroundings(tf)
    for allowed, waited in ((20.0, 0.3), (0.1, 0.1)):
        found = asyncio.run(around.obstacles_for(floor(9.0, 0.4), time.monotonic() + allowed))
        assert found.ground_plane is None
        assert 0 < tf.waited.pop() <= waited + 0.01
    values.ground_source = "fit"
    asyncio.run(around.obstacles_for(floor(9.0, 0.4), time.monotonic() + 20.0))
    assert not tf.waited


def test_a_camera_below_the_base_has_no_ground():
    around, _ = surroundings(Lift(100.0))
    found = around.obstacles(floor(-1.0, 0.4))
    assert found.ground_plane is None and "must be positive" in around.why_no_ground()
