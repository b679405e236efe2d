"""What a question is about: the points and the named things of a text, each read whole.

Works on the tagged text of ``language/pixel_references.py`` and ``language/quantities.py``. Every
word must belong to the question's frame or to the name of a thing: a word that is neither is never
dropped.
"""

import re
from dataclasses import dataclass

from depthlm_ros.language.boxes import Box
from depthlm_ros.language.frame_words import (
    DETERMINERS,
    LEAD,
    NOUNS_IN_ING,
    POINT_WORDS,
    PREPOSITIONS,
    TAIL,
)
from depthlm_ros.language.names import check_name
from depthlm_ros.language.pixel_references import CENTRE, STRAIGHT_AHEAD
from depthlm_ros.status import Code, StatusError

ONE, ALL = "one", "all"
NEAREST, FARTHEST = "nearest", "farthest"
LEFTMOST, RIGHTMOST, TOPMOST, LOWEST = "leftmost", "rightmost", "topmost", "lowest"
LARGEST, SMALLEST = "largest", "smallest"
PAIR = ("left of two", "right of two")
"""The two of "the two chairs": there must be two and no more."""
REGION = "region"
"""The name of what a given part of the image shows."""


class _Given:
    """A point that the text points at ("this point") and that came beside it."""

    def __repr__(self):
        return "GIVEN"


GIVEN = _Given()


@dataclass(frozen=True)
class Thing:
    """A thing that the question names.

    ``name``: the words that say what it is. ``select``: which one when there are several (ONE:
    there must be one only). ``region``: where in the image, "left", "right", "centre", or "" for
    anywhere. ``within``: a part of the image, in its pixels, that came beside the question.
    """

    name: str
    select: str = ONE
    region: str = ""
    within: Box | None = None

    @property
    def is_given(self) -> bool:
        """Whether it is what the given part of the image shows, and need not be found."""
        return self.within is not None and self.name == REGION

    def __str__(self):
        return " ".join(filter(None, (self.select.replace(ONE, ""), self.name, self.region)))


def region_thing(x: int, y: int, width: int, height: int) -> Thing:
    """Return what a part of the image shows, as a thing that came beside a question.

    ``x``, ``y``: its first column and row in the image as taken [px]. It goes among the pixels of
    ``read_question``. Raises StatusError(BAD_QUESTION) for one without a width or a height.
    """
    if not (width > 0 and height > 0):
        raise StatusError(
            Code.BAD_QUESTION,
            f"region of {width:g} x {height:g} px at ({x:g}, {y:g}): must have a width and a "
            "height, or be left out",
        )
    return Thing(REGION, within=Box(x - 0.5, y - 0.5, x + width - 0.5, y + height - 0.5))


