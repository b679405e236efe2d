"""The camera's motion between two poses, by hand; optical frame: x right, y down, z ahead."""

import math

import numpy as np
import pytest

from depthlm_ros.language.motion import answer_motion
from depthlm_ros.language.motion_span import MotionSpan
from depthlm_ros.language.question import Able, read_question
from depthlm_ros.status import Code, StatusError
from depthlm_ros.tasks import Task

# odom: x ahead, y left, z up; columns: where the optical frame's x, y, z axes point in it
LEVEL = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0.0]])


def pose(x, y, z=0.5, yaw=0.0):
    """Return the pose of a level camera at a place in odom, turned by ``yaw`` to the left."""
    c, s = math.cos(yaw), math.sin(yaw)
    made = np.eye(4)
    made[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ LEVEL
    made[:3, 3] = x, y, z
    return made


def test_ahead_and_to_the_left():
    answer = answer_motion(pose(1.0, 2.0), pose(1.4, 2.3), 2.0)
    assert answer.code == Code.OK and answer.value == pytest.approx(0.5)
    assert answer.sentence == (
        "In 2.0 s the camera moved 0.50 m (0.30 m left, 0.40 m ahead) and did not turn."
    )
    assert math.isnan(answer.low) and (answer.unit, answer.source) == ("m", "tf")


def test_in_the_cameras_own_directions():
    # it looks along odom's y: 0.3 m along odom's x is to its right
    answer = answer_motion(pose(0, 0, yaw=math.pi / 2), pose(0.3, -0.4, yaw=math.pi / 2), 1.0)
    assert "(0.30 m right, 0.40 m back)" in answer.sentence


def test_turning_on_the_spot():
    answer = answer_motion(pose(0, 0), pose(0, 0, yaw=math.radians(30)), 0.5)
    assert answer.value == pytest.approx(0.0, abs=1e-12)
    assert "stood still and turned 30 degrees to the left" in answer.sentence
    answer = answer_motion(pose(0, 0), pose(0, 0, z=0.75, yaw=math.radians(-10)), 0.5)
    assert "moved 0.25 m (0.25 m up) and turned 10 degrees to the right" in answer.sentence


@pytest.mark.parametrize(
    "text",
    [
        "How far has the camera moved?",
        "how far have I driven since the last question",
        "How far did the robot move?",
        "How much have we moved in feet?",
        "what is the camera motion",
    ],
)
def test_it_is_asked_about_only_where_poses_are_known(text):
    assert read_question(text, able=Able.MOTION).task is Task.CAMERA_MOTION
    with pytest.raises(StatusError) as refusal:
        read_question(text)
    assert refusal.value.code == Code.UNSUPPORTED


def test_a_point_or_a_things_motion_is_not_the_cameras():
    with pytest.raises(StatusError):
        read_question("How far has the camera moved from (100, 200)?", able=Able.MOTION)
    with pytest.raises(StatusError):
        read_question("How far has the person moved?", able=Able.MOTION)


STAMP_NS = 1_764_216_002_250_000_000


@pytest.mark.parametrize(
    ("words", "begin_s", "end_s"),
    [
        ("in the last 2 s", 0.25, 2.25),
        ("over the past half a second", 1.75, 2.25),
        ("since 1.5 s ago", 0.75, 2.25),
        ("during the last second", 1.25, 2.25),
        ("since 1764216000.000000001", 1e-9, 2.25),
        ("since stamp 1764216001", 1.0, 2.25),
        ("between stamps 1764216000.5 and 1764216002", 0.5, 2.0),
        ("from 1764216000.5 to 1764216002.125", 0.5, 2.125),
    ],
)
def test_the_times_that_are_named_are_the_ones_that_are_measured(words, begin_s, end_s):
    span = read_question(f"How far did the camera move {words}?", able=Able.MOTION).span
    zero = 1_764_216_000 * 10**9
    wanted = (zero + round(begin_s * 1e9), zero + round(end_s * 1e9))
    assert span.is_given and span.times_ns(STAMP_NS) == wanted


def test_simulated_time_has_small_stamps():
    words = "How far has the robot moved between stamps 12.5 and 14.25?"
    span = read_question(words, able=Able.MOTION).span
    assert span.times_ns(STAMP_NS) == (12_500_000_000, 14_250_000_000)


@pytest.mark.parametrize("words", ["", " since then", " so far", " since the last question"])
def test_without_a_time_it_is_since_the_question_before(words):
    span = read_question(f"How far has the camera moved{words}?", able=Able.MOTION).span
    assert not span.is_given


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("How far did the camera move towards the door?", Code.BAD_QUESTION),
        ("How far did the camera move upwards?", Code.BAD_QUESTION),
        ("How far did the robot move in total?", Code.BAD_QUESTION),
        ("How far did we move between 10.5 and 12.0?", Code.BAD_QUESTION),  # of what?
        ("How far did we move in 3 s?", Code.BAD_QUESTION),
        ("How far did we move at 2 m/s?", Code.BAD_QUESTION),
        ("How far did we move in the last 2 m?", Code.BAD_QUESTION),
        ("How far did we move in the last 2 s since noon?", Code.BAD_QUESTION),
        ("How far did we move between the last two images?", Code.BAD_QUESTION),
        ("How much did the camera turn?", Code.UNSUPPORTED),
    ],
)
def test_a_motion_that_is_asked_otherwise_is_not_answered_with_another(words, code):
    with pytest.raises(StatusError) as refusal:
        read_question(words, able=Able.MOTION)
    assert refusal.value.code == code


@pytest.mark.parametrize("span", [MotionSpan(STAMP_NS + 1), MotionSpan(2, 1), MotionSpan(0, 9, 1)])
def test_a_motion_that_ends_before_it_begins_is_refused(span):
    with pytest.raises(StatusError, match="must begin after 0 and end after it has begun"):
        span.times_ns(STAMP_NS)
