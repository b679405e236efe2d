"""Lidar sweeps to depth maps of a camera: rigid motions, projection, the nearest point kept.

Motions are 4 x 4 matrices that map points of the named source frame to the target frame; points
are (N, 3) in metres. Cameras look along z (optical frame) unless a set's module turns them first.
"""

import json
from pathlib import Path

import cv2
import numpy as np

from depthlm_ros.datasets.base import DepthFile, LabelKind
from depthlm_ros.datasets.curation import CurationSettings, FrameRecord
from depthlm_ros.geometry.camera import PinholeCamera

STORED_SCALE = 256.0
"""Maps are stored as uint16, 256 to a metre, as the published extraction does."""
FOCAL_PX = 1000.0


def rotation(quaternion) -> np.ndarray:
    """Return the 3 x 3 rotation of a quaternion (w, x, y, z)."""
    w, x, y, z = np.asarray(quaternion, float) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def motion(quaternion, translation) -> np.ndarray:
    """Return the 4 x 4 motion of a quaternion (w, x, y, z) and a translation [m]."""
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = rotation(quaternion), translation
    return out


def moved(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Apply a 4 x 4 motion to points (N, 3)."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def depth_of_points(
    points: np.ndarray,
    camera: PinholeCamera,
    kind: LabelKind = LabelKind.Z,
    floor: bool = False,
    last_wins: bool = False,
) -> np.ndarray:
    """Project points (N, 3) of the camera's frame to a map, float32 (H, W) [m], 0 where none.

    ``kind``: what the map holds. Pixels are rounded, or as published of NuScenes cut off
    (``floor``). Of several points in a pixel the nearest stays, or as published of Argoverse2 the
    last (``last_wins``).
    """
    front = points[points[:, 2] > 0]
    pixels = camera.project(front)
    cells = (np.floor(pixels) if floor else np.rint(pixels)).astype(int)
    size = (camera.width, camera.height)
    inside = ((cells >= 0) & (cells < size)).all(axis=1)
    cells, front = cells[inside], front[inside]
    metres = front[:, 2] if kind is LabelKind.Z else np.linalg.norm(front, axis=1)
    order = np.arange(len(metres)) if last_wins else np.argsort(-metres, kind="stable")
    depth = np.zeros((camera.height, camera.width), np.float32)
    depth[cells[order, 1], cells[order, 0]] = metres[order]
    return depth


def stored(depth_m: np.ndarray) -> np.ndarray:
    """Return a map as it is stored, uint16: 256 to a metre, 0 where it does not fit."""
    raw = np.rint(depth_m * STORED_SCALE)
    return np.where((raw >= 1) & (raw <= 65535), raw, 0).astype(np.uint16)


def write_frame(
    out: Path,
    settings: CurationSettings,
    place: tuple,
    bgr: np.ndarray,
    depth_m: np.ndarray,
    camera: PinholeCamera,
    kind: LabelKind,
    range_m: tuple,
) -> FrameRecord:
    """Write image, map and camera of one moment in the published layout; return the record.

    ``place``: (scene, camera's name, time). ``SPLIT/{rgb,depth,intrinsics}/SCENE/TIME_CAMERA``,
    below ``SPLIT_points`` for lines of points, whose images may be smaller.
    """
    scene, name, moment = place
    stem = f"{scene}/{moment}_{name}"
    top = settings.split if settings.form == "depthvlm" else f"{settings.split}_points"
    image, depth, intrinsics = (
        Path(top, folder, stem + ending)
        for folder, ending in (("rgb", ".jpg"), ("depth", ".png"), ("intrinsics", ".json"))
    )
    for path in (image, depth, intrinsics):
        (out / path).parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(out / image), bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])
    cv2.imwrite(str(out / depth), stored(depth_m))
    numbers = [camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height]
    (out / intrinsics).write_text(json.dumps([float(n) for n in numbers]))
    size = (camera.width, camera.height)
    return FrameRecord(
        str(image),
        camera,
        DepthFile(depth, STORED_SCALE, size=size),
        kind,
        scene=scene,
        camera_name=name,
        made=True,
        range_m=range_m,
    )


def at_focal(bgr: np.ndarray, camera: PinholeCamera, focal: float = FOCAL_PX) -> tuple:
    """Shrink an image whose fx is larger to ``focal``: (image, camera, scale), sizes by ``int``.

    As the published extraction of DepthLM does with Lanczos weights; fy and the principal point by
    the same scale. A camera of at most ``focal`` stays.
    """
    if camera.fx <= focal:
        return bgr, camera, 1.0
    s = focal / camera.fx
    size = int(camera.width * s), int(camera.height * s)
    shrunk = cv2.resize(bgr, size, interpolation=cv2.INTER_LANCZOS4 if s > 1 else cv2.INTER_AREA)
    moved_camera = PinholeCamera(focal, camera.fy * s, camera.cx * s, camera.cy * s, *size)
    return shrunk, moved_camera, s
