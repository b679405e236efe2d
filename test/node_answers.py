"""How the tests ask a running node."""

import math

import pytest

from depthlm_ros.status import Code

PIXEL = (31.5, 23.5)


QUESTION = "How far is this point?"


def eventually(tools, call, code, said):
    """Call until the status is this one (frames of before may still arrive); return the reply."""
    replies = []

    def is_right():
        replies.append(call())
        status = replies[-1].status
        return status.code == code and said in status.text

    tools.wait_until(is_right, lambda: f"{code!r} with {said!r}, but {replies[-1].status}")
    return replies[-1]


def refused(robot, tools, code, said, *pixels, deadline_s=1.0, **request):
    """Check that both services refuse with this code and sentence, and give no number."""
    pixels, request = pixels or (PIXEL,), {"deadline_s": deadline_s, **request}
    reply = eventually(tools, lambda: robot.query(*pixels, **request), code, said)
    assert len(reply.points) == len(pixels)
    for point in reply.points:
        assert point.status.code == code
        numbers = (point.distance, point.depth, point.low, point.high, point.point.z)
        assert all(math.isnan(number) for number in numbers)
    answer = eventually(tools, lambda: robot.ask(QUESTION, pixels[0], **request), code, said)
    assert not answer.success and answer.answer.startswith("No answer: ")
    assert math.isnan(answer.value) and math.isnan(answer.low) and math.isnan(answer.high)


def answers(robot, tools, **frame):
    """Check that good frames are answered (again)."""
    with robot.camera(**frame):
        reply = eventually(tools, lambda: robot.query(PIXEL), Code.OK, "")
    assert reply.points[0].depth == pytest.approx(2.0, rel=1e-5)
