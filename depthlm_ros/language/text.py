"""Text that is safe to put into a message, a log or a sentence.

A lone surrogate makes rclpy raise while it sends, and a NUL ends a string early, so every text
that came from outside (a question, a frame name, a model's words) passes through here first.
"""

import unicodedata

ELLIPSIS = "..."
_FORBIDDEN = ("Cc", "Cs", "Co", "Cn")


def has_control_characters(text: str) -> bool:
    """Tell whether text has control characters (but tab, line ends) or lone surrogates."""
    return any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\t\n\r" for c in text)


def clean(text: str, cap: int = 1000) -> str:
    """Return one line of at most cap characters, unsafe characters replaced by "?".

    Invisible format characters (zero-width, text direction) are removed.
    """
    head = text[: 4 * cap]  # work on a bounded piece: the text may be megabytes
    kept = (c for c in head if unicodedata.category(c) != "Cf")
    safe = "".join(
        "?" if unicodedata.category(c) in _FORBIDDEN and not c.isspace() else c for c in kept
    )
    line = " ".join(safe.split())
    if len(line) <= cap and len(head) == len(text):
        return line
    return line[: max(0, cap - len(ELLIPSIS))].rstrip() + ELLIPSIS
