"""What the long runs count and measure, and the nodes and robots that they use."""

import importlib
import math
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
tools = importlib.import_module("node_process")

LATE_S = 0.1
"""How much later than its deadline a reply may come."""


@dataclass
class Tally:
    """Counts of one run; ``faults``: sentences about whatever broke a rule."""

    sent: int = 0
    answered: int = 0
    wrong: int = 0
    late: int = 0
    late_at_the_caller: int = 0
    codes: Counter = field(default_factory=Counter)
    faults: list = field(default_factory=list)

    def fault(self, text: str) -> None:
        """Note what broke a rule."""
        self.wrong += 1
        self.faults.append(text)

    def reply(self, response, took_s: float, deadline_s: float, max_age_s: float) -> None:
        """Count a reply, and hold it to what every reply must keep to.

        An answer has an image no older than ``max_age_s``, and is made no later than the deadline
        and ``LATE_S``. How long after that its caller has it is also the caller's doing: counted
        for itself.
        """
        self.answered += 1
        self.codes[response.status.code] += 1
        latency = seconds_of(response.latency)
        if latency > deadline_s + LATE_S:
            self.late += 1
            self.faults.append(f"late: {latency:.2f} s for {deadline_s:.2f} s")
        self.late_at_the_caller += took_s > deadline_s + LATE_S
        if response.status.code == 0 and seconds_of(response.age) > max_age_s:
            self.fault(f"an image {seconds_of(response.age):.2f} s old, OK")

    def row(self, name: str, *more) -> str:
        """Return a row of a Markdown table."""
        figures = (self.sent, self.answered, self.wrong, self.late, *more)
        return (
            "| " + " | ".join([name, *(f"{one:,}" if one != "" else "" for one in figures)]) + " |"
        )


@dataclass(frozen=True)
class ProcessFigures:
    """Anonymous memory [MB], threads and open files of a process."""

    memory_mb: float
    threads: int
    files: int

    def __str__(self) -> str:
        return f"{self.memory_mb:.1f} MB, {self.threads} threads, {self.files} files"


def figures_of(pid: int) -> ProcessFigures:
    """Measure a process; raises OSError when it is gone."""
    folder = Path(f"/proc/{pid}")
    rollup = (folder / "smaps_rollup").read_text().splitlines()
    kilobytes = next(int(line.split()[1]) for line in rollup if line.startswith("Anonymous:"))
    return ProcessFigures(
        kilobytes / 1024,
        len(list((folder / "task").iterdir())),
        len(list((folder / "fd").iterdir())),
    )


def summary(samples, memory) -> list[ProcessFigures]:
    """Return each process's ``memory`` (min, median ...) of the samples, most threads and files.

    ``samples``: lists of ProcessFigures, one a process.
    """
    return [
        ProcessFigures(
            memory([one.memory_mb for one in process]),
            max(one.threads for one in process),
            max(one.files for one in process),
        )
        for process in zip(*samples, strict=True)
    ]


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has begun."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(word) for word in (task / "children").read_text().split()]
    return found


def seconds_of(duration) -> float:
    """Return a Duration in seconds."""
    return duration.sec + duration.nanosec * 1e-9


def is_number(value: float) -> bool:
    """Tell whether a reply holds a number."""
    return math.isfinite(value)


class Calls:
    """Calls under way: each is tallied when its reply has come."""

    def __init__(self, robot, tally: Tally, max_age_s: float):
        self._robot, self._tally, self._max_age_s = robot, tally, max_age_s
        self.open: dict = {}

    def send(self, kind, name: str, request, deadline_s: float, check=lambda _: "") -> None:
        """Call; ``check(response)``: what is wrong with the reply, "" for nothing."""
        begin = time.monotonic()
        future = self._robot.start(kind, name, request)
        self._tally.sent += 1
        self.open[future] = None

        def done(future):
            self._tally.reply(
                future.result(), time.monotonic() - begin, deadline_s, self._max_age_s
            )
            if text := check(future.result()):
                self._tally.fault(text)
            del self.open[future]

        future.add_done_callback(done)

    def wait(self, seconds: float) -> None:
        """Wait for all replies; those that do not come are faults."""
        end = time.monotonic() + seconds
        while self.open and time.monotonic() < end:
            time.sleep(0.01)
        if self.open:
            self._tally.fault(f"{len(self.open)} calls without a reply")
