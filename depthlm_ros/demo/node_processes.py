"""The nodes as child processes: started, watched, and always ended."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

INTERRUPT_S, TERMINATE_S = 4.0, 2.0
"""How long a child may take to end after SIGINT, then after SIGTERM, before it is killed."""
TAIL_LINES = 15
REFUSAL = "cannot start: "
"""What a node says before the reason, when it ends because of how it was started."""


class DemoError(Exception):
    """The demonstration cannot show what it is for; the text says why, and what to do."""


class Child:
    """One running module with its log."""

    def __init__(self, name: str, module: str, arguments, log: Path, environment=None):
        """Start ``python -m module arguments`` in a session of its own, output into ``log``.

        Of its own, so that Ctrl-C reaches the demonstration alone, which then ends it in order.
        """
        self.name, self.log = name, log
        attached = ["-m", "depthlm_ros.demo.die_with_parent", str(os.getpid())]
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, *attached, module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
                start_new_session=True,
            )

    def tail(self, lines: int = TAIL_LINES) -> str:
        """Return the end of the log."""
        said = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"  | {line}" for line in said[-lines:]) or "  | (nothing)"

    def refusal(self) -> str:
        """Return why it could not start, as it said itself; "" where it said nothing."""
        said = self.log.read_text(encoding="utf-8", errors="replace")
        return said.rpartition(REFUSAL)[2].strip() if REFUSAL in said else ""


class Children:
    """The child processes of one demonstration; leaving the context ends them all."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._running: dict = {}
        self.exit_codes: dict = {}
        """By name: the exit code; negative: the signal that ended it."""

    def __enter__(self) -> "Children":
        """Return itself."""
        return self

    def __exit__(self, *_) -> None:
        """End all."""
        self.stop_all()

    def start(self, name: str, module: str, arguments=(), environment=None) -> Child:
        """Start a module under a name that is free."""
        child = Child(name, module, arguments, self._folder / f"{name}.log", environment)
        self._running[name] = child
        return child

    def has(self, name: str) -> bool:
        """Return whether a child of this name was started and not stopped."""
        return name in self._running

    def check(self) -> None:
        """Raise DemoError, with the end of its log, when a child has ended by itself."""
        for name, child in self._running.items():
            code = child.process.poll()
            if code is not None and (why := child.refusal()):
                raise DemoError(f"{name} {REFUSAL}{why}")
            if code is not None:
                raise DemoError(
                    f"{name} ended by itself (exit code {code}); the end of {child.log}:\n"
                    f"{child.tail()}"
                )

    def tails(self) -> str:
        """Return the ends of all logs, for a failure whose cause may be there."""
        return "\n".join(
            f"the end of {child.log}:\n{child.tail()}" for child in self._running.values()
        )

    def stop(self, name: str) -> None:
        """End one child."""
        self._end({name: self._running.pop(name)})

    def stop_all(self) -> None:
        """End all children together; a second Ctrl-C does not leave one behind."""
        running, self._running = self._running, {}
        old = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self._end(running)
        finally:
            signal.signal(signal.SIGINT, old)

    def _end(self, children: dict) -> None:
        """SIGINT, then SIGTERM, then SIGKILL; the last is always obeyed."""
        for number, timeout_s in (
            (signal.SIGINT, INTERRUPT_S),
            (signal.SIGTERM, TERMINATE_S),
            (signal.SIGKILL, None),
        ):
            left = [child for child in children.values() if child.process.poll() is None]
            for child in left:
                child.process.send_signal(number)
            _wait(left, timeout_s)
        for name, child in children.items():
            self.exit_codes[name] = child.process.poll()


def _wait(children, timeout_s: float | None) -> None:
    """Wait until all have ended, or the timeout is over."""
    end = None if timeout_s is None else time.monotonic() + timeout_s
    for child in children:
        try:
            child.process.wait(None if end is None else max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            continue
