"""When the next picture is due, which stamp it bears, and what the simulated clock says.

Knows: the steady time, the source's time, the policy. Does not know: ROS, topics. A picture that
comes late is not made up for: the pace goes on from there.
"""

from depthlm_ros.nodes.camera.sources.source import SECOND_NS, CameraSample


class PlaybackClock:
    """The pace of one stream.

    ``rate_hz``: 0 keeps the pace of the source. ``is_live``: each picture is due when it comes.
    ``keeps_recorded``: the simulated clock is the
    source's own and jumps back with a new round; else it begins at ``start_ns`` and only goes on.
    """

    def __init__(self, rate_hz: float, keeps_recorded: bool, start_ns: int, is_live: bool = False):
        self._interval_s = 1.0 / rate_hz if rate_hz and not is_live else None
        self._is_live = is_live
        self._keeps_recorded, self._start_ns = keeps_recorded, start_ns
        self._last: CameraSample | None = None
        self._gap_s = 0.0
        self._due_s = self._sim_ns = 0

    def due_s(self, sample: CameraSample, now_s: float) -> float:
        """Return the steady time at which a sample is due; the first one at once."""
        if self._last is None or self._is_live:
            return now_s
        return self._due_s + self._wait_s(sample)

    def sim_ns(self, sample: CameraSample) -> int:
        """Return the simulated time at which a sample is due."""
        if self._keeps_recorded:
            return sample.time_ns
        if self._last is None:
            return self._start_ns
        return self._sim_ns + round(self._wait_s(sample) * SECOND_NS)

    @property
    def sample_ns(self) -> int:
        """Return the simulated time of the last sample."""
        return self._sim_ns

    def clock_ns(self, coming: CameraSample | None, now_s: float) -> int | None:
        """Return the simulated time now, None before the first sample.

        Between two samples it runs evenly; it waits at the second one, and while none is known.
        """
        if self._last is None:
            return None
        wait_s = 0.0 if coming is None else self._wait_s(coming)
        if wait_s <= 0:
            return self._sim_ns
        ahead = max(0, self.sim_ns(coming) - self._sim_ns)  # a jump back comes with the sample
        return self._sim_ns + int(ahead * min(1.0, max(0.0, (now_s - self._due_s) / wait_s)))

    def advance(self, sample: CameraSample, now_s: float) -> bool:
        """Count a sample as published now; True when the simulated clock jumped back."""
        wait_s, due = self._wait_s(sample), self.due_s(sample, now_s)
        sim, before = self.sim_ns(sample), self._sim_ns
        jumped = self._last is not None and sim < before
        in_time = now_s - due < max(wait_s, 0.0)
        self._due_s, self._sim_ns = (due if in_time else now_s), sim
        self._last, self._gap_s = sample, wait_s
        return jumped

    def _wait_s(self, sample: CameraSample) -> float:
        """Return the time from the last sample to this one [s]."""
        if self._last is None:
            return 0.0
        if self._interval_s is not None:
            return self._interval_s
        if sample.round != self._last.round:
            return self._gap_s  # no recording tells the time from the end to the beginning
        return (sample.time_ns - self._last.time_ns) / SECOND_NS
