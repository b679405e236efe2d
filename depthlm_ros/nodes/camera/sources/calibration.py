"""Intrinsics of photographs, videos and bags as CameraInfo: from parameters or a file."""

import numpy as np
from sensor_msgs.msg import CameraInfo, RegionOfInterest
from std_msgs.msg import Header

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.rectify import CameraModel
from depthlm_ros.image_io import focal_length
from depthlm_ros.image_io.calibration_yaml import NO_SIZE, check_view, read_calibration
from depthlm_ros.image_io.photo_camera import CameraChoice, ideal_lens
from depthlm_ros.nodes.common import conversions
from depthlm_ros.status import StatusError


def camera_of(values, width: int, height: int) -> PinholeCamera | None:
    """Return the camera that fx, fy, cx, cy or a field of view give an image size; None: none."""
    if values.fx:
        fx = values.fx
    elif getattr(values, "hfov", 0.0):
        fx = focal_length.from_view(values.hfov, width).fx
    elif getattr(values, "f35", 0.0):
        fx = focal_length.from_f35(values.f35, width, height).fx
    else:
        return None
    return PinholeCamera(
        fx,
        values.fy or fx,
        values.cx if values.cx >= 0 else (width - 1) / 2,
        values.cy if values.cy >= 0 else (height - 1) / 2,
        width,
        height,
    )


def choice_of(values) -> CameraChoice:
    """Return what the parameters say of the camera of photographs."""
    return CameraChoice(
        fx=values.fx or None,
        fy=values.fy or None,
        cx=values.cx if values.cx >= 0 else None,
        cy=values.cy if values.cy >= 0 else None,
        hfov=values.hfov or None,
        f35=values.f35 or None,
        camera_info=values.camera_info_url or None,
        assume_phone=values.assume_phone,
        words=("camera_info_url", "fx", "hfov", "assume_phone"),
    )


class GivenCamera:
    """The camera that the parameters name; ``is_given``: whether they do."""

    def __init__(self, values, warn=lambda sentence: None):
        """Say what the parameters give; ``warn(sentence)``: of what a file leaves open.

        StatusError(BAD_CAMERA_INFO) when camera_info_url is broken.
        """
        self._values, self._warn = values, warn
        self._url, self._infos = values.camera_info_url, {}
        self.is_given = bool(self._url or values.fx or values.hfov or values.f35)
        if self._url:
            check_file(self._url)

    def info(self, width: int, height: int) -> CameraInfo:
        """Return the CameraInfo of images of a size [px]; only where one is given."""
        if (width, height) not in self._infos:
            self._infos[width, height] = self._made(width, height)
        return self._infos[width, height]

    def _made(self, width: int, height: int) -> CameraInfo:
        if self._url:
            return read_camera_info(self._url, (width, height), self._warn)
        camera = camera_of(self._values, width, height)
        check_view(camera.fx, width)
        return conversions.camera_info(camera, Header())


def check_file(path) -> None:
    """Refuse a broken calibration file; the size may be left to the pictures."""
    try:
        read_camera_info(path)
    except StatusError as refusal:
        if NO_SIZE not in refusal.text:
            raise


def read_camera_info(path, image_size=None, warn=lambda sentence: None) -> CameraInfo:
    """Return a calibration file as CameraInfo; StatusError(BAD_CAMERA_INFO) if it is none.

    The message's own rules (a lens that can be used) are checked as well.
    """
    found = read_calibration(path, image_size)
    for remark in found.remarks:
        warn(f"calibration {path}: {remark}")
    info = info_of(found.lens)
    conversions.FrameMaker().rectifier(info, *found.lens.image_size)
    return info


def info_of(lens: CameraModel) -> CameraInfo:
    """Return a lens as CameraInfo, without header; the inverse of ``conversions.lens_of``."""
    ideal = not any(lens.d) and lens.distortion_model != "equidistant"
    return CameraInfo(
        width=lens.width,
        height=lens.height,
        distortion_model="plumb_bob" if ideal else lens.distortion_model,
        d=[0.0] * 5 if ideal else list(lens.d),
        k=list(lens.k),
        r=list(lens.r) or np.eye(3).ravel().tolist(),
        p=list(lens.p) or [0.0] * 12,
        binning_x=lens.binning_x,
        binning_y=lens.binning_y,
        roi=RegionOfInterest(
            x_offset=lens.roi_x,
            y_offset=lens.roi_y,
            width=lens.roi_width,
            height=lens.roi_height,
            do_rectify=lens.do_rectify,
        ),
    )


def ideal_info(width: int, height: int, fx: float) -> CameraInfo:
    """Return the CameraInfo of a lens without distortion, its centre the image's."""
    return info_of(ideal_lens(width, height, fx))
