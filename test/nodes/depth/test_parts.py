"""Parts of the node that need no graph: pairing, ages, waiting, replies sent again, transforms."""

import math
import time
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, Image

from depthlm_ros.models.oom_retry import call_model, is_out_of_memory
from depthlm_ros.nodes.common.callback_guard import CallbackGuard
from depthlm_ros.nodes.common.service_reply_retry import SENT_AGAIN_FOR_S, ServiceReplyRetrier
from depthlm_ros.nodes.depth.pending_requests import PendingRequests
from depthlm_ros.nodes.depth.responses import duration
from depthlm_ros.nodes.depth.statistics import Latencies, Statistics
from depthlm_ros.nodes.depth.time_sync import CameraInfoSynchronizer, age_s, check_age
from depthlm_ros.nodes.depth.transforms import rotation_matrix
from depthlm_ros.status import Code, StatusError

S = 1_000_000_000


class Log:
    """A logger that remembers."""

    def __init__(self):
        self.lines = []

    def error(self, text):
        """Remember a line."""
        self.lines.append(text)


def image(sec):
    message = Image()
    message.header.stamp.sec = sec
    return message


def info(sec, fx=1.0):
    message = CameraInfo()
    message.header.stamp.sec = sec
    message.k[0] = fx
    return message


def test_an_image_waits_for_the_camera_info_of_its_own_stamp():
    pairer = CameraInfoSynchronizer()
    assert pairer.add_info(info(1, 10.0)) is None
    assert pairer.add_image(image(2)) is None
    found = pairer.add_info(info(2, 20.0))
    assert (found[0].header.stamp.sec, found[1].k[0]) == (2, 20.0)


def test_a_camera_info_may_come_first_even_several_frames_ahead():
    pairer = CameraInfoSynchronizer()
    for sec in range(1, 6):
        pairer.add_info(info(sec, float(sec)))
    assert [pairer.add_image(image(sec))[1].k[0] for sec in (1, 2, 5)] == [1.0, 2.0, 5.0]


def test_drivers_that_stamp_apart_get_the_newest_camera_info():
    pairer = CameraInfoSynchronizer()
    pairer.add_info(info(1, 10.0))
    found = []
    for sec in range(2, 8):
        found.append(pairer.add_image(image(2 * sec)))
        pairer.add_info(info(2 * sec - 1, float(sec)))  # before its image: not a later one
    assert found[:3] == [None] * 3  # patience
    assert [pair[1].k[0] for pair in found[3:]] == [4.0, 5.0, 6.0]


def test_a_later_camera_info_ends_the_wait():
    pairer = CameraInfoSynchronizer()
    assert pairer.add_image(image(10)) is None
    found = pairer.add_info(info(11, 5.0))
    assert (found[0].header.stamp.sec, found[1].k[0]) == (10, 5.0)


def test_a_camera_info_that_came_once_serves_all_images():
    pairer = CameraInfoSynchronizer()
    pairer.add_info(info(1))
    paired = [pairer.add_image(image(sec)) for sec in range(2, 20)]
    assert all(paired[CameraInfoSynchronizer.MAX_UNMATCHED :]) and not any(
        paired[: CameraInfoSynchronizer.MAX_UNMATCHED]
    )


def test_a_driver_that_mends_its_stamps_is_paired_exactly_again():
    pairer = CameraInfoSynchronizer()
    pairer.add_info(info(1, 1.0))
    for sec in range(2, 8):
        pairer.add_image(image(sec))
    pairer.add_info(info(20, 20.0))
    assert pairer.add_image(image(20))[1].k[0] == 20.0
    assert pairer.add_image(image(21)) is None  # trusted again: waits for its own
    assert pairer.add_info(info(21, 21.0))[1].k[0] == 21.0


def test_forgetting():
    pairer = CameraInfoSynchronizer()
    pairer.add_info(info(1))
    pairer.forget()
    assert pairer.add_image(image(1)) is None


@pytest.mark.parametrize(
    "stamp, code", [(10, None), (9.0, None), (8.999, Code.STALE), (10.1, None), (10.101, 6)]
)
def test_ages_at_the_limits(stamp, code):
    arguments = int(stamp * S), 10 * S, 1.0, 0.1
    if code is None:
        check_age(*arguments)
    else:
        with pytest.raises(StatusError) as caught:
            check_age(*arguments)
        assert caught.value.code == code
    assert age_s(8 * S, 10 * S) == 2.0


def test_durations_are_floored_and_saturated():
    assert (duration(1.25).sec, duration(1.25).nanosec) == (1, 250_000_000)
    assert (duration(-0.25).sec, duration(-0.25).nanosec) == (-1, 750_000_000)
    assert duration(1e300).sec == 2_000_000_000


def test_the_waiting_room_is_bounded_and_settles_each_once():
    woken = []
    room = PendingRequests(lambda: 2, lambda: woken.append(1))
    first, second = room.add("sight", math.inf), room.add("picture", 0.0)
    with pytest.raises(StatusError) as caught:
        room.add("sight", 1.0)
    assert caught.value.code == Code.BUSY and len(room) == 2
    room.expire(lambda request: StatusError(Code.DEADLINE, request.wants))
    assert second.future.result().code == Code.DEADLINE and len(room) == 1
    assert room.wanted("sight") and not room.wanted("picture")
    room.resolve_all("seen", "sight")
    room.resolve(first, "again")
    assert first.future.result() == "seen" and len(room) == 0 and len(woken) == 2


