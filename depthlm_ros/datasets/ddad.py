"""DDAD in TRI's DGP layout: six cameras, a lidar, JSON scene files, point clouds as .npz.

``ddad.json`` names the scenes of each split; ``SCENE/scene_*.json`` its samples and data (each
datum with the sensor's pose in the world), ``SCENE/calibration/*.json`` the cameras. z-depth of
the lidar's points, brought from the lidar's pose to the camera's through the world. Cameras 01,
05, 06, 07, 08, 09.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from depthlm_ros.datasets.base import LabelKind
from depthlm_ros.datasets.curation import CurationSettings, FrameRecord
from depthlm_ros.datasets.files import must_exist, read_text
from depthlm_ros.datasets.lidar import depth_of_points, motion, moved, write_frame
from depthlm_ros.datasets.registry import SETS
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.status import Code, StatusError

CAMERAS = tuple(f"CAMERA_{number:02d}" for number in (1, 5, 6, 7, 8, 9))
SPLITS = {"train": "0", "val": "1", "test": "1"}
"""DGP's numbers of the splits; DDAD is measured on its validation split."""


class DDAD:
    """The set's curator."""

    name = "ddad"

    def scenes(self, root: Path, split: str) -> list[str]:
        """Return the split's scene folders."""
        listed = json.loads(read_text(root / "ddad.json"))["scene_splits"][SPLITS[split]]
        return [str(Path(name).parent) for name in listed["filenames"]]

    def frames(
        self, root: Path, out: Path, scene: str, settings: CurationSettings
    ) -> Iterator[FrameRecord]:
        """Yield the images of a scene's samples."""
        (file,) = sorted((must_exist(root / scene, "a scene of DDAD")).glob("scene_*.json"))[:1]
        content = json.loads(read_text(file))
        data = {datum["key"]: datum for datum in content["data"]}
        for sample in content["samples"][:: settings.every or 1]:
            datums = {data[key]["id"]["name"]: data[key] for key in sample["datum_keys"]}
            path = root / scene / "calibration" / f"{sample['calibration_key']}.json"
            lenses = _cameras(json.loads(read_text(path)))
            lidar = datums["LIDAR"]["datum"]["point_cloud"]
            points = _points(root / scene / lidar["filename"])
            for name in CAMERAS:
                if name in datums:
                    image = datums[name]["datum"]["image"]
                    between = np.linalg.inv(_pose(image["pose"])) @ _pose(lidar["pose"])
                    yield self._frame(
                        root,
                        out,
                        scene,
                        settings,
                        name,
                        image,
                        lenses[name],
                        moved(points, between),
                        datums[name]["id"]["timestamp"],
                    )

    def _frame(self, root, out, scene, settings, name, image, lens, points, stamp) -> FrameRecord:
        path = root / scene / image["filename"]
        bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if bgr is None:
            raise StatusError(Code.BAD_IMAGE, f"{path} cannot be read")
        camera = PinholeCamera(*lens, bgr.shape[1], bgr.shape[0])
        depth = depth_of_points(points, camera, LabelKind.Z)
        moment = "".join(character for character in str(stamp) if character.isalnum())
        place = (scene.replace("/", "_"), name, moment)
        return write_frame(
            out, settings, place, bgr, depth, camera, LabelKind.Z, SETS[self.name].range_m
        )


def _pose(pose: dict) -> np.ndarray:
    """Return the motion from the sensor to the world."""
    q, t = pose["rotation"], pose["translation"]
    return motion([q[f"q{axis}"] for axis in "wxyz"], [t[axis] for axis in "xyz"])


def _cameras(calibration: dict) -> dict:
    """Return camera name to (fx, fy, cx, cy)."""
    rows = zip(calibration["names"], calibration["intrinsics"], strict=True)
    return {name: tuple(k[key] for key in ("fx", "fy", "cx", "cy")) for name, k in rows}


def _points(path: Path) -> np.ndarray:
    """Return the points (N, 3) of a sweep, in the lidar's frame."""
    with np.load(must_exist(path, "a lidar sweep"), allow_pickle=False) as arrays:
        return np.asarray(arrays["data"][:, :3], float)
