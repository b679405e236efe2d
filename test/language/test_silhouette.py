"""Which pixels of a box are its thing: pictures made by hand, with what is true of each pixel."""

import numpy as np
import pytest

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.language.boxes import Box
from depthlm_ros.language.silhouette import inner_pixel, thing_mask

CAMERA = PinholeCamera(300.0, 300.0, 159.5, 119.5, 320, 240)


def scene(thing, depth_of_thing, around=3.0):
    """Return (depth map, image) of a red thing on a grey wall with some noise in its colours."""
    noise = np.random.default_rng(1).integers(-6, 7, (240, 320, 3))
    rgb = np.where(thing[..., None], (170, 60, 50), (120, 120, 125)) + noise
    depth = np.where(thing, depth_of_thing, around).astype(np.float32)
    return DepthMap(depth, CAMERA), rgb.astype(np.uint8)


def box_of(mask):
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    edges = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return Box(*(float(edge) - 0.5 for edge in edges))


def overlap(a, b):
    return (a & b).sum() / (a | b).sum()


def ring():
    """Return a ring, in whose middle the wall is seen."""
    v, u = np.mgrid[:240, :320]
    radius = np.hypot(u - 160, v - 120)
    return (radius < 70) & (radius > 45)


def test_a_poster_on_the_wall_is_told_by_its_colour():
    poster = np.zeros((240, 320), bool)
    poster[80:160, 100:220] = True
    poster[80:120, 160:220] = False  # a corner of the box is wall, at the same depth
    depth_map, rgb = scene(poster, 3.0)
    assert overlap(thing_mask(depth_map, box_of(poster), rgb), poster) > 0.95
    assert overlap(thing_mask(depth_map, box_of(poster)), poster) < 0.8  # by depth it is all one


def test_a_grey_thing_before_a_grey_wall_is_told_by_its_depth():
    depth_map, rgb = scene(ring(), 2.0)
    rgb[:] = 120
    assert overlap(thing_mask(depth_map, box_of(ring()), rgb), ring()) > 0.9


def test_its_pixel_lies_on_the_thing_and_not_in_its_middle():
    depth_map, rgb = scene(ring(), 2.0)
    u, v = inner_pixel(depth_map, thing_mask(depth_map, box_of(ring()), rgb), box_of(ring()))
    assert ring()[round(v), round(u)] and np.hypot(u - 160, v - 120) == pytest.approx(57, abs=8)


def test_the_same_picture_gives_the_same_pixels():
    depth_map, rgb = scene(ring(), 2.5)
    first, second = (thing_mask(depth_map, box_of(ring()), rgb) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_without_a_depth_there_is_nothing():
    depth_map, rgb = scene(ring(), np.nan, np.nan)
    assert not thing_mask(depth_map, box_of(ring()), rgb).any()


def test_a_box_as_large_as_the_picture_is_told_by_depth():
    depth_map, rgb = scene(ring(), 2.0)
    whole = Box(-0.5, -0.5, 319.5, 239.5)
    assert thing_mask(depth_map, whole, rgb).any()
