"""Waymo Open Dataset 2.0.1: parquet tables by component and segment, read with pyarrow.

``SPLIT/{camera_image, camera_calibration, lidar, lidar_calibration, lidar_pose, vehicle_pose,
lidar_camera_projection}/SEGMENT.parquet``. Of the top lidar's first return, each cell of the range
image is a point; ``lidar_camera_projection`` names the pixel that it was seen at, on the distorted
image, with the shutter's time taken into account. Image and labels are undistorted to a camera of
the same focal length with its principal point in the middle.

Labels are distances to the camera's centre. As published, DepthLM's points are moved by the
inverse of the map that is needed, and DepthVLM's maps of distances are called z-depth.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from depthlm_ros.datasets.base import LabelKind, convert
from depthlm_ros.datasets.curation import CurationSettings, FrameRecord
from depthlm_ros.datasets.files import must_exist
from depthlm_ros.datasets.lidar import at_focal, moved, write_frame
from depthlm_ros.datasets.optional_packages import require
from depthlm_ros.datasets.registry import SETS
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.status import Code, StatusError

FOLDERS = {"train": "training", "val": "validation", "test": "validation"}
TOP = 1
KEYS = ("key.segment_context_name", "key.frame_timestamp_micros")
CAMERA_NAMES = {1: "FRONT", 2: "FRONT_LEFT", 3: "FRONT_RIGHT", 4: "SIDE_LEFT", 5: "SIDE_RIGHT"}


class Waymo:
    """The set's curator. "test" is the validation split: the test split has no labels."""

    name = "waymo"

    def scenes(self, root: Path, split: str) -> list[str]:
        """Return the segments of a split."""
        folder = must_exist(root / FOLDERS[split] / "camera_image", "Waymo 2.0.1's tables")
        return [path.stem for path in folder.glob("*.parquet")]

    def frames(
        self, root: Path, out: Path, scene: str, settings: CurationSettings
    ) -> Iterator[FrameRecord]:
        """Yield the images of a segment's moments, all five cameras."""
        tables = _Tables(root / FOLDERS[settings.split], scene)
        cameras = {row["key.camera_name"]: row for row in tables.rows("camera_calibration")}
        moments = sorted({row[KEYS[1]] for row in tables.rows("camera_image", KEYS)})
        wanted = set(moments[:: settings.every or 1])
        points = {m: self._points(tables, m) for m in wanted}
        for row in tables.rows("camera_image"):
            if row[KEYS[1]] in wanted and points[row[KEYS[1]]] is not None:
                calibration = cameras[row["key.camera_name"]]
                yield self._frame(out, scene, settings, row, calibration, points[row[KEYS[1]]])

    def _points(self, tables: "_Tables", moment: int):
        """Return (points (N, 3) of the vehicle's frame, seen (N, 6) camera, u, v twice)."""
        lidar = tables.one("lidar", moment)
        projections = tables.one("lidar_camera_projection", moment)
        if lidar is None or projections is None:
            return None
        prefix = "[LiDARComponent].range_image_return1"
        image = _array(lidar, prefix)
        cells = _array(projections, "[LiDARCameraProjectionComponent].range_image_return1")
        calibration = tables.one("lidar_calibration", None)
        xyz = range_image_points(image[..., 0], calibration)
        kept = image[..., 0] > 0
        return xyz[kept], cells[kept]

    def _frame(self, out, scene, settings, row, calibration, points) -> FrameRecord:
        data = np.frombuffer(row["[CameraImageComponent].image"], np.uint8)
        bgr = cv2.imdecode(data, cv2.IMREAD_COLOR)
        if bgr is None:
            raise StatusError(Code.BAD_IMAGE, f"{scene}: an image of it cannot be decoded")
        number = row["key.camera_name"]
        distances, pixels = _seen_by(number, calibration, *points)
        depth, bgr, camera = _undistorted(bgr, calibration, distances, pixels, settings)
        kind = LabelKind.DISTANCE
        if settings.form == "depthvlm" and not settings.as_published:
            depth, kind = _as_z(depth, camera), LabelKind.Z
        place = (scene, CAMERA_NAMES.get(number, str(number)), row[KEYS[1]])
        return write_frame(out, settings, place, bgr, depth, camera, kind, SETS[self.name].range_m)


class _Tables:
    """The tables of one segment."""

    def __init__(self, folder: Path, segment: str):
        self._folder, self._segment = folder, segment
        self._read: dict = {}

    def rows(self, component: str, columns=None) -> list[dict]:
        """Return a component's rows."""
        key = (component, columns)
        if key not in self._read:
            parquet = require("pyarrow.parquet", "Waymo", "data")
            path = self._folder / component / f"{self._segment}.parquet"
            table = parquet.read_table(
                must_exist(path, "a table of Waymo 2.0.1"),
                columns=list(columns) if columns else None,
            )
            self._read[key] = table.to_pylist()
        return self._read[key]

    def one(self, component: str, moment: int | None) -> dict | None:
        """Return the top lidar's row of a moment (None: of the whole segment)."""
        for row in self.rows(component):
            if row["key.laser_name"] == TOP and (moment is None or row[KEYS[1]] == moment):
                return row
        return None


