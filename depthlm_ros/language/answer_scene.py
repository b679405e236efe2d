"""From a typed question and one picture to an answer: things are found, then geometry measures.

``Scene`` is the picture with its depth and with the model that can name things in it; this module
decides what to look for, where to measure and what to say. Every number comes from depth at
checked pixels; a model's words tell only where.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.geometry.regions import gap_between_masks
from depthlm_ros.language import free_distance
from depthlm_ros.language.answer import Answer, answer_question, answered, refused, said_value
from depthlm_ros.language.boxes import Box
from depthlm_ros.language.grounding import Found, View, choose, find
from depthlm_ros.language.question import Question
from depthlm_ros.language.silhouette import inner_pixel, thing_mask
from depthlm_ros.language.things import Thing
from depthlm_ros.status import Code, StatusError
from depthlm_ros.tasks import OF_WAYS, Task

_EDGE_SHARE = 0.1
"""The outermost tenth of a thing, at whose depth its edge is taken."""
_BORDER_PX = 1.5
NAN = math.nan


class Scene(View, Protocol):
    """One picture that can be measured in."""

    depth_map: DepthMap | None
    """Of the picture; None for a model that is asked point by point."""
    rgb: np.ndarray | None
    """The picture of the depth map, uint8 (H, W, 3); None: it is not at hand."""
    camera: PinholeCamera
    """In whose pixels people ask, and ``read`` reads: of the picture as taken, lens and all."""
    body: free_distance.Body
    """Who asks for ways and gaps."""

    def read(self, pixels) -> list:
        """Return one reading (``answer_question``) a pixel (N, 2) as taken, in order."""

    def as_taken(self, pixel) -> tuple[float, float]:
        """Return the pixel as taken of a pixel of the rectified picture, in which boxes are."""


@dataclass(frozen=True)
class _Located:
    """A target with its pixel; ``found`` is None for a point."""

    pixel: tuple
    found: Found | None = None


def answer_scene(question: Question, scene: Scene, verify: bool = False) -> Answer:
    """Answer a typed question about a picture; ``verify``: look for named things twice.

    A refusal becomes an answer without a number, with its code: UNSUPPORTED, NOT_FOUND, AMBIGUOUS,
    NO_ANSWER, IMPLAUSIBLE from finding things, and the codes of the readings.
    """
    task = question.task
    try:
        if task in OF_WAYS:
            return free_distance.answer_way(question, _dense(scene), scene.body)
        if task in (Task.COUNT, Task.EXISTS):
            return _count(question, scene, verify)
        return _measured(question, scene, verify)
    except StatusError as refusal:
        return refused(refusal.code, refusal.text, task.value, task.unit)


def _dense(scene: Scene) -> DepthMap:
    if scene.depth_map is None:
        raise StatusError(
            Code.UNSUPPORTED,
            "this needs depth everywhere, and the model reads single points: ask for distances",
        )
    return scene.depth_map


def _count(question: Question, scene: Scene, verify: bool) -> Answer:
    """Say how many of a thing are found, or whether one is."""
    (thing,) = question.points
    try:
        boxes = find(scene, thing, verify)
    except StatusError as refusal:
        if refusal.code != Code.NOT_FOUND:
            raise
        boxes = []
    places = ", ".join("({:.0f}, {:.0f})".format(*box.centre) for box in boxes[:6])
    where = f": at {places}" if boxes else ""
    if _misses_things(scene):
        _check_incomplete(question, boxes, where)
    if question.task is Task.COUNT:
        said = f"{len(boxes)} of {thing.name!r} found{where}."
        value = float(len(boxes))
    else:
        said = f"{'Yes' if boxes else 'No'}, {len(boxes)} of {thing.name!r} found{where}."
        value = float(bool(boxes))
    return answered(question.task, (value, NAN, NAN), said, (), "language")


def _misses_things(scene: Scene) -> bool:
    return scene.form is not None and not scene.form.exhaustive


def _check_incomplete(question: Question, boxes: list, where: str) -> None:
    """Refuse what a model cannot tell that misses things: how many there are, and that none is."""
    name = question.points[0].name
    if question.task is Task.COUNT:
        raise StatusError(
            Code.UNSUPPORTED,
            f"this model misses things, so it cannot count them: {len(boxes)} of {name!r} "
            f"found{where}; load a model that finds all (DepthVLM, or a server: the parameter "
            "language_model)",
        )
    if not boxes:
        raise StatusError(
            Code.NOT_FOUND,
            f"no {name!r} is found in the picture, but this model misses things: one may be there",
        )


def _measured(question: Question, scene: Scene, verify: bool) -> Answer:
    """Answer about points and things: by readings at their pixels, or by their extent."""
    located = _locate_all(question, scene, verify)
    understood = "".join(f" Understood: {_told(t)}." for t in located if t.found)
    if understood and _misses_things(scene):
        understood += " This model misses things: there may be more of them."
    names = [t.found.thing.name if t.found else "" for t in located]
    readings = scene.read([t.pixel for t in located])
    boxes = [t.found.box for t in located if t.found]
    if question.task in (Task.HEIGHT, Task.WIDTH):
        masks = [thing_mask(_dense(scene), boxes[0], rgb) for rgb in (scene.rgb, None)]
        answer = _extent(question, _dense(scene), boxes[0], masks, names[0], readings)
    elif question.task is Task.PASSAGE and len(boxes) == 2 and scene.depth_map is not None:
        things = [thing_mask(scene.depth_map, box, scene.rgb) for box in boxes]
        answer = _gap(question, scene.depth_map, things, names, readings)
    else:
        answer = answer_question(question, readings, names)
    return replace(answer, sentence=answer.sentence + understood) if answer.success else answer


def _locate_all(question: Question, scene: Scene, verify: bool) -> list[_Located]:
    """Return where each target is. Things of one name are looked for once."""
    camera_pixels = replace_things(question).pixels(scene.camera)
    found: dict = {}
    located = []
    for point, pixel in zip(question.points, camera_pixels, strict=True):
        if not isinstance(point, Thing):
            located.append(_Located(pixel))
            continue
        key = (point.name, point.region, point.within)
        if key not in found:
            found[key] = find(scene, point, verify)
        chosen = choose(point, found[key], lambda box: _distance(scene, box))
        located.append(_Located(pixel_of(scene, chosen.box), chosen))
    boxes = [t.found.box for t in located if t.found]
    if len(boxes) == 2 and boxes[0] == boxes[1]:
        raise StatusError(
            Code.AMBIGUOUS, "both names mean the same thing in the picture: name two things"
        )
    return located


def _told(target: _Located) -> str:
    """Say what was taken for a thing: "door at (412, 188), one found"."""
    found, (u, v) = target.found, target.pixel
    count = "one found" if found.of == 1 else f"{found.of} found"
    return f"{found.thing} at ({u:.0f}, {v:.0f}), {count}"


def replace_things(question: Question) -> Question:
    """Return the question with a placeholder pixel for every thing."""
    points = tuple((NAN, NAN) if isinstance(p, Thing) else p for p in question.points)
    return replace(question, points=points)


def pixel_of(scene: Scene, box: Box) -> tuple[float, float]:
    """Return a pixel, as taken, well inside the thing that a box is around.

    The middle of the box where nothing has a depth: a chair's middle is often the wall behind it.
    """
    if scene.depth_map is None or box.area == 0:
        return scene.as_taken(box.centre)
    thing = thing_mask(scene.depth_map, box, scene.rgb)
    if not thing.any():
        return scene.as_taken(box.centre)
    return scene.as_taken(inner_pixel(scene.depth_map, thing, box))


def _distance(scene: Scene, box: Box) -> float:
    """Return the distance of what a box is around [m], NaN where it has no depth."""
    (reading,) = scene.read([pixel_of(scene, box)])
    return reading.distance_m if reading.code == Code.OK else NAN


def _extent(
    question: Question, depth_map: DepthMap, box: Box, masks: Sequence, name: str, readings
) -> Answer:
    """Return the height or width of a thing: between the box's edges, each at its own depth.

    ``masks``: which pixels of the box are the thing, bool (H, W), in more than one opinion; the
    interval holds what each of them would say, and how far its points reach in space.
    """
    task, camera = question.task, depth_map.camera
    tall = task is Task.HEIGHT
    ends = (box.top, box.bottom) if tall else (box.left, box.right)
    last = (camera.height if tall else camera.width) - 0.5
    if ends[0] < -0.5 + _BORDER_PX or ends[1] > last - _BORDER_PX:
        raise StatusError(
            Code.NO_ANSWER,
            f"the {name} reaches the edge of the picture: only a part of it is seen, which has no "
            f"{task.value}; step back",
        )
    if readings[0].code != Code.OK:
        return refused(readings[0].code, readings[0].text, task.value, task.unit, readings)
    spans = [_span(depth_map, mask, ends, tall) for mask in masks if mask.any()]
    value, ratio = spans[0][1], depth_map.ratio_90
    low = min(span[0] for span in spans) / ratio
    high = max(span[2] for span in spans) * ratio
    said = said_value(question, value, low, high)
    sentence = f"The {name} is {said} {'high' if tall else 'wide'}."
    source, interval = readings[0].source, depth_map.interval
    return answered(task, (value, low, high), sentence, readings, source, interval)


def _span(depth_map: DepthMap, mask: np.ndarray, ends, tall: bool) -> tuple:
    """Return (least, middle, most) extent [m] of a thing along y or x.

    The middle: between its box's edges, ``ends`` [px], each at the depth of the thing there. The
    others: whatever the depth at the two edges really is, and the reach of its points.
    """
    camera = depth_map.camera
    focal, centre = (camera.fy, camera.cy) if tall else (camera.fx, camera.cx)
    begin, end = (
        [(at - centre) / focal * z for z in _depths_at(depth_map, mask, at, tall, ends)]
        for at in ends
    )
    along, depth = np.nonzero(mask)[0 if tall else 1], depth_map.depth_m[mask]
    first, last = ((along + half - centre) / focal * depth for half in (-0.5, 0.5))
    reach = float(last.max() - first.min())
    least, most = min(end) - max(begin), max(end) - min(begin)
    return min(least, reach), end[1] - begin[1], max(most, reach)


def _depths_at(depth_map: DepthMap, front: np.ndarray, end: float, tall: bool, ends) -> list:
    """Return depths of a thing [m] near one edge of its box: 10th, 50th and 90th percentile."""
    along = np.arange(front.shape[0 if tall else 1])
    near = np.abs(along - end) <= max(2.0, _EDGE_SHARE * (ends[1] - ends[0]))
    chosen = front & (near[:, None] if tall else near[None, :])
    depth = depth_map.depth_m[chosen if chosen.any() else front]
    return [float(z) for z in np.percentile(depth, (10, 50, 90))]


def _gap(question: Question, depth_map: DepthMap, things, names, readings) -> Answer:
    """Return the gap between the facing sides of two things."""
    gap = gap_between_masks(depth_map, *things, split=False)
    task = question.task
    if gap.code != Code.OK:
        return refused(gap.code, gap.text, task.value, task.unit, readings)
    return answer_question(question, readings, names, (gap.distance_m, gap.low_m, gap.high_m))
