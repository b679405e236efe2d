"""The photographs: real images with labelled pixels, through the same camera node."""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from depthlm_ros.client import ServiceTimeoutError
from depthlm_ros.datasets.annotations import read_annotations
from depthlm_ros.demo.context import CAMERA, ROOT, DemoContext, say
from depthlm_ros.demo.node_processes import DemoError
from depthlm_ros.evaluation.point_metrics import Accuracy, accuracy, constant_accuracy, pooled
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.status import Code, StatusError

VARIABLE = "DEPTHLM_PHOTOS"
KNOWN_PLACE = ROOT.parent / "shared" / "data" / "ibims1" / "points.jsonl"
MOST_PHOTOS, MOST_LABELS = 20, 1000
FASTEST_HZ, SLOWEST_HZ = 2.0, 0.2
START_S, EACH_S = 60.0, 15.0
IGNORE_EXIF = cv2.IMREAD_IGNORE_ORIENTATION  # as camera_node does
THUMB = (32, 24)
ALIKE = 6.0
"""Two thumbnails whose grey values differ by less on average [of 255] show the same image."""


@dataclass(frozen=True)
class Photograph:
    """An image with labels: ``pixels`` (N, 2) (u, v) and their true z-depth ``depth_m`` (N,)."""

    path: Path
    pixels: np.ndarray
    depth_m: np.ndarray
    camera: PinholeCamera | None = None

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
        """Return the figures of this image."""
        return accuracy(self.read_m, self.photograph.depth_m)


def find_photographs(given: str | None) -> tuple[Path | None, str]:
    """Return the jsonl file with labels, or None, and a line that says which and why.

    ``given`` (--photos) goes before the variable DEPTHLM_PHOTOS, and that before the known place;
    a folder stands for its points.jsonl. Raises DemoError when what was named is not there.
    """
    for named, how in ((given, "--photos"), (os.environ.get(VARIABLE), VARIABLE)):
        if named:
            path = Path(named).expanduser()
            path = _jsonl_in(path) if path.is_dir() else path
            if not path.is_file():
                raise DemoError(
                    f"{how}: {path} is not there: give a jsonl file of DepthLM's or "
                    "DepthVLM's form (docs/demo.md); pictures without labels "
                    "are for `depthlm depth`"
                )
            return path.resolve(), f"photographs: {path} ({how})"
    if KNOWN_PLACE.is_file():
        return KNOWN_PLACE, f"photographs: {KNOWN_PLACE}"
    return None, "photographs: none at hand (--photos FILE.jsonl plays yours)"


def _jsonl_in(folder: Path) -> Path:
    """Return a folder's points.jsonl, or its only .jsonl."""
    found = sorted(folder.glob("*.jsonl"))
    return found[0] if len(found) == 1 else folder / "points.jsonl"


