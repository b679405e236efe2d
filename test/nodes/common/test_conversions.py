"""Frames from real messages, and messages read back by an independent reader."""

import copy
import math
import struct
from array import array
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.serialization import serialize_message
from rosbags.image import message_to_cvimage
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from depthlm_ros.frame import Frame
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.nodes.common import conversions
from depthlm_ros.nodes.common.conversions import FrameMaker
from depthlm_ros.nodes.depth.point_clouds import CloudPacker
from depthlm_ros.point_depth import PointDepth
from depthlm_ros.sanitize import MESSAGE_LIMIT
from depthlm_ros.status import Code, StatusError

TYPES = get_typestore(Stores.ROS2_HUMBLE)
CAMERA = PinholeCamera(2.0, 4.0, 1.0, 1.0, 4, 3)
NAN, INF = float("nan"), float("inf")


def read_back(message, kind):
    """Return a message as rosbags reads its serialised bytes."""
    return TYPES.deserialize_cdr(serialize_message(message), kind)


def image(width=64, height=48, encoding="rgb8", stamp=(12, 34), frame_id="camera_optical"):
    """Return an Image whose red grows to the right and whose green grows downwards."""
    message = Image(width=width, height=height, encoding=encoding, step=3 * width)
    message.header.stamp.sec, message.header.stamp.nanosec = stamp
    message.header.frame_id = frame_id
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    pixels = np.stack([u % 256, v % 256, np.full_like(u, 7)], axis=-1).astype(np.uint8)
    message.data.frombytes(pixels.tobytes())
    return message


def info(width=64, height=48, focal=50.0, **fields):
    """Return a CameraInfo without distortion."""
    k = [focal, 0.0, (width - 1) / 2, 0.0, focal, (height - 1) / 2, 0.0, 0.0, 1.0]
    return CameraInfo(width=width, height=height, k=k, distortion_model="plumb_bob", **fields)


def depth_map(depth=None):
    """Return a map with every kind of depth in it."""
    if depth is None:
        depth = [[1, 2, 3, 4], [NAN, 2, INF, 4], [1, 2, 3, 8]]
    return DepthMap(np.array(depth, np.float32), CAMERA, 12_000_000_034, "camera_optical", 1.2)


def test_a_frame_is_the_image_with_its_own_header():
    frame, rectifier = FrameMaker().frame(image(), info())
    assert (frame.stamp_ns, frame.frame_id) == (12_000_000_034, "camera_optical")
    assert frame.camera == PinholeCamera(50.0, 50.0, 31.5, 23.5, 64, 48)
    assert frame.rgb[3, 5].tolist() == [5, 3, 7] and frame.valid is None
    np.testing.assert_array_equal(rectifier.source_to_rectified([5, 3]), [5, 3])


def test_a_compressed_image_makes_the_same_frame():
    import cv2

    raw = image()
    message = CompressedImage(header=raw.header, format="png")
    pixels = np.frombuffer(raw.data, np.uint8).reshape(48, 64, 3)
    message.data.frombytes(cv2.imencode(".png", pixels[..., ::-1])[1].tobytes())
    frame, _ = FrameMaker().frame(message, info())
    np.testing.assert_array_equal(frame.rgb, pixels)
    assert frame.stamp_ns == 12_000_000_034


def test_a_distorted_image_is_rectified_and_its_border_marked():
    pincushion = info(d=[0.4, 0.0, 0.0, 0.0, 0.0])
    frame, rectifier = FrameMaker().frame(image(), pincushion)
    assert frame.valid is not None and not frame.valid[0, 0] and frame.valid[24, 32]
    assert frame.rgb[0, 0].tolist() == [0, 0, 0]
    source = rectifier.rectified_to_source([40.0, 30.0])
    np.testing.assert_allclose(frame.rgb[30, 40, :2], source, atol=0.6)


