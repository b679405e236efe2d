"""Requests that wait, each until its own deadline; a bounded number. Executor's thread only."""

import time
from dataclasses import dataclass

from rclpy.task import Future

from depthlm_ros.status import Code, Refusal


@dataclass(eq=False)
class Waiter:
    """One waiting request: ``wants`` names what ends the wait, ``until`` is monotonic time."""

    future: Future
    until: float
    wants: str


class WaitingRoom:
    """Holds waiters; ``bound()``: how many may wait, ``wake()``: have the executor run again."""

    def __init__(self, bound, wake):
        self._bound, self._wake = bound, wake
        self._waiters: list[Waiter] = []

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiters)

    def enter(self, wants: str, until: float) -> Waiter:
        """Begin to wait; Refusal(BUSY) when as many wait as may."""
        if len(self._waiters) >= self._bound():
            raise Refusal(
                Code.BUSY,
                f"{len(self._waiters)} requests are waiting, the most that may (max_waiting): ask "
                "again later",
            )
        waiter = Waiter(Future(), until, wants)
        self._waiters.append(waiter)
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Give a wait up."""
        self._waiters.remove(waiter)

    async def outcome(self, waiter: Waiter):
        """Return what the wait ended with; raise it if that is a Refusal."""
        outcome = await waiter.future
        if isinstance(outcome, Refusal):
            raise outcome
        return outcome

    def settle(self, waiter: Waiter, outcome) -> None:
        """End a wait; the executor must run once more for its coroutine to go on."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)
            waiter.future.set_result(outcome)
            self._wake()

    def wanted(self, wants: str) -> bool:
        """Tell whether anybody waits for this."""
        return any(waiter.wants == wants for waiter in self._waiters)

    def settle_all(self, outcome, wants: str | None = None) -> None:
        """End all waits, or those for one thing, with the same outcome."""
        for waiter in [w for w in self._waiters if wants in (None, w.wants)]:
            self.settle(waiter, outcome)

    def expire(self, why_not) -> None:
        """End the waits whose deadline has passed with ``why_not(waiter)``."""
        now = time.monotonic()
        for waiter in [w for w in self._waiters if w.until <= now]:
            self.settle(waiter, why_not(waiter))
