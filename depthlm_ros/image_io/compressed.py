"""JPEG and PNG images to ``rgb``, with the size known before anything is decoded.

Decoding itself is cv_bridge's (``compressed_imgmsg_to_cv2``). It is imported on the first
compressed image, so that a node which gets raw images runs where cv_bridge cannot be loaded.
"""

import re
from types import SimpleNamespace

import cv2
import numpy as np

from depthlm_ros.image_io.compressed_header import check_cost, read_header
from depthlm_ros.image_io.encodings import MAX_PIXELS, check_size, demosaic_code, to_rgb8
from depthlm_ros.status import Code, StatusError

_NO_PICTURE = re.compile(r"(16U|16S|32F|32S|64F|8S)C\d|8UC2|mono1|disparity", re.IGNORECASE)
"""Encodings that are no pictures, as ``image_transport`` writes them before the semicolon."""


def decode_compressed(
    msg, max_pixels: int = MAX_PIXELS, expected: tuple | None = None
) -> np.ndarray:
    """Return a ``sensor_msgs/CompressedImage`` as rgb, uint8 (H, W, 3), C-contiguous.

    JPEG or PNG by the data's own signature; ``format`` only tells that a grey picture is a Bayer
    mosaic. EXIF rotation is not applied: CameraInfo describes the sensor as it is. Raises
    StatusError(BAD_IMAGE), naming the format, for other or broken data; and before anything is
    decoded, for sizes over the limit, sizes that are not ``expected`` (width, height), and for
    what would cost more than its data are worth (``compressed_header``).
    """
    label = f"compressed image, format {ascii(str(msg.format)[:60])}"
    try:
        data = memoryview(msg.data).cast("B")
    except TypeError as error:
        raise StatusError(
            Code.BAD_IMAGE, f"{label}: data is not bytes ({error}); fill it with bytes"
        ) from error
    _check_declared(str(msg.format), label)
    header = read_header(data, label)
    width, height = header.width, header.height
    _check_expected(expected, (width, height), label)
    check_size(width, height, max_pixels, f"{label}, {width} x {height} px")
    check_cost(header, label)
    image = _decode(SimpleNamespace(data=header.data, format=msg.format), label)
    if image.shape[:2] != (height, width):
        raise StatusError(
            Code.BAD_IMAGE,
            f"{label}: decoded to {image.shape[1]} x {image.shape[0]} px, its header says "
            f"{width} x {height}; check the encoder",
        )
    return _colours(image, str(msg.format), label)


def size_of(data, label: str = "compressed image") -> tuple:
    """Return (width, height) in pixels from the header of JPEG or PNG bytes, complete ones only.

    Raises StatusError(BAD_IMAGE) when they are neither, or end early.
    """
    header = read_header(data, label)
    return header.width, header.height


def _check_declared(declared: str, label: str) -> None:
    """Refuse what says itself that it is no picture, as raw images of that encoding are."""
    encoding = declared.partition(";")[0].strip()
    if "compressedDepth" in declared or _NO_PICTURE.fullmatch(encoding):
        raise StatusError(
            Code.BAD_IMAGE,
            f"{label}: {encoding or declared} is not a colour or grey picture (depth?): publish "
            "the camera's picture",
        )


def _check_expected(expected: tuple | None, size: tuple, label: str) -> None:
    if expected is not None and tuple(expected) != size:
        raise StatusError(
            Code.BAD_CAMERA_INFO,
            f"{label}: the image is {size[0]} x {size[1]} px, its CameraInfo is for "
            f"{expected[0]} x {expected[1]} px: must be equal; publish the CameraInfo that "
            "belongs to this image",
        )


def _decode(msg, label: str) -> np.ndarray:
    """Let cv_bridge decode, whatever the channels and the depth."""
    try:
        from cv_bridge import CvBridge, CvBridgeError
    except ImportError as error:
        raise StatusError(
            Code.BAD_IMAGE,
            f"{label}: cv_bridge cannot be loaded ({error}); install it or use raw images",
        ) from error
    try:
        image = CvBridge().compressed_imgmsg_to_cv2(msg)
    except (CvBridgeError, cv2.error, TypeError, ValueError) as error:
        raise StatusError(
            Code.BAD_IMAGE, f"{label}: cannot be decoded ({error}); check the encoder"
        ) from error
    if image is None:
        raise StatusError(Code.BAD_IMAGE, f"{label}: cannot be decoded; check the encoder")
    return image


def _colours(image: np.ndarray, declared: str, label: str) -> np.ndarray:
    """Turn what OpenCV decoded (grey, BGR or BGRA, 8 or 16 bit) into rgb."""
    channels = 1 if image.ndim == 2 else image.shape[2]
    codes = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}
    if image.dtype not in (np.uint8, np.uint16) or channels not in codes:
        raise StatusError(
            Code.BAD_IMAGE,
            f"{label}: {channels} channels of {image.dtype}: must be 1, 3 or 4 of 8 or 16 bit",
        )
    mosaic = demosaic_code(declared) if channels == 1 and min(image.shape[:2]) > 1 else None
    return to_rgb8(image, codes[channels] if mosaic is None else mosaic)
