"""Numbers with units in English text: read whole into SI or refused, written back for people.

A run of words that can belong to a quantity ("2 to 3 s", "one and a half m/s") is taken in full
and given to a grammar; what the grammar does not know is refused with the words themselves, so
that no part of a quantity is ever read for the whole.
"""

import math
import re
import unicodedata
from dataclasses import dataclass

from depthlm_ros.language.quantity_grammar import DIGITS, ONES, TEENS, TENS, VAGUE, Amount, parse
from depthlm_ros.language.unit_tables import LENGTHS_M, SHORT, SPEEDS_M_S, TIMES_S, any_of, factor
from depthlm_ros.status import Code, StatusError

NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?"
"""A plain decimal number, as in a pixel reference."""
_UNIT = "|".join((any_of(SPEEDS_M_S), any_of(TIMES_S), rf"(?!in\b)(?:{any_of(LENGTHS_M)})"))
_NUMBER_WORD = "|".join((*ONES, *TEENS, *TENS, "zero", "nought", "hundred", "thousand"))
_UNIT_TOKEN = rf"(?:{_UNIT})\b(?! +(?:image|frame|picture|photo|point|pixel|one|thing)s?\b)"
_TOKEN = re.compile(
    rf" *(?:(?P<number>(?<![\w.]){DIGITS}(?!\d)|\b(?:{_NUMBER_WORD}|halves|half|{VAGUE}|"
    rf"(?:third|quarter|fifth|tenth)s?)\b|\ban?\b)|"
    rf"(?P<unit>(?:(?<=\d)|(?<=\d-)|\b){_UNIT_TOKEN}|(?:(?<=\d)|(?<=\d )|(?<=\d-))in(?= ?(?:/|"
    rf"per\b|an? ?(?:{any_of(TIMES_S)})\b)))|"
    r"(?P<joint>[-+/^*×·±~]+|\.\.+|\b(?:to|or|and|per|each|every|of|point|plus|minus|till|until|"
    r"by|"
    r"times)\b|[,:](?= *\d)))"
)
_BARE_LENGTH_RE = re.compile(
    rf"\b(?:in|how many|number of|unit(?:s)? of)\s+(?P<length>{any_of(LENGTHS_M)})\b"
)
_IN_PIXELS = re.compile(
    r"\b(?:point|away|far|distance|depth|it|there)s? in (?:px|pixels)\b|"
    r"[)\]>]\s+in (?:px|pixels)\b"
)
_OTHER_UNIT_RE = re.compile(
    r"(?:\b(?:distance|depth|range|separation|far|here|there|point|this|it|away)|[)\]>]) in "
    r"(?!(?:degrees|radians|seconds|images|pictures|photos|terms|less|this)\b)([a-z]{2,}s)\b"
    r"(?! of\b)"
)


@dataclass(frozen=True)
class Quantities:
    """The quantities of a text in SI, in order, and the text with a tag for each.

    The parts of a sum ("2 minutes and 5 s") are one quantity.
    """

    speeds_m_s: tuple
    times_s: tuple
    lengths_m: tuple
    rest: str


def spell_out(text: str) -> str:
    """Write fraction signs, raised digits and dashes in plain characters: ½ is 1/2, ² is ^2.

    Comes before NFKC, which would make 11⁄2 of 1½ and 102 of 10².
    """
    text = text.replace("⁄", "/")
    for dash in "‐‑‒–—−":
        text = text.replace(dash, "-")
    text = re.sub(r"[⁻⁺⁰¹²³⁴-⁹]+", lambda m: "^" + unicodedata.normalize("NFKC", m[0]), text)
    return "".join(
        " " + unicodedata.normalize("NFKC", c).replace("⁄", "/")
        if unicodedata.decomposition(c).startswith("<fraction>")
        else c
        for c in text
    ).replace("^−", "^-")


def _spans(text: str):
    """Yield (start, end) of every run of words that can belong to a quantity and has a unit."""
    at = 0
    while match := _TOKEN.search(text, at):
        begin, at = match.start(), match.end()
        if match["unit"]:
            continue
        end, has_unit, has_number = at, False, bool(match["number"])
        while following := _TOKEN.match(text, at):
            at = following.end()
            if following["unit"] or (has_unit and following["number"] not in (None, "a", "an")):
                end, has_unit = at, has_unit or bool(following["unit"])
            has_number = has_number or bool(following["number"])
        if has_unit and has_number:
            at = end
            yield begin, end


