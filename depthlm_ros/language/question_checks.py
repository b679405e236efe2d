"""Checks of a question: its length, what is left over, and its amounts."""

import math
import re
import unicodedata

from depthlm_ros.language import phrases
from depthlm_ros.language.quantities import (
    format_number,
    spell_out,
)
from depthlm_ros.sanitize import clean, has_control_characters
from depthlm_ros.status import Code, StatusError
from depthlm_ros.tasks import Task

MAX_AMOUNT = 1e6
"""Seconds or metres a second above which a number is taken for a slip."""


class UnclearError(StatusError):
    """A question in words that the grammar does not know: a language model may read it."""


def normalise_text(text: str, max_length: int) -> str:
    """Return the text in lower case with plain signs.

    StatusError(BAD_QUESTION) if too long or odd.
    """
    if len(text) > max_length:
        raise StatusError(
            Code.BAD_QUESTION,
            f"the question has {len(text)} characters: at most {max_length}; shorten it",
        )
    if has_control_characters(text):
        raise StatusError(
            Code.BAD_QUESTION,
            "the question holds control characters or broken text: send plain UTF-8 text",
        )
    plain = (
        unicodedata.normalize("NFKC", spell_out(text)).lower().replace("’", "'").replace('"', " ")
    )
    plain = clean(re.sub(r"<\s*[a-z]\s*>", " ", plain), 4 * max_length)
    if not any(c.isalnum() for c in plain):
        raise StatusError(
            Code.BAD_QUESTION, f"the question is empty: ask for example {phrases.EXAMPLES}"
        )
    return phrases.strip_reply_format(plain)


_LEFT_OVER = re.compile(
    r"(?<![\w-])[-+]?\d[\w.,/:^%]*(?!\w)|\b(?:half|quarter)s? (?:of )?an?\b(?! (?:left|right))"
)
_HARMLESS_NUMBER = re.compile(
    r"\b2 (?:points?|pixels?|images?)\b|\b[23]-?d\b|\bpoints? [12](?: and (?:point )?2)?\b(?!\w)"
)


_ENGLISH = re.compile(
    r"\b(?:how|what|which|where|when|who|why|is|are|does|can|could|should|would|will|the|this|"
    r"that|these|those|of|from|between|tell|give|please|there|it|find|show|measure|describe|"
    r"count|compare|far|at|to|and|ahead|range)\b",
    re.IGNORECASE,
)
_LETTER = re.compile(r"[^\W\d_]")


def is_english(text: str) -> bool:
    """Tell whether a text may be English: one of its small words, or too short to tell."""
    if _ENGLISH.search(text):
        return True
    return text.isascii() and len(text.split()) < 2 or _LETTER.search(text) is None


def in_english(text: str, refusal: StatusError) -> StatusError:
    """Return the refusal of a question; for one in another language it says so."""
    if is_english(text):
        return refusal
    words = f"questions are read in English only: {refusal.text}"
    return type(refusal)(refusal.code, words)


def refuse_left_over(rest: str) -> None:
    """Refuse a number that belongs to no point and no quantity."""
    match = _LEFT_OVER.search(_HARMLESS_NUMBER.sub(" ", rest))
    if match:
        after = " ".join(rest[match.start() :].split())[:30]
        raise StatusError(
            Code.BAD_QUESTION,
            f"the number in {after!r} is not understood: write pixels as (320, 240), and numbers "
            "with their units, as in '2.5 s' or '0.5 m/s'",
        )


def amount_of(task: Task, quantities) -> float:
    """Return the seconds of SPEED or the metres a second of TIME; NaN for the other tasks."""
    if task is Task.SPEED:
        return _checked(quantities.times_s, "time", "s", "... to reach this point in 2 s?")
    if task is Task.TIME:
        return _checked(
            quantities.speeds_m_s, "speed", "m/s", "... to reach this point at 0.5 m/s?"
        )
    return math.nan


def _checked(values: tuple, name: str, unit: str, example: str) -> float:
    if not values:
        raise StatusError(
            Code.BAD_QUESTION,
            f"the question lacks a {name} with its unit: write for example {example!r}",
        )
    if len(values) > 1:
        raise StatusError(
            Code.BAD_QUESTION, f"the question states {len(values)} {name}s: give one"
        )
    if not 0 < values[0] <= MAX_AMOUNT:
        raise StatusError(
            Code.BAD_QUESTION,
            f"a {name} of {format_number(values[0])} {unit}: must be above 0 and at "
            f"most {MAX_AMOUNT:g} {unit}",
        )
    return values[0]