def test_an_image_that_is_rectified_already_is_left_alone():
    bent = info(d=[0.4, 0.0, 0.0, 0.0, 0.0], p=[60.0, 0, 30, 0, 0, 61, 20, 0, 0, 0, 1, 0])
    frame, _ = FrameMaker(image_is_rectified=True).frame(image(), bent)
    assert frame.camera == PinholeCamera(60.0, 61.0, 30.0, 20.0, 64, 48)
    assert frame.rgb[0, 5].tolist() == [5, 0, 7]


def test_every_value_of_the_camera_info_reaches_the_lens():
    message = info(64, 48, d=[0.1, 0.2, 0.3, 0.4, 0.5], binning_x=2, binning_y=3)
    message.r = np.arange(9.0)
    message.p = np.arange(12.0)
    roi = message.roi
    roi.x_offset, roi.y_offset, roi.width, roi.height, roi.do_rectify = 1, 2, 3, 4, True
    lens = conversions.lens_of(message)
    assert (lens.width, lens.height, lens.distortion_model) == (64, 48, "plumb_bob")
    assert lens.k == (50.0, 0.0, 31.5, 0.0, 50.0, 23.5, 0.0, 0.0, 1.0)
    assert lens.d == (0.1, 0.2, 0.3, 0.4, 0.5)
    assert lens.r == tuple(range(9)) and lens.p == tuple(range(12))
    assert (lens.binning_x, lens.binning_y) == (2, 3)
    assert (lens.roi_x, lens.roi_y, lens.roi_width, lens.roi_height) == (1, 2, 3, 4)
    assert lens.do_rectify is True


def test_intrinsics_are_live_and_tables_are_kept():
    maker = FrameMaker(kept_lenses=2)
    near, far = info(d=[0.1, 0.0, 0.0, 0.0, 0.0]), info(focal=80.0)
    first = maker.frame(image(), near)[1]
    assert maker.frame(image(), copy.deepcopy(near))[1] is first
    zoomed, _ = maker.frame(image(), far)
    assert zoomed.camera.fx == 80.0
    assert maker.frame(image(), near)[1] is first
    halved, _ = maker.frame(image(32, 24), info(32, 24))
    assert (halved.camera.width, halved.camera.fx) == (32, 50.0)
    maker.frame(image(), far)
    assert maker.frame(image(), near)[1] is not first  # two others were used since


@pytest.mark.parametrize(
    "change",
    [
        {"k": [51.0, 0, 31.5, 0, 50, 23.5, 0, 0, 1]},
        {"d": [0.1, 0.0, 0.0, 0.0, 0.0]},
        {"distortion_model": "rational_polynomial"},
        {"p": [51.0, 0, 30, 0, 0, 51, 20, 0, 0, 0, 1, 0]},
        {"r": [1.0, 0, 0, 0, 1, 0, 0, 0, 1]},
    ],
)
def test_any_change_of_the_camera_info_makes_a_new_rectifier(change):
    maker = FrameMaker()
    changed = info()
    for name, value in change.items():
        setattr(changed, name, value)
    assert maker.frame(image(), changed)[1] is not maker.frame(image(), info())[1]


def refused(maker, picture, camera_info):
    """Return the refusal of a pair of messages."""
    with pytest.raises(StatusError) as refusal:
        maker.frame(picture, camera_info)
    refusal.value.text.encode("utf-8")
    return refusal.value


def test_refusals_of_pairs():
    maker = FrameMaker()
    sizes = refused(maker, image(32, 24), info())
    assert sizes.code == Code.BAD_CAMERA_INFO
    assert "32 x 24" in sizes.text and "64 x 48" in sizes.text
    assert refused(maker, image(encoding="32FC1"), info()).code == Code.BAD_IMAGE
    uncalibrated = CameraInfo(width=64, height=48)
    assert refused(maker, image(), uncalibrated).code == Code.BAD_CAMERA_INFO
    assert refused(maker, image(), info(d=[0.1] * 1000)).text.startswith("1000 distortion")
    assert refused(maker, image(), info(d=[NAN] * 5)).code == Code.BAD_CAMERA_INFO
    small = FrameMaker(max_pixels=1000)
    assert refused(small, image(), info()).code == Code.BAD_IMAGE


