"""The arithmetic of the demonstration, against numbers worked out by hand."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from depthlm_ros.demo.questions import (
    choose_pixels,
    clear_of_steps,
    questions_about,
    to_be_refused,
)
from depthlm_ros.demo.stream_stats import flow, without_result
from depthlm_ros.demo.tables import write_json
from depthlm_ros.language.question import Task, read_question
from depthlm_ros.status import StatusError

MS = 1_000_000


# -- streams --------------------------------------------------------------------------------------


def arrivals(*pairs):
    return [SimpleNamespace(stamp_ns=s * MS, received_ns=r * MS) for s, r in pairs]


def test_flow_by_hand():
    # Received at 50, 260, 450 and 650 ms: three gaps in 600 ms; late by 50, 60, 50, 50 ms.
    found = flow(arrivals((0, 50), (200, 260), (400, 450), (600, 650)))
    assert (found["received"], found["rate_hz"]) == (4, pytest.approx(5.0))
    assert found["latency_p50_ms"] == pytest.approx(50.0)
    assert found["latency_p95_ms"] == pytest.approx(50.0 + 10.0 * 0.85)  # between rank 3 and 4


@pytest.mark.parametrize("count", [0, 1])
def test_flow_of_too_little_has_no_rate(count):
    found = flow(arrivals((0, 5))[:count])
    assert found["received"] == count and math.isnan(found["rate_hz"])


def test_pictures_without_result_are_counted_up_to_the_newest_result():
    images = arrivals(*[(stamp, stamp + 1) for stamp in (100, 200, 300, 400, 500)])
    results = arrivals((200, 250), (400, 450))
    assert without_result(images, results) == 2  # 100 and 300; 500 may still get its own
    assert without_result(images, []) == 0


# -- questions ------------------------------------------------------------------------------------


def test_questions_are_read_as_they_are_meant():
    for asked in questions_about((320, 240), (100, 150)):
        read = read_question(asked.question)
        assert (read.task, read.points) == (asked.task, asked.pixels)
    assert {asked.task for asked in questions_about((1, 2), (3, 4))} == set(list(Task)[:4]) | {
        Task.TWO_POINT_DISTANCE
    }


def test_true_answers_by_hand():
    # A at (3, 0, 4): 5 m away; B at (0, 0, 2). Apart: sqrt(9 + 4).
    asked = {a.task: a for a in questions_about((10, 20), (30, 40))}
    a, b = ([5.0], [4.0], [(3.0, 0.0, 4.0)]), ([2.0], [2.0], [(0.0, 0.0, 2.0)])
    assert asked[Task.DISTANCE].true_value(*a) == 5.0
    assert asked[Task.DEPTH].true_value(*a) == 4.0
    assert asked[Task.TIME].true_value(*a) == pytest.approx(10.0)  # at 0.5 m/s
    assert asked[Task.SPEED].true_value(*b) == pytest.approx(0.5)  # in 4 s
    both = [x + y for x, y in zip(a, b, strict=True)]
    assert asked[Task.TWO_POINT_DISTANCE].true_value(*both) == pytest.approx(math.sqrt(13.0))


def test_what_must_be_refused_is_refused_by_the_reader_or_lies_outside():
    outside, *unreadable = to_be_refused(640, 480)
    assert read_question(outside[1]).points[0][0] >= 640
    for _, question in unreadable:
        with pytest.raises(StatusError):
            read_question(question)


def test_clear_of_steps_keeps_off_steps_sky_border_and_far_things():
    depth = np.full((120, 200), 2.0, np.float32)
    depth[:, 100:] = 4.0  # a step between columns 99 and 100
    depth[:40] = np.inf  # sky above row 40
    depth[:, 170:] = 50.0  # too far
    good = clear_of_steps(depth)
    assert good[60, 60] and good[60, 120]
    assert not good[:, 92:108].any() and good[60, 90] and good[60, 109]
    assert not good[:48].any() and good[48, 60]
    assert not good[:, 162:].any()
    assert not good[:, :24].any() and not good[-24:].any() and good[95, 24]


def test_a_slanted_floor_is_no_step():
    rows = np.arange(120, dtype=np.float32)[:, None]
    depth = np.broadcast_to(500.0 * 1.0 / (20.0 + rows), (120, 200)).astype(np.float32)
    assert clear_of_steps(depth)[60, 60]


def test_chosen_pixels_are_allowed_apart_and_repeatable():
    allowed = np.zeros((100, 100), bool)
    allowed[20:80, 30:90] = True
    chosen = choose_pixels(allowed, 5, 15.0, np.random.default_rng(1))
    assert len(chosen) == 5
    assert all(allowed[v, u] for u, v in chosen)
    gaps = [math.dist(a, b) for i, a in enumerate(chosen) for b in chosen[:i]]
    assert min(gaps) >= 15.0
    assert chosen == choose_pixels(allowed, 5, 15.0, np.random.default_rng(1))


def test_fewer_pixels_where_there_is_no_room():
    allowed = np.zeros((50, 50), bool)
    allowed[25, 10:20] = True
    assert len(choose_pixels(allowed, 3, 40.0, np.random.default_rng(0))) == 1
    assert choose_pixels(np.zeros((5, 5), bool), 3, 1.0, np.random.default_rng(0)) == []


# -- the report -----------------------------------------------------------------------------------


def test_json_has_no_nan(tmp_path):
    path = tmp_path / "demo.json"
    write_json(path, {"a": float("nan"), "b": [1.5, float("inf")], "c": {"d": (True, "x")}})
    assert json.loads(path.read_text()) == {"a": None, "b": [1.5, None], "c": {"d": [True, "x"]}}
