"""What a source gives: images ready to be published, with their own time and truth."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from depthlm_ros.nodes.camera.sources.ground_truth import Truth

SECOND_NS = 1_000_000_000
FIRST_NS = SECOND_NS
"""Recorded time of the first image of a source that has none: a stamp of zero is no stamp."""


@dataclass
class CameraSample:
    """One image. The camera node writes the stamp into both headers when it publishes.

    ``info`` may be shared between samples.

    ``time_ns``: when it was taken, of the source's own clock; never less than the sample before it
    in the same round. ``recorded``: the stamp that it bears in the recording.
    """

    image: Image | CompressedImage
    info: CameraInfo
    time_ns: int
    recorded: Time
    truth: Truth | None = None
    round: int = 0


class Source(Protocol):
    """Plays images. Everything here runs on the source's thread, never on the executor's.

    ``title``: what is played, for the log. ``default_rate_hz``: 0 for a source with a pace of its
    own.
    """

    title: str
    default_rate_hz: float

    def samples(self) -> Iterator[CameraSample]:
        """Play one round from the beginning; StatusError when it cannot go on."""


def nominal(index: int, rate_hz: float) -> int:
    """Return the time [ns] of image ``index`` of a source without a clock of its own."""
    return FIRST_NS + round(index * SECOND_NS / rate_hz)
