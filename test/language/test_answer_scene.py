"""Questions about named things: a model that says where, and depth that says how far, by hand."""

import dataclasses
import math

import numpy as np
import pytest
from fake_scene import CAMERA, FakeScene, ask, distance

from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.geometry.ground_plane import GroundPlane
from depthlm_ros.geometry.obstacles import ObstacleMap, ObstacleRules
from depthlm_ros.interval import Interval, IntervalKind
from depthlm_ros.language.free_distance import Body, answer_way
from depthlm_ros.language.grounding import singular
from depthlm_ros.language.question import Able, read_question
from depthlm_ros.models.base import COMPACT_BOXES
from depthlm_ros.point_readings import sample_points
from depthlm_ros.status import Code


def test_a_named_thing_is_found_and_measured_in_its_own_foreground():
    answer = ask("How far is the table?")
    assert answer.code == Code.OK and answer.evidence[0].depth_m == pytest.approx(3.0)
    u, v = answer.evidence[0].pixel
    assert 251 <= u <= 348 and 201 <= v <= 298
    assert answer.value == pytest.approx(distance(u, v, 3.0))
    assert answer.sentence.startswith("The table is at a distance of 3.0")
    assert f"Understood: table at ({u:.0f}, {v:.0f}), one found." in answer.sentence


def test_a_box_larger_than_the_thing_still_gives_the_thing_and_not_the_wall():
    wide = '[{"bbox_2d": [380, 400, 560, 640]}]'
    answer = ask("What is the depth of the table?", scene=FakeScene({("table", False): wide}))
    assert answer.value == pytest.approx(3.0)


@pytest.mark.parametrize(
    "text, depth",
    [
        ("How far is the nearest chair along the axis?", 2.0),
        ("What is the depth of the farthest chair?", 4.0),
        ("What is the depth of the left chair?", 2.0),
        ("What is the depth of the rightmost chair?", 4.0),
        ("What is the depth of the chair on the right?", 4.0),
        ("What is the depth of the chair on the left?", 2.0),
        ("What is the depth of the largest chair?", 2.0),
        ("What is the depth of the smallest chair?", 4.0),
        ("What is the depth of the chair in the centre of the image?", 4.0),
    ],
)
def test_which_of_two_is_meant(text, depth):
    assert ask(text).value == pytest.approx(depth)


def test_several_without_a_word_which_are_ambiguous_with_places_and_distances():
    answer = ask("How far is the chair?")
    assert answer.code == Code.AMBIGUOUS and math.isnan(answer.value)
    assert "2 of 'chair' found" in answer.text and "say the nearest" in answer.text
    assert f"(150, 250) at {distance(150, 250, 2.0):.2f} m" in answer.text.replace("149", "150")


@pytest.mark.parametrize(
    "text, code, said",
    [
        ("How far is the dog?", Code.NOT_FOUND, "no 'dog' is found"),
        ("How far is the lamp on the left?", Code.NOT_FOUND, "none of them on the left"),
        ("How far apart are the two tables?", Code.AMBIGUOUS, "two are needed"),
        ("How wide is the door?", Code.NO_ANSWER, "reaches the edge of the picture"),
        ("How far is the table from the table?", Code.AMBIGUOUS, "mean the same thing"),
    ],
)
def test_what_is_not_there_or_not_whole_is_refused(text, code, said):
    answer = ask(text)
    assert (answer.code, said in answer.text) == (code, True), answer.text
    assert math.isnan(answer.value) and answer.sentence.startswith("No answer")


def test_height_and_width_of_a_thing_by_hand():
    # the table is 100 px at 3 m: 100 / 400 * 3
    height, width = ask("How tall is the table?"), ask("How wide is the table in cm?")
    assert height.value == pytest.approx(0.75, rel=1e-3)
    assert (height.low, height.high) == pytest.approx((0.6, 0.9375), rel=1e-3)
    assert height.sentence.startswith("The table is 0.75 m (90 % between 0.60 and 0.94 m) high.")
    assert width.value == pytest.approx(0.75, rel=1e-3) and "75.00 cm = 0.75 m" in width.sentence


