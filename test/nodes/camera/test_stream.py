"""The camera's stream: stamps, pictures, truth, clock, end."""

import math
import signal

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from depthlm_ros.nodes.common.conversions import rgb_of
from depthlm_ros.status import Code

SIZE = {"width": 64, "height": 64}
LENS = {"fx": 16.0, "cx": 16.0, "cy": 16.0}


def ns(stamp):
    """Return a stamp in nanoseconds."""
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def index_of(image):
    """Return the number of a shot of the ramp world: its red."""
    return int(rgb_of(image)[0, 0, 0])


@pytest.fixture(scope="module")
def ramp(start_lasting_camera):
    """Give a camera that plays the ramp world without end."""
    return start_lasting_camera(rate_hz=5.0, count=200, **SIZE, **LENS)


def image_of(viewer, stamp, tools):
    """Wait for the image with a stamp."""
    return tools.wait_until(
        lambda: next((i for i in list(viewer.seen) if i.header.stamp == stamp), None), "its image"
    )


def test_pictures_come_in_sequence_each_with_its_camera_info(ramp):
    _, viewer = ramp
    pairs = viewer.pictures(12)
    assert [index_of(image) for image, _ in pairs] == list(range(12))
    stamps = [ns(image.header.stamp) for image, _ in pairs]
    assert stamps == sorted(set(stamps))
    for image, info in pairs:
        assert image.header == info.header
        assert image.header.frame_id == "camera_optical_frame"
        assert (image.encoding, image.width, image.height, image.step) == ("rgb8", 64, 64, 192)
        assert (info.width, info.height) == (64, 64)
        assert list(info.k) == [16.0, 0.0, 16.0, 0.0, 16.0, 16.0, 0.0, 0.0, 1.0]
        assert list(info.p)[:8] == [16.0, 0.0, 16.0, 0.0, 0.0, 16.0, 16.0, 0.0]
    v, u = np.mgrid[:64, :64]
    expected = np.stack([np.full(u.shape, 11), u, v], axis=-1)
    assert np.array_equal(rgb_of(pairs[11][0]), expected)


def test_stamps_are_the_time_of_publishing(ramp, tools):
    _, viewer = ramp
    viewer.pictures(1)
    before = viewer.node.get_clock().now().nanoseconds
    tools.wait_until(lambda: ns(viewer.seen[-1].header.stamp) > before, "a picture of now")
    stamp = ns(viewer.seen[-1].header.stamp)
    assert stamp < viewer.node.get_clock().now().nanoseconds


def test_best_effort_subscribers_get_pictures_too(ramp, tools):
    _, viewer = ramp
    qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    got = viewer.listen(Image, "image", qos)
    tools.wait_until(lambda: len(got) >= 3, "pictures")


def test_truth_of_a_pixel_worked_out_by_hand(ramp, tools):
    _, viewer = ramp
    viewer.pictures(1)
    reply = viewer.truth((48, 48))
    image = image_of(viewer, reply.points[0].header.stamp, tools)
    z = index_of(image) + 1 + 48 / 8 + 48 / 64
    point = reply.points[0]
    assert (reply.status.code, point.status.code, point.source) == (Code.OK, Code.OK, "truth")
    assert point.depth == z
    assert point.distance == pytest.approx(3 * z)  # x = y = (48 - 16) / 16 = 2: sqrt(1 + 4 + 4)
    assert (point.low, point.high) == (point.distance, point.distance)
    assert (point.point.x, point.point.y, point.point.z) == (2 * z, 2 * z, z)
    assert point.header.frame_id == "camera_optical_frame"
    assert (point.pixel.u, point.pixel.v) == (48.0, 48.0)


def test_truth_agrees_with_the_published_depth_of_the_same_stamp(ramp, tools):
    _, viewer = ramp
    depths = viewer.listen(Image, "camera/truth/depth")
    tools.wait_until(lambda: depths, "a true depth image")
    depth = depths[-1]
    assert (depth.encoding, depth.header.frame_id) == ("32FC1", "camera_optical_frame")
    assert image_of(viewer, depth.header.stamp, tools).header == depth.header
    pixels = [(0.0, 1.0), (63.49, 63.49), (30.4, 20.6), (-0.5, 5.0), (12.5, 8.0)]
    centres = [(0, 1), (63, 63), (30, 21), (0, 5), (13, 8)]
    reply = viewer.truth(*pixels, stamp=depth.header.stamp)
    told = [point.depth for point in reply.points]
    assert told == [float(tools.floats(depth)[v, u]) for u, v in centres]
    assert np.isinf(tools.floats(depth)[0]).all()


