"""``depthlm doctor`` on a camera: what is judged of its pictures, stamps, lens and rate."""

import json
import threading
import time
from array import array

import numpy as np
import pytest
import rclpy
from rclpy.context import Context
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from depthlm_ros.cli import main as cli
from depthlm_ros.cli.doctor import camera as doctor_camera
from depthlm_ros.cli.doctor.finding import FAIL, OK, WARN

SECOND = 1_000_000_000


def picture(stamp_ns, width=64, height=48, frame_id="camera"):
    image = Image(width=width, height=height, encoding="rgb8", step=3 * width)
    rgb = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    image.data.frombytes(rgb.tobytes())
    image.header.frame_id = frame_id
    image.header.stamp.sec, image.header.stamp.nanosec = divmod(int(stamp_ns), SECOND)
    return image


def lens(stamp_ns, f=60.0, width=64, height=48, cx=31.5):
    info = CameraInfo(width=width, height=height, distortion_model="plumb_bob")
    info.k = [f, 0.0, cx, 0.0, f, 23.5, 0.0, 0.0, float(f > 0)] if f else [0.0] * 9
    info.d = [0.0] * 5
    info.header.stamp.sec, info.header.stamp.nanosec = divmod(int(stamp_ns), SECOND)
    return info


def heard(topic, messages, delay_s=0.02, rate_hz=10.0):
    """Return what would have been heard of messages, each ``delay_s`` after its stamp."""
    found = doctor_camera.Heard(topic)
    for i, message in enumerate(messages):
        stamp = message.header.stamp.sec * SECOND + message.header.stamp.nanosec
        found.times_s.append(i / rate_hz)
        found.stamps_ns.append(stamp)
        found.arrivals_ns.append(stamp + int(delay_s * SECOND))
        found.last = message
    return found


