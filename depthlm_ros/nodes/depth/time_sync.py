"""Rules about time: which stamps are accepted, and which CameraInfo belongs to which image."""

from collections import deque
from dataclasses import dataclass

from depthlm_ros.status import Code, StatusError

SECOND_NS = 1_000_000_000


def age_s(stamp: int, now: int) -> float:
    """Return how old a stamp is, both in nanoseconds."""
    return (now - stamp) / SECOND_NS


SINCE_BOOT_S = 1_000_000_000
"""Stamps before September 2001 beside a clock of today are no wall-clock time."""


def check_age(
    stamp: int, now: int, max_age_s: float, future_tolerance_s: float, age: float | None = None
) -> None:
    """Refuse a stamp from the future (BAD_STAMP) or too old (STALE).

    ``stamp``, ``now``: nanoseconds. ``age``: in seconds, where more is known than the two tell.
    """
    age = age_s(stamp, now) if age is None else age
    if age < -future_tolerance_s:
        raise StatusError(
            Code.BAD_STAMP,
            f"the image's stamp is {-age:.3f} s in the future, allowed is "
            f"{future_tolerance_s:g} s: synchronise the clocks, or set use_sim_time when the "
            "images come from a bag or a "
            "simulation",
        )
    if stamp < SINCE_BOOT_S * SECOND_NS and age > SINCE_BOOT_S:
        raise StatusError(
            Code.BAD_STAMP,
            f"the image's stamp is {stamp / SECOND_NS:.3f} s, as if counted since boot, and the "
            "node's clock shows the time of day: have the driver stamp with ROS time, or set "
            "use_sim_time when the images come from a simulation",
        )
    if age > max_age_s:
        raise StatusError(
            Code.STALE,
            f"the newest depth rests on an image {age:.3f} s old, allowed is max_age = "
            f"{max_age_s:g} s: raise max_age, take a faster model, or set use_sim_time when "
            "the images come from a bag or a simulation",
        )


@dataclass(frozen=True)
class ImagePair:
    """An image message with its CameraInfo message, as received."""

    image: object
    info: object
    clock_generation: int
    stamp_ns: int


class CameraInfoSynchronizer:
    """Finds the CameraInfo of an image: its own stamp's, or the newest one.

    A driver that stamps both alike is trusted to go on so: an image then waits for its own
    CameraInfo, which may come after it, and a change of focal length takes effect with exactly the
    right image. After PATIENCE images without one the newest CameraInfo is used at once.
    """

    MAX_UNMATCHED = 3
    MEMORY = 30

    def __init__(self):
        self._infos: deque = deque(maxlen=self.MEMORY)
        self._waiting = None
        self._unmatched = 0

    def forget(self) -> None:
        """Forget everything, as after a jump of the clock."""
        self._infos.clear()
        self._waiting, self._unmatched = None, 0

    def add_image(self, image):
        """Take an image; return (image, info) when it has its CameraInfo, else None."""
        self._waiting = None
        for info in reversed(self._infos):
            if _same_stamp(image, info):
                self._unmatched = 0
                return image, info
        if self._infos and self._unmatched >= self.MAX_UNMATCHED:
            return image, self._infos[-1]
        self._unmatched += 1
        self._waiting = image
        return None

    def add_info(self, info):
        """Take a CameraInfo; return (image, info) when an image has waited for it, else None."""
        self._infos.append(info)
        image = self._waiting
        if image is None:
            return None
        if _same_stamp(image, info):
            self._unmatched, self._waiting = 0, None
            return image, info
        if _order(info) > _order(image):  # infos come in order: its own will not come any more
            self._waiting = None
            return image, info
        return None


def _same_stamp(a, b) -> bool:
    return a.header.stamp == b.header.stamp


def _order(message) -> tuple:
    return message.header.stamp.sec, message.header.stamp.nanosec
