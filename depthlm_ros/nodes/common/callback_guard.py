"""No callback may end spin: exceptions are counted, logged with their place, and survived."""

import functools
import time
import traceback
from collections.abc import Callable

from depthlm_ros.sanitize import clean

LOG_EVERY_S = 5.0


class CallbackGuard:
    """Counts what went wrong inside callbacks and remembers the last of it.

    ``is_leaving()``: whether the node's context has ended. A callback that still runs then fails
    at the next thing of ROS that it touches, and that is no fault.
    """

    def __init__(self, logger, is_leaving: Callable[[], bool] = lambda: False):
        self._logger, self._logged, self._is_leaving = logger, {}, is_leaving
        self.count, self.last, self.last_at = 0, "", 0.0

    def record(self, where: str, error: BaseException) -> str:
        """Count an error, log it at most every LOG_EVERY_S per place; return it as a sentence."""
        self.count += 1
        self.last = clean(f"{where}: {type(error).__name__}: {error}", 300)
        self.last_at = time.monotonic()
        if self.last_at - self._logged.get(where, -LOG_EVERY_S) >= LOG_EVERY_S:
            self._logged[where] = self.last_at
            trace = "".join(traceback.format_exception(error)[-4:])
            self._logger.error(f"{self.last}\n{clean_lines(trace)}")
        return self.last

    def wrap(self, where: str, function):
        """Return the callback ``function`` so that it cannot raise; it returns None instead."""

        @functools.wraps(function)
        def safe(*args, **kwargs):
            try:
                return function(*args, **kwargs)
            except Exception as error:  # counted and logged: that is the point
                if not self._is_leaving():
                    self.record(where, error)
                return None

        return safe


def clean_lines(text: str) -> str:
    """Return text of several lines, each made safe for a log."""
    return "\n".join(clean(line, 300) for line in text.splitlines())
