"""Replies that are sent again when the client's end is not there yet.

A client may call as soon as IT has discovered the service, while the service has not discovered
the client's reply reader. The middleware then waits 100 ms, gives the reply up with a warning, and
the client waits for ever. On a busy machine this is not rare. Here such a reply is sent again for
a while; one for a client that is gone for good is dropped by the middleware without a warning.
"""

import time
import warnings

from rclpy.impl.implementation_singleton import rclpy_implementation

SENT_AGAIN_FOR_S = 5.0
PAUSE_S = 0.1
_MESSAGE = "failed to send response"
# With the filter below the middleware's warning becomes an exception: RuntimeWarning, or
# SystemError around it where rclpy's C++ does not pass it on; others raise RCLError.
_NOT_SENT = (RuntimeWarning, SystemError, rclpy_implementation.RCLError)


class ServiceReplyRetrier:
    """Makes services of a node persistent.

    ``retry`` is to be called often, by a timer, while any are ``waiting``; ``on_unsent()`` is
    called when there is one more.
    """

    def __init__(self, guard, clock=time.monotonic, on_unsent=lambda: None):
        warnings.filterwarnings("error", message=_MESSAGE, category=RuntimeWarning)
        self._guard, self._clock, self._on_unsent = guard, clock, on_unsent
        self._unsent: list = []
        self.sent_again = 0

    @property
    def waiting(self) -> int:
        """Number of replies that are to be sent again."""
        return len(self._unsent)

    def attach(self, service) -> None:
        """Have all replies of a service sent through here."""
        send = service.send_response
        service.send_response = lambda response, header: self._send(send, response, header)

    def _send(self, send, response, header) -> None:
        try:
            send(response, header)
        except _NOT_SENT as error:
            now = self._clock()
            self._unsent.append(
                (now + PAUSE_S, now + SENT_AGAIN_FOR_S, send, response, header, error)
            )
            self._on_unsent()

    def retry(self) -> None:
        """Send the oldest reply again whose pause is over; one only, for it may take 100 ms."""
        now = self._clock()
        if not self._unsent or self._unsent[0][0] > now:
            return
        _, until, send, response, header, error = self._unsent.pop(0)
        if now > until:
            self._guard.record("sending a reply", error)
            return
        self.sent_again += 1
        try:
            send(response, header)
        except _NOT_SENT as again:
            self._unsent.append((now + PAUSE_S, until, send, response, header, again))
