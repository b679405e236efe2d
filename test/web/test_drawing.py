"""What the page draws: pixels there and back, a thin cloud, the view from above."""

import cv2
import numpy as np
import pytest

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.web import drawing


@pytest.mark.parametrize("size", [(640, 480), (1920, 1080), (4000, 3000), (961, 77)])
def test_pixels_of_the_shown_picture_are_the_images(size):
    width, height = size
    for u, v in ((0.0, 0.0), (width - 1.0, height - 1.0), (100.25, 50.5)):
        x, y = drawing.image_to_shown(u, v, width, height)
        assert drawing.shown_to_image(x, y, width, height) == pytest.approx((u, v))
    # The corner of the picture is half a pixel before the first pixel's centre.
    assert drawing.shown_to_image(0, 0, width, height) == pytest.approx((-0.5, -0.5))
    shown = cv2.imdecode(np.frombuffer(
        drawing.jpeg_of(np.zeros((height, width, 3), np.uint8)), np.uint8), 1)  # fmt: skip
    end = drawing.shown_to_image(shown.shape[1], shown.shape[0], width, height)
    assert end == pytest.approx((width - 0.5, height - 0.5), abs=0.51 * max(1, width / 960))


def test_a_cloud_is_thin_and_stands_upright():
    """A plane 2 m ahead: x is 2 everywhere; what is left in the image has y above 0."""
    camera = PinholeCamera(500.0, 500.0, 319.5, 239.5, 640, 480)
    rgb = np.zeros((480, 640, 3), np.uint8)
    rgb[:, :320] = (255, 0, 0)
    depth = np.full((480, 640), 2.0, np.float32)
    depth[:100] = np.nan
    points, colours = (np.array(part) for part in drawing.cloud_of(depth, camera, rgb))
    assert 0 < len(points) <= drawing.MAX_POINTS and len(points) == len(colours)
    assert (points[:, 0] == 2.0).all()
    red = colours[:, 0] == 1.0
    assert (points[red, 1] > 0).all() and (points[~red, 1] < 0).all()
    # Row 100 is the highest that is known: z = -(100 - 239.5) / 500 * 2 = 0.558 m.
    assert points[:, 2].max() == pytest.approx(0.558, abs=0.05)


def test_the_view_from_above():
    beams = drawing.beams_of([1.0, np.inf, np.nan, 0.0, 2.0], -np.pi / 2, np.pi / 4)
    np.testing.assert_allclose(beams, [[0.0, -1.0], [0.0, 2.0]], atol=1e-12)
    corridor = {"width": 0.6, "begin": 0.5, "length": 3.0, "clear": False, "verdict": "BLOCKED"}
    corridor["nearest"] = (1.5, 0.1)
    svg = drawing.top_view(beams, corridor)
    assert 'x="-0.30" y="-3.00" width="0.60" height="2.50"' in svg and "#e5484d" in svg
    assert 'cx="1.00" cy="-0.00"' in svg  # one metre to the right
    assert len(drawing.beams_of(np.ones(10_000), -1, 2e-4)) <= drawing.MAX_BEAMS
