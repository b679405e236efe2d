"""Units of length, time and speed as people write them, in SI. Tables only."""

LENGTHS_M = {
    "m": 1.0,
    "meter": 1.0,
    "metre": 1.0,
    "cm": 0.01,
    "centimeter": 0.01,
    "centimetre": 0.01,
    "dm": 0.1,
    "decimeter": 0.1,
    "decimetre": 0.1,
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
    "day": 86400.0,
}
SPEEDS_M_S = {
    "mps": 1.0,
    "kmh": 1 / 3.6,
    "kmph": 1 / 3.6,
    "kph": 1 / 3.6,
    "mph": 0.44704,
    "fps": 0.3048,
    "kn": 1852 / 3600,
    "kt": 1852 / 3600,
    "knot": 1852 / 3600,
}
SHORT = {
    1.0: "m",
    0.1: "dm",
    0.01: "cm",
    0.001: "mm",
    1000.0: "km",
    0.3048: "ft",
    0.0254: "in",
    0.9144: "yd",
    1609.344: "mi",
}
"""Metres in a unit of length -> its symbol."""
_ENDINGS = {"inch": "(?:es)?", "feet": "", "foot": ""} | dict.fromkeys(SPEEDS_M_S, "")
_ENDINGS["knot"] = "s?"


def any_of(names) -> str:
    """Return an alternation of unit names, longest first, each with its plural."""
    return "|".join(
        name + _ENDINGS.get(name, "s?" if len(name) > 2 else "")
        for name in sorted(names, key=len, reverse=True)
    )


def factor(table: dict, name: str) -> float:
    """Return what a unit of a table is worth, its plural too; KeyError for none."""
    for candidate in (name, name[:-1], name[:-2]):
        if candidate in table:
            return table[candidate]
    raise KeyError(name)
