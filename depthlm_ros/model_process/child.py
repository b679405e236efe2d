"""The model's process: loads a model and serves its methods until the node's end is closed.

Started by ``process.ModelProcess`` as ``python -m depthlm_ros.model_process.child SOCKET BEAT``:
the numbers of an inherited socket and of a shared page that counts heartbeats. It ends with the
node in any case: the kernel kills it when its parent dies (prctl(2), PR_SET_PDEATHSIG), and it
leaves when the socket is closed.
"""

import ctypes
import logging
import mmap
import os
import signal
import socket
import sys
import threading
import time

from depthlm_ros.model_process.channel import Channel, ChannelClosedError
from depthlm_ros.model_process.messages import (
    ATTRIBUTES,
    DEVICE_LOST_EXIT,
    METHODS,
    Call,
    Continue,
    Failed,
    Load,
    Loaded,
    Log,
    Returned,
    Token,
)

BEAT_S = 0.2
_PR_SET_PDEATHSIG = 1


class _StopReplyError(Exception):
    """Ends a reply that nobody waits for any more."""


class Server:
    """Serves one model over a channel, one call at a time."""

    def __init__(self, channel: Channel) -> None:
        self._channel, self._model = channel, None

    def run(self) -> None:
        """Serve until the channel is closed, or the device is lost."""
        while True:
            message = self._channel.receive()
            if isinstance(message, Load):
                self._load(message)
            else:
                self._answer(message)

    def _load(self, message: Load) -> None:
        try:
            model = self._model = message.load(*message.arguments)
            attributes = {
                name: getattr(model, name) for name in ATTRIBUTES if hasattr(model, name)
            }
            methods = tuple(name for name in METHODS if callable(getattr(model, name, None)))
            answer = Loaded(attributes, methods, hasattr(model, "on_token"))
        except BaseException as error:  # whatever a loader raises is told, not died of
            answer = Failed.of(error)
        self._send(answer)

    def _answer(self, call: Call) -> None:
        try:
            if call.listens:
                self._model.on_token = self._token
            answer = Returned(getattr(self._model, call.method)(*call.arguments))
        except BaseException as error:
            answer = Failed.of(error)
        finally:
            if call.listens:
                self._model.on_token = None
        if call.method == "shrink":
            _release_memory()
        self._send(answer)

    def _send(self, answer: Loaded | Returned | Failed) -> None:
        self._channel.send(answer)
        if isinstance(answer, Failed) and answer.device_lost:
            self._channel.close()
            os._exit(DEVICE_LOST_EXIT)

    def _token(self) -> None:
        """Tell of a token and wait for the word to go on; serve other calls in between."""
        listener = self._model.on_token
        self._channel.send(Token())
        while not isinstance(message := self._channel.receive(), Continue):
            self._model.on_token = None
            try:
                self._answer(message)
            finally:
                self._model.on_token = listener
        if message.stop:
            raise _StopReplyError("the reply is not wanted any more")


class _Forward(logging.Handler):
    """Sends the log of this process to the node, which has the place for it."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(logging.INFO)
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record."""
        try:
            self._channel.send(Log(record.name, record.levelno, record.getMessage()))
        except ChannelClosedError:
            os._exit(0)  # the node is gone


def _release_memory() -> None:
    from depthlm_ros.models.device_memory import release_device_memory

    release_device_memory()


def _beat(page: mmap.mmap) -> None:
    """Count up in the shared page: stands still when a thread holds the interpreter for itself."""
    number = 0
    while True:
        number += 1
        page[:8] = number.to_bytes(8, "little")
        time.sleep(BEAT_S)


def _die_with_parent(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the kernel was told
        os._exit(0)


def main(arguments: list[str]) -> None:
    """Run the process; never returns."""
    end, beat, parent = map(int, arguments)
    _die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the node's: it ends this process
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    page = mmap.mmap(beat, mmap.PAGESIZE)
    os.close(beat)
    threading.Thread(target=_beat, args=(page,), name="heartbeat", daemon=True).start()
    channel = Channel(socket.socket(fileno=end))
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(_Forward(channel))
    code = 0
    try:
        sys.path[:] = channel.receive()
        Server(channel).run()
    except ChannelClosedError:
        pass  # the node has closed its end: the usual way out
    except BaseException:
        logging.lastResort.setLevel(logging.ERROR)
        code = 1
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # without Python's tear-down: torch takes its time about it


if __name__ == "__main__":
    main(sys.argv[1:])