def test_no_truth_is_never_a_number(ramp):
    _, viewer = ramp
    viewer.pictures(1)
    reply = viewer.truth((10, 0), (64, 5), (-0.6, 5), (math.nan, 5), (10, 1))
    codes = [point.status.code for point in reply.points]
    outside = Code.OUT_OF_IMAGE
    assert codes == [Code.NO_DEPTH, outside, outside, outside, Code.OK]
    assert "sky" in reply.points[0].status.text and "64 x 64" in reply.points[1].status.text
    for point in reply.points[:4]:
        assert all(math.isnan(x) for x in (point.depth, point.distance, point.low, point.point.z))


def test_unknown_stamps_and_bad_requests_are_refused(ramp):
    _, viewer = ramp
    viewer.pictures(1)
    reply = viewer.truth((10, 10), stamp=Time(sec=5))
    assert reply.status.code == Code.STALE and "stamp 5 s 0 ns" in reply.status.text
    assert reply.points[0].status.code == Code.STALE and math.isnan(reply.points[0].depth)
    assert viewer.truth().status.code == Code.BAD_QUESTION
    assert viewer.truth(*[(1, 1)] * 4097).status.code == Code.BAD_QUESTION


def test_parameters_are_read_only(ramp, tools):
    from rcl_interfaces.srv import SetParametersAtomically
    from rclpy.parameter import Parameter

    _, viewer = ramp
    request = SetParametersAtomically.Request(
        parameters=[Parameter("loop", value=False).to_parameter_msg()]
    )
    kind, name = SetParametersAtomically, "camera/set_parameters_atomically"
    assert not viewer.call(kind, name, request).result.successful


def test_before_the_first_picture_there_is_no_truth(start_camera):
    node, viewer = start_camera(wait=False, model={"seconds": 300.0}, **SIZE)
    node.wait_for_log("rendering")
    assert viewer.truth((1, 1)).status.code == Code.NO_FRAME


def test_compressed_pictures_survive(start_camera):
    parameters = {"image_transport": "compressed", "rate_hz": 20.0, "count": 200}
    _, png = start_camera(compression="png", **parameters, **SIZE)
    image, info = png.pictures(3)[2]
    assert image.format == "rgb8; png compressed bgr8" and image.header == info.header
    v, u = np.mgrid[:64, :64]
    picture = np.stack([np.full(u.shape, 2), u, v], axis=-1)
    assert np.array_equal(rgb_of(image), picture)
    _, jpeg = start_camera(jpeg_quality=100, **parameters, **SIZE)
    image, _ = jpeg.pictures(3)[2]
    assert image.format == "rgb8; jpeg compressed bgr8"
    off = np.abs(rgb_of(image).astype(int) - picture)
    assert 0 < off.mean() < 2


def test_the_stream_ends_and_says_so(start_camera, tools):
    node, viewer = start_camera(rate_hz=20.0, loop=False, count=5, frame_id="eye", **SIZE)
    node.wait_for_log("stream is over after 5 pictures: the source has ended and loop is false")
    pairs = viewer.pictures(5)
    assert [index_of(image) for image, _ in pairs] == [0, 1, 2, 3, 4]
    assert len(viewer.seen) == 5 and pairs[0][0].header.frame_id == "eye"
    last = viewer.truth((8, 8)).points[0]
    assert last.depth == 4 + 1 + 1 + 8 / 64 and last.header.stamp == pairs[4][0].header.stamp
    assert node.stop()[0] == 0


def test_64_pictures_are_remembered(start_camera, tools):
    node, viewer = start_camera(rate_hz=240.0, loop=False, count=70, **SIZE)
    node.wait_for_log("stream is over")
    stamps = [image.header.stamp for image, _ in viewer.pictures(70)]
    codes = [viewer.truth((8, 8), stamp=stamps[i]).status.code for i in (5, 6, 69)]
    assert codes == [Code.STALE, Code.OK, Code.OK]
    assert viewer.truth((8, 8), stamp=stamps[6]).points[0].depth == 6 + 1 + 1 + 8 / 64


def test_recorded_stamps_with_a_clock_that_jumps_back(start_camera, tools):
    node, viewer = start_camera(
        rate_hz=20.0, count=4, stamp="recorded", publish_clock=True, model={}, **SIZE
    )
    pairs = viewer.pictures(10)
    assert [index_of(image) for image, _ in pairs] == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    step = 50_000_000
    expected = [1_000_000_000 + step * (i % 4) for i in range(10)]
    assert [ns(image.header.stamp) for image, _ in pairs] == expected

    def clock_seen():
        times = [ns(message.clock) for message in viewer.clock]
        rounds = [i for i in range(1, len(times)) if times[i] < times[i - 1]]
        return rounds and set(expected) <= set(times) and (times, rounds)

    times, rounds = tools.wait_until(clock_seen, "a clock that has shown a whole round and a jump")
    assert all(times[i] == 1_000_000_000 for i in rounds)  # it jumps to the beginning
    assert max(times) == 1_000_000_000 + 3 * step  # and never runs past the last picture
    assert node.said("the time jumps back")


