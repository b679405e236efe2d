"""An argument parser whose errors are one line, and the types of its arguments.

A page of usage would hide what is wrong.
"""

import argparse
import math
import sys

BAD_ARGUMENTS = 2


class BriefParser(argparse.ArgumentParser):
    """Says what is wrong and where all options are told; exit code 2."""

    def error(self, message: str):
        """End the program."""
        print(f"{self.prog}: error: {message}; all options: {self.prog} --help", file=sys.stderr)
        raise SystemExit(BAD_ARGUMENTS)


def finite(text: str) -> float:
    """Return a finite number."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a number") from None
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text}: must be finite")
    return value


def positive(text: str) -> float:
    """Return a number above 0."""
    if not (value := finite(text)) > 0:
        raise argparse.ArgumentTypeError(f"{text}: must be positive")
    return value


def not_negative(text: str) -> float:
    """Return a number of at least 0."""
    if not (value := finite(text)) >= 0:
        raise argparse.ArgumentTypeError(f"{text}: must not be negative")
    return value


def share(text: str) -> float:
    """Return a number between 0 and 1, neither of them."""
    if not 0 < (value := finite(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text}: must be between 0 and 1")
    return value


def count(text: str) -> int:
    """Return a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number of at least 1")
    return int(text)
