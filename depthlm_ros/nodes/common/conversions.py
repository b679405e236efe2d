"""Messages to frames, and depth to messages. The mathematics is elsewhere.

Every function that takes a message from outside raises StatusError (BAD_IMAGE, BAD_CAMERA_INFO or
BAD_STAMP) for whatever is wrong with it, and nothing else. Outgoing messages carry the image's
own stamp and frame_id.
"""

from collections import OrderedDict

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from depthlm_msgs.msg import Pixel
from depthlm_msgs.msg import PointDepth as PointDepthMsg
from depthlm_msgs.msg import Status as StatusMsg
from depthlm_ros.frame import Frame
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.geometry.rectify import CameraModel, Rectifier
from depthlm_ros.image_io.compressed import decode_compressed
from depthlm_ros.image_io.encodings import MAX_PIXELS, decode
from depthlm_ros.image_io.pixel_values import check_not_blank
from depthlm_ros.point_depth import PointDepth
from depthlm_ros.sanitize import encodable
from depthlm_ros.status import Code, StatusError

MAX_ASPECT = 4.0
"""fx : fy at most: an anamorphic lens, or rows left out, have 2."""
MIN_FOCAL, MAX_FOCAL = 1e-3, 2e4
"""Focal length as a multiple of the picture's side."""


def stamp_ns(stamp) -> int:
    """Return a ``builtin_interfaces/Time`` in nanoseconds; refuses zero, negative, overflowing."""
    sec, nanosec = int(stamp.sec), int(stamp.nanosec)
    if sec < 0 or nanosec >= 1_000_000_000 or sec == nanosec == 0:
        raise StatusError(
            Code.BAD_STAMP,
            f"stamp {sec} s {nanosec} ns: must be positive, with less than 1e9 ns; the driver "
            "must stamp its images",
        )
    return sec * 1_000_000_000 + nanosec


def requested_stamp_ns(stamp) -> int:
    """Return the stamp that a request names, in nanoseconds; 0: it names none."""
    return 0 if stamp.sec == stamp.nanosec == 0 else stamp_ns(stamp)


def time_of(ns: int) -> Time:
    """Return nanoseconds as a ``builtin_interfaces/Time``."""
    sec, nanosec = divmod(int(ns), 1_000_000_000)
    return Time(sec=sec, nanosec=nanosec)


def rgb_of(msg, max_pixels: int = MAX_PIXELS, expected: tuple | None = None) -> np.ndarray:
    """Return an Image or CompressedImage as rgb, uint8 (H, W, 3), C-contiguous.

    ``expected``: (width, height) [px] of its CameraInfo; another size is refused before decoding.
    """
    if hasattr(msg, "format"):
        return decode_compressed(msg, max_pixels, expected)
    return decode(
        msg.encoding,
        msg.width,
        msg.height,
        msg.step,
        bool(msg.is_bigendian),
        msg.data,
        max_pixels,
    )


def lens_of(msg) -> CameraModel:
    """Return a CameraInfo's content in plain values, all of it that matters."""
    if len(msg.d) > 14:
        raise StatusError(
            Code.BAD_CAMERA_INFO,
            f"{len(msg.d)} distortion coefficients: no model has more than 14",
        )
    roi = msg.roi
    return CameraModel(
        width=int(msg.width),
        height=int(msg.height),
        k=_floats(msg.k),
        distortion_model=msg.distortion_model,
        d=_floats(msg.d),
        r=_floats(msg.r),
        p=_floats(msg.p),
        binning_x=int(msg.binning_x),
        binning_y=int(msg.binning_y),
        roi_x=int(roi.x_offset),
        roi_y=int(roi.y_offset),
        roi_width=int(roi.width),
        roi_height=int(roi.height),
        do_rectify=bool(roi.do_rectify),
    )


def check_focal_lengths(camera: PinholeCamera) -> None:
    """Refuse focal lengths that no lens and no crop of its picture have.

    Raises StatusError(BAD_CAMERA_INFO) for a field of view of more than 179.9 or less than 0.003
    degrees, and for pixels more than MAX_ASPECT times as wide as high or the other way round.
    """
    for name, focal, side in (
        ("fx", camera.fx, camera.width),
        ("fy", camera.fy, camera.height),
    ):
        if not MIN_FOCAL <= focal / side <= MAX_FOCAL:
            raise StatusError(
                Code.BAD_CAMERA_INFO,
                f"{name} = {focal:g} px for {side} px: must be {MIN_FOCAL:g} to {MAX_FOCAL:g} "
                "times the side; calibrate the camera, K is in pixels",
            )
    if not 1 / MAX_ASPECT <= camera.fx / camera.fy <= MAX_ASPECT:
        raise StatusError(
            Code.BAD_CAMERA_INFO,
            f"fx = {camera.fx:g} px, fy = {camera.fy:g} px: must not differ by more than "
            f"{MAX_ASPECT:g} : 1; calibrate the camera, or tell binning in CameraInfo",
        )


