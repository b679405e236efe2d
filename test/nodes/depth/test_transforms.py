"""Transforms across time, by hand: a robot that drives along x, and a camera on it.

With the stand-in of fake_tf2; TEST_WITH_TF2=real takes the installed tf2_ros instead.
"""

import asyncio
import importlib
import math
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from rclpy.clock import ClockType

from depthlm_ros.nodes.depth.transforms import Transforms
from depthlm_ros.status import Code, StatusError

S = 1_000_000_000


@pytest.fixture
def tf2(monkeypatch):
    """Return the module tf2_ros that the tests run with."""
    if os.environ.get("TEST_WITH_TF2") != "real":
        monkeypatch.syspath_prepend(str(Path(__file__).with_name("fake_tf2")))
        monkeypatch.delitem(sys.modules, "tf2_ros", raising=False)
    module = importlib.import_module("tf2_ros")
    monkeypatch.setattr(module, "TransformListener", lambda *_, **__: object())
    return module


def told(parent, child, seconds, x=0.0, turn=(0.0, 0.0, 0.0, 1.0)):
    message = TransformStamped()
    message.header.frame_id, message.child_frame_id = parent, child
    message.header.stamp.sec = int(seconds)
    message.transform.translation.x = float(x)
    q = message.transform.rotation
    q.x, q.y, q.z, q.w = turn
    return message


@pytest.fixture
def transforms(tf2):
    """Give Transforms whose buffer knows odom -> cam, driving at 1 m/s from 10 s to 12 s."""
    clock = SimpleNamespace(clock_type=ClockType.ROS_TIME)
    values = SimpleNamespace(tf_fixed_frame="odom")
    node = SimpleNamespace(
        get_clock=lambda: clock, parameters=SimpleNamespace(values=values), values=values
    )

    async def wait_for(future, until):
        while not future.done():
            if time.monotonic() > until:
                raise StatusError(Code.DEADLINE, "late")
            await asyncio.sleep(0.01)

    made = Transforms(node, wait_for)
    assert made.listen() and made.listen()
    for seconds in (10, 12):
        made._buffer.set_transform(told("odom", "cam", seconds, seconds - 10), "test")
        made._buffer.set_transform(told("odom", "arm", seconds, 5.0), "test")
        made._buffer.set_transform(told("island", "rock", seconds), "test")
    return made


def into(transforms, target, source, seconds, source_s=0.0, within=0.1, point=(1.0, 0.0, 0.0)):
    async def run():
        until = time.monotonic() + within
        return await transforms.into(target, source, int(seconds * S), until, int(source_s * S))

    return asyncio.run(run())(point)


def test_a_point_of_the_world_is_seen_at_the_images_time(transforms):
    # at 11 s the camera is at x = 1: what is at odom x = 1 is at its origin
    assert into(transforms, "cam", "odom", 11) == pytest.approx((0.0, 0.0, 0.0))
    assert into(transforms, "cam", "odom", 12) == pytest.approx((-1.0, 0.0, 0.0))
    assert into(transforms, "odom", "cam", 12) == pytest.approx((3.0, 0.0, 0.0))


def test_a_point_of_a_moving_frame_is_carried_through_the_fixed_one(transforms):
    # clicked at 12 s, 1 m before the camera: odom x = 3; the image is of 10 s, camera at 0
    assert into(transforms, "cam", "cam", 10, 12) == pytest.approx((3.0, 0.0, 0.0))
    assert into(transforms, "cam", "cam", 12, 12) == pytest.approx((1.0, 0.0, 0.0))
    assert into(transforms, "cam", "cam", 12) == pytest.approx((1.0, 0.0, 0.0))


