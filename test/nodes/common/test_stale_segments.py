"""Shared memory of killed processes is freed, that of living ones is not touched."""

import fcntl
import signal

import pytest
from sensor_msgs.msg import Image

from depthlm_ros.nodes.common.stale_segments import remove_stale_segments

DEAD, ALIVE = "fastdds_0123456789abcdef", "fastrtps_fedcba9876543210"


@pytest.fixture
def folder(tmp_path):
    """Make a folder like /dev/shm with two segments and what else lies there."""
    for name in (DEAD, ALIVE):
        (tmp_path / name).write_bytes(bytes(1000))
        (tmp_path / f"{name}_el").touch()
    for name in ("fastdds_port7411", "fastdds_port7411_el", "sem.other", "psm_1234", "x_el"):
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.unit
def test_only_segments_whose_lock_is_free_are_removed(folder):
    before = {path.name for path in folder.iterdir()}
    with (folder / f"{ALIVE}_el").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert remove_stale_segments(folder) == 1000
        left = {path.name for path in folder.iterdir()}
    assert before - left == {DEAD, f"{DEAD}_el"}
    assert remove_stale_segments(folder) == 1000  # the other has ended too


@pytest.mark.unit
def test_a_folder_that_is_not_there_or_not_readable_is_no_error(tmp_path):
    assert remove_stale_segments(tmp_path / "none") == 0


@pytest.mark.node
def test_what_a_killed_node_leaves_is_gone_after_the_next_start(start_node, tools):
    node, robot = start_node()
    robot.listen(Image, "depthlm/depth/image")
    segments = tools.wait_until(node.shared_memory, "a segment")
    node.process.send_signal(signal.SIGKILL)
    node.process.wait(10)
    assert all(segment.exists() for segment in segments)
    other, _ = start_node()
    assert other.is_alive()
    assert not any(segment.exists() for segment in segments)
