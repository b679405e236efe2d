"""What a language model makes of a question, checked as any input: forms, words, numbers."""

import json
import re

import pytest

from depthlm_ros.language.model_reading import FORMS, SCHEMA, read_by_model
from depthlm_ros.language.question import Able, read_any_question, read_question
from depthlm_ros.language.question_checks import UnclearError
from depthlm_ros.language.things import Thing
from depthlm_ros.status import Code, StatusError
from depthlm_ros.tasks import Task

CAN = Able.THINGS | Able.WAYS
REFUSAL = UnclearError(Code.BAD_QUESTION, "not understood")


def form(task="distance", first="", second="", direction="", **more):
    """Return a model's reply."""
    return json.dumps(
        {"task": task, "first": first, "second": second, "direction": direction, **more}
    )


def read(text, *replies):
    """Return what is read, and the prompts that the model was given."""
    prompts, waiting = [], iter(replies)

    def write(prompt, schema):
        assert schema is SCHEMA
        prompts.append(prompt)
        return next(waiting)

    return read_by_model(text, REFUSAL, write, CAN), prompts


def test_a_form_becomes_a_sentence_that_the_grammar_reads():
    text = "gimme the metres till the blue chair, mate, would you"
    got, prompts = read(text, form(first="blue chair"))
    assert got.sentence == "How far is the blue chair?"
    assert got.question == read_question("How far is the blue chair?", able=CAN)
    assert text in prompts[0] and len(prompts) == 1


@pytest.mark.parametrize("task", FORMS)
def test_every_form_is_read_as_its_own_task(task):
    text = "chair doors left " + {Task.TIME: "at 0.25 m/s", Task.SPEED: "in 1.5 s"}.get(task, "")
    template = FORMS[task]
    fields = {
        key: word
        for key, word in (("first", "chair"), ("second", "door"))
        if f"{{{key}}}" in template
    }
    direction = "left" if "{direction}" in template else ""
    got, _ = read(text, form(task.value, direction=direction, **fields))
    assert got.question.task is task
    assert [t.name for t in got.question.things] == list(fields.values())
    if task in (Task.TIME, Task.SPEED):
        assert got.question.amount == (0.25 if task is Task.TIME else 1.5)


def test_numbers_and_the_unit_are_the_questions_own():
    text = "squeezing past chair plus table, me being 62.5 cm, doable, in feet"
    got, _ = read(text, form("passage", "chair", "table"))
    assert got.question.width_m == pytest.approx(0.625)
    got, _ = read("gimme the chair's range in feet", form(first="chair"))
    assert got.question.unit == "ft"
    got, _ = read("ETA chair 0.123456 m/s", form("time", "chair"))
    assert got.question.amount == 0.123456


def test_a_form_in_a_fence_behind_words_and_with_fields_left_out_is_read():
    got, _ = read("chair, range?", 'Sure:\n```json\n{"task": "distance", "first": "chair"}\n```')
    assert got.question.points == (Thing("chair"),)


@pytest.mark.parametrize(
    "reply, why",
    [
        ("The chair is 3 m away.", "not one JSON object"),
        ('["distance", "chair"]', "not one JSON object"),
        ('{"task": "distance", "first": "cha', "not one JSON object"),
        ("{" * 30_000, "not one JSON object"),
        ('{"task": "distance", "first": 3}', "of strings"),
        (form(first="chair", value="3"), "fields are"),
        (form("weight", "chair"), "none of those"),
        (form("camera_motion"), "none of those"),
        (form(first="sofa"), "'sofa' is not a word of the question"),
        (form(first=""), "must be a thing"),
        (form(first="chair", second="table"), "must be empty"),
        (form(first="chair? {second}"), "not the name of one thing"),
        (form(first="chair\n"), "not the name of one thing"),
        (form("lateral", "chair", direction="left"), "'left' is not in the question"),
        (form("lateral", "chair"), "'' is not in the question"),
        (form("time", "chair"), "no place for the numbers"),
        (form("nearer", "chair", "chair and table"), "not the name|How|asks"),
    ],
)
def test_what_is_no_form_is_asked_for_once_more_and_then_refused(reply, why):
    with pytest.raises(UnclearError) as caught:
        read("the chair and table, range?", reply, reply)
    assert caught.value.code == Code.BAD_QUESTION
    assert "not understood; the language model could not read it either: " in caught.value.text
    assert re.search(why, caught.value.text), caught.value.text


def test_the_second_form_counts_and_the_model_is_told_what_was_wrong():
    got, prompts = read("chair range?", form(first="sofa"), form(first="chair"))
    assert got.question.points == (Thing("chair"),)
    assert prompts[1].startswith(prompts[0]) and "'sofa' is not a word" in prompts[1]


def test_a_model_that_says_none_is_believed():
    with pytest.raises(UnclearError) as caught:
        read("chair smell?", form("none"))
    assert caught.value is REFUSAL


def test_a_number_without_a_place_is_never_dropped():
    with pytest.raises(UnclearError, match="no place for the numbers"):
        read("chair range in 3 s", *[form(first="chair")] * 2)


@pytest.mark.parametrize(
    "text, unclear",
    [
        ("Is the chair far?", True),
        ("Is the chair a long way off?", True),
        ("How far is the chair running to the door?", True),
        ("How heavy is the chair?", False),
        ("How far is the chair behind me?", False),
        ("How far is everything except the chair?", False),
        ("Is it safe to drive?", False),
        ("Should I turn left?", False),
        ("How far is (900000, a)?", False),
        ("", False),
    ],
)
def test_only_wording_is_for_a_model_to_read(text, unclear):
    with pytest.raises(StatusError) as caught:
        read_any_question(text, able=CAN)
    assert isinstance(caught.value, UnclearError) is unclear, caught.value
