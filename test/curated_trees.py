"""Small trees of the public sets, for test/datasets."""

import json

import numpy as np
from PIL import Image

from depthlm_ros.datasets.curation import CurationSettings, prepare
from depthlm_ros.datasets.curators import curator_of


def image(path, width, height, value=90):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), value, np.uint8)).save(path)


def depth16(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array).astype(np.uint16)).save(path)


def text(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def lines_of(name, root, out, **settings):
    path = prepare(curator_of(name), root, out, CurationSettings(**settings))
    return [json.loads(line) for line in path.read_text().splitlines()]


def one_pixel(height, width, row, column, value):
    """Return a map that is known at one pixel alone: its label is the only one."""
    out = np.zeros((height, width))
    out[row, column] = value
    return out


def matterport(root):
    conf = (
        "intrinsics_matrix 100 0 39.5  0 102 29.5  0 0 1\n"
        "scan a_d0_0.png a_i0_0.jpg 1 0 0 0\nintrinsics_matrix 200 0 40  0 201 30  0 0 1\n"
        "scan a_d1_0.png a_i1_0.jpg 1 0 0 0\n"
    )
    text(root / "m1/undistorted_camera_parameters/m1.conf", conf)
    for camera in (0, 1):
        image(root / f"m1/undistorted_color_images/a_i{camera}_0.jpg", 80, 60)
        depth16(
            root / f"m1/undistorted_depth_images/a_d{camera}_0.png",
            one_pixel(60, 80, 50, 10, 12000),
        )
    text(root / "scenes_train.txt", "m1\nm2\n")
