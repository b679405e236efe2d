"""Which picture a request is answered from, and how old it may be: without a graph or a thread."""

from types import SimpleNamespace

import numpy as np
import pytest
from rclpy.task import Future

from depthlm_ros.estimator import FrameDepth
from depthlm_ros.frame import Frame
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.canonical_view import CanonicalView
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.nodes.depth.inference import InferenceScheduler
from depthlm_ros.nodes.depth.recent_results import ImageAges, RecentByStamp
from depthlm_ros.nodes.depth.time_sync import ImagePair
from depthlm_ros.status import Code, StatusError

CAMERA = PinholeCamera(50.0, 50.0, 31.5, 23.5, 64, 48)
S = 1_000_000_000


class Plane:
    """A dense model; never asked here, since results are made by hand."""

    name, ratio_90 = "plane", 1.1

    def view_of(self, camera):
        """Return the picture as it is."""
        return CanonicalView.of(camera, camera.fx)

    def depth(self, rgb, view):
        """Return 2 m."""
        return np.full((view.height, view.width), 2.0, np.float32)


class Worker:
    """Takes what it is given and does it when told."""

    def __init__(self):
        self.frames, self.jobs, self.max_jobs = [], [], 16

    def set_latest(self, run, done):
        """Take a frame."""
        self.frames.append((run, done))

    def submit(self, run, done):
        """Take a job."""
        self.jobs.append((run, done))

    def forget_frame(self):
        """Do nothing."""

    def do_job(self):
        """Do the oldest job."""
        run, done = self.jobs.pop(0)
        try:
            result, error = run(), None
        except Exception as caught:
            result, error = None, caught
        done(result, error)


class Bench:
    """A scheduler with clocks of the test's own, and coroutines driven by hand."""

    def __init__(self, **changed):
        values = {
            "max_waiting": 4,
            "max_age": 1.0,
            "future_tolerance": 0.1,
            "continuous": False,
            "min_range_m": 0.05,
            "max_range_m": 100.0,
        }
        self.values = SimpleNamespace(**{**values, **changed})
        self.ns, self.steady, self.simulated = 100 * S, 0.0, False
        executor = SimpleNamespace(
            wake=lambda: None, create_task=lambda f, *arguments: f(*arguments)
        )
        clock = SimpleNamespace(
            now=lambda: SimpleNamespace(nanoseconds=self.ns), ros_time_is_active=False
        )
        node = SimpleNamespace(executor=executor, get_clock=lambda: clock)
        publishers = SimpleNamespace(
            wanted=lambda: False, cloud_request=lambda: None, publish=lambda _: False
        )
        guard = SimpleNamespace(record=lambda what, error: f"{type(error).__name__}: {error}")
        self.scheduler = InferenceScheduler(
            node,
            SimpleNamespace(values=self.values),
            guard,
            publishers,
            lambda: "",
            lambda: "active",
        )
        self.scheduler._ages = ImageAges(
            lambda: self.ns, lambda: self.simulated, lambda: self.steady
        )
        self.worker = self.scheduler.worker = Worker()
        self.scheduler.model, self.scheduler.active = Plane(), True

    def wait(self, seconds):
        """Let time pass on both clocks."""
        self.ns += int(seconds * S)
        self.steady += seconds

    def image(self, stamp_s):
        """Let an image with its CameraInfo arrive."""
        stamp = int(stamp_s * S)
        self.scheduler.image_arrived(stamp)
        image = SimpleNamespace(data=bytes(10))
        pair = ImagePair(image, None, self.scheduler.clock_generation, stamp)
        self.scheduler.take_image_pair(pair)
        return pair

    def result(self, stamp_s, depth=2.0):
        """Let the result of an image come."""
        stamp = int(stamp_s * S)
        frame = Frame(np.zeros((48, 64, 3), np.uint8), CAMERA, stamp, "camera")
        depth_map = DepthMap(np.full((48, 64), depth, np.float32), CAMERA, stamp)
        rectifier = SimpleNamespace(source_to_rectified=lambda pixels: np.asarray(pixels, float))
        made = FrameDepth(frame, rectifier, depth_map, self.scheduler.clock_generation)
        self.scheduler._finished(self.scheduler.image_pair, made, None)
        return made

    def ask(self, within=5.0, stamp_s=0.0, pixels=((1, 1),)):
        """Begin a request; return its Asked."""
        import time

        until = time.monotonic() + within
        return Asked(self.scheduler.sample(lambda _: list(pixels), until, int(stamp_s * S)))


