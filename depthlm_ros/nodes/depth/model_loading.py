"""Loading a model on the worker while the node goes on answering; one at a time.

A lifecycle manager gives configure a few seconds (Nav2: 5), and a large model takes more. So
configure answers in time and the loading goes on; whoever needs the model asks here. Executor's
thread only.
"""

import time

from rclpy.task import Future

from depthlm_ros.status import StatusError

WAIT_S = 3.0
"""How long a transition waits for the model: with what else it takes, less than Nav2's 5 s."""


class ModelLoading:
    """One loading after another; ``take(model)`` and ``fail(sentence)`` are told how each ends.

    ``run_job(call)``: has the worker do it, a future of (result, error). ``sentence_of(error)``:
    for people. ``clock``: of the steady kind.
    """

    def __init__(self, run_job, sentence_of, take, fail, clock=time.monotonic):
        self._run_job, self._sentence_of = run_job, sentence_of
        self._take, self._fail, self._clock = take, fail, clock
        self._since: float | None = None
        self._number = 0
        self.error = ""
        self.done = Future()

    @property
    def is_running(self) -> bool:
        """Whether a model that is still wanted is being loaded."""
        return self._since is not None

    @property
    def seconds(self) -> float:
        """How long the present one has been running; 0 without one."""
        return 0.0 if self._since is None else self._clock() - self._since

    def why_no_model(self) -> str:
        """Say why there is no model now; "" when nobody has asked for one."""
        if self.is_running:
            return f"the model has been loading for {self.seconds:.0f} s"
        return self.error

    def begin(self, call) -> None:
        """Begin to load; ``done`` ends when it has ended, well or not."""
        self._number += 1
        self._since, self.error, self.done = self._clock(), "", Future()
        number, done = self._number, self.done
        job = self._run_job(call)
        job.add_done_callback(lambda ended: self._ended(number, done, *ended.result()))

    def forget(self) -> None:
        """Want it no more: what comes is dropped."""
        self._number += 1
        self._since, self.error = None, ""
        if not self.done.done():
            self.done.set_result(None)

    def _ended(self, number: int, done: Future, model, error) -> None:
        if number != self._number:
            return
        seconds, self._since = self.seconds, None
        if error is None:
            self._take(model, seconds)
        else:
            text = str(error) if isinstance(error, StatusError) else self._sentence_of(error)
            self.error = text
            self._fail(text)
        done.set_result(None)

    async def wait(self, wait_for, seconds: float | None = WAIT_S) -> None:
        """Wait until it has ended, or so long; ``wait_for(future, until)``: raises when late."""
        if seconds is None:
            await self.done
        elif self.is_running:
            try:
                await wait_for(self.done, time.monotonic() + seconds)
            except StatusError:
                return  # it goes on
