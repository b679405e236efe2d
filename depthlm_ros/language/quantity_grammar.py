"""The grammar of one quantity in English: digits, number words, fractions, sums, units.

It reads a whole run of words or nothing; which runs are given to it is
``language/quantities.py``'s.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from lark import Lark, Transformer
from lark.exceptions import LarkError

from depthlm_ros.language.unit_tables import LENGTHS_M, SPEEDS_M_S, TIMES_S, any_of, factor

ONES = {
    word: i for i, word in enumerate("one two three four five six seven eight nine".split(), 1)
}
TEENS = {
    word: i
    for i, word in enumerate(
        "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split(),
        10,
    )
}
TENS = {
    word: 10 * i
    for i, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)
}
_PARTS = {"half": 2, "third": 3, "quarter": 4, "fifth": 5, "tenth": 10}
VAGUE = "couple|few|several|dozens?|hundreds|thousands|millions?|billions?"
"""Words for numbers that are no number."""
DIGITS = r"(?:\d+(?:[.,]\d+)*|\.\d+)(?:e[-+]?\d+)?"
_END = r"(?![a-z])"
_GRAMMAR = rf"""
start: amount (_AND? amount)*
amount: number _DASH? unit -> measured
      | (_DASH | _MINUS) number _DASH? unit -> negative
      | _PLUS number _DASH? unit -> measured
      | _A unit -> one
      | _A unit _AND _A PART -> one_and_part
unit: SPEED | TIME | LENGTH
    | (LENGTH | INCH) (_PER | _A) TIME -> ratio
    | LENGTH _PER_SECOND -> a_second
?number: DIGITS -> digits
       | DIGITS "/" DIGITS -> fraction
       | DIGITS DIGITS "/" DIGITS -> mixed
       | DIGITS _AND _A? PART -> with_part
       | cardinal
       | cardinal _AND _A? PART -> with_part
       | small _POINT digit+ -> decimal
       | _A? PART (_OF? _A)? -> part
       | ONES PART (_OF _A)? -> parts
cardinal: small | (ONES | _A) HUNDRED (_AND? small)? -> hundreds
        | (small | _A) THOUSAND -> thousands
?small: ONES | TEENS | ZERO | TENS (_DASH? ONES)? -> tens
?digit: ONES | ZERO
DIGITS: /{DIGITS}/
SPEED.3: /(?:{any_of(SPEEDS_M_S)}){_END}/
TIME.2: /(?:{any_of(TIMES_S)}){_END}/
LENGTH.2: /(?!in{_END})(?:{any_of(LENGTHS_M)}){_END}/
INCH: /in{_END}/
_PER.2: "/" | /(?:per|each|every){_END}/
_PER_SECOND.3: /s\^-1/
_DASH: "-"
_PLUS: "+"
_MINUS.2: /minus{_END}/
_AND.2: /and{_END}/
_OF.2: /of{_END}/
_POINT.2: /point{_END}/
_A.2: /an?{_END}/
ZERO.2: /(?:zero|nought){_END}/
ONES.2: /(?:{"|".join(ONES)}){_END}/
TEENS.3: /(?:{"|".join(TEENS)}){_END}/
TENS.3: /(?:{"|".join(TENS)}){_END}/
PART.2: /(?:half|(?:third|quarter|fifth|tenth)s?){_END}/
HUNDRED.2: /hundred{_END}/
THOUSAND.2: /thousand{_END}/
%ignore " "
"""


@dataclass(frozen=True)
class _Unit:
    """What is measured ("speed", "time", "length") and its size in SI."""

    kind: str
    size: float


@dataclass(frozen=True)
class Amount:
    """A quantity: its kind, its value in SI, the size of the unit that it was written in."""

    kind: str
    value: float
    size: float


def read_decimal(text: str) -> float:
    """Return the value of digits as people write them in English text.

    "1,500" is 1500 (groups of three after a comma); "0,5", "1,25" and "0,500" have a decimal
    comma. Raises ValueError for what is neither ("1.000.000", "1,00,000").
    """
    digits, _, exponent = text.partition("e")
    if re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?", digits):
        digits = digits.replace(",", "")
    elif re.fullmatch(r"\d+,\d+", digits):
        digits = digits.replace(",", ".")
    return float(f"{digits}e{exponent or 0}")


def _part(token) -> float:
    name = str(token)
    return 1.0 / _PARTS[name if name in _PARTS else name[:-1]]


def _word(token) -> float:
    """Return the value of a number word, or a number that is one already."""
    words = {**ONES, **TEENS, **TENS, "zero": 0, "nought": 0}
    return float(token if isinstance(token, float) else words[str(token)])


class _ToSI(Transformer):
    """What each rule of the grammar is worth; a method a rule, its children as a list."""

    def start(self, amounts):
        return list(amounts)

    def measured(self, children):
        number, unit = children
        return Amount(unit.kind, number * unit.size, unit.size)

    def negative(self, children):
        number, unit = children
        return Amount(unit.kind, -number * unit.size, unit.size)

    def one(self, children):
        return self.measured([1.0, *children])

    def one_and_part(self, children):
        unit, part = children
        return self.measured([1.0 + _part(part), unit])

    def unit(self, children):
        (name,) = children
        kind, table = {
            "SPEED": ("speed", SPEEDS_M_S),
            "TIME": ("time", TIMES_S),
            "LENGTH": ("length", LENGTHS_M),
        }[name.type]
        return _Unit(kind, factor(table, str(name)))

    def ratio(self, children):
        length, time = map(str, children)
        return _Unit("speed", factor(LENGTHS_M, length) / factor(TIMES_S, time))

    def a_second(self, children):
        return _Unit("speed", factor(LENGTHS_M, str(children[0])))

    def digits(self, children):
        return read_decimal(str(children[0]))

    def fraction(self, children):
        above, below = (read_decimal(str(child)) for child in children)
        return above / below

    def mixed(self, children):
        return read_decimal(str(children[0])) + self.fraction(children[1:])

    def with_part(self, children):
        whole, part = children
        return (whole if isinstance(whole, float) else read_decimal(str(whole))) + _part(part)

    def part(self, children):
        return _part(children[0])

    def parts(self, children):
        return _word(children[0]) * _part(children[1])

    def decimal(self, children):
        whole, *digits = map(_word, children)
        return float(f"{whole:.0f}." + "".join(f"{digit:.0f}" for digit in digits))

    def tens(self, children):
        return sum(map(_word, children))

    def cardinal(self, children):
        return _word(children[0])

    def hundreds(self, children):
        words = [child for child in children if getattr(child, "type", "") != "HUNDRED"]
        more = (
            [_word(word) for word in words[1:]]
            if str(children[0]) != "hundred"
            else [_word(word) for word in words]
        )
        first = 1.0 if str(children[0]) == "hundred" else _word(words[0])
        return 100.0 * first + sum(more)

    def thousands(self, children):
        return 1000.0 * (1.0 if len(children) == 1 else _word(children[0]))


@lru_cache(maxsize=1)
def _grammar() -> Lark:
    return Lark(_GRAMMAR, parser="lalr")


def parse(span: str) -> list[Amount]:
    """Read a run of words as one quantity or a sum; ValueError where it is none."""
    try:
        amounts = _ToSI().transform(_grammar().parse(span))
    except (LarkError, ArithmeticError) as error:
        raise ValueError(f"{span!r} is not a quantity") from error
    return amounts
