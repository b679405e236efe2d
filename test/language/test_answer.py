"""Answers: values and intervals against numbers worked out by hand and by brute force."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from depthlm_ros.language.answer import answer_freely, answer_question, refused, two_point_interval
from depthlm_ros.language.question import Question, Task
from depthlm_ros.point_depth import PointDepth
from depthlm_ros.sanitize import clean, has_control_characters
from depthlm_ros.status import Code

NAN = float("nan")


def reading(point, ratio=1.25, **changed):
    """Return the reading of a point whose distance is known within a factor."""
    distance = float(np.linalg.norm(point))
    values = {
        "pixel": (0.0, 0.0),
        "code": Code.OK,
        "distance_m": distance,
        "depth_m": float(point[2]),
        "low_m": distance / ratio,
        "high_m": distance * ratio,
        "point_m": tuple(point),
    }
    return PointDepth(**{**values, **changed})


# 3-4-5 and 5-12-13 triangles: at (0, 3, 4) the distance is 5 m and the depth 4 m
AT_5_M = reading((0.0, 3.0, 4.0))


def answer(task, readings, amount=NAN, unit="m"):
    points = ((0.0, 0.0),) * task.points
    return answer_question(Question(task, points, amount, unit), readings)


def test_distance():
    a = answer(Task.DISTANCE, [AT_5_M])
    assert (a.code, a.success, a.task, a.unit, a.source) == (0, True, "distance", "m", "dense")
    assert (a.value, a.low, a.high) == pytest.approx((5.0, 4.0, 6.25))
    assert a.evidence == (AT_5_M,)
    assert a.sentence == "The point is at a distance of 5.00 m (90 % between 4.00 and 6.25 m)."


def test_an_assumed_point_is_told():
    question = Question(Task.DISTANCE, ((0.0, 0.0),), assumed=True)
    said = answer_question(question, [AT_5_M]).sentence
    assert said.endswith("6.25 m). No point was given: it is the image centre.")


def test_depth_and_its_interval_lie_on_the_same_ray():
    a = answer(Task.DEPTH, [AT_5_M])
    assert (a.value, a.low, a.high) == pytest.approx((4.0, 3.2, 5.0))
    assert a.unit == "m"


def test_speed_is_distance_over_time():
    a = answer(Task.SPEED, [AT_5_M], amount=2.0)
    assert (a.value, a.low, a.high) == pytest.approx((2.5, 2.0, 3.125))
    assert a.unit == "m/s"
    assert "To arrive in 2.00 s, the speed must be 2.50 m/s" in a.sentence


def test_time_is_distance_over_speed():
    a = answer(Task.TIME, [AT_5_M], amount=0.5)
    assert (a.value, a.low, a.high) == pytest.approx((10.0, 8.0, 12.5))
    assert a.unit == "s"


def test_two_points_at_a_right_angle():
    # (5, 0, 0) and (0, 0, 12): 13 m apart; at a right angle the squares of the ranges add up
    readings = [reading((5.0, 0.0, 0.0)), reading((0.0, 0.0, 12.0))]
    a = answer(Task.TWO_POINT_DISTANCE, readings)
    assert (a.value, a.low, a.high) == pytest.approx((13.0, 13.0 / 1.25, 13.0 * 1.25))


def test_two_points_on_one_ray_may_be_the_same():
    low, high = two_point_interval(reading((0, 0, 4.0)), reading((0, 0, 5.0)))
    # [3.2, 5] and [4, 6.25] overlap; farthest: 6.25 - 3.2
    assert (low, high) == pytest.approx((0.0, 3.05))


@settings(max_examples=100, deadline=None)
@given(
    *[st.tuples(st.floats(-5, 5), st.floats(-5, 5), st.floats(0.1, 9))] * 2,
    st.floats(1.01, 2.0),
    st.floats(1.01, 2.0),
)
def test_the_interval_is_that_of_brute_force(p, q, ratio_p, ratio_q):
    assume(np.linalg.norm(p) > 0.1 and np.linalg.norm(q) > 0.1)
    a, b = reading(p, ratio_p), reading(q, ratio_q)
    low, high = two_point_interval(a, b)
    ts = np.linspace(0, 1, 101)
    first = np.outer(a.low_m + ts * (a.high_m - a.low_m), p) / a.distance_m
    second = np.outer(b.low_m + ts * (b.high_m - b.low_m), q) / b.distance_m
    apart = np.linalg.norm(first[:, None] - second[None], axis=-1)
    assert high == pytest.approx(apart.max(), rel=1e-6)
    # the grid's least is at most one step from the true least, and never below it
    step = max(a.high_m - a.low_m, b.high_m - b.low_m) / 100
    assert low <= apart.min() + 1e-6 and apart.min() - low <= 2 * step


def test_the_unit_asked_for_is_in_the_sentence_and_the_value_stays_metric():
    a = answer(Task.DISTANCE, [reading((0.0, 0.0, 3.048))], unit="ft")
    assert (a.value, a.unit) == (pytest.approx(3.048), "m")
    assert "10.00 ft = 3.05 m" in a.sentence


def test_an_unknown_error_is_said_to_be_unknown():
    a = answer(Task.DISTANCE, [reading((0.0, 0.0, 2.0), low_m=NAN, high_m=NAN)])
    assert a.success and a.value == 2.0 and math.isnan(a.low) and math.isnan(a.high)
    assert "the error is unknown" in a.sentence
    pair = [AT_5_M, reading((1.0, 0.0, 2.0), low_m=NAN)]
    assert math.isnan(answer(Task.TWO_POINT_DISTANCE, pair).low)


@pytest.mark.parametrize("code", [Code.NO_DEPTH, Code.OUT_OF_IMAGE, Code.IMPLAUSIBLE])
def test_one_reading_that_is_not_ok_makes_the_status(code):
    bad = PointDepth((1.0, 2.0), code, "why")
    a = answer(Task.TWO_POINT_DISTANCE, [AT_5_M, bad])
    assert (a.code, a.text, a.success, a.task) == (code, "why", False, "two_point_distance")
    assert math.isnan(a.value) and math.isnan(a.low) and math.isnan(a.high)
    assert a.sentence == "No answer: why" and a.evidence == (AT_5_M, bad)


def test_a_distance_that_is_not_finite_is_no_answer():
    a = answer(Task.DISTANCE, [reading((0.0, 0.0, 1.0), distance_m=math.inf)])
    assert (a.code, a.success) == (Code.NO_DEPTH, False) and math.isnan(a.value)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.characters(), max_size=3000), st.integers(4, 500))
def test_every_text_can_be_sent(text, cap):
    line = clean(text, cap)
    line.encode("utf-8")
    assert len(line) <= cap and not has_control_characters(line)
    assert "\n" not in line and "\0" not in line


def test_surrogates_and_control_characters_become_question_marks():
    assert clean("a\udc80b\0c\x1bd\n\te") == "a?b?c?d e"
    assert clean("\u200bzero\u202ewidth") == "zerowidth"
    assert clean("abcdef", 5) == "ab..."
    assert refused(Code.BUSY, "no\udcff").text == "no?"


def test_a_models_words_are_one_safe_line_and_no_number():
    answer = answer_freely(" A door,\n\u202eopen\x00 \ud800 ")
    assert answer.success and answer.sentence == "A door, open? ?"
    assert (answer.task, answer.unit, answer.source) == ("free", "", "language")
    assert math.isnan(answer.value) and math.isnan(answer.low) and not answer.evidence
    assert len(answer_freely("a" * 100_000).sentence) == 1000
    for nothing in ("", " \n", "...", "\u200b"):
        assert answer_freely(nothing).code == Code.NO_ANSWER