def _array(row: dict, prefix: str) -> np.ndarray:
    return np.asarray(row[f"{prefix}.values"], float).reshape(row[f"{prefix}.shape"])


def range_image_points(ranges: np.ndarray, calibration: dict) -> np.ndarray:
    """Return the points (H, W, 3) of the vehicle's frame of a range image (H, W) [m].

    Rows are the lidar's beams from the top, columns turn from the back to the left and on, in
    Waymo's convention: azimuth of column c is (W - c - 0.5) / W x 2 pi - pi, less the lidar's own.
    """
    prefix = "[LiDARCalibrationComponent]"
    motion = np.asarray(calibration[f"{prefix}.extrinsic.transform"], float).reshape(4, 4)
    beams = calibration.get(f"{prefix}.beam_inclination.values")
    height, width = ranges.shape
    if beams is None:
        low = calibration[f"{prefix}.beam_inclination.min"]
        high = calibration[f"{prefix}.beam_inclination.max"]
        beams = low + (np.arange(height) + 0.5) / height * (high - low)
    inclination = np.asarray(beams, float)[::-1][:, None]
    own = np.arctan2(motion[1, 0], motion[0, 0])
    azimuth = ((width - np.arange(width) - 0.5) / width * 2 - 1) * np.pi - own
    points = np.stack(
        [
            ranges * np.cos(azimuth) * np.cos(inclination),
            ranges * np.sin(azimuth) * np.cos(inclination),
            ranges * np.sin(inclination) * np.ones_like(azimuth),
        ],
        axis=-1,
    )
    return moved(points.reshape(-1, 3), motion).reshape(height, width, 3)


def _seen_by(number: int, calibration: dict, xyz: np.ndarray, projections: np.ndarray) -> tuple:
    """Return (distances (N,) to the camera's centre, pixels (N, 2)) of the points that it saw."""
    motion = np.asarray(
        calibration["[CameraCalibrationComponent].extrinsic.transform"], float
    ).reshape(4, 4)
    distance = np.linalg.norm(xyz - motion[:3, 3], axis=1)
    metres, pixels = [], []
    for first in (0, 3):  # a point may have been seen by two cameras
        mine = projections[:, first] == number
        metres.append(distance[mine])
        pixels.append(projections[mine, first + 1 : first + 3])
    return np.concatenate(metres), np.concatenate(pixels)


def _camera(calibration: dict) -> tuple:
    """Return (the pinhole camera with its centre in the middle, K and distortion as given)."""
    prefix = "[CameraCalibrationComponent]"
    fx, fy, cx, cy = (calibration[f"{prefix}.intrinsic.{n}"] for n in ("f_u", "f_v", "c_u", "c_v"))
    bend = [calibration[f"{prefix}.intrinsic.{n}"] for n in ("k1", "k2", "p1", "p2", "k3")]
    width, height = calibration[f"{prefix}.width"], calibration[f"{prefix}.height"]
    matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    return PinholeCamera(fx, fy, width / 2, height / 2, width, height), matrix, np.array(bend)


def _undistorted(bgr, calibration, distances, pixels, settings) -> tuple:
    """Return (map of distances, image, camera) without distortion."""
    camera, matrix, bend = _camera(calibration)
    size = (camera.width, camera.height)
    maps = cv2.initUndistortRectifyMap(matrix, bend, None, camera.matrix, size, cv2.CV_32FC1)
    straight = cv2.remap(bgr, *maps, cv2.INTER_LINEAR)
    if len(pixels) and settings.as_published and settings.form == "depthlm":
        column, row = np.clip(pixels.astype(int), 0, np.array(size) - 1).T
        pixels = np.stack([maps[0][row, column], maps[1][row, column]], axis=1)
    elif len(pixels):
        points = np.asarray(pixels, np.float64)[:, None]
        pixels = cv2.undistortPoints(points, matrix, bend, P=camera.matrix)[:, 0]
    if settings.form == "depthlm":
        straight, camera, s = at_focal(straight, camera)
        pixels = np.asarray(pixels) * s
    return _map_of(distances, pixels, camera), straight, camera


def _map_of(distances, pixels, camera: PinholeCamera) -> np.ndarray:
    """Return the distances as a map, the nearest in each pixel."""
    depth = np.zeros((camera.height, camera.width), np.float32)
    if not len(distances):
        return depth
    cells = np.rint(pixels).astype(int)
    inside = ((cells >= 0) & (cells < (camera.width, camera.height))).all(axis=1)
    cells, metres = cells[inside], distances[inside]
    order = np.argsort(-metres, kind="stable")
    depth[cells[order, 1], cells[order, 0]] = metres[order]
    return depth


def _as_z(depth: np.ndarray, camera: PinholeCamera) -> np.ndarray:
    rows, columns = np.nonzero(depth)
    xy = camera.normalise(np.stack([columns, rows], axis=1))
    out = np.zeros_like(depth)
    out[rows, columns] = convert(depth[rows, columns], xy, LabelKind.DISTANCE, LabelKind.Z)
    return out
