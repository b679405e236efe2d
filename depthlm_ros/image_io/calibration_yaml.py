"""THE reader of calibration files: whatever holds intrinsics becomes one ``CameraModel``.

Command line, nodes and ``depthlm doctor`` all read by ``read_calibration``. What is accepted is
told by ``calibration_forms.ACCEPTED``. A file is read right, read with a remark about what was
assumed, or refused with BAD_CAMERA_INFO, which names the file, the value, the rule and the remedy.

Of several cameras in one file one is chosen by its name behind a ``#``: ``camchain.yaml#cam1``.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

from depthlm_ros.geometry.rectify import CameraModel
from depthlm_ros.image_io import calibration_text
from depthlm_ros.image_io.calibration_cameras import camera_in
from depthlm_ros.image_io.calibration_fields import FieldError
from depthlm_ros.image_io.calibration_forms import ACCEPTED, Intrinsics
from depthlm_ros.status import Code, StatusError

MIN_VIEW_DEG, MAX_VIEW_DEG = 5.0, 150.0
"""Horizontal field of view, 2 atan(width / 2 fx), that a lens can have."""
OFF_CENTRE = 0.15
"""Part of the image's side that the principal point may lie off the middle without a remark."""
NO_SIZE = "it states no image size"


@dataclass(frozen=True)
class Calibration:
    """A camera's lens, the form it was found in, and remarks about what was assumed."""

    lens: CameraModel
    form: str
    remarks: tuple


def read_calibration(path, image_size: tuple | None = None) -> Calibration:
    """Read a calibration file; ``path`` may be a file:// URL and may end in ``#camera``.

    ``image_size``: (width, height) [px] of the pictures, for files that state no size: ORB-SLAM's
    of one camera, OpenCV's without ``image_width``.
    """
    file, camera = split_name(path)
    remarks: list[str] = []
    try:
        data = _bytes_of(file)
        tables = calibration_text.tables_of(data)
        form, found = camera_in(tables, camera, remarks)
        lens = _lens(found, image_size, remarks)
    except calibration_text.UnknownFormError as error:
        text = f"calibration {file}: {error}; what is read: {ACCEPTED}"
        raise StatusError(Code.BAD_CAMERA_INFO, text) from error
    except (FieldError, calibration_text.TextError) as error:
        raise StatusError(Code.BAD_CAMERA_INFO, f"calibration {file}: {error}") from error
    except StatusError as refusal:
        raise StatusError(refusal.code, f"calibration {file}: {refusal.text}") from refusal
    return Calibration(lens, form.name, tuple(dict.fromkeys(remarks)))


def split_name(path) -> tuple[Path, str]:
    """Return (file, camera's name or "") of a path or file:// URL.

    StatusError for other schemes.
    """
    text = str(path)
    parsed = urlparse(text)
    if "://" in text and parsed.scheme != "file":
        share = f"; as in $(ros2 pkg prefix --share {parsed.netloc}){parsed.path}"
        raise StatusError(
            Code.BAD_CAMERA_INFO,
            f"calibration {text!r}: must be a path or begin with file://"
            f"{share if parsed.scheme == 'package' else ''}",
        )
    if parsed.scheme == "file":
        text = unquote(parsed.path) + (f"#{parsed.fragment}" if parsed.fragment else "")
    file = Path(text).expanduser()
    if "#" in text and not file.exists():
        name, _, camera = text.rpartition("#")
        return Path(name).expanduser(), camera.strip()
    return file, ""


def _bytes_of(file: Path) -> bytes:
    try:
        if file.is_dir():
            raise FieldError("it is a folder: name the file in it")
        if not file.exists():
            raise FieldError("no such file: give the path of a calibration file")
        if not file.is_file():
            raise FieldError("it is no regular file: give the path of a calibration file")
        with file.open("rb") as stream:
            data = stream.read(calibration_text.MAX_BYTES + 1)
    except OSError as error:
        raise FieldError(error.strerror or str(error)) from error
    if len(data) <= calibration_text.MAX_BYTES:
        return data
    end = data.rfind(b"\n---")  # a dump of many messages: the first ones tell enough
    if end <= 0:
        raise FieldError(
            f"it has more than {calibration_text.MAX_BYTES} bytes: a calibration has a few "
            "thousand; give that file"
        )
    return data[:end]


# -- judging ----------------------------------------------------------------------------------


def _lens(found: Intrinsics, image_size: tuple | None, remarks: list[str]) -> CameraModel:
    size = found.size
    if size is None:
        if image_size is None:
            raise FieldError(f"{NO_SIZE}: add image_width and image_height")
        size = tuple(image_size)
        remarks.append(
            f"it states no image size: taken for that of the picture, {size[0]} x {size[1]} px"
        )
    lens = CameraModel(*size, found.k, found.model, found.d, **found.more)
    _check_centre(lens, found.size is not None, remarks)
    check_view(lens.k[0], size[0], _is_fisheye(lens))
    ratio = lens.k[0] / lens.k[4] if lens.k[4] else math.inf
    if not 0.5 < ratio < 2:
        raise FieldError(
            f"fx = {lens.k[0]:g} and fy = {lens.k[4]:g} px: must be alike within a factor of 2; "
            "calibrate the camera"
        )
    if not 0.9 < ratio < 1.11:
        remarks.append(f"fx {lens.k[0]:g} and fy {lens.k[4]:g} px differ widely: check them")
    return lens


def _is_fisheye(lens: CameraModel) -> bool:
    return lens.distortion_model == "equidistant"


def check_view(fx: float, width: int, fisheye: bool = False, remedy: str = "") -> float:
    """Return the horizontal field of view [degrees]; refuse what no lens has.

    ``remedy``: where fx does not come from a person's pixels; default: that it is not millimetres.
    """
    if not fx > 0:
        raise StatusError(
            Code.BAD_CAMERA_INFO, f"fx = {fx:g} px: must be positive; calibrate the camera"
        )
    view = math.degrees(2 * math.atan(width / 2 / fx))
    if MIN_VIEW_DEG <= view <= MAX_VIEW_DEG or (fisheye and view > MIN_VIEW_DEG):
        return view
    remedy = remedy or (
        "fx is in pixels, not millimetres: a typical phone has about "
        f"{0.75 * max(width, 1):.0f} px for this width"
    )
    raise StatusError(
        Code.BAD_CAMERA_INFO,
        f"fx = {fx:g} px sees {view:.3g} degrees of a picture {width} px wide: must be "
        f"{MIN_VIEW_DEG:g} to {MAX_VIEW_DEG:g}; {remedy}",
    )


def _check_centre(lens: CameraModel, stated: bool, remarks: list[str]) -> None:
    """Refuse a centre outside the image, or one that tells that the size is not the camera's."""
    cx, cy, width, height = lens.k[2], lens.k[5], lens.width, lens.height
    off = abs(cx / width - 0.5), abs(cy / height - 0.5)
    where = f"the centre ({cx:g}, {cy:g}) of {width} x {height} px"
    if max(off) > 0.5 or (max(off) > OFF_CENTRE and not stated):
        raise FieldError(f"{where} is far from the middle: is that the size of its pictures?")
    if max(off) > OFF_CENTRE:
        remarks.append(f"{where} is far from the middle: is that the size of its pictures?")
