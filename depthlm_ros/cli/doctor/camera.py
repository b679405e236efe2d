"""The part of ``depthlm doctor`` that listens to a running camera for some seconds.

Asks what the node would ask: do images and CameraInfo arrive, do they belong together, can they be
read, is the lens sane, are the stamps of now. ``judge`` is free of ROS objects but the messages.
"""

import math
import time
from dataclasses import dataclass, field

import numpy as np

from depthlm_ros.cli.doctor.finding import FAIL, OK, WARN, Finding
from depthlm_ros.status import StatusError

IMAGES = {"sensor_msgs/msg/Image": "Image", "sensor_msgs/msg/CompressedImage": "CompressedImage"}
INFO = {"sensor_msgs/msg/CameraInfo": "CameraInfo"}
DISCOVERY_S = 3.0
OLD_S, FUTURE_S = 1.0, 0.1
"""Defaults of the node's parameters max_age and future_tolerance."""
SLOW_HZ = 1.0
LOST_SHARE = 0.7
PROFILE = "set the Fast DDS profile for camera and node (docs/install.md), or send fewer pixels"


@dataclass
class Heard:
    """What arrived on a topic: steady times [s], stamps and system times of arrival [ns]."""

    topic: str
    times_s: list = field(default_factory=list)
    stamps_ns: list = field(default_factory=list)
    arrivals_ns: list = field(default_factory=list)
    last: object = None

    def take(self, message) -> None:
        """Note the arrival of a message."""
        self.times_s.append(time.monotonic())
        self.arrivals_ns.append(time.time_ns())
        stamp = message.header.stamp
        self.stamps_ns.append(stamp.sec * 1_000_000_000 + stamp.nanosec)
        self.last = message

    @property
    def rate_hz(self) -> float:
        """Messages a second; NaN for less than two."""
        if len(self.times_s) < 2:
            return math.nan
        return (len(self.times_s) - 1) / max(1e-9, self.times_s[-1] - self.times_s[0])


def camera(image_topic: str | None, info_topic: str | None, seconds: float) -> list[Finding]:
    """Listen to a camera and judge it; the CameraInfo topic is guessed from the image's."""
    import rclpy
    from rclpy.context import Context

    if image_topic and not info_topic:
        info_topic = info_topic_of(image_topic)
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node("depthlm_doctor", context=context)
    try:
        return _listen(node, context, image_topic, info_topic, seconds)
    finally:
        node.destroy_node()
        context.try_shutdown()


def info_topic_of(image_topic: str) -> str:
    """Return the CameraInfo topic that belongs to an image topic, by image_transport's habit."""
    base = image_topic.removesuffix("/compressed")
    return f"{base.rpartition('/')[0]}/camera_info"


def _listen(node, context, image_topic, info_topic, seconds: float) -> list[Finding]:
    """Hear both topics for some seconds; a topic of None or of another type is not heard."""
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.qos import QoSProfile, ReliabilityPolicy

    asked = [(image_topic, IMAGES), (info_topic, INFO)]
    heard = [None, None]
    for i, (topic, wanted) in enumerate(asked):
        if topic and (kind := _kind(node, topic, wanted)):
            heard[i] = Heard(node.resolve_topic_name(topic))
            profile = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
            node.create_subscription(kind, topic, heard[i].take, profile)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    end = time.monotonic() + seconds
    while any(heard) and (left := end - time.monotonic()) > 0:
        executor.spin_once(timeout_sec=left)
    executor.shutdown()
    # Who publishes is asked last: the names of nodes become known later than their topics.
    findings = [_publishers(node, topic, wanted) for topic, wanted in asked if topic]
    return findings + judge(*heard, node.count_publishers("/clock") > 0)


def _kind(node, topic: str, wanted: dict):
    """Wait for a publisher; return the message class to subscribe with, None: none that fits."""
    from sensor_msgs import msg

    end = time.monotonic() + DISCOVERY_S
    while not (found := node.get_publishers_info_by_topic(topic)) and time.monotonic() < end:
        time.sleep(0.1)
    kinds = {publisher.topic_type for publisher in found}
    return getattr(msg, wanted[kinds.pop()]) if len(kinds) == 1 and kinds <= set(wanted) else None


