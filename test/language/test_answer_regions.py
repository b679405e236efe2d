"""Questions about a given region of the picture, and about free ways."""

import pytest
from fake_scene import ABLE, FakeScene, ask, distance

from depthlm_ros.language.answer_scene import answer_scene
from depthlm_ros.language.question import read_any_question, read_question
from depthlm_ros.language.things import region_thing
from depthlm_ros.status import Code, StatusError

TABLE = region_thing(245, 195, 110, 110)  # 250..349, 200..299 with a rim of the wall


@pytest.mark.parametrize(
    "text", ["How far is this?", "How far is the brown thing?", "Distance to this point?"]
)
def test_a_given_region_is_measured_in_its_foreground_whatever_it_is_called(text):
    scene = FakeScene(form=None)  # no model needs to find anything
    answer = answer_scene(read_question(text, [TABLE]), scene)
    assert answer.code == Code.OK, answer.text
    u, v = answer.evidence[0].pixel
    assert 251 <= u <= 348 and 201 <= v <= 298
    assert answer.value == pytest.approx(distance(u, v, 3.0)) and not scene.asked
    assert "Understood: region at (" in answer.sentence


def test_a_region_has_a_height_and_a_neighbour():
    tight = region_thing(250, 200, 100, 100)
    height = answer_scene(read_question("How high is this?", [tight]), FakeScene(form=None))
    assert height.value == pytest.approx(100 / 400 * 3.0, rel=0.01)
    apart = ask("How far is this from the door?", [tight])
    assert apart.code == Code.OK and apart.value > 3.0
    chair = ask("Which is nearer, this or the left chair?", [tight])
    assert "left chair" in chair.sentence or "chair" in chair.sentence


def test_things_are_counted_in_the_region():
    left, right = region_thing(0, 0, 320, 480), region_thing(320, 0, 320, 480)
    assert ask("How many chairs are there?").value == 2
    for part in (left, right):
        answer = ask("How many chairs are there?", [part])
        assert answer.value == 1, answer.text
    assert ask("Is there a table?", [left]).value == 1
    assert ask("Is there a lamp?", [left]).value == 0


@pytest.mark.parametrize("sides", [(0, 0, 0, 5), (3, 3, 5, 0), (3, 3, 5, -1)])
def test_a_region_without_an_extent_is_refused(sides):
    with pytest.raises(StatusError, match="must have a width and a height"):
        region_thing(*sides)


def test_free_ways_and_free_words_are_about_the_whole_image():
    with pytest.raises(StatusError, match="leave the pixels out"):
        ask("How far is the way free ahead?", [TABLE])
    question = read_any_question("What colour is it?", [TABLE], able=ABLE)
    with pytest.raises(StatusError, match="and a region"):
        question.check(writes=True)
