"""A photograph with its camera: from a calibration, numbers, EXIF, or a stated assumption.

What command line, demo and camera_node share, so that all of them take the same pictures.
"""

from dataclasses import dataclass
from pathlib import Path

from depthlm_ros.geometry.rectify import CameraModel, Rectifier
from depthlm_ros.geometry.resized import ResizedRectifier, resized_lens
from depthlm_ros.image_io import focal_length, pictures
from depthlm_ros.image_io.calibration_yaml import check_view, read_calibration
from depthlm_ros.image_io.focal_length import FocalLength
from depthlm_ros.image_io.pictures import Picture
from depthlm_ros.status import Code, StatusError


@dataclass(frozen=True)
class CameraChoice:
    """What a person says of the camera; None: nothing.

    ``fx``, ``fy``, ``cx``, ``cy`` [px], ``hfov`` [degrees], ``f35`` [mm on 35 mm film],
    ``camera_info``: a calibration file; ``rectified``: its pictures have no distortion left;
    ``assume_phone``: where nothing else tells, take a phone's main camera. ``words``: how these
    are given, for refusals (see ``focal_length.three_ways``).
    """

    fx: float | None = None
    fy: float | None = None
    cx: float | None = None
    cy: float | None = None
    hfov: float | None = None
    f35: float | None = None
    camera_info: str | None = None
    rectified: bool = False
    assume_phone: bool = False
    words: tuple | None = None

    @property
    def upright(self) -> bool:
        """A calibration is of the sensor as it lies; everything else of the picture as seen."""
        return not self.camera_info


@dataclass(frozen=True)
class Photograph:
    """A picture and the lens of ``annotate.rgb``.

    ``source``: how the focal length is known, in words. ``assumed``: it is a guess, which every
    output must say. ``remarks``: what was done or assumed, one sentence each.
    """

    picture: Picture
    lens: CameraModel
    source: str
    assumed: bool = False
    remarks: tuple = ()

    def rectifier(self, image_is_rectified: bool = False) -> Rectifier | ResizedRectifier:
        """Return the way from the picture as taken to its pinhole image."""
        height, width = self.picture.rgb.shape[:2]
        inner = Rectifier(self.lens, width, height, image_is_rectified)
        same = self.picture.size == (width, height)
        return inner if same else ResizedRectifier(inner, self.picture.size)


def open_photograph(
    path, choice: CameraChoice, max_pixels: int = pictures.MAX_PIXELS
) -> Photograph:
    """Read a picture file and find out its camera; raises StatusError with the remedy."""
    picture = pictures.read_picture(path, choice.upright, max_pixels)
    return with_camera(picture, choice, str(path))


def with_camera(picture: Picture, choice: CameraChoice, label: str) -> Photograph:
    """Return a picture with its camera: see ``open_photograph``."""
    lens, source, assumed, remarks = _whole_lens(picture, choice, label)
    height, width = picture.rgb.shape[:2]
    if (width, height) != picture.size:
        if lens.image_size != picture.size or lens.window[2:] != picture.size:
            raise StatusError(
                Code.BAD_CAMERA_INFO,
                f"{label}: {picture.size[0]} x {picture.size[1]} px are above the limit, and a "
                "calibration with a window, binning or another size cannot be scaled with them",
            )
        lens = resized_lens(lens, width, height)
    return Photograph(picture, lens, source, assumed, (*picture.remarks, *remarks))


def _whole_lens(picture: Picture, choice: CameraChoice, label: str):
    """Return (Lens of the picture as taken, source, assumed, remarks)."""
    width, height = picture.size
    if choice.camera_info:
        found = read_calibration(choice.camera_info, picture.size)
        _check_size(found.lens.image_size, picture.size, choice.camera_info, label)
        return found.lens, f"calibration {choice.camera_info}", False, found.remarks
    focal = _focal(picture, choice, label)
    lens = ideal_lens(width, height, focal.fx, choice.fy, choice.cx, choice.cy)
    declared = not choice.fx
    return lens, focal.source, focal.assumed, (focal.source,) if declared else ()


def _check_size(calibrated: tuple, taken: tuple, file: str, label: str) -> None:
    if calibrated != taken:
        raise StatusError(
            Code.BAD_CAMERA_INFO,
            f"{label}: {taken[0]} x {taken[1]} px, the calibration {file} is for "
            f"{calibrated[0]} x {calibrated[1]} px: must be equal; give the picture as taken, "
            "unscaled, uncropped and unturned, or a calibration of its size",
        )


def _focal(picture: Picture, choice: CameraChoice, label: str) -> FocalLength:
    width, height = picture.size
    if choice.fx:
        check_view(choice.fx, width)
        return FocalLength(choice.fx, f"fx {choice.fx:g} px as given")
    if choice.hfov:
        return focal_length.from_view(choice.hfov, width)
    if choice.f35:
        return focal_length.from_f35(choice.f35, width, height)
    try:
        found = focal_length.of_exif(picture.exif, width, height)
    except StatusError as refusal:
        raise StatusError(refusal.code, f"{label}: {refusal.text}") from refusal
    if found is not None:
        return found
    if choice.assume_phone:
        return focal_length.of_a_phone(width, height)
    raise focal_length.three_ways(label, width, height, choice.words, picture.exif)


def ideal_lens(width: int, height: int, fx: float, fy=None, cx=None, cy=None) -> CameraModel:
    """Return a lens without distortion; fy is fx, and the centre the picture's, unless given.

    The centre of a picture of W px is (W - 1) / 2: pixel 0 is the CENTRE of the first pixel.
    """
    fy = fx if fy is None else fy
    cx = (width - 1) / 2 if cx is None else cx
    cy = (height - 1) / 2 if cy is None else cy
    return CameraModel(width, height, (fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0))


def picture_files(patterns) -> list[str]:
    """Return the picture files that paths, folders and globs name, each once, in order.

    A folder gives its pictures by name (2 before 10), without its subfolders. A path that names
    nothing stays as it is: reading it tells why. StatusError for a folder or pattern without any.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        path = Path(pattern).expanduser()
        if path.is_dir():
            names = [f for f in path.iterdir() if f.suffix.lower() in pictures.ENDINGS]
        elif not path.exists() and any(c in str(pattern) for c in "*?["):
            names = [f for f in _glob(path) if f.is_file()]
        else:
            found[str(pattern)] = None
            continue
        if not names:
            raise StatusError(
                Code.NO_FRAME, f"{pattern}: no picture in it ({', '.join(pictures.ENDINGS)})"
            )
        found |= {str(name): None for name in sorted(names, key=natural_order)}
    return list(found)


def _glob(pattern: Path) -> list[Path]:
    """Return the paths that a pattern names, absolute or relative."""
    parts = pattern.parts
    first = next(i for i, part in enumerate(parts) if any(c in part for c in "*?["))
    return list(Path(*parts[:first]).glob("/".join(parts[first:])))


def natural_order(file: Path) -> list:
    """Sort picture_2 before picture_10; text and numbers take turns, so they never meet."""
    import re

    parts = re.split(r"(\d+)", str(file))
    return [int(part) if part.isdecimal() else part for part in parts]