@pytest.mark.parametrize("stamp", [(0, 0), (-1, 0), (-(2**31), 5), (5, 10**9), (5, 2**32 - 1)])
def test_a_stamp_that_is_none_is_refused(stamp):
    refusal = refused(FrameMaker(), image(stamp=stamp), info())
    assert refusal.code == Code.BAD_STAMP and str(stamp[0]) in refusal.text


@pytest.mark.parametrize("stamp", [(0, 1), (1, 0), (2**31 - 1, 10**9 - 1)])
def test_stamps_survive_to_the_nanosecond(stamp):
    frame, _ = FrameMaker().frame(image(stamp=stamp), info())
    header = conversions.header_of(frame)
    assert (header.stamp.sec, header.stamp.nanosec) == stamp
    assert header.frame_id == "camera_optical"


def test_a_depth_image_reads_back():
    message = conversions.depth_image(depth_map())
    assert (message.encoding, message.step, message.is_bigendian) == ("32FC1", 16, 0)
    read = read_back(message, "sensor_msgs/msg/Image")
    assert (read.header.stamp.sec, read.header.stamp.nanosec) == (12, 34)
    assert read.header.frame_id == "camera_optical"
    np.testing.assert_array_equal(message_to_cvimage(read), depth_map().depth_m)


def test_an_rgb_image_reads_back_through_an_independent_reader():
    pixels = np.frombuffer(image().data, np.uint8).reshape(48, 64, 3)
    message = conversions.rgb_image(pixels[:, ::-1], Header(frame_id="x"))  # not contiguous
    read = read_back(message, "sensor_msgs/msg/Image")
    assert (read.width, read.height, read.step, read.header.frame_id) == (64, 48, 192, "x")
    np.testing.assert_array_equal(message_to_cvimage(read, "bgr8")[..., ::-1], pixels[:, ::-1])
    with pytest.raises(ValueError, match="float64"):
        conversions.rgb_image(np.zeros((2, 2, 3)), Header())


def test_the_camera_info_of_the_depth_image():
    read = read_back(conversions.camera_info(CAMERA, Header()), "sensor_msgs/msg/CameraInfo")
    assert (read.width, read.height, read.distortion_model) == (4, 3, "plumb_bob")
    assert read.k.tolist() == [2, 0, 1, 0, 4, 1, 0, 0, 1]
    assert read.p.tolist() == [2, 0, 1, 0, 0, 4, 1, 0, 0, 0, 1, 0]
    assert read.r.tolist() == [1, 0, 0, 0, 1, 0, 0, 0, 1]
    assert read.d.tolist() == [0.0] * 5
    # And back through our own reader it is the same camera, with nothing to rectify.
    back = FrameMaker().rectifier(conversions.camera_info(CAMERA, Header()), 4, 3)
    assert back.camera == CAMERA and back.is_identity