def test_a_clock_that_goes_on_over_rounds(start_camera, tools):
    _, viewer = start_camera(rate_hz=20.0, count=3, publish_clock=True, **SIZE)
    pairs = viewer.pictures(8)
    stamps = [ns(image.header.stamp) for image, _ in pairs]
    assert {b - a for a, b in zip(stamps, stamps[1:], strict=False)} == {50_000_000}
    tools.wait_until(lambda: len(viewer.clock) > 12, "the clock")
    times = [ns(message.clock) for message in viewer.clock]
    assert times == sorted(times) and times[0] == stamps[0]


def test_sim_time_without_a_clock_is_waited_for(start_camera, tools):
    from rosgraph_msgs.msg import Clock

    node, viewer = start_camera(rate_hz=20.0, use_sim_time=True, **SIZE)
    node.wait_for_log("use_sim_time is set and no /clock arrives")
    assert not viewer.seen
    clock = viewer.node.create_publisher(Clock, "clock", 1)
    now = Clock(clock=Time(sec=77))
    tools.wait_until(lambda: clock.publish(now) or viewer.seen, "a picture")
    assert viewer.pictures(1)[0][0].header.stamp == Time(sec=77)


def test_a_world_that_fails_ends_the_stream_but_not_the_node(start_camera):
    node, viewer = start_camera(rate_hz=20.0, model={"fails_at": 2}, **SIZE)
    node.wait_for_log(r"ERROR.*over after 2 pictures: ValueError: the world ends here")
    assert viewer.truth((8, 8)).points[0].depth == 1 + 1 + 1 + 8 / 64
    assert node.is_alive()


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"model": {"fails_at": 0}}, "cannot start: ValueError: the world ends here"),
        ({"rate_hz": -1.0}, "rate_hz"),
        ({"image_transport": "x"}, "image_transport = 'x': must be one of raw, compressed"),
        ({"scene_kinds": "room,moon"}, "'moon' must be one of room, corridor, street"),
        ({"fy": 50.0}, "fy = 50.0: needs fx"),
        ({"fx": 50.0, "camera_info_url": "a.yaml"}, "give one of them"),
        ({"source": "/nowhere/at/all"}, "source '/nowhere/at/all': no such file or folder"),
        ({"source": ""}, "source '': no such file or folder"),
    ],
)
def test_a_bad_start_is_one_line_and_code_2(start_camera, tools, settings, said):
    node, _ = start_camera(wait=False, **settings)
    assert node.process.wait(tools.WAIT_S) == 2
    log = node.log.read_text()
    assert log.count("cannot start") == 1 and said in log and "Traceback" not in log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["rendering", "playing"])
def test_signals_end_the_process_with_code_0(start_camera, number, moment):
    model = {"seconds": 300.0} if moment == "rendering" else {}
    node, _ = start_camera(wait=False, model=model, rate_hz=100.0, **SIZE)
    node.wait_for_log(moment)
    code, seconds = node.stop(number)
    assert code == 0
    assert seconds < 20.0  # 2 s is the bar on a machine at rest; this catches waiting for the shot
    log = node.log.read_text()
    assert log.count("stopped") == 1 and "Traceback" not in log and "rror" not in log


def test_the_real_world_with_its_truth(start_camera):
    from depthlm_ros.geometry.camera import PinholeCamera
    from depthlm_ros.scenes.camera_path import CameraPath

    settings = {"seed": 3, "scene_kinds": "street,room", "shots_per_scene": 2, "rate_hz": 10.0}
    size = {"width": 32, "height": 24, "fx": 25.0}
    _, viewer = start_camera(model={"world": "real"}, count=3, loop=False, **settings, **size)
    pairs = viewer.pictures(3)
    walk = CameraPath(
        camera=PinholeCamera(25.0, 25.0, 15.5, 11.5, 32, 24),
        seed=3,
        kinds=("street", "room"),
        shots_per_scene=2,
        rate_hz=10.0,
    )
    for (image, _), index in zip(pairs, (0, 1, 2), strict=True):
        sample = walk.frame(index)
        assert np.array_equal(rgb_of(image), sample.rgb)
        v, u = np.argwhere(np.isfinite(sample.depth_m))[0]
        point = viewer.truth((u, v), stamp=image.header.stamp).points[0]
        assert point.depth == float(sample.depth_m[v, u])
