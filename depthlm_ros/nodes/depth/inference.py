"""Schedules inference on one worker thread; requests wait here for the result they need.

An image pair becomes a ``FrameDepth`` (``estimator.py``). Only the executor's thread touches this
object's state. The worker computes and hands its result over through ``executor.create_task``,
which also wakes the executor.
"""

import contextlib
import time

from rclpy.task import Future

from depthlm_ros.estimator import FrameDepth, FrameEstimator
from depthlm_ros.image_io.pixel_values import check_not_blank
from depthlm_ros.models.base import DenseDepthModel
from depthlm_ros.models.oom_retry import call_model
from depthlm_ros.nodes.common.conversions import FrameMaker
from depthlm_ros.nodes.depth.applied_scale import scaled_frame
from depthlm_ros.nodes.depth.depth_filters import DepthFilters
from depthlm_ros.nodes.depth.depth_requests import DepthRequests
from depthlm_ros.nodes.depth.pending_requests import PendingRequests
from depthlm_ros.nodes.depth.recent_results import ImageAges, RecentByStamp
from depthlm_ros.nodes.depth.statistics import Statistics
from depthlm_ros.nodes.depth.time_sync import ImagePair, age_s
from depthlm_ros.status import Code, StatusError
from depthlm_ros.worker import LatestWorker, WorkerStoppedError

PERSISTENT = 3
"""After so many rejected images in a row, pending requests fail at once."""


class InferenceScheduler(DepthRequests):
    """Owns the model, the worker, the newest image pair and the newest FrameDepth.

    ``node``: gives executor, clock and name. ``parameters``: of the node (``common/parameters``).
    ``depth_publishers``: tell whether anybody subscribes, and publish every new FrameDepth with a
    depth map, on the worker's thread. ``why_no_model()``: why there is none, or "";
    ``state_label()``: the lifecycle state.
    """

    def __init__(self, node, parameters, guard, depth_publishers, why_no_model, state_label):
        self._node, self._parameters, self._guard = node, parameters, guard
        self._depth_publishers = depth_publishers
        self.why_no_model, self._state_label = why_no_model, state_label
        self.statistics = Statistics()
        self.worker: LatestWorker | None = None
        self.model = None
        self._estimator: FrameEstimator | None = None
        self.clock_generation = 0
        self.scale = 1.0
        self.turn = contextlib.nullcontext()  # held while the model works, by one of several
        self.active = False
        self.image_pair: ImagePair | None = None
        self.frame_depth: FrameDepth | None = None
        self.running_since: float | None = None
        self.last_refusal: StatusError | None = None
        self._bad_images = self._bad_results = 0
        self._recent_pairs = RecentByStamp(lambda pair: len(pair.image.data))
        self._recent_depths = RecentByStamp(_bytes_of)
        self._ages = ImageAges(self._now_ns, lambda: node.get_clock().ros_time_is_active)
        self._frames = FrameMaker()
        self.filters = DepthFilters(lambda: self._values, lambda frame_id, stamp_ns: None)
        self._submitted: ImagePair | None = None
        self.on_waiting = lambda: None  # called when a request begins to wait
        self._pending = PendingRequests(
            lambda: self._values.max_waiting,
            lambda: node.executor.wake(),
            lambda: self.on_waiting(),
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
        most, blank = self._values.max_image_pixels, self._values.refuse_blank
        self._frames = FrameMaker(image_is_rectified, most, refuse_blank=blank)
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
        self._bad_images = self._bad_results = 0
        for kept in (self._recent_pairs, self._recent_depths, self._ages):
            kept.clear()
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
        self.image_pair, self.last_refusal, self._bad_images = image_pair, None, 0
        self._recent_pairs.add(image_pair.stamp_ns, image_pair)
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
        frame, rectifier = self._frame_of(image_pair)
        estimator, generation = self.estimator, image_pair.clock_generation
        frame_depth = call_model(
            self.model,
            lambda: estimator.estimate(frame, rectifier, generation),
            self.statistics,
        )
        self.statistics.inference.add(time.monotonic() - begin)
        return scaled_frame(self.filters.apply(frame_depth), self.scale)

    def _frame_of(self, image_pair: ImagePair) -> tuple:
        """Return an image pair's Frame and Rectifier; StatusError(BAD_IMAGE) for a blank one."""
        frame, rectifier = self._frames.frame(image_pair.image, image_pair.info)
        check_not_blank(frame.rgb, f"image of {frame.camera.width} x {frame.camera.height} px")
        return frame, rectifier

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
            self.statistics.to_publish.add(age_s(frame_depth.frame.stamp_ns, self._now_ns()))

    def _finished(self, image_pair: ImagePair, frame_depth: FrameDepth | None, error) -> None:
        """Take over a result or its failure: on the executor."""
        if image_pair.clock_generation != self.clock_generation:
            return
        if error is None:
            self.frame_depth = frame_depth = scaled_frame(frame_depth, self.scale)
            self._recent_depths.add(frame_depth.frame.stamp_ns, frame_depth)
            self._note_success()
            self._pending.resolve_all(frame_depth, "depth")
        else:
            self._bad_results += 1
            refusal = self._refusal_of(error, "the image")
            no_model = refusal.code in (Code.MODEL_ERROR, Code.MODEL_NOT_READY)
            fails = no_model or self._bad_results >= PERSISTENT
            self._reject(refusal, fails)

    def image_arrived(self, stamp_ns: int) -> None:
        """Note when an image came, for its age by the steady clock."""
        self._ages.arrived(stamp_ns)

    def reject_image(self, refusal: StatusError) -> None:
        """Count an image that is not fit to be looked at; a good one in between starts anew.

        Pending requests fail when no good one comes at all: they could wait in vain.
        """
        self._bad_images += 1
        self._reject(refusal, self._bad_images >= PERSISTENT)

    def _reject(self, refusal: StatusError, fails_requests: bool) -> None:
        self._note_refusal(refusal)
        self.last_refusal = refusal
        if fails_requests:
            self._pending.resolve_all(refusal, "depth")
            self._pending.resolve_all(refusal, "image")

    def _note_success(self) -> None:
        self._bad_results = self.statistics.model_failures_in_a_row = 0
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


def _bytes_of(frame_depth: FrameDepth) -> int:
    depth_map = frame_depth.depth_map
    return frame_depth.frame.rgb.nbytes + (0 if depth_map is None else depth_map.depth_m.nbytes)
