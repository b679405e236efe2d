"""The service ~/calibrate_scale, the file that keeps scales, and the slow mode that follows."""

import json
import math
import time
from pathlib import Path

import numpy as np
from rclpy.exceptions import InvalidTopicNameException
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import LaserScan, Range

from depthlm_msgs.srv import CalibrateScale
from depthlm_ros.geometry import scale as scales
from depthlm_ros.geometry.ground_plane import fit_ground
from depthlm_ros.image_io.atomic_write import write_atomically
from depthlm_ros.nodes.common import conversions
from depthlm_ros.nodes.depth import responses
from depthlm_ros.nodes.depth.requests import RequestHandler
from depthlm_ros.sanitize import clean
from depthlm_ros.status import Code, StatusError

FRAMES = 10
MOST_FRAMES = 1000
MOST_M = 1000.0
_KINDS = CalibrateScale.Request


class ScaleCalibration(RequestHandler):
    """Measures the model's scale against what is known, applies it and keeps it."""

    def __init__(self, node, scheduler, depth_publishers, guard, surroundings):
        super().__init__(node, scheduler, guard)
        self._serve(CalibrateScale, "~/calibrate_scale", self._on_calibrate)

    # -- following ----------------------------------------------------------------------------

    def wanted(self) -> bool:
        """Tell that nobody listens: what comes anyway is enough to follow."""
        return False

    def publish(self, frame_depth) -> None:
        """Let the scale follow the camera's height slowly, where that is asked; on the worker."""
        values = self._node.parameters.values
        if values.scale_follow != "camera_height":
            return
        ground = fit_ground(frame_depth.depth_map)
        if ground is None or ground.confidence < 0.5:
            return
        total = frame_depth.scale * values.camera_height_m / ground.height_m
        if scales.LOWEST <= total <= scales.HIGHEST:
            slow = scales.SlowScale(self._scheduler.scale)
            estimate = scales.ScaleEstimate(total, ground.residual_m / ground.height_m, 1)
            self._scheduler.scale = slow.follow(estimate)

    # -- service ------------------------------------------------------------------------------

    async def _on_calibrate(self, request, response):
        begin, name = time.monotonic(), "~/calibrate_scale"
        response.previous = self._scheduler.scale
        response.scale = response.residual = response.relative_residual = math.nan
        try:
            self._scheduler.check_active()
            _check_request(request)
            found, reference_m = await self._estimate(
                request, self._until(begin, request.deadline)
            )
            response.scale, response.samples = found.scale, found.samples
            response.relative_residual = found.residual
            response.residual = found.residual * reference_m
            text = ""
            if not request.measure_only:
                self._scheduler.apply_scale(found.scale)
                text = self._keep(found.scale)
            status = StatusError(Code.OK, text)
        except Exception as error:  # every request gets a reply
            status = self._status_of(name, error)
        response.status = conversions.status_msg(status.code, status.text)
        response.latency = responses.duration(time.monotonic() - begin)
        self._scheduler.statistics.answers[Code(status.code).name] += 1
        return response

    async def _estimate(self, request, until: float):
        """Return (ScaleEstimate, length of the reference [m])."""
        if request.kind == _KINDS.SET:
            return scales.ScaleEstimate(scales.check_scale(request.value), 0.0, 0), 1.0
        measure = {
            _KINDS.POINT: self._point,
            _KINDS.CAMERA_HEIGHT: self._camera_height,
            _KINDS.LASER_SCAN: self._range_sensor,
            _KINDS.RANGE: self._range_sensor,
        }[request.kind]
        sensor = self._listen(request)
        true, measured = [], []
        try:
            if sensor is not None:
                await self._hear(sensor, until)
            for _ in range(request.frames or FRAMES):
                frame_depth = await self._scheduler.next_depth(until)
                pairs = await measure(request, frame_depth, sensor, until)
                true.extend(pairs[0])
                measured.extend(np.asarray(pairs[1]) / frame_depth.scale)
        finally:
            if sensor is not None:
                self._node.destroy_subscription(sensor.subscription)
        return scales.estimate_scale(true, measured), float(np.median(true)) if true else math.nan

    async def _hear(self, sensor, until: float) -> None:
        """Wait for the first message of a range sensor: it must be found first."""
        try:
            while sensor.newest is None:
                await self._scheduler.next_depth(until)
        except StatusError as refusal:
            if time.monotonic() < until or sensor.newest is not None:
                raise
            raise StatusError(Code.DEADLINE, sensor.silence()) from refusal

    async def _point(self, request, frame_depth, sensor, until: float) -> tuple:
        pixel = (request.pixel.u, request.pixel.v)
        (reading,) = self._scheduler.estimator.sample(frame_depth, [pixel])
        if reading.code not in (Code.OK, Code.NO_DEPTH, Code.IMPLAUSIBLE):
            raise StatusError(reading.code, reading.text)
        return [request.value], [reading.distance_m]

    async def _camera_height(self, request, frame_depth, sensor, until: float) -> tuple:
        ground = fit_ground(frame_depth.depth_map)
        pair = (request.value, math.nan if ground is None else ground.height_m)
        return [pair[0]], [pair[1]]

    async def _range_sensor(self, request, frame_depth, sensor, until: float) -> tuple:
        message, frame = sensor.newest, frame_depth.frame
        into = await self._node.transforms.into(
            frame.frame_id, message.header.frame_id, frame.stamp_ns, until
        )
        if request.kind == _KINDS.LASER_SCAN:
            limits = (message.range_min, message.range_max)
            angles = (message.angle_min, message.angle_increment)
            points = scales.scan_points(message.ranges, *angles, *limits)
            return scales.scan_pairs(frame_depth.depth_map, into(points))
        if not message.min_range <= message.range <= message.max_range:
            return [], []
        origin, ahead = into([(0.0, 0.0, 0.0), (1.0, 0.0, 0.0)])
        cone = (origin, ahead - origin, message.field_of_view / 2)
        scale = scales.range_scale(frame_depth.depth_map, *cone, message.range)
        return [message.range], [message.range / scale]

    def _listen(self, request):
        kinds = {_KINDS.LASER_SCAN: LaserScan, _KINDS.RANGE: Range}
        if request.kind not in kinds:
            return None
        return _Newest(self._node, kinds[request.kind], request.topic, self._guard)

    # -- file ---------------------------------------------------------------------------------

    def recall(self) -> None:
        """Apply the scale that was kept for this node and its model; 1 where there is none."""
        try:
            kept = json.loads(self._file().read_text(encoding="utf-8")).get(self._key(), 1.0)
            self._scheduler.scale = scales.check_scale(float(kept))
        except FileNotFoundError:
            self._scheduler.scale = 1.0
        except (OSError, ValueError, AttributeError, TypeError, StatusError) as error:
            self._scheduler.scale = 1.0
            self._node.get_logger().warning(
                f"no scale from {self._file()}: {error}; 1.0 is applied, calibrate again"
            )
        if self._scheduler.scale != 1.0:
            self._node.get_logger().info(f"scale {self._scheduler.scale:.4f} from {self._file()}")

    def _keep(self, scale: float) -> str:
        """Write the scale to the file; return "" or why it is not kept."""
        path = self._file()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                kept = json.loads(path.read_text(encoding="utf-8"))
            except (FileNotFoundError, ValueError):
                kept = {}
            text = json.dumps({**kept, self._key(): scale}, indent=2, sort_keys=True)
            write_atomically(path, lambda file: file.write(text.encode()))
        except OSError as error:
            sentence = f"the scale holds until the node ends: {path} cannot be written ({error})"
            self._node.get_logger().warning(sentence)
            return sentence
        return ""

    def _file(self) -> Path:
        given = self._node.parameters.values.scale_file
        return Path(given).expanduser() if given else Path.home() / ".ros" / "depthlm_scale.json"

    def _key(self) -> str:
        name = getattr(self._scheduler.model, "name", "")
        return f"{self._node.get_fully_qualified_name()} {name}"


