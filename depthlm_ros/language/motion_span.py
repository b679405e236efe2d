"""Between which times a question asks for the camera's motion; what else it says is refused."""

import math
import re
from dataclasses import dataclass
from decimal import Decimal

from depthlm_ros.language.normalise import prepare
from depthlm_ros.sanitize import clean
from depthlm_ros.status import Code, StatusError

_DID_WE = (
    r"\bhow (?:far|much) (?:did|has|have) (?:the |this |my |our )?(?:camera|robot|i|we|you|it) "
    r"(?:just |now |already )?"
)
MOVED = re.compile(
    rf"{_DID_WE}(?:moved?|travell?(?:ed)?|drive|driven|go|gone|come|fly|flown)\b|"
    r"\b(?:what (?:is|was) )?(?:the )?(?:camera|ego)[ -]?(?:motion|movement|translation)\b"
)
_TURNED = re.compile(rf"{_DID_WE}(?:turn(?:ed)?|rotated?)\b")
_STAMP = r"(?P<{}>\d{{1,10}}(?:\.\d{{1,9}})?)"
_A, _B = _STAMP.format("a"), _STAMP.format("b")
_NAMED = r"(?P<named>(?:the )?(?:time ?)?stamps?|(?:the )?times?|t ?=)? ?"
_STAMPS = (
    re.compile(
        rf"\b(?:between|from) {_NAMED}{_A} (?:and|to|until) (?:(?:stamp|time) |t ?= ?)?{_B}\b"
    ),
    re.compile(rf"\bsince {_NAMED}{_A}\b"),
)
_EPOCH_S = 1e8
"""A number without a name from here on is a stamp; what is less may be anything."""
_LAST = re.compile(
    r"\b(?:in|over|during|within|for) (?:the |these )?(?:last|past|previous) <n>|"
    r"\b(?:since|from) <n> ago\b"
)
_LAST_UNIT = re.compile(
    r"\b(?:in|over|during|within|for) (?:the )?(?:last|past|previous) (?P<unit>second|minute)\b"
)
_UNITS_S = {"second": 1.0, "minute": 60.0}
_BEFORE = re.compile(
    r"\b(?:since|from) (?:then\b|(?:the |my |your )?(?:last|previous) (?:question|request|time)"
    r"(?: i asked)?\b|(?:the |my )?question before\b)|"
    r"\bbetween (?:the |these |both |my )*(?:two |2 |last two |last 2 )?(?:questions|requests)\b|"
    r"\bbetween (?:the |these |both )*(?:two |2 )?(?:images|pictures|photos)\b"
)
_HARMLESS = re.compile(
    r"\bin (?:m|metres?|meters?|cm|centimetres?|centimeters?|mm|km|feet|foot|ft|inch(?:es)?|"
    r"yards?|yd)\b|\b(?:so far|up to|until) ?(?:now)?\b|\b(?:was|is|about|roughly|approximately|"
    r"exactly|then)\b|[?!,;:]|\.(?!\d)"
)
HOW = (
    "ask 'How far has the camera moved?' (since the question before), '... in the last 2 s?' or "
    "'... between stamps 12.5 and 14.25?'"
)


@dataclass(frozen=True)
class MotionSpan:
    """Times of a motion. All zero and NaN: from the image of the question before to this one's.

    ``begin_ns``, ``end_ns``: stamps [ns], 0 where none is given: the end is then the image's
    stamp. ``seconds``: how long before the end it begins, NaN where a stamp says it.
    """

    begin_ns: int = 0
    end_ns: int = 0
    seconds: float = math.nan

    @property
    def is_given(self) -> bool:
        """Whether the question names any time."""
        return self.begin_ns > 0 or self.seconds > 0

    def times_ns(self, image_ns: int) -> tuple[int, int]:
        """Return begin and end [ns] of a given span; ``image_ns``: the asked image's stamp.

        StatusError(BAD_QUESTION) where it does not end after it begins.
        """
        end = self.end_ns or image_ns
        begin = self.begin_ns or end - round(self.seconds * 1e9)
        if not 0 < begin < end:
            raise StatusError(
                Code.BAD_QUESTION,
                f"the motion from {begin * 1e-9:.3f} to {end * 1e-9:.3f} s: must begin after 0 "
                f"and end after it has begun; the image's stamp is {image_ns * 1e-9:.3f} s",
            )
        return begin, end


def read_span(words: str, times_s: tuple) -> MotionSpan | None:
    """Return the times that a question about the camera's motion names; None: it is about else.

    ``words``: the question, lower case, with ``<n>`` for each quantity; ``times_s``: those of
    time. StatusError(BAD_QUESTION) for one that says more, such as a direction: without it it
    would be another question.
    """
    if _TURNED.search(words):
        raise StatusError(
            Code.UNSUPPORTED,
            "a turn is no distance: ask 'How far has the camera moved?', whose sentence tells the "
            "turn as well",
        )
    rest, count = MOVED.subn(" ", " ".join(words.split()), count=1)
    if not count:
        return None
    span, rest = _stamps(rest)
    if span is None and (found := _LAST.search(rest)) and len(times_s) == 1 and times_s[0] > 0:
        span, rest = MotionSpan(seconds=times_s[0]), _without(found, rest)
    if span is None and (found := _LAST_UNIT.search(rest)):
        span, rest = MotionSpan(seconds=_UNITS_S[found["unit"]]), _without(found, rest)
    if span is None and (found := _BEFORE.search(rest)):
        rest = _without(found, rest)
    left = " ".join(prepare(_HARMLESS.sub(" ", rest)).split())
    if left:
        seen = clean(left.replace("<n>", "..."), 60)
        raise StatusError(
            Code.BAD_QUESTION,
            f"{seen!r} is not understood in a question about the camera's motion: {HOW}",
        )
    return span or MotionSpan()


def _stamps(rest: str) -> tuple[MotionSpan | None, str]:
    """Return a span by stamps, and the words without it; ROS prints stamps as seconds."""
    for pattern in _STAMPS:
        found = pattern.search(rest)
        if found and (found["named"] or float(found["a"]) >= _EPOCH_S):
            words = found.groupdict()
            begin, end = (_nanoseconds(words.get(name)) for name in "ab")
            return MotionSpan(begin, end), _without(found, rest)
    return None, rest


def _nanoseconds(seconds: str | None) -> int:
    return int(Decimal(seconds) * 10**9) if seconds else 0


def _without(found: re.Match, words: str) -> str:
    return f"{words[: found.start()]} {words[found.end() :]}"
