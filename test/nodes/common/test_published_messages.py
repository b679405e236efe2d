"""Messages that the node publishes: depth, colour, camera info, clouds, readings, text."""

import math
import struct
from dataclasses import replace

import numpy as np
import pytest
from camera_messages import CAMERA, INF, NAN, image
from rclpy.serialization import serialize_message
from rosbags.image import message_to_cvimage
from rosbags.typesys import Stores, get_typestore
from std_msgs.msg import Header

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.nodes.common import conversions
from depthlm_ros.nodes.common.conversions import FrameMaker
from depthlm_ros.nodes.depth.point_clouds import CloudPacker
from depthlm_ros.point_depth import PointDepth
from depthlm_ros.sanitize import MESSAGE_LIMIT
from depthlm_ros.status import Code

TYPES = get_typestore(Stores.ROS2_HUMBLE)


def read_back(message, kind):
    """Return a message as rosbags reads its serialised bytes."""
    return TYPES.deserialize_cdr(serialize_message(message), kind)


def depth_map(depth=None):
    """Return a map with every kind of depth in it."""
    if depth is None:
        depth = [[1, 2, 3, 4], [NAN, 2, INF, 4], [1, 2, 3, 8]]
    return DepthMap(np.array(depth, np.float32), CAMERA, 12_000_000_034, "camera_optical", 1.2)


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
