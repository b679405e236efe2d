"""One worker thread in which the newest frame wins and questions are never lost.

Knows: a first-in first-out queue of jobs with a bound, one slot for the newest frame, fair turns
between the two. Does not know: what a frame or a job is, ROS, torch. ``done`` callbacks run on the
worker thread.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Done = Callable[[Any, BaseException | None], None]


class QueueFullError(Exception):
    """As many jobs wait as the bound allows."""


class WorkerStoppedError(Exception):
    """The worker was stopped before this job began."""


@dataclass(frozen=True)
class _Job:
    run: Callable[[], Any]
    done: Done


class LatestWorker:
    """Runs jobs and frames one at a time on a daemon thread.

    A daemon, so that a process may end while a job that nobody can interrupt still runs. After
    ``stop`` the worker takes nothing any more. Counters: ``dropped`` frames replaced or forgotten
    before their turn, ``finished`` and ``failed`` jobs and frames, ``faults`` in ``done``
    callbacks.
    """

    def __init__(self, max_jobs: int = 16, name: str = "inference") -> None:
        if max_jobs < 1:
            raise ValueError(f"max_jobs = {max_jobs}: must be at least 1")
        self.max_jobs = max_jobs
        self.dropped = self.finished = self.failed = self.faults = 0
        self._jobs: deque[_Job] = deque()
        self._frame: _Job | None = None
        self._frame_turn = False
        self._busy = self._stopping = False
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Number of jobs that wait for their turn."""
        return len(self._jobs)

    @property
    def busy(self) -> bool:
        """True while a job or a frame is being worked on."""
        return self._busy

    def set_latest(self, run: Callable[[], Any], done: Done) -> None:
        """Put a frame into the slot; one that still waits there is dropped, without ``done``."""
        with self._change:
            if self._stopping:
                raise WorkerStoppedError("the worker was stopped")
            self.dropped += self._frame is not None
            self._frame = _Job(run, done)
            self._change.notify_all()

    def submit(self, run: Callable[[], Any], done: Done) -> None:
        """Queue a job; raise QueueFullError when ``max_jobs`` wait already."""
        with self._change:
            if self._stopping:
                raise WorkerStoppedError("the worker was stopped")
            if len(self._jobs) >= self.max_jobs:
                raise QueueFullError(f"{self.max_jobs} jobs are waiting")
            self._jobs.append(_Job(run, done))
            self._change.notify_all()

    def run_frame_between(self) -> bool:
        """Run the waiting frame now, from within a job that takes long; False: none waits."""
        with self._change:
            frame, self._frame = self._frame, None
            if frame is None or self._stopping:
                return False
        self._run(frame)
        return True

    def forget_frame(self) -> None:
        """Drop the waiting frame, if there is one."""
        with self._change:
            self.dropped += self._frame is not None
            self._frame = None

    def stop(self, timeout_s: float) -> bool:
        """Cancel what waits (``done`` gets Stopped), wait for what runs; True: ended in time."""
        with self._change:
            self._stopping = True
            self.dropped += self._frame is not None
            self._frame = None
            cancelled, self._jobs = list(self._jobs), deque()
            self._change.notify_all()
        for job in cancelled:
            self._deliver(job, None, WorkerStoppedError("the worker was stopped"))
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _take(self) -> _Job | None:
        """Wait for work and take it; frames and jobs take turns when both wait. None: stopped."""
        with self._change:
            self._busy = False
            while not self._stopping and not self._jobs and self._frame is None:
                self._change.wait()
            if self._stopping:
                return None
            self._busy = True
            take_frame = self._frame is not None and (self._frame_turn or not self._jobs)
            self._frame_turn = not take_frame
            if take_frame:
                job, self._frame = self._frame, None
            else:
                job = self._jobs.popleft()
            return job

    def _loop(self) -> None:
        while (job := self._take()) is not None:
            self._run(job)
            del job  # a frame is large: not kept while waiting for the next one

    def _run(self, job: _Job) -> None:
        try:
            result, error = job.run(), None
        except BaseException as exception:  # not even SystemExit ends it
            result, error = None, exception
        if error is None:
            self.finished += 1
        else:
            self.failed += 1
        self._deliver(job, result, error)

    def _deliver(self, job: _Job, result: Any, error: BaseException | None) -> None:
        try:
            job.done(result, error)
        except Exception:
            self.faults += 1
            logging.getLogger(__name__).exception("a done callback failed")