def test_a_cloud_reads_back_point_by_point():
    rgb = np.zeros((3, 4, 3), np.uint8)
    rgb[2, 3] = (0x12, 0x34, 0x56)
    rgb[0, 0] = (255, 255, 255)
    depth = depth_map()
    cloud = CloudPacker().pack(depth, rgb, conversions.header_of(depth))
    read = read_back(cloud, "sensor_msgs/msg/PointCloud2")
    assert (read.height, read.width, read.point_step, read.row_step) == (3, 4, 16, 64)
    assert [(f.name, f.offset, f.datatype, f.count) for f in read.fields] == [
        ("x", 0, 7, 1),
        ("y", 4, 7, 1),
        ("z", 8, 7, 1),
        ("rgb", 12, 7, 1),
    ]
    assert not read.is_bigendian and not read.is_dense
    assert read.header.stamp.nanosec == 34 and read.header.frame_id == "camera_optical"
    points = [struct.unpack_from("<fffI", read.data.tobytes(), 16 * i) for i in range(12)]
    assert points[0] == (-0.5, -0.25, 1.0, 0xFFFFFF)  # row 0, column 0
    assert points[3] == (4.0, -1.0, 4.0, 0)  # row 0, column 3: the width runs fastest
    assert points[11] == (8.0, 2.0, 8.0, 0x123456)
    for nothing in (4, 6):  # unknown, beyond range
        assert all(math.isnan(value) for value in points[nothing][:3])
    assert all(math.isfinite(points[i][2]) for i in (0, 1, 2, 3, 5, 7, 8, 9, 10, 11))


def test_points_across_a_depth_step_are_hidden_on_request():
    depth = depth_map(np.array([[1, 1, 1, 2], [1, 1, 1, 2], [1, 1, 1, 2]], np.float32))
    cloud = CloudPacker().pack(depth, np.zeros((3, 4, 3), np.uint8), Header(), 1.5)
    z = np.frombuffer(cloud.data, "<f4").reshape(3, 4, 4)[..., 2]
    np.testing.assert_array_equal(z, [[1, 1, np.nan, np.nan]] * 3)
    cloud = CloudPacker().pack(depth, np.zeros((3, 4, 3), np.uint8), Header(), 2.5)
    assert np.isfinite(np.frombuffer(cloud.data, "<f4")).all()


def test_a_cloud_is_packed_where_the_depth_is():
    asked, bits = [], np.arange(48, dtype=np.int32).reshape(3, 4, 4)
    plain, rgb = depth_map(np.full((3, 4), 5.0)), np.zeros((3, 4, 3), np.uint8)
    on_device = replace(plain, pack_on_device=lambda ratio: asked.append(ratio) or bits)
    for ratio in (1.15, None):
        sent = CloudPacker().pack(on_device, rgb, Header(), ratio)
        np.testing.assert_array_equal(np.frombuffer(sent.data, "<i4"), np.arange(48))
    assert asked == [1.15, None]
    gone = replace(plain, pack_on_device=lambda ratio: None)
    sent = CloudPacker().pack(gone, rgb, Header(), 1.3)
    assert sent.data == CloudPacker().pack(plain, rgb, Header(), 1.3).data


def test_a_packer_is_used_again_for_the_next_cloud_and_the_next_size():
    packer, rgb = CloudPacker(), np.zeros((3, 4, 3), np.uint8)
    first = packer.pack(depth_map(), rgb, Header(frame_id="a"))
    assert packer.pack(depth_map(np.full((3, 4), 5.0)), rgb, Header(frame_id="b")) is first
    assert first.header.frame_id == "b"
    assert struct.unpack_from("<f", first.data, 8) == (5.0,)
    camera = PinholeCamera(2.0, 4.0, 1.0, 1.0, 2, 2)
    other = packer.pack(
        DepthMap(np.ones((2, 2), np.float32), camera), np.zeros((2, 2, 3), np.uint8), Header()
    )
    assert (other.width, other.height, len(other.data)) == (2, 2, 64)
    with pytest.raises(ValueError, match=r"\(2, 2, 3\)"):
        packer.pack(depth_map(), np.zeros((2, 2, 3), np.uint8), Header())


