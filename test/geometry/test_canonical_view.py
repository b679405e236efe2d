"""The focal-unified view, by hand-worked numbers and round trips."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.canonical_view import CanonicalView
from depthlm_ros.status import Code, StatusError

CAMERA = PinholeCamera(500.0, 400.0, 319.5, 200.0, 640, 480)


def test_each_axis_is_resized_by_its_own_focal_length():
    view = CanonicalView.of(CAMERA, 1000.0)
    assert (view.width, view.height) == (1280, 1200)  # 640 * 1000 / 500, 480 * 1000 / 400
    assert (view.camera.fx, view.camera.fy) == (1000.0, 1000.0)
    assert (view.camera.cx, view.camera.cy) == (639.5, 200.5 * 2.5 - 0.5)
    assert view.depth_scale == 1.0


def test_rounding_to_a_multiple_is_made_good_in_the_depth_scale():
    view = CanonicalView.of(CAMERA, 1000.0, multiple=32)
    assert (view.width, view.height) == (1280, 1216)  # 1200 / 32 = 37.5, half to even: 38
    # fy = 400 * 1216 / 480 = 1013.33; sqrt(1000 * 1013.33) / 1000 = 1.0066446
    assert view.depth_scale == pytest.approx(1.0066446, rel=1e-6)


def test_a_pixel_cap_shrinks_both_axes_and_the_depth_scale():
    view = CanonicalView.of(CAMERA, 1000.0, max_pixels=1280 * 1200 // 4)
    assert (view.width, view.height) == (640, 600)
    assert view.depth_scale == 0.5


def test_pixels_by_hand():
    view = CanonicalView.of(CAMERA, 1000.0)
    np.testing.assert_allclose(view.to_view([0.0, 0.0]), [0.5, 0.75])
    np.testing.assert_allclose(view.to_view([-0.5, -0.5]), [-0.5, -0.5])
    np.testing.assert_allclose(view.to_view([639.5, 479.5]), [1279.5, 1199.5])


def test_depth_comes_back_in_metres_on_the_source_grid():
    view = CanonicalView.of(CAMERA, 250.0, max_pixels=320 * 300 // 4)  # half of the unified size
    model = np.full((view.height, view.width), 3.0, np.float32)
    depth = view.depth_to_source(model)
    assert depth.dtype == np.float32 and depth.shape == (480, 640)
    np.testing.assert_allclose(depth, 3.0 * view.depth_scale)


def test_depth_is_resampled_with_the_pixel_centre_rule():
    camera = PinholeCamera(100.0, 100.0, 3.5, 0.5, 8, 2)
    view = CanonicalView.of(camera, 50.0)  # 4 x 1 px
    depth = view.depth_to_source(np.array([[1.0, 2.0, 3.0, 4.0]], np.float32))
    # Source pixel u lies at view pixel (u + 0.5) / 2 - 0.5, so u = 3 at 1.25; the border repeats.
    expected = [1.0, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 4.0]
    np.testing.assert_allclose(depth, [expected, expected], rtol=1e-6)


def test_an_unknown_depth_does_not_become_a_number():
    view = CanonicalView.of(CAMERA, 125.0)
    model = np.ones((view.height, view.width), np.float32)
    model[50, 60] = np.nan
    depth = view.depth_to_source(model)
    u, v = np.rint(view.to_source([60, 50])).astype(int)
    assert np.isnan(depth[v, u]) and np.isfinite(depth[0, 0])


def test_beyond_range_does_not_become_a_number_either():
    camera = PinholeCamera(100.0, 100.0, 3.5, 0.5, 8, 2)
    view = CanonicalView.of(camera, 50.0)  # 4 x 1 px
    depth = view.depth_to_source(np.array([[1.0, 1.0, np.inf, np.inf]], np.float32))
    # Columns 3 and 4 mix both sides; left of them all is 1, right of them nothing is finite.
    expected = [1.0, 1.0, 1.0, np.nan, np.nan, np.inf, np.inf, np.inf]
    np.testing.assert_array_equal(depth, [expected, expected])


@given(
    st.floats(20, 4000),
    st.floats(20, 4000),
    st.sampled_from([1, 14, 28, 32]),
    st.lists(st.floats(-50, 700), min_size=2, max_size=2),
)
def test_to_source_inverts_to_view(fx, fy, multiple, pixel):
    source = PinholeCamera(fx, fy, 300.0, 200.0, 640, 480)
    view = CanonicalView.of(source, 500.0, multiple, max_pixels=1_000_000)
    np.testing.assert_allclose(view.to_source(view.to_view(pixel)), pixel, atol=1e-9)
    # A ray seen by the source is the same ray in the view.
    np.testing.assert_allclose(
        view.camera.normalise(view.to_view(pixel)), source.normalise(pixel), atol=1e-9
    )


def test_an_absurd_focal_length_is_refused_before_anything_is_allocated():
    for camera in (
        PinholeCamera(0.01, 0.01, 320, 240, 640, 480),
        PinholeCamera(0.01, 1000.0, 320, 240, 640, 480),
    ):
        with pytest.raises(StatusError) as refusal:
            CanonicalView.of(camera, 1000.0)
        assert refusal.value.code == Code.BAD_CAMERA_INFO and "0.01" in refusal.value.text


def test_nonsense_arguments_are_refused():
    for focal, multiple in ((0.0, 1), (float("nan"), 1), (500.0, 0)):
        with pytest.raises(ValueError, match="must be positive"):
            CanonicalView.of(CAMERA, focal, multiple)