_SELECT = {
    NEAREST: r"nearest|closest",
    FARTHEST: r"farthest|furthest|most distant|remotest",
    LEFTMOST: r"left-?most|left-?hand|left",
    RIGHTMOST: r"right-?most|right-?hand|right",
    TOPMOST: r"top-?most|upper-?most|highest|upper",
    LOWEST: r"lowest|bottom-?most|lower-?most|lower",
    LARGEST: r"largest|biggest|greatest",
    SMALLEST: r"smallest|littlest|tiniest",
}
_SELECT_RE = re.compile("|".join(f"(?P<{name}>{words})" for name, words in _SELECT.items()))
_IMAGE = r"(?:the |this |my )?(?:image|picture|photo(?:graph)?|frame|scene|view|screen)"
_SIDE = re.compile(
    rf"(?:,\s*)?\b(?:(?:that|which|who) (?:is|are) )?(?:on|at|to|in) (?:the |my |our )?"
    rf"(?:far )?(?P<side>left|right)"
    rf"(?:(?:-| )?hand)?(?: (?:side|half|part))?(?: (?:of|in) {_IMAGE})?\b"
    r"(?!-)(?! (?:of\b|(?!(?:is|are|and|or|than|from|to|in|at|on|away|as|please|now|of)\b)[a-z]))"
)
_IN_IMAGE = re.compile(
    rf"\b(?:visible |shown |seen )?(?:(?:in|on|within) {_IMAGE}|"
    r"(?:of|from) (?:the |this |my )?(?:image|photo(?:graph)?|frame|scene|view))"
    r"\b(?! (?:edge|border|corner|frame|on|of|above|over|behind|hanging|hung|that|which)\b)"
)
_RELATIONS = (
    (r"\bto the (left|right) of\b", r"\1-of"),
    (r"\b(left|right) of\b", r"\1-of"),
    (r"\b(next|close|near|closest|nearest|attached|connected|belonging|parallel) to\b", r"\1-to"),
    (r"\bin front of\b", "in-front-of"),
    (r"\bon top of\b", "on-top-of"),
    (r"\b(made|full|out) (of|from)\b", r"\1-\2"),
)
_HARMLESS_ORIGIN = frozenset("each other each-other here you us me now please".split())
"""Behind "from": one another, or the camera."""
_SPLIT = re.compile(
    r"((?<!-)\b(?:to|from|and|between|or|than|versus|vs|compared with|as well as|till|until|"
    r"plus)\b\.?|"
    r"(?<=> )(?:above|below|over|under|beneath|underneath|behind|left-of|right-of|in-front-of)"
    r"(?= (?:the|an?|my|our|this|that|<))|"
    r"\b(?:is|are)(?= (?:the|an?|my|your|our|this|that|these|those|<p>|<g>) ?)|"
    r"<n>|[,;:?!.\"()\[\]{}]+(?!\w)|[;:?!\"()\[\]{}])"
)
_WORD = re.compile(r"<[pcagn]>|[^\W\d_][\w'/&-]*|\d\w*")
_TAGS = {"<c>": CENTRE, "<a>": STRAIGHT_AHEAD, "<g>": GIVEN}


@dataclass(frozen=True)
class Phrase:
    """Words that name something, not yet taken for a thing: beside a pixel they are its label."""

    words: tuple
    region: str = ""

    @property
    def is_going(self) -> bool:
        """Whether it ends in a verb that goes on, as "the boy running" before "to the door"."""
        last = self.words[-1]
        return len(self.words) > 1 and last.endswith("ing") and last not in NOUNS_IN_ING

    @property
    def is_ourselves(self) -> bool:
        """Whether it is the camera or the robot that carries it."""
        return set(self.words) <= {"camera", "robot", "sensor", "lens", "viewer", "observer"}


@dataclass(frozen=True)
class Target:
    """A point, GIVEN or a Phrase, with the word that joins it to what came before ("" for none).

    ``alone``: nothing else was said of it.
    """

    item: object
    joint: str = ""
    alone: bool = True


def read_targets(rest: str, points) -> tuple[list[Target], list]:
    """Return the targets of tagged text in order: points of ``points``, GIVEN and Phrases.

    And its pieces, as ``frame_words.check_frame`` takes them.
    """
    waiting = iter(p for p in points if p not in (CENTRE, STRAIGHT_AHEAD))
    for pattern, joined in _RELATIONS:
        rest = re.sub(pattern, joined, rest)
    rest = _IN_IMAGE.sub(" ", rest)
    rest = _SIDE.sub(lambda m: f" <{m['side']}> ", rest)
    targets: list[Target] = []
    pieces = []
    joint = ""
    for index, piece in enumerate(_SPLIT.split(rest)):
        if index % 2:  # what joins the pieces on its two sides
            joint = piece if piece[0].isalpha() or piece == "<n>" else joint
            continue
        items = _items_of(piece, waiting)
        if joint == "from" and not items:
            _check_origin(piece)
        named = [word for item, _ in items if isinstance(item, Phrase) for word in item.words]
        pieces.append((piece, named))
        for item, alone in items:
            targets.append(Target(item, joint, alone))
            joint = ""
    return targets, pieces


