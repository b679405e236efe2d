"""Requests to point and to find, and the reply to them in Qwen3-VL's JSON.

The words of a request only choose a class; coordinates come from the thing head. Qualities ("red")
and words without a class are refused by name: what was never learnt must not count as absent.
"""

import json
import re
from dataclasses import dataclass

from depthlm_ros.models.base import COMPACT_BOXES
from depthlm_ros.models.compact.detections import Detection
from depthlm_ros.status import Code, StatusError

POINT = (
    "Point to the {}.",
    "Locate the {}, report point coordinates in JSON format.",
    "Where is the {}?",
)
"""Requests for a point, "{}" for the name."""
FIND_ALL = "Find all {}."
"""The request for boxes that takes the plural."""
FIND = (
    FIND_ALL,
    COMPACT_BOXES.prompt.replace("{name}", "{}"),
    "Locate the {}, report bbox coordinates in JSON format.",
)
"""Requests for boxes."""
_GRID = 1000


@dataclass(frozen=True)
class Request:
    """What is to be found: ``name`` as asked for; ``point``: a point on the surest, or all."""

    name: str
    point: bool


def read_request(prompt: str) -> Request | None:
    """Return what a prompt asks to point to or to find; None for any other prompt."""
    for point, templates in ((True, POINT), (False, FIND)):
        for template in templates:
            before, after = template.split("{}")
            found = re.fullmatch(f"{re.escape(before)}([^.,?]+){re.escape(after)}", prompt.strip())
            if found:
                return Request(found[1], point)
    return None


def classes_of(name: str, things: dict) -> list[int]:
    """Return the numbers of the classes that a name means: indices into ``things``.

    Several where one word means more than one class: a desk is a table too. Raises
    StatusError(UNSUPPORTED) for a name that is none of their words.
    """
    asked = " ".join(name.casefold().split())
    numbers = [number for number, words in enumerate(things.values()) if asked in words]
    if numbers:
        return numbers
    known = ", ".join(name for name, words in things.items() if words)
    near = next((w for words in things.values() for w in words if asked.endswith(f" {w}")), None)
    remedy = f"ask for the {near!r}" if near else f"it knows: {known}"
    raise StatusError(
        Code.UNSUPPORTED,
        f"this model has not learned to find {name!r}: {remedy}; or give the pixel",
    )


def write_reply(request: Request, found: list[Detection], width: int, height: int) -> str:
    """Return the JSON list of detections in a view of width x height, 0..1000 along each side."""
    sides = (width, height)
    if request.point:
        return json.dumps([_entry("point_2d", thing.point, sides, request) for thing in found[:1]])
    found = sorted(found, key=lambda thing: thing.box[0])
    return json.dumps([_entry("bbox_2d", thing.box, 2 * sides, request) for thing in found])


def _entry(key: str, values: tuple, sides: tuple, request: Request) -> dict:
    shares = (value / side for value, side in zip(values, sides, strict=True))
    at = [round(_GRID * min(1.0, max(0.0, share))) for share in shares]
    return {key: at, "label": request.name}
