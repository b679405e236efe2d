"""Lens models against OpenCV's projection, by hand, and by round trip."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depthlm_ros.geometry.distortion import (
    BrownDistortion,
    FisheyeDistortion,
    NoDistortion,
    distortion_of,
)
from depthlm_ros.status import Code, StatusError

PLUMB = (-0.3, 0.1, 0.001, -0.002, 0.01)
RATIONAL = (0.1, -0.2, 0.003, 0.001, 0.05, 0.2, 0.1, 0.02)
PRISM = (*RATIONAL, 0.01, -0.02, 0.005, 0.003)
TILTED = (*PRISM, 0.04, -0.07)
FISHEYE = (0.05, -0.01, 0.003, -0.001)


def grid(limit, count=21):
    """Return rays (count * count, 2) over a square."""
    axis = np.linspace(-limit, limit, count)
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)


@pytest.mark.parametrize(
    ("name", "d"),
    [
        ("plumb_bob", PLUMB),
        ("plumb_bob", PLUMB[:4]),
        ("rational_polynomial", RATIONAL),
        ("rational_polynomial", PRISM),
        ("rational_polynomial", TILTED),
    ],
)
def test_distort_agrees_with_opencv_projection(name, d):
    xy = grid(0.6)
    points = np.c_[xy, np.ones(len(xy))]
    expected = cv2.projectPoints(points, np.zeros(3), np.zeros(3), np.eye(3), np.array(d))[0][:, 0]
    np.testing.assert_allclose(distortion_of(name, d).distort(xy), expected, atol=1e-12)


def test_fisheye_agrees_with_opencv_projection():
    xy = grid(3.0)
    points = np.c_[xy, np.ones(len(xy))][:, None]
    expected = cv2.fisheye.projectPoints(
        points, np.zeros(3), np.zeros(3), np.eye(3), np.array(FISHEYE)
    )[0][:, 0]
    np.testing.assert_allclose(
        distortion_of("equidistant", FISHEYE).distort(xy), expected, atol=1e-12
    )


def test_by_hand():
    # r^2 = 0.25; 1 + k1 r^2 + k2 r^4 = 1 - 0.075 + 0.00625 = 0.93125; x = 0.5 * 0.93125.
    barrel = distortion_of("plumb_bob", (-0.3, 0.1, 0.0, 0.0, 0.0))
    np.testing.assert_allclose(barrel.distort([0.5, 0.0]), [0.465625, 0.0], atol=1e-15)
    # Tangential p1 = 0.01 on the x axis: y = p1 r^2 = 0.0025, x unchanged.
    tangential = distortion_of("plumb_bob", (0.0, 0.0, 0.01, 0.0))
    np.testing.assert_allclose(tangential.distort([0.5, 0.0]), [0.5, 0.0025], atol=1e-15)
    # The ideal equidistant lens shows 45 degrees at pi / 4.
    np.testing.assert_allclose(
        distortion_of("fisheye", (0, 0, 0, 0)).distort([1.0, 0.0]), [np.pi / 4, 0.0], atol=1e-15
    )


@pytest.mark.parametrize("name", ["", "none", "plumb_bob", "rational_polynomial", "pinhole"])
@pytest.mark.parametrize("d", [(), (0.0,) * 5, (0.0,) * 4])
def test_zero_coefficients_are_the_ideal_lens(name, d):
    lens = distortion_of(name, d)
    assert isinstance(lens, NoDistortion)
    np.testing.assert_array_equal(lens.undistort(lens.distort([[0.3, -0.4]])), [[0.3, -0.4]])


def test_zeros_behind_a_models_own_coefficients_are_padding():
    padded = distortion_of("plumb_bob", (*PLUMB, 0.0, 0.0, 0.0)).distort(grid(0.5))
    np.testing.assert_array_equal(padded, distortion_of("plumb_bob", PLUMB).distort(grid(0.5)))


@pytest.mark.parametrize(
    ("name", "d", "said"),
    [
        ("mei", (0.1, 0.1), "'mei'"),
        ("thin_prism_fisheye", (0.1,) * 8, "'thin_prism_fisheye'"),
        ("", PLUMB, "need the name"),
        ("plumb_bob", RATIONAL[:7], "7 coefficients"),
        ("plumb_bob", (0.1, 0.2, 0.3), "3 coefficients"),
        ("equidistant", (), "0 coefficients"),
        ("equidistant", PLUMB, "5 coefficients"),
        ("plumb_bob", (0.1,) * 15, "15 distortion coefficients"),
        ("plumb_bob", (np.nan, 0, 0, 0), "finite"),
        ("plumb_bob", (np.inf, 0, 0, 0), "finite"),
        ("bad\ud800name" * 100, (), "\\ud800"),
    ],
)
def test_other_lenses_are_refused_by_name(name, d, said):
    with pytest.raises(StatusError) as refusal:
        distortion_of(name, d)
    assert refusal.value.code == Code.BAD_CAMERA_INFO
    assert said in refusal.value.text and len(refusal.value.text) < 400
    refusal.value.text.encode("utf-8")


def test_the_domain_of_a_barrel_ends_where_it_folds():
    # r (1 - 0.3 r^2) is greatest at r = 1 / sqrt(0.9) = 1.0541, where it shows 0.7027.
    lens = distortion_of("plumb_bob", (-0.3, 0.0, 0.0, 0.0))
    assert 1.04 < lens.max_ray < 1.0541
    assert np.isfinite(lens.distort([1.03, 0.0])).all() and np.isnan(lens.distort([1.06, 0])).all()
    assert np.isfinite(lens.undistort([0.702, 0.0])).all()
    assert np.isnan(lens.undistort([0.71, 0.0])).all()


def test_a_fisheye_ends_before_ninety_degrees():
    lens = distortion_of("equidistant", (0, 0, 0, 0))
    np.testing.assert_allclose(
        lens.undistort([np.deg2rad(80), 0]), [np.tan(np.deg2rad(80)), 0], rtol=1e-12
    )
    assert np.isnan(lens.undistort([np.deg2rad(89.9), 0])).all()
    assert np.isnan(lens.undistort([np.deg2rad(110), 0])).all()


def test_nan_stays_nan_and_the_centre_stays_the_centre():
    for lens in (BrownDistortion(PLUMB), FisheyeDistortion(FISHEYE)):
        assert np.isnan(lens.distort([np.nan, 0.0])).any()
        assert np.isnan(lens.undistort([0.0, np.nan])).any()
        np.testing.assert_allclose(lens.distort([0.0, 0.0]), [0, 0], atol=1e-15)
        np.testing.assert_allclose(lens.undistort([0.0, 0.0]), [0, 0], atol=1e-15)


def test_a_lens_that_folds_at_its_centre_is_refused():
    with pytest.raises(StatusError, match="folds"):
        distortion_of("plumb_bob", (-1e9, 0.0, 0.0, 0.0))
    with pytest.raises(StatusError, match="folds"):
        distortion_of("equidistant", (-1e9, 0.0, 0.0, 0.0))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("index", range(8))
@pytest.mark.parametrize("value", [1e300, -1e300, 1e9, 1e-300])
def test_absurd_coefficients_are_refused_or_have_a_domain(index, value):
    d = [0.0] * 8
    d[index] = value
    try:
        lens = distortion_of("rational_polynomial", d)
    except StatusError as refusal:
        assert refusal.code == Code.BAD_CAMERA_INFO
    else:
        assert lens.max_ray > 0
        inside = [[0.5 * lens.max_ray, 0.0]]
        back = lens.undistort(lens.distort(inside))
        np.testing.assert_allclose(back, inside, rtol=1e-6, atol=1e-9)


def test_a_ray_near_the_end_of_the_domain_is_found_again():
    radial = [0, -0.14453125, 0, 0, -0.01171875, 0.34375, 0.140625, -0.2109375]
    lens = BrownDistortion([*radial, 0.015625, 0, 0, 0.015625])
    rays = grid(2.0)
    shown = lens.distort(rays)
    defined = np.isfinite(shown).all(axis=1)
    assert defined.sum() > 100
    np.testing.assert_allclose(lens.undistort(shown[defined]), rays[defined], atol=1e-7)


def test_the_domain_ends_at_a_pole_however_narrow():
    """1 + k6 q^3 is 0 at q = 1.8652, r = 1.3657; the numerator there is nearly 0 as well."""
    radial = [0.2023475672745777, 0.11971123969944075, 0, 0, -0.27625059296405524]
    lens = BrownDistortion([*radial, 0, 0, -0.15410654900085724])
    pole = (1 / 0.15410654900085724) ** (1 / 6)
    assert pole == pytest.approx(1.3657, abs=1e-4) and 1.36 < lens.max_ray < pole
    rays = grid(2.0)
    shown = lens.distort(rays)
    defined = np.isfinite(shown).all(axis=1)
    np.testing.assert_array_equal(defined, np.hypot(*rays.T) < pole)
    np.testing.assert_allclose(lens.undistort(shown[defined]), rays[defined], atol=1e-7)


coefficient = st.floats(-0.5, 0.5)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(coefficient, min_size=8, max_size=8),
    st.lists(st.floats(-0.02, 0.02), min_size=6, max_size=6),
)
def test_any_brown_lens_round_trips_where_it_is_defined(radial, small):
    d = [*radial[:2], *small[:2], *radial[2:6], *small[2:6], 0.05 * radial[6], 0.05 * radial[7]]
    lens = BrownDistortion(d)
    rays = grid(2.0)
    shown = lens.distort(rays)
    defined = np.isfinite(shown).all(axis=1)
    np.testing.assert_allclose(lens.undistort(shown[defined]), rays[defined], atol=1e-7)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-0.1, 0.1), min_size=4, max_size=4))
def test_any_fisheye_round_trips_where_it_is_defined(d):
    lens = FisheyeDistortion(d)
    rays = grid(20.0)
    shown = lens.distort(rays)
    defined = np.isfinite(shown).all(axis=1)
    np.testing.assert_allclose(lens.undistort(shown[defined]), rays[defined], rtol=1e-7, atol=1e-9)
    # Back from any shown place: either no ray, or one that is shown there.
    places = grid(1.5)
    back = lens.undistort(places)
    found = np.isfinite(back).all(axis=1)
    np.testing.assert_allclose(lens.distort(back[found]), places[found], atol=1e-9)