def _trimmed(span: str) -> str:
    """Drop joints and articles that begin a run and belong to the sentence, not to the number."""
    span = span.strip()
    while match := re.match(
        r"(?:(?:to|or|and|of|by|per|each|every|until|till|point|times)\b|[,:]|an? (?=\d)) *", span
    ):
        span = span[match.end() :]
    return span


_AFTER = re.compile(r" *(?:[/^*·×%°]|(?:per|squared?|cubed?)\b|[-.,:]\d)")
_KINDS = {"speed": "speeds", "time": "times", "length": "lengths"}
_HOW = "write one number with its unit, as in '2.5 s' or '0.5 m/s'"


def _read(span: str, before: str, after: str) -> Amount:
    """Return the one quantity of a run of words; StatusError(BAD_QUESTION) where it is not one."""
    tail = _AFTER.match(after)
    if tail or re.search(r"\b(?:in|within|at|for|by|of|with) +point *$", before):
        span_text = f"{span}{after[: tail.end()] if tail else ''}"
        raise StatusError(
            Code.BAD_QUESTION, f"{span_text!r} cannot be read as one quantity: {_HOW}"
        )
    try:
        amounts = parse(span)
    except ValueError as error:
        raise StatusError(Code.BAD_QUESTION, _why_not(span)) from error
    kind = amounts[0].kind
    sizes = [amount.size for amount in amounts]
    falling = all(a > b for a, b in zip(sizes, sizes[1:], strict=False))
    one_sum = falling and kind != "speed" and all(a.value >= 0 for a in amounts[1:])
    if len({a.kind for a in amounts}) > 1 or (len(amounts) > 1 and not one_sum):
        raise StatusError(
            Code.BAD_QUESTION,
            f"{span!r} states {len(amounts)} {_KINDS[kind]}: give one; {_HOW}",
        )
    return Amount(kind, math.fsum(a.value for a in amounts), min(sizes))


def _why_not(span: str) -> str:
    """Say what is wrong with a run of words that is not one quantity."""
    pieces = re.split(r" *(?:\b(?:or|to|till|until)\b|\.\.+) *", span)
    try:
        kinds = {parse(piece)[0].kind for piece in pieces}
    except ValueError:
        kinds = set()
    if len(pieces) > 1 and len(kinds) == 1:
        return f"{span!r} states {len(pieces)} {_KINDS[kinds.pop()]}: give one; {_HOW}"
    return f"{span!r} cannot be read as one quantity: {_HOW}"


def read_quantities(text: str) -> Quantities:
    """Find speeds, times and lengths in lower-case text, each read whole.

    Raises StatusError(BAD_QUESTION), which names the words, for a range, a choice, a vague number,
    a power, an unknown compound unit and whatever else is not one quantity.
    """
    found: dict[str, list] = {kind: [] for kind in _KINDS}
    rest, at = "", 0
    for begin, end in _spans(text):
        span = _trimmed(text[begin:end])
        begin = end - len(span)
        amount = _read(span.strip(), text[at:begin], text[end:])
        found[amount.kind].append(amount.value)
        rest, at = f"{rest}{text[at:begin]} <n> ", end
    return Quantities(*(tuple(found[kind]) for kind in _KINDS), rest + text[at:])


def wanted_length_unit(text: str) -> str:
    """Return the length unit that lower-case text asks for ("in feet", "how many cm"), or "m".

    Raises StatusError(BAD_QUESTION) for a unit that is none of length ("in bananas").
    """
    if _IN_PIXELS.search(text):
        raise StatusError(
            Code.BAD_QUESTION,
            "distances are not in pixels: ask in metres, centimetres, feet, inches or yards",
        )
    match = _BARE_LENGTH_RE.search(text)
    if match is None or match["length"] == "in":
        if other := _OTHER_UNIT_RE.search(text):
            raise StatusError(
                Code.BAD_QUESTION,
                f"{other[1]!r} is no unit of length that is known here: ask in metres, "
                "centimetres, feet, inches or yards",
            )
        return "m"
    return SHORT[factor(LENGTHS_M, match["length"])]


def format_number(value: float) -> str:
    """Write a number for people: three significant digits, at least two decimals below 100."""
    if not math.isfinite(value):
        return "unknown"
    if value == 0 or 0.1 <= abs(value) < 100:
        return f"{value:.2f}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
