"""Requests that wait, each until its own deadline; a bounded number. Executor's thread only."""

import time
from dataclasses import dataclass

from rclpy.task import Future

from depthlm_ros.nodes.depth.deadline import Deadline
from depthlm_ros.status import Code, StatusError


@dataclass(eq=False)
class PendingRequest:
    """One waiting request: ``wants`` names what ends the wait, ``until`` its deadline."""

    future: Future
    until: Deadline
    wants: str


class PendingRequests:
    """Holds waiters; ``bound()``: how many may wait, ``wake()``: have the executor run again.

    ``begun()``: called with each wait that begins, so that its deadline is watched.
    """

    def __init__(self, bound, wake, begun=lambda: None):
        self._bound, self._wake, self._begun = bound, wake, begun
        self._requests: list[PendingRequest] = []

    @property
    def is_full(self) -> bool:
        """True when one more would be refused."""
        return len(self._requests) >= self._bound()

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._requests)

    def add(self, wants: str, until: float) -> PendingRequest:
        """Begin to wait; StatusError(BUSY) when as many wait as may."""
        if len(self._requests) >= self._bound():
            raise StatusError(
                Code.BUSY,
                f"{len(self._requests)} requests are waiting, the most that may (max_waiting): "
                "ask again later",
            )
        until = until if isinstance(until, Deadline) else Deadline(until)
        request = PendingRequest(Future(), until, wants)
        self._requests.append(request)
        self._begun()
        return request

    def remove(self, request: PendingRequest) -> None:
        """Give a wait up."""
        self._requests.remove(request)

    async def outcome(self, request: PendingRequest):
        """Return what the wait ended with; raise it if that is a StatusError."""
        outcome = await request.future
        if isinstance(outcome, StatusError):
            raise outcome
        return outcome

    def resolve(self, request: PendingRequest, outcome) -> None:
        """End a wait; the executor must run once more for its coroutine to go on."""
        if request in self._requests:
            self._requests.remove(request)
            request.future.set_result(outcome)
            self._wake()

    def wanted(self, wants: str) -> bool:
        """Tell whether anybody waits for this."""
        return any(request.wants == wants for request in self._requests)

    def resolve_all(self, outcome, wants: str | None = None) -> None:
        """End all waits, or those for one thing, with the same outcome."""
        for request in [w for w in self._requests if wants in (None, w.wants)]:
            self.resolve(request, outcome)

    def expire(self, why_not) -> None:
        """End the waits whose deadline has passed with ``why_not(request)``."""
        now = time.monotonic()
        for request in [w for w in self._requests if w.until.has_passed(now)]:
            self.resolve(request, why_not(request))
