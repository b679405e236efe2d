"""The parts of the camera that need no graph: pace, pairing, playing ahead, memory of truth."""

import threading

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo, Image

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.nodes.camera.playback_clock import PlaybackClock
from depthlm_ros.nodes.camera.sources.bag_topics import (
    COMPRESSED,
    IMAGE,
    INFO,
    Topic,
    choose_images,
    choose_infos,
)
from depthlm_ros.nodes.camera.sources.camera_info_pairing import MAX_WAITING, RecordedPairs
from depthlm_ros.nodes.camera.sources.ground_truth import DenseTruth
from depthlm_ros.nodes.camera.sources.prefetch import QUEUE_LENGTH, Prefetcher
from depthlm_ros.nodes.camera.sources.source import CameraSample
from depthlm_ros.status import Code, StatusError

SECOND = 1_000_000_000


def sample(seconds, number=0):
    """Return a shot taken at a time of the source."""
    return CameraSample(Image(), CameraInfo(), int(seconds * SECOND), Time(), round=number)


# -- pace -----------------------------------------------------------------------------------------


def test_the_recorded_pace_is_kept():
    head = PlaybackClock(0.0, True, 0)
    assert head.due_s(sample(50), 1000.0) == 1000.0
    assert head.clock_ns(sample(50), 1000.0) is None
    assert not head.advance(sample(50), 1000.0)
    assert head.due_s(sample(50.5), 1000.1) == 1000.5
    assert head.clock_ns(sample(50.5), 1000.25) == 50.25 * SECOND
    assert head.clock_ns(sample(50.5), 2000.0) == 50.5 * SECOND  # it waits for the picture
    assert head.clock_ns(None, 2000.0) == 50 * SECOND  # nothing says how far it may run
    head.advance(sample(50.5), 1000.6)  # a little late: the pace is kept
    assert head.due_s(sample(51), 1000.6) == 1001.0
    head.advance(sample(51), 1005.0)  # far too late: it goes on from there
    assert head.due_s(sample(52), 1005.0) == 1006.0


def test_a_new_round_begins_after_the_last_gap_with_a_jump_back():
    head = PlaybackClock(0.0, True, 0)
    head.advance(sample(50), 0.0)
    head.advance(sample(52), 2.0)
    again = sample(50, number=1)
    assert head.due_s(again, 2.0) == 4.0
    assert head.clock_ns(again, 3.0) == 52 * SECOND  # no running backwards
    assert head.advance(again, 4.0) and head.sample_ns == 50 * SECOND


def test_a_clock_of_ones_own_never_jumps():
    head = PlaybackClock(10.0, False, 7 * SECOND)
    assert not head.advance(sample(50), 0.0) and head.sample_ns == 7 * SECOND
    assert head.due_s(sample(99), 0.0) == pytest.approx(0.1)
    assert head.clock_ns(sample(99), 0.05) == pytest.approx(7.05 * SECOND)
    assert not head.advance(sample(50, number=1), 0.1) and head.sample_ns == 7.1 * SECOND


# -- pairing --------------------------------------------------------------------------------------


def test_an_image_waits_for_its_own_camera_info():
    pairs = RecordedPairs()
    assert pairs.add_info((1, 0), "I1") == []
    assert pairs.add_image((1, 0), "a") == [("a", "I1")]
    assert pairs.add_image((2, 0), "b") == []
    assert pairs.add_image((3, 0), "c") == []
    assert pairs.add_info((2, 0), "I2") == [("b", "I2")]
    assert pairs.finish() == [("c", "I2")]
    assert pairs.lost == 0


def test_an_image_without_its_own_takes_the_one_before():
    pairs = RecordedPairs()
    pairs.add_info((1, 0), "I1")
    assert pairs.add_image((2, 0), "a") == []
    assert pairs.add_info((2, 5), "I2") == [("a", "I1")]
    assert [pairs.add_image((3 + i, 0), i) for i in range(3)] == [[], [], [(0, "I2")]]
    assert pairs.finish() == [(1, "I2"), (2, "I2")]


def test_images_before_the_first_camera_info():
    pairs = RecordedPairs()
    assert pairs.add_image((1, 0), "a") == []
    assert pairs.add_info((2, 0), "I2") == [("a", "I2")]
    pairs = RecordedPairs()
    for i in range(MAX_WAITING + 2):
        assert pairs.add_image((i, 0), i) == []
    assert pairs.lost == 2
    assert pairs.finish() == [] and pairs.lost == MAX_WAITING + 2


# -- topics ---------------------------------------------------------------------------------------


