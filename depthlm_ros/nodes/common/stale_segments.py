"""Shared memory that a killed process has left behind: given back at the next start of a node.

Fast DDS keeps a segment per process under /dev/shm (64 MB with our profile) and holds a lock on a
file beside it, ``NAME_el``, by flock(2). The kernel frees the lock when the process ends, however
it ends; the files stay after a SIGKILL. A segment whose lock is free belongs to nobody.
"""

import fcntl
import logging
import re
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
_LOCK = re.compile(r"(fast(?:dds|rtps)_[0-9a-f]{16})_el")

_log = logging.getLogger(__name__)


def remove_stale_segments(folder: Path = SHARED_MEMORY) -> int:
    """Remove the segments of processes that have ended; returns the bytes that were freed.

    What cannot be looked at (another user's) stays. Never raises OSError.
    """
    freed = 0
    try:
        locks = sorted(folder.iterdir())
    except OSError:
        return 0
    for lock in locks:
        if found := _LOCK.fullmatch(lock.name):
            freed += _remove_if_free(lock, folder / found[1])
    if freed:
        _log.info("freed %.0f MB of shared memory that a killed process had left", freed / 1e6)
    return freed


def _remove_if_free(lock: Path, segment: Path) -> int:
    """Remove a segment and its lock file unless a process holds the lock; returns its bytes."""
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            size = segment.stat().st_size if segment.exists() else 0
            segment.unlink(missing_ok=True)
            lock.unlink(missing_ok=True)
            return size
    except OSError:  # held, or not ours to touch
        return 0
