"""More frames than the model can take, and messages that are broken in every way."""

import random
import time

import pytest
from bad_messages import maybe_broken_bytes, spoil
from diagnostic_msgs.msg import DiagnosticArray
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


def test_recovery_after_bad_frames(start_node, tools):
    _, robot = start_node(continuous=True)
    depths = robot.listen(Image, "depthlm/depth/image")
    for _ in range(5):
        bad = tools.make_image()
        bad.encoding = "nonsense"
        robot.see(image=bad)
    good = robot.see_until(lambda: depths and depths[-1])
    assert good.encoding == "32FC1"