def _publishers(node, topic: str, wanted: dict) -> Finding:
    """Return a finding about who publishes a topic, of which type and QoS."""
    found = node.get_publishers_info_by_topic(topic)
    name = node.resolve_topic_name(topic)
    if not found:
        near = [n for n, kinds in node.get_topic_names_and_types() if set(kinds) & set(wanted)]
        there = f"; there are {', '.join(sorted(near)[:6])}" if near else ""
        remedy = "start the camera, or give the topic that it publishes (ros2 topic list -t)"
        return Finding(FAIL, name, f"no publisher{there}", remedy)
    kinds = sorted({publisher.topic_type for publisher in found})
    if len(kinds) > 1 or kinds[0] not in wanted:
        remedy = f"give a topic of type {' or '.join(wanted)}"
        return Finding(FAIL, name, f"its type is {', '.join(kinds)}", remedy)
    who = ", ".join(_named(publisher) for publisher in found)
    if len(found) > 1:
        remedy = "let one camera publish here: pictures of two get mixed up"
        return Finding(WARN, name, f"{len(found)} publishers: {who}", remedy)
    return Finding(OK, name, f"{kinds[0]} by {who}")


def _named(publisher) -> str:
    profile = publisher.qos_profile
    qos = f"{profile.reliability.name.lower()}, {profile.durability.name.lower()}"
    return f"{publisher.node_namespace.rstrip('/')}/{publisher.node_name} ({qos})"


# -- judging ----------------------------------------------------------------------------------


def judge(image: Heard | None, info: Heard | None, simulated: bool) -> list[Finding]:
    """Return findings about what was heard; None: nobody listened to that topic."""
    findings = [_rate(heard) for heard in (image, info) if heard is not None]
    if image is not None and image.last is not None:
        findings += [_stamps(image, simulated), _frame(image), *_picture(image)]
    if info is not None and info.last is not None:
        findings.append(_lens(info, image))
    if image and info and image.last is not None and info.last is not None:
        findings += [_pairs(image, info), *_losses(image, info)]
    return findings


def _rate(heard: Heard) -> Finding:
    what = f"{heard.topic} rate"
    if heard.last is None:
        remedy = "compare QoS (ros2 topic info -v), domain and network; is the camera paused?"
        return Finding(FAIL, what, "nothing arrived", remedy)
    rate = heard.rate_hz
    if math.isnan(rate):
        return Finding(WARN, what, "one message only", "listen longer (--seconds)")
    gap = float(np.max(np.diff(heard.times_s)))
    text = f"{rate:.1f} Hz, longest gap {gap:.2f} s, {len(heard.times_s)} messages"
    if rate < SLOW_HZ:
        return Finding(WARN, what, text, "answers need an image younger than max_age: raise it")
    return Finding(OK, what, text)


def _stamps(heard: Heard, simulated: bool) -> Finding:
    what = f"{heard.topic} stamps"
    stamps = np.array(heard.stamps_ns, dtype=np.int64)
    if (stamps <= 0).any():
        return Finding(FAIL, what, "a stamp is zero", "have the driver stamp its images")
    if (np.diff(stamps) <= 0).any():
        text = "stamps repeat or run backwards"
        return Finding(WARN, what, text, "is a recording looping, or are there two cameras?")
    if simulated:
        return Finding(OK, what, "increasing; /clock is published, so not compared with now")
    age_s = float(np.median(np.array(heard.arrivals_ns, dtype=np.int64) - stamps)) / 1e9
    text = f"images arrive {age_s:.3f} s after their stamp"
    if age_s > OLD_S:
        remedy = "synchronise the clocks (chrony), or raise max_age; the node says STALE"
        return Finding(FAIL, what, text, remedy)
    if age_s < -FUTURE_S:
        text = f"stamps are {-age_s:.3f} s in the future"
        remedy = "synchronise the clocks (chrony), or raise future_tolerance"
        return Finding(FAIL, what, text, remedy)
    return Finding(OK, what, text)