class _Newest:
    """The newest message of a topic."""

    def __init__(self, node, kind, topic: str, guard):
        self.newest, self._kind, self._topic = None, kind.__name__, topic
        try:
            self.subscription = node.create_subscription(
                kind,
                topic,
                guard.wrap(f"receiving {topic}", self._take),
                QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT),
            )
        except InvalidTopicNameException as error:
            said = clean(str(error), 200)
            raise StatusError(Code.BAD_QUESTION, f"topic is no name of a topic: {said}") from error

    def silence(self) -> str:
        """Say that nothing has come, with the remedy."""
        return (
            f"no sensor_msgs/{self._kind} came on {self._topic!r} within the deadline: compare "
            "`ros2 topic info` (a name without / is in the node's namespace), or allow more time"
        )

    def _take(self, message) -> None:
        self.newest = message


def _check_request(request) -> None:
    """Refuse a reference that is none, with the rule."""
    if request.kind > _KINDS.SET:
        raise StatusError(
            Code.BAD_QUESTION,
            f"kind = {request.kind}: must be POINT 0, CAMERA_HEIGHT 1, LASER_SCAN 2, RANGE 3 or "
            "SET 4",
        )
    by_topic = request.kind in (_KINDS.LASER_SCAN, _KINDS.RANGE)
    if by_topic and not request.topic:
        raise StatusError(Code.BAD_QUESTION, "topic is empty: name the range sensor's topic")
    if not by_topic and not 0 < request.value <= MOST_M:
        raise StatusError(
            Code.BAD_QUESTION,
            f"value = {request.value:g}: must be positive and at most {MOST_M:g}, in metres",
        )
    if request.frames > MOST_FRAMES:
        raise StatusError(
            Code.BAD_QUESTION, f"frames = {request.frames}: must be at most {MOST_FRAMES}"
        )
