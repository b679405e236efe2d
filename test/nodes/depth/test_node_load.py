"""More frames than the model can take, and messages that are broken in every way."""

import random
import time

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from depthlm_ros.status import Code

PIXEL = (31.5, 23.5)


def nanoseconds(stamp):
    return stamp.sec * 10**9 + stamp.nanosec


def test_a_flood_of_frames_the_newest_wins_and_drops_are_counted(start_node, tools):
    _, robot = start_node(model={"seconds": 0.25}, max_age=30.0)
    depths = robot.listen(Image, "depthlm/depth/image")
    said = robot.listen(DiagnosticArray, "/diagnostics")
    name = f"{robot.node.get_namespace().lstrip('/')}/depthlm: output"
    robot.see_until(lambda: depths)
    sent = []
    for _ in range(240):
        sent.append(nanoseconds(robot.see()))
        time.sleep(1 / 120)
    tools.wait_until(
        lambda: nanoseconds(depths[-1].header.stamp) >= sent[-3], "one of the last frames"
    )
    stamps = [nanoseconds(d.header.stamp) for d in depths]
    assert stamps == sorted(set(stamps))  # in order, none twice
    assert len(stamps) < 60  # of 240: the others were dropped, and counted

    def dropped():
        found = [s for m in said for s in m.status if s.name == name]
        values = {p.key: p.value for p in found[-1].values} if found else {}
        return int(values.get("frames dropped", 0))

    tools.wait_until(lambda: dropped() > 100, lambda: f"drops counted: {dropped()}")


@pytest.mark.parametrize("seed", range(3))
def test_broken_messages(start_node, tools, seed):
    """Wrong values, wrong sizes and broken bytes: none ends the node, good frames are answered."""
    node, robot = start_node(continuous=True)
    draw = random.Random(seed)
    for _ in range(150):
        image, info = tools.make_image(), tools.make_info()
        image.header.stamp = info.header.stamp = robot.now()
        image.header.frame_id = "camera"
        for message in draw.sample([image, info], draw.choice([1, 1, 2])):
            spoil(message, draw)
        robot.images.publish(maybe_broken_bytes(image, draw))
        robot.infos.publish(maybe_broken_bytes(info, draw))
        time.sleep(0.002)
    assert node.is_alive()
    with robot.camera():
        tools.wait_until(lambda: robot.query(PIXEL).status.code == Code.OK, "recovery")
    assert node.stop()[0] == 0


def spoil(message, draw):
    """Give a message one or two values that make no sense."""
    numbers = [0, 1, 7, 63, 65, 2**16, 2**31, 2**32 - 1]
    reals = [0.0, -1.0, float("nan"), float("inf"), -float("inf"), 1e300, 1e-300, 50.0]
    texts = [
        "",
        "rgb8",
        "bgra8",
        "bayer_rggb8",
        "yuv422_yuy2",
        "nv12",
        "mono16",
        "8UC1",
        "64FC4",
        "rgb8; jpeg compressed",
        "\N{PILE OF POO}" * 50,
        "a" * 5000,
    ]
    models = ["", "plumb_bob", "rational_polynomial", "equidistant", "thin_prism", "x" * 100]
    for _ in range(draw.choice([1, 2])):
        name = draw.choice(list(message.get_fields_and_field_types()))
        if name in ("height", "width", "step", "binning_x", "binning_y"):
            setattr(message, name, draw.choice(numbers))
        elif name == "encoding":
            message.encoding = draw.choice(texts)
        elif name == "distortion_model":
            message.distortion_model = draw.choice(models)
        elif name == "is_bigendian":
            message.is_bigendian = draw.randrange(256)
        elif name == "data":
            message.data = message.data[: draw.randrange(len(message.data))]
        elif name == "d":
            message.d = [draw.choice(reals) for _ in range(draw.randrange(16))]
        elif name in ("k", "r", "p"):
            values = list(getattr(message, name))
            values[draw.randrange(len(values))] = draw.choice(reals)
            setattr(message, name, values)
        elif name == "roi":
            message.roi.width, message.roi.height = draw.choice(numbers), draw.choice(numbers)
            message.roi.x_offset = draw.choice(numbers)
        elif name == "header":
            message.header.stamp.sec = draw.choice([-(2**31), -1, 0, 2**31 - 1])
            message.header.stamp.nanosec = draw.choice(numbers)
            message.header.frame_id = draw.choice(texts)


def maybe_broken_bytes(message, draw):
    """Return the message, or now and then its bytes with some changed, cut or added."""
    if draw.random() < 0.6:
        return message
    data = bytearray(serialize_message(message))
    for _ in range(draw.randrange(1, 4)):
        data[draw.randrange(4, min(len(data), 300))] = draw.randrange(256)
    if draw.random() < 0.3:
        data = data[: draw.randrange(4, len(data))]
    return bytes(data)


def test_recovery_after_bad_frames(start_node, tools):
    _, robot = start_node(continuous=True)
    depths = robot.listen(Image, "depthlm/depth/image")
    for _ in range(5):
        bad = tools.make_image()
        bad.encoding = "nonsense"
        robot.see(image=bad)
    good = robot.see_until(lambda: depths and depths[-1])
    assert good.encoding == "32FC1"
