"""Whether pictures come as fast as they should; told once, and again after it was well."""

from collections import deque

WINDOW = 20
SLOW, WELL = 0.8, 0.95
"""Shares of the wanted rate below which it is told, and above which it is well again."""


class RateMonitor:
    """Compares the rate of what was published last with the one that is wanted [Hz]."""

    def __init__(self, wanted_hz: float):
        """``wanted_hz``: 0 for none, as in a bag that keeps its own pace."""
        self._wanted_hz, self._told = wanted_hz, False
        self._times: deque = deque(maxlen=WINDOW)

    def published(self, now_s: float) -> str:
        """Note a picture; return what is to be said, or ""."""
        self._times.append(now_s)
        if not self._wanted_hz or len(self._times) < WINDOW:
            return ""
        hertz = (WINDOW - 1) / max(self._times[-1] - self._times[0], 1e-9)
        share = hertz / self._wanted_hz
        if self._told or share >= SLOW:
            self._told = self._told and share < WELL
            return ""
        self._told = True
        return (
            f"later than its rate: {hertz:.2f} Hz in the last {WINDOW} pictures, and rate_hz is "
            f"{self._wanted_hz:g} Hz: this machine or the source is too slow for it; lower rate_hz"
        )
