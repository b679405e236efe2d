"""Reading the small text files of public sets, with errors that name the file and the rule."""

from pathlib import Path

import numpy as np

from depthlm_ros.status import Code, StatusError


def must_exist(path: Path, what: str) -> Path:
    """Return a path that is there; StatusError(NO_FRAME) says what it should hold."""
    if not path.exists():
        raise StatusError(Code.NO_FRAME, f"{path} is missing: must hold {what}; check --root")
    return path


def read_text(path: Path) -> str:
    """Return a text file's content; StatusError(NO_FRAME)."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StatusError(
            Code.NO_FRAME, f"{path}: cannot be read ({error}); check --root"
        ) from error


def read_list(path: Path) -> list[str]:
    """Return a text file's lines that are not blank, stripped."""
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]


def read_numbers(path: Path, count: int) -> np.ndarray:
    """Return a file's first ``count`` numbers, divided by blanks or commas."""
    words = read_text(path).replace(",", " ").split()
    try:
        numbers = np.array([float(word) for word in words[:count]])
    except ValueError as error:
        raise StatusError(Code.BAD_CAMERA_INFO, f"{path}: {error}: must hold numbers") from error
    if len(numbers) < count:
        raise StatusError(
            Code.BAD_CAMERA_INFO, f"{path}: holds {len(numbers)} numbers: must be {count}"
        )
    return numbers
