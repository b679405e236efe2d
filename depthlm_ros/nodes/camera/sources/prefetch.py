"""A source played ahead on a daemon thread, so that the executor never renders, reads or encodes.

Knows: a short queue of finished samples, rounds, the end. Does not know: time, topics.
"""

import threading
from collections import deque
from collections.abc import Callable

from depthlm_ros.status import Code, StatusError

QUEUE_LENGTH = 4
"""Shots that are kept ready; of a live source only the newest one."""


class Prefetcher:
    """Opens a source and keeps its next samples ready.

    ``open_source()`` returns a Source; it and the source run on the thread. ``news()`` is called
    on the thread whenever there is something new: a sample, the end, or an error.
    """

    def __init__(self, open_source: Callable, loop: bool, news: Callable[[], None]):
        self._open, self._loop, self._news = open_source, loop, news
        self._samples: deque = deque()
        self._change = threading.Condition()
        self._stopping = False
        self.source = None
        self.error: BaseException | None = None
        self.ended = False
        self._thread = threading.Thread(target=self._run, name="source", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def next(self):
        """The next sample, None while (or because) there is none."""
        with self._change:
            return self._samples[0] if self._samples else None

    def take(self):
        """Remove and return the next sample; there must be one."""
        with self._change:
            self._change.notify_all()
            return self._samples.popleft()

    def stop(self, timeout_s: float) -> bool:
        """Stop; True when the thread has ended in time."""
        with self._change:
            self._stopping = True
            self._change.notify_all()
        if (close := getattr(self.source, "close", None)) is not None:
            close()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self.source = self._open()
            self._play()
        except BaseException as error:  # told by the node; not even SystemExit is lost
            self.error = error
        with self._change:
            self.ended = True
            stopping = self._stopping
        if not stopping:
            self._news()

    def _play(self) -> None:
        number = 0
        while not self._stopping:
            played = 0
            for sample in self.source.samples():
                sample.round = number
                if not self._put(sample):
                    return
                played += 1
            if not played:
                raise StatusError(Code.NO_FRAME, f"{self.source.title}: no picture in it")
            if not self._loop:
                return
            number += 1

    def _put(self, sample) -> bool:
        """Queue a sample as soon as there is room; False: stopping."""
        with self._change:
            if getattr(self.source, "is_live", False):
                self._samples.clear()  # a picture of a moment ago is of no use
            while len(self._samples) >= QUEUE_LENGTH and not self._stopping:
                self._change.wait()
            if self._stopping:
                return False
            self._samples.append(sample)
        self._news()
        return True
