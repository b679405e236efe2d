"""Which filters are applied when: values worked out by hand, without a graph."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from depthlm_ros.estimator import FrameDepth
from depthlm_ros.frame import Frame
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.nodes.depth.depth_filters import DepthFilters

CAMERA = PinholeCamera(50.0, 50.0, 2.0, 2.0, 5, 5)
SPECK = np.full((5, 5), 2.0, np.float32)
SPECK[2, 2] = 1.0


def pose(x=0.0, yaw=0.0):
    """Return a camera's pose (4, 4)."""
    c, s = math.cos(yaw), math.sin(yaw)
    return np.array([[c, -s, 0, x], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])


class Bench:
    """Filters with parameters and poses that a test sets."""

    def __init__(self, **values):
        self.values = SimpleNamespace(
            median_filter=False, temporal_filter=0.0, camera_is_still=False
        )
        vars(self.values).update(values)
        self.pose = pose()
        self.filters = DepthFilters(lambda: self.values, lambda frame_id, stamp_ns: self.pose)

    def depth(self, metres, generation=0, **how):
        """Return what becomes of a map of one depth, or of these depths."""
        depth = np.full((5, 5), metres, np.float32)
        frame = Frame(np.zeros((5, 5, 3), np.uint8), CAMERA, 1, "eye")
        made = FrameDepth(frame, None, DepthMap(depth, CAMERA), generation)
        return self.filters.apply(made, **how).depth_map.depth_m


def test_nothing_is_filtered_unless_wanted():
    bench = Bench()
    assert not bench.filters.any()
    np.testing.assert_array_equal(bench.depth(SPECK), SPECK)


def test_the_median_takes_a_speck_away():
    bench = Bench(median_filter=True)
    assert bench.filters.any()
    assert (bench.depth(SPECK) == 2.0).all()
    assert (bench.depth(SPECK, in_order=False) == 2.0).all()


def test_a_camera_that_stands_still_has_a_past():
    bench = Bench(temporal_filter=0.5)
    assert bench.depth(2.0)[0, 0] == 2.0
    # half of each in the logarithm: sqrt(2.0 * 2.1)
    assert bench.depth(2.1)[0, 0] == pytest.approx(math.sqrt(4.2), rel=1e-6)
    assert bench.depth(2.4)[0, 0] == pytest.approx(2.4)  # more than a tenth: another surface


@pytest.mark.parametrize(
    "later", [pose(x=0.02), pose(yaw=math.radians(1.0)), None], ids=["moved", "turned", "unknown"]
)
def test_one_that_does_not_has_none(later):
    bench = Bench(temporal_filter=0.5)
    bench.depth(2.0)
    bench.pose = later
    assert bench.depth(2.1)[0, 0] == pytest.approx(2.1)


def test_one_that_is_mounted_fast_needs_no_tf():
    bench = Bench(temporal_filter=0.5, camera_is_still=True)
    bench.pose = None
    bench.depth(2.0)
    assert bench.depth(2.1)[0, 0] == pytest.approx(math.sqrt(4.2), rel=1e-6)


def test_the_past_ends_with_the_clock_and_skips_images_out_of_order():
    bench = Bench(temporal_filter=0.5, camera_is_still=True)
    bench.depth(2.0)
    assert bench.depth(2.05, in_order=False)[0, 0] == pytest.approx(2.05)
    assert bench.depth(2.1)[0, 0] == pytest.approx(math.sqrt(4.2), rel=1e-6)
    assert bench.depth(2.2, generation=1)[0, 0] == pytest.approx(2.2)


def test_turned_off_and_on_again_it_begins_anew():
    bench = Bench(temporal_filter=0.5, camera_is_still=True)
    bench.depth(2.0)
    bench.values.temporal_filter = 0.0
    assert bench.depth(2.1)[0, 0] == pytest.approx(2.1)
    bench.values.temporal_filter = 0.5
    assert bench.depth(2.0)[0, 0] == pytest.approx(2.0)
