"""The subscriptions: images paired with CameraInfo, stamps checked, silence explained."""

import time

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_policy_name_from_kind
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from depthlm_ros.nodes.common.conversions import stamp_ns
from depthlm_ros.nodes.common.rectified_topics import is_rectified
from depthlm_ros.nodes.depth.time_sync import CameraInfoSynchronizer, ImagePair, check_age
from depthlm_ros.sanitize import clean
from depthlm_ros.status import Code, StatusError

WARN_AFTER_S = 2.0
ERROR_AFTER_S = 5.0
"""Silence of a topic after which it is an error, on the steady clock."""
GAPS = 3.0
"""A slow camera is silent when it misses so many of its usual gaps."""
_MISMATCH = "but nothing arrives; compare types and QoS"
_NAMELESS = "a node that has not told its name yet"


class CameraSubscriber:
    """Subscribes, pairs, checks, and gives each good picture to the engine."""

    def __init__(self, node, scheduler, guard):
        self._node, self._scheduler, self._guard = node, scheduler, guard
        self._pairer = CameraInfoSynchronizer()
        self._subscriptions: list = []
        self._said: set = set()
        self.begin = time.monotonic()
        self.image_topic = self.info_topic = ""

    def subscribe(self) -> None:
        """Create the subscriptions; relative names, so that remaps and namespaces work."""
        values = self._node.parameters.values
        compressed = values.image_transport == "compressed"
        self.image_topic = self._node.resolve_topic_name("image")
        self.info_topic = self._node.resolve_topic_name("camera_info")
        if compressed:  # image_transport's rule: the remapped base topic, then the transport
            self.image_topic += "/compressed"
        kind = CompressedImage if compressed else Image
        self._pairer.forget()
        self._said.clear()
        self.begin = time.monotonic()
        self._subscribe(kind, self.image_topic, 1, self._on_image)
        self._subscribe(CameraInfo, self.info_topic, 10, self._on_info)

    def unsubscribe(self) -> None:
        """Destroy the subscriptions."""
        while self._subscriptions:
            self._node.destroy_subscription(self._subscriptions.pop())

    def forget(self) -> None:
        """Forget messages received so far, as after a jump of the clock."""
        self._pairer.forget()

    @property
    def image_is_rectified(self) -> bool:
        """Whether the subscribed image has no lens distortion left."""
        choice = self._node.parameters.values.image_is_rectified
        return is_rectified(choice, self._node.resolve_topic_name("image"))

    def _subscribe(self, kind, topic: str, depth: int, callback) -> None:
        """Subscribe with the sensor-data profile: best effort; overridable by qos_overrides."""
        self._subscriptions.append(
            self._node.create_subscription(
                kind,
                topic,
                self._guard.wrap(f"receiving {topic}", callback),
                QoSProfile(depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT),
                event_callbacks=SubscriptionEventCallbacks(
                    incompatible_qos=self._guard.wrap(
                        "a QoS event", lambda event: self._warn_of_qos(topic, event)
                    )
                ),
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
        )

    def _warn_of_qos(self, topic: str, event) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        self._node.get_logger().warning(
            f"{event.total_count} publisher(s) of {topic} offer an incompatible QoS {policy}: no "
            f"message of theirs arrives. Make them offer it, or relax it here: parameter "
            f"qos_overrides.{topic}.subscription.{policy.lower()}"
        )

    def _on_image(self, image) -> None:
        self._scheduler.statistics.images.tick()
        try:
            self._check(image)
        except StatusError as refusal:
            self._refuse(refusal)
            return
        self._take(self._pairer.add_image(image))

    def _on_info(self, info) -> None:
        self._scheduler.statistics.infos.tick()
        self._take(self._pairer.add_info(info))

    def _check(self, image) -> None:
        values = self._node.parameters.values
        stamp = stamp_ns(image.header.stamp)
        self._scheduler.image_arrived(stamp)
        now = self._node.get_clock().now().nanoseconds
        if now == 0:
            raise StatusError(
                Code.BAD_STAMP,
                "use_sim_time is set and no /clock arrives: start the clock's publisher, or set "
                "use_sim_time to false",
            )
        age = self._scheduler.age_s(stamp)
        check_age(stamp, now, values.max_age, values.future_tolerance, age)
        self._check_frame_id(image.header.frame_id)

    def _check_frame_id(self, frame_id: str) -> None:
        """Warn once of an image that says nothing of its frame: nobody can place its points."""
        if not frame_id.strip():
            topic = self.image_topic
            text = f"images on {topic} have an empty frame_id: no transform can be made of their "
            self._say_once("frame_id", False, f"{text}points; set the driver's frame_id")

    def _take(self, pair) -> None:
        if pair is None:
            return
        image, info = pair
        self._scheduler.take_image_pair(
            ImagePair(image, info, self._scheduler.clock_generation, stamp_ns(image.header.stamp))
        )

    def _refuse(self, refusal: StatusError) -> None:
        self._scheduler.reject_image(refusal)
        if refusal.code not in self._said:  # the log says it once, diagnostics go on
            self._said.add(refusal.code)
            self._node.get_logger().warning(f"{refusal}")

    # -- silence ------------------------------------------------------------------------------

    def missing(self) -> StatusError:
        """Say what is missing, for a request that waited in vain."""
        statistics = self._scheduler.statistics
        if statistics.images.count == 0:
            return StatusError(
                Code.NO_FRAME,
                f"no image on {self.image_topic} yet: {self.publishers(self.image_topic)}",
            )
        if self._scheduler.last_refusal is not None:
            return self._scheduler.last_refusal
        if statistics.infos.count == 0:
            return StatusError(
                Code.NO_CAMERA_INFO,
                f"no CameraInfo on {self.info_topic} yet: {self.publishers(self.info_topic)}",
            )
        silence = statistics.images.silence_s(self.begin)
        return StatusError(
            Code.STALE,
            f"no new image for {silence:.1f} s on {self.image_topic}: is the camera running?",
        )

    def complaints(self) -> list[tuple[bool, str]]:
        """Return (is_error, sentence) for each topic that is silent; log each once."""
        statistics, found = self._scheduler.statistics, []
        for topic, rate in (
            (self.image_topic, statistics.images),
            (self.info_topic, statistics.infos),
        ):
            silence, usual = rate.silence_s(self.begin), GAPS * rate.usual_gap_s()
            if silence < max(WARN_AFTER_S, usual) or (rate is statistics.infos and rate.count):
                continue  # a CameraInfo that came once stays valid
            why = "it came before: a camera that pauses or is slow" if rate.count else _MISMATCH
            sentence = f"nothing on {topic} for {silence:.0f} s: {self.publishers(topic, why)}"
            is_error = silence >= max(ERROR_AFTER_S, usual)
            found.append((is_error, sentence))
            self._say_once((topic, is_error, _NAMELESS in sentence), is_error, sentence)
        if not found:
            self._said -= {key for key in self._said if isinstance(key, tuple)}
        return found

    def _say_once(self, key, is_error: bool, sentence: str) -> None:
        if key not in self._said:
            self._said.add(key)
            if is_error:  # two calls: rclpy refuses a severity that changes at one place
                self._node.get_logger().error(sentence)
            else:
                self._node.get_logger().warning(sentence)

    def publishers(self, topic: str, why: str = _MISMATCH) -> str:
        """Say who publishes a topic, with which type and reliability, and why nothing arrives."""
        found = self._node.get_publishers_info_by_topic(topic)
        if not found:
            own = self._node.get_fully_qualified_name() + "/"
            near = sorted(
                name
                for name, types in self._node.get_topic_names_and_types()
                if any(
                    kind.split("/")[-1] in ("Image", "CompressedImage", "CameraInfo")
                    for kind in types
                )
                and not name.startswith(own)
                and self._node.count_publishers(name)
            )
            hint = f"; image topics with publishers: {', '.join(near[:6])}" if near else ""
            return clean(f"no publisher; remap the topic or start the camera{hint}", 600)
        who = ", ".join(
            f"{_name_of(end)} ({end.topic_type}, {end.qos_profile.reliability.name.lower()})"
            for end in found[:4]
        )
        return clean(f"published by {who}, {why}", 600)


def _name_of(end) -> str:
    """Return the full name of an endpoint's node; discovery may know the endpoint first."""
    if end.node_name == "_NODE_NAME_UNKNOWN_":
        return _NAMELESS
    return f"{end.node_namespace.rstrip('/')}/{end.node_name}"
