"""Which points and things a question is about, in order: those in its text and those beside it."""

import contextlib
import re

from depthlm_ros.language.classify import with_two
from depthlm_ros.language.frame_words import check_frame, without_manner
from depthlm_ros.language.kind import Kind
from depthlm_ros.language.pixel_references import CENTRE, STRAIGHT_AHEAD
from depthlm_ros.language.question_checks import UnclearError
from depthlm_ros.language.things import (
    GIVEN,
    NoThingError,
    Phrase,
    pair_of,
    read_targets,
    thing_of,
)
from depthlm_ros.status import Code, StatusError
from depthlm_ros.tasks import ONE_POINT, Task

_BESIDE = re.compile(
    r"\b(?:next to|beside|near|close to|(?:left|right) of|in front of|above|below|over|beneath|"
    r"underneath) (?:the |this |that )?<[gp]>"
)
"""Words between a thing and a point beside which it is."""


_THIS = re.compile(
    r"\b(?:it(?= (?:is )?from\b)|here(?= *(?:to|from) (?!me\b|us\b))|"
    r"this(?= *(?:from|to|and|or|than|is)\b| *(?:,|\W*$))|"
    r"that(?= *(?:from|to|and|or|than)\b| *(?:,|\W*$)))"
)
"""Says "this" of the one point that was given."""
_JOINTS_OF_TWO = ("from", "than", "and", "between", "or", "plus")
_ONE_OF_TWO = frozenset("first second other one point pixel two them these those".split())


def points_of(kind: Kind, given: list, found: list) -> tuple[Task, list, bool]:
    """Return the task, its points and phrases in order, and whether a point was assumed.

    What came beside the question goes where the text points at it, else before the rest. Where
    there are pixels enough, the words are their labels.
    """
    rest = without_manner(kind.rest, kind.task)
    if len(given) == 1 and "<g>" not in rest:
        rest = _THIS.sub("<g>", rest, count=1)
    targets, pieces = read_targets(rest, found)
    check_frame(pieces, kind.task, kind.component)
    others = [t for t in targets if not (isinstance(t.item, Phrase) and t.item.is_ourselves)]
    two = kind.two
    if others and len(others) < len(targets):  # "the camera and this point"
        targets, two = others, two and len(others) > 1
    if len(targets) > 1 or given:  # "ahead" counts only where nothing else is meant
        targets = [t for t in targets if t.item is not STRAIGHT_AHEAD] or targets
    two = two or _joined(targets, kind)
    if two and len(targets) == 2 and targets[1].joint == "is":  # "how far above A is B"
        targets = targets[::-1]
    task = with_two(kind) if two else kind.task
    if (
        task.points == 2
        and len(targets) == 1
        and isinstance(targets[0].item, Phrase)
        and not given
    ):
        pair = pair_of(targets[0].item)
        if pair:
            return task, list(pair), False
    items = [t.item for t in targets]
    if not given and items == [GIVEN] and task.points == 1 and targets[0].alone:
        return task, [CENTRE], True
    return task, _placed(targets, task, kind, given), False


def _placed(targets: list, task: Task, kind: Kind, given: list) -> list:
    """Return the points and phrases in order, those given where the text points at them."""
    items = [t.item for t in targets]
    pointed = items.count(GIVEN)
    waiting = iter(given[len(given) - min(pointed, len(given)) :])
    placed = [next(waiting, None) if item is GIVEN else item for item in items]
    spare = given[: len(given) - min(pointed, len(given))]
    points = spare + [p for p in placed if p is not None]
    if not kind.ordered:
        points = given + [p for p in items if p is not GIVEN]
    if len(points) == 2 and (kind.swapped or _second_first(kind.rest, given)):
        points = points[::-1]
    pixels = [p for p in points if not isinstance(p, Phrase)]
    if len(pixels) < task.points and pointed <= len(given):
        return points
    if pointed <= len(given):
        _refuse_dropped(targets, given)
    return pixels


def refuse_beside(words: str, kind: Kind) -> None:
    """Refuse the distance of what is beside a point: the point's own is another."""
    if kind.component == "straight" and _BESIDE.search(words):
        raise UnclearError(
            Code.BAD_QUESTION,
            "a place beside a point is not that point: give the place's own pixel, or ask for the "
            "horizontal or vertical distance of two points",
        )


def _is_one_of_two(target, given: list) -> bool:
    """Tell whether a phrase is "the first point", where two were given."""
    return (
        len(given) == 2
        and isinstance(target.item, Phrase)
        and set(target.item.words) <= _ONE_OF_TWO
    )


def _check_label(phrase: Phrase) -> None:
    """Refuse words beside a point that could not be the name of what is there."""
    with contextlib.suppress(NoThingError):  # "the object": a point's own name
        thing_of(phrase)


def _refuse_dropped(targets: list, given: list) -> None:
    """Refuse a thing that is no label of a point, where the points given are enough.

    A label stands beside its point, with no more than a comma between them.
    """
    for before, target, behind in zip(
        [None, *targets], targets, [*targets[1:], None], strict=False
    ):
        if not isinstance(target.item, Phrase) or _is_one_of_two(target, given):
            continue
        follows = before and not isinstance(before.item, Phrase) and not target.joint
        leads = behind and not isinstance(behind.item, Phrase) and not behind.joint
        alone = len(targets) == 1 and target.joint not in _JOINTS_OF_TWO
        if follows or leads or alone:
            _check_label(target.item)
        else:
            words = " ".join(target.item.words)
            raise StatusError(
                Code.BAD_QUESTION,
                f"what {words[:40]!r} is to the point given is not understood: leave it out, or "
                "ask for the distance between the two",
            )


def _second_first(rest: str, given: list) -> bool:
    """Tell whether of two given points the text names the second one first."""
    second = re.search(
        r"\b(?:second|other)\b.*\b(?:than|from|of|to|below|above)\b.*\bfirst\b", rest
    )
    return len(given) == 2 and second is not None


def _joined(targets: list, kind: Kind) -> bool:
    """Tell whether the second target is what the first is measured from."""
    if len(targets) != 2 or kind.task not in ONE_POINT.values():
        return False
    first, second = (target.joint for target in targets)
    item = targets[0].item
    if second in ("to", "from") and isinstance(item, Phrase) and item.is_going:
        raise UnclearError(
            Code.BAD_QUESTION,
            f"{' '.join(item.words)[:40]!r} ... {second!r} is not understood as the name of one "
            "thing: ask in plain words, as in 'How far is the chair?'",
        )
    if second == "is":
        return first == "from" or kind.component in ("lateral", "vertical")
    if second in ("above", "below", "over", "under", "beneath", "left-of", "right-of"):
        return kind.component in ("lateral", "vertical")
    return second in ("from", "to", "than")