def _check_origin(piece: str) -> None:
    """Refuse words behind "from" that name nothing: no model may leave them out either."""
    words = _WORD.findall(piece)
    if set(words) - _HARMLESS_ORIGIN:
        raise StatusError(
            Code.BAD_QUESTION,
            f"'from {' '.join(words)[:40]}' names no thing and no point: leave it out to ask for "
            "the distance from the camera, or name the thing",
        )


def _items_of(piece: str, waiting) -> list:
    """Return the (target, alone) of a piece between joints: its points, else its phrase."""
    side = re.search(r"<(left|right)>", piece)
    words = _WORD.findall(re.sub(r"<(?:left|right)>", " ", piece))
    tags = [word for word in words if word in ("<p>", "<c>", "<a>", "<g>")]
    name = _name([word for word in words if word[0] != "<"])
    firm = [next(waiting) if tag == "<p>" else GIVEN for tag in tags if tag in ("<p>", "<g>")]
    if firm:
        return [(point, name is None and side is None) for point in firm]
    if name is None:
        return [(_TAGS[tag], side is None) for tag in tags]
    region = side[1] if side else "centre" if tags else ""
    return [(Phrase(tuple(name), region), True)]


def _name(words: list[str]) -> list[str] | None:
    """Return the words of the noun phrase, from its first determiner or unknown word on."""
    begin = next(
        (i for i, word in enumerate(words) if word in DETERMINERS or word not in LEAD), None
    )
    if begin is None:
        return None
    end = len(words)
    while end > begin and words[end - 1] in TAIL:
        end -= 1
    words = words[begin:end]
    while words and words[0] in DETERMINERS:
        words = words[1:]
    while words and words[-1] in DETERMINERS:
        words = words[:-1]
    return words or None


def thing_of(phrase: Phrase) -> Thing:
    """Return the thing that a phrase names; StatusError(BAD_QUESTION) where it names none."""
    text = " ".join(phrase.words)
    match = _SELECT_RE.match(text)
    select, name = ONE, text
    if match and text[match.end() : match.end() + 1] in ("", " "):
        select, name = match.lastgroup, text[match.end() :].strip()
    elif phrase.words[0] in ("all", "both"):
        select, name = ALL, text.partition(" ")[2]
    name = re.sub(r"^(?:one of |of )?(?:the )?", "", name).removesuffix("'s")
    if not name or _head(name) in POINT_WORDS:
        raise NoThingError(text)
    check_name(name, text)
    for joined in ("in-front-of", "on-top-of"):
        name = name.replace(joined, joined.replace("-", " "))
    return Thing(re.sub(r"-(of|to|from)\b", r" \1", name), select, phrase.region)


def pair_of(phrase: Phrase) -> tuple | None:
    """Return the two things of "the two chairs" or "both chairs", None for another phrase."""
    many = phrase.words[0] in ("two", "2", "both") and len(phrase.words) > 1
    plural = phrase.words[-1].endswith("s") and not phrase.words[-1].endswith("ss")
    if not many and not plural:
        return None
    words = phrase.words[1 if many else 0 :]
    name = thing_of(Phrase(words, phrase.region)).name
    return tuple(Thing(name, select, phrase.region) for select in PAIR)


def _head(name: str) -> str:
    """Return the noun that a name turns on: the last word before a preposition."""
    before: list[str] = []
    for word in name.split():
        if before and (word in PREPOSITIONS or word in ("of", "at", "that", "which", "who")):
            break
        before.append(word)
    return before[-1]


class NoThingError(StatusError):
    """A superlative or a noun that names nothing to look for ("the nearest object")."""

    def __init__(self, words: str):
        super().__init__(Code.BAD_QUESTION, f"{words[:40]!r} names no thing and no point")
