"""cv_bridge, sensor_msgs_py, tf_transformations, real or stand-ins: values worked out by hand."""

import math

import numpy as np
import pytest
import tf_transformations as tf
from cv_bridge import CvBridge, CvBridgeError
from sensor_msgs.msg import CompressedImage, Image, PointCloud2, PointField
from sensor_msgs_py import point_cloud2
from std_msgs.msg import Header

HALF = math.sqrt(0.5)


def image_message(encoding, rows, step, big=0):
    """Build an Image of rows of bytes, each padded with 0xEE to ``step``."""
    data = b"".join(bytes(row).ljust(step, b"\xee") for row in rows)
    message = Image(height=len(rows), encoding=encoding, step=step, is_bigendian=big)
    message.data.frombytes(data)
    return message


def test_padded_rgb8_to_bgr8():
    message = image_message("rgb8", [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]], step=9)
    message.width = 2
    bgr = CvBridge().imgmsg_to_cv2(message, "bgr8")
    assert bgr.tolist() == [[[3, 2, 1], [6, 5, 4]], [[9, 8, 7], [12, 11, 10]]]


def test_big_endian_mono16():
    message = image_message("mono16", [[0x01, 0x02, 0x00, 0xFF]], step=4, big=1)
    message.width = 2
    assert CvBridge().imgmsg_to_cv2(message).tolist() == [[0x0102, 0x00FF]]


def test_float_depth_passes_through():
    message = image_message("32FC1", [[0, 0, 0x80, 0x3F, 0, 0, 0xC0, 0x7F]], step=8)
    message.width = 2
    depth = CvBridge().imgmsg_to_cv2(message)
    assert depth.dtype == np.float32
    assert depth[0, 0] == 1.0
    assert math.isnan(depth[0, 1])


def test_unknown_encoding_and_impossible_conversion_are_refused():
    message = image_message("rgb24", [[1, 2, 3]], step=3)
    message.width = 1
    with pytest.raises(CvBridgeError):
        CvBridge().imgmsg_to_cv2(message)
    message.encoding = "rgb8"
    with pytest.raises(CvBridgeError):
        CvBridge().imgmsg_to_cv2(message, "bayer_rggb8")


@pytest.mark.parametrize(
    ("array", "encoding", "named", "step"),
    [
        (np.zeros((2, 3), np.float32), "passthrough", "32FC1", 12),
        (np.zeros((2, 3, 3), np.uint8), "rgb8", "rgb8", 9),
        (np.zeros((2, 3), np.int16), "passthrough", "16SC1", 6),
    ],
)
def test_image_to_message(array, encoding, named, step):
    header = Header(frame_id="camera")
    message = CvBridge().cv2_to_imgmsg(array, encoding, header)
    assert (message.encoding, message.step, len(message.data)) == (named, step, 2 * step)
    assert (message.height, message.width, message.header.frame_id) == (2, 3, "camera")


def test_message_type_must_fit():
    with pytest.raises(CvBridgeError):
        CvBridge().cv2_to_imgmsg(np.zeros((2, 3), np.float32), "rgb8")
    with pytest.raises(TypeError):
        CvBridge().cv2_to_imgmsg([[1, 2]])


def test_png_round_trip_keeps_every_value():
    bgr = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    message = CvBridge().cv2_to_compressed_imgmsg(bgr, "png")
    assert message.format == "png"
    assert bytes(message.data[:8]) == b"\x89PNG\r\n\x1a\n"
    np.testing.assert_array_equal(CvBridge().compressed_imgmsg_to_cv2(message), bgr)
    rgb = CvBridge().compressed_imgmsg_to_cv2(message, "rgb8")
    np.testing.assert_array_equal(rgb, bgr[..., ::-1])


def test_bytes_that_are_no_picture_decode_to_none():
    message = CompressedImage(format="jpeg")
    message.data.frombytes(b"not a picture")
    assert CvBridge().compressed_imgmsg_to_cv2(message) is None


def test_quarter_turn_about_z():
    quaternion = [0.0, 0.0, HALF, HALF]
    expected = [[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(tf.quaternion_matrix(quaternion), expected, atol=1e-12)
    np.testing.assert_allclose(tf.quaternion_from_matrix(expected), quaternion, atol=1e-12)
    np.testing.assert_allclose(tf.euler_from_quaternion(quaternion), [0, 0, math.pi / 2])
    np.testing.assert_allclose(tf.quaternion_from_euler(0, 0, math.pi / 2), quaternion)


def test_optical_frame_of_rep_103():
    """Body (x forward, y left, z up) to optical: roll -90 degrees, then yaw -90 degrees."""
    quaternion = tf.quaternion_from_euler(-math.pi / 2, 0.0, -math.pi / 2)
    np.testing.assert_allclose(np.abs(quaternion), 0.5)
    forward = tf.quaternion_matrix(quaternion)[:3, :3] @ [0, 0, 1]
    np.testing.assert_allclose(forward, [1, 0, 0], atol=1e-12)


def test_a_cloud_of_points_byte_by_byte():
    cloud = point_cloud2.create_cloud_xyz32(
        Header(frame_id="eye"), np.array([[1, 2, 3], [0.5, -2, 0]], np.float32)
    )
    assert (cloud.height, cloud.width, cloud.point_step, cloud.row_step) == (1, 2, 12, 24)
    assert [(f.name, f.offset, f.datatype, f.count) for f in cloud.fields] == [
        ("x", 0, PointField.FLOAT32, 1),
        ("y", 4, PointField.FLOAT32, 1),
        ("z", 8, PointField.FLOAT32, 1),
    ]
    assert cloud.header.frame_id == "eye" and not cloud.is_bigendian and not cloud.is_dense
    # IEEE 754: 1 = 3f800000, 2 = 40000000, 3 = 40400000, 0.5 = 3f000000, -2 = c0000000
    words = "0000803f 00000040 00004040 0000003f 000000c0 00000000"
    assert bytes(cloud.data) == bytes.fromhex(words)


def test_points_of_a_padded_cloud_with_an_unknown_one():
    cloud = PointCloud2(height=1, width=2, point_step=12, row_step=24)
    cloud.fields = [
        PointField(name="z", offset=4, datatype=PointField.FLOAT32, count=1),
        PointField(name="ring", offset=8, datatype=PointField.UINT16, count=1),
    ]
    cloud.data.frombytes(bytes.fromhex("eeeeeeee 00000040 0700eeee eeeeeeee 0000c07f 0900eeee"))
    assert point_cloud2.read_points(cloud)["ring"].tolist() == [7, 9]
    known = point_cloud2.read_points(cloud, field_names=["z"], skip_nans=True)
    assert known["z"].tolist() == [2.0]
