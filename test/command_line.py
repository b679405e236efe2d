"""Models of the tests' making and calls of the command line, for test/cli."""

import numpy as np

from depthlm_ros.cli import main as cli
from depthlm_ros.geometry.canonical_view import CanonicalView
from depthlm_ros.models.base import DistanceReading


class Plane:
    """Everything is 2 m away along the axis; the left half of the picture is sky if asked."""

    name, ratio_90 = "plane", 1.25

    def __init__(self, depth_m=2.0, sky=False):
        self.depth_m, self.sky, self.calls = depth_m, sky, 0

    def view_of(self, camera):
        """Ask for half the picture's size."""
        return CanonicalView.of(camera, camera.fx / 2)

    def depth(self, rgb, view):
        """Say the true depth as a model at the unified focal length would."""
        self.calls += 1
        depth = np.full((view.height, view.width), self.depth_m / view.depth_scale, np.float32)
        if self.sky:
            depth[:, : view.width // 2] = np.inf
        return depth


class Marker:
    """Every point is 3 m away."""

    name = "marker"

    def distances(self, rgb, camera, pixels):
        """Answer each pixel."""
        return [DistanceReading(3.0, 2.5, 3.6, "3.00") for _ in pixels]


def run(capsys, *argv):
    """Return (exit code, stdout, stderr) of the command line."""
    try:
        code = cli.main([str(word) for word in argv])
    except SystemExit as end:  # argparse: help and usage errors
        code = end.code
    out = capsys.readouterr()
    return code, out.out, out.err


CALIBRATION = """
image_width: 8
image_height: 6
camera_name: test
camera_matrix: {{rows: 3, cols: 3, data: [10.0, 0, 3.5, 0, 12.0, 2.5, 0, 0, 1]}}
distortion_model: {model}
distortion_coefficients: {{rows: 1, cols: 5, data: [{d}, 0, 0, 0, 0]}}
rectification_matrix: {{rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}}
projection_matrix: {{rows: 3, cols: 4, data: [8.0, 0, 3.5, 0, 0, 9.0, 2.5, 0, 0, 0, 1, 0]}}
"""


def calibration(folder, model="plumb_bob", d=0.0):
    file = folder / "camera.yaml"
    file.write_text(CALIBRATION.format(model=model, d=d))
    return file


# -- depth ------------------------------------------------------------------------------------


def read_ply(path):
    head, _, body = path.read_bytes().partition(b"end_header\n")
    record = np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)])
    count = int(head.split(b"element vertex ")[1].split()[0])
    cloud = np.frombuffer(body, record)
    assert len(cloud) == count
    return cloud


# -- ask --------------------------------------------------------------------------------------


def ask(capsys, photo, *more):
    return run(capsys, "ask", photo, "--fx", 10, *more)
