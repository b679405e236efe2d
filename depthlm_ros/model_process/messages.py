"""What the node and the model's process say to each other, and errors on their way."""

import traceback
from dataclasses import dataclass, field
from typing import Any

from depthlm_ros.models.device_memory import is_out_of_memory
from depthlm_ros.status import StatusError

METHODS = (
    "view_of",
    "depth",
    "postprocessed",
    "packed_cloud",
    "distances",
    "task_reading",
    "reply",
    "shrink",
    "shown_size",
)
"""Methods of ``models/base.py`` that are called across; a model has some of them."""
ATTRIBUTES = (
    "name",
    "ratio_90",
    "interval",
    "postprocesses",
    "speaks",
    "asks_tasks",
    "grounding",
    "remarks",
)
"""Attributes that are told once, after loading."""
DEVICE_IS_LOST = ("CUDA error", "CUBLAS_STATUS", "CUDNN_STATUS", "device-side assert", "HIP error")
"""In the text of an error after which no call on that GPU works any more."""
DEVICE_LOST_EXIT = 75
"""Exit code of a process whose device is lost."""


@dataclass(frozen=True)
class Load:
    """Load a model: ``load(*arguments)``; ``load`` is found by its module and name."""

    load: Any
    arguments: tuple


@dataclass(frozen=True)
class Loaded:
    """The model is there: its attributes, and the names of its methods."""

    attributes: dict
    methods: tuple
    listens: bool


@dataclass(frozen=True)
class Call:
    """Call a method. ``listens``: tell of each token of a reply."""

    method: str
    arguments: tuple
    listens: bool = False


@dataclass(frozen=True)
class Token:
    """A token of a reply was written; the model waits for ``Continue``, or for a ``Call``."""


@dataclass(frozen=True)
class Continue:
    """Go on writing; ``stop``: end the reply instead."""

    stop: bool = False


@dataclass(frozen=True)
class Log:
    """A line of the log."""

    name: str
    level: int
    text: str


@dataclass(frozen=True)
class Returned:
    """A call has ended; ``value`` is its result."""

    value: Any


@dataclass(frozen=True)
class Failed:
    """A call or the loading has ended with an error.

    ``refusal``: a StatusError as it was. Else ``kind`` and ``text`` tell of it. ``device_lost``:
    the process is of no further use.
    """

    kind: str = ""
    text: str = ""
    trace: str = ""
    refusal: StatusError | None = None
    out_of_memory: bool = False
    device_lost: bool = False

    @classmethod
    def of(cls, error: BaseException) -> "Failed":
        """Describe an error so that it can be sent."""
        refusal = error if type(error) is StatusError else None
        text, memory = str(error), is_out_of_memory(error)
        lost = not memory and any(part in text for part in DEVICE_IS_LOST)
        trace = "".join(traceback.format_exception(error))[-8000:]
        return cls(type(error).__name__, text[:4000], trace, refusal, memory, lost)

    def error(self) -> BaseException:
        """Return the error to raise on the node's side."""
        if self.refusal is not None:
            return self.refusal
        kind = RemoteMemoryError if self.out_of_memory else RemoteError
        error = kind(f"{self.kind}: {self.text}")
        error.__cause__ = RemoteTracebackError(self.trace)
        return error


class RemoteTracebackError(Exception):
    """Carries the traceback of the model's process."""

    def __str__(self) -> str:
        """Return the traceback."""
        return f"in the model's process:\n{self.args[0]}"


class RemoteError(Exception):
    """The model raised an error."""


class RemoteMemoryError(RemoteError, MemoryError):
    """The model ran out of memory, of the device or the host."""


@dataclass
class ProcessStatus:
    """What diagnostics tell of the model's process.

    ``state``: loading, ready, waiting (for the back-off), failed, closed. ``replaced``: how often
    it was. ``last_reason``: why, the last time. ``limits``: of the calls [s], by kind of call.
    """

    state: str = "loading"
    pid: int = 0
    replaced: int = 0
    last_reason: str = ""
    limits: dict = field(default_factory=dict)
