"""Text from outside made safe for messages, logs, JSON and sentences: one place for all of it.

A lone surrogate makes rclpy raise while it sends, and a NUL ends a string early, so every text
that came from outside (a question, a frame name, a model's reply) passes through here first.
"""

import math
import unicodedata
from collections.abc import Callable

ELLIPSIS = "..."
MESSAGE_LIMIT = 4000
"""Characters of a text that goes into a message."""
_FORBIDDEN = ("Cc", "Cs", "Co", "Cn")
_LINE_BREAKS = "\t\r\n\u2028\u2029"


def has_control_characters(text: str) -> bool:
    """Return whether text has control characters (but tab, line ends) or lone surrogates."""
    return any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\t\n\r" for c in text)


def clean(text: str, cap: int = 1000) -> str:
    """Return one line of at most cap characters, unsafe characters replaced by "?".

    Runs of white space become one space; invisible format characters (zero-width, text
    direction) are removed. A text that was cut ends in an ellipsis.
    """
    head = text[: 4 * cap]  # work on a bounded piece: the text may be megabytes
    visible = "".join(c for c in head if unicodedata.category(c) != "Cf")
    line = " ".join(_replaced(visible, str.isspace).split())
    if len(line) <= cap and len(head) == len(text):
        return line
    return line[: max(0, cap - len(ELLIPSIS))].rstrip() + ELLIPSIS


def verbatim(text: str, cap: int = 1000) -> str:
    """Return the first ``cap`` characters, each kept or replaced: as long as the text was.

    Line ends and tabs become spaces; what cannot be shown becomes "?".
    """
    shown = _replaced(text[:cap], _LINE_BREAKS.__contains__)
    return "".join(" " if c in _LINE_BREAKS else c for c in shown)


def encodable(text: str, cap: int = MESSAGE_LIMIT) -> str:
    """Return text that a message can hold: valid UTF-8, no NUL, at most ``cap`` characters.

    A text that cannot be written as UTF-8 would end the executor's spin.
    """
    return text[:cap].encode("utf-8", "replace").decode("utf-8").replace("\0", " ")


def json_safe(value: object) -> object:
    """Return a value for strict JSON: keys are texts.

    NaN and infinity (JSON has none) are null.
    """
    if isinstance(value, dict):
        return {str(key): json_safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _replaced(text: str, is_kept: Callable[[str], bool]) -> str:
    """Put "?" for control characters, surrogates.

    Private and unassigned ones that are not kept.
    """
    return "".join(
        "?" if unicodedata.category(c) in _FORBIDDEN and not is_kept(c) else c for c in text
    )