class Service:
    """A service whose middleware gives replies up a few times."""

    def __init__(self, failures):
        self.failures, self.sent = failures, []

    def send_response(self, response, header):
        """Send, or fail as rclpy does with the filter on."""
        if self.failures:
            self.failures -= 1
            raise RuntimeWarning("failed to send response (timeout): client will not receive it")
        self.sent.append((response, header))


def test_a_reply_given_up_by_the_middleware_is_sent_again():
    now = [0.0]
    told = []
    replies = ServiceReplyRetrier(
        CallbackGuard(Log()), clock=lambda: now[0], on_unsent=lambda: told.append(1)
    )
    service = Service(failures=3)
    replies.attach(service)
    assert replies.waiting == 0
    service.send_response("reply", "header")
    assert replies.waiting == 1 and told == [1]  # so that the timer begins to run
    for _ in range(100):
        now[0] += 0.02
        replies.retry()
    assert service.sent == [("reply", "header")] and replies.sent_again == 3
    assert replies.waiting == 0


def test_a_reply_that_nobody_takes_is_given_up_and_counted():
    now, guard = [0.0], CallbackGuard(Log())
    replies = ServiceReplyRetrier(guard, clock=lambda: now[0])
    service = Service(failures=10**6)
    replies.attach(service)
    service.send_response("reply", "header")
    while now[0] < 2 * SENT_AGAIN_FOR_S:
        now[0] += 0.1
        replies.retry()
    assert service.sent == [] and guard.count == 1
    attempts = replies.sent_again
    now[0] += 10.0
    replies.retry()
    assert replies.sent_again == attempts


def test_faults_are_counted_and_logged_once_in_a_while():
    log = Log()
    guard = CallbackGuard(log)
    fail = guard.wrap("here", lambda: 1 / 0)
    assert [fail() for _ in range(50)] == [None] * 50
    assert guard.count == 50 and len(log.lines) == 1
    assert "here: ZeroDivisionError" in guard.last and "ZeroDivisionError" in log.lines[0]
    assert guard.wrap("there", lambda x: x + 1)(1) == 2


def test_what_fails_because_the_node_leaves_is_no_fault():
    log, leaving = Log(), [False]
    guard = CallbackGuard(log, lambda: leaving[0])
    fail = guard.wrap("here", lambda: 1 / 0)
    leaving[0] = True
    assert fail() is None and guard.count == 0 and not log.lines
    leaving[0] = False
    assert fail() is None and guard.count == 1 and len(log.lines) == 1


def test_out_of_memory_is_recognised_through_causes():
    cause = type("OutOfMemoryError", (RuntimeError,), {})("cuda")
    refusal = StatusError(Code.MODEL_ERROR, "out")
    refusal.__cause__ = cause
    assert (
        is_out_of_memory(cause) and is_out_of_memory(refusal) and is_out_of_memory(MemoryError())
    )
    assert not is_out_of_memory(ValueError()) and not is_out_of_memory(None)
    own = ValueError()
    own.__cause__ = own
    assert not is_out_of_memory(own)  # and comes to an end


def test_one_retry_at_a_smaller_size_and_no_second():
    statistics = Statistics()
    calls = []

    def call():
        calls.append(1)
        raise MemoryError("full")

    with pytest.raises(MemoryError):
        call_model(SimpleNamespace(shrink=lambda: True), call, statistics)
    assert len(calls) == 2 and statistics.retries == 1
    with pytest.raises(StatusError, match="no smaller size"):
        call_model(object(), call, statistics)
    assert len(calls) == 3


def test_the_retry_has_the_memory_that_the_first_try_filled():
    held = []

    def call():
        if held:
            return held[0]()
        tensor = np.ones(1000)
        held.append(weakref.ref(tensor))
        raise StatusError(Code.MODEL_ERROR, "no memory") from MemoryError("full")

    assert call_model(SimpleNamespace(shrink=lambda: True), call, Statistics()) is None


def test_a_rotation_by_hand():
    half = math.sqrt(0.5)
    about_z = rotation_matrix(0, 0, half, half)  # a quarter turn: x becomes y
    assert about_z @ (1, 0, 0) == pytest.approx((0, 1, 0))
    about_x = rotation_matrix(2 * half, 0, 0, 2 * half)  # not normalised
    assert about_x @ (0, 1, 0) == pytest.approx((0, 0, 1))
    assert np.linalg.det(about_x) == pytest.approx(1.0)
    with pytest.raises(StatusError):
        rotation_matrix(0, 0, 0, 0)


def test_percentiles():
    latencies = Latencies()
    assert math.isnan(latencies.percentile(50))
    for value in range(101):
        latencies.add(value)
    assert (latencies.percentile(50), latencies.percentile(95)) == (50, 95)
    assert Statistics().images.hertz() == 0.0
    assert Statistics().images.silence_s(time.monotonic() - 3.0) == pytest.approx(3.0, abs=1.0)