class Asked:
    """A request that waits; ``step`` lets it go on."""

    def __init__(self, coroutine):
        self._coroutine, self.answer, self.refusal = coroutine, None, None
        self.step()

    def step(self):
        """Run it to its next wait; return itself."""
        try:
            waits_for = self._coroutine.send(None)
            assert waits_for is None or isinstance(waits_for, Future)
        except StopIteration as end:
            self.answer = end.value
        except StatusError as refusal:
            self.refusal = refusal
        return self

    @property
    def stamp_s(self):
        """The stamp of the picture that it was answered from."""
        return self.answer[0].frame.stamp_ns / S


@pytest.fixture
def bench():
    return Bench()


def test_a_cached_result_answers_while_no_newer_picture_has_come(bench):
    bench.image(99.9)
    bench.result(99.9)
    assert bench.ask().stamp_s == 99.9


def test_while_newer_pictures_arrive_the_newest_is_the_one(bench):
    bench.image(99.5)
    bench.result(99.5)
    bench.image(99.9)
    asked = bench.ask()
    assert asked.answer is None and len(bench.worker.frames) == 1
    bench.result(99.9)
    assert asked.step().stamp_s == 99.9


def test_what_was_under_way_when_it_was_asked_does_not_answer(bench):
    bench.image(99.6)
    bench.image(99.9)
    asked = bench.ask()
    bench.result(99.6)
    assert asked.step().answer is None
    bench.result(99.9)
    assert asked.step().stamp_s == 99.9


def test_a_newer_picture_is_not_waited_for_beyond_the_deadline(bench):
    bench.image(99.5)
    bench.result(99.5)
    bench.image(99.9)
    for _ in range(10):
        bench.scheduler.statistics.inference.add(0.5)
    assert bench.ask(within=0.4).stamp_s == 99.5
    assert bench.ask(within=5.0).answer is None


def test_when_all_places_are_taken_the_cached_result_answers(bench):
    bench.image(99.5)
    bench.result(99.5)
    bench.image(99.9)
    waiting = [bench.ask() for _ in range(4)]
    assert all(asked.answer is None and asked.refusal is None for asked in waiting)
    assert bench.ask().stamp_s == 99.5


def test_a_stamp_names_its_picture_as_long_as_it_is_kept(bench):
    for stamp in (99.5, 99.6, 99.7):
        bench.image(stamp)
        bench.result(stamp, depth=stamp)
    asked = bench.ask(stamp_s=99.6)
    assert asked.stamp_s == 99.6
    assert asked.answer[1][0].depth_m == pytest.approx(99.6, rel=1e-5)


def test_a_picture_without_a_result_is_looked_at_for_the_one_who_names_it(bench, monkeypatch):
    bench.image(99.6)
    bench.image(99.8)
    made = bench.result(99.8)
    seen = []
    monkeypatch.setattr(bench.scheduler, "_see", lambda pair: seen.append(pair) or made)
    asked = bench.ask(stamp_s=99.6)
    assert asked.answer is None
    bench.worker.do_job()
    assert asked.step().answer is not None and seen[0].stamp_ns == int(99.6 * S)


@pytest.mark.parametrize("stamp_s", [90.0, 99.75])
def test_a_picture_that_is_gone_or_never_came_is_no_frame_at_once(bench, stamp_s):
    bench.image(99.8)
    bench.result(99.8)
    refusal = bench.ask(stamp_s=stamp_s).refusal
    assert refusal.code == Code.NO_FRAME and "is not kept any more" in refusal.text


