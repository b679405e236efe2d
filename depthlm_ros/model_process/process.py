"""A model in a process of its own: started, watched, replaced.

``ModelProcess`` owns the process. One thread of it, the supervisor, starts the process, has it
load the model, and waits for its end; whatever the reason of that was, it starts another after a
back-off. A call waits no longer than its limit (``limits.py``): then the process is killed, and
the call alone fails. After ``CRASH_LOOP`` ends without a single good call between them it gives
up, with a sentence that says so.
"""

import logging
import mmap
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from depthlm_ros.model_process.channel import (
    Channel,
    ChannelClosedError,
    ChannelTimeoutError,
)
from depthlm_ros.model_process.limits import CallLimits, kind_of
from depthlm_ros.model_process.messages import (
    Call,
    Continue,
    Failed,
    Load,
    Loaded,
    Log,
    ProcessStatus,
    Token,
)
from depthlm_ros.model_process.spawn import how_it_ended, start_child
from depthlm_ros.status import Code, StatusError

BACKOFF_S = (1.0, 30.0)
"""First and longest wait before a replacement; doubled each time, back to the first by a call."""
CRASH_LOOP = 6
LOAD_LIMIT_S = 1800.0
SILENT_LIMIT_S = 60.0
"""While it loads, a process whose heartbeat stands still for so long is taken for hung."""
_SLICE_S = 0.5
_MESSAGE_S = 5.0  # for the rest of a message that has begun

_log = logging.getLogger(__name__)


