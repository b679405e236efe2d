"""What is seen of objects, on a view drawn by hand; and the questions about them."""

import json
import math

import numpy as np
import pytest
import torch

from depthlm_ros.training.compact import conversations
from depthlm_ros.training.compact.conversations import View
from depthlm_ros.training.compact.names import NAMES, THINGS, index_of
from depthlm_ros.training.compact.objects import Thing, things_of
from depthlm_ros.training.compact.scene_pool import MOST_OBJECTS


@pytest.fixture
def seen():
    """Show a door of 10 x 20 px at 2 m with a hole, and a cup of 2 x 2 px, before a wall."""
    ids = torch.full((1, 40, 60), 1)
    depth = torch.full((1, 40, 60), 4.0)
    ids[0, 10:30, 20:30], depth[0, 10:30, 20:30] = 2, 2.0
    ids[0, 18:22, 23:27] = 1
    ids[0, 0:2, 0:2], depth[0, 0:2, 0:2] = 3, 1.0
    names = np.full((1, MOST_OBJECTS), -1)
    names[0, 2], names[0, 3] = index_of("door"), index_of("cup")
    return things_of(ids, depth, names)[0]


def test_a_thing_has_its_box_its_share_and_its_depth(seen):
    door = seen[0]
    assert (door.name, door.box, door.clear) == ("door", (20, 10, 30, 30), True)
    assert door.area == pytest.approx((200 - 16) / 2400)
    assert door.depth_m == pytest.approx(2.0, rel=1e-3)


def test_the_point_lies_on_the_thing_although_its_middle_does_not(seen):
    u, v = seen[0].point
    assert 20 <= u < 30 and 10 <= v < 30 and not (23 <= u < 27 and 18 <= v < 22)
    assert math.hypot(u - 24.5, v - 19.5) < 4


def test_small_things_are_not_clear_and_walls_not_listed(seen):
    assert [(t.name, t.clear) for t in seen] == [("door", True), ("cup", False)]


def _thing(name, x0, depth=2.0):
    return Thing(name, (x0, 10, x0 + 10, 30), (x0 + 5, 20), 0.05, depth, True)


@pytest.fixture
def view():
    things = [_thing("chair", 0, 3.0), _thing("chair", 40, 1.5), _thing("door", 80)]
    points = np.array([[0.0, 0.0, 2.0], [1.0, 0.0, 2.0]])
    return View(things, points, (100, 50))


def _turns(maker, view, count=200):
    rng = np.random.default_rng(0)
    return [maker(view, rng) for _ in range(count)]


def test_pointing_is_in_thousandths_and_absent_things_are_an_empty_list(view):
    for turn in _turns(conversations._point, view):
        points = json.loads(turn.reply)
        if "door" in turn.question:
            assert points == [{"point_2d": [855, 410], "label": "door"}]
        for name in ("nearest chair", "rightmost chair"):
            if name in turn.question:
                assert points == [{"point_2d": [455, 410], "label": name}]
        for name in ("farthest chair", "leftmost chair"):
            if name in turn.question:
                assert points[0]["point_2d"] == [55, 410]
        if "sofa" in turn.question:
            assert points == []


def test_finding_lists_every_box_from_left_to_right(view):
    found = [
        turn
        for turn in _turns(conversations._find, view)
        if "chair" in turn.question and "armchair" not in turn.question
    ]
    assert found
    for turn in found:
        boxes = json.loads(turn.reply)
        assert [box["bbox_2d"] for box in boxes] == [[0, 200, 100, 600], [400, 200, 500, 600]]


def test_a_name_of_which_a_part_is_too_small_is_neither_asked_for_nor_called_absent(view):
    small = Thing("chair", (90, 0, 92, 3), (91, 1), 0.0001, 9.0, False)
    half_seen = View([*view.things, small], None, view.size)
    for maker in (conversations._point, conversations._find, conversations._is_there):
        for turn in _turns(maker, half_seen):
            assert " chair" not in turn.question


def test_numbers_of_marker_replies_are_worked_out(view):
    for turn in _turns(conversations._marker, view):
        number = float(turn.reply.split("<answer> ")[1].split(" ")[0])
        if "2 points" in turn.question:
            assert (number, turn.markers) == (1.0, 2)
        elif "speed of" in turn.question:
            given = float(turn.question.split("speed of ")[1].split("m/s")[0])
            assert number == pytest.approx(2.0 / given, abs=0.0051)
        elif "exactly" in turn.question:
            given = float(turn.question.split("exactly ")[1].split(" ")[0])
            assert number == pytest.approx(2.0 / given, abs=0.0051)
        else:
            assert (number, turn.markers) == (2.0, 1)


def test_a_photograph_without_names_gets_marker_questions_alone(view):
    unnamed = View(None, view.points, view.size)
    rng = np.random.default_rng(0)
    assert all(conversations.draw(unnamed, rng).markers for _ in range(50))
    assert conversations.draw(View(None, None, view.size), rng).question == ""


def test_every_name_has_a_singular_and_a_plural():
    assert all(len(forms) >= 2 for forms in THINGS.values())
    assert index_of("wall") == -1 and NAMES[index_of("door")] == "door"
