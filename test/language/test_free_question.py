"""Questions in free words, in other languages, and about what words must not answer."""

import pytest
from given_points import HERE, WORDS
from hypothesis import given, settings
from hypothesis import strategies as st

from depthlm_ros.language.question import (
    FreeQuestion,
    InFreeWords,
    read_any_question,
    read_question,
)
from depthlm_ros.status import Code, StatusError


@pytest.mark.parametrize(
    "text, code",
    [
        ("What is in the picture?", Code.BAD_QUESTION),
        ("Is the door open?", Code.UNSUPPORTED),
        ("How many chairs are there?", Code.UNSUPPORTED),
        ("Describe the room.", Code.BAD_QUESTION),
    ],
)
def test_free_words_are_handed_on_with_what_others_answer(text, code):
    read = read_any_question(f"  {text} ")
    assert isinstance(read, FreeQuestion) and read.words == text and read.refusal.code == code
    with pytest.raises(InFreeWords):
        read_question(text)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(WORDS, max_size=25).map(" ".join)))
def test_what_is_handed_to_a_model_is_one_safe_line_that_moves_no_robot(text):
    try:
        read = read_any_question(text, max_length=150)
    except StatusError as refusal:
        assert refusal.code in (Code.BAD_QUESTION, Code.UNSUPPORTED)
        return
    if isinstance(read, FreeQuestion):
        read.words.encode("utf-8")
        assert 0 < len(read.words) <= 150 and read.words.isprintable()
        assert not {"clear", "free", "safe", "fit", "far", "near", "pass"} & set(
            read.words.lower().replace("?", " ").split()
        )


@pytest.mark.parametrize(
    "text",
    [
        "Is the path clear?",
        "Can I get through the gap?",
        "Will the cart fit between the shelves?",
        "Is it safe to go?",
        "Are there obstacles?",
        "Is there enough space?",
        "Will we hit the wall?",
        "Is the wall near?",
        "Is the chair farther than the table?",
        "Is the door 2 m away?",
        "Which thing is closest?",
        "Is it deep?",
    ],
)
def test_ways_and_measures_are_not_for_words(text):
    with pytest.raises(StatusError) as caught:
        read_any_question(text)
    assert caught.value.code == Code.UNSUPPORTED and not isinstance(caught.value, InFreeWords)


def test_typed_questions_and_their_refusals_stay_what_they_are():
    assert read_any_question("How far is this point?", HERE) == read_question(
        "How far is this point?", HERE
    )
    for text, pixels, words in (
        ("How far is the chair?", [], "cannot find named things"),
        ("What is this?", HERE, "leave the pixels out"),
        ("What is at (320, 240)?", [], "leave the pixels out"),
        ("", [], "empty"),
    ):
        with pytest.raises(StatusError, match=words):
            read_any_question(text, pixels).check(writes=True)


def test_a_model_that_cannot_write_is_not_told_to_leave_the_pixels_out():
    """Without them it could not answer either."""
    for pixels in (HERE, []):
        with pytest.raises(StatusError, match="need a model that writes") as caught:
            read_any_question("What is this?", pixels).check(writes=False)
        assert "leave the pixels out" not in caught.value.text


@pytest.mark.parametrize(
    "text",
    [
        "Wie weit ist dieser Punkt?",
        "Quelle est la distance de ce point ?",
        "¿A qué distancia está este punto?",
        "Quanto dista questo punto?",
        "距离是多少?",
        "Насколько далеко эта точка?",
    ],
)
def test_a_question_in_another_language_is_told_so(text):
    with pytest.raises(StatusError, match="questions are read in English only: "):
        read_any_question(text).check(writes=False)


def test_english_is_not_told_to_be_english():
    for text in ("How far is the chair?", "What is the meaning of life?", "hello", "12345"):
        with pytest.raises(StatusError) as caught:
            read_any_question(text).check(writes=False)
        assert "English" not in caught.value.text
