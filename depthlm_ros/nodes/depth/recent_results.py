"""The last pictures and results by their stamps, bounded; and how old a picture is for sure.

Knows no messages and no model. Executor's thread only.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass

from depthlm_ros.nodes.depth.time_sync import age_s

MAX_ENTRIES = 16
MAX_BYTES = 96 * 2**20
"""What the pictures and depth maps that are kept may take beside the newest two."""


class RecentByStamp:
    """Keeps the newest items by image stamp [ns]; the oldest goes first."""

    def __init__(self, size_of, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES):
        """``size_of(item)``: its bytes. The newest two stay whatever their size."""
        self._size_of, self._max_entries, self._max_bytes = size_of, max_entries, max_bytes
        self._items: OrderedDict = OrderedDict()

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._items)

    def add(self, stamp_ns: int, item) -> None:
        """Keep an item as the newest."""
        self._items.pop(stamp_ns, None)
        self._items[stamp_ns] = item
        while len(self._items) > 2 and self._is_too_much():
            self._items.popitem(last=False)

    def _is_too_much(self) -> bool:
        total = sum(map(self._size_of, self._items.values()))
        return len(self._items) > self._max_entries or total > self._max_bytes

    def get(self, stamp_ns: int):
        """Return the item of a stamp, None when it is gone or never came."""
        return self._items.get(stamp_ns)

    def clear(self) -> None:
        """Forget all."""
        self._items.clear()


@dataclass(frozen=True)
class _Arrival:
    at_s: float
    age_s: float


class ImageAges:
    """Ages of images by two clocks: the ROS clock, and the steady one since they arrived.

    A system clock that is set back makes old stamps look young; the steady clock is not set. With
    simulated time (``is_simulated()``) only the ROS clock counts, since it may run at any rate.
    """

    MEMORY = 256

    def __init__(self, now_ns, is_simulated, steady_s=time.monotonic):
        """``now_ns()``: ROS time in nanoseconds; ``steady_s()``: the steady clock in seconds."""
        self._now_ns, self._is_simulated, self._steady_s = now_ns, is_simulated, steady_s
        self._arrivals: OrderedDict = OrderedDict()

    def arrived(self, stamp_ns: int) -> None:
        """Note that the image of this stamp has arrived now."""
        age = age_s(stamp_ns, self._now_ns())  # negative: from the future, and that it stays
        self._arrivals.setdefault(stamp_ns, _Arrival(self._steady_s(), age))
        while len(self._arrivals) > self.MEMORY:
            self._arrivals.popitem(last=False)

    def age_s(self, stamp_ns: int) -> float:
        """Return how old the image of a stamp is now, by the clock that says more [s]."""
        by_stamp = age_s(stamp_ns, self._now_ns())
        arrival = self._arrivals.get(stamp_ns)
        if arrival is None or self._is_simulated():
            return by_stamp
        return max(by_stamp, arrival.age_s + self._steady_s() - arrival.at_s)

    def clear(self) -> None:
        """Forget all, as after a jump of the clock."""
        self._arrivals.clear()
