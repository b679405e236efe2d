"""Some five hundred phrasings, each read into the right task and targets, or refused."""

import math
from pathlib import Path

import pytest

from depthlm_ros.language.question import Able, FreeQuestion, read_any_question
from depthlm_ros.status import StatusError

TABLE = Path(__file__).with_name("phrasings.txt")
BESIDE = {"": [], "@": [(10.0, 20.0)], "@@": [(1.0, 2.0), (3.0, 4.0)]}
ROWS = [
    line.split(" => ")
    for line in TABLE.read_text(encoding="utf-8").splitlines()
    if " => " in line and not line.startswith("#")
]


def reading(text: str, pixels, able=Able.THINGS | Able.WAYS) -> str:
    """Write how a question is read, in the table's form."""
    try:
        question = read_any_question(text, pixels, able=able)
        if isinstance(question, FreeQuestion):
            question.check(writes=True)
    except StatusError as refusal:
        return refusal.code.name
    if isinstance(question, FreeQuestion):
        return "free"
    targets = (
        f"({point[0]:g}, {point[1]:g})" if isinstance(point, tuple) else str(point)
        for point in question.points
    )
    return " ".join(
        filter(
            None,
            (
                question.task.value,
                f"[{'; '.join(targets)}]",
                question.direction,
                "" if math.isnan(question.amount) else f"{question.amount:.6g}",
                "" if math.isnan(question.width_m) else f"width {question.width_m:.6g}",
                question.unit.replace("m", "", question.unit == "m"),
                "assumed" if question.assumed else "",
            ),
        )
    )


@pytest.mark.parametrize("line, expected", ROWS, ids=[row[0] for row in ROWS])
def test_a_phrasing_is_read_as_it_is_meant(line, expected):
    text = line.lstrip("@")
    assert reading(text, BESIDE[line[: len(line) - len(text)]]) == expected


def test_the_table_is_as_large_as_it_says():
    assert len(ROWS) >= 450 and len({row[0] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("line, expected", ROWS, ids=[row[0] for row in ROWS])
def test_without_grounding_no_named_thing_or_way_becomes_a_point(line, expected):
    """A model that finds nothing by name refuses; it never falls back to a point of the image."""
    text = line.lstrip("@")
    plain = reading(text, BESIDE[line[: len(line) - len(text)]], Able.POINTS)
    names_pixels_alone = all(
        part.strip("[ ").startswith(("(", "Rel", "image", "straight"))
        for part in expected[expected.find("[") : expected.find("]")].split(";")
    )
    if "[" in expected and names_pixels_alone:
        assert plain == expected
    elif "[" in expected:
        assert plain in ("BAD_QUESTION", "UNSUPPORTED", "free")
    else:
        assert plain in (expected, "BAD_QUESTION", "UNSUPPORTED", "free")