def test_the_pose_at_a_time_without_waiting(transforms):
    pose = transforms.pose_now("cam", 11 * S)
    assert pose[:3, 3] == pytest.approx((1.0, 0.0, 0.0))  # 1 m/s since 10 s
    np.testing.assert_allclose(pose[:3, :3], np.eye(3), atol=1e-12)
    assert transforms.pose_now("cam", 13 * S) is None  # not told yet
    assert transforms.pose_now("nobody", 11 * S) is None
    transforms._node.values.tf_fixed_frame = ""
    assert transforms.pose_now("cam", 11 * S) is None


def test_a_turned_pose_has_the_frames_axes_as_columns(transforms):
    half = math.sqrt(0.5)  # a quarter turn about z: the frame's x is odom's y
    transforms._buffer.set_transform(told("odom", "top", 11, x=2.0, turn=(0, 0, half, half)), "t")
    pose = transforms.pose_now("top", 11 * S)
    np.testing.assert_allclose(pose[:3, 0], (0.0, 1.0, 0.0), atol=1e-9)
    np.testing.assert_allclose(pose[:3, 3], (2.0, 0.0, 0.0), atol=1e-9)


def test_a_point_of_the_fixed_frame_does_not_move_between_click_and_image(transforms):
    assert into(transforms, "cam", "odom", 10, 12) == pytest.approx((1.0, 0.0, 0.0))


@pytest.mark.parametrize("fixed", ["", "map"])
def test_without_a_fixed_frame_the_images_time_counts(transforms, fixed):
    transforms._node.values.tf_fixed_frame = fixed
    assert into(transforms, "cam", "cam", 10, 12) == pytest.approx((1.0, 0.0, 0.0))
    assert into(transforms, "cam", "arm", 11, 12) == pytest.approx((5.0, 0.0, 0.0))


def refused(transforms, *args, **kwargs):
    begin = time.monotonic()
    with pytest.raises(StatusError) as caught:
        into(transforms, *args, **kwargs)
    assert caught.value.code == Code.NO_TF
    return caught.value.text, time.monotonic() - begin


def test_a_time_before_all_that_is_known_is_told_at_once(transforms):
    text, took = refused(transforms, "cam", "odom", 5, within=5.0)
    assert "older than what tf2 has kept or heard" in text and "into the past" in text
    assert took < 2.0


def test_a_time_not_yet_known_is_waited_for_and_told_as_late(transforms):
    text, _ = refused(transforms, "cam", "odom", 13)
    assert "/tf is behind it" in text and "into the future" in text


@pytest.mark.parametrize(("source", "words"), [("nowhere", "nowhere"), ("rock", "same tree")])
def test_frames_that_are_not_there_or_not_joined_are_told_apart_from_times(
    transforms, source, words
):
    text, _ = refused(transforms, "cam", source, 11)
    assert "no such frames, or nothing joins them" in text and words in text


def test_a_name_that_is_none_is_told_at_once(transforms):
    text, took = refused(transforms, "cam", "/odom", 11, within=5.0)
    assert "cannot start with a '/'" in text and took < 2.0


def test_what_comes_while_it_is_waited_for_is_taken(transforms):
    async def run():
        until = time.monotonic() + 5.0
        waiting = asyncio.ensure_future(transforms.into("cam", "odom", 13 * S, until))
        await asyncio.sleep(0.05)
        transforms._buffer.set_transform(told("odom", "cam", 14, 4.0), "test")
        return (await waiting)((1.0, 0.0, 0.0))

    assert asyncio.run(run()) == pytest.approx((-2.0, 0.0, 0.0))  # at 13 s it is at 3


def test_without_tf2_the_remedy_names_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2_ros", None)
    node = SimpleNamespace(
        parameters=SimpleNamespace(values=SimpleNamespace(tf_fixed_frame="odom"))
    )
    transforms = Transforms(node, None)
    assert not transforms.listen()
    text, _ = refused(transforms, "base", "cam", 1)
    assert "package tf2_ros_py" in text
    assert into(transforms, "cam", "cam", 1, 2) == pytest.approx((1.0, 0.0, 0.0))