def test_a_picture_that_is_still_to_come_is_waited_for(bench):
    bench.image(99.8)
    bench.result(99.8)
    asked = bench.ask(stamp_s=99.95)
    assert asked.answer is None and asked.refusal is None
    bench.image(99.95)
    asked.step()
    assert len(bench.worker.jobs) == 1


def test_a_large_request_is_read_on_the_worker(bench):
    bench.image(99.9)
    bench.result(99.9)
    asked = bench.ask(pixels=[(1, 1)] * 65)
    assert asked.answer is None and len(bench.worker.jobs) == 1
    bench.worker.do_job()
    assert len(asked.step().answer[1]) == 65
    assert bench.ask(pixels=[(1, 1)] * 64).answer is not None


# -- bad pictures beside good ones -------------------------------------------------------------


def test_bad_pictures_beside_good_ones_refuse_nobody(bench):
    bad = StatusError(Code.BAD_STAMP, "stamp 0 s")
    asked = bench.ask()
    for i in range(9):
        bench.image(99.0 + i / 10)
        bench.scheduler.reject_image(bad)
    assert len(bench.scheduler._pending) == 1
    bench.result(99.8)
    assert asked.step().stamp_s == 99.8


def test_bad_pictures_alone_refuse_after_the_third(bench):
    bad = StatusError(Code.BAD_STAMP, "stamp 0 s")
    asked = bench.ask()
    for _ in range(3):
        bench.scheduler.reject_image(bad)
    assert asked.step().refusal is bad


# -- age ---------------------------------------------------------------------------------------


def test_the_age_counts_when_the_answer_goes_out(bench):
    bench.image(99.9)
    made = bench.result(99.9)
    bench.scheduler.check_fresh(made)
    bench.wait(0.85)  # 0.95 s old
    assert bench.scheduler.check_fresh(made) == pytest.approx(0.95)
    assert bench.scheduler.check_fresh(made, margin_s=0.04) == pytest.approx(0.99)
    with pytest.raises(StatusError, match="STALE"):
        bench.scheduler.check_fresh(made, margin_s=0.06)
    bench.wait(0.06)
    with pytest.raises(StatusError, match="STALE"):
        bench.scheduler.check_fresh(made)


def test_a_clock_that_is_set_back_makes_nothing_young(bench):
    bench.image(99.9)
    made = bench.result(99.9)
    bench.wait(5.3)
    bench.ns -= 4 * S  # now 101.3: by the stamp 1.4 s, and 5.4 s in truth
    assert bench.scheduler.age_s(made.frame.stamp_ns) == pytest.approx(5.4)
    bench.ns -= S  # by the stamp 0.4 s
    with pytest.raises(StatusError, match="STALE.*5.400 s old"):
        bench.scheduler.check_fresh(made)
    bench.simulated = True
    bench.scheduler.check_fresh(made)


def test_a_picture_from_the_future_stays_one(bench):
    bench.scheduler.image_arrived(int(1000 * S))
    bench.wait(60.0)
    with pytest.raises(StatusError, match="BAD_STAMP.*in the future"):
        bench.scheduler._check_stamp(int(1000 * S))


def test_stamps_since_boot_are_named_as_such(bench):
    bench.ns = 1_764_000_000 * S
    with pytest.raises(StatusError, match="BAD_STAMP.*1234.500 s, as if counted since boot"):
        bench.scheduler._check_stamp(int(1234.5 * S))


def test_the_ring_keeps_the_newest_within_its_bounds():
    ring = RecentByStamp(lambda item: item, max_entries=3, max_bytes=100)
    for stamp in range(5):
        ring.add(stamp, 10)
    assert [ring.get(stamp) for stamp in range(5)] == [None, None, 10, 10, 10]
    ring.add(5, 95)
    assert len(ring) == 2 and ring.get(4) == 10 and ring.get(5) == 95
    ring.clear()
    assert ring.get(5) is None


# -- clicks ------------------------------------------------------------------------------------
