"""What models write when they are asked where a thing is, read into pixels worked out by hand."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depthlm_ros.language.boxes import Box, read_boxes
from depthlm_ros.status import Code, StatusError

SIZE = (640, 480)
PER_MILLE = (1000.0, 1000.0)
ONE = '[{"bbox_2d": [100, 250, 500, 750], "label": "chair"}]'
# edges: 0.1 * 640 - 0.5, 0.25 * 480 - 0.5, 0.5 * 640 - 0.5, 0.75 * 480 - 0.5
BOX = Box(63.5, 119.5, 319.5, 359.5)


@pytest.mark.parametrize(
    "reply",
    [
        ONE,
        f"```json\n{ONE}\n```",
        f"Here are the boxes:\n```json\n{ONE}\n```\nThere is one chair, 3 m away.",
        '{"bbox_2d": [100, 250, 500, 750], "label": "chair"}',
        "[100, 250, 500, 750]",
        '[{"bbox_2d": [100, 250, 500, 750], "label": "answer 5 m"}]',
        '[{"label": "chair", "bbox_2d": [100, 250, 500, 750]}, {"bbox_2d": [101, 250, 500, 751]}]',
    ],
)
def test_a_box_is_read_in_pixels_whatever_stands_around_it(reply):
    assert read_boxes(reply, *SIZE, PER_MILLE) == [BOX]


def test_a_point_is_a_box_without_extent():
    (box,) = read_boxes('[{"point_2d": [500, 500], "label": "cup"}]', *SIZE, PER_MILLE)
    assert box == Box(319.5, 239.5, 319.5, 239.5) and box.centre == (319.5, 239.5)


def test_absolute_pixels_are_of_the_picture_that_was_shown():
    # shown at 1288 x 952: half of it is half of ours
    (box,) = read_boxes('[{"bbox_2d": [322, 238, 644, 476]}]', *SIZE, (1288.0, 952.0))
    assert box == Box(159.5, 119.5, 319.5, 239.5)


def test_values_slightly_beyond_the_scale_are_cut_and_far_ones_refused():
    (box,) = read_boxes('[{"bbox_2d": [900, 250, 1012, 750]}]', *SIZE, PER_MILLE)
    assert box.right == 639.5
    with pytest.raises(StatusError, match="leaves the image") as caught:
        read_boxes('[{"bbox_2d": [900, 250, 1300, 750]}]', *SIZE, PER_MILLE)
    assert caught.value.code == Code.IMPLAUSIBLE


@pytest.mark.parametrize(
    "reply",
    [
        "[]",
        "```json\n[]\n```",
        "There is no chair in the picture.",
        "None.",
        "I cannot see a door.",
    ],
)
def test_absence_is_no_box(reply):
    assert read_boxes(reply, *SIZE, PER_MILLE) == []


@pytest.mark.parametrize(
    "reply, code",
    [
        ("", Code.NO_ANSWER),
        ("The chair is 5 m away", Code.NO_ANSWER),
        ("a chair on the left", Code.NO_ANSWER),
        ("No, it is at 300 400", Code.NO_ANSWER),
        (ONE[:-4], Code.NO_ANSWER),
        ('[{"bbox_2d": [1, 2, 3', Code.NO_ANSWER),
        ("[" * 5000, Code.NO_ANSWER),
        (json.dumps([{"bbox_2d": [1, 1, 9, 9]}] * 65), Code.NO_ANSWER),
        ('[{"bbox_2d": [100, 250, 500]}]', Code.IMPLAUSIBLE),
        ('[{"bbox_2d": [500, 250, 100, 750]}]', Code.IMPLAUSIBLE),
        ('[{"bbox_2d": [100, 250, 100, 750]}]', Code.IMPLAUSIBLE),
        ('[{"bbox_2d": [0, 0, 1000, 1000]}]', Code.IMPLAUSIBLE),
        ('[{"bbox_2d": ["a", 1, 2, 3]}]', Code.IMPLAUSIBLE),
        ('[{"bbox_2d": [NaN, 1, 2, 3]}]', Code.IMPLAUSIBLE),
        ('[{"bbox_2d": [true, 1, 200, 300]}]', Code.IMPLAUSIBLE),
        ('[{"bbox_2d": null}]', Code.IMPLAUSIBLE),
        ('["chair"]', Code.IMPLAUSIBLE),
        (f'{ONE[:-1]}, {{"bbox_2d": [1, 1, 1, 1]}}]', Code.IMPLAUSIBLE),
    ],
)
def test_what_is_no_list_of_boxes_is_refused(reply, code):
    with pytest.raises(StatusError) as caught:
        read_boxes(reply, *SIZE, PER_MILLE)
    assert caught.value.code == code


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(max_size=300),
        st.recursive(
            st.one_of(st.none(), st.floats(), st.integers(), st.text(max_size=5)),
            lambda inner: (
                st.lists(inner, max_size=5)
                | st.dictionaries(
                    st.sampled_from(["bbox_2d", "point_2d", "label"]), inner, max_size=3
                )
            ),
        ).map(json.dumps),
    )
)
def test_any_reply_gives_boxes_inside_the_image_or_a_refusal(reply):
    try:
        boxes = read_boxes(reply, *SIZE, PER_MILLE)
    except StatusError as refusal:
        refusal.text.encode("utf-8")
        assert refusal.code in (Code.NO_ANSWER, Code.IMPLAUSIBLE) and len(refusal.text) < 300
        return
    for box in boxes:
        assert -0.5 <= box.left <= box.right <= 639.5 and -0.5 <= box.top <= box.bottom <= 479.5


def test_mirrored_twice_is_the_same_and_overlap_is_by_area():
    assert BOX.mirrored(640) == Box(319.5, 119.5, 575.5, 359.5)
    assert BOX.mirrored(640).mirrored(640) == BOX
    # 10 x 10 and the same moved by 5: 50 common of 150
    assert Box(0, 0, 10, 10).iou(Box(5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert Box(0, 0, 10, 10).iou(Box(20, 0, 30, 10)) == 0
