"""The lines of a .jsonl that name photographs, their intrinsics, and labelled pixels.

    {"image": "rgb/a.png", "intrinsics": [fx, fy, cx, cy, width, height],
     "pixel_coords": [[u, v], ...], "depth": [metres, ...]}

Paths are relative to the file. Labels may be missing; one that is null, not finite or not positive
says that nothing is known there.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.status import Code, StatusError

FORM = (
    'must be {"image": path, "intrinsics": [fx, fy, cx, cy, width, height], '
    '"pixel_coords": [[u, v], ...], "depth": [m, ...]}, the last two together or not at all'
)


@dataclass(frozen=True)
class Annotation:
    """One line: ``pixels`` (N, 2), ``metres`` (N,), both empty without labels."""

    path: Path
    camera: PinholeCamera
    pixels: np.ndarray
    metres: np.ndarray


def read_annotations(path: Path, skip) -> list[Annotation]:
    """Return the lines of a .jsonl; ``skip(where, refusal)`` is told of each broken one.

    StatusError when the file cannot be read, or no line of it.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StatusError(Code.NO_FRAME, f"{path}: cannot be read ({error})") from error
    found, last = [], None
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found.append(parse(line, path.parent))
            except StatusError as refusal:
                last = refusal
                skip(f"{path}, line {number}", refusal)
    if not found:
        why = f"line after line is broken, the last: {last.text}" if last else f"empty; {FORM}"
        raise StatusError(Code.NO_FRAME, f"{path}: {why}")
    return found


def parse(line: str, folder: Path) -> Annotation:
    """Return one line; StatusError(BAD_IMAGE or BAD_CAMERA_INFO) for a broken one."""
    try:
        content = json.loads(line)
        name, numbers = content["image"], [float(x) for x in content["intrinsics"]]
        fx, fy, cx, cy, width, height = numbers
        if not isinstance(name, str) or width != int(width) or height != int(height):
            raise ValueError("image must be a path, width and height whole numbers")
        pixels = np.array(content.get("pixel_coords", []), np.float64).reshape(-1, 2)
        metres = np.array(content.get("depth", []), np.float64)
        if metres.shape != pixels.shape[:1]:
            raise ValueError(f"{len(pixels)} pixel_coords, but depth is {metres.shape}")
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise StatusError(
            Code.BAD_IMAGE, f"{type(error).__name__}: {str(error)[:200]}: {FORM}"
        ) from error
    camera = PinholeCamera(fx, fy, cx, cy, int(width), int(height))
    known = np.isfinite(metres) & (metres > 0) & np.isfinite(pixels).all(axis=1)
    return Annotation(folder / name, camera, pixels[known], metres[known])
