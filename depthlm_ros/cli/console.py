"""What a command says: results on standard output, everything else on standard error."""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

INDENT = 2


def note(text: str) -> None:
    """Tell something that is not the result: progress, a remark, an error."""
    print(f"depthlm: {text}", file=sys.stderr, flush=True)


@contextmanager
def stopped_by_interrupt() -> Iterator[Callable[[], bool]]:
    """Give what tells whether Ctrl-C was pressed meanwhile; pressed again, it ends the command."""
    pressed = []

    def press(number, frame):
        pressed.append(number)
        signal.signal(signal.SIGINT, before)
        note("stopping after what is being asked now (Ctrl-C again: at once)")

    before = signal.signal(signal.SIGINT, press)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


def print_json(value) -> None:
    """Print the result for programs; NaN and infinity, which JSON has not, become null."""
    from depthlm_ros.sanitize import json_safe

    print(json.dumps(json_safe(value), indent=INDENT, allow_nan=False))


def sentence_of(error: BaseException) -> str:
    """Return one line about an error; one that names itself keeps its own words."""
    from depthlm_ros.sanitize import clean
    from depthlm_ros.status import StatusError

    if isinstance(error, OSError) and error.strerror:
        return clean(f"{error.filename}: {error.strerror}" if error.filename else error.strerror)
    if isinstance(error, StatusError):
        return clean(str(error))
    return clean(f"{type(error).__name__}: {error}")


def record_of(error: BaseException) -> dict:
    """Return an error for JSON: its code and its text."""
    text = getattr(error, "text", None) or sentence_of(error)
    return {"ok": False, "code": code_of(error), "text": text}


def code_of(error: BaseException) -> str:
    """Return the name of a refusal's code; FILE_ERROR for files, INTERNAL for anything else."""
    from depthlm_ros.status import StatusError

    if isinstance(error, StatusError):
        return error.code.name
    return "FILE_ERROR" if isinstance(error, OSError) else "INTERNAL"
