"""Photographs as a source: pictures of any format, or a .jsonl with intrinsics and labels.

A picture is turned upright as its EXIF says, except where a calibration or a line of a .jsonl
describes the sensor as it is. Its camera comes from the parameters, a calibration in its folder,
EXIF, or a stated assumption: as on the command line.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from depthlm_ros.datasets.annotations import read_annotations
from depthlm_ros.datasets.base import LabelKind
from depthlm_ros.image_io import pictures
from depthlm_ros.image_io.photo_camera import picture_files, with_camera
from depthlm_ros.nodes.camera.sources import calibration
from depthlm_ros.nodes.camera.sources.ground_truth import LabelTruth
from depthlm_ros.nodes.camera.sources.image_messages import FRAME_ID, Outgoing
from depthlm_ros.nodes.camera.sources.source import CameraSample, nominal
from depthlm_ros.nodes.common import conversions
from depthlm_ros.status import Code, StatusError

DEFAULT_RATE_HZ = 5.0
CALIBRATION = "camera_info.yaml"
_NO_LABELS = np.zeros((0, 2)), np.zeros(0)


@dataclass(frozen=True)
class Photograph:
    """A picture file, its camera where a .jsonl tells it, and its labels."""

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
        self._choice = calibration.choice_of(values)
        self._rate_hz = values.rate_hz or DEFAULT_RATE_HZ
        jsonl = path if path.suffix == ".jsonl" else _only_jsonl(path)
        found = self._annotated(jsonl) if jsonl else self._plain(path)
        self._pictures = found[: values.count or None]
        self._frames = conversions.FrameMaker()
        count = len(self._pictures)
        self.title = f"{count} photograph{'s' * (count != 1)} of {path}"

    def samples(self):
        """Play each photograph once; StatusError when not one of them can be used."""
        good, last = 0, None
        for index, picture in enumerate(self._pictures):
            try:
                sample = self._sample(picture, nominal(index, self._rate_hz))
            except (StatusError, OSError) as error:
                last = error
                self._skip(picture.path, error)
                continue
            good += 1
            yield sample
        if not good:
            raise StatusError(
                Code.BAD_IMAGE,
                f"{self.title}: not one can be used, the last: {_words(last)}",
            )

    def _sample(self, picture: Photograph, time_ns: int) -> CameraSample:
        rgb, info, data = self._read(picture)
        height, width = rgb.shape[:2]
        rectifier = self._frames.rectifier(info, width, height)  # refuses a size that disagrees
        image = self._outgoing.of_picture(rgb, data)
        image.header.frame_id = info.header.frame_id = self._outgoing.frame_id(FRAME_ID)
        truth = LabelTruth(
            picture.pixels,
            picture.metres,
            rectifier,
            (width, height),
        )
        known = truth if len(picture.metres) else None
        return CameraSample(image, info, time_ns, conversions.time_of(time_ns), known)

    def _read(self, picture: Photograph) -> tuple:
        """Return (rgb, CameraInfo, the file's bytes where they are a picture as rgb is)."""
        declared = picture.info is not None and not self._given.is_given
        upright = self._choice.upright and picture.info is None
        data = pictures.bytes_of(picture.path)
        found = pictures.decode(data, str(picture.path), upright)
        plain = data if found.as_in_file else None
        if declared or picture.info is not None:
            width, height = found.size
            if found.rgb.shape[1::-1] != found.size:
                raise StatusError(
                    Code.BAD_IMAGE,
                    f"{width} x {height} px: at most {pictures.MAX_PIXELS} in all where a .jsonl "
                    "labels them",
                )
            return found.rgb, picture.info if declared else self._given.info(width, height), plain
        photo = with_camera(found, self._choice, picture.path.name)
        for remark in photo.remarks:
            self._say("an assumption" if photo.assumed else "a remark", remark)
        return found.rgb, calibration.info_of(photo.lens), plain

    def _annotated(self, path: Path) -> list[Photograph]:
        distances = self._values.labels == "distance"
        label = LabelKind.DISTANCE if distances else None
        return [
            Photograph(
                line.path,
                conversions.camera_info(line.camera, Header()),
                line.pixels,
                line.metres,
            )
            for line in read_annotations(path, self._skip, label)
        ]

    def _plain(self, path: Path) -> list[Photograph]:
        folder = path if path.is_dir() else path.parent
        beside = folder / CALIBRATION
        if not self._given.is_given and beside.exists():
            self._choice = replace(self._choice, camera_info=str(beside))
        if self._choice.camera_info:  # a broken one is no fault of each picture
            calibration.check_file(self._choice.camera_info)
        return [Photograph(Path(file), None, *_NO_LABELS) for file in picture_files([path])]

    def _say(self, about: str, sentence: str) -> None:
        if about not in self._told:
            self._told.add(about)
            self._warn(sentence)

    def _skip(self, where, error: Exception) -> None:
        if where not in self._told:
            self._told.add(where)
            self._warn(f"{where} is skipped: {_words(error)}")


def _only_jsonl(folder: Path) -> Path | None:
    """Return the .jsonl of a folder, None if there is none; StatusError for several."""
    if not folder.is_dir():
        return None
    found = sorted(folder.glob("*.jsonl"))
    if len(found) > 1:
        raise StatusError(
            Code.AMBIGUOUS,
            f"source {folder}: {len(found)} .jsonl files ({', '.join(f.name for f in found[:6])}):"
            " name one as the source",
        )
    return found[0] if found else None


def _words(error: Exception) -> str:
    return error.text if isinstance(error, StatusError) else str(error)