def _frame(heard: Heard) -> Finding:
    frame_id = heard.last.header.frame_id
    if not frame_id:
        remedy = "have the driver name its optical frame: without it TF cannot be used"
        return Finding(WARN, "frame_id", "empty", remedy)
    return Finding(OK, "frame_id", frame_id)


def _picture(heard: Heard) -> list[Finding]:
    """Decode the last image as the node does, which refuses one that shows nothing."""
    from depthlm_ros.image_io.pixel_values import blank_reason
    from depthlm_ros.nodes.common.conversions import rgb_of

    try:
        rgb = rgb_of(heard.last)
    except StatusError as refusal:
        return [Finding(FAIL, "image", refusal.text, "the node refuses it likewise")]
    kind = getattr(heard.last, "encoding", None) or getattr(heard.last, "format", "")
    text = f"{rgb.shape[1]} x {rgb.shape[0]} px, {kind}"
    if reason := blank_reason(rgb):
        what, _, remedy = reason.rpartition(": ")
        return [Finding(WARN, "image", f"{text}, {what}", remedy)]
    return [Finding(OK, "image", text)]


def _size_of(heard: Heard | None, lens) -> tuple:
    """Return the image's size (width, height), or the lens's own where there is no image."""
    from depthlm_ros.nodes.common.conversions import rgb_of

    if heard is None or heard.last is None:
        return lens.image_size
    try:
        return rgb_of(heard.last).shape[1::-1]
    except StatusError:
        return lens.image_size


def _lens(info: Heard, image: Heard | None) -> Finding:
    """Make of the CameraInfo what the node makes of it, and look whether it is likely."""
    from depthlm_ros.geometry.rectify import Rectifier
    from depthlm_ros.nodes.common.conversions import lens_of

    try:
        lens = lens_of(info.last)
        size = _size_of(image, lens)
        rectified = image is not None and image.topic.split("/")[-1].startswith("image_rect")
        pinhole = Rectifier(lens, *size, rectified).camera
    except StatusError as refusal:
        remedy = "calibrate (camera_calibration) and give the driver the file"
        return Finding(FAIL, "CameraInfo", refusal.text, remedy)
    view = math.degrees(2 * math.atan(pinhole.width / 2 / pinhole.fx))
    shape = f"{lens.distortion_model or 'no distortion model'}, {len(lens.d)} coefficients"
    text = (
        f"fx {pinhole.fx:.1f}, fy {pinhole.fy:.1f}, cx {pinhole.cx:.1f}, cy {pinhole.cy:.1f} px "
        f"for {pinhole.width} x {pinhole.height} px, {view:.0f} degrees wide, {shape}"
    )
    off = max(
        abs(pinhole.cx / pinhole.width - 0.5),
        abs(pinhole.cy / pinhole.height - 0.5),
    )
    if not 10 < view < 150 or not 0.8 < pinhole.fx / pinhole.fy < 1.25 or off > 0.25:
        return Finding(WARN, "CameraInfo", text, "unlikely values: check the calibration")
    return Finding(OK, "CameraInfo", text)


def _pairs(image: Heard, info: Heard) -> Finding:
    matched = len(set(image.stamps_ns) & set(info.stamps_ns))
    text = f"{matched} of {len(set(image.stamps_ns))} images have a CameraInfo of the same stamp"
    if matched * 2 < len(set(image.stamps_ns)):
        remedy = "stamp both alike; until then the newest CameraInfo that fits is used"
        return Finding(WARN, "pairs", text, remedy)
    return Finding(OK, "pairs", text)


def _losses(image: Heard, info: Heard) -> list[Finding]:
    """Tell when far fewer images than CameraInfo arrive: large messages get lost first."""
    if len(info.times_s) < 5 or len(image.times_s) >= LOST_SHARE * len(info.times_s):
        return []
    text = f"{len(image.times_s)} images for {len(info.times_s)} CameraInfo: images are lost"
    return [Finding(WARN, "losses", text, PROFILE)]
