"""Photographs as a source: a folder with intrinsics, or a .jsonl with intrinsics and labels.

JPEG and PNG. EXIF rotation is not applied: intrinsics describe the sensor as it is.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from depthlm_ros.datasets.annotations import read_annotations
from depthlm_ros.nodes.camera.sources import calibration
from depthlm_ros.nodes.camera.sources.ground_truth import LabelTruth
from depthlm_ros.nodes.camera.sources.image_messages import FRAME_ID, Outgoing
from depthlm_ros.nodes.camera.sources.source import CameraSample, nominal
from depthlm_ros.nodes.common import conversions
from depthlm_ros.status import Code, StatusError

DEFAULT_RATE_HZ = 5.0
ENDINGS = (".jpg", ".jpeg", ".png")
CALIBRATION = "camera_info.yaml"
NO_INTRINSICS = (
    f"no intrinsics: put a .jsonl or {CALIBRATION} into the folder, or set camera_info_url, or fx"
)
_NO_LABELS = np.zeros((0, 2)), np.zeros(0)


@dataclass(frozen=True)
class Photograph:
    """A picture file, what is known of its camera (None: the parameters tell), and its labels."""

    path: Path
    info: CameraInfo | None
    pixels: np.ndarray
    metres: np.ndarray


class Photographs:
    """Plays photographs in order; one that cannot be used is skipped, and told of once."""

    default_rate_hz = DEFAULT_RATE_HZ

    def __init__(self, path: Path, values, warn):
        """``warn(sentence)`` logs. StatusError when there is nothing to play."""
        self._values, self._warn, self._told = values, warn, set()
        self._outgoing, self._given = Outgoing(values), calibration.GivenCamera(values)
        self._rate_hz = values.rate_hz or DEFAULT_RATE_HZ
        jsonl = path if path.is_file() else _only_jsonl(path)
        found = self._annotated(jsonl) if jsonl else self._plain(path)
        self._pictures = found[: values.count or None]
        self._frames = conversions.FrameMaker()
        self.title = f"{len(self._pictures)} photographs of {path}"

    def shots(self):
        """Play each photograph once; StatusError when not one of them can be used."""
        good, last = 0, None
        for index, picture in enumerate(self._pictures):
            try:
                shot = self._shot(picture, nominal(index, self._rate_hz))
            except (StatusError, OSError) as error:
                last = error
                self._skip(picture.path, error)
                continue
            good += 1
            yield shot
        if not good:
            raise StatusError(
                Code.BAD_IMAGE,
                f"{self.title}: not one can be used, the last: {_words(last)}",
            )

    def _shot(self, picture: Photograph, time_ns: int) -> CameraSample:
        image, width, height = self._outgoing.of_file(picture.path.read_bytes())
        info = self._given.info(width, height) if self._given.is_given else picture.info
        rectifier = self._frames.rectifier(info, width, height)  # refuses a size that disagrees
        image.header.frame_id = info.header.frame_id = self._outgoing.frame_id(FRAME_ID)
        truth = LabelTruth(
            picture.pixels,
            picture.metres,
            rectifier,
            (width, height),
            self._values.labels == "distance",
        )
        known = truth if len(picture.metres) else None
        return CameraSample(image, info, time_ns, conversions.time_of(time_ns), known)

    def _annotated(self, path: Path) -> list[Photograph]:
        return [
            Photograph(
                line.path,
                conversions.camera_info(line.camera, Header()),
                line.pixels,
                line.metres,
            )
            for line in read_annotations(path, self._skip)
        ]

    def _plain(self, folder: Path) -> list[Photograph]:
        files = [f for f in folder.iterdir() if f.suffix.lower() in ENDINGS and f.is_file()]
        if not files:
            raise StatusError(
                Code.NO_FRAME,
                f"source {folder}: no {', '.join(ENDINGS)} in it, no .jsonl and no bag",
            )
        info = self._folder_info(folder)
        return [Photograph(file, info, *_NO_LABELS) for file in sorted(files, key=_in_order)]

    def _folder_info(self, folder: Path) -> CameraInfo | None:
        if self._given.is_given:
            return None
        if not (folder / CALIBRATION).exists():
            raise StatusError(Code.NO_CAMERA_INFO, f"source {folder}: {NO_INTRINSICS}")
        return calibration.read_camera_info(folder / CALIBRATION)

    def _skip(self, where, error: Exception) -> None:
        if where not in self._told:
            self._told.add(where)
            self._warn(f"{where} is skipped: {_words(error)}")


def _only_jsonl(folder: Path) -> Path | None:
    """Return the .jsonl of a folder, None if there is none; StatusError for several."""
    found = sorted(folder.glob("*.jsonl"))
    if len(found) > 1:
        raise StatusError(
            Code.AMBIGUOUS,
            f"source {folder}: {len(found)} .jsonl files ({', '.join(f.name for f in found[:6])}):"
            " name one as the source",
        )
    return found[0] if found else None


def _in_order(file: Path) -> list:
    """Sort picture_2 before picture_10; text and numbers take turns, so they never meet."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", file.name)]


def _words(error: Exception) -> str:
    return error.text if isinstance(error, StatusError) else str(error)
