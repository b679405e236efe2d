"""Questions in free words: to models that write, as advice, and never about what moves a robot."""

import math

import pytest

from depthlm_ros.status import Code


@pytest.fixture(scope="module")
def speaking(start_node):
    """Give a node whose model writes, and its robot."""
    model = {"kind": "speaking", "words": "A chair. \udc80 \x00"}
    return start_node(model=model, max_age=60.0)


def test_the_models_words_about_the_picture_are_the_answer(speaking, tools):
    _, robot = speaking
    with robot.camera(image=tools.make_image(fill=200)):
        reply = robot.ask("What is in the picture?")
    assert reply.success and reply.status.code == Code.OK, reply.status
    assert reply.answer == "A chair. ? ? [What is in the picture?] red 200 64 px"
    assert (reply.task, reply.unit, reply.source) == ("free", "", "language")
    assert all(math.isnan(x) for x in (reply.value, reply.low, reply.high))
    assert not reply.evidence and reply.header.frame_id == "camera" and reply.header.stamp.sec


def test_counting_and_yes_or_no_are_free_words_and_the_rest_stays_typed(speaking, tools):
    _, robot = speaking
    with robot.camera(image=tools.make_image(fill=200)):
        for question in ("How many chairs are there?", "Is the door open?"):
            assert robot.ask(question).task == "free"
        reply = robot.ask("How far is the image centre?")
    assert (reply.task, reply.source) == ("distance", "dense")
    assert reply.value == pytest.approx(1 + 2 * 200 / 255, rel=1e-3)  # 1 m to 3 m by redness


@pytest.mark.parametrize(
    "question, pixels, code, words",
    [
        ("Can the robot fit through the door?", [], Code.UNSUPPORTED, "geometry"),
        ("Is the wall closer than the chair?", [], Code.UNSUPPORTED, "cannot find named things"),
        ("Is it within 2 m?", [], Code.UNSUPPORTED, "a measure is for geometry"),
        ("What is this?", [(31.5, 23.5)], Code.BAD_QUESTION, "leave the pixels out"),
        ("How tall is the door?", [], Code.UNSUPPORTED, "sizes of things are not offered"),
        ("What\x07 is there?", [], Code.BAD_QUESTION, "control characters"),
    ],
)
def test_what_a_robot_would_act_on_is_refused(speaking, tools, question, pixels, code, words):
    _, robot = speaking
    with robot.camera():
        reply = robot.ask(question, *pixels)
    assert not reply.success and reply.status.code == code, reply.status
    assert words in reply.status.text and math.isnan(reply.value)


def test_a_model_that_does_not_write_refuses_as_ever(start_node, tools):
    _, robot = start_node(max_age=60.0)
    with robot.camera():
        reply = robot.ask("What is in the picture?")
        assert reply.status.code == Code.BAD_QUESTION and "ask for example" in reply.status.text
        reply = robot.ask("How many chairs are there?")
        assert reply.status.code == Code.UNSUPPORTED and "counting" in reply.status.text


def test_nothing_written_is_no_answer(start_node, tools):
    _, robot = start_node(model={"kind": "speaking", "words": "nothing"}, max_age=60.0)
    with robot.camera():
        reply = robot.ask("What is in the picture?")
    assert not reply.success and reply.status.code == Code.NO_ANSWER
    assert reply.task == "free" and "wrote nothing" in reply.status.text


def test_a_reply_that_comes_too_late_is_a_deadline(start_node, tools):
    _, robot = start_node(model={"kind": "speaking", "words": "Late.", "reply_s": 1.5})
    with robot.camera():
        reply = robot.ask("What is in the picture?", deadline_s=0.4)
    assert reply.status.code == Code.DEADLINE
