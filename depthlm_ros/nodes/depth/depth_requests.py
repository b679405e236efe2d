"""What a request waits for: the newest result, that of one image by its stamp, its turn.

The part of ``InferenceScheduler`` (``inference.py``) that requests speak to. Only the executor's
thread touches its state.
"""

import inspect
import time
from functools import partial

from rclpy.task import Future

from depthlm_ros.estimator import FrameDepth, FrameEstimator
from depthlm_ros.models.oom_retry import call_model
from depthlm_ros.nodes.depth.applied_scale import (
    named_readings,
    scaled_frame,
    scaled_readings,
)
from depthlm_ros.nodes.depth.freshness import Freshness
from depthlm_ros.nodes.depth.pending_requests import PendingRequest
from depthlm_ros.nodes.depth.time_sync import ImagePair
from depthlm_ros.status import Code, StatusError
from depthlm_ros.worker import LatestWorker, QueueFullError

LARGE_REQUEST = 64
"""Pixels from which a request is read on the worker: the executor has others to serve."""
HASTE = 1.3
"""A newer image is waited for where its result is expected this much before the deadline."""


class DepthRequests(Freshness):
    """Coroutines that requests await, each until its own deadline."""

    async def sample(self, pixels_of, until: float, stamp_ns: int = 0):
        """Return a FrameDepth and the readings (PointDepth) at its pixels.

        ``pixels_of(frame_depth)`` gives the pixels (N, 2) of the subscribed image, or a coroutine
        of them. ``until``: monotonic time of the deadline. ``stamp_ns``: of the image it is about;
        0: the newest that can be had. Raises StatusError.
        """
        frame_depth = await self.frame_depth_for(until, stamp_ns)
        pixels = pixels_of(frame_depth)
        if inspect.isawaitable(pixels):
            pixels = await pixels

        def read(frame_depth=frame_depth):
            readings = self.estimator.sample(frame_depth, pixels)
            if self.is_dense:
                return named_readings(readings, frame_depth.scale)
            return scaled_readings(readings, self.scale)

        if self.is_dense and len(pixels) <= LARGE_REQUEST:
            return frame_depth, read()
        if self.is_dense:
            return frame_depth, await self.compute(read, until)
        ask = partial(self._estimate_and_ask, read, frame_depth)
        return await self._on_worker(self._in_turn(ask), until)

    async def fresh_depth(self, until: float, stamp_ns: int = 0) -> FrameDepth:
        """Return a FrameDepth with a depth map; StatusError(UNSUPPORTED) where there is none."""
        self._check_dense()
        return await self.frame_depth_for(until, stamp_ns)

    async def next_depth(self, until: float) -> FrameDepth:
        """Return the depth map of an image that comes from now on. Raises StatusError."""
        self._check_dense()
        return await self._wait("depth", until)

    def apply_scale(self, scale: float) -> None:
        """Multiply the model's depth by a scale from now on, that of the newest result too."""
        self.scale = scale
        self._recent_depths.clear()  # of the scale before; made anew for whoever names them
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

    async def frame_depth_for(self, until: float, stamp_ns: int = 0) -> FrameDepth:
        """Return the FrameDepth of an image by its stamp, 0: of the newest that can be had.

        A point model's has no depth map. Raises StatusError.
        """
        self.check_active()
        if stamp_ns:
            return await self._of_stamp(stamp_ns, until)
        if self.is_dense:
            return await self._newest_depth(until)
        pair = await self.newest_image_pair(until)
        return await self._on_worker(self._in_turn(partial(self._see, pair)), until)

    def keeps(self, stamp_ns: int) -> bool:
        """Tell whether the image of this stamp can still be asked about."""
        kept = (self._recent_depths.get(stamp_ns), self._recent_pairs.get(stamp_ns))
        return any(item is not None for item in kept)

    async def _of_stamp(self, stamp_ns: int, until: float) -> FrameDepth:
        """Return the FrameDepth of one image; NO_FRAME when it is gone or does not come."""
        while True:
            kept = self._recent_depths.get(stamp_ns)
            if kept is not None:
                return kept
            pair = self._recent_pairs.get(stamp_ns)
            if pair is not None:
                frame_depth = await self._on_worker(self._in_turn(partial(self._see, pair)), until)
                if self.is_dense and pair.clock_generation == self.clock_generation:
                    self._recent_depths.add(stamp_ns, frame_depth)
                return frame_depth
            if self.image_pair is not None and self.image_pair.stamp_ns > stamp_ns:
                raise self._no_frame(stamp_ns, "is not kept any more, or never came")
            try:
                await self._wait("image", until)
            except StatusError as refusal:
                if refusal.code not in (Code.DEADLINE, Code.STALE):
                    raise
                raise self._no_frame(stamp_ns, "has not come within the deadline") from refusal

    def _no_frame(self, stamp_ns: int, why: str) -> StatusError:
        newest = "none yet" if self.image_pair is None else f"{self.image_pair.stamp_ns} ns"
        return StatusError(
            Code.NO_FRAME,
            f"the image of stamp {stamp_ns} ns {why}; the newest is {newest}: ask sooner, or with "
            "stamp zero for the newest",
        )

    def _see(self, pair: ImagePair) -> FrameDepth:
        """Estimate one image pair for a request: on the worker."""
        begin = self.running_since = time.monotonic()
        try:
            frame, rectifier = self._frame_of(pair)
            estimator, generation = self.estimator, pair.clock_generation
            made = call_model(
                self.model,
                lambda: estimator.estimate(frame, rectifier, generation),
                self.statistics,
            )
        finally:
            self.running_since = None
        if self.is_dense:
            self.statistics.inference.add(time.monotonic() - begin)
        return scaled_frame(self.filters.apply(made, in_order=False), self.scale)

    async def _newest_depth(self, until: float) -> FrameDepth:
        """Return the result of the newest image, or the newest that comes within the deadline.

        An image that was young enough when inference began may be too old when it ends: then the
        next one is waited for, unless the model alone takes longer than max_age.
        """
        known = self.frame_depth if self._has_fresh_depth() else None
        pair = self.image_pair
        if known is not None and not self._is_worth_waiting(pair, known, until):
            return known
        wanted = 0 if pair is None else pair.stamp_ns
        while True:
            if self.image_pair is not None and self._is_fresh(self.image_pair.stamp_ns):
                self._submit_latest(self.image_pair)
            try:
                got = await self._wait("depth", until)
            except StatusError:
                if known is None:
                    raise
                return known
            known, stamp = got, got.frame.stamp_ns
            too_slow = self.statistics.inference.percentile(50) >= self._values.max_age
            if too_slow or stamp >= wanted and self._is_fresh(stamp):
                return known

    def _has_fresh_depth(self) -> bool:
        found = self.frame_depth
        return found is not None and self._is_fresh(found.frame.stamp_ns)

    def _is_worth_waiting(self, pair, known: FrameDepth, until: float) -> bool:
        """Tell whether a newer image's result can be had in time; not when the room is full."""
        newer = pair is not None and pair.stamp_ns > known.frame.stamp_ns
        if not newer or not self._is_fresh(pair.stamp_ns) or self._pending.is_full:
            return False
        takes = self.statistics.inference.percentile(95)
        turns = 1 if self.running_since is None else 2
        return not time.monotonic() + turns * HASTE * takes > until

    async def newest_image_pair(self, until: float) -> ImagePair:
        """Return the newest image pair, or the next one when that is too old.

        Raises StatusError.
        """
        self.check_active()
        if self.image_pair is not None and self._is_fresh(self.image_pair.stamp_ns):
            return self.image_pair
        return await self._wait("image", until)

    @property
    def estimator(self) -> FrameEstimator:
        """The model with the range of the parameters: made anew when one of them changes."""
        range_m, known = (self._values.min_range_m, self._values.max_range_m), self._estimator
        if known is None or known.model is not self.model or known.range_m != range_m:
            known = self._estimator = FrameEstimator(self.model, *range_m)
        return known

    async def run_on_depth(self, call, until: float, after_token, stamp_ns: int = 0):
        """Return a FrameDepth and what ``call(it)`` gives on the worker. Raises StatusError.

        A dense model is asked about the last image it has processed, which it still remembers if
        no other came between. ``after_token``: called while the model writes; frames that wait are
        processed then too, so that depth goes on; it may raise StatusError to end the reply.
        ``stamp_ns``: as in ``sample``.
        """
        frame_depth = await self.frame_depth_for(until, stamp_ns)

        def call_with_tokens(frame_depth):
            return self._with_token_callback(lambda: call(frame_depth), after_token)

        job = self._in_turn(partial(self._estimate_and_ask, call_with_tokens, frame_depth))
        return await self._on_worker(job, until)

    def _with_token_callback(self, call, after_token):
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

    async def run_beside(self, call, until: float, worker: LatestWorker, stamp_ns: int = 0):
        """Return a FrameDepth and what ``call(it)`` gives on another worker.

        For what does not touch the model: a server is waited for there while depth goes on.
        """
        frame_depth = await self.frame_depth_for(until, stamp_ns)
        return await self._on_worker(lambda: (frame_depth, call(frame_depth)), until, worker)

    async def compute(self, call, until: float):
        """Return what a call gives on the worker, when its turn comes. Raises StatusError."""
        return await self._on_worker(call, until, is_result=False)

    async def _on_worker(
        self, job, until: float, worker: LatestWorker | None = None, is_result: bool = True
    ):
        """Return what a job gives on the worker (the model's own), when its turn comes.

        ``is_result``: whether it counts as one of the model's.
        """
        request = self._pending.add("job", until)

        def run():
            if request.future.done():
                raise StatusError(Code.DEADLINE, "the deadline passed while waiting for the model")
            return job()

        try:
            (worker or self.worker).submit(
                run, self._hand_over(lambda *r: self._job_done(request, is_result, *r))
            )
        except QueueFullError as error:
            self._pending.remove(request)
            raise StatusError(Code.BUSY, f"{error}: ask again later") from error
        return await self._pending.outcome(request)

    def _estimate_and_ask(self, ask, frame_depth: FrameDepth):
        """Return a FrameDepth and ``ask(it)``: on the worker."""
        begin = self.running_since = time.monotonic()
        try:
            answer = call_model(self.model, lambda: ask(frame_depth), self.statistics)
        finally:
            self.running_since = None
        self.statistics.inference.add(time.monotonic() - begin)
        return frame_depth, answer

    def _job_done(self, request: PendingRequest, is_result: bool, result, error) -> None:
        if error is None and is_result:
            self._note_success()
        elif error is not None:
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
