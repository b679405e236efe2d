"""A picture file and its camera, as a Frame: the command line's counterpart of two messages.

The camera comes as focal length and centre (an ideal lens; the picture upright, as its EXIF says),
or as a calibration file (the picture as the sensor gave it; lens distortion is removed as in the
node). Reads what ``camera_calibration`` writes, and a dump by ``ros2 topic echo --once``.
"""

from pathlib import Path

from depthlm_ros.status import Code, StatusError

_SIGNED = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


def read_rgb(path, upright: bool):
    """Return a picture file as rgb, uint8 (H, W, 3); ``upright``: turned as its EXIF says.

    Raises StatusError(BAD_IMAGE) for a file that is missing, no picture, or cut short.
    """
    import cv2
    import numpy as np

    from depthlm_ros.image_io.compressed import size_of

    data = _bytes_of(path)
    if data.startswith(_SIGNED):
        size_of(data, str(path))  # refuses what is cut short: OpenCV would fill it up with grey
    flags = cv2.IMREAD_COLOR | (0 if upright else cv2.IMREAD_IGNORE_ORIENTATION)
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error as error:
        raise StatusError(Code.BAD_IMAGE, f"{path}: {' '.join(str(error).split())}") from error
    if bgr is None:
        raise StatusError(
            Code.BAD_IMAGE, f"{path} is no picture that can be read: give a JPEG or PNG file"
        )
    return np.ascontiguousarray(bgr[..., ::-1])


def _bytes_of(path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        why = error.strerror or str(error)
        raise StatusError(Code.BAD_IMAGE, f"{path}: {why}; give the path of a picture") from error


def frame_of(path, options):
    """Return (Frame, Rectifier, rgb as taken) of a picture file and the camera options.

    ``options``: fx, fy, cx, cy or camera_info, and rectified (see ``cli/main.py``).
    """
    from depthlm_ros.frame import Frame
    from depthlm_ros.geometry.rectify import Rectifier

    rgb = read_rgb(path, upright=options.camera_info is None)
    height, width = rgb.shape[:2]
    if options.camera_info is None:
        lens = ideal_lens(width, height, options.fx, options.fy, options.cx, options.cy)
    else:
        lens = lens_of_file(options.camera_info)
    rectifier = Rectifier(lens, width, height, options.rectified)
    frame = Frame(rectifier.rectify(rgb), rectifier.camera, valid=rectifier.valid)
    return frame, rectifier, rgb


def ideal_lens(width: int, height: int, fx: float, fy=None, cx=None, cy=None):
    """Return a lens without distortion; fy is fx, and the centre the picture's, unless given.

    The centre of a picture of W px is (W - 1) / 2: pixel 0 is the CENTRE of the first pixel.
    """
    from depthlm_ros.geometry.rectify import CameraModel

    fy = fx if fy is None else fy
    cx = (width - 1) / 2 if cx is None else cx
    cy = (height - 1) / 2 if cy is None else cy
    return CameraModel(width, height, (fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0))


def lens_of_file(path):
    """Read a camera calibration.

    Raises StatusError(BAD_CAMERA_INFO) naming what is wrong with it.
    """
    content = _yaml(path)
    if "camera_matrix" in content:
        return _calibration(content, path)
    if "k" in content:
        return _echoed(content, path)
    raise StatusError(
        Code.BAD_CAMERA_INFO,
        f"{path} has neither camera_matrix nor k: give the YAML file that camera_calibration "
        "writes, or what `ros2 topic echo --once TOPIC` prints of a CameraInfo",
    )


def _yaml(path) -> dict:
    import yaml

    try:
        with Path(path).open(encoding="utf-8") as file:
            content = next(iter(yaml.safe_load_all(file)), None)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        why = " ".join(str(error).split())[:200]
        raise StatusError(
            Code.BAD_CAMERA_INFO, f"{path} cannot be read as YAML ({why})"
        ) from error
    if not isinstance(content, dict):
        raise StatusError(
            Code.BAD_CAMERA_INFO, f"{path} holds no table of values: give a calibration file"
        )
    return content


def _calibration(content: dict, path):
    from depthlm_ros.geometry.rectify import CameraModel

    return CameraModel(
        width=_whole(content, "image_width", path),
        height=_whole(content, "image_height", path),
        k=_matrix(content, "camera_matrix", path),
        distortion_model=str(content.get("distortion_model", "")),
        d=_matrix(content, "distortion_coefficients", path),
        r=_matrix(content, "rectification_matrix", path),
        p=_matrix(content, "projection_matrix", path),
    )


def _echoed(content: dict, path):
    from depthlm_ros.geometry.rectify import CameraModel

    roi = content.get("roi") or {}
    parts = {
        f"roi_{name}": _whole(roi, key, path, 0)
        for name, key in (("x", "x_offset"), ("y", "y_offset"), ("width", "width"))
    }
    return CameraModel(
        width=_whole(content, "width", path),
        height=_whole(content, "height", path),
        distortion_model=str(content.get("distortion_model", "")),
        **{name: _numbers(content.get(name) or [], name, path) for name in "kdrp"},
        binning_x=_whole(content, "binning_x", path, 0),
        binning_y=_whole(content, "binning_y", path, 0),
        roi_height=_whole(roi, "height", path, 0),
        do_rectify=bool(roi.get("do_rectify", False)),
        **parts,
    )


def _matrix(content: dict, name: str, path) -> tuple:
    entry = content.get(name) or {}
    return _numbers(entry.get("data") if isinstance(entry, dict) else entry, name, path)


def _numbers(values, name: str, path) -> tuple:
    values = [] if values is None else values
    try:
        return tuple(float(value) for value in values)
    except (TypeError, ValueError) as error:
        raise StatusError(
            Code.BAD_CAMERA_INFO, f"{path}: {name} = {str(values)[:80]}: must be a list of numbers"
        ) from error


def _whole(content, name: str, path, default=None) -> int:
    value = content.get(name, default) if isinstance(content, dict) else None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise StatusError(
            Code.BAD_CAMERA_INFO, f"{path}: {name} = {value!r}: must be a whole number of pixels"
        )
    return value
