"""What DepthLM said, as a ``DistanceReading``: a number, words, or why there is neither."""

import math
from dataclasses import replace

from depthlm_ros.interval import Interval, IntervalKind
from depthlm_ros.models.base import DistanceReading
from depthlm_ros.models.depthlm.number_distribution import Number
from depthlm_ros.prompting.parsing import parse_answer, parse_division, parse_ray
from depthlm_ros.prompting.prompts import METRES, Prompt, Style
from depthlm_ros.sanitize import verbatim
from depthlm_ros.status import Code


def of_number(number: Number, estimate: str) -> DistanceReading:
    """Take a number with its interval; ``estimate``: "greedy", or "mean" where there is one."""
    value = number.value
    if estimate == "mean" and not math.isnan(number.mean):
        value = number.mean
    return DistanceReading(value, number.low, number.high, number.text)


def of_text(text: str, question: Prompt, style: Style) -> DistanceReading:
    """Parse a whole reply; its interval is unknown."""
    if style is Style.RAY and question.unit == METRES:
        ray = parse_ray(text)
        value, reason = ray.distance_m, ray.reason
    else:
        read = (
            parse_division(text, question)
            if question.divides
            else parse_answer(text, question.unit)
        )
        value, reason = read.value, read.reason
    if reason:
        return no_number(text, reason)
    return DistanceReading(value, math.nan, math.nan, verbatim(text))


def no_number(text: str, reason: str, code: Code = Code.NO_ANSWER) -> DistanceReading:
    """Say why there is none."""
    return DistanceReading(math.nan, math.nan, math.nan, verbatim(text), reason, code)


DIGITS = Interval(IntervalKind.UNCALIBRATED, "the spread of the digits that the model writes")
"""What an interval rests on before ``depthlm calibrate``."""


def with_factor(reading: DistanceReading, ratio_90: float) -> DistanceReading:
    """Return a reading with the calibrated interval; as it is where ``ratio_90`` is NaN."""
    if math.isnan(ratio_90):
        return reading
    ends = {"low_m": reading.distance_m / ratio_90, "high_m": reading.distance_m * ratio_90}
    return replace(reading, **ends)


def scaled(reading: DistanceReading, scale: float) -> DistanceReading:
    """Undo a capped picture: it shows everything ``scale`` times as large."""
    return replace(
        reading,
        distance_m=reading.distance_m * scale,
        low_m=reading.low_m * scale,
        high_m=reading.high_m * scale,
    )
