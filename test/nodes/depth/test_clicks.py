"""What a click is: a pixel, or a point in some frame that is seen at one."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.nodes.depth.clicks import check_finite, is_pixel, pixel_of
from depthlm_ros.status import Code, StatusError

CAMERA = PinholeCamera(50.0, 50.0, 31.5, 23.5, 64, 48)


@pytest.mark.parametrize(
    ("xyz", "frame_id", "pixel"),
    [
        ((10.0, 20.0, 0.0), "camera", True),
        ((10.0, 20.0, 5.0), "", True),
        ((0.1, 0.1, 3.0), "camera", False),
        ((0.1, 0.1, 0.0), "base", False),
    ],
)
def test_what_a_click_is(xyz, frame_id, pixel):
    assert is_pixel(xyz, frame_id, "camera") is pixel


def seen_by(xyz):
    rectifier = SimpleNamespace(rectified_to_source=lambda pixel: np.asarray(pixel))
    frame_depth = SimpleNamespace(frame=SimpleNamespace(camera=CAMERA), rectifier=rectifier)
    return pixel_of(xyz, frame_depth, "camera")


def test_a_point_in_the_cameras_frame_is_where_it_is_seen():
    assert seen_by((0.1, 0.1, 3.0)) == pytest.approx((31.5 + 5 / 3, 23.5 + 5 / 3))


@pytest.mark.parametrize("z", [0.0, -1.0, math.nan])
def test_a_point_behind_the_camera_says_so(z):
    with pytest.raises(StatusError, match="behind the camera") as caught:
        seen_by((0.1, 0.1, z))
    assert caught.value.code == Code.OUT_OF_IMAGE


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_click_that_is_no_number_is_refused(bad):
    with pytest.raises(StatusError, match="must be finite"):
        check_finite((0.0, bad, 1.0))
