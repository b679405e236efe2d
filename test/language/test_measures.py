"""Components of distances against numbers worked out by hand, intervals by brute force."""

import math

import numpy as np
import pytest

from depthlm_ros.language.answer import answer_question
from depthlm_ros.language.pixel_references import CENTRE, STRAIGHT_AHEAD, RelativePoint
from depthlm_ros.language.question import Question
from depthlm_ros.point_depth import PointDepth
from depthlm_ros.status import Code
from depthlm_ros.tasks import Task

NAN = float("nan")


def reading(point, ratio=1.25, pixel=(0.0, 0.0)):
    distance = float(np.linalg.norm(point))
    return PointDepth(
        pixel,
        Code.OK,
        "",
        distance,
        float(point[2]),
        distance / ratio,
        distance * ratio,
        tuple(point),
    )


# x right, y down, z forward: A is 2 m left, 1 m up, 4 m ahead; B 1 m right, 3 m down, 8 m ahead
A, B = reading((-2.0, -1.0, 4.0)), reading((1.0, 3.0, 8.0))


def answer(task, *readings, direction="", unit="m", width=NAN, points=None, names=()):
    question = Question(
        task, points or ((0.0, 0.0),) * task.points, NAN, unit, direction=direction, width_m=width
    )
    return answer_question(question, readings, names)


@pytest.mark.parametrize(
    "task, direction, value",
    [
        (Task.LATERAL, "", 2.0),
        (Task.LATERAL, "left", 2.0),
        (Task.LATERAL, "right", -2.0),
        (Task.VERTICAL, "", 1.0),
        (Task.VERTICAL, "up", 1.0),
        (Task.VERTICAL, "down", -1.0),
        (Task.DEPTH, "", 4.0),
        (Task.HORIZONTAL, "", math.sqrt(20.0)),
        (Task.BEARING, "", -math.atan(0.5)),
    ],
)
def test_components_of_one_point(task, direction, value):
    assert answer(task, A, direction=direction).value == pytest.approx(value)


@pytest.mark.parametrize(
    "task, direction, value",
    [
        (Task.TWO_POINT_DISTANCE, "", math.sqrt(9 + 16 + 16)),
        (Task.TWO_POINT_LATERAL, "", 3.0),
        (Task.TWO_POINT_LATERAL, "left", 3.0),
        (Task.TWO_POINT_VERTICAL, "", 4.0),
        (Task.TWO_POINT_VERTICAL, "up", 4.0),
        (Task.TWO_POINT_VERTICAL, "down", -4.0),
        (Task.TWO_POINT_DEPTH, "", 4.0),
        (Task.TWO_POINT_DEPTH, "forward", -4.0),
        (Task.TWO_POINT_HORIZONTAL, "", 5.0),
        (Task.PASSAGE, "", 5.0),
        (Task.TWO_POINT_ANGLE, "", math.acos(27 / math.sqrt(21 * 74))),
        (Task.DISTANCE_DIFFERENCE, "", math.sqrt(21) - math.sqrt(74)),
        (Task.NEARER, "", math.sqrt(74) - math.sqrt(21)),
        (Task.FARTHER, "", math.sqrt(74) - math.sqrt(21)),
    ],
)
def test_components_of_two_points(task, direction, value):
    assert answer(task, A, B, direction=direction).value == pytest.approx(value)


