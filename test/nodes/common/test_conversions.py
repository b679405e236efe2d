"""Frames from real messages, and messages read back by an independent reader."""

import copy
from array import array
from dataclasses import replace

import numpy as np
import pytest
from camera_messages import CAMERA, NAN, image, numbers
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from depthlm_ros.frame import Frame
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.nodes.common import conversions
from depthlm_ros.nodes.common.conversions import FrameMaker
from depthlm_ros.nodes.depth.point_clouds import CloudPacker
from depthlm_ros.status import Code, StatusError


def info(width=64, height=48, focal=50.0, **fields):
    """Return a CameraInfo without distortion."""
    k = [focal, 0.0, (width - 1) / 2, 0.0, focal, (height - 1) / 2, 0.0, 0.0, 1.0]
    return CameraInfo(width=width, height=height, k=k, distortion_model="plumb_bob", **fields)


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
