"""Labels drawn over their images, to be looked at before anything is trained on them."""

from collections.abc import Sequence

import cv2
import numpy as np

from depthlm_ros.datasets.base import Sample
from depthlm_ros.datasets.depth_reading import read_masked, read_rgb, resize_nearest
from depthlm_ros.datasets.readers import AnnotationFile
from depthlm_ros.visualization.colormap import colourise
from depthlm_ros.visualization.contact_sheet import contact_sheet

LARGEST_PX = 640
COLUMNS = 3


def labelled_picture(sample: Sample, range_m: tuple) -> np.ndarray:
    """Return a sample's image with its labels in colours, uint8 (H, W, 3), at most 640 px wide.

    Maps are laid over it; points are discs. Near is red, far is blue.
    """
    image = read_rgb(sample.image)
    scale = min(1.0, LARGEST_PX / max(image.size))
    size = tuple(max(1, round(side * scale)) for side in image.size)
    drawn = np.array(image.resize(size))
    if sample.depth is not None:
        depth = resize_nearest(read_masked(sample.depth, range_m), size)
        known = depth > 0
        colours = colourise(np.where(known, depth, np.float32(np.nan)).astype(np.float32))
        drawn[known] = (0.35 * drawn[known] + 0.65 * colours[known]).astype(np.uint8)
    elif sample.points is not None and len(sample.points):
        metres = sample.points.metres.astype(np.float32)[None]
        colours = colourise(metres)[0]
        pixels = np.rint(sample.points.on_grid(size)).astype(int)
        for (x, y), colour in zip(pixels, colours, strict=True):
            centre = (int(x), int(y))
            cv2.circle(drawn, centre, 5, (0, 0, 0), cv2.FILLED, cv2.LINE_AA)
            cv2.circle(drawn, centre, 4, tuple(int(c) for c in colour), cv2.FILLED, cv2.LINE_AA)
    return drawn


def sheet(file: AnnotationFile, lines: Sequence[int]) -> np.ndarray:
    """Return a contact sheet of some lines of an annotation file, uint8 (H, W, 3)."""
    pictures, titles = [], []
    for line in lines:
        sample = file[int(line)]
        pictures.append(labelled_picture(sample, file.range_m))
        titles.append(_title(sample, file.range_m))
    rows = [pictures[i : i + COLUMNS] for i in range(0, len(pictures), COLUMNS)]
    heads = [titles[i : i + COLUMNS] for i in range(0, len(titles), COLUMNS)]
    return contact_sheet(rows, heads)


def _title(sample: Sample, range_m: tuple) -> str:
    if sample.points is not None and len(sample.points):
        metres = sample.points.metres
    elif sample.depth is not None:
        depth = read_masked(sample.depth, range_m)
        metres = depth[depth > 0]
    else:
        metres = np.empty(0)
    span = f"{metres.min():.2f} to {metres.max():.2f} m" if len(metres) else "no labels"
    return f"{sample.image.stem[:24]}: {span}, {sample.label.value}"
