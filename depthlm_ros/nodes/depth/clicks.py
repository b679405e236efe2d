"""What a geometry_msgs/PointStamped on ~/query_points means: a pixel, or a point in space.

A pixel: no frame_id, or the camera's own and z = 0. A point: any other, as RViz's Publish Point
tool sends it, in its Fixed Frame and even where that is the camera's own.
"""

import math

import numpy as np

from depthlm_ros.status import Code, StatusError


def check_finite(xyz) -> None:
    """Refuse a point that is none."""
    if not all(map(math.isfinite, xyz)):
        raise StatusError(Code.BAD_QUESTION, f"point {_shown(xyz)}: must be finite numbers")


def is_pixel(xyz, frame_id: str, camera_frame: str) -> bool:
    """Tell whether x and y are a pixel; otherwise x, y, z are metres in ``frame_id``."""
    return frame_id == "" or (frame_id == camera_frame and xyz[2] == 0.0)


def pixel_of(xyz, frame_depth, frame_id: str) -> tuple[float, float]:
    """Return the pixel (u, v) of the subscribed image at which a point is seen.

    ``xyz``: x, y, z [m] in the camera's optical frame. ``frame_id``: where it was given in.
    Raises StatusError(OUT_OF_IMAGE) for a point behind the camera.
    """
    if not xyz[2] > 0.0:
        raise StatusError(
            Code.OUT_OF_IMAGE,
            f"the point given in {frame_id!r} is at {_shown(xyz)} m in the camera's optical "
            "frame, behind the camera: it must have a z above 0; turn the camera, or click "
            "what it sees",
        )
    projected = frame_depth.frame.camera.project(np.asarray(xyz, dtype=np.float64))
    pixel = frame_depth.rectifier.rectified_to_source(projected)
    return float(pixel[0]), float(pixel[1])


def _shown(xyz) -> str:
    return f"({', '.join(f'{value:.3f}' for value in xyz)})"
