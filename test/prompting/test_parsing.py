"""What counts as an answer, case by case, and a fuzz that nothing else ever does."""

import math
import os
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depthlm_ros.prompting.parsing import parse_answer, parse_division, parse_ray
from depthlm_ros.prompting.prompts import Style, prompt, ray_answer
from depthlm_ros.sanitize import verbatim
from depthlm_ros.tasks import Task

CASES = int(os.environ.get("DEPTHLM_FUZZ_CASES", "500"))
"""Per property; raise it for a long run offline."""


@pytest.mark.parametrize(
    "text, value",
    [
        (
            (
                "<think> The point is around 3.42 meters away from the camera."
                " </think>\n\n<answer> 3.42 </answer>"
            ),
            3.42,
        ),
        ("<think> 2 walls, 3 doors, -4 </think><answer>0.50</answer>", 0.5),
        ("<answer> 12 meters </answer>", 12.0),
        ("<answer>7m</answer>", 7.0),
        ("The point is around 3.42 meters away from the camera.", 3.42),
        ("3.42", 3.42),
        ("It is 3.42m away.", 3.42),
        ("About 5.", 5.0),
    ],
)
def test_good_answers(text, value):
    read = parse_answer(text)
    assert (read.value, read.reason) == (value, "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "far away",
        "-3.42",
        "The point is around -3.42 meters away.",
        "−3",
        "nan",
        "inf",
        "1e9",
        "1e400",
        "3.42e1",
        "between 3 and 4 meters",
        "3,42",
        "1,234.50",
        "3.4.5",
        "1/2",
        "10^3",
        "half ½",
        "٣",
        "3 x ½",
        "²3",
        "v2",
        "3rd",
        "3.42 feet",
        "350 cm",
        "3 km",
        "0x10",
        "3.",
        "<answer>3.42",
        "<answer></answer>",
        "<answer>3</answer><answer>3</answer>",
        "<answer>3 4</answer>",
        "<answer>-1</answer>",
        "<answer>1e3</answer>",
        "<answer>3 feet</answer>",
        "<answer>about 3</answer>",
        "<answer>.5</answer>",
        "<answer>inf</answer>",
        "<answer>３</answer>",
        "<think> The point is around 3.42 meters away from the camera. </think>",
        "<answer><answer>3</answer>",
        "3" * 400,
        "<answer>" + "9" * 13 + "</answer>",
        "1 " * 20000,
    ],
)
def test_everything_else_is_no_answer(text):
    if text == "3.":
        assert parse_answer(text).value == 3.0, "a full stop ends a sentence"
        return
    read = parse_answer(text)
    assert math.isnan(read.value)
    assert read.reason


def test_units_of_other_tasks():
    assert parse_answer("The camera takes around 4.00 seconds.", "s").value == 4.0
    assert (
        parse_answer("The camera must move at around 0.50 meters per second.", "m/s").value == 0.5
    )
    assert math.isnan(parse_answer("The camera takes around 4.00 meters.", "s").value)
    assert math.isnan(parse_answer("It is around 4.00 meters per second.", "m").value)
    assert math.isnan(parse_answer("It is 4.00 m/s", "m").value)


def test_ray_answers():
    read = parse_ray(ray_answer(-12.5, -3.0, 4.2))
    assert (read.right_deg, read.down_deg, read.distance_m, read.reason) == (-12.5, -3.0, 4.2, "")
    for bad in (
        "",
        "4.2 meters",
        ray_answer(1, 2, 3) * 2,
        ray_answer(1, 2, 3).replace("1.00", "1..0"),
    ):
        assert math.isnan(parse_ray(bad).distance_m) and parse_ray(bad).reason


def test_sanitised_text_is_safe_and_capped():
    assert verbatim("a\ud800b\x00c\nd\u202ee") == "a?b?c d\u202ee"
    assert len(verbatim("x" * 10**6)) == 1000


_SCRAPS = st.sampled_from(
    [
        "<answer>",
        "</answer>",
        "<think>",
        "</think>",
        "3",
        "4.2",
        "-",
        ".",
        ",",
        "e",
        " ",
        "m",
        "meters",
        " feet",
        "½",
        "٣",
        "\ud800",
        "\x00",
        "\n",
        "inf",
        "nan",
        "9" * 30,
        "+",
        "_",
        "/",
    ]
)
_TEXTS = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=()), max_size=60),
    st.lists(_SCRAPS, max_size=12).map("".join),
)


@settings(max_examples=CASES, deadline=None)
@given(_TEXTS)
def test_fuzz_never_raises_never_invents(text):
    read = parse_answer(text)
    read.text.encode("utf-8")
    assert "\x00" not in read.text and len(read.text) <= 1000
    if read.reason:
        assert math.isnan(read.value)
    else:
        assert 0 <= read.value < 1e12 and math.isfinite(read.value)
        assert read.value in [float(n) for n in re.findall(r"[0-9]+(?:\.[0-9]+)?", text)]


@settings(max_examples=CASES, deadline=None)
@given(st.decimals(min_value=0, max_value=9999, places=2), st.sampled_from(["published", "plain"]))
def test_fuzz_every_trained_reply_is_read_back(value, style):
    assert parse_answer(prompt(style=style).answer(float(value))).value == float(value)


SPEED_ASKED = prompt(Task.SPEED, Style.MULTITASK, time_s=4.0)
DIVIDED = (
    "<think> The point is around 7.23 meters away from the camera. {} </think>\n\n"
    "<answer> {} </answer>"
)


def test_the_last_number_of_a_division_answers():
    read = parse_division(DIVIDED.format("7.23 / 4.0 = 1.81m/s", "1.81"), SPEED_ASKED)
    assert (read.value, read.reason) == (1.81, "")


@pytest.mark.parametrize(
    "division, answer, reason",
    [
        ("7.23 / 4.0 = 2.81m/s", "2.81", "must divide by 4"),
        ("7.23 / 5.0 = 1.45m/s", "1.45", "must divide by 4"),
        ("7.23 / 4.0 = 1.81m/s", "7.23", "must divide by 4"),
        ("It takes long.", "1.81", "0 divisions"),
        ("7.23 / 4.0 = 1.81m/s 8.0 / 4.0 = 2.0m/s", "1.81", "2 divisions"),
        ("7.2.3 / 4.0 = 1.81m/s", "1.81", "no plain numbers"),
        ("7.23 / 4.0 = 1.81m/s", "-1.81", "non-negative"),
    ],
)
def test_a_division_that_does_not_hold_is_no_answer(division, answer, reason):
    read = parse_division(DIVIDED.format(division, answer), SPEED_ASKED)
    assert math.isnan(read.value) and reason in read.reason
