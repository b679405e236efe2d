"""Filling replies: a number only beside OK, and never a text that cannot be sent."""

import math
from dataclasses import replace

from builtin_interfaces.msg import Duration
from std_msgs.msg import Header

from depthlm_msgs.msg import Answer as AnswerMsg
from depthlm_ros.language.answer import Answer
from depthlm_ros.language.things import Thing, region_thing
from depthlm_ros.nodes.common import conversions
from depthlm_ros.point_depth import PointDepth
from depthlm_ros.sanitize import encodable
from depthlm_ros.status import Code, StatusError

MAX_PIXELS = 4096
"""Pixels that one request may ask about."""
_COPIED = (
    "success status answer task value unit low high interval_kind interval_basis evidence source "
    "header age latency".split()
)


def pixels_of(messages, at_least: int = 1) -> list[tuple[float, float]]:
    """Return the pixels of a request; StatusError(BAD_QUESTION) for none or too many."""
    if not at_least <= len(messages) <= MAX_PIXELS:
        raise StatusError(
            Code.BAD_QUESTION,
            f"{len(messages)} pixels: must be {at_least} to {MAX_PIXELS}, as in "
            "pixels: [{u: 320, v: 240}]",
        )
    return [(pixel.u, pixel.v) for pixel in messages]


def region_of(roi) -> list[Thing]:
    """Return the region of a request as what may stand beside its pixels; none of it: [].

    StatusError(BAD_QUESTION) where it has one side only.
    """
    region = roi.x_offset, roi.y_offset, roi.width, roi.height
    return [region_thing(*region)] if any(region) else []


def duration(seconds: float) -> Duration:
    """Return seconds as a message, saturated at what it holds."""
    bounded = min(max(seconds, -2.0e9), 2.0e9)
    whole = math.floor(bounded)
    return Duration(sec=int(whole), nanosec=int((bounded - whole) * 1e9))


def without_numbers(pixels, refusal: StatusError) -> list[PointDepth]:
    """Return one reading a pixel that holds no number, for a request that failed as a whole."""
    return [
        PointDepth((float(u), float(v)), refusal.code, refusal.text, source="") for u, v in pixels
    ]


def header_in(frame_depth, frame_id: str) -> Header:
    """Return the header of points: the image's stamp; the wanted frame, or the image's own."""
    header = Header() if frame_depth is None else conversions.header_of(frame_depth.frame)
    header.frame_id = encodable(frame_id or header.frame_id)
    return header


def point_messages(readings, header: Header, to_frame=None) -> list:
    """Return readings as messages; ``to_frame`` takes their points to the header's frame."""
    if to_frame is not None:
        readings = [
            replace(r, point_m=tuple(to_frame(r.point_m))) if r.code == Code.OK else r
            for r in readings
        ]
    return [conversions.point_depth_msg(reading, header) for reading in readings]


def fill_answer(response, answer: Answer, header: Header, points: list) -> None:
    """Put an answer into an Ask response; NaN everywhere unless it is OK."""
    ok = answer.success
    response.success = ok
    response.status = conversions.status_msg(answer.code, answer.text)
    response.answer = encodable(answer.sentence)
    response.task, response.unit, response.source = answer.task, answer.unit, answer.source
    response.value = float(answer.value) if ok else math.nan
    response.low = float(answer.low) if ok else math.nan
    response.high = float(answer.high) if ok else math.nan
    response.interval_kind = int(answer.interval.kind)
    response.interval_basis = encodable(answer.interval.basis)
    response.evidence, response.header = points, header


def answer_message(question: str, response) -> AnswerMsg:
    """Return an Ask response as the message that others may listen to."""
    message = AnswerMsg(question=encodable(question))
    for name in _COPIED:
        setattr(message, name, getattr(response, name))
    return message