def test_a_reading_as_a_message():
    point = PointDepth((1.5, 2.5), Code.OK, "", 3.0, 2.0, 2.5, 3.5, (0.1, 0.2, 2.0), "marker")
    message = conversions.point_depth_msg(point, Header(frame_id="camera_optical"))
    assert (message.pixel.u, message.pixel.v) == (1.5, 2.5)
    assert (message.status.code, message.status.text) == (0, "")
    assert (message.distance, message.depth, message.low, message.high) == (3.0, 2.0, 2.5, 3.5)
    assert (message.point.x, message.point.y, message.point.z) == (0.1, 0.2, 2.0)
    assert (message.source, message.header.frame_id) == ("marker", "camera_optical")
    silent = conversions.point_depth_msg(PointDepth((1, 2), Code.NO_DEPTH, "why"), Header())
    assert (silent.status.code, silent.status.text) == (9, "why")
    numbers = (silent.distance, silent.depth, silent.low, silent.high, silent.point.x)
    assert all(math.isnan(number) for number in numbers)


def test_any_text_can_be_sent():
    hostile = "a\ud800b\0c" + "x" * 10_000
    message = conversions.status_msg(Code.NO_ANSWER, hostile)
    assert message.text.startswith("a?b c") and len(message.text) == MESSAGE_LIMIT
    serialize_message(message)


numbers = st.one_of(st.floats(width=64), st.sampled_from([0.0, 50.0, -1.0, NAN, INF, 1e300]))
uint32 = st.one_of(st.integers(0, 70), st.integers(0, 2**32 - 1))


@st.composite
def camera_infos(draw):
    """Any CameraInfo, often one that nearly fits the image of 64 x 48 px."""
    message = info()
    spoiled = draw(st.sets(st.sampled_from(["k", "r", "p", "size", "binning", "roi"]), max_size=2))
    for name in spoiled & {"k", "r", "p"}:
        values = getattr(message, name).copy()
        values[draw(st.integers(0, len(values) - 1))] = draw(numbers)
        setattr(message, name, values)
    names = ["plumb_bob", "rational_polynomial", "equidistant", "", "none"]
    message.distortion_model = draw(st.one_of(st.sampled_from(names), st.text(max_size=20)))
    count = draw(st.sampled_from([4, 5, 8, 14, 0, 3, 16]))
    one = st.one_of(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), numbers)
    message.d = array("d", draw(st.lists(one, min_size=count, max_size=count)))
    if "size" in spoiled:
        message.width, message.height = draw(uint32), draw(uint32)
    if "binning" in spoiled:
        message.binning_x, message.binning_y = draw(uint32), draw(uint32)
    if "roi" in spoiled:
        roi = message.roi
        roi.x_offset, roi.y_offset, roi.width, roi.height = (draw(uint32) for _ in range(4))
        roi.do_rectify = draw(st.booleans())
    return message


@settings(deadline=None, max_examples=300)
@given(camera_infos(), st.booleans())
@pytest.mark.filterwarnings("error")
def test_any_camera_info_gives_a_frame_or_a_refusal(message, image_is_rectified):
    try:
        frame, rectifier = FrameMaker(image_is_rectified).frame(image(), message)
    except StatusError as refusal:
        assert refusal.code == Code.BAD_CAMERA_INFO
        refusal.text.encode("utf-8")
    else:
        assert frame.rgb.shape == (48, 64, 3)
        assert frame.valid is None or frame.valid.any()
        there = rectifier.source_to_rectified([[10.0, 20.0], [-0.5, 47.4], [NAN, 3.0]])
        assert there.shape == (3, 2) and np.isnan(there[2]).any()
        back = rectifier.rectified_to_source(there)
        known = np.isfinite(back).all(axis=1)
        asked = np.array([[10.0, 20.0], [-0.5, 47.4], [NAN, 3.0]])
        np.testing.assert_allclose(back[known], asked[known], atol=1e-3)


