"""The photographs: real pictures with labelled pixels, through the same camera node."""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from depthlm_ros.client import NoReply
from depthlm_ros.nodes.demonstration.accuracy import Accuracy, accuracy, constant_accuracy, pooled
from depthlm_ros.nodes.demonstration.processes import DemoFailure
from depthlm_ros.nodes.demonstration.stage import CAMERA, ROOT, Stage
from depthlm_ros.status import Code

VARIABLE = "DEPTHLM_PHOTOS"
KNOWN_PLACE = ROOT.parent / "shared" / "data" / "ibims1" / "points.jsonl"
RATE_HZ = 2.0
FIRST_S, EACH_S = 60.0, 15.0
THUMB = (32, 24)
ALIKE = 6.0
"""Two thumbnails whose grey values differ by less on average [of 255] show the same picture."""


@dataclass(frozen=True)
class Photograph:
    """A picture with labels: ``pixels`` (N, 2) (u, v) and their true z-depth ``depth_m`` (N,)."""

    path: Path
    pixels: np.ndarray
    depth_m: np.ndarray

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem


@dataclass(frozen=True)
class ReadPhotograph:
    """What the node read at a photograph's labels: ``read_m`` (N,) z-depth, NaN where nothing."""

    photograph: Photograph
    read_m: np.ndarray
    frame: object
    depth_map: object

    def accuracy(self) -> Accuracy:
        """Return the figures of this picture."""
        return accuracy(self.read_m, self.photograph.depth_m)


def find_photographs(given: str | None) -> tuple[Path | None, str]:
    """Return the jsonl file with labels, or None, and a line that says which and why.

    ``given`` (--photos) goes before the variable DEPTHLM_PHOTOS, and that before the known place;
    a folder stands for its points.jsonl. Raises DemoFailure when what was named is not there.
    """
    for named, how in ((given, "--photos"), (os.environ.get(VARIABLE), VARIABLE)):
        if named:
            path = Path(named).expanduser()
            path = path / "points.jsonl" if path.is_dir() else path
            if not path.is_file():
                raise DemoFailure(
                    f"{how}: {path} is not there: give a jsonl file with image, intrinsics, "
                    "pixel_coords and depth on each line (docs/demo.md)"
                )
            return path.resolve(), f"photographs: {path} ({how})"
    if KNOWN_PLACE.is_file():
        return KNOWN_PLACE, f"photographs: {KNOWN_PLACE}"
    return None, "photographs: none at hand (--photos FILE.jsonl plays yours)"


def load_photographs(path: Path) -> list[Photograph]:
    """Read the labels of a jsonl file; image paths are relative to it. Raises DemoFailure."""
    found = []
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.strip():
                found.append(_photograph(json.loads(line), path.parent))
    except (ValueError, KeyError, TypeError) as error:
        where = f"{path}, line {len(found) + 1}"
        raise DemoFailure(f"{where}: {type(error).__name__}: {error}") from error
    if not found:
        raise DemoFailure(f"{path}: holds no picture")
    return found


def _photograph(entry: dict, folder: Path) -> Photograph:
    if (kind := entry.get("depth_type", "z_depth")) != "z_depth":
        raise ValueError(f"depth_type {kind!r}: only z_depth is read here")
    pixels, depth = np.array(entry["pixel_coords"], float), np.array(entry["depth"], float)
    if pixels.shape != (len(depth), 2) or not len(depth):
        raise ValueError(f"{pixels.shape} pixel_coords and {depth.shape} depth: must agree")
    return Photograph(folder / entry["image"], pixels, depth)


def thumbnail(rgb: np.ndarray) -> np.ndarray:
    """Return a picture's likeness, float32 (24, 32) grey, for telling pictures apart."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, THUMB, interpolation=cv2.INTER_AREA).astype(np.float32)


def recognise(rgb: np.ndarray, known: list[np.ndarray]) -> int | None:
    """Return which of the thumbnails shows this picture, or None."""
    here = thumbnail(rgb)
    differences = [float(np.abs(here - other).mean()) for other in known]
    best = int(np.argmin(differences))
    return best if differences[best] < ALIKE else None


class PhotographPart:
    """Plays the photographs and reads their labels through the service."""

    def __init__(self, stage: Stage, path: Path):
        self._stage = stage
        self._path, self._photographs = path, load_photographs(path)
        self._known, self._refusal = [], ""
        for photograph in self._photographs:
            bgr = cv2.imread(str(photograph.path))
            if bgr is None:
                raise DemoFailure(f"{photograph.path}: cannot be read as a picture")
            self._known.append(thumbnail(np.ascontiguousarray(bgr[..., ::-1])))

    def run(self, tell) -> list[ReadPhotograph]:
        """Read every photograph once; ``tell(read)`` is called for each. Raises DemoFailure."""
        self._stage.start_camera(source=str(self._path), rate_hz=RATE_HZ, loop=True)
        done: dict[int, ReadPhotograph] = {}
        seen, until = time.time_ns(), time.monotonic() + FIRST_S
        while len(done) < len(self._photographs):
            seen = self._next(seen, until, done)
            which = recognise(self._stage.listener.frame(seen).rgb, self._known)
            if which is not None and which not in done and (read := self._read(which)):
                done[which], until = read, time.monotonic() + EACH_S
                tell(read)
        self._stage.children.stop(CAMERA)
        return [done[which] for which in sorted(done)]

    def _next(self, seen: int, until: float, done: dict) -> int:
        """Wait for a picture newer than ``seen`` that has its depth; return its stamp."""
        missing = [p.name for which, p in enumerate(self._photographs) if which not in done]
        what = f"reading of {', '.join(missing[:3])}{' ...' * (len(missing) > 3)}"
        what += f" ({self._refusal})" * bool(self._refusal)

        def newer():
            stamp = self._stage.listener.newest_complete()
            return stamp if stamp and stamp > seen else None

        return self._stage.wait_for(newer, what, max(0.0, until - time.monotonic()))

    def _read(self, which: int) -> ReadPhotograph | None:
        """Read the labels of a photograph; None when the newest picture is another by now."""
        photograph = self._photographs[which]
        try:
            reply = self._stage.client.query_points(photograph.pixels)
        except NoReply as error:
            raise DemoFailure(f"{error}\n{self._stage.children.tails()}") from error
        self._refusal = "" if reply.code == Code.OK else f"{reply.code.name}: {reply.text}"
        if self._refusal:
            return None
        stamp = reply.points[0].stamp_ns
        frame, depth = self._stage.listener.frame(stamp), self._stage.listener.depth_map(stamp)
        if depth is None or recognise(frame.rgb, self._known) != which:
            return None
        return ReadPhotograph(
            photograph, np.array([point.depth_m for point in reply.points]), frame, depth
        )


def totals(read: list[ReadPhotograph]) -> tuple[Accuracy, Accuracy]:
    """Return the figures over all photographs, and those of the best constant."""
    true = np.concatenate([one.photograph.depth_m for one in read])
    return pooled([(one.read_m, one.photograph.depth_m) for one in read]), constant_accuracy(true)
