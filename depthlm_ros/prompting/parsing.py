"""From a model's words to numbers, strictly: one in the right place, or none and the reason.

The published metric takes the last number of any text and counts negative answers as right; a
planner cannot. Here an answer is one non-negative finite decimal number, in the answer tags when
there are tags, else the only number of the sentence. Nothing is clamped or guessed; whether the
number is plausible is the caller's question.
"""

import math
import re
from dataclasses import dataclass, replace

from depthlm_ros.prompting.prompts import METRES, SECONDS, SPEED, Prompt
from depthlm_ros.sanitize import verbatim

_MAX_READ = 20000
_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_TAG = re.compile(r"</?(?:think|answer)>")
_NUMBER = re.compile(r"[-+−]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)")
_DECIMAL = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,12})?")
_RAY = re.compile(
    r"around ([0-9.]+) degrees to the (right|left), ([0-9.]+) degrees (above|below) and ([0-9.]+) "
    r"meters away"
)
_UNITS = {
    METRES: ("m", "meter", "meters", "metre", "metres"),
    SPEED: (
        "m/s",
        "meters per second",
        "metres per second",
        "meter per second",
        "metre per second",
    ),
    SECONDS: ("s", "second", "seconds"),
}
_FOREIGN = re.compile(
    r"\s*(cm|centi\w+|mm|milli\w+|km\S*|kilo\w+|ft|f[oe]{2}t|in|inch\w*|yards?|yd|miles?|mph|kph|"
    r"minutes?|min|hours?|h|degrees?|deg|percent|%|°|m/s|m|met(?:er|re)s?(?: per second)?|"
    r"s|seconds?)(?![\w/])",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class ParsedAnswer:
    """One number, or none with the reason.

    ``value``: in the prompt's unit, NaN when there is none. ``text``: the model's words, safe to
    publish. ``reason``: empty, or why there is no number.
    """

    value: float
    text: str
    reason: str = ""


@dataclass(frozen=True)
class ParsedRay:
    """A ray answer: degrees right and down (negative: left, up), metres; NaN with a reason."""

    right_deg: float
    down_deg: float
    distance_m: float
    text: str
    reason: str = ""


def parse_answer(text: str, unit: str = METRES) -> ParsedAnswer:
    """Read the one number of a reply in ``unit`` ("m", "m/s" or "s").

    Returns a ParsedAnswer whose value is NaN and whose reason says what is wrong when there is no
    number, more than one, a negative or non-finite one, one in another unit, or an answer that was
    cut short.
    """
    shown = verbatim(text)
    if len(text) > _MAX_READ:
        return ParsedAnswer(
            math.nan, shown, f"the reply has {len(text)} characters: more than {_MAX_READ}"
        )
    value, reason = _read(text, unit)
    return ParsedAnswer(value, shown, reason)


def _read(text: str, unit: str) -> tuple:
    if _TAG.search(text):
        answers = _ANSWER.findall(text)
        if len(answers) != 1 or text.count("<answer>") != 1 or text.count("</answer>") != 1:
            return math.nan, f"{len(answers)} complete answers in tags: must be one"
        number = answers[0].strip()
        for name in sorted(_UNITS[unit], key=len, reverse=True):
            if number.endswith(name):
                number = number.removesuffix(name).rstrip()
                break
        return _value(number)
    return _sentence(text, unit)


def _sentence(text: str, unit: str) -> tuple:
    numbers = list(_NUMBER.finditer(text))
    if len(numbers) != 1:
        return math.nan, f"{len(numbers)} numbers in the reply: must be one"
    found = numbers[0]
    before, after = text[: found.start()], text[found.end() :]
    rest = before + after
    if any(c.isnumeric() for c in rest):
        return math.nan, "the reply holds a numeral that is not a plain decimal number"
    if re.search(r"[\w.,/^]$", before) or re.match(r"[^\W_]*[/^×*]|[.,]?[0-9]|[eE][-+]", after):
        return (
            math.nan,
            f"{verbatim(found.group(), 20)!r} is part of another word, not a plain number",
        )
    foreign = _FOREIGN.match(after)
    if foreign and foreign.group(1).lower() not in _UNITS[unit]:
        return math.nan, f"the answer is in {foreign.group(1)}: must be in {unit}"
    if re.match(r"[^\W_]", after) and not foreign:
        return (
            math.nan,
            f"{verbatim(found.group(), 20)!r} is part of another word, not a plain number",
        )
    return _value(found.group())


def _value(number: str) -> tuple:
    if not _DECIMAL.fullmatch(number):
        return math.nan, f"{verbatim(number, 40)!r}: must be one non-negative decimal number"
    return float(number), ""


_DIVISION = re.compile(r"([0-9.]+) / ([0-9.]+) = ([0-9.]+) ?(?:m/s|s)\b")
_ROUNDING = 0.011
"""Both numbers of a division are rounded to two decimals."""


def parse_division(text: str, asked: Prompt) -> ParsedAnswer:
    """Read the reply to a prompt that divides: the answer, if the division before it holds.

    A value that is not the quotient of the distance and the given time or speed, within what
    rounding allows, is no answer: the model has not done what it says.
    """
    read = parse_answer(text, asked.unit)
    if read.reason:
        return read
    found = _DIVISION.findall(text[:_MAX_READ])
    if len(found) != 1:
        return replace(
            read, value=math.nan, reason=f"{len(found)} divisions in the reply: must be one"
        )
    values = [_value(number) for number in found[0]]
    if any(reason for _, reason in values):
        return replace(read, value=math.nan, reason="the division holds no plain numbers")
    distance, divisor, quotient = (value for value, _ in values)
    off = abs(distance / asked.given - quotient) if divisor == asked.given else math.inf
    if off > _ROUNDING or quotient != read.value:
        said = " / ".join(found[0][:2]) + f" = {found[0][2]}"
        return replace(
            read,
            value=math.nan,
            reason=f"{said!r}, answer {read.value:g}: it must divide by {asked.given:g}, rightly",
        )
    return read


def parse_ray(text: str) -> ParsedRay:
    """Read the paper's ray answer; every number must be a plain non-negative decimal."""
    shown = verbatim(text)
    found = _RAY.findall(text[:_MAX_READ])
    if len(found) != 1:
        return ParsedRay(
            math.nan,
            math.nan,
            math.nan,
            shown,
            f"{len(found)} ray answers in the reply: must be one",
        )
    right, side, down, height, distance = found[0]
    values = [_value(number) for number in (right, down, distance)]
    for _, reason in values:
        if reason:
            return ParsedRay(math.nan, math.nan, math.nan, shown, reason)
    (right, _), (down, _), (distance, _) = values
    return ParsedRay(
        right if side == "right" else -right, down if height == "below" else -down, distance, shown
    )
