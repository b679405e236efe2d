"""Schedules inference on one worker thread; requests wait here for the result they need.

An image pair becomes a ``FrameDepth`` (``estimator.py``). Only the executor's thread touches this
object's state. The worker computes and hands its result over through ``executor.create_task``,
which also wakes the executor.
"""

import contextlib
import time

from rclpy.task import Future

from depthlm_ros.estimator import FrameDepth, estimate, sample
from depthlm_ros.models.base import DenseDepthModel
from depthlm_ros.models.oom_retry import call_model
from depthlm_ros.nodes.common.conversions import FrameMaker
from depthlm_ros.nodes.depth.applied_scale import (
    named_readings,
    scaled_frame,
    scaled_readings,
)
from depthlm_ros.nodes.depth.pending_requests import PendingRequest, PendingRequests
from depthlm_ros.nodes.depth.statistics import Statistics
from depthlm_ros.nodes.depth.time_sync import ImagePair, age_s, check_age
from depthlm_ros.status import Code, StatusError
from depthlm_ros.worker import LatestWorker, QueueFullError, WorkerStoppedError

PERSISTENT = 3
"""After so many rejected images in a row, pending requests fail at once."""


class InferenceScheduler:
    """Owns the model, the worker, the newest image pair and the newest FrameDepth.

    ``node``: gives executor, clock and name. ``parameters``: of the node (``common/parameters``).
    ``depth_publishers``: tell whether anybody subscribes and which cloud is wanted, and publish
    every new FrameDepth with a depth map, on the worker's thread. ``why_no_model()``: why there is
    none, or ""; ``state_label()``: the lifecycle state.
    """

    def __init__(self, node, parameters, guard, depth_publishers, why_no_model, state_label):
        self._node, self._parameters, self._guard = node, parameters, guard
        self._depth_publishers = depth_publishers
        self.why_no_model, self._state_label = why_no_model, state_label
        self.statistics = Statistics()
        self.worker: LatestWorker | None = None
        self.model = None
        self.clock_generation = 0
        self.scale = 1.0
        self.turn = contextlib.nullcontext()  # held while the model works, by one of several
        self.active = False
        self.image_pair: ImagePair | None = None
        self.frame_depth: FrameDepth | None = None
        self.running_since: float | None = None
        self.last_refusal: StatusError | None = None
        self._bad_in_a_row = 0
        self._frames = FrameMaker()
        self._submitted: ImagePair | None = None
        self._pending = PendingRequests(
            lambda: self._values.max_waiting, lambda: node.executor.wake()
        )

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
        """Start serving."""
        blank = self._values.refuse_blank
        self._frames = FrameMaker(image_is_rectified, refuse_blank=blank)
        self.statistics = Statistics()
        self.flush()
        self.active = True

    def deactivate(self) -> None:
        """Stop serving: pending requests get NOT_ACTIVE, a result in flight is dropped."""
        self.active = False
        self.flush()
        self._pending.resolve_all(StatusError(Code.NOT_ACTIVE, "the node was deactivated"))

    def flush(self) -> None:
        """Drop image pair and result, as after a clock jump; what is in flight becomes STALE."""
        self.clock_generation += 1
        self.image_pair = self.frame_depth = self._submitted = self.last_refusal = None
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
        return len(self._pending)

    # -- images -------------------------------------------------------------------------------

    def take_image_pair(self, image_pair: ImagePair) -> None:
        """Take the newest image pair; run the model on it only if somebody needs the result."""
        self.image_pair, self.last_refusal = image_pair, None
        self._pending.resolve_all(image_pair, "image")
        wanted = self._values.continuous or self._depth_publishers.wanted()
        if self.is_dense and (wanted or self._pending.wanted("depth")):
            self._submit_latest(image_pair)

    def _submit_latest(self, image_pair: ImagePair) -> None:
        if image_pair is self._submitted:
            return
        self._submitted = image_pair
        self.worker.set_latest(
            self._in_turn(lambda: self._estimate(image_pair)),
            lambda frame_depth, error: self._estimated(image_pair, frame_depth, error),
        )

    def _in_turn(self, job):
        """Return the job so that it waits for its turn of a model that several share."""

        def run():
            with self.turn:
                return job()

        return run

    def _estimate(self, image_pair: ImagePair) -> FrameDepth:
        """Run the model on an image pair: on the worker."""
        begin = self.running_since = time.monotonic()
        seen = self._frames.frame(image_pair.image, image_pair.info)
        options = (
            *self.ranges,
            image_pair.clock_generation,
            self._depth_publishers.cloud_request(),
        )
        frame_depth = call_model(
            self.model, lambda: estimate(self.model, *seen, *options), self.statistics
        )
        self.statistics.inference.add(time.monotonic() - begin)
        return scaled_frame(frame_depth, self.scale)

    def _estimated(self, image_pair: ImagePair, frame_depth: FrameDepth | None, error) -> None:
        """Hand a result over to the executor, then publish it: on the worker."""
        self.running_since = None
        self._node.executor.create_task(self._finished, image_pair, frame_depth, error)
        if (
            frame_depth is not None
            and frame_depth.clock_generation == self.clock_generation
            and self.active
        ):
            self._publish(frame_depth)

    def _publish(self, frame_depth: FrameDepth) -> None:
        """Publish and measure how long after the image's stamp: on the worker."""
        if self._depth_publishers.publish(frame_depth):
            now = self._node.get_clock().now().nanoseconds
            self.statistics.to_publish.add(age_s(frame_depth.frame.stamp_ns, now))

    def _finished(self, image_pair: ImagePair, frame_depth: FrameDepth | None, error) -> None:
        """Take over a result or its failure: on the executor."""
        if image_pair.clock_generation != self.clock_generation:
            return
        if error is None:
            self.frame_depth = frame_depth = scaled_frame(frame_depth, self.scale)
            self._note_success()
            self._pending.resolve_all(frame_depth, "depth")
        else:
            self.reject_image_pair(self._refusal_of(error, "the image"))

    def reject_image_pair(self, refusal: StatusError) -> None:
        """Count an image pair without a result; fail pending requests when that persists."""
        self._note_refusal(refusal)
        self.last_refusal = refusal
        self._bad_in_a_row += 1
        if refusal.code == Code.MODEL_ERROR or self._bad_in_a_row >= PERSISTENT:
            self._pending.resolve_all(refusal, "depth")
            self._pending.resolve_all(refusal, "image")

    def _note_success(self) -> None:
        self._bad_in_a_row = self.statistics.model_failures_in_a_row = 0
        self.statistics.results.tick()

    def _note_refusal(self, refusal: StatusError) -> None:
        self.statistics.refused(refusal)
        if refusal.code == Code.MODEL_ERROR:
            self.statistics.model_failures_in_a_row += 1

    def _refusal_of(self, error: BaseException, what: str) -> StatusError:
        if isinstance(error, StatusError):
            return error
        if isinstance(error, WorkerStoppedError):
            return StatusError(Code.NOT_ACTIVE, "the node is stopping")
        sentence = self._guard.record(f"working on {what}", error)
        return StatusError(Code.MODEL_ERROR, f"the model failed ({sentence}); see the log")

    # -- requests -----------------------------------------------------------------------------

    async def sample(self, pixels_of, until: float):
        """Return a fresh FrameDepth and the readings (PointDepth) at its pixels.

        ``pixels_of(frame_depth)`` gives the pixels (N, 2) of the subscribed image. ``until``:
        monotonic time of the deadline. Raises StatusError.
        """
        self.check_active()
        if self.is_dense:
            frame_depth = await self._fresh_depth(until)
            readings = sample(self.model, frame_depth, pixels_of(frame_depth), *self.ranges)
            return frame_depth, named_readings(readings, frame_depth.scale)
        await self.newest_image_pair(until)

        def call(frame_depth):
            readings = sample(self.model, frame_depth, pixels_of(frame_depth), *self.ranges)
            return scaled_readings(readings, self.scale)

        job = self._in_turn(lambda: self._estimate_and_ask(call))
        return await self._on_worker(job, until)

    async def fresh_depth(self, until: float) -> FrameDepth:
        """Return a fresh sight with a depth map; StatusError(UNSUPPORTED) where there is none."""
        self._check_dense()
        return await self._fresh_depth(until)

    async def next_depth(self, until: float) -> FrameDepth:
        """Return the depth map of a picture that comes from now on. Raises StatusError."""
        self._check_dense()
        return await self._wait("depth", until)

    def apply_scale(self, scale: float) -> None:
        """Multiply the model's depth by a scale from now on, that of the newest result too."""
        self.scale = scale
        if self.frame_depth is not None:
            self.frame_depth = scaled_frame(self.frame_depth, scale)

    def _check_dense(self) -> None:
        self.check_active()
        if not self.is_dense:
            raise StatusError(
                Code.UNSUPPORTED,
                f"the model {self.model.name!r} gives single distances and no depth map: "
                "clearance, regions and scale need a dense model such as 'embedded'",
            )

    def check_active(self) -> None:
        """Raise StatusError when the node is not serving."""
        if self.model is None and (reason := self.why_no_model()):
            raise StatusError(Code.MODEL_NOT_READY, reason)
        if not self.active:
            raise StatusError(Code.NOT_ACTIVE, self._how_to_activate())

    def _how_to_activate(self) -> str:
        state, name = self._state_label(), self._node.get_fully_qualified_name()
        if state == "finalized":
            return "the node was shut down: start it again"
        first = "configure`, then `" if state == "unconfigured" else ""
        return f"the node is {state}: `ros2 lifecycle set {name} {first}activate`"

    def check_fresh(self, frame_depth: FrameDepth) -> None:
        """Raise StatusError(STALE) for a result too old to answer from.

        Or older than a clock jump.
        """
        self.check_active()
        if frame_depth.clock_generation != self.clock_generation:
            raise StatusError(
                Code.STALE, "the clock jumped or the node restarted meanwhile: ask again"
            )
        self._check_stamp(frame_depth.frame.stamp_ns)

    def _check_stamp(self, stamp: int) -> None:
        values = self._values
        now = self._node.get_clock().now().nanoseconds
        check_age(stamp, now, values.max_age, values.future_tolerance)

    def _is_fresh(self, stamp: int) -> bool:
        try:
            self._check_stamp(stamp)
        except StatusError:
            return False
        return True

    async def _fresh_depth(self, until: float) -> FrameDepth:
        """Return a result younger than max_age, or the last one that came within the deadline.

        An image that was young enough when inference began may be too old when it ends: then the
        next one is waited for, unless the model alone takes longer than max_age.
        """
        frame_depth, late = self.frame_depth, None
        while frame_depth is None or not self._is_fresh(frame_depth.frame.stamp_ns):
            if self.image_pair is not None and self._is_fresh(self.image_pair.stamp_ns):
                self._submit_latest(self.image_pair)
            try:
                frame_depth = late = await self._wait("depth", until)
            except StatusError:
                if late is None:
                    raise
                return late
            if self.statistics.inference.percentile(50) >= self._values.max_age:
                break
        return frame_depth

    async def newest_image_pair(self, until: float) -> ImagePair:
        """Return the newest image pair, or the next one when that is too old.

        Raises StatusError.
        """
        self.check_active()
        if self.image_pair is not None and self._is_fresh(self.image_pair.stamp_ns):
            return self.image_pair
        return await self._wait("image", until)

    @property
    def ranges(self) -> tuple[float, float]:
        """Nearest and farthest depth that is believed now [m]."""
        return self._values.min_range_m, self._values.max_range_m

    async def run_on_depth(self, call, until: float, after_token):
        """Return a fresh FrameDepth and what ``call(it)`` gives on the worker. Raises StatusError.

        A dense model is asked about the last picture it has looked at, which it still remembers
        if no other came between. ``after_token``: called while the model writes; frames that wait
        are looked at then too, so that depth goes on; it may raise StatusError to end the reply.
        """
        self.check_active()
        frame_depth = await self._fresh_depth(until) if self.is_dense else None
        if frame_depth is None:
            await self.newest_image_pair(until)

        def listening(seen):
            return self._with_listener(lambda: call(seen), after_token)

        job = self._in_turn(lambda: self._estimate_and_ask(listening, frame_depth))
        return await self._on_worker(job, until)

    def _with_listener(self, call, after_token):
        """Call the model with a listener to its tokens, where it takes one: on the worker."""
        if not hasattr(self.model, "on_token"):
            return call()

        def between():
            after_token()
            begin = self.running_since
            self.worker.run_frame_between()
            self.running_since = begin

        self.model.on_token = between
        try:
            return call()
        finally:
            self.model.on_token = None

    async def run_beside(self, call, until: float, worker: LatestWorker):
        """Return a fresh FrameDepth and what ``call(it)`` gives on another worker.

        For what does not touch the model: a server is waited for there while depth goes on.
        """
        self.check_active()
        frame_depth = await self._fresh_depth(until)
        return await self._on_worker(lambda: (frame_depth, call(frame_depth)), until, worker)

    async def _on_worker(self, job, until: float, worker: LatestWorker | None = None):
        """Return what a job gives on the worker (the model's own), when its turn comes."""
        request = self._pending.add("job", until)

        def run():
            if request.future.done():
                raise StatusError(Code.DEADLINE, "the deadline passed while waiting for the model")
            return job()

        try:
            (worker or self.worker).submit(
                run, self._hand_over(lambda *r: self._job_done(request, *r))
            )
        except QueueFullError as error:
            self._pending.remove(request)
            raise StatusError(Code.BUSY, f"{error}: ask again later") from error
        return await self._pending.outcome(request)

    def _estimate_and_ask(self, ask, frame_depth: FrameDepth | None = None):
        """Return a FrameDepth (that given.

        Else the newest image's) and ``ask(it)``: on the worker.
        """
        image_pair = self.image_pair
        if image_pair is None:
            raise StatusError(
                Code.STALE, "the clock jumped or the node restarted meanwhile: ask again"
            )
        begin = self.running_since = time.monotonic()
        try:
            if frame_depth is None:
                seen = self._frames.frame(image_pair.image, image_pair.info)
                frame_depth = estimate(
                    self.model, *seen, *self.ranges, image_pair.clock_generation
                )
            answer = call_model(self.model, lambda: ask(frame_depth), self.statistics)
        finally:
            self.running_since = None
        self.statistics.inference.add(time.monotonic() - begin)
        return frame_depth, answer

    def _job_done(self, request: PendingRequest, result, error) -> None:
        if error is None:
            self._note_success()
        else:
            result = self._refusal_of(error, "a question")
            self._note_refusal(result)
        self._pending.resolve(request, result)

    # -- waiting ------------------------------------------------------------------------------

    async def _wait(self, wants: str, until: float):
        return await self._pending.outcome(self._pending.add(wants, until))

    async def wait_for(self, future: Future, until: float):
        """Wait for a future of somebody else.

        StatusError(DEADLINE) when it does not come in time.
        """
        request = self._pending.add("job", until)
        future.add_done_callback(lambda done: self._pending.resolve(request, done))
        return await self._pending.outcome(request)

    def expire(self, why_no_input) -> None:
        """Resolve the requests whose deadline has passed: called by a steady timer.

        ``why_no_input()``: the StatusError for a request that waited for an image in vain.
        """
        self._pending.expire(lambda request: self._why_not(request) or why_no_input())

    def _why_not(self, request: PendingRequest) -> StatusError | None:
        """Return why a request got nothing within its deadline; None: no image came."""
        if request.wants == "job" or self.running_since is not None:
            return StatusError(
                Code.DEADLINE,
                "the model was not ready within the deadline: allow more time, or take a faster "
                "model",
            )
        return None

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
        return self._parameters.values
