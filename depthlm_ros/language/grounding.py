"""Where a named thing is: a model says it, this checks it, and which one is meant is decided here.

A model is asked through ``View.ask`` alone and may answer what it likes; what leaves this module
is boxes inside the image, confirmed by a second look where that is wanted. No number of a reply is
ever taken for a measure.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from depthlm_ros.language import things
from depthlm_ros.language.boxes import Box, read_boxes
from depthlm_ros.language.frame_words import PREPOSITIONS
from depthlm_ros.language.names import MAX_NAME
from depthlm_ros.language.quantities import format_number
from depthlm_ros.language.things import PAIR, Thing
from depthlm_ros.models.base import GroundingForm
from depthlm_ros.sanitize import clean
from depthlm_ros.status import Code, StatusError

CONFIRMING_IOU = 0.5
"""Overlap of a box with that of a second look from which on both mean the same thing."""
MAX_SHOWN = 6


class View(Protocol):
    """One image, as far as finding and measuring things in it goes."""

    size: tuple[int, int]
    """Width and height of the image in whose pixels boxes are."""
    shown_size: tuple[int, int]
    """Width and height in which the model sees it."""
    form: GroundingForm | None
    """How its model is asked for boxes; None: it cannot be."""

    def ask(self, prompt: str, mirrored: bool = False) -> str:
        """Return what the model writes about the image, or about its mirror image."""

    def rectified(self, box: Box) -> Box:
        """Return the box in pixels of the image that is around one in those of the image as taken.

        Raises StatusError(OUT_OF_IMAGE) for one that is not inside the image.
        """


@dataclass(frozen=True)
class Found:
    """A thing that was found: its box, and its distance where one could be measured (else NaN)."""

    thing: Thing
    box: Box
    distance_m: float = float("nan")
    of: int = 1
    """How many of its name were found."""


def find(view: View, thing: Thing, verify: bool = False) -> list[Box]:
    """Return every box of a thing's name in the image, checked; in its region where it has one.

    ``verify``: only boxes that a second look, at the mirrored image, confirms.
    Raises StatusError: UNSUPPORTED where the model cannot find things, NOT_FOUND, and what
    ``read_boxes`` raises.
    """
    if thing.is_given:
        return [view.rectified(thing.within)]
    if view.form is None:
        raise StatusError(
            Code.UNSUPPORTED,
            f"this model cannot find named things such as {thing.name!r}: give the pixel, or load "
            "a model that can (DepthVLM, or a server: the parameter language_model)",
        )
    boxes = _boxes(view, thing.name, mirrored=False)
    if boxes and verify:
        again = [box.mirrored(view.size[0]) for box in _boxes(view, thing.name, mirrored=True)]
        sure = [box for box in boxes if any(box.iou(b) >= CONFIRMING_IOU for b in again)]
        if not sure:
            raise StatusError(
                Code.NOT_FOUND,
                f"no {thing.name!r} was found a second time in the mirrored picture: the first "
                f"look's {len(boxes)} cannot be relied on; give the pixel",
            )
        boxes = sure
    if not boxes:
        raise StatusError(Code.NOT_FOUND, f"no {thing.name!r} is found in the picture")
    inside = [box for box in boxes if _in_region(box, thing.region, view.size[0])]
    if not inside:
        raise StatusError(
            Code.NOT_FOUND,
            f"{len(boxes)} of {thing.name!r} found, none of them {_WHERE[thing.region]}",
        )
    return inside if thing.within is None else _inside(view, thing, inside)


def _inside(view: View, thing: Thing, boxes: list[Box]) -> list[Box]:
    """Return the boxes with their middle in the part of the image that the question is about."""
    part = view.rectified(thing.within)
    inside = [
        box
        for box in boxes
        if part.left <= box.centre[0] <= part.right and part.top <= box.centre[1] <= part.bottom
    ]
    if not inside:
        raise StatusError(
            Code.NOT_FOUND, f"{len(boxes)} of {thing.name!r} found, none of them in the region"
        )
    return inside


_WHERE = {"left": "on the left", "right": "on the right", "centre": "in the middle", "": "there"}
_SWAP = {"left": "right", "right": "left"}


def _boxes(view: View, name: str, mirrored: bool) -> list[Box]:
    if mirrored:  # "the box left of the table" is right of it there
        name = re.sub(r"\b(left|right)\b", lambda m: _SWAP[m[1]], name)
    prompt = view.form.prompt.format(name=singular(_quotable(name)))
    reply = view.ask(prompt, mirrored)
    return read_boxes(reply, *view.size, view.form.scale or view.shown_size)


_IRREGULAR = {
    "people": "person",
    "men": "man",
    "women": "woman",
    "children": "child",
    "feet": "foot",
    "mice": "mouse",
    "shelves": "shelf",
    "bookshelves": "bookshelf",
    "knives": "knife",
    "stairs": "stairs",
    "scissors": "scissors",
    "glasses": "glasses",
    "buses": "bus",
}


def singular(name: str) -> str:
    """Return a name with its head noun in the singular: "red chair" of "red chairs".

    Models of few words know one form of each.
    """
    words = name.split()
    at = next((i for i, w in enumerate(words) if i and w in PREPOSITIONS), len(words)) - 1
    word = words[at] if words else ""
    if word in _IRREGULAR:
        word = _IRREGULAR[word]
    elif word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif re.search(r"(?:x|ch|sh|ss)es$", word):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")) and "'" not in word:
        word = word[:-1]
    return " ".join([*words[:at], word, *words[at + 1 :]]) if words else name


def _quotable(name: str) -> str:
    """Return a name as words alone: it stands in a prompt and must not lead out of it."""
    return " ".join(re.findall(r"[^\W_]+(?:['-][^\W_]+)*", clean(name, MAX_NAME)))


def _in_region(box: Box, region: str, width: int) -> bool:
    """Return whether a box lies in a part of the image: a half, or the middle third."""
    if region == "centre":
        return box.left <= 2 * width / 3 and box.right >= width / 3
    centre = box.centre[0]
    return {"left": centre < (width - 1) / 2, "right": centre > (width - 1) / 2}.get(region, True)


def choose(
    thing: Thing, boxes: Sequence[Box], distance_of: Callable[[Box], float], size_of=None
) -> Found:
    """Return which of the boxes a thing means.

    ``distance_of``: of a box's foreground [m], NaN for none. ``size_of``: what "largest" goes by;
    None: the box's area times its squared distance. Raises StatusError(AMBIGUOUS), with the boxes
    and their distances, where the question does not say; NO_DEPTH where it says "nearest" and
    nothing has a depth.
    """
    if len(boxes) == 1 and thing.select not in PAIR:
        return Found(thing, boxes[0], distance_of(boxes[0]), 1)
    by_place = {
        things.LEFTMOST: lambda box: box.centre[0],
        things.RIGHTMOST: lambda box: -box.centre[0],
        things.TOPMOST: lambda box: box.centre[1],
        things.LOWEST: lambda box: -box.centre[1],
    }
    if thing.select in by_place:
        box = min(boxes, key=by_place[thing.select])
        return Found(thing, box, distance_of(box), len(boxes))
    if thing.select in PAIR and len(boxes) == 2:
        left, right = sorted(boxes, key=lambda box: box.centre[0])
        box = left if thing.select == PAIR[0] else right
        return Found(thing, box, distance_of(box), 2)
    distances = [distance_of(box) for box in boxes]
    if thing.select in (things.NEAREST, things.FARTHEST, things.LARGEST, things.SMALLEST):
        return _by_depth(thing, boxes, distances, size_of)
    raise _ambiguous(thing, boxes, distances)


def _by_depth(thing: Thing, boxes, distances, size_of) -> Found:
    """Return the extreme one; every candidate must have a depth, or it might be that one."""
    if not all(distance > 0 for distance in distances):
        raise StatusError(
            Code.NO_DEPTH,
            f"{len(boxes)} of {thing.name!r} found, not all with a depth: which is the "
            f"{thing.select} cannot be told; give the pixel",
        )
    size_of = size_of or (lambda box, distance: box.area * distance**2)
    values = {
        things.NEAREST: list(distances),
        things.FARTHEST: [-distance for distance in distances],
        things.LARGEST: [-size_of(b, d) for b, d in zip(boxes, distances, strict=True)],
        things.SMALLEST: [size_of(b, d) for b, d in zip(boxes, distances, strict=True)],
    }[thing.select]
    at = values.index(min(values))
    return Found(thing, boxes[at], distances[at], len(boxes))


def _ambiguous(thing: Thing, boxes, distances) -> StatusError:
    said = ", ".join(
        "({:.0f}, {:.0f})".format(*box.centre)
        + (f" at {format_number(distance)} m" if distance > 0 else "")
        for box, distance in list(zip(boxes, distances, strict=True))[:MAX_SHOWN]
    )
    more = f" and {len(boxes) - MAX_SHOWN} more" if len(boxes) > MAX_SHOWN else ""
    want = "two are needed" if thing.select in PAIR else "one is needed"
    return StatusError(
        Code.AMBIGUOUS,
        f"{len(boxes)} of {thing.name!r} found, {want}: {said}{more}; say the nearest, the left "
        "one, or give the pixel",
    )
