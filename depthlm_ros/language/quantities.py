"""Numbers with units in English text: read into SI, written back for people."""

import math
import re
from dataclasses import dataclass

LENGTHS_M = {
    "m": 1.0,
    "meter": 1.0,
    "metre": 1.0,
    "cm": 0.01,
    "centimeter": 0.01,
    "centimetre": 0.01,
    "mm": 0.001,
    "millimeter": 0.001,
    "millimetre": 0.001,
    "km": 1000.0,
    "kilometer": 1000.0,
    "kilometre": 1000.0,
    "ft": 0.3048,
    "foot": 0.3048,
    "feet": 0.3048,
    "inch": 0.0254,
    "in": 0.0254,
    "yd": 0.9144,
    "yard": 0.9144,
    "mi": 1609.344,
    "mile": 1609.344,
}
TIMES_S = {
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "ms": 0.001,
    "msec": 0.001,
    "millisecond": 0.001,
    "min": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hour": 3600.0,
}
SPEEDS_M_S = {
    "mps": 1.0,
    "kmh": 1 / 3.6,
    "kph": 1 / 3.6,
    "mph": 0.44704,
    "fps": 0.3048,
    "kn": 1852 / 3600,
    "kt": 1852 / 3600,
    "knot": 1852 / 3600,
}
_WORDS = {
    "half a": 0.5,
    "half an": 0.5,
    "a": 1,
    "an": 1,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "twelve": 12,
    "fifteen": 15,
    "twenty": 20,
    "thirty": 30,
    "forty five": 45,
    "sixty": 60,
    "ninety": 90,
}

_ENDINGS = {"inch": "(?:es)?", "feet": "", "mps": "", "fps": "", "kmh": "", "kph": "", "mph": ""}
NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?"


def _plural(names) -> str:
    """Return an alternation of unit names, longest first, each with its plural."""
    return "|".join(
        name + _ENDINGS.get(name, "s?" if len(name) > 2 else "")
        for name in sorted(names, key=len, reverse=True)
    )


_LENGTH, _TIME, _SPEED = _plural(LENGTHS_M), _plural(TIMES_S), _plural(SPEEDS_M_S)
_NUMBER_WORD = "|".join(sorted(_WORDS, key=len, reverse=True))
_COUNT = rf"(?P<count>(?<![\w.]){NUMBER}|\b(?:{_NUMBER_WORD})\b)[ -]*"
_SPEED_RE = re.compile(
    _COUNT + rf"(?:(?P<alias>{_SPEED})|"
    rf"(?P<length>{_LENGTH})\s*(?:/|per\s+|an?\s+)\s*(?P<time>{_TIME}))\b"
)
_TIME_RE = re.compile(
    _COUNT + rf"(?P<time>{_TIME})\b(?! +(?:image|frame|picture|photo|point|pixel|one)\b)"
)
_LENGTH_RE = re.compile(_COUNT + rf"(?P<length>(?!in\b){_LENGTH})\b")
_BARE_LENGTH_RE = re.compile(
    rf"\b(?:in|how many|number of|unit(?:s)? of)\s+(?P<length>{_LENGTH})\b"
)


@dataclass(frozen=True)
class Quantities:
    """The quantities of a text in SI, in order, and the text with a tag for each."""

    speeds_m_s: tuple
    times_s: tuple
    lengths_m: tuple
    rest: str


def _factor(table: dict, name: str) -> float:
    for candidate in (name, name[:-1], name[:-2]):
        if candidate in table:
            return table[candidate]
    raise KeyError(name)


def _count(text: str) -> float:
    return float(_WORDS[text]) if text in _WORDS else float(text)


def read_quantities(text: str) -> Quantities:
    """Find speeds, times and lengths in lower-case text ("2 minutes and 5 s": two times)."""
    speeds, times, lengths = [], [], []

    def speed(match):
        if match["alias"]:
            factor = _factor(SPEEDS_M_S, match["alias"])
        else:
            factor = _factor(LENGTHS_M, match["length"]) / _factor(TIMES_S, match["time"])
        speeds.append(_count(match["count"]) * factor)
        return " <n> "

    def time(match):
        times.append(_count(match["count"]) * _factor(TIMES_S, match["time"]))
        return " <n> "

    def length(match):
        lengths.append(_count(match["count"]) * _factor(LENGTHS_M, match["length"]))
        return " <n> "

    text = _SPEED_RE.sub(speed, text)
    text = _TIME_RE.sub(time, text)
    text = _LENGTH_RE.sub(length, text)
    return Quantities(tuple(speeds), tuple(times), tuple(lengths), text)


def wanted_length_unit(text: str) -> str:
    """Return the length unit that lower-case text asks for ("in feet", "how many cm"), or "m"."""
    match = _BARE_LENGTH_RE.search(text)
    if match is None or match["length"] == "in":
        return "m"
    factor = _factor(LENGTHS_M, match["length"])
    short = {
        1.0: "m",
        0.01: "cm",
        0.001: "mm",
        1000.0: "km",
        0.3048: "ft",
        0.0254: "in",
        0.9144: "yd",
        1609.344: "mi",
    }
    return short[factor]


def format_number(value: float) -> str:
    """Write a number for people: three significant digits, at least two decimals below 100."""
    if not math.isfinite(value):
        return "unknown"
    if value == 0 or 0.1 <= abs(value) < 100:
        return f"{value:.2f}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
