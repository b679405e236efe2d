"""The node ``depthlm`` (executable ``depth_node``): lifecycle, and the wiring of its parts.

configure loads the model, activate subscribes and serves, cleanup frees the memory. Loading runs
on the worker thread while the node goes on answering (MODEL_NOT_READY).
"""

import depthlm_ros.interfaces  # noqa: F401 (first: it tells the remedy where it fails)

# isort: split

from collections.abc import Iterable

from lifecycle_msgs.msg import Transition
from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from depthlm_ros.model_process.model import RemoteModel, load_in_process, wants_process
from depthlm_ros.models.device_memory import release_device_memory
from depthlm_ros.nodes.common.callback_guard import CallbackGuard
from depthlm_ros.nodes.common.lifecycle_services import LifecycleServices
from depthlm_ros.nodes.common.rosout_handler import attach_to_rosout
from depthlm_ros.nodes.common.run_node import asked_for_help, help_of, run_node
from depthlm_ros.nodes.common.service_reply_retry import ServiceReplyRetrier
from depthlm_ros.nodes.depth.bond import LifecycleBond
from depthlm_ros.nodes.depth.depth_filters import DepthFilters
from depthlm_ros.nodes.depth.diagnostics import Diagnostics
from depthlm_ros.nodes.depth.geometry_parts import GeometryParts
from depthlm_ros.nodes.depth.inference import InferenceScheduler
from depthlm_ros.nodes.depth.model_loading import ModelLoading
from depthlm_ros.nodes.depth.parameters import PARAMETERS, declare
from depthlm_ros.nodes.depth.publishers import DepthPublishers
from depthlm_ros.nodes.depth.services import Services
from depthlm_ros.nodes.depth.subscriptions import CameraSubscriber
from depthlm_ros.nodes.depth.transforms import Transforms

JUMP_FORWARD_S = 10.0
TICK_S = 0.02
STOP_TIMEOUT_S = 0.5


def load_by_registry(
    name: str, device: str, dtype: str, quantize: str, revision: str = "", options: Iterable = ()
):
    """Load a model by name and run it once; torch is imported only here, on the worker.

    ``revision``: "" for the newest fetched. ``options``: the model's, as texts name=value.
    """
    from depthlm_ros.models.options import parse_pairs
    from depthlm_ros.models.registry import load
    from depthlm_ros.models.warmup import warm_up

    model = load(
        name,
        device=device,
        dtype=dtype,
        revision=revision or None,
        quantize=quantize,
        **parse_pairs(options),
    )
    warm_up(model)
    return model


def get_model(load, arguments: tuple, own_process: bool, limit_s: float):
    """Load a model here (``load(*arguments)``), or in a process of its own.

    ``limit_s``: seconds that a call of it may take there; 0: learned.
    """
    return load_in_process(load, arguments, limit_s=limit_s) if own_process else load(*arguments)


