"""A question that the grammar cannot read, put by a language model into a form that it can.

The model fills a form (JSON): a task, the things that the question names, a direction. What it
writes is input like any other: known fields only, things and directions in the question's own
words, and the sentence that the form makes is read by the grammar again. Numbers are taken from
the question, never from the model; a form that would leave one out is refused.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from depthlm_ros.language.grounding import singular
from depthlm_ros.language.json_reply import first_json
from depthlm_ros.language.names import MAX_NAME
from depthlm_ros.language.quantities import Quantities, read_quantities, wanted_length_unit
from depthlm_ros.language.question import (
    MAX_QUESTION,
    Able,
    Question,
    read_question,
)
from depthlm_ros.language.question_checks import UnclearError, normalise_text
from depthlm_ros.sanitize import clean
from depthlm_ros.status import StatusError
from depthlm_ros.tasks import Task

READING_TOKENS = 96
"""Tokens that a filled form may take: one takes about 40."""
FORMS = {
    Task.DISTANCE: "How far is the {first}?",
    Task.DEPTH: "How far is the {first} along the optical axis?",
    Task.LATERAL: "How far to the {direction} is the {first}?",
    Task.HORIZONTAL: "What is the horizontal distance to the {first}?",
    Task.TIME: "How long does it take to reach the {first} at {amount}?",
    Task.SPEED: "How fast must I go to reach the {first} in {amount}?",
    Task.HEIGHT: "How high is the {first}?",
    Task.WIDTH: "How wide is the {first}?",
    Task.COUNT: "How many {first} are there?",
    Task.EXISTS: "Is there a {first}?",
    Task.TWO_POINT_DISTANCE: "How far is the {first} from the {second}?",
    Task.TWO_POINT_VERTICAL: "What is the vertical distance between the {first} and the {second}?",
    Task.NEARER: "Which is nearer, the {first} or the {second}?",
    Task.FARTHER: "Which is farther, the {first} or the {second}?",
    Task.PASSAGE: "Can I pass between the {first} and the {second}{width}?",
    Task.FREE_DISTANCE: "How far is the way free {direction}?",
}
"""The sentence that a filled form makes, by task."""
NONE = "none"
_DIRECTIONS = {
    "left": r"\bleft\b",
    "right": r"\bright\b",
    "ahead": r"\b(?:ahead|forwards?|front|straight)\b",
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "task": {"type": "string", "enum": [*(task.value for task in FORMS), NONE]},
        "first": {"type": "string", "maxLength": MAX_NAME},
        "second": {"type": "string", "maxLength": MAX_NAME},
        "direction": {"type": "string", "enum": ["", *_DIRECTIONS]},
    },
    "required": ["task", "first", "second", "direction"],
    "additionalProperties": False,
}
"""JSON schema of the form, for servers that hold a reply to one."""
_INSTRUCTION = """\
Do not answer the question below. Say what it asks for, as one JSON object and nothing else:
{{"task": ..., "first": ..., "second": ..., "direction": ...}}
task: one of {tasks}, or none if it asks for something else or for several things.
first, second: the things it names, in its own words, without articles; "" where there is none.
direction: left, right or ahead where it names one, else "".
Question: {question}
JSON:"""


@dataclass(frozen=True)
class ReadByModel:
    """A question that was read by a model, and the sentence that it was read as."""

    question: Question
    sentence: str


def read_by_model(
    text: str,
    refusal: UnclearError,
    write: Callable[[str, dict], str],
    able: Able,
    max_length: int = MAX_QUESTION,
) -> ReadByModel:
    """Read a question that came without pixels by ``write(prompt, schema)``, a model's reply.

    A form that is not valid is asked for once more, with what was wrong. Raises ``refusal``, the
    grammar's own, with the reason, where there is no valid form; and what ``write`` raises.
    """
    plain = normalise_text(text, max_length)
    tasks = ", ".join(task.value for task in FORMS)
    prompt = _INSTRUCTION.format(tasks=tasks, question=clean(text, max_length))
    why = ""
    for _ in range(2):
        try:
            return _checked(write(prompt + why, SCHEMA), plain, able)
        except _NotAFormError as error:
            why = f"\nNot valid before: {error}\nJSON:"
            reason = str(error)
        except _NothingOfTheseError:
            break
    else:
        raise type(refusal)(
            refusal.code, f"{refusal.text}; the language model could not read it either: {reason}"
        ) from refusal
    raise refusal


class _NotAFormError(ValueError):
    """What a model wrote is not a valid form."""


class _NothingOfTheseError(Exception):
    """The model says that the question asks for none of the tasks."""


def _checked(reply: str, plain: str, able: Able) -> ReadByModel:
    form = _form(reply)
    if form["task"] == NONE:
        raise _NothingOfTheseError
    task = Task(form["task"])
    if task not in FORMS:
        raise _NotAFormError(f"task {task.value!r} is none of those")
    template = FORMS[task]
    words = {singular(word) for word in re.findall(r"[^\W_]+", plain)}
    for key in ("first", "second"):
        _check_name(key, form[key], f"{{{key}}}" in template, words)
    if "{direction}" in template:
        pattern = _DIRECTIONS.get(form["direction"])
        if pattern is None or not re.search(pattern, plain):
            raise _NotAFormError(f"direction {form['direction']!r} is not in the question")
    amounts = _amounts(task, read_quantities(plain))
    names = {key: " ".join(form[key].split()) for key in ("first", "second", "direction")}
    sentence = template.format(**names, **amounts)
    try:
        question = read_question(sentence, able=able)
    except StatusError as error:
        raise _NotAFormError(f"{sentence!r}: {error.text}") from error
    if question.task is not task:
        raise _NotAFormError(f"{sentence!r} asks for {question.task.value}, not {task.value}")
    return ReadByModel(replace(question, unit=wanted_length_unit(plain)), sentence)


def _form(reply: str) -> dict:
    """Return the fields of a reply; _NotAFormError for anything but one flat object of them."""
    try:
        form = first_json(reply, "{")
    except ValueError as error:
        raise _NotAFormError("not one JSON object") from error
    if not isinstance(form, dict) or not all(isinstance(v, str) for v in form.values()):
        raise _NotAFormError("not one JSON object of strings")
    unknown = form.keys() - SCHEMA["properties"].keys()
    if unknown or "task" not in form:
        raise _NotAFormError("the fields are task, first, second and direction")
    form = {key: form.get(key, "") for key in SCHEMA["properties"]}
    if form["task"] not in SCHEMA["properties"]["task"]["enum"]:
        raise _NotAFormError(f"task {form['task'][:40]!r} is none of those")
    return form


def _check_name(key: str, name: str, is_wanted: bool, words: set) -> None:
    """Refuse a thing that the question does not name, or one too many."""
    shown = clean(name, MAX_NAME)
    if bool(name.strip()) != is_wanted:
        raise _NotAFormError(f"{key} {shown!r}: must be {'a thing' if is_wanted else 'empty'}")
    if len(name) > MAX_NAME or not re.fullmatch(r"[^\W_]*(?:[ '-][^\W_]+)*", name):
        raise _NotAFormError(f"{key} {shown!r} is not the name of one thing")
    strange = [w for w in re.findall(r"[^\W_]+", name.lower()) if singular(w) not in words]
    if strange:
        raise _NotAFormError(f"{key} {shown!r}: {strange[0]!r} is not a word of the question")


def _amounts(task: Task, quantities: Quantities) -> dict:
    """Return the question's own numbers for a form; each must have its place in it."""
    speeds, times, lengths = quantities.speeds_m_s, quantities.times_s, quantities.lengths_m
    wanted = {Task.TIME: (1, 0, 0), Task.SPEED: (0, 1, 0)}.get(task, (0, 0, 0))
    stated = len(speeds), len(times), len(lengths)
    if task is Task.PASSAGE and stated == (0, 0, 1):
        return {"width": f" with a width of {_plain(lengths[0])} m"}
    if stated != wanted:
        raise _NotAFormError(f"{task.value} has no place for the numbers of the question")
    if task is Task.TIME:
        return {"amount": f"{_plain(speeds[0])} m/s"}
    if task is Task.SPEED:
        return {"amount": f"{_plain(times[0])} s"}
    return {"width": ""}


def _plain(value: float) -> str:
    """Write a number so that the grammar reads the same one."""
    return f"{value:.9f}".rstrip("0").rstrip(".")
