"""The kinds of model options: a word, a flag, a number, a marker; how each is read and written."""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from numbers import Integral

from depthlm_ros.prompting.marker import SHAPES, Marker
from depthlm_ros.status import Code, StatusError

_SHOWN = 80


@dataclass(frozen=True)
class Option(ABC):
    """One option: ``of`` says which families have it, ``says`` what it does.

    ``by_text``: False where Python alone may set it. ``none``: the word for a default of None
    (not set). ``read`` takes a value of the option's own
    type, or the text that a person writes for it, and raises StatusError for anything else.
    """

    name: str
    default: object
    families: tuple
    help: str
    by_text: bool = True
    none: str = "none"

    @property
    @abstractmethod
    def values(self) -> str:
        """What may be written, in a few words."""

    @abstractmethod
    def _read(self, value):
        """Return a value that is not None by default; raises StatusError."""

    def read(self, value):
        """Return the value in the option's own type; raises StatusError(MODEL_NOT_READY)."""
        word = isinstance(value, str) and value.lower() == self.none
        if self.default is None and (value is None or word):
            return None
        return self._read(value)

    def text_of(self, value) -> str:
        """Return how a value is written."""
        return self.none if value is None else str(value).lower()

    def _or_none(self) -> str:
        return f", {self.none}" if self.default is None else ""

    def refusal(self, value, rule: str) -> StatusError:
        """Return the refusal of a value for breaking a rule."""
        return StatusError(
            Code.MODEL_NOT_READY, f"model option {self.name} = {shorten(value)}: {rule}"
        )


@dataclass(frozen=True)
class Choice(Option):
    """A word out of ``choices``."""

    choices: tuple = ()

    @property
    def values(self) -> str:
        """The words."""
        return ", ".join(self.choices)

    def _read(self, value) -> str:
        if not isinstance(value, str) or value not in self.choices:
            raise self.refusal(value, f"must be one of {self.values}")
        return str(getattr(value, "value", value))  # a word of an Enum is that word


@dataclass(frozen=True)
class Flag(Option):
    """True or false."""

    @property
    def values(self) -> str:
        """The words."""
        return "true, false" + self._or_none()

    def _read(self, value) -> bool:
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if not isinstance(value, bool):
            raise self.refusal(value, f"must be one of {self.values}")
        return value


@dataclass(frozen=True)
class Count(Option):
    """A whole number from ``low`` to ``high`` in ``unit``."""

    low: int = 1
    high: int = 2**40
    unit: str = ""

    @property
    def values(self) -> str:
        """The range."""
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.low} to {self.high}{unit}{self._or_none()}"

    def _read(self, value) -> int:
        if isinstance(value, str):
            value = int(value) if re.fullmatch(r"-?\d{1,18}", value, re.ASCII) else value
        whole = isinstance(value, Integral) and not isinstance(value, bool)
        if not whole or not self.low <= value <= self.high:
            raise self.refusal(value, f"must be a whole number, {self.values}")
        return int(value)


@dataclass(frozen=True)
class MarkerOption(Option):
    """A marker, as text ``SHAPE:LENGTH:STROKE:COLOUR``; what is left out at the end is usual."""

    @property
    def values(self) -> str:
        """The form."""
        return "SHAPE:LENGTH:STROKE:RRGGBB"

    def text_of(self, value: Marker) -> str:
        """Write a marker, as in arrow:5:1:ff0000."""
        return f"{value.shape}:{value.length_px}:{value.thickness_px}:{bytes(value.colour).hex()}"

    def read(self, value) -> Marker:
        """Return a marker; None is the usual one, as in the class."""
        return self.default if value is None else self._read(value)

    def _read(self, value) -> Marker:
        if isinstance(value, Marker):
            return self._whole(value)
        if not isinstance(value, str):
            raise self.refusal(value, self._rule())
        return self._of_text(value)

    def _of_text(self, text: str) -> Marker:
        parts = text.split(":")
        kinds = (r"[a-z]+", r"\d{1,4}", r"\d{1,4}", r"#?[0-9a-fA-F]{6}")
        if len(parts) > len(kinds) or not all(map(re.fullmatch, kinds, parts)):
            raise self.refusal(text, self._rule())
        names = ("shape", "length_px", "thickness_px", "colour")
        read = (str, int, int, lambda word: tuple(bytes.fromhex(word.removeprefix("#"))))
        values = {
            name: families(part) for name, families, part in zip(names, read, parts, strict=False)
        }
        try:
            return replace(self.default, **values)
        except StatusError as refusal:
            raise self.refusal(text, f"{refusal.text}, as in arrow:20:3:ff0000") from refusal

    def _whole(self, marker: Marker) -> Marker:
        """Refuse a Marker that Python let be made and nobody can draw."""
        colour = list(marker.colour) if hasattr(marker.colour, "__iter__") else []
        numbers = (marker.length_px, marker.thickness_px, *colour)
        whole = all(isinstance(n, Integral) for n in numbers)
        if not whole or len(colour) != 3 or not all(0 <= n <= 255 for n in colour):
            raise self.refusal(marker, "lengths must be whole px, the colour three of 0 to 255")
        return marker

    def _rule(self) -> str:
        return (
            f"must be {self.values} with a shape of {', '.join(SHAPES)}, lengths in px and a "
            "colour in hexadecimal, as in arrow:20:3:ff0000 or arrow:20:3"
        )


def shorten(value) -> str:
    """Return a value as a message shows it, cut where it is long."""
    shown_value = repr(value)
    return shown_value if len(shown_value) <= _SHOWN else f"{shown_value[:_SHOWN]}..."
