"""The view from above, by hand."""

import numpy as np
import pytest

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.geometry.swept_box import SweptBox
from depthlm_ros.visualization import top_view
from depthlm_ros.visualization.drawing import PAPER

CAMERA = PinholeCamera(2.0, 2.0, 1.0, 1.0, 3, 3)


def test_the_nearest_of_each_column_within_the_band():
    # rows are y = -0.5 z, 0 and +0.5 z; columns x = -0.5 z, 0 and +0.5 z
    depth = np.array([[1, 9, 4], [3, 2, np.nan], [0.2, np.inf, np.nan]], np.float32)
    x, z = top_view.nearest_in_band(DepthMap(depth, CAMERA), 0.3)
    # column 0: 1 m is 0.5 m up, 0.2 m is 0.1 m down and counts; column 2 has nothing in the band
    assert z == pytest.approx([0.2, 2.0]) and x == pytest.approx([-0.1, 0.0])


def test_a_wall_and_a_way_are_drawn_to_scale():
    wall = DepthMap(np.full((3, 3), 2.0, np.float32), CAMERA)
    box = SweptBox.floating((0, 0, 0), (0, 0, 1), 3.0, 1.0, 0.5, 1.0)
    drawn = top_view.top_view(wall, (400, 400), 4.0, 0.5, [(box, (1, 2, 3))])
    # 94 px a metre: the wall's middle is 2 m ahead, its ends 1 m beside
    for u in (200 - 94, 200, 200 + 94):
        assert tuple(drawn[400 - 188, u]) == top_view.SEEN_COLOUR
    assert tuple(drawn[400 - 188, 200 + 150]) == PAPER
    # the way is 1 m wide: its sides lie 47 px beside the middle, from 1 to 3 m
    for v in (400 - 120, 400 - 250):
        assert (drawn[v, 200 - 49 : 200 - 44] == (1, 2, 3)).all(-1).any()
        assert (drawn[v, 200 + 44 : 200 + 49] == (1, 2, 3)).all(-1).any()


def test_the_truth_lies_beneath():
    near = DepthMap(np.full((3, 3), 2.0, np.float32), CAMERA)
    far = DepthMap(np.full((3, 3), 3.0, np.float32), CAMERA)
    drawn = top_view.top_view(near, (400, 400), 4.0, 0.5, true=far)
    assert tuple(drawn[400 - 188, 200]) == top_view.SEEN_COLOUR
    assert tuple(drawn[400 - 282, 200]) == top_view.TRUE_COLOUR
