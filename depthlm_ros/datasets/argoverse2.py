"""Argoverse2 sensor set: seven ring cameras, lidar; feather tables read with pyarrow.

``SPLIT/LOG/sensors/{cameras/NAME/TIME.jpg, lidar/TIME.feather}``,
``calibration/intrinsics.feather``,
``calibration/egovehicle_SE3_sensor.feather``, ``city_SE3_egovehicle.feather``. For each image the
sweep nearest in time, brought to the camera's time through the two ego poses. As published: the
last point in a pixel stays, and DepthVLM's maps of distances are called z-depth.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from depthlm_ros.datasets.base import LabelKind
from depthlm_ros.datasets.curation import CurationSettings, FrameRecord, drawn_pairs
from depthlm_ros.datasets.files import must_exist
from depthlm_ros.datasets.lidar import at_focal, depth_of_points, motion, moved, write_frame
from depthlm_ros.datasets.optional_packages import require
from depthlm_ros.datasets.registry import SETS
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.status import Code, StatusError

CAMERAS = tuple(
    f"ring_{side}"
    for side in (
        "front_center",
        "front_left",
        "front_right",
        "side_left",
        "side_right",
        "rear_left",
        "rear_right",
    )
)
EVERY = 1
MOST_GAP = 20
"""Pairs for the camera's motion are 1 to this many images apart: up to a second (chosen here)."""


class Argoverse2:
    """The set's curator. "test" is the set's own validation split: its test has no lidar truth."""

    name = "argoverse2"

    def scenes(self, root: Path, split: str) -> list[str]:
        """Return the logs of a split."""
        folder = must_exist(root / _folder(split), "the logs of Argoverse2")
        return [path.name for path in folder.iterdir() if (path / "sensors").is_dir()]

    def frames(
        self, root: Path, out: Path, scene: str, settings: CurationSettings
    ) -> Iterator[FrameRecord]:
        """Yield the images of all ring cameras of a log."""
        log = root / _folder(settings.split) / scene
        if settings.form == "motion":
            yield from self._pairs(root, log, scene, settings)
            return
        sweeps = _times(log / "sensors" / "lidar", ".feather")
        poses, sensors, intrinsics = _tables(log)
        for name in CAMERAS:
            folder = log / "sensors" / "cameras" / name
            if not folder.is_dir():
                continue
            for moment in _times(folder, ".jpg")[:: settings.every or EVERY]:
                sweep = min(sweeps, key=lambda t: abs(t - moment))
                yield self._frame(
                    log,
                    out,
                    scene,
                    settings,
                    name,
                    moment,
                    sweep,
                    poses,
                    sensors[name],
                    intrinsics[name],
                )

    def _pairs(self, root: Path, log: Path, scene: str, settings) -> Iterator[FrameRecord]:
        """Yield images of a camera with a later one, and how far the camera's centre went."""
        poses, sensors, lenses = _tables(log)
        for name in CAMERAS:
            folder = log / "sensors" / "cameras" / name
            moments = _times(folder, ".jpg") if folder.is_dir() else []
            drawn = settings.every or EVERY, MOST_GAP, settings.seed, f"{scene}/{name}"
            for at, later in drawn_pairs(len(moments), *drawn):
                pair = moments[at], moments[later]
                centres = [_centre(poses, sensors[name], moment) for moment in pair]
                first, second = (folder / f"{moment}.jpg" for moment in pair)
                width, height = (int(lenses[name][key]) for key in ("width_px", "height_px"))
                numbers = (lenses[name][key] for key in ("fx_px", "fy_px", "cx_px", "cy_px"))
                yield FrameRecord(
                    str(first.relative_to(root)),
                    PinholeCamera(*numbers, width, height),
                    scene=scene,
                    camera_name=name,
                    second=str(second.relative_to(root)),
                    motion_m=float(np.linalg.norm(centres[1] - centres[0])),
                )

    def _frame(self, log, out, scene, settings, name, moment, sweep, poses, sensor, lens):
        path = log / "sensors" / "cameras" / name / f"{moment}.jpg"
        bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if bgr is None:
            raise StatusError(Code.BAD_IMAGE, f"{path} cannot be read")
        numbers = (lens["fx_px"], lens["fy_px"], lens["cx_px"], lens["cy_px"])
        camera = PinholeCamera(*numbers, bgr.shape[1], bgr.shape[0])
        if settings.form == "depthlm":
            bgr, camera, _ = at_focal(bgr, camera)
        points = moved(
            _sweep(log / "sensors" / "lidar" / f"{sweep}.feather"),
            np.linalg.inv(_motion(sensor)) @ _between(poses, sweep, moment),
        )
        distance = settings.form == "depthlm" or settings.as_published
        kind = LabelKind.DISTANCE if distance else LabelKind.Z
        depth = depth_of_points(points, camera, kind, last_wins=settings.as_published)
        place = (scene, name, moment)
        return write_frame(out, settings, place, bgr, depth, camera, kind, SETS[self.name].range_m)


def _folder(split: str) -> str:
    return {"train": "train"}.get(split, "val")


def _tables(log: Path) -> tuple[dict, dict, dict]:
    """Return ego poses by time, and sensors' places and lenses by name."""
    poses = {
        row["timestamp_ns"]: _motion(row) for row in _rows(log / "city_SE3_egovehicle.feather")
    }
    calibration = log / "calibration"
    sensors, lenses = (
        {row["sensor_name"]: row for row in _rows(calibration / name)}
        for name in ("egovehicle_SE3_sensor.feather", "intrinsics.feather")
    )
    return poses, sensors, lenses


def _centre(poses: dict, sensor: dict, moment: int) -> np.ndarray:
    """Return where a camera's centre is in the city at a time."""
    if moment not in poses:
        raise StatusError(Code.BAD_CAMERA_INFO, f"no ego pose at {moment} ns: is the log whole?")
    return (poses[moment] @ _motion(sensor))[:3, 3]


def _between(poses: dict, then: int, now: int) -> np.ndarray:
    """Return the motion from the ego frame of one time to that of another."""
    missing = [t for t in (then, now) if t not in poses]
    if missing:
        raise StatusError(
            Code.BAD_CAMERA_INFO, f"no ego pose at {missing[0]} ns: is the log whole?"
        )
    return np.linalg.inv(poses[now]) @ poses[then]


def _motion(row: dict) -> np.ndarray:
    """Return the motion of a table's row."""
    quaternion = [row[f"q{axis}"] for axis in "wxyz"]
    return motion(quaternion, [row[f"t{axis}_m"] for axis in "xyz"])


def _times(folder: Path, ending: str) -> list[int]:
    files = must_exist(folder, f"files TIME{ending}").glob(f"*{ending}")
    return sorted(int(file.stem) for file in files)


def _rows(path: Path) -> list[dict]:
    return _feather(path).to_pylist()


def _sweep(path: Path) -> np.ndarray:
    """Return the points (N, 3) of a sweep in the ego frame."""
    table = _feather(path)
    return np.stack([np.asarray(table[axis], float) for axis in "xyz"], axis=1)


def _feather(path: Path):
    feather = require("pyarrow.feather", "Argoverse2", "data")
    return feather.read_table(must_exist(path, "a table of Argoverse2"))
