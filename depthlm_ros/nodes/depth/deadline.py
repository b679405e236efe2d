"""Until when a request waits: a monotonic time that can be given up before it comes."""


class Deadline(float):
    """Monotonic time [s]; ``cancel`` makes it pass at once, from any thread."""

    cancelled = False

    def cancel(self) -> None:
        """Give up: whoever waits gets DEADLINE at the next tick."""
        self.cancelled = True

    def has_passed(self, now: float) -> bool:
        """Return whether the wait is over at a monotonic time."""
        return self.cancelled or now >= self
