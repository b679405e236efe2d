"""Running figures of the node: rates, latencies, counts. Thread-safe where both threads write."""

import time
from collections import Counter, deque

import numpy as np


class Rate:
    """Events a second over the last window, and the time since the last event."""

    def __init__(self, window: int = 50, horizon_s: float = 10.0):
        self._times: deque = deque(maxlen=window)
        self._horizon_s = horizon_s
        self.count = 0

    def tick(self) -> None:
        """Count an event now."""
        self.count += 1
        self._times.append(time.monotonic())

    def hertz(self) -> float:
        """Return the rate; 0 with fewer than two events within the horizon."""
        begin = time.monotonic() - self._horizon_s
        recent = [t for t in list(self._times) if t >= begin]
        return (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 1 else 0.0

    def usual_gap_s(self) -> float:
        """Return the median time between the last events; 0 with fewer than three."""
        times = list(self._times)
        return float(np.median(np.diff(times))) if len(times) > 2 else 0.0

    def silence_s(self, since: float) -> float:
        """Return the seconds since the last event, or since ``since`` if that is later."""
        return time.monotonic() - max(self._times[-1] if self._times else since, since)


class Latencies:
    """The last latencies in seconds, and their percentiles."""

    def __init__(self, window: int = 200):
        self._values: deque = deque(maxlen=window)

    def add(self, seconds: float) -> None:
        """Remember one."""
        self._values.append(seconds)

    def percentile(self, percent: float) -> float:
        """Return the percentile in seconds, NaN when there is none yet."""
        values = list(self._values)
        return float(np.percentile(values, percent)) if values else float("nan")


class Statistics:
    """All figures of one activation."""

    def __init__(self):
        self.images, self.infos, self.results = Rate(), Rate(), Rate()
        self.to_publish, self.inference = Latencies(), Latencies()
        self.refusals: Counter = Counter()
        self.answers: Counter = Counter()
        self.model_failures_in_a_row = 0
        self.retries = 0
        self.last_refusal = ""
        self.begin = time.monotonic()

    def refused(self, refusal) -> None:
        """Count a frame that was refused."""
        self.refusals[refusal.code.name] += 1
        self.last_refusal = str(refusal)
