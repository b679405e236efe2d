"""Labelled photographs of a .jsonl for people: demo, camera_node and the accuracy benchmark.

Reads what ``readers`` reads: both papers' lines, and their example files, as they are.

    {"image": "rgb/a.png", "intrinsics": [fx, fy, cx, cy, width, height],
     "pixel_coords": [[u, v], ...], "depth": [metres, ...]}

Paths are below the file's folder, or absolute. Labels may be missing; one that is null, not finite
or not positive says that nothing is known there. What comes out are z-depths at pixels of the
image: distances are converted, labels on the grid of a depth map are moved to the image's, and a
depth map without chosen pixels is read at some.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depthlm_ros.datasets.base import LabelKind, Points, Sample, convert
from depthlm_ros.datasets.choosing import choose_points
from depthlm_ros.datasets.depth_reading import read_masked
from depthlm_ros.datasets.readers import AnnotationFile
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.status import Code, StatusError

FORM = (
    'must be {"image": path, "intrinsics": [fx, fy, cx, cy, width, height], '
    '"pixel_coords": [[u, v], ...], "depth": [m, ...]}, the last two together or not at all, or '
    "a line of DepthVLM (depth_path, depth_scale, original_rgb_size, original_fx)"
)
POINTS_OF_A_MAP = 100
"""Pixels that are read of a depth map where a line chooses none."""


@dataclass(frozen=True)
class Annotation:
    """One line: ``pixels`` (N, 2) of the image and z-depths ``metres`` (N,); empty: no labels."""

    path: Path
    camera: PinholeCamera
    pixels: np.ndarray
    metres: np.ndarray


def read_annotations(
    path: Path, skip, label: LabelKind | None = None, image_root: Path | None = None
) -> list[Annotation]:
    """Return the lines of a .jsonl; ``skip(where, refusal)`` is told of each broken one.

    ``label``: what the numbers measure where a line does not say; None: the default of the public
    set that the file's path speaks of, else z-depth. ``image_root``: what the images' and depth
    maps' paths are below. StatusError when the file cannot be read, or no line of it.
    """
    lines = AnnotationFile(path, image_root, label=label, keep_index=False)
    if lines.info is None and label is None:
        lines.label = LabelKind.Z
    found, last = [], None
    for index in range(len(lines)):
        try:
            found.append(_annotation(lines[index], lines.range_m, index))
        except StatusError as refusal:
            last = refusal
            skip(lines.lines.place(index), refusal)
    if not found:
        why = f"line after line is broken, the last: {last.text}" if last else "empty"
        raise StatusError(Code.NO_FRAME, f"{path}: {why}; a line {FORM}")
    return found


def _annotation(sample: Sample, range_m: tuple, index: int) -> Annotation:
    points = sample.points
    if points is None and sample.depth is not None:
        points = _points_of(read_masked(sample.depth, range_m), index)
    size = sample.camera.width, sample.camera.height
    if points is None:
        return Annotation(sample.image, sample.camera, np.zeros((0, 2)), np.zeros(0))
    pixels = points.on_grid(size)
    rays = sample.camera.normalise(pixels)
    metres = convert(points.metres, rays, sample.label, LabelKind.Z)
    return Annotation(sample.image, sample.camera, pixels, metres)


def _points_of(depth_m: np.ndarray, index: int) -> Points:
    """Return some of a depth map's known pixels, by the benchmark's rule."""
    chosen = choose_points(depth_m, POINTS_OF_A_MAP, index)
    return Points(chosen, depth_m[chosen[:, 1], chosen[:, 0]], depth_m.shape[::-1])