class ModelProcess:
    """One model behind a process; calls are made one at a time.

    ``load``: a function that can be found by its module and name (as for pickle); ``arguments``:
    its own. ``limit_s``: limit of every call, 0 to learn it. ``backoff_s``: first and longest wait
    before a replacement. Raises what loading raises, the first time; later failures to load are
    ends of the process like others.
    """

    def __init__(
        self,
        load: Callable,
        arguments: tuple = (),
        limit_s: float = 0.0,
        backoff_s: tuple[float, float] = BACKOFF_S,
        load_limit_s: float = LOAD_LIMIT_S,
    ) -> None:
        self._load = Load(load, arguments)
        self._backoff_s, self._load_limit_s = backoff_s, load_limit_s
        self._limits = CallLimits(limit_s)
        self.status = ProcessStatus()
        self._turn = threading.RLock()  # one call at a time; a listener's calls come from within
        self._change = threading.Condition()
        self._channel: Channel | None = None
        self._process: subprocess.Popen | None = None
        self._reason = ""  # why this side has killed the process
        self._ends_in_a_row = 0
        self._retry_at = 0.0
        self._beat: mmap.mmap | None = None
        self._closed = False
        self._first: Loaded | BaseException | None = None
        self._supervisor = threading.Thread(target=self._supervise, name="model process")
        self._supervisor.daemon = True
        self._supervisor.start()
        with self._change:
            self._change.wait_for(lambda: self._first is not None)
        if isinstance(self._first, BaseException):
            raise self._first
        self.loaded: Loaded = self._first

    # -- calls --------------------------------------------------------------------------------

    def call(self, method: str, *arguments: Any, listener: Callable | None = None) -> Any:
        """Call a method of the model and return its result.

        ``listener``: called after each token of a reply; it may make calls of its own, and may
        raise, which ends the reply. Raises what the model raises (``messages.Failed``);
        StatusError(MODEL_NOT_READY) while there is no process, (MODEL_ERROR) when it ends or
        takes too long during the call.
        """
        kind = kind_of(method, arguments)
        with self._turn:
            channel, process = self._ready()
            begin = time.monotonic()
            try:
                channel.send(Call(method, arguments, listener is not None))
                answer = self._answer(channel, self._limits.limit(kind), listener)
            except ChannelTimeoutError:
                raise self._hung(process, method, self._limits.limit(kind)) from None
            except ChannelClosedError:
                raise self._ended_during(process, method) from None
        if isinstance(answer, Failed):
            raise answer.error()
        self._ends_in_a_row = 0
        self._limits.note(kind, time.monotonic() - begin)
        self.status.limits = self._limits.as_dict()
        return answer.value

    def why_unavailable(self) -> str:
        """Return why no call can be made now; "" when one can."""
        state, reason = self.status.state, self.status.last_reason
        if state == "ready":
            return ""
        if state == "failed":
            return (
                f"the model's process ended {CRASH_LOOP} times without a result, the last time "
                f"since it {reason}: mend the cause, then cleanup and configure the node again"
            )
        if state == "waiting":
            left = max(0.0, self._retry_at - time.monotonic())
            return f"the model's process {reason}; another starts in {left:.0f} s"
        if state == "loading":
            return f"the model is being loaded again: its process {reason}"
        return "the model was closed"

    def _ready(self) -> tuple[Channel, subprocess.Popen]:
        with self._change:
            if self.status.state != "ready" or self._channel is None or self._process is None:
                raise StatusError(Code.MODEL_NOT_READY, self.why_unavailable())
            return self._channel, self._process

    def _answer(self, channel: Channel, limit_s: float, listener: Callable | None) -> Any:
        """Wait for the end of a call; each token of a reply begins the time anew."""
        while True:
            message = self._receive(channel, limit_s)
            if not isinstance(message, Token):
                return message
            try:
                listener()
            except BaseException:
                channel.send(Continue(stop=True))
                self._receive(channel, limit_s)  # that the reply has ended
                raise
            channel.send(Continue())

    @staticmethod
    def _receive(channel: Channel, limit_s: float) -> Any:
        """Return the next message that is no line of the log."""
        until = time.monotonic() + limit_s
        while isinstance(message := channel.receive(until - time.monotonic()), Log):
            logging.getLogger(message.name).log(message.level, message.text)
        return message

    def _hung(self, process: subprocess.Popen, method: str, limit_s: float) -> StatusError:
        reason = f"was killed since {method} took longer than {limit_s:.1f} s"
        self._kill(process, reason)
        return StatusError(
            Code.MODEL_ERROR, f"the model {reason}; its process is replaced: ask again"
        )

    def _ended_during(self, process: subprocess.Popen, method: str) -> StatusError:
        try:
            process.wait(2.0)
        except subprocess.TimeoutExpired:
            self._kill(process, "closed its channel")
        reason = self._reason or how_it_ended(process.returncode)
        return StatusError(
            Code.MODEL_ERROR,
            f"the model's process {reason} during {method}; it is replaced: ask again",
        )

    # -- life ---------------------------------------------------------------------------------

    def close(self) -> None:
        """End the process for good; calls get MODEL_NOT_READY or MODEL_ERROR."""
        with self._change:
            self._closed = True
            process = self._process
            self._change.notify_all()
        if process is not None:
            self._kill(process, "was closed")

    def _kill(self, process: subprocess.Popen, reason: str) -> None:
        self._reason = self._reason or reason
        process.kill()

    def _supervise(self) -> None:
        """Keep a process running until closed or given up: on the supervisor's thread."""
        while not self._closed:
            self._reason = ""
            try:
                self._start()
                error = self._wait_for_model()
            except BaseException as caught:  # no process to be had
                error = caught
            if error is None:
                self._process.wait()
            elif self._first is None:
                self._dispose()
                self._tell_first(error)
                return
            reason = self._after_the_end(error)
            if self._closed:
                break
            _log.error("the model's process %s (%d in a row)", reason, self._ends_in_a_row)
            if self._ends_in_a_row >= CRASH_LOOP:
                self._set("failed")
                return
            self._back_off()
        self._dispose()
        self._set("closed")
        self._tell_first(StatusError(Code.MODEL_NOT_READY, "the model was closed"))

    def _start(self) -> None:
        process, end, self._beat = start_child()
        with self._change:
            self._process, self._channel = process, Channel(end)
            self.status.pid = process.pid
            if self._closed:
                self._kill(process, "was closed")

    def _wait_for_model(self) -> BaseException | None:
        """Have the process load the model; None when it is ready, else why it is not."""
        channel = self._channel
        try:
            channel.send(sys.path)
            channel.send(self._load)
            answer = self._loading_ended(channel)
        except (ChannelClosedError, ChannelTimeoutError):
            self._process.wait()
            reason = self._reason or how_it_ended(self._process.returncode)
            return StatusError(
                Code.MODEL_NOT_READY, f"the model's process {reason} while loading the model"
            )
        if isinstance(answer, Failed):
            self._kill(self._process, f"could not load the model: {answer.kind}: {answer.text}")
            return answer.error()
        self._set("ready")
        self._tell_first(answer)
        return None

    def _loading_ended(self, channel: Channel) -> Loaded | Failed:
        """Return what loading came to. Raises ChannelTimeoutError, having killed what hung."""
        until = time.monotonic() + self._load_limit_s
        beat, beat_at = b"", time.monotonic()
        while True:
            if channel.poll(_SLICE_S):
                message = channel.receive(_MESSAGE_S)
                if not isinstance(message, Log):
                    return message
                logging.getLogger(message.name).log(message.level, message.text)
            now = time.monotonic()
            if self._beat[:8] != beat:
                beat, beat_at = self._beat[:8], now
            if now - beat_at > SILENT_LIMIT_S or now > until:
                limit_s = self._load_limit_s if now > until else SILENT_LIMIT_S
                self._kill(self._process, f"was killed: it hung for {limit_s:.0f} s while loading")
                raise ChannelTimeoutError

    def _after_the_end(self, error: BaseException | None) -> str:
        """Take note of an end; returns its reason, as in "was killed by SIGKILL"."""
        process, self._process = self._process, None
        code = None
        if process is not None:
            code = process.wait()
        reason = self._reason or (str(error) if process is None else how_it_ended(code))
        with self._change:
            self._channel = None  # not closed: a call may be waiting on it, which sees the end
            self._ends_in_a_row += 1
            self.status.last_reason, self.status.pid = reason, 0
            self.status.state = "waiting"
        return reason

    def _back_off(self) -> None:
        first, longest = self._backoff_s
        wait = min(longest, first * 2 ** (self._ends_in_a_row - 1))
        with self._change:
            self._retry_at = time.monotonic() + wait
            self._change.wait_for(lambda: self._closed, wait)
            self.status.state = "loading"
            self.status.replaced += 1

    def _dispose(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
        self._channel = None

    def _set(self, state: str) -> None:
        with self._change:
            self.status.state = state

    def _tell_first(self, outcome: Loaded | BaseException) -> None:
        with self._change:
            if self._first is None:
                self._first = outcome
            self._change.notify_all()