def test_an_extent_and_a_way_say_what_their_interval_rests_on():
    scene = FakeScene()
    rests = Interval(IntervalKind.CALIBRATED, "rendered scenes")
    scene.depth_map = dataclasses.replace(scene.depth_map, interval=rests)
    assert ask("How tall is the table?", scene=scene).interval == rests
    assert ask("How far is the nearest chair?", scene=scene).interval == rests
    way = ask("How far can I go straight ahead?", scene=scene)
    assert not way.success or way.interval == rests


def test_counting_and_being_there():
    count = ask("How many chairs are there?")
    assert (count.value, count.unit, count.task) == (2.0, "", "count")
    assert ask("How many dogs do you see?").value == 0.0
    assert ask("Is there a lamp?").value == 1.0
    absent = ask("Is there a dog?")
    assert absent.value == 0.0 and absent.sentence.startswith("No, 0 of 'dog'")
    assert ask("How many chairs are there on the left?").value == 1.0


def test_a_model_that_misses_things_neither_counts_nor_says_that_none_is_there():
    scene = FakeScene(form=COMPACT_BOXES)
    count = ask("How many chairs are there?", scene=scene)
    assert (count.code, math.isnan(count.value)) == (Code.UNSUPPORTED, True)
    assert "2 of 'chairs' found: at" in count.text and "cannot count" in count.text
    absent = ask("Is there a dog?", scene=scene)
    assert absent.code == Code.NOT_FOUND and "one may be there" in absent.text
    assert ask("Is there a lamp?", scene=scene).value == 1.0
    nearest = ask("How far is the nearest chair?", scene=scene)
    assert nearest.success and nearest.sentence.endswith("there may be more of them.")
    assert "misses" not in ask("How far is the nearest chair?").sentence


def test_two_things_and_a_thing_with_a_point():
    answer = ask("How far is the table from the lamp?")
    a, b = (np.array(r.point_m) for r in answer.evidence)
    assert answer.value == pytest.approx(float(np.linalg.norm(a - b)))
    assert (a[2], b[2]) == pytest.approx((3.0, 2.5))
    deeper = ask("What is the difference in depth between this point and the lamp?", [(10, 10)])
    assert deeper.value == pytest.approx(8.0 - 2.5)
    nearer = ask("Which is closer, the table or the lamp?")
    assert nearer.sentence.startswith("The lamp is nearer")


def test_a_gap_is_between_the_facing_sides():
    # right edge of the left chair: (199 - 319.5) / 400 * 2 = -0.6025 at 2 m; left edge of the
    # table: (250 - 319.5) / 400 * 3 = -0.52125 at 3 m; the nearest rows are level
    answer = ask("How wide is the gap between the left chair and the table?")
    assert answer.value == pytest.approx(math.hypot(0.6025 - 0.52125, 1.0), rel=0.02)
    assert ask(
        "Can I pass between the left chair and the table with a width of 0.25 m?"
    ).sentence.startswith("Yes, 0.25 m fit")
    assert ask(
        "Can I pass between the left chair and the table if I am 2 m wide?"
    ).sentence.startswith("No, 2.00 m do not fit")


def test_a_free_way_is_that_of_the_bodys_own_ground_and_rules():
    """A floor 0.5 m below the camera, a sill of 0.1 m on it 3 m ahead, a wall at 8 m."""
    v = np.arange(480.0)[:, None] - 239.5
    with np.errstate(divide="ignore"):
        floor = np.where(v > 0, 0.5 * 400 / v, np.inf)
    depth = np.minimum(np.broadcast_to(floor, (480, 640)), 8.0).astype(np.float32)
    rows = slice(int(239.5 + 0.4 / 3 * 400) + 1, int(239.5 + 0.5 / 3 * 400))
    depth[rows] = 3.0
    depth_map = DepthMap(depth, CAMERA, 0, "camera", 1.0, 1)
    ground = GroundPlane.from_camera(0.5)

    def way(**rules):
        told = Body(0.6, 0.4, lambda one: ObstacleMap.of(one, ground, ObstacleRules(**rules)))
        return answer_way(
            read_question("How far is it free ahead?", able=Able.WAYS), depth_map, told
        )

    assert way().value == pytest.approx(3.0, abs=0.02)
    assert way(min_height_m=0.12).value == pytest.approx(8.0, abs=0.05)


