"""A file appears under its name only when it is complete."""

import os
from collections.abc import Callable
from pathlib import Path


def write_atomically(path, fill: Callable) -> None:
    """Fill a file beside ``path`` and give it the name when it is complete."""
    path = Path(path)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with open(unfinished, "wb") as file:
            fill(file)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
