"""From pictures to sights, on one worker thread; requests wait here for what they need.

A sight is a finished frame (``sight.py``). Only the executor's thread touches this object's
state. The worker computes and hands over through ``executor.create_task``, which also wakes the
executor.
"""

import time

from rclpy.task import Future

from depthlm_ros.estimator import DepthEstimator
from depthlm_ros.latest import LatestWorker, QueueFull, Stopped
from depthlm_ros.models.base import DenseDepthModel
from depthlm_ros.nodes.conversions import FrameMaker
from depthlm_ros.nodes.model_calls import call_model
from depthlm_ros.nodes.stamps import Picture, check_age
from depthlm_ros.nodes.statistics import Statistics
from depthlm_ros.nodes.waiting import Waiter, WaitingRoom
from depthlm_ros.sight import Sight, look, read
from depthlm_ros.status import Code, Refusal

PERSISTENT = 3
"""After so many bad pictures in a row requests are told at once and wait no longer."""


class Engine:
    """Owns the model, the worker and the newest picture and sight.

    ``streams`` (``streams.py``) are told, on the worker's thread, of every new sight with a depth
    map, and tell whether anybody listens and what of a cloud is wanted.
    """

    def __init__(self, node, faults, streams):
        self._node, self._faults, self._streams = node, faults, streams
        self.statistics = Statistics()
        self.worker: LatestWorker | None = None
        self.model = None
        self.epoch = 0
        self.active = False
        self.picture: Picture | None = None
        self.sight: Sight | None = None
        self.running_since: float | None = None
        self.last_refusal: Refusal | None = None
        self._bad_in_a_row = 0
        self._frames = FrameMaker()
        self._offered: Picture | None = None
        self._room = WaitingRoom(lambda: self._values.max_waiting, lambda: node.executor.wake())

    # -- life ---------------------------------------------------------------------------------

    def start_worker(self) -> None:
        """Start the worker thread if there is none; its queue is as long as max_waiting."""
        if self.worker is None:
            self.worker = LatestWorker(max_jobs=self._values.max_waiting)
        self.worker.max_jobs = self._values.max_waiting

    def run_job(self, run) -> Future:
        """Run a function on the worker (loading a model); the future ends with (result, error)."""
        future = Future()
        self.start_worker()
        self.worker.submit(run, self._hand_over(lambda *outcome: future.set_result(outcome)))
        return future

    def activate(self, image_is_rectified: bool) -> None:
        """Begin to serve."""
        self._frames = FrameMaker(image_is_rectified)
        self.statistics = Statistics()
        self.flush()
        self.active = True

    def deactivate(self) -> None:
        """Serve no more: waiting requests get NOT_ACTIVE, a result in flight is forgotten."""
        self.active = False
        self.flush()
        self._room.settle_all(Refusal(Code.NOT_ACTIVE, "the node was deactivated"))

    def flush(self) -> None:
        """Forget picture and sight, as after a jump of the clock; what is in flight is STALE."""
        self.epoch += 1
        self.picture = self.sight = self._offered = self.last_refusal = None
        self._bad_in_a_row = 0
        if self.worker is not None:
            self.worker.forget_frame()

    def stop(self, timeout_s: float) -> bool:
        """Stop the worker; True when its thread has ended."""
        worker, self.worker = self.worker, None
        return worker is None or worker.stop(timeout_s)

    @property
    def is_dense(self) -> bool:
        """True for a model that gives a depth map."""
        return isinstance(self.model, DenseDepthModel)

    @property
    def waiting(self) -> int:
        """Number of requests that wait."""
        return len(self._room)

    # -- pictures -----------------------------------------------------------------------------

    def take_picture(self, picture: Picture) -> None:
        """Take the newest picture; work on it only if somebody wants the result."""
        self.picture, self.last_refusal = picture, None
        self._room.settle_all(picture, "picture")
        wanted = self._values.continuous or self._streams.wanted()
        if self.is_dense and (wanted or self._room.wanted("sight")):
            self._offer(picture)

    def _offer(self, picture: Picture) -> None:
        if picture is self._offered:
            return
        self._offered = picture
        self.worker.offer(
            lambda: self._look(picture),
            lambda sight, error: self._looked(picture, sight, error),
        )

    def _look(self, picture: Picture) -> Sight:
        """Turn a picture into a sight: on the worker."""
        begin = self.running_since = time.monotonic()
        seen = self._frames.frame(picture.image, picture.info)
        options = (*self._ranges, picture.epoch, self._streams.cloud_wish())
        sight = call_model(
            self.model, lambda: look(self.model, *seen, *options), self.statistics
        )
        self.statistics.inference.add(time.monotonic() - begin)
        return sight

    def _looked(self, picture: Picture, sight: Sight | None, error) -> None:
        """Hand a sight over, then publish it: on the worker."""
        self.running_since = None
        self._node.executor.create_task(self._finished, picture, sight, error)
        if sight is not None and sight.epoch == self.epoch and self.active:
            self._streams.publish(sight)

    def _finished(self, picture: Picture, sight: Sight | None, error) -> None:
        """Take a sight or its failure over: on the executor."""
        if picture.epoch != self.epoch:
            return
        if error is None:
            self.sight = sight
            self._note_success()
            self._room.settle_all(sight, "sight")
        else:
            self.refuse_picture(self._refusal_of(error, "the picture"))

    def refuse_picture(self, refusal: Refusal) -> None:
        """Count a picture that came to nothing; tell those who wait when it goes on like that."""
        self._note_refusal(refusal)
        self.last_refusal = refusal
        self._bad_in_a_row += 1
        if refusal.code == Code.MODEL_ERROR or self._bad_in_a_row >= PERSISTENT:
            self._room.settle_all(refusal, "sight")
            self._room.settle_all(refusal, "picture")

    def _note_success(self) -> None:
        self._bad_in_a_row = self.statistics.model_failures_in_a_row = 0
        self.statistics.results.tick()

    def _note_refusal(self, refusal: Refusal) -> None:
        self.statistics.refused(refusal)
        if refusal.code == Code.MODEL_ERROR:
            self.statistics.model_failures_in_a_row += 1

    def _refusal_of(self, error: BaseException, what: str) -> Refusal:
        if isinstance(error, Refusal):
            return error
        if isinstance(error, Stopped):
            return Refusal(Code.NOT_ACTIVE, "the node is stopping")
        sentence = self._faults.note(f"working on {what}", error)
        return Refusal(Code.MODEL_ERROR, f"the model failed ({sentence}); see the log")

    # -- requests -----------------------------------------------------------------------------

    async def read(self, pixels_of, until: float):
        """Return a fresh sight and the readings (PointDepth) at its pixels.

        ``pixels_of(sight)`` gives the pixels (N, 2) of the subscribed image. ``until``: monotonic
        time of the deadline. Raises Refusal.
        """
        self.check_active()
        if self.is_dense:
            sight = await self._fresh_sight(until)
            return sight, read(self.model, sight, pixels_of(sight), *self._ranges)
        await self.newest_picture(until)

        def call(sight):
            return read(self.model, sight, pixels_of(sight), *self._ranges)

        return await self._on_worker(lambda: self._look_and_ask(call), until)

    def check_active(self) -> None:
        """Refuse when the node does not serve now."""
        if self.model is None and (reason := self._node.why_no_model()):
            raise Refusal(Code.MODEL_NOT_READY, reason)
        if not self.active:
            raise Refusal(Code.NOT_ACTIVE, self._how_to_activate())

    def _how_to_activate(self) -> str:
        state, name = self._node.state_label(), self._node.get_fully_qualified_name()
        if state == "finalized":
            return "the node was shut down: start it again"
        first = "configure`, then `" if state == "unconfigured" else ""
        return f"the node is {state}: `ros2 lifecycle set {name} {first}activate`"

    def check_fresh(self, sight: Sight) -> None:
        """Refuse a sight that is too old or from before a jump of the clock: at the answer."""
        self.check_active()
        if sight.epoch != self.epoch:
            raise Refusal(
                Code.STALE, "the clock jumped or the node restarted meanwhile: ask again"
            )
        self._check_stamp(sight.frame.stamp_ns)

    def _check_stamp(self, stamp: int) -> None:
        values = self._values
        now = self._node.get_clock().now().nanoseconds
        check_age(stamp, now, values.max_age, values.future_tolerance)

    def _is_fresh(self, stamp: int) -> bool:
        try:
            self._check_stamp(stamp)
        except Refusal:
            return False
        return True

    async def _fresh_sight(self, until: float) -> Sight:
        """Return a sight that is young enough, or the last one that came within the deadline.

        A picture that was young when it was taken up may be too old when it is finished: then
        the next one is waited for, unless the model alone takes that long.
        """
        sight, late = self.sight, None
        while sight is None or not self._is_fresh(sight.frame.stamp_ns):
            if self.picture is not None and self._is_fresh(self.picture.stamp_ns):
                self._offer(self.picture)
            try:
                sight = late = await self._wait("sight", until)
            except Refusal:
                if late is None:
                    raise
                return late
            if self.statistics.inference.percentile(50) >= self._values.max_age:
                break
        return sight

    async def newest_picture(self, until: float) -> Picture:
        """Return the newest picture, or the next one when that is too old. Raises Refusal."""
        self.check_active()
        if self.picture is not None and self._is_fresh(self.picture.stamp_ns):
            return self.picture
        return await self._wait("picture", until)

    def estimator(self) -> DepthEstimator:
        """Return the estimator with the current parameters."""
        return DepthEstimator(self.model, *self._ranges)

    @property
    def _ranges(self) -> tuple[float, float]:
        """Nearest and farthest depth that is believed now [m]."""
        return self._values.min_range_m, self._values.max_range_m

    async def reply(self, words: str, until: float):
        """Return a fresh sight and what the model writes about it: (Sight, str). Raises Refusal.

        A dense model is asked about the last picture it has looked at, which it still remembers
        if no other came between.
        """
        self.check_active()
        sight = await self._fresh_sight(until) if self.is_dense else None
        if sight is None:
            await self.newest_picture(until)

        def call(seen):
            return self.model.reply(seen.frame.rgb, seen.frame.camera, words)

        return await self._on_worker(lambda: self._look_and_ask(call, sight), until)

    async def _on_worker(self, job, until: float):
        """Return what a job gives on the worker, when its turn comes."""
        waiter = self._room.enter("job", until)

        def run():
            if waiter.future.done():
                raise Refusal(Code.DEADLINE, "the deadline passed while waiting for the model")
            return job()

        try:
            self.worker.submit(run, self._hand_over(lambda *r: self._job_done(waiter, *r)))
        except QueueFull as error:
            self._room.leave(waiter)
            raise Refusal(Code.BUSY, f"{error}: ask again later") from error
        return await self._room.outcome(waiter)

    def _look_and_ask(self, ask, sight: Sight | None = None):
        """Return a sight, else the newest picture's, and ``ask(sight)``: on the worker."""
        picture = self.picture
        if picture is None:
            raise Refusal(
                Code.STALE, "the clock jumped or the node restarted meanwhile: ask again"
            )
        begin = self.running_since = time.monotonic()
        try:
            if sight is None:
                seen = self._frames.frame(picture.image, picture.info)
                sight = look(self.model, *seen, *self._ranges, picture.epoch)
            answer = call_model(self.model, lambda: ask(sight), self.statistics)
        finally:
            self.running_since = None
        self.statistics.inference.add(time.monotonic() - begin)
        return sight, answer

    def _job_done(self, waiter: Waiter, result, error) -> None:
        if error is None:
            self._note_success()
        else:
            result = self._refusal_of(error, "a question")
            self._note_refusal(result)
        self._room.settle(waiter, result)

    # -- waiting ------------------------------------------------------------------------------

    async def _wait(self, wants: str, until: float):
        return await self._room.outcome(self._room.enter(wants, until))

    async def wait_for(self, future: Future, until: float):
        """Wait for a future of somebody else; Refusal(DEADLINE) when it does not come in time."""
        waiter = self._room.enter("job", until)
        future.add_done_callback(lambda done: self._room.settle(waiter, done))
        return await self._room.outcome(waiter)

    def expire(self) -> None:
        """End the waits whose deadline has passed: called by a steady timer."""
        self._room.expire(self._why_not)

    def _why_not(self, waiter: Waiter) -> Refusal:
        """Say why a request got nothing within its deadline."""
        if waiter.wants == "job" or self.running_since is not None:
            return Refusal(
                Code.DEADLINE,
                "the model was not ready within the deadline: allow more time, or take a faster "
                "model",
            )
        return self._node.missing_input()

    # -- threads ------------------------------------------------------------------------------

    def _hand_over(self, function):
        """Return a done callback that runs ``function`` on the executor and wakes it after."""

        def on_executor(*outcome):
            function(*outcome)
            self._node.executor.wake()

        def done(result, error):
            self._node.executor.create_task(on_executor, result, error)

        return done

    @property
    def _values(self):
        return self._node.parameters.values
