"""The lines of a text file by number, without reading the file into memory.

A training list of 16 million lines is some 10 GB of text: the file is mapped, and the offsets of
its lines (8 bytes each) are found once and kept beside it as ``FILE.idx``.
"""

import json
import mmap
import os
from contextlib import suppress
from pathlib import Path

import numpy as np

from depthlm_ros.image_io.atomic_write import write_atomically
from depthlm_ros.status import Code, StatusError

_CHUNK = 1 << 24


class LineIndex:
    """Random access to the lines of a file that are not blank.

    Safe to fork and to pickle: each process maps the file when it first reads. ``numbers``: of
    the lines as an editor counts them, from 1.
    """

    def __init__(self, path: Path, keep: bool = True):
        """Find the lines; ``keep``: look for ``FILE.idx`` and write it. StatusError(NO_FRAME)."""
        self.path = Path(path)
        self._pid, self._map = None, None
        try:
            state = self.path.stat()
        except OSError as error:
            raise StatusError(Code.NO_FRAME, f"{path}: cannot be read ({error})") from error
        stamp = np.array([state.st_size, state.st_mtime_ns], np.int64)
        rows = _stored(self.path, stamp) if keep else None
        if rows is None:
            rows = _scan(self.path)
            if keep:
                _store(self.path, stamp, rows)
        self.starts, self.numbers = rows
        if not len(self.starts):
            raise StatusError(Code.NO_FRAME, f"{path}: is empty; give one JSON object a line")

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> bytes:
        """Return line ``index`` (0 is the first that is not blank) without its end."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"line {index} of {len(self)} in {self.path}")
        start = int(self.starts[index])
        data = self._data()
        end = data.find(b"\n", start)
        return data[start : end if end >= 0 else len(data)].rstrip(b"\r")

    def place(self, index: int) -> str:
        """Name a line for people."""
        return f"{self.path}, line {int(self.numbers[index])}"

    def _data(self):
        if self._pid != os.getpid():
            with Path(self.path).open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._pid = os.getpid()
        return self._map

    def __getstate__(self):
        return {**self.__dict__, "_pid": None, "_map": None}


def _scan(path: Path) -> np.ndarray:
    """Return int64 (2, lines): where each line that is not blank starts, and its number."""
    starts, numbers, offset, number = [], [], 0, 0
    with Path(path).open("rb", buffering=_CHUNK) as file:
        for line in file:
            number += 1
            if line.strip():
                starts.append(offset)
                numbers.append(number)
            offset += len(line)
    return np.array([starts, numbers], np.int64)


def _index_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.idx")


def _stored(path: Path, stamp: np.ndarray) -> np.ndarray | None:
    """Return the kept index where it is of this very file, memory-mapped."""
    file = _index_file(path)
    try:
        rows = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):  # none yet, or cut short: made anew
        return None
    if rows.ndim != 2 or rows.shape[1] < 1 or not np.array_equal(rows[:, 0], stamp):
        return None
    return rows[:, 1:]


def _store(path: Path, stamp: np.ndarray, rows: np.ndarray) -> None:
    """Keep the index; where the folder cannot be written, it is found again next time."""
    whole = np.concatenate([stamp[:, None], rows], axis=1)
    with suppress(OSError):
        write_atomically(_index_file(path), lambda file: np.save(file, whole, allow_pickle=False))


class JsonList:
    """A plain JSON list in the place of a ``LineIndex``: small files of DepthLM may be one."""

    def __init__(self, path: Path):
        """Read all of it; StatusError(NO_FRAME) where it is no list of objects."""
        self.path = Path(path)
        try:
            items = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise StatusError(
                Code.NO_FRAME, f"{path}: cannot be read as JSON ({error})"
            ) from error
        if not isinstance(items, list) or not items:
            raise StatusError(Code.NO_FRAME, f"{path}: must be a JSON list of objects, not empty")
        self._items = [json.dumps(item).encode() for item in items]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> bytes:
        """Return item ``index`` as JSON."""
        return self._items[index]

    def place(self, index: int) -> str:
        """Name an item for people."""
        return f"{self.path}, item {index + 1}"


def open_lines(path: Path, keep: bool = True) -> LineIndex | JsonList:
    """Open a .jsonl, or a file that is one JSON list."""
    try:
        with Path(path).open("rb") as file:
            first = file.read(4096).lstrip()[:1]
    except OSError as error:
        raise StatusError(Code.NO_FRAME, f"{path}: cannot be read ({error})") from error
    return JsonList(path) if first == b"[" else LineIndex(path, keep)