def load_photographs(path: Path, image_root: Path | None = None) -> list[Photograph]:
    """Read the labelled images of a jsonl file, at most MOST_PHOTOS. Raises DemoError.

    ``image_root``: what the images' paths are below; None: the file's folder.
    """

    def skip(where, refusal):
        say(f"  {where} is skipped: {refusal.text}")

    try:
        lines = read_annotations(path, skip, image_root=image_root)
    except StatusError as refusal:
        raise DemoError(refusal.text) from refusal
    found = [
        Photograph(line.path, line.pixels[:MOST_LABELS], line.metres[:MOST_LABELS], line.camera)
        for line in lines
        if len(line.metres)
    ]
    if not found:
        raise DemoError(f"{path}: no picture has labels (pixel_coords and depth)")
    if len(found) <= MOST_PHOTOS:
        return found
    say(f"  {len(found)} photographs: {MOST_PHOTOS} of them are shown, evenly spaced")
    return [found[i * len(found) // MOST_PHOTOS] for i in range(MOST_PHOTOS)]


def write_photographs(photographs: list[Photograph], path: Path) -> None:
    """Write the lines that camera_node plays: absolute paths, z-depths at pixels of the image."""
    with path.open("w", encoding="utf-8") as file:
        for one in photographs:
            c = one.camera
            line = {
                "image": str(one.path.resolve()),
                "intrinsics": [c.fx, c.fy, c.cx, c.cy, c.width, c.height],
                "pixel_coords": one.pixels.tolist(),
                "depth": one.depth_m.tolist(),
                "label": "z",
            }
            file.write(json.dumps(line) + "\n")


def thumbnail(rgb: np.ndarray) -> np.ndarray:
    """Return an image's likeness, float32 (24, 32) grey, for telling images apart."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, THUMB, interpolation=cv2.INTER_AREA).astype(np.float32)


def recognise(rgb: np.ndarray, known: list[np.ndarray]) -> int | None:
    """Return which of the thumbnails shows this image, or None."""
    here = thumbnail(rgb)
    differences = [float(np.abs(here - other).mean()) for other in known]
    best = int(np.argmin(differences))
    return best if differences[best] < ALIKE else None


class ImageFolderRun:
    """Plays the photographs and reads their labels through the service."""

    def __init__(self, context: DemoContext, path: Path, latency_s: float):
        """``latency_s``: from an image's stamp to its depth; sets how fast they are played."""
        self._context, self._rate_hz = context, rate_for(latency_s)
        self._photographs = load_photographs(path, context.options.photos_root)
        self._path = context.out / "photographs.jsonl"
        write_photographs(self._photographs, self._path)
        self._known, self._refusal = [], ""
        for photograph in self._photographs:
            bgr = cv2.imread(str(photograph.path), cv2.IMREAD_COLOR | IGNORE_EXIF)
            if bgr is None:
                raise DemoError(f"{photograph.path}: cannot be read as a picture")
            self._known.append(thumbnail(np.ascontiguousarray(bgr[..., ::-1])))

    def run(self, report) -> list[ReadPhotograph]:
        """Read every photograph once; ``report(read)`` is called for each. Raises DemoError."""
        self._context.start_camera(source=str(self._path), rate_hz=self._rate_hz, loop=True)
        done: dict[int, ReadPhotograph] = {}
        seen, begin, timeout_s = time.time_ns(), time.monotonic(), START_S
        while len(done) < len(self._photographs):
            seen = self._next(seen, done, begin + timeout_s - time.monotonic())
            which = recognise(self._context.subscriber.frame(seen).rgb, self._known)
            if which is not None and which not in done and (read := self._read(which)):
                done[which], begin = read, time.monotonic()
                timeout_s = EACH_S + 2 * len(self._photographs) / self._rate_hz
                report(read)
        self._context.children.stop(CAMERA)
        return [done[which] for which in sorted(done)]

    def _next(self, seen: int, done: dict, timeout_s: float) -> int:
        """Wait for an image newer than ``seen`` that has its depth; return its stamp."""
        missing = [p.name for which, p in enumerate(self._photographs) if which not in done]
        what = f"photograph {', '.join(missing[:3])}{' ...' * (len(missing) > 3)} with its depth"
        if timeout_s <= 0:
            raise DemoError(f"no {what} was read in two rounds of all. {self._refusal}")

        def newer():
            stamp = self._context.subscriber.newest_complete()
            return stamp if stamp and stamp > seen else None

        return self._context.wait_for(newer, what, START_S)

    def _read(self, which: int) -> ReadPhotograph | None:
        """Read the labels of a photograph; None when the newest image is another by now."""
        photograph = self._photographs[which]
        try:
            reply = self._context.client.query_points(photograph.pixels)
        except ServiceTimeoutError as error:
            raise DemoError(f"{error}\n{self._context.children.tails()}") from error
        self._refusal = "" if reply.code == Code.OK else f"{reply.code.name}: {reply.text}"
        if self._refusal:
            return None
        stamp = reply.points[0].stamp_ns
        frame, depth = (
            self._context.subscriber.frame(stamp),
            self._context.subscriber.depth_map(stamp),
        )
        if depth is None or recognise(frame.rgb, self._known) != which:
            return None
        return ReadPhotograph(
            photograph, np.array([point.depth_m for point in reply.points]), frame, depth
        )


def rate_for(latency_s: float) -> float:
    """Return how many photographs a second leave time for each: one and a half latencies."""
    if not latency_s > 0:
        return SLOWEST_HZ
    return min(FASTEST_HZ, max(SLOWEST_HZ, round(1 / (1.5 * latency_s), 2)))


def totals(read: list[ReadPhotograph]) -> tuple[Accuracy, Accuracy]:
    """Return the figures over all photographs, and those of the best constant."""
    pairs = [(one.read_m, one.photograph.depth_m) for one in read]
    return pooled(pairs), constant_accuracy([true for _, true in pairs])
