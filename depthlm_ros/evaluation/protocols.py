"""What is measured where: DepthLMBench and DepthVLM-Bench, from annotation files to work items.

DepthLMBench (DepthLM section 4): 8,192 random labelled points a set, every sample counts alike.
DepthVLM-Bench (DepthVLM section 4): 1,000 images of 10 points (sparse), or all valid pixels
(dense); delta1 of each image, then the mean of the images. ``as_published`` repeats the released
evaluation code to the letter where it does something else than its paper says; the default
measures what the papers mean. The differences: docs/evaluation.md.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from depthlm_ros.datasets.base import Sample
from depthlm_ros.datasets.depth_reading import crop_of, read_masked, resize_nearest
from depthlm_ros.datasets.depthlm_sampling import MARGIN_PX, off_the_border
from depthlm_ros.datasets.mixture import scannet_part
from depthlm_ros.datasets.readers import AnnotationFile
from depthlm_ros.status import Code, StatusError

POINTS, SEED = 8192, 42
BENCHES = ("depthlm", "depthvlm")


@dataclass(frozen=True)
class WorkItem:
    """One image of a benchmark with what is asked about it.

    ``line``: of the annotation file, from 0. ``pixels`` (N, 2) float, of the image as it lies on
    disk; ``truth_m`` (N,) in the sample's own kind of label. ``dense``: the whole map is compared
    instead, and both are empty.
    """

    line: int
    sample: Sample
    pixels: np.ndarray
    truth_m: np.ndarray
    dense: bool = False


def depthlm_items(
    file: AnnotationFile,
    count: int = POINTS,
    mode: str = "random",
    as_published: bool = False,
    focal_px: float = 1000.0,
    seed: int = SEED,
) -> Iterator[WorkItem]:
    """Yield the images of DepthLMBench with their drawn points.

    ``mode``: "random", or "all" for every labelled point once. Random: sample ``i`` asks about
    image ``i mod n`` at a drawn point of its own. As published: points are drawn over the FIRST
    image's number of them, for ``focal_px`` those within 5 px of the border move on to sample
    ``i + 1`` (random) or are left out (all). A file whose path contains "scannet": its last 2 %.
    """
    lines = scannet_part(file.path.resolve(), len(file), train=False)
    if mode not in ("random", "all"):
        raise StatusError(Code.UNSUPPORTED, f"mode {mode!r}: must be random or all")
    drawn = None
    if mode == "random":
        drawn = _drawn(file, lines, count, as_published, focal_px, seed)
    for position, line in enumerate(lines):
        sample = file[int(line)]
        chosen = np.arange(_count(sample)) if drawn is None else drawn.get(position, [])
        if drawn is None and as_published:
            chosen = [i for i in chosen if _markable(sample, i, focal_px)]
        if len(chosen):
            pixels = sample.points.on_grid((sample.camera.width, sample.camera.height))
            truth = sample.points.metres[chosen]
            yield WorkItem(int(line), sample, pixels[chosen], truth)


def _drawn(file, lines, count: int, as_published: bool, focal_px: float, seed: int) -> dict:
    """Return the points asked about, by the image's position in the file."""
    rng = random.Random(seed)
    first = _count(file[int(lines[0])])
    if not first:
        raise StatusError(Code.NO_FRAME, f"{file.path}: the first image has no labelled point")
    picked: dict = {}
    sizes: dict = {}
    draws = [
        rng.sample(range(first), 1)[0] if as_published else rng.random() for _ in range(count)
    ]
    for index in range(count):
        for at in range(index, index + len(lines)):
            position = at % len(lines)
            if position not in sizes:
                sizes[position] = _count(file[int(lines[position])])
            if not sizes[position]:
                continue
            draw = draws[at % count]
            point = draw if as_published else int(draw * sizes[position])
            sample = file[int(lines[position])] if as_published else None
            if not as_published or _markable(sample, point, focal_px):
                picked.setdefault(position, []).append(point)
                break
    return picked


def _count(sample: Sample) -> int:
    return 0 if sample.points is None else len(sample.points)


def _markable(sample: Sample, index: int, focal_px: float) -> bool:
    """Return whether the published marker fits: the point is off the resized image's border."""
    if index >= _count(sample):
        return False
    camera = sample.camera
    s = focal_px / camera.fx
    x, y = (int(v * s) for v in sample.points.pixels[index])
    return off_the_border((x, y), int(camera.width * s), int(camera.height * s), MARGIN_PX)


def depthvlm_items(
    file: AnnotationFile, mode: str = "sparse", as_published: bool = False
) -> Iterator[WorkItem]:
    """Yield the images of DepthVLM-Bench: the line's own points (sparse), or all pixels (dense).

    As published (sparse), points are scaled by the canonical size over the IMAGE's size, whatever
    grid they are of, and the truth found there replaces the line's: see ``published_points``.
    """
    if mode not in ("sparse", "dense"):
        raise StatusError(Code.UNSUPPORTED, f"mode {mode!r}: must be sparse or dense")
    for line in range(len(file)):
        sample = file[line]
        if mode == "dense":
            yield WorkItem(line, sample, np.empty((0, 2)), np.empty(0), dense=True)
            continue
        if sample.points is None:
            raise StatusError(
                Code.BAD_IMAGE, f"{sample.place}: has no pixel_coords; measure densely instead"
            )
        if as_published:
            pixels, truth = published_points(sample, file.range_m)
        else:
            pixels = sample.points.on_grid((sample.camera.width, sample.camera.height))
            truth = sample.points.metres
        yield WorkItem(line, sample, pixels, truth)


def published_points(sample: Sample, range_m: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Return (pixels (N, 2), truth (N,) [m]) as the released code reads them.

    Pixels are of the canonical (cropped) image: coordinates x canonical / image size, less half
    of what the crop takes, rounded; outside: dropped. Truth: the NEAREST-resized depth map there,
    without masks, and where that is 0 the line's own value.
    """
    size = sample.canonical_size or (sample.camera.width, sample.camera.height)
    left, top, width, height = crop_of(sample, *size)
    image = np.array([sample.camera.width, sample.camera.height], float)
    at = np.rint(sample.points.pixels * np.array(size) / image - (left, top)).astype(int)
    inside = ((at >= 0) & (at < (width, height))).all(axis=1)
    at, own = at[inside], sample.points.metres[inside]
    unmasked = read_masked(replace(sample.depth, masks=()), range_m)
    depth = resize_nearest(unmasked, size)[top : top + height, left : left + width]
    found = depth[at[:, 1], at[:, 0]].astype(float)
    return at.astype(float), np.where(found > 0, found, own)


def to_truth_size(predicted: np.ndarray, shape: tuple) -> np.ndarray:
    """Resample a predicted map to a truth's (H, W): OpenCV linear, as the released code does."""
    if predicted.shape == shape:
        return predicted
    return cv2.resize(
        np.asarray(predicted, np.float32), shape[::-1], interpolation=cv2.INTER_LINEAR
    )
