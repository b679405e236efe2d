"""The newest-frame-wins worker: order, bounds, drops, delivery of errors, bounded stop."""

import threading
import time

import pytest

from depthlm_ros.worker import LatestWorker, QueueFullError, WorkerStoppedError

PATIENCE_S = 20.0


class Gate:
    """A job that says when it began and ends when told."""

    def __init__(self):
        self.began, self.go = threading.Event(), threading.Event()

    def __call__(self):  # noqa: D102
        self.began.set()
        assert self.go.wait(PATIENCE_S)
        return "gate"


class Collector:
    """Remembers what was delivered, in order."""

    def __init__(self):
        self.items, self._change = [], threading.Condition()

    def __call__(self, result, error):  # noqa: D102
        with self._change:
            self.items.append((result, error))
            self._change.notify_all()

    def wait_for(self, count):
        """Wait for so many deliveries and return the results."""
        with self._change:
            assert self._change.wait_for(lambda: len(self.items) >= count, PATIENCE_S), self.items
            return [result for result, _ in self.items]


@pytest.fixture
def blocked():
    """Give a worker that is held inside a first job, with its gate and a collector."""
    worker, gate, collector = LatestWorker(max_jobs=3), Gate(), Collector()
    worker.submit(gate, collector)
    assert gate.began.wait(PATIENCE_S)
    yield worker, gate, collector
    gate.go.set()
    assert worker.stop(PATIENCE_S)


def test_newest_frame_wins_and_drops_are_counted(blocked):
    worker, gate, collector = blocked
    for number in range(10):
        worker.set_latest(lambda number=number: number, collector)
    gate.go.set()
    assert collector.wait_for(2) == ["gate", 9]
    assert worker.dropped == 9
    assert worker.finished == 2


def test_jobs_keep_their_order_and_take_turns_with_the_frame(blocked):
    worker, gate, collector = blocked
    for name in "abc":
        worker.submit(lambda name=name: name, collector)
    worker.set_latest(lambda: "frame", collector)
    gate.go.set()
    assert collector.wait_for(5) == ["gate", "frame", "a", "b", "c"]
    assert worker.dropped == 0


def test_a_stream_of_frames_does_not_starve_jobs(blocked):
    worker, gate, collector = blocked
    more = iter(range(50))

    def frame():
        number = next(more, None)
        if number is not None:
            worker.set_latest(frame, collector)
        return "frame"

    worker.set_latest(frame, collector)
    worker.submit(lambda: "a", collector)
    worker.submit(lambda: "b", collector)
    gate.go.set()
    order = collector.wait_for(6)
    assert order[:6] == ["gate", "frame", "a", "frame", "b", "frame"]


def test_the_bound_is_kept(blocked):
    worker, gate, collector = blocked
    for _ in range(3):
        worker.submit(lambda: "ok", collector)
    with pytest.raises(QueueFullError, match="3 jobs"):
        worker.submit(lambda: "one too many", collector)
    assert worker.waiting == 3
    gate.go.set()
    assert collector.wait_for(4) == ["gate", "ok", "ok", "ok"]


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
def test_exceptions_are_delivered_and_the_worker_lives(blocked, error):
    worker, gate, collector = blocked

    def fail():
        raise error

    worker.submit(fail, collector)
    worker.submit(lambda: "after", collector)
    gate.go.set()
    assert collector.wait_for(3) == ["gate", None, "after"]
    assert collector.items[1][1] is error
    assert worker.failed == 1


def test_a_failing_done_callback_is_counted_and_the_worker_lives(blocked):
    worker, gate, collector = blocked

    def bad_done(result, error):
        raise RuntimeError("in done")

    worker.submit(lambda: 1, bad_done)
    worker.submit(lambda: "after", collector)
    gate.go.set()
    assert collector.wait_for(2) == ["gate", "after"]
    assert worker.faults == 1


def test_forgetting_the_frame_drops_it(blocked):
    worker, gate, collector = blocked
    worker.set_latest(lambda: "old", collector)
    worker.forget_frame()
    worker.submit(lambda: "job", collector)
    gate.go.set()
    assert collector.wait_for(2) == ["gate", "job"]
    assert worker.dropped == 1


def test_stop_cancels_what_waits_and_returns_in_time_while_a_job_runs(blocked):
    worker, gate, collector = blocked
    worker.submit(lambda: "never", collector)
    worker.set_latest(lambda: "never", collector)
    begin = time.monotonic()
    assert worker.stop(0.05) is False
    assert time.monotonic() - begin < 5.0
    assert isinstance(collector.items[0][1], WorkerStoppedError)
    assert worker.dropped == 1
    with pytest.raises(WorkerStoppedError):
        worker.submit(lambda: 1, collector)
    with pytest.raises(WorkerStoppedError):
        worker.set_latest(lambda: 1, collector)
    gate.go.set()
    assert worker.stop(PATIENCE_S) is True
    assert collector.wait_for(2)[1] == "gate"


def test_busy_tells_whether_something_runs(blocked):
    worker, gate, collector = blocked
    assert worker.busy
    gate.go.set()
    collector.wait_for(1)
    end = time.monotonic() + PATIENCE_S
    while worker.busy and time.monotonic() < end:
        time.sleep(0.001)
    assert not worker.busy


def test_a_bound_below_one_is_refused():
    with pytest.raises(ValueError, match="max_jobs = 0"):
        LatestWorker(max_jobs=0)


def test_a_long_job_lets_the_waiting_frame_run_between(blocked):
    worker, gate, collector = blocked
    ran = []

    def long_job():
        worker.set_latest(lambda: "frame", collector)
        ran.extend([worker.run_frame_between(), worker.run_frame_between()])
        return "job"

    worker.submit(long_job, collector)
    gate.go.set()
    collector.wait_for(3)
    assert ran == [True, False] and worker.dropped == 0
    assert [result for result, _ in collector.items] == ["gate", "frame", "job"]
