"""What a 90 % interval rests on. Free of numpy, torch and ROS: everybody may import it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

COVERAGE = 0.9
"""The share of true values that an interval is meant to hold."""


class IntervalKind(IntEnum):
    """How far an interval may be trusted; the numbers are those of ``PointDepth.msg``."""

    UNKNOWN = 0
    UNCALIBRATED = 1
    CALIBRATED = 2


@dataclass(frozen=True)
class Interval:
    """``kind``, and ``basis``: the data it was calibrated on, or what it is made of; for people.

    UNKNOWN goes with NaN ends. UNCALIBRATED: a spread that nobody has compared with truth.
    CALIBRATED: ``basis`` names the data on which 90 % of the true values lay within; elsewhere the
    share may be another.
    """

    kind: IntervalKind = IntervalKind.UNKNOWN
    basis: str = ""

    def __str__(self) -> str:
        """Return what the 90 % of an interval is, as part of a sentence."""
        if self.kind is IntervalKind.CALIBRATED:
            return f"calibrated on {self.basis}"
        if self.kind is IntervalKind.UNCALIBRATED:
            return f"uncalibrated: {self.basis}"
        return "the error is unknown"


UNKNOWN = Interval()


def weakest(intervals: Iterable[Interval]) -> Interval:
    """Return the one that may be trusted least: the kind of what is made of several values."""
    return min(intervals, key=lambda interval: interval.kind, default=UNKNOWN)


def check_ratio(ratio_90: float, where: str) -> float:
    """Return a factor as float; ValueError unless it is finite and at least 1.

    ``where``: what holds it, for the message.
    """
    is_number = isinstance(ratio_90, int | float) and not isinstance(ratio_90, bool)
    if not (is_number and math.isfinite(ratio_90) and ratio_90 >= 1.0):
        raise ValueError(f"{where} = {ratio_90!r}: must be a finite factor of at least 1")
    return float(ratio_90)


UNSTATED = Interval(IntervalKind.UNCALIBRATED, "the model does not say what it rests on")


def interval_of(model: object) -> Interval:
    """Return what a model's ``ratio_90`` rests on; UNKNOWN where it has none."""
    if math.isnan(float(getattr(model, "ratio_90", math.nan))):
        return UNKNOWN
    return getattr(model, "interval", UNSTATED)