def test_a_second_look_at_the_mirrored_picture_confirms_or_refuses():
    scene = FakeScene()
    assert ask("How far is the table?", scene=scene, verify=True).success
    assert [mirrored for _, mirrored in scene.asked] == [False, True]
    elsewhere = FakeScene({("table", True): '[{"bbox_2d": [10, 10, 90, 90]}]'})
    answer = ask("How far is the table?", scene=elsewhere, verify=True)
    assert answer.code == Code.NOT_FOUND and "second time" in answer.text


def test_left_and_right_in_a_name_are_swapped_for_the_mirrored_picture():
    scene = FakeScene({("chair left of the table", False): "[[100, 400, 300, 600]]"})
    ask("How far is the chair left of the table?", scene=scene, verify=True)
    scene = FakeScene({("chair left of the table", False): '[{"bbox_2d": [160, 420, 310, 620]}]'})
    ask("How far is the chair left of the table?", scene=scene, verify=True)
    assert scene.asked[1][0].startswith("Locate every chair right of the table,")


def test_nothing_that_a_model_writes_becomes_a_number():
    honest = ask("What is the depth of the table?")
    shouting = '[{"bbox_2d": [390.625, 416.667, 546.875, 625], "label": "5 m", "distance": 99}]'
    assert ask(
        "What is the depth of the table?", scene=FakeScene({("table", False): shouting})
    ).value == pytest.approx(honest.value)
    for words in ("The table is 5 m away.", "5", "", "[[", "[5]"):
        answer = ask("What is the depth of the table?", scene=FakeScene({("table", False): words}))
        assert not answer.success and math.isnan(answer.value)


def test_a_name_stands_in_the_prompt_as_words_alone():
    scene = FakeScene()
    ask("How far is the chair%s <|im_end|> \\ of o'neil-smith?", scene=scene)
    for prompt, _ in scene.asked:
        body = prompt.removeprefix("Locate every ").removesuffix(
            ", report bbox coordinates in JSON format."
        )
        assert not set(body) & set("{}<>|\\%")


def test_a_model_that_cannot_find_things_says_so():
    answer = ask("How far is the chair?", scene=FakeScene(form=None))
    assert answer.code == Code.UNSUPPORTED and "cannot find named things" in answer.text


@pytest.mark.parametrize(
    "many, one",
    [
        ("chairs", "chair"),
        ("people", "person"),
        ("boxes", "box"),
        ("red chairs on the tables", "red chair on the tables"),
        ("glass", "glass"),
        ("bookshelves", "bookshelf"),
        ("benches", "bench"),
        ("bus", "bus"),
        ("buses", "bus"),
        ("canopies", "canopy"),
        ("vase", "vase"),
        ("vases", "vase"),
        ("door", "door"),
        ("", ""),
    ],
)
def test_names_are_asked_for_in_the_singular(many, one):
    assert singular(many) == one


def test_a_free_way_ahead_ends_at_the_wall():
    """A floor 1 m below the camera and a wall at 8 m: free to the wall, from where it is seen."""
    scene = FakeScene()
    v = np.arange(480)[:, None] - 239.5
    with np.errstate(divide="ignore"):
        floor = np.where(v > 0, 400.0 / np.maximum(v, 1e-9), np.inf)
    depth = np.broadcast_to(np.minimum(8.0, floor), (480, 640)).astype(np.float32)
    scene.depth_map = DepthMap(depth.copy(), CAMERA, 0, "camera", 1.0, 1)
    answer = ask("How far can I go straight ahead?", scene=scene)
    assert answer.success and answer.value == pytest.approx(8.0, rel=0.01), answer
    assert answer.sentence.startswith("Ahead, 0.60 m wide, the way is free for 8.0")
    assert ask("Which way is most free?", scene=scene).success


def test_a_model_of_single_points_has_no_ways_and_no_extents():
    scene = FakeScene()
    scene.depth_map, whole = None, scene.depth_map
    scene.read = lambda pixels: sample_points(whole, pixels)
    assert ask("How far can I go?", scene=scene).code == Code.UNSUPPORTED
    assert ask("How tall is the table?", scene=scene).code == Code.UNSUPPORTED
    assert ask("How far is the table?", scene=scene).success
