"""Questions about free ways and gaps, told from their tagged words."""

import re

from depthlm_ros.language import phrases
from depthlm_ros.language.frame_words import check_passage, check_way
from depthlm_ros.language.kind import Kind
from depthlm_ros.status import Code, StatusError
from depthlm_ros.tasks import Task

_SIDE = re.compile(r"\b(left|right|ahead|forwards?)\b|<a>")


_WAY_TO_A_THING = re.compile(
    r"\b(?:to|towards?|of|for|past|around|under|at) (?:the|an?|my|our|your|that|this|these|those) "
    r"(?!(?:left|right|front|side|way|robot|camera|rear|back|road|nearest|closest|next|first|free|"
    r"most|path|corridor|obstacles?|objects?|things?|moment|time)\b)[a-z]"
)
_MARGIN = re.compile(
    r"\b(?:on|at) (?:each|either|every|both) sides?\b|\bto spare\b|\b(?:margin|clearance) of\b"
)


def read_way(rest: str, quantities) -> Kind | None:
    """Return the kind of a question about a free way, None for another."""
    if re.search(r"\bbetween\b", rest):
        return None
    task = (
        Task.FREEST
        if phrases.FREEST.search(rest)
        else Task.FREE_DISTANCE
        if phrases.WAY.search(rest)
        else None
    )
    if task is None:
        return None
    if quantities.speeds_m_s or quantities.times_s or quantities.lengths_m:
        raise StatusError(
            Code.UNSUPPORTED,
            "how far a way is free is measured as it is, without conditions: leave the quantity "
            "out",
        )
    if _WAY_TO_A_THING.search(rest):
        raise StatusError(
            Code.UNSUPPORTED,
            "free ways are measured ahead, left and right of the camera, not to a thing or beside "
            "one: ask how far it is, or the service check_clearance with a target",
        )
    check_way(rest, task is Task.FREEST)
    sides = {match[1] or "ahead" for match in _SIDE.finditer(rest)}
    sides = {"ahead" if side.startswith("forward") else side for side in sides}
    if task is Task.FREEST:
        return Kind(task, rest)
    if re.search(r"\b(?:up|down|above|below|upwards?|downwards?)\b", rest):
        raise StatusError(
            Code.UNSUPPORTED,
            "free ways are measured ahead, to the left and to the right: not up or down",
        )
    if len(sides) > 1:
        raise StatusError(
            Code.BAD_QUESTION, f"{' and '.join(sorted(sides))}: ask for one direction at a time"
        )
    return Kind(task, rest, direction=next(iter(sides), ""))


def read_passage(rest: str, quantities) -> Kind:
    """Return the kind of a question whether something passes between two targets, or how wide."""
    if quantities.speeds_m_s or quantities.times_s or len(quantities.lengths_m) > 1:
        raise StatusError(
            Code.BAD_QUESTION,
            "whether something fits between two things needs one width, as in '0.6 m wide'",
        )
    if _MARGIN.search(rest):
        raise StatusError(
            Code.UNSUPPORTED,
            "margins are not added here: give the whole width, as in '0.6 m wide', or ask the "
            "service check_clearance with its margin",
        )
    begin = re.search(r"\bbetween\b", rest).start()
    between = re.split(
        r"\b(?:with|if|for|when|given|assuming)\b|<n>|\bwide enough\b|\bbig enough\b",
        rest[begin:],
    )[0]
    check_passage(f"{rest[:begin]} , {rest[begin + len(between) :]}")
    return Kind(Task.PASSAGE, between, two=True)
