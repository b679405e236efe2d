"""The pinhole camera, by hand-worked numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.status import Code, StatusError

CAMERA = PinholeCamera(500.0, 400.0, 319.5, 239.5, 640, 480)


def test_project_by_hand():
    # 1 m right, 0.5 m down, 2 m ahead: u = 319.5 + 500 * 0.5, v = 239.5 + 400 * 0.25.
    np.testing.assert_allclose(CAMERA.project([1.0, 0.5, 2.0]), [569.5, 339.5])
    assert np.isnan(CAMERA.project([1.0, 0.5, 0.0])).all()
    assert np.isnan(CAMERA.project([1.0, 0.5, -2.0])).all()


def test_unproject_by_hand():
    np.testing.assert_allclose(CAMERA.unproject([569.5, 339.5], 2.0), [1.0, 0.5, 2.0])


def test_resizing_keeps_the_corners_of_the_image_not_the_centres_of_its_pixels():
    half = CAMERA.resized(320, 240)
    assert (half.fx, half.fy, half.cx, half.cy) == (250.0, 200.0, 159.5, 119.5)
    # The centre of the four top-left pixels becomes the centre of the first pixel.
    point = CAMERA.unproject([0.5, 0.5], 3.0)
    np.testing.assert_allclose(half.project(point), [0.0, 0.0], atol=1e-9)


def test_cropping_moves_the_principal_point():
    window = CAMERA.cropped(100, 50, 200, 100)
    assert (window.cx, window.cy, window.width, window.height) == (219.5, 189.5, 200, 100)


def test_the_image_reaches_half_a_pixel_beyond_the_outer_centres():
    pixels = [[-0.5, 0], [-0.51, 0], [639.49, 479.49], [639.5, 0], [0, 479.5], [np.nan, 1]]
    assert CAMERA.contains(pixels).tolist() == [True, False, True, False, False, False]


def test_from_a_projection_matrix():
    p = [[500, 0, 319.5, -50], [0, 400, 239.5, 0], [0, 0, 1, 0]]
    assert PinholeCamera.from_matrix(p, 640, 480) == CAMERA
    np.testing.assert_array_equal(CAMERA.matrix, np.asarray(p)[:, :3])


@pytest.mark.parametrize(
    "change",
    [
        {"fx": 0.0},
        {"fy": -1.0},
        {"cx": np.nan},
        {"cy": np.inf},
        {"fx": np.nan},
        {"width": 0},
        {"height": -3},
    ],
)
def test_what_no_lens_has_is_refused_by_name(change):
    values = {"fx": 1.0, "fy": 1.0, "cx": 0.0, "cy": 0.0, "width": 2, "height": 2, **change}
    with pytest.raises(StatusError) as refusal:
        PinholeCamera(**values)
    assert refusal.value.code == Code.BAD_CAMERA_INFO
    assert refusal.value.text.startswith(f"{next(iter(change))} = ")


@given(
    st.floats(10, 5000),
    st.floats(10, 5000),
    st.floats(-0.4, 0.4),
    st.floats(-0.4, 0.4),
    st.floats(0.01, 200),
)
def test_unproject_inverts_project(fx, fy, x, y, z):
    camera = PinholeCamera(fx, fy, 321.0, 200.0, 640, 480)
    point = np.array([x * z, y * z, z])
    np.testing.assert_allclose(
        camera.unproject(camera.project(point), z), point, rtol=1e-9, atol=1e-9
    )