STAMPS = [1000 * SECOND + i * SECOND // 10 for i in range(10)]


def judged(images=None, infos=None, delay_s=0.02, rate_hz=10.0, topic="/image", simulated=False):
    images = [picture(s) for s in STAMPS] if images is None else images
    infos = [lens(s) for s in STAMPS] if infos is None else infos
    findings = doctor_camera.judge(
        heard(topic, images, delay_s, rate_hz), heard("/camera_info", infos), simulated
    )
    return {finding.what: finding for finding in findings}


def test_a_good_camera_has_nothing_but_ok():
    findings = judged()
    assert {f.level for f in findings.values()} == {OK}
    assert "10.0 Hz, longest gap 0.10 s" in findings["/image rate"].text
    assert "0.020 s after" in findings["/image stamps"].text
    assert "64 x 48 px, rgb8" in findings["image"].text
    assert "fx 60.0" in findings["CameraInfo"].text
    assert "56 degrees" in findings["CameraInfo"].text  # 2 atan(32 / 60)
    assert "10 of 10 images" in findings["pairs"].text


@pytest.mark.parametrize(
    ("grey", "said", "remedy"),
    [(0, "it is black", "lens cap"), (255, "it is blank", "expose it less")],
)
def test_a_picture_that_shows_nothing_has_the_remedy_of_its_grey(grey, said, remedy):
    images = [picture(stamp) for stamp in STAMPS]
    images[-1].data = array("B", bytes([grey]) * len(images[-1].data))
    found = judged(images)["image"]
    assert found.level == WARN and said in found.text and remedy in found.remedy


@pytest.mark.parametrize("delay_s, level", [(0.5, OK), (1.5, FAIL), (-0.05, OK), (-0.5, FAIL)])
def test_stamps_against_the_clock(delay_s, level):
    assert judged(delay_s=delay_s)["/image stamps"].level == level
    assert judged(delay_s=delay_s, simulated=True)["/image stamps"].level == OK


def test_stamps_that_are_zero_or_repeat():
    assert judged([picture(0)] * 3)["/image stamps"].level == FAIL
    assert judged([picture(STAMPS[0])] * 3)["/image stamps"].level == WARN


def test_lenses_that_are_refused_or_unlikely():
    zero = judged(infos=[lens(s, f=0.0) for s in STAMPS])["CameraInfo"]
    assert zero.level == FAIL and "uncalibrated" in zero.text and zero.remedy
    other = judged(infos=[lens(s, width=128) for s in STAMPS])["CameraInfo"]
    assert other.level == FAIL and "128 x 48" in other.text
    assert judged(infos=[lens(s, f=5.0) for s in STAMPS])["CameraInfo"].level == WARN
    assert judged(infos=[lens(s, cx=2.0) for s in STAMPS])["CameraInfo"].level == WARN


def test_pictures_that_cannot_be_read():
    bad = [picture(s) for s in STAMPS]
    bad[-1].encoding = "32FC1"
    finding = judged(bad)["image"]
    assert finding.level == FAIL and "32FC1" in finding.text
    dark = [picture(s) for s in STAMPS]
    dark[-1].data = type(dark[-1].data)("B", bytes(len(dark[-1].data)))
    assert judged(dark)["image"].level == WARN


def test_rate_frame_pairs_and_losses():
    assert judged(rate_hz=0.5)["/image rate"].level == WARN
    assert judged([picture(STAMPS[0])])["/image rate"].level == WARN
    assert judged([])["/image rate"].level == FAIL
    assert judged([picture(s, frame_id="") for s in STAMPS])["frame_id"].level == WARN
    assert judged(infos=[lens(s + 1) for s in STAMPS])["pairs"].level == WARN
    lost = judged([picture(s) for s in STAMPS[:5]])["losses"]
    assert lost.level == WARN and "5 images for 10 CameraInfo" in lost.text


def test_info_topic_is_guessed_beside_the_image():
    guess = doctor_camera.info_topic_of
    assert guess("/camera/image_raw") == "/camera/camera_info"
    assert guess("/camera/image/compressed") == "/camera/camera_info"
    assert guess("/image") == "/camera_info"


@pytest.fixture
def camera():
    """Return a function that starts a camera publishing at 20 Hz from a thread of its own."""
    contexts, stop = [], threading.Event()

    def publish(node, image_publisher, info_publisher, make_info):
        while not stop.wait(0.05):
            now = time.time_ns()
            image_publisher.publish(picture(now))
            info_publisher.publish(make_info(now))

    def start(make_info=lens):
        context = Context()
        rclpy.init(context=context)
        node = rclpy.create_node("test_camera", context=context)
        profile = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        publishers = [
            node.create_publisher(Image, "/cam/image_raw", profile),
            node.create_publisher(CameraInfo, "/cam/camera_info", profile),
        ]
        thread = threading.Thread(target=publish, args=(node, *publishers, make_info))
        thread.start()
        contexts.append((context, node, thread))

    yield start
    stop.set()
    for context, node, thread in contexts:
        thread.join()
        node.destroy_node()
        context.try_shutdown()


def findings_of(capsys, *argv):
    """Return (exit code, findings by what) of ``depthlm doctor --json``."""
    code = cli.main(["doctor", "--json", *argv])
    told = json.loads(capsys.readouterr().out)
    return code, {f["what"]: f for f in told["findings"]}


def test_a_camera_that_runs(camera, capsys):
    camera()
    _, found = findings_of(capsys, "--image-topic", "/cam/image_raw", "--seconds", "2")
    assert found["/cam/image_raw"]["level"] == OK
    assert "/test_camera (best_effort, volatile)" in found["/cam/image_raw"]["text"]
    for what in ("/cam/image_raw rate", "/cam/image_raw stamps", "CameraInfo", "image", "pairs"):
        assert found[what]["level"] == OK, found[what]


def test_a_camera_without_calibration_fails_with_the_remedy(camera, capsys):
    camera(lambda now: lens(now, f=0.0))
    argv = ["--image-topic", "/cam/image_raw", "--seconds", "1"]
    code, found = findings_of(capsys, *argv)
    assert code == 1
    assert found["CameraInfo"]["level"] == FAIL and "calibrate" in found["CameraInfo"]["remedy"]


def test_no_camera_names_the_topics_there_are(camera, capsys):
    camera()
    time.sleep(0.5)
    code, found = findings_of(capsys, "--image-topic", "/nowhere", "--seconds", "0.5")
    assert code == 1
    assert found["/nowhere"]["level"] == FAIL
    assert "/cam/image_raw" in found["/nowhere"]["text"]


def test_a_topic_of_another_type(camera, capsys):
    camera()
    argv = ["--image-topic", "/cam/camera_info", "--seconds", "0.5"]
    code, found = findings_of(capsys, *argv)
    assert code == 1
    assert "sensor_msgs/msg/CameraInfo" in found["/cam/camera_info"]["text"]
