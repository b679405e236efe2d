"""Recorded images with their CameraInfo: its own stamp's, which may be recorded later.

A live subscriber must guess when to stop waiting (nodes/depth/time_sync.py); a recording can be
read on.
"""

from collections import OrderedDict, deque

MEMORY = 60
"""CameraInfos kept by stamp."""
MAX_WAITING = 30
"""Images that wait for a first CameraInfo before the oldest is given up."""


class RecordedPairs:
    """Takes messages in the order of recording; gives (item, info) in the order of the images.

    An image gets the CameraInfo of its own stamp. If there is none, it gets the newest one when
    one with a later stamp comes or the next image but one does. ``lost``: images given up, since
    no CameraInfo came at all.
    """

    def __init__(self):
        self._infos: OrderedDict = OrderedDict()
        self._waiting: deque = deque()
        self._newest = None
        self.lost = 0

    def add_image(self, stamp: tuple, item) -> list:
        """Take an image with its stamp (sec, nanosec); return the pairs that are decided now."""
        self._waiting.append((stamp, item))
        if self._newest is None and len(self._waiting) > MAX_WAITING:
            self._waiting.popleft()
            self.lost += 1
        return self._decided(lambda: len(self._waiting) > 2, self._newest)

    def add_info(self, stamp: tuple, info) -> list:
        """Take a CameraInfo; return the pairs that are decided now."""
        before = info if self._newest is None else self._newest
        self._newest = self._infos[stamp] = info
        while len(self._infos) > MEMORY:
            self._infos.popitem(last=False)
        return self._decided(lambda: self._waiting[0][0] < stamp, before)

    def finish(self) -> list:
        """Return the pairs of what still waits; at the end of the recording."""
        pairs = self._decided(lambda: True, self._newest)
        self.lost += len(self._waiting)
        self._waiting.clear()
        return pairs

    def _decided(self, waits_in_vain, substitute) -> list:
        """Return pairs from the oldest image on; ``substitute``: where its own will not come."""
        pairs = []
        while self._waiting and substitute is not None:
            stamp, item = self._waiting[0]
            own = self._infos.get(stamp)
            if own is None and not waits_in_vain():
                break
            self._waiting.popleft()
            pairs.append((item, substitute if own is None else own))
        return pairs