@pytest.mark.parametrize(
    "task, direction",
    [
        (Task.TWO_POINT_LATERAL, "left"),
        (Task.TWO_POINT_VERTICAL, ""),
        (Task.TWO_POINT_DEPTH, ""),
        (Task.TWO_POINT_HORIZONTAL, ""),
        (Task.DISTANCE_DIFFERENCE, ""),
        (Task.LATERAL, "right"),
        (Task.HORIZONTAL, ""),
        (Task.VERTICAL, "down"),
        (Task.NEARER, ""),
    ],
)
def test_an_interval_holds_all_that_the_ranges_allow_and_no_more(task, direction):
    """By brute force: both points moved along their rays, over their intervals."""
    found = answer(task, *((A, B)[: task.points]), direction=direction)
    scales = np.linspace(0.8, 1.25, 200)
    p = scales[:, None, None] * np.asarray(A.point_m)
    q = scales[None, :, None] * np.asarray(B.point_m)
    between = p - q
    values = {
        Task.TWO_POINT_LATERAL: -between[..., 0],
        Task.TWO_POINT_VERTICAL: abs(between[..., 1]),
        Task.TWO_POINT_DEPTH: abs(between[..., 2]),
        Task.TWO_POINT_HORIZONTAL: np.hypot(between[..., 0], between[..., 2]),
        Task.DISTANCE_DIFFERENCE: np.linalg.norm(p, axis=-1) - np.linalg.norm(q, axis=-1),
        Task.NEARER: np.linalg.norm(q, axis=-1) - np.linalg.norm(p, axis=-1),
        Task.LATERAL: p[..., 0],
        Task.VERTICAL: p[..., 1],
        Task.HORIZONTAL: np.hypot(p[..., 0], p[..., 2]),
    }[task]
    assert found.low == pytest.approx(values.min(), abs=0.03)
    assert found.high == pytest.approx(values.max(), abs=1e-9)


def test_a_component_says_on_which_side_the_point_really_is():
    assert answer(Task.LATERAL, A, direction="left").sentence.startswith(
        "The point is to the left of the camera's axis by 2.00 m (90 % between 1.60 and 2.50 m)"
    )
    other = answer(Task.LATERAL, A, direction="right")
    assert "to the left" in other.sentence and "the value is negative" in other.sentence
    assert (
        "The lamp is above the table by 4.00 m"
        in answer(Task.TWO_POINT_VERTICAL, A, B, direction="up", names=("lamp", "table")).sentence
    )


def test_angles_are_in_radians_and_are_said_in_degrees():
    found = answer(Task.BEARING, A)
    assert (found.unit, found.low, found.high) == ("rad", found.value, found.value)
    assert "to the left by 26.57 degrees (0.46 rad)" in found.sentence


def test_a_comparison_names_the_nearer_and_whether_that_is_sure():
    sure = answer(Task.NEARER, A, B, names=("chair", "table")).sentence
    # 4.58 m and 8.60 m: 4.58 * 1.25 = 5.73 < 8.60 / 1.25 = 6.88
    assert sure.startswith("The chair is nearer: 4.58 m, and the table 8.60 m, 4.02 m between")
    assert "other way round" not in sure
    close = answer(Task.FARTHER, A, reading((0.0, 0.0, 5.0))).sentence
    assert close.startswith("The second point is farther: 5.00 m") and "other way round" in close


@pytest.mark.parametrize(
    "ratio, width, said",
    [
        (1.0, 1.9, "Yes, 1.90 m fit"),
        (1.0, 2.1, "No, 2.10 m do not fit"),
        (1.25, 1.9, "Not certain to fit 1.90 m"),
        (NAN, 1.9, "Not certain to fit 1.90 m"),
    ],
)
def test_a_gap_is_passable_only_where_its_least_width_suffices(ratio, width, said):
    sides = reading((-1.0, 0.0, 3.0), ratio), reading((1.0, 0.5, 3.0), ratio)
    found = answer(Task.PASSAGE, *sides, width=width)
    assert found.value == pytest.approx(2.0) and found.sentence.startswith(said)


def test_a_point_that_the_question_did_not_spell_out_is_told():
    at = reading((0.0, 0.0, 2.0), pixel=(300.0, 250.0))
    ahead = answer(Task.DISTANCE, at, points=(STRAIGHT_AHEAD,))
    assert ahead.sentence.endswith("straight ahead, on the camera's axis: pixel (300, 250).")
    part = answer(Task.DISTANCE, at, points=(RelativePoint(0.5, 0.25),))
    assert part.sentence.endswith(
        "(0.5, 0.25) was taken as fractions of the image: pixel (300, 250)."
    )
    assert (
        "image centre is pixel (300, 250)" in answer(Task.DISTANCE, at, points=(CENTRE,)).sentence
    )
