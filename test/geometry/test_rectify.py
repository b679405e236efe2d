"""Rectification: hand-worked windows, OpenCV by another route, round trips, a plane."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.rectify import CameraModel, Rectifier
from depthlm_ros.status import Code, StatusError

K = (500.0, 0.0, 319.5, 0.0, 400.0, 239.5, 0.0, 0.0, 1.0)
P = (450.0, 0.0, 310.0, 0.0, 0.0, 360.0, 230.0, 0.0, 0.0, 0.0, 1.0, 0.0)
TURN = (0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
BARREL = (-0.3, 0.1, 0.001, -0.002, 0.0)
RATIONAL = (0.1, -0.2, 0.003, 0.001, 0.05, 0.2, 0.1, 0.02)
IDEAL = CameraModel(640, 480, K)
BENT = CameraModel(640, 480, K, "plumb_bob", BARREL)
FISHEYE = CameraModel(640, 480, K, "equidistant", (0.05, -0.01, 0.003, -0.001))


def refused(lens, width=640, height=480, **options):
    """Return the text of the refusal of a lens for images of this size."""
    with pytest.raises(StatusError) as refusal:
        Rectifier(lens, width, height, **options)
    assert refusal.value.code == Code.BAD_CAMERA_INFO
    return refusal.value.text


def test_an_ideal_lens_is_left_alone_whatever_p_says():
    rectifier = Rectifier(replace(IDEAL, p=P), 640, 480)
    image = np.zeros((480, 640, 3), np.uint8)
    assert rectifier.rectify(image) is image and rectifier.valid is None
    assert rectifier.camera == PinholeCamera(500.0, 400.0, 319.5, 239.5, 640, 480)
    np.testing.assert_array_equal(rectifier.source_to_rectified([[3.2, 4.5]]), [[3.2, 4.5]])
    np.testing.assert_array_equal(rectifier.rectified_to_source([[3.2, 4.5]]), [[3.2, 4.5]])


def test_a_window_moves_and_binning_scales_by_the_pixel_centre_rule():
    lens = replace(
        IDEAL, binning_x=2, binning_y=4, roi_x=100, roi_y=40, roi_width=400, roi_height=320
    )
    camera = Rectifier(lens, 200, 80).camera
    # cx = (319.5 - 100 + 0.5) / 2 - 0.5, cy = (239.5 - 40 + 0.5) / 4 - 0.5
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (250.0, 100.0, 109.5, 49.5)
    assert (camera.width, camera.height) == (200, 80)


def test_binning_drops_the_remainder():
    assert (
        Rectifier(CameraModel(641, 483, K, binning_x=2, binning_y=2), 320, 241).camera.width == 320
    )


@pytest.mark.parametrize(
    ("image_is_rectified", "changes", "expected"),
    [
        (False, {}, (500.0, 400.0, 319.5, 239.5)),
        (False, {"p": (0.0,) * 12}, (500.0, 400.0, 319.5, 239.5)),
        (False, {"p": P}, (450.0, 360.0, 310.0, 230.0)),
        (False, {"p": P, "r": (1.0, 0, 0, 0, 1, 0, 0, 0, 1)}, (450.0, 360.0, 310.0, 230.0)),
        (False, {"p": P, "r": TURN}, (500.0, 400.0, 319.5, 239.5)),
        (True, {"p": P, "r": TURN}, (450.0, 360.0, 310.0, 230.0)),
        (True, {}, (500.0, 400.0, 319.5, 239.5)),
    ],
)
def test_which_matrix_makes_the_pinhole(image_is_rectified, changes, expected):
    rectifier = Rectifier(replace(BENT, **changes), 640, 480, image_is_rectified)
    camera = rectifier.camera
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == expected
    assert rectifier.is_identity == image_is_rectified


def test_a_rectified_image_needs_no_known_lens():
    lens = replace(BENT, distortion_model="mei", p=P)
    assert Rectifier(lens, 640, 480, image_is_rectified=True).camera.fx == 450.0
    assert "'mei'" in refused(lens)


def test_source_pixels_agree_with_opencv_undistort_points():
    for lens, d in ((BENT, BARREL), (replace(BENT, p=P), BARREL)):
        new = np.reshape(lens.p, (3, 4))[:, :3] if lens.p else np.reshape(K, (3, 3))
        pixels = np.random.default_rng(0).uniform([60, 60], [580, 420], (200, 2))
        criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-12)
        expected = cv2.undistortPointsIter(
            pixels[:, None], np.reshape(K, (3, 3)), np.array(d), None, new, criteria
        )[:, 0]
        ours = Rectifier(lens, 640, 480).source_to_rectified(pixels)
        np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_fisheye_pixels_agree_with_opencv():
    pixels = np.random.default_rng(0).uniform([20, 20], [620, 460], (200, 2))
    expected = cv2.fisheye.undistortPoints(
        pixels[:, None], np.reshape(K, (3, 3)), np.array(FISHEYE.d), P=np.reshape(K, (3, 3))
    )[:, 0]
    ours = Rectifier(FISHEYE, 640, 480).source_to_rectified(pixels)
    np.testing.assert_allclose(ours, expected, atol=1e-3)


WINDOW = {
    "roi_x": 64,
    "roi_y": 40,
    "roi_width": 512,
    "roi_height": 400,
    "binning_x": 2,
    "binning_y": 4,
}
LENSES = [
    (BENT, 640, 480),
    (replace(BENT, p=P), 640, 480),
    (replace(BENT, distortion_model="rational_polynomial", d=RATIONAL), 640, 480),
    (FISHEYE, 640, 480),
    (replace(BENT, **WINDOW), 256, 100),
    (replace(FISHEYE, do_rectify=True, **WINDOW), 256, 100),
    (replace(BENT, do_rectify=True, **{**WINDOW, "roi_x": 0, "roi_y": 0}), 256, 100),
]


@pytest.mark.parametrize(("lens", "width", "height"), LENSES)
def test_a_picture_of_its_own_coordinates_shows_where_every_pixel_came_from(lens, width, height):
    """The image that is remapped and the pixels that are mapped take different routes."""
    rectifier = Rectifier(lens, width, height)
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    for axis, coordinate in enumerate((u, v)):
        image = np.repeat(coordinate[..., None], 3, axis=2) % 256
        shown = rectifier.rectify(image.astype(np.uint8))[..., 0].astype(float)
        source = rectifier.rectified_to_source(np.stack([u, v], axis=-1))
        inner = (source > 1).all(-1) & (source < [width - 2, height - 2]).all(-1)
        inner &= (source[..., axis] % 256 > 1) & (source[..., axis] % 256 < 254)
        assert inner.mean() > 0.5
        difference = shown - source[..., axis] % 256
        assert np.abs(difference[inner]).max() < 0.6  # rounding to uint8, tables of 1/32 px
        assert abs(difference[inner].mean()) < 0.05  # half a pixel off would be 0.5


@pytest.mark.parametrize(("lens", "width", "height"), LENSES)
def test_pixels_round_trip(lens, width, height):
    rectifier = Rectifier(lens, width, height)
    pixels = np.random.default_rng(1).uniform([-0.5, -0.5], [width - 0.5, height - 0.5], (500, 2))
    there = rectifier.source_to_rectified(pixels)
    assert np.isfinite(there).all(axis=1).mean() > 0.9
    back = rectifier.rectified_to_source(there)
    known = np.isfinite(there).all(axis=1)
    np.testing.assert_allclose(back[known], pixels[known], atol=1e-6)
    forth = rectifier.source_to_rectified(rectifier.rectified_to_source(pixels))
    known = np.isfinite(forth).all(axis=1)
    assert known.mean() > 0.9
    np.testing.assert_allclose(forth[known], pixels[known], atol=1e-6)


@pytest.mark.parametrize(("lens", "width", "height"), LENSES)
def test_what_is_valid_is_what_the_source_image_holds(lens, width, height):
    rectifier = Rectifier(lens, width, height)
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    source = rectifier.rectified_to_source(np.stack([u, v], axis=-1))
    valid = np.ones((height, width), bool) if rectifier.valid is None else rectifier.valid
    held = (source >= -0.5).all(-1) & (source < [width - 0.5, height - 0.5]).all(-1)
    near = np.abs(source + 0.5).min(-1) < 1e-3
    near |= np.abs(source - [width - 0.5, height - 0.5]).min(-1) < 1e-3
    assert ((valid == held) | near).all()
    white = rectifier.rectify(np.full((height, width, 3), 255, np.uint8))
    assert ((white == 255).all(-1) == valid).all()


def test_a_window_of_its_own_lies_where_the_rectified_region_lies():
    # A barrel image's top-left window, rectified, lies further out than the raw window.
    window = {"roi_x": 0, "roi_y": 0, "roi_width": 160, "roi_height": 120}
    raw = Rectifier(replace(BENT, **window), 160, 120)
    own = Rectifier(replace(BENT, do_rectify=True, **window), 160, 120)
    centre = [79.5, 59.5]
    assert np.abs(own.source_to_rectified(centre) - centre).max() < 8
    assert (raw.source_to_rectified(centre) < np.subtract(centre, 15)).all()
    # Both cameras give the same ray to the same source pixel.
    np.testing.assert_allclose(
        own.camera.normalise(own.source_to_rectified(centre)),
        raw.camera.normalise(raw.source_to_rectified(centre)),
        atol=1e-9,
    )


def test_a_very_wide_fisheye_gives_a_finite_pinhole_with_its_own_focal_length():
    # 640 px over 220 degrees: f = 640 / 3.8397 = 166.68 px; the pinhole shows 2 atan(320 / f).
    f = 640 / np.deg2rad(220)
    lens = CameraModel(640, 640, (f, 0, 319.5, 0, f, 319.5, 0, 0, 1), "equidistant", (0, 0, 0, 0))
    rectifier = Rectifier(lens, 640, 640)
    assert rectifier.camera.fx == f and rectifier.valid is None
    assert np.isnan(rectifier.source_to_rectified([2.0, 319.5])).all()  # 109 degrees off the axis
    # 45 degrees lies at f pi / 4 in the source and at f in the pinhole.
    np.testing.assert_allclose(
        rectifier.source_to_rectified([319.5 + f * np.pi / 4, 319.5]), [319.5 + f, 319.5]
    )


@pytest.mark.parametrize(
    ("lens", "size", "said"),
    [
        (IDEAL, (320, 240), ("320 x 240", "640 x 480")),
        (replace(IDEAL, binning_x=2, binning_y=2), (640, 480), ("640 x 480", "320 x 240")),
        (replace(IDEAL, roi_width=100, roi_height=100), (640, 480), ("640 x 480", "100 x 100")),
        (
            replace(IDEAL, roi_x=600, roi_width=100, roi_height=100),
            (100, 100),
            ("100 x 100 px at (600, 0)", "640 x 480"),
        ),
        (replace(IDEAL, roi_x=10), (640, 480), ("0 x 0 px at (10, 0)",)),
        (replace(IDEAL, width=0), (640, 480), ("0 x 480",)),
        (replace(IDEAL, binning_x=1000), (1, 480), ("1 x 480", "0 x 480")),
        (CameraModel(100_000, 100_000, K), (100_000, 100_000), ("40000000",)),
        (replace(IDEAL, k=(-500.0, *K[1:])), (640, 480), ("fx = -500",)),
        (replace(IDEAL, k=(*K[:4], 0.0, *K[5:])), (640, 480), ("fy = 0",)),
        (replace(BENT, p=(-450.0, *P[1:])), (640, 480), ("fx = -450",)),
        (replace(BENT, p=(450.0, 0, 1e9, *P[3:])), (640, 480), ("empty",)),
        (
            replace(FISHEYE, roi_width=8, roi_height=8, do_rectify=True, k=(2.0, *K[1:])),
            (8, 8),
            ("reaches none",),
        ),
    ],
)
def test_what_does_not_agree_is_refused_with_both_sizes(lens, size, said):
    text = refused(lens, *size)
    assert all(words in text for words in said), text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"k": (0.0,) * 9}, "uncalibrated"),
        ({"k": (np.nan, *K[1:])}, "finite"),
        ({"k": (np.inf, *K[1:])}, "finite"),
        ({"k": K[:8]}, "8 values"),
        ({"k": (500.0, 30.0, *K[2:])}, "skew 30.0"),
        ({"p": (*P[:11], np.nan)}, "finite"),
        ({"r": (np.nan,) * 9}, "finite"),
    ],
)
def test_a_lens_of_nonsense_is_refused(change, said):
    with pytest.raises(StatusError, match=said) as refusal:
        replace(IDEAL, **change)
    assert refusal.value.code == Code.BAD_CAMERA_INFO


def test_an_image_of_another_size_is_refused():
    with pytest.raises(StatusError) as refusal:
        Rectifier(BENT, 640, 480).rectify(np.zeros((100, 200, 3), np.uint8))
    assert refusal.value.code == Code.BAD_IMAGE and "200 x 100" in refusal.value.text


def test_any_change_makes_another_lens():
    assert hash(replace(BENT)) == hash(BENT) and replace(BENT) == BENT
    for change in ({"d": RATIONAL}, {"k": P[:3] + P[4:7] + P[8:11]}, {"roi_x": 1}, {"p": P}):
        assert replace(BENT, **change) != BENT


@settings(deadline=None, max_examples=40)
@given(
    st.floats(-0.3, 0.2),
    st.floats(-0.1, 0.1),
    st.floats(200, 900),
    st.floats(200, 900),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(0, 60),
    st.integers(0, 60),
    st.booleans(),
)
def test_a_plane_at_two_metres_is_found_at_two_metres(
    k1, k2, fx, fy, binning_x, binning_y, x, y, own_window
):
    """Points of a plane, projected into the raw image by OpenCV, are found again in metres."""
    lens = CameraModel(
        640,
        480,
        (fx, 0, 325.0, 0, fy, 235.0, 0, 0, 1),
        "plumb_bob",
        (k1, k2, 0.001, -0.001),
        binning_x=binning_x,
        binning_y=binning_y,
        roi_x=x,
        roi_y=y,
        roi_width=480,
        roi_height=360,
        do_rectify=own_window,
    )
    rectifier = Rectifier(lens, 480 // binning_x, 360 // binning_y)
    points = np.array([[0.0, 0.0, 2.0], [0.3, -0.2, 2.0], [-0.25, 0.1, 2.0]])
    sensor = cv2.projectPoints(
        points, np.zeros(3), np.zeros(3), np.reshape(lens.k, (3, 3)), np.array(lens.d)
    )[0][:, 0]
    raw = (sensor - [x, y] + 0.5) / [binning_x, binning_y] - 0.5
    pixels = rectifier.source_to_rectified(raw)
    np.testing.assert_allclose(rectifier.camera.unproject(pixels, [2, 2, 2]), points, atol=1e-7)


def test_a_small_skew_of_k_is_applied_where_opencv_applies_it():
    """cv2.fisheye.distortPoints takes the skew as alpha: the independent route."""
    alpha, d = 0.004, np.array([0.05, -0.01, 0.003, -0.001])
    lens = CameraModel(640, 480, (500.0, 500.0 * alpha, *K[2:]), "equidistant", tuple(d))
    rectifier = Rectifier(lens, 640, 480)
    rays = np.array([[[0.3, -0.4], [-0.2, 0.35], [0.0, 0.0]]])
    expected = cv2.fisheye.distortPoints(rays, np.reshape(K, (3, 3)), d, alpha=alpha)[0]
    ideal = rays[0] * (500.0, 400.0) + (319.5, 239.5)
    shown = rectifier.rectified_to_source(ideal)
    np.testing.assert_allclose(shown, expected, atol=1e-6)
    np.testing.assert_allclose(rectifier.source_to_rectified(expected), ideal, atol=1e-6)
    straight = Rectifier(replace(lens, k=K), 640, 480).rectified_to_source(ideal)
    assert abs(shown - straight).max() > 0.7
    # A picture that holds its own column is remapped to where each pixel's ray is shown.
    columns = np.tile(np.arange(640) / 4.0, (480, 1))[..., None]
    picture = np.repeat(columns, 3, axis=2).astype(np.uint8)
    seen = rectifier.rectify(picture)[100, 500, 0] * 4.0
    np.testing.assert_allclose(seen, rectifier.rectified_to_source([500, 100])[0], atol=4.0)
    u, v = rectifier._distortion.tables(np.reshape(K, (3, 3)), np.reshape(K, (3, 3)), (640, 480))
    at = rectifier.rectified_to_source([[500.0, 100.0]])[0]
    np.testing.assert_allclose([u[100, 500], v[100, 500]], at, atol=1e-3)


def test_plumb_bob_with_eight_coefficients_is_what_opencv_makes_of_them():
    lens = CameraModel(640, 480, K, "plumb_bob", RATIONAL)
    rays = np.array([[0.3, -0.4, 1.0], [-0.2, 0.35, 1.0]])
    k, none = np.reshape(K, (3, 3)), np.zeros(3)
    expected = cv2.projectPoints(rays, none, none, k, np.array(RATIONAL))[0][:, 0]
    ideal = rays[:, :2] * (500.0, 400.0) + (319.5, 239.5)
    shown = Rectifier(lens, 640, 480).rectified_to_source(ideal)
    np.testing.assert_allclose(shown, expected, atol=1e-9)
