"""Questions and replies for the language model: DepthLM's marker tasks, pointing, finding, naming.

Pointing and finding answer in the JSON of Qwen3-VL: coordinates in 0..1000 of width and height, an
empty list for what is not there. Numbers of metres appear in marker replies alone.
"""

import json
import math
from dataclasses import dataclass

import numpy as np

from depthlm_ros.models.compact.finding import FIND, FIND_ALL, POINT
from depthlm_ros.prompting.prompts import Style, prompt
from depthlm_ros.tasks import Task
from depthlm_ros.training.compact.names import NAMES, THINGS
from depthlm_ros.training.compact.objects import Thing

MOST_BOXES = 6
DESCRIBE = ("What is in this picture?", "Describe the picture.", "What do you see?")
IS_THERE = ("Is there a {}?", "Do you see a {}?")
COUNT = ("How many {} are there?",)
WHICH = {"nearest": min, "farthest": max}
"""Superlatives by depth; leftmost and rightmost go by the box."""


@dataclass(frozen=True)
class Turn:
    """One question with its reply; ``markers``: how many red arrows the image carries."""

    question: str
    reply: str
    markers: int = 0


@dataclass(frozen=True)
class View:
    """What a question can be about.

    ``things``: of the view; ``points`` (2, 3): two 3-D points [m] whose pixels can carry a marker,
    or None; ``size`` (width, height); ``kind``: what the place is.
    """

    things: list
    points: np.ndarray | None
    size: tuple


def draw(view: View, rng: np.random.Generator) -> Turn:
    """Draw a question about a view: one that it can answer."""
    named = view.things is not None
    kinds = ["marker", "point", "find", "is_there", "count", "describe"]
    chance = np.array([0.34, 0.28, 0.2, 0.06, 0.06, 0.06])
    chance = chance * [view.points is not None, *[named] * 5]
    if not chance.any():
        return Turn("", "")
    kind = rng.choice(kinds, p=chance / chance.sum())
    return _MAKERS[kind](view, rng)


MARKER_TASKS = {
    Task.DISTANCE: 0.6,
    Task.DEPTH: 0.1,
    Task.SPEED: 0.08,
    Task.TIME: 0.08,
    Task.TWO_POINT_DISTANCE: 0.14,
}
"""Share of each of DepthLM's tasks about one picture (DepthLM, Figure 7)."""


def _marker(view: View, rng: np.random.Generator) -> Turn:
    a, b = view.points
    distance = float(np.linalg.norm(a))
    task = list(MARKER_TASKS)[rng.choice(len(MARKER_TASKS), p=list(MARKER_TASKS.values()))]
    given = round(float(rng.uniform(1.0, 10.0)), 1)
    value = {
        Task.DISTANCE: distance,
        Task.DEPTH: float(a[2]),
        Task.SPEED: distance / given,
        Task.TIME: distance / given,
        Task.TWO_POINT_DISTANCE: float(np.linalg.norm(a - b)),
    }[task]
    asked = prompt(task, Style.MULTITASK, time_s=given, speed_m_s=given)
    return Turn(asked.question, asked.answer(value), asked.markers)


def _groups(view: View) -> dict:
    """Return name to things, of the names of which every part seen is large enough to name."""
    groups = {}
    for thing in view.things:
        groups.setdefault(_canonical(thing.name), []).append(thing)
    return {name: group for name, group in groups.items() if all(t.clear for t in group)}


def _canonical(name: str) -> str:
    return "book" if name == "books" else name


def _absent(view: View, rng: np.random.Generator) -> str:
    seen = {_canonical(thing.name) for thing in view.things}
    return str(rng.choice([name for name in NAMES if _canonical(name) not in seen]))


def _word(name: str, rng: np.random.Generator) -> str:
    singular, _, *others = THINGS[name]
    return str(rng.choice(others)) if others and rng.random() < 0.3 else singular


def _point(view: View, rng: np.random.Generator) -> Turn:
    groups = _groups(view)
    if not groups or rng.random() < 0.25:
        name = _word(_absent(view, rng), rng)
        return Turn(str(rng.choice(POINT)).format(name), "[]")
    name = str(rng.choice(list(groups)))
    word, group = _word(name, rng), groups[name]
    if len(group) > 1:
        which, thing = _superlative(group, rng)
        word = f"{which} {word}"
    else:
        thing = group[0]
    question = str(rng.choice(POINT)).format(word)
    return Turn(question, _json([_point_of(thing, word, view.size)]))


def _superlative(group: list, rng: np.random.Generator) -> tuple[str, Thing]:
    which = str(rng.choice(["nearest", "farthest", "leftmost", "rightmost"]))
    if which in WHICH:
        return which, WHICH[which](group, key=lambda thing: thing.depth_m)
    pick = min if which == "leftmost" else max
    return which, pick(group, key=lambda thing: thing.box[0] + thing.box[2])


def _find(view: View, rng: np.random.Generator) -> Turn:
    groups = _groups(view)
    absent = not groups or rng.random() < 0.25
    name = _absent(view, rng) if absent else str(rng.choice(list(groups)))
    group = [] if absent else groups[name]
    if len(group) > MOST_BOXES:
        return _point(view, rng)
    singular, plural, *_ = THINGS[name]
    word = _word(name, rng)
    template = str(rng.choice(FIND))
    question = template.format(plural if template == FIND_ALL else word)
    label = singular if template == FIND_ALL else word
    group = sorted(group, key=lambda thing: thing.box[0])
    return Turn(question, _json([_box_of(thing, label, view.size) for thing in group]))


def _is_there(view: View, rng: np.random.Generator) -> Turn:
    groups = _groups(view)
    absent = not groups or rng.random() < 0.5
    name = _absent(view, rng) if absent else str(rng.choice(list(groups)))
    question = str(rng.choice(IS_THERE)).format(_word(name, rng))
    return Turn(question, "No." if absent else "Yes.")


def _count(view: View, rng: np.random.Generator) -> Turn:
    groups = _groups(view)
    absent = not groups or rng.random() < 0.2
    name = _absent(view, rng) if absent else str(rng.choice(list(groups)))
    count = 0 if absent else len(groups[name])
    return Turn(COUNT[0].format(THINGS[name][1]), f"{count}.")


def _describe(view: View, rng: np.random.Generator) -> Turn:
    largest = sorted((t for t in view.things if t.clear), key=lambda thing: -thing.area)[:4]
    parts = [f"a {THINGS[t.name][0]} {_side(t, view.size)}" for t in largest]
    return Turn(str(rng.choice(DESCRIBE)), f"{'; '.join(parts)}." if parts else "Nothing I know.")


def _side(thing: Thing, size: tuple) -> str:
    across = (thing.box[0] + thing.box[2]) / 2 / size[0]
    return "on the left" if across < 0.36 else "on the right" if across > 0.64 else "ahead"


_MAKERS = {
    "marker": _marker,
    "point": _point,
    "find": _find,
    "is_there": _is_there,
    "count": _count,
    "describe": _describe,
}


def _thousandth(value: float, side: int) -> int:
    return min(1000, max(0, math.floor(value / side * 1000 + 0.5)))


def _point_of(thing: Thing, label: str, size: tuple) -> dict:
    at = [_thousandth(c + 0.5, side) for c, side in zip(thing.point, size, strict=True)]
    return {"point_2d": at, "label": label}


def _box_of(thing: Thing, label: str, size: tuple) -> dict:
    at = [_thousandth(c, side) for c, side in zip(thing.box, (*size, *size), strict=True)]
    return {"bbox_2d": at, "label": label}


def _json(entries: list) -> str:
    return json.dumps(entries)
