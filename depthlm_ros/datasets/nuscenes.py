"""NuScenes: six cameras and a lidar; the set's own JSON tables are read as they are.

``VERSION/{scene,sample,sample_data,calibrated_sensor,ego_pose,sensor}.json`` (v1.0-trainval),
files below ``samples/``. Key frames; the sweep is brought from the lidar's time to the camera's
through the two ego poses. As published, both scripts leave the ego motion out and cut pixels off
instead of rounding them. DepthLM measures the ten mini scenes and trains on the rest.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from depthlm_ros.datasets.base import LabelKind
from depthlm_ros.datasets.curation import CurationSettings, FrameRecord, drawn_pairs
from depthlm_ros.datasets.files import must_exist, read_text
from depthlm_ros.datasets.lidar import depth_of_points, motion, moved, write_frame
from depthlm_ros.datasets.registry import SETS
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.status import Code, StatusError

VERSION = "v1.0-trainval"
CAMERAS = tuple(
    f"CAM_{side}"
    for side in ("FRONT", "FRONT_RIGHT", "BACK_RIGHT", "BACK", "BACK_LEFT", "FRONT_LEFT")
)
LIDAR = "LIDAR_TOP"
MOST_GAP = 2
"""Pairs for the camera's motion are 1 or 2 key frames apart: half a second to a second."""
MINI = tuple(
    f"scene-{number:04d}" for number in (61, 103, 553, 655, 757, 796, 916, 1077, 1094, 1100)
)


class NuScenes:
    """The set's curator."""

    name = "nuscenes"

    def scenes(self, root: Path, split: str) -> list[str]:
        """Return the mini scenes ("test" or "val"), or all others ("train")."""
        must_exist(root / VERSION, "the tables of NuScenes")
        names = [row["name"] for row in _table(root, "scene").values()]
        return [name for name in names if (name in MINI) == (split != "train")]

    def frames(
        self, root: Path, out: Path, scene: str, settings: CurationSettings
    ) -> Iterator[FrameRecord]:
        """Yield the key frames of all cameras of a scene."""
        moments = _key_frames(root, scene)
        if settings.form == "motion":
            yield from self._pairs(root, moments, scene, settings)
            return
        for data in moments[:: settings.every or 1]:
            sweep = _read_sweep(root / data[LIDAR]["filename"])
            for camera in CAMERAS:
                if camera in data:
                    yield self._frame(root, out, scene, settings, data, camera, sweep)

    def _pairs(self, root: Path, moments: list, scene: str, settings) -> Iterator[FrameRecord]:
        """Yield images of a camera with a later one, and how far the camera's centre went."""
        for name in CAMERAS:
            drawn = settings.every or 1, MOST_GAP, settings.seed, f"{scene}/{name}"
            for at, later in drawn_pairs(len(moments), *drawn):
                if not (name in moments[at] and name in moments[later]):
                    continue
                first, second = moments[at][name], moments[later][name]
                centres = [_in_world(root, row)[:3, 3] for row in (first, second)]
                yield FrameRecord(
                    first["filename"],
                    _camera_of(root, first, first["width"], first["height"]),
                    scene=scene,
                    camera_name=name,
                    second=second["filename"],
                    motion_m=float(np.linalg.norm(centres[1] - centres[0])),
                )

    def _frame(self, root, out, scene, settings, data, name, sweep) -> FrameRecord:
        row = data[name]
        bgr = cv2.imread(str(root / row["filename"]), cv2.IMREAD_COLOR)
        if bgr is None:
            raise StatusError(Code.BAD_IMAGE, f"{root / row['filename']} cannot be read")
        camera = _camera_of(root, row, bgr.shape[1], bgr.shape[0])
        points = moved(sweep, lidar_to_camera(root, data[LIDAR], row, settings.as_published))
        depth = depth_of_points(points, camera, LabelKind.Z, floor=settings.as_published)
        place = (scene, name, row["timestamp"])
        range_m = SETS[self.name].range_m
        return write_frame(out, settings, place, bgr, depth, camera, LabelKind.Z, range_m)


def lidar_to_camera(root: Path, lidar: dict, camera: dict, as_published: bool) -> np.ndarray:
    """Return the motion from a lidar sample to a camera sample, through the world.

    As published: as if the car had stood still between the two.
    """
    if as_published:
        return np.linalg.inv(_on_car(root, camera)) @ _on_car(root, lidar)
    return np.linalg.inv(_in_world(root, camera)) @ _in_world(root, lidar)


def _on_car(root: Path, row: dict) -> np.ndarray:
    """Return the motion from a sensor to the car."""
    calibrated = _table(root, "calibrated_sensor")[row["calibrated_sensor_token"]]
    return motion(calibrated["rotation"], calibrated["translation"])


def _in_world(root: Path, row: dict) -> np.ndarray:
    """Return the motion from a sensor to the world at the time of its sample."""
    ego = _table(root, "ego_pose")[row["ego_pose_token"]]
    return motion(ego["rotation"], ego["translation"]) @ _on_car(root, row)


def _camera_of(root: Path, row: dict, width: int, height: int) -> PinholeCamera:
    calibrated = _table(root, "calibrated_sensor")[row["calibrated_sensor_token"]]
    return PinholeCamera.from_matrix(calibrated["camera_intrinsic"], width, height)


@lru_cache(maxsize=16)
def _table(root: Path, name: str) -> dict:
    """Return a table by token."""
    rows = json.loads(read_text(root / VERSION / f"{name}.json"))
    return {row["token"]: row for row in rows}


@lru_cache(maxsize=2)
def _by_scene(root: Path) -> dict:
    """Return scene name to its moments in order: {channel: sample_data row} each."""
    sensors, calibrated = _table(root, "sensor"), _table(root, "calibrated_sensor")
    samples, scenes = _table(root, "sample"), _table(root, "scene")
    moments: dict = {}
    for row in _table(root, "sample_data").values():
        if row["is_key_frame"]:
            sensor = calibrated[row["calibrated_sensor_token"]]["sensor_token"]
            moments.setdefault(row["sample_token"], {})[sensors[sensor]["channel"]] = row
    found: dict = {}
    for token, data in sorted(moments.items(), key=lambda pair: samples[pair[0]]["timestamp"]):
        if LIDAR in data:
            name = scenes[samples[token]["scene_token"]]["name"]
            found.setdefault(name, []).append(data)
    return found


def _key_frames(root: Path, scene: str) -> list[dict]:
    return _by_scene(root).get(scene, [])


def _read_sweep(path: Path) -> np.ndarray:
    """Return the points (N, 3) of a .pcd.bin: five float32 a point."""
    raw = np.fromfile(must_exist(path, "a lidar sweep"), "<f4")
    if raw.size % 5:
        raise StatusError(Code.BAD_IMAGE, f"{path} holds {raw.size} numbers: must be five a point")
    return raw.reshape(-1, 5)[:, :3].astype(float)
