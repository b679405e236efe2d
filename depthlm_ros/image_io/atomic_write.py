"""A file appears under its name only when it is complete: never half a file after a crash."""

import os
from collections.abc import Callable
from pathlib import Path


def replace_file(path, fill: Callable[[Path], object]) -> None:
    """Have ``fill(unfinished)`` write a file beside ``path``; it gets the name when complete.

    The unfinished file keeps the suffix of ``path``, and is removed where ``fill`` fails. Raises
    OSError with ``path`` and the cause where the disk does not take it.
    """
    path = Path(path)
    unfinished = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        fill(unfinished)
        unfinished.replace(path)
    except OSError as error:  # write() names no file, and open() names the unfinished one
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        unfinished.unlink(missing_ok=True)


def write_atomically(path, fill: Callable) -> None:
    """Have ``fill(file)`` write a binary file that appears as ``path`` when complete."""

    def write(unfinished: Path) -> None:
        with unfinished.open("wb") as file:
            fill(file)

    replace_file(path, write)


def write_text_atomically(path, text: str) -> None:
    """Write UTF-8 text into a file that appears as ``path`` when complete."""
    write_atomically(path, lambda file: file.write(text.encode()))