class DepthNode(LifecycleNode):
    """The node; ``load_model`` takes what ``load_by_registry`` does and returns a like model.

    ``get_model``: how it is called, as the function of that name.
    """

    cannot_start = ""  # a model that does not load leaves the node unconfigured, but alive
    services_offered: Services | None = None  # until the parameters have been found good

    def __init__(self, load_model=load_by_registry, get_model=get_model, **kwargs):
        super().__init__("depthlm", enable_communication_interface=False, **kwargs)
        self._load_model, self._get_model = load_model, get_model
        attach_to_rosout(self.get_logger())
        self.guard = CallbackGuard(self.get_logger(), lambda: not self.context.ok())
        self.parameters = declare(self, self.state_label)
        self.depth_publishers = DepthPublishers(self, self.parameters, self.guard)
        self.scheduler = InferenceScheduler(
            self,
            self.parameters,
            self.guard,
            self.depth_publishers,
            lambda: self.loading.why_no_model(),
            self.state_label,
        )
        self.loading = ModelLoading(
            self.scheduler.run_job,
            lambda error: self.guard.record("loading", error),
            self._model_loaded,
            self._model_failed,
        )
        self._bond = LifecycleBond(self, self.guard)
        self.subscriber = CameraSubscriber(self, self.scheduler, self.guard)
        self.transforms = Transforms(self, self.scheduler.wait_for)
        self.scheduler.filters = DepthFilters(
            lambda: self.parameters.values, self.transforms.pose_now
        )
        self.services_offered = Services(self, self.scheduler, self.depth_publishers, self.guard)
        self.geometry = GeometryParts(self, self.scheduler, self.depth_publishers, self.guard)
        self._diagnostics = Diagnostics(
            self,
            self.scheduler,
            self.subscriber,
            self.guard,
            self.services_offered.server_statistics,
        )
        self._replies = ServiceReplyRetrier(self.guard, on_unsent=self._begin_ticks)
        LifecycleServices(self, lambda: self._state_machine, self._on_change_state)
        for service in self.services:
            self._replies.attach(service)
        self._watch_time()

    # -- time ---------------------------------------------------------------------------------

    def _watch_time(self) -> None:
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # the ROS clock may stand still or jump
        self.create_timer(
            1.0, self.guard.wrap("diagnostics", self._diagnostics.publish), clock=steady
        )
        self._ticks = (
            self.guard.wrap("deadlines", lambda: self.scheduler.expire(self.subscriber.missing)),
            self.guard.wrap("sending a reply", self._replies.retry),
        )
        # Runs only while somebody waits: 50 turns of the executor a second cost a tenth of a core.
        self._ticker = self.create_timer(TICK_S, self._tick, clock=steady)
        self.scheduler.on_waiting = self._begin_ticks
        self._jump = self.get_clock().create_jump_callback(
            JumpThreshold(
                min_forward=Duration(seconds=JUMP_FORWARD_S), min_backward=Duration(nanoseconds=-1)
            ),
            post_callback=self.guard.wrap("a clock jump", self._on_jump),
        )

    def _tick(self) -> None:
        for tick in self._ticks:
            tick()
        if not (self.scheduler.waiting or self._replies.waiting):
            self._ticker.cancel()

    def _begin_ticks(self) -> None:
        if self._ticker.is_canceled():
            self._ticker.reset()

    def _on_jump(self, jump) -> None:
        self.get_logger().warning("the clock jumped: images and results so far are forgotten")
        self.subscriber.forget()
        self.services_offered.forget()
        self.geometry.forget()
        self.scheduler.flush()

    # -- lifecycle ----------------------------------------------------------------------------

    def state_label(self) -> str:
        """Return the lifecycle state: unconfigured, inactive, active, ..."""
        return self._state_machine.current_state[1]

    async def _on_change_state(self, request, response):
        """Serve a transition: loading does not block, nothing raises."""
        try:
            transition = request.transition
            number = self._transition_id(transition.id, transition.label)
            response.success = await self._change(number)
        except Exception as error:  # on Jazzy a wrong transition raises
            self.get_logger().error(
                f"transition {request.transition.id} is not possible from {self.state_label()}: "
                f"{type(error).__name__}"
            )
            response.success = False
        return response

    def _transition_id(self, number: int, label: str) -> int:
        """Return the id of a transition possible now; by its label where one is given."""
        possible = {name: key for key, name, *_ in self._state_machine.available_transitions}
        found = possible.get(label) if label else number if number in possible.values() else None
        if found is None:
            raise ValueError("no such transition in this state")
        return found

    async def _change(self, number: int) -> bool:
        if number == Transition.TRANSITION_CONFIGURE:
            self._begin_loading()
            await self.loading.wait(self.scheduler.wait_for)
        elif number == Transition.TRANSITION_ACTIVATE:
            await self.loading.wait(self.scheduler.wait_for)
        triggers = {
            Transition.TRANSITION_CONFIGURE: self.trigger_configure,
            Transition.TRANSITION_CLEANUP: self.trigger_cleanup,
            Transition.TRANSITION_ACTIVATE: self.trigger_activate,
            Transition.TRANSITION_DEACTIVATE: self.trigger_deactivate,
        }
        return triggers.get(number, self.trigger_shutdown)() == TransitionCallbackReturn.SUCCESS

    async def autostart(self) -> None:
        """Configure and activate, when the parameter says so, however long the model takes."""
        try:
            if not self.parameters.values.autostart or self.state_label() != "unconfigured":
                return
            self._begin_loading()
            await self.loading.wait(self.scheduler.wait_for, None)
            if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
                self.trigger_activate()
        except Exception as error:  # the node stays and can be configured again
            self.guard.record("autostart", error)

    def _begin_loading(self) -> None:
        if self.loading.is_running:
            raise RuntimeError("the model is being loaded already")
        values = self.parameters.values
        self.get_logger().info(f"loading model {values.model!r} ...")
        arguments = (
            values.model,
            values.device,
            values.dtype,
            values.quantize,
            values.revision,
            tuple(values.model_options),
        )
        own_process = wants_process(values.model_process, values.device)
        limit_s = values.inference_limit
        self.loading.begin(
            lambda: self._get_model(self._load_model, arguments, own_process, limit_s)
        )

    def _model_loaded(self, model, seconds: float) -> None:
        name = getattr(model, "name", self.parameters.values.model)
        self.get_logger().info(f"model {name!r} is ready after {seconds:.1f} s")
        self.scheduler.model = model
        self.geometry.recall_scale()

    def _model_failed(self, sentence: str) -> None:
        """Log it, and clean up after a configure that was answered before."""
        self.get_logger().error(f"no model: {sentence}")
        if self.state_label() == "inactive":
            self.trigger_cleanup()
            self.loading.error = sentence

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Go on with the model, or while it is loaded; FAILURE when there is none."""
        if self.scheduler.model is None and not self.loading.is_running:
            reason = self.loading.error or "use the service change_state"
            self.get_logger().error(f"cannot configure: {reason}")
            return TransitionCallbackReturn.FAILURE
        self.transforms.listen()  # so that there is a past when it is asked for
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and serve; FAILURE while there is no model."""
        if self.scheduler.model is None:
            reason = self.loading.why_no_model() or "there is no model"
            self.get_logger().error(f"cannot activate: {reason}; activate again when it is ready")
            return TransitionCallbackReturn.FAILURE
        self._bond.form()
        self.scheduler.activate(self.subscriber.image_is_rectified)
        self.subscriber.subscribe()
        self.get_logger().info(
            f"active: {self.subscriber.image_topic} with {self.subscriber.info_topic}"
        )
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe; waiting requests get NOT_ACTIVE."""
        self._leave_active()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model and its memory; an inference in flight keeps its own until it ends."""
        self._release()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop serving and free the model."""
        self._leave_active()
        self._release()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Return to unconfigured: the node can be configured again."""
        self._leave_active()
        self._release()
        return super().on_error(state)

    def _leave_active(self) -> None:
        self._bond.end()
        self.scheduler.deactivate()
        self.subscriber.unsubscribe()

    def _release(self) -> None:
        self.loading.forget()
        model, self.scheduler.model = self.scheduler.model, None
        if isinstance(model, RemoteModel) and self._get_model is get_model:  # nobody shares it
            model.close()
        self.scheduler.flush()
        release_device_memory()

    def stop(self) -> str:
        """End for good; return "" when the worker has ended too, else what it is at."""
        work = "the loading of the model" if self.loading.is_running else "an inference"
        self.scheduler.active = False
        return "" if self.scheduler.stop(STOP_TIMEOUT_S) else work

    def destroy_node(self) -> None:
        """Leave the graph and give its memory back.

        rclpy's state machine holds on to the node, and with it Fast DDS to its shared memory,
        which would outlive the process: 64 MB with our profile, at every start.
        """
        if self.services_offered is not None:
            self.services_offered.close()
        super().destroy_node()
        self._state_machine = None


def main(args=None, load_model=load_by_registry) -> int:
    """Run the node until SIGINT or SIGTERM ends the process; return only if it cannot start."""
    if asked_for_help(args):
        print(help_of("depth_node", __doc__, PARAMETERS))
        return 0
    return run_node(lambda: DepthNode(load_model), args)


if __name__ == "__main__":
    raise SystemExit(main())