class FrameMaker:
    """Turns an image and its CameraInfo into a Frame, keeping the tables of recent lenses."""

    def __init__(
        self,
        image_is_rectified: bool = False,
        max_pixels: int = MAX_PIXELS,
        kept_lenses: int = 4,
        refuse_blank: bool = False,
    ):
        """Say whether the subscribed images are rectified already (``image_rect`` topics).

        ``refuse_blank``: a black or blank image is BAD_IMAGE, since a number about it would be
        made up.
        """
        self._refuse_blank = refuse_blank
        self.image_is_rectified, self.max_pixels = image_is_rectified, max_pixels
        self._kept, self._rectifiers = kept_lenses, OrderedDict()

    def frame(self, image, info) -> tuple[Frame, Rectifier]:
        """Return the rectified frame of an Image or CompressedImage, and its Rectifier.

        The Rectifier maps between pixels of the subscribed image and of the frame. Intrinsics are
        live: any change in ``info`` makes a new Rectifier for this very frame.
        """
        stamp = stamp_ns(image.header.stamp)
        rgb = rgb_of(image, self.max_pixels, _image_size(info))
        if self._refuse_blank:
            check_not_blank(rgb, f"image {rgb.shape[1]} x {rgb.shape[0]} px")
        rectifier = self.rectifier(info, rgb.shape[1], rgb.shape[0])
        frame = Frame(
            rectifier.rectify(rgb),
            rectifier.camera,
            stamp,
            image.header.frame_id,
            rectifier.valid,
        )
        return frame, rectifier

    def rectifier(self, info, width: int, height: int) -> Rectifier:
        """Return the Rectifier of a CameraInfo for images of ``width`` x ``height`` px."""
        key = (lens_of(info), width, height)
        if key not in self._rectifiers:
            made = Rectifier(*key, self.image_is_rectified)
            check_focal_lengths(made.camera)
            self._rectifiers[key] = made
            while len(self._rectifiers) > self._kept:
                self._rectifiers.popitem(last=False)
        self._rectifiers.move_to_end(key)
        return self._rectifiers[key]


def header_of(source: Frame | DepthMap) -> Header:
    """Return the image's own header."""
    return Header(stamp=time_of(source.stamp_ns), frame_id=source.frame_id)


def depth_image(depth_map: DepthMap, encoding: str = "32FC1") -> Image:
    """Return z-depth as an image (REP-118).

    ``encoding``: 32FC1 in metres, NaN unknown, +Inf beyond range; or 16UC1 in millimetres, 0 for
    both, and for what 16 bits do not hold (beyond 65.535 m).
    """
    header = header_of(depth_map)
    if encoding == "16UC1":
        return _image(header, "16UC1", millimetres(depth_map.depth_m), 2 * depth_map.camera.width)
    depth = np.ascontiguousarray(depth_map.depth_m, dtype="<f4")
    return _image(header, "32FC1", depth, 4 * depth.shape[1])


def millimetres(depth_m: np.ndarray) -> np.ndarray:
    """Return depth [m] as uint16 millimetres, little-endian; 0: unknown, beyond range or type."""
    with np.errstate(invalid="ignore", over="ignore"):
        rounded = np.rint(depth_m * 1000.0)
        fits = (rounded >= 1.0) & (rounded <= 65535.0)
        return np.where(fits, rounded, 0.0).astype("<u2")


def rgb_image(rgb: np.ndarray, header: Header) -> Image:
    """Return rgb, uint8 (H, W, 3), as an rgb8 image."""
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"rgb is {rgb.dtype} {rgb.shape}: must be uint8 (H, W, 3)")
    return _image(header, "rgb8", np.ascontiguousarray(rgb), 3 * rgb.shape[1])


def camera_info(camera: PinholeCamera, header: Header) -> CameraInfo:
    """Return the CameraInfo of a rectified image: no distortion, P filled, no rotation."""
    k = camera.matrix
    return CameraInfo(
        header=header,
        height=camera.height,
        width=camera.width,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=k.ravel().tolist(),
        r=np.eye(3).ravel().tolist(),
        p=np.hstack([k, np.zeros((3, 1))]).ravel().tolist(),
    )


def status_msg(code: Code, text: str = "") -> StatusMsg:
    """Return a status that can always be sent: see ``sanitize.encodable``."""
    return StatusMsg(code=int(code), text=encodable(text))


def point_depth_msg(point: PointDepth, header: Header) -> PointDepthMsg:
    """Return one reading as a message; ``header``: the image's own, ``point`` in its frame."""
    return PointDepthMsg(
        header=header,
        pixel=Pixel(u=float(point.pixel[0]), v=float(point.pixel[1])),
        status=status_msg(point.code, point.text),
        distance=float(point.distance_m),
        depth=float(point.depth_m),
        low=float(point.low_m),
        high=float(point.high_m),
        interval_kind=int(point.interval.kind),
        interval_basis=encodable(point.interval.basis),
        point=point_msg(point.point_m),
        source=point.source,
    )


def point_msg(xyz) -> Point:
    """Return three numbers [m] as a message."""
    return Point(**dict(zip("xyz", map(float, xyz), strict=True)))


def xyz_of(message) -> np.ndarray:
    """Return a Point's or a Vector3's numbers, (3,)."""
    return np.array([message.x, message.y, message.z])


def _image_size(info) -> tuple | None:
    """Return the size of a CameraInfo's images; None where it has none (told by the rectifier)."""
    try:
        return lens_of(info).image_size
    except StatusError:
        return None


def _floats(values) -> tuple:
    """Return numbers as a tuple of floats."""
    return tuple(float(v) for v in values)


def _image(header: Header, encoding: str, pixels: np.ndarray, step: int) -> Image:
    """Return an image message of contiguous pixels (H, W, ...)."""
    message = Image(
        header=header,
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=step,
    )
    message.data.frombytes(memoryview(pixels).cast("B"))
    return message
