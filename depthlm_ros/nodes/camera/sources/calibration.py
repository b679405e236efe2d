"""Intrinsics of photographs and bags: from parameters, or a camera_calibration file."""

from pathlib import Path
from urllib.parse import unquote, urlparse

import yaml
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.nodes.common import conversions
from depthlm_ros.status import Code, StatusError

_MATRICES = {  # field of CameraInfo: (key of the file, how many numbers, needed)
    "k": ("camera_matrix", 9, True),
    "d": ("distortion_coefficients", None, False),
    "r": ("rectification_matrix", 9, False),
    "p": ("projection_matrix", 12, False),
}
MAX_BYTES = 1_000_000


def camera_of(values, width: int, height: int) -> PinholeCamera | None:
    """Return the camera that the parameters fx, fy, cx, cy give an image size; None: fx is 0."""
    if not values.fx:
        return None
    return PinholeCamera(
        values.fx,
        values.fy or values.fx,
        values.cx if values.cx >= 0 else (width - 1) / 2,
        values.cy if values.cy >= 0 else (height - 1) / 2,
        width,
        height,
    )


class GivenCamera:
    """The camera that the parameters name; ``is_given``: whether they do."""

    def __init__(self, values):
        """Read camera_info_url; StatusError(BAD_CAMERA_INFO) when it is broken."""
        self._values, url = values, values.camera_info_url
        self._file = read_camera_info(path_of(url)) if url else None
        self.is_given = bool(url or values.fx)

    def info(self, width: int, height: int) -> CameraInfo:
        """Return the CameraInfo of images of a size [px]; only where one is given."""
        if self._file is not None:
            return self._file
        return conversions.camera_info(camera_of(self._values, width, height), Header())


def path_of(url: str) -> Path:
    """Return the path of a path or file:// URL; StatusError for other schemes."""
    parsed = urlparse(url)
    if parsed.scheme not in ("", "file"):
        raise StatusError(
            Code.BAD_CAMERA_INFO,
            f"camera_info_url {url!r}: must be a path or begin with file://",
        )
    return Path(unquote(parsed.path) if parsed.scheme else url).expanduser()


def read_camera_info(path: Path) -> CameraInfo:
    """Return a camera_calibration YAML file as CameraInfo; StatusError(BAD_CAMERA_INFO) if broken.

    The message's own rules (a lens that can be used) are checked as well.
    """
    content = _load(path)
    try:
        info = CameraInfo(
            width=int(content["image_width"]),
            height=int(content["image_height"]),
            distortion_model=str(content.get("distortion_model", "plumb_bob")),
        )
        for field, (key, length, needed) in _MATRICES.items():
            if needed or key in content:
                setattr(info, field, _numbers(content[key]["data"], key, length))
    except (KeyError, TypeError, ValueError, AssertionError, OverflowError) as error:
        raise _broken(path, f"{type(error).__name__}: {error}") from error
    conversions.FrameMaker().rectifier(info, info.width, info.height)
    return info


def _load(path: Path) -> dict:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _broken(path, f"more than {MAX_BYTES} bytes")
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _broken(path, str(error)) from error
    if not isinstance(content, dict):
        raise _broken(path, "not a mapping of names to values")
    return content


def _numbers(values, key: str, length: int | None) -> list[float]:
    numbers = [float(value) for value in values]
    if length is not None and len(numbers) != length:
        raise ValueError(f"{key} has {len(numbers)} numbers, must be {length}")
    return numbers


def _broken(path: Path, why: str) -> StatusError:
    return StatusError(
        Code.BAD_CAMERA_INFO,
        f"calibration {path}: {why}: must be a YAML file as camera_calibration writes it "
        "(image_width, image_height, camera_matrix, distortion_model, ...)",
    )