@settings(deadline=None, max_examples=300)
@given(
    st.integers(-(2**31), 2**31 - 1),
    st.integers(0, 2**32 - 1),
    uint32,
    uint32,
    uint32,
    st.one_of(st.sampled_from(["rgb8", "mono8", "nv12", "bayer_rggb16"]), st.text(max_size=9)),
    st.integers(0, 255),
    st.binary(max_size=500),
)
def test_any_image_gives_a_frame_or_a_refusal(
    sec, nanosec, width, height, step, encoding, is_bigendian, data
):
    message = Image(
        width=width, height=height, step=step, encoding=encoding, is_bigendian=is_bigendian
    )
    message.header.stamp.sec, message.header.stamp.nanosec = sec, nanosec
    message.data.frombytes(data)
    try:
        frame, _ = FrameMaker().frame(message, info(width, height))
    except StatusError as refusal:
        assert refusal.code in (Code.BAD_IMAGE, Code.BAD_STAMP, Code.BAD_CAMERA_INFO)
    else:
        assert frame.rgb.shape == (height, width, 3)


def test_a_plane_at_two_metres_through_messages_is_a_cloud_at_two_metres():
    """Fx != fy, distortion, region of interest and binning: the cloud lies where the plane is."""
    k = [300.0, 0, 319.5, 0, 360.0, 239.5, 0, 0, 1]
    message = CameraInfo(width=640, height=480, k=k, distortion_model="plumb_bob")
    message.d = array("d", [-0.2, 0.05, 0.001, -0.001, 0.0])
    message.binning_x, message.binning_y = 2, 4
    roi = message.roi
    roi.x_offset, roi.y_offset, roi.width, roi.height = 80, 40, 480, 400
    frame, rectifier = FrameMaker().frame(image(240, 100), message)
    plane = DepthMap(np.full((100, 240), 2.0, np.float32), frame.camera, frame.stamp_ns)
    cloud = CloudPacker().pack(plane, frame.rgb, conversions.header_of(frame))
    # By hand: a point at (0.4, -0.3, 2): x = 0.2, y = -0.15, r^2 = 0.0625.
    radial = 1 - 0.2 * 0.0625 + 0.05 * 0.0625**2
    x = 0.2 * radial + 2 * 0.001 * 0.2 * -0.15 - 0.001 * (0.0625 + 2 * 0.2**2)
    y = -0.15 * radial + 0.001 * (0.0625 + 2 * 0.15**2) + 2 * -0.001 * 0.2 * -0.15
    raw = [(300 * x + 319.5 - 80 + 0.5) / 2 - 0.5, (360 * y + 239.5 - 40 + 0.5) / 4 - 0.5]
    u, v = rectifier.source_to_rectified(raw)
    points = np.frombuffer(cloud.data, "<f4").reshape(100, 240, 4)[..., :3]
    nearest = points[round(float(v)), round(float(u))]
    # Half a pixel at 2 m is 0.5 * 2 / 150 = 6.7 mm in x and 0.5 * 2 / 90 = 11 mm in y.
    assert nearest[2] == 2.0
    assert abs(nearest[0] - 0.4) < 0.0067 and abs(nearest[1] + 0.3) < 0.0112
    np.testing.assert_allclose(frame.camera.unproject([u, v], 2.0), [0.4, -0.3, 2.0], atol=1e-6)


def test_headers_are_those_of_what_they_are_made_from():
    frame = Frame(np.zeros((3, 4, 3), np.uint8), CAMERA, 5_000_000_006, "here")
    assert conversions.header_of(frame).stamp.nanosec == 6
    late = conversions.header_of(replace(frame, stamp_ns=7_000_000_000))
    assert late.stamp.sec == 7


@pytest.mark.parametrize(("level", "said"), [(0, "black"), (100, "blank")])
def test_a_black_or_blank_image_is_refused_where_that_is_asked_for(level, said):
    message = image()
    message.data = array("B", [level]) * len(message.data)
    with pytest.raises(StatusError, match=said) as error:
        FrameMaker(refuse_blank=True).frame(message, info())
    assert error.value.code == Code.BAD_IMAGE
    assert FrameMaker().frame(message, info())[0].rgb.max() == level
    assert FrameMaker(refuse_blank=True).frame(image(), info())[0].rgb.max() > 40
