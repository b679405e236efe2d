"""Messages between two processes of ours over a socket pair; large arrays by shared memory.

A message is any picklable object. Arrays of at least ``LARGE_BYTES`` travel out of band (pickle
protocol 5, PEP 574): the sender writes them once into an anonymous memory file (memfd_create(2)),
the receiver maps that file, and its arrays are views of it. The file has no name, so that nothing
is left in /dev/shm however either side ends. Both ends are processes of this package: nothing from
outside is ever unpickled here.
"""

import mmap
import os
import pickle
import select
import socket
import struct
import threading
import time
from collections.abc import Iterable
from typing import Any

LARGE_BYTES = 16 * 1024
_ALIGNMENT = 64
_HEAD = struct.Struct("<QI")  # bytes of the pickle, number of buffers behind it


class ChannelClosedError(Exception):
    """The other side has ended."""


class ChannelTimeoutError(Exception):
    """No message came within the time given."""


class Channel:
    """One end of a socket pair. ``send`` is safe from several threads, ``receive`` from one."""

    def __init__(self, end: socket.socket) -> None:
        self._socket, self._sending = end, threading.Lock()

    def send(self, message: Any) -> None:
        """Send a message. Raises ChannelClosedError."""
        buffers: list[pickle.PickleBuffer] = []
        body = pickle.dumps(message, 5, buffer_callback=lambda one: _keep(one, buffers))
        raws = [one.raw() for one in buffers]
        head = _HEAD.pack(len(body), len(raws))
        head += struct.pack(f"<{len(raws)}Q", *(raw.nbytes for raw in raws))
        descriptors = [_memory_file(raws)] if raws else []
        try:
            with self._sending:
                # The descriptor rides on the first byte; the rest follows as a plain stream.
                socket.send_fds(self._socket, [head[:1]], descriptors)
                self._socket.sendall(head[1:] + body)
        except OSError as error:
            raise ChannelClosedError(str(error)) from error
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def receive(self, timeout_s: float | None = None) -> Any:
        """Return the next message. Raises ChannelClosedError or ChannelTimeoutError.

        After a time-out in the middle of a message the channel is of no further use.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        try:
            self._wait(until)
            first, descriptors, *_ = socket.recv_fds(self._socket, 1, 1)
            if not first:
                raise ChannelClosedError("the other side has ended")
            head = first + self._exactly(_HEAD.size - 1, until)
            size, count = _HEAD.unpack(head)
            lengths = struct.unpack(f"<{count}Q", self._exactly(8 * count, until))
            body = self._exactly(size, until)
        except OSError as error:
            raise ChannelClosedError(str(error)) from error
        return pickle.loads(body, buffers=_views(descriptors, lengths))

    def poll(self, timeout_s: float) -> bool:
        """Tell whether a message (or the end of the other side) comes within this time."""
        poller = select.poll()  # unlike select(2), for any number of open files
        poller.register(self._socket, select.POLLIN)
        return bool(poller.poll(max(0.0, timeout_s) * 1e3))

    def close(self) -> None:
        """Close this end."""
        self._socket.close()

    def _exactly(self, count: int, until: float | None) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            self._wait(until)
            part = self._socket.recv(min(count - len(parts), 1 << 20))
            if not part:
                raise ChannelClosedError("the other side has ended")
            parts += part
        return bytes(parts)

    def _wait(self, until: float | None) -> None:
        if until is not None and not self.poll(until - time.monotonic()):
            raise ChannelTimeoutError("no message in time")


def _keep(buffer: pickle.PickleBuffer, buffers: list) -> bool:
    """Take a large buffer out of band (False); leave a small one in the pickle (True)."""
    if memoryview(buffer).nbytes < LARGE_BYTES:
        return True
    buffers.append(buffer)
    return False


def _offsets(lengths: Iterable[int]) -> list[int]:
    """Return where each buffer begins in the memory file, and the size of the file at the end."""
    offsets = [0]
    for length in lengths:
        offsets.append(-(-(offsets[-1] + length) // _ALIGNMENT) * _ALIGNMENT)
    return offsets


def _memory_file(raws: list[memoryview]) -> int:
    offsets = _offsets(raw.nbytes for raw in raws)
    descriptor = os.memfd_create("depthlm", os.MFD_CLOEXEC)
    try:
        os.ftruncate(descriptor, offsets[-1])
        for raw, offset in zip(raws, offsets, strict=False):
            done = 0
            while done < raw.nbytes:
                done += os.pwrite(descriptor, raw[done:], offset + done)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _views(descriptors: list[int], lengths: tuple[int, ...]) -> list[memoryview]:
    """Map the memory file; it lives as long as an array of it does."""
    if not lengths:
        return []
    offsets = _offsets(lengths)
    populate = getattr(mmap, "MAP_POPULATE", 0)
    try:
        mapped = mmap.mmap(descriptors[0], offsets[-1], flags=mmap.MAP_SHARED | populate)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    whole = memoryview(mapped)
    return [
        whole[offset : offset + length] for offset, length in zip(offsets, lengths, strict=False)
    ]