def test_topics_of_a_depth_camera():
    colour, depth = Topic("/rgb/image_raw", IMAGE, 9), Topic("/depth/image_raw", IMAGE, 9)
    empty = Topic("/other/image", IMAGE, 0)
    small = Topic("/rgb/image_raw/compressed", COMPRESSED, 9)
    odd = Topic("/depth/image_raw/compressedDepth", COMPRESSED, 9)
    assert choose_images([colour, empty, odd], "", False) == colour
    assert choose_images([colour, small], "", False) == colour
    assert choose_images([colour, small], "", True) == small
    assert choose_images([small], "", False) == small
    assert choose_images([colour, depth], "depth/image_raw", False) == depth
    assert choose_images([colour, depth, empty], "", False) == colour
    second = Topic("/left/image_raw", IMAGE, 9)
    with pytest.raises(StatusError, match="2 topics of the bag hold images"):
        choose_images([colour, second, empty], "", False)
    with pytest.raises(StatusError, match="it holds no message"):
        choose_images([colour, empty], "/other/image", False)


def test_camera_info_is_the_one_beside_the_images():
    image = Topic("/rgb/image_raw/compressed", COMPRESSED, 9)
    own, other = Topic("/rgb/camera_info", INFO, 9), Topic("/front/camera_info", INFO, 9)
    third, depth = Topic("/third/camera_info", INFO, 9), Topic("/depth/camera_info", INFO, 9)
    assert choose_infos([other, own], "", image) == own
    assert choose_infos([other], "", image) == other
    assert choose_infos([], "", image) is None
    zed = Topic("/rgb/image_raw/camera_info", INFO, 5)
    assert choose_infos([other, zed], "", image) == zed
    assert choose_infos([zed, own], "", image) == own
    assert choose_infos([own, depth], "/depth/camera_info", image) == depth
    assert choose_infos([depth], "", image) is None  # of another camera
    assert choose_infos([depth, other], "", image) == other
    aligned = Topic("/camera/aligned_depth_to_color/camera_info", INFO, 9)
    assert choose_infos([depth, aligned], "", image) == aligned
    with pytest.raises(
        StatusError, match="set bag_camera_info_topic to one of /front/camera_info"
    ):
        choose_infos([other, third], "", image)


# -- playing ahead --------------------------------------------------------------------------------


class Counting:
    """A source of a few shots that counts what it has made."""

    title, default_rate_hz = "counting", 5.0

    def __init__(self, count):
        self.count, self.made = count, 0

    def samples(self):
        """Play one round."""
        for i in range(self.count):
            self.made += 1
            yield sample(i)


def test_it_plays_ahead_only_so_far_and_stops(tools):
    source = Counting(100)
    ahead = Prefetcher(lambda: source, True, lambda: None)
    ahead.start()
    tools.wait_until(lambda: source.made == QUEUE_LENGTH + 1, "the queue to fill")
    assert ahead.take().time_ns == 0
    tools.wait_until(lambda: source.made == QUEUE_LENGTH + 2, "one more")
    assert ahead.stop(tools.WAIT_S) and source.made == QUEUE_LENGTH + 2


def test_rounds_are_numbered_and_the_end_is_told(tools):
    told, news = [], threading.Semaphore(0)
    ahead = Prefetcher(lambda: Counting(2), True, news.release)
    ahead.start()
    for _ in range(5):
        assert news.acquire(timeout=tools.WAIT_S)
        told.append((ahead.next.round, ahead.take().time_ns))
    assert told == [(0, 0), (0, SECOND), (1, 0), (1, SECOND), (2, 0)]
    assert ahead.stop(tools.WAIT_S)
    once = Prefetcher(lambda: Counting(2), False, lambda: None)
    once.start()
    tools.wait_until(lambda: once.ended, "the end")
    assert once.error is None and once.take().time_ns == 0


def test_an_error_and_an_empty_source_are_told(tools):
    for source, kind in ((lambda: Counting(0), StatusError), (lambda: 1 / 0, ZeroDivisionError)):
        ahead = Prefetcher(source, True, lambda: None)
        ahead.start()
        tools.wait_until(lambda ahead=ahead: ahead.ended, "the end")
        assert isinstance(ahead.error, kind)


def test_one_that_never_began_can_be_stopped():
    assert Prefetcher(lambda: Counting(1), True, lambda: None).stop(1.0)


# -- truth ----------------------------------------------------------------------------------------


def test_a_pixel_has_the_depth_of_the_nearest_centre():
    camera = PinholeCamera(10.0, 10.0, 1.0, 1.0, 3, 3)
    depth = np.arange(1, 10, dtype=np.float32).reshape(3, 3)
    depth[2, 2] = np.nan
    pixels = [(0.49, 0.0), (0.5, 0.0), (-0.5, 1.49), (2.49, 1.5), (2.5, 0)]
    read = DenseTruth(depth, camera).read(pixels)
    assert [r.depth_m for r in read[:3]] == [1.0, 2.0, 4.0]
    assert [r.code for r in read[3:]] == [Code.NO_DEPTH, Code.OUT_OF_IMAGE]
    assert "unknown depth" in read[3].text
