"""JPEG and PNG images to ``rgb``, with the size known before anything is decoded.

Decoding itself is cv_bridge's (``compressed_imgmsg_to_cv2``). It is imported on the first
compressed image, so that a node which gets raw images runs where cv_bridge cannot be loaded.
"""

import struct
import zlib

import cv2
import numpy as np

from depthlm_ros.image_io.encodings import MAX_PIXELS, check_size, demosaic_code, to_rgb8
from depthlm_ros.status import Code, StatusError

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_NOT_FRAMES = (0xC4, 0xC8, 0xCC)  # Huffman tables, reserved, arithmetic coding: not start of frame


def decode_compressed(msg, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Return a ``sensor_msgs/CompressedImage`` as rgb, uint8 (H, W, 3), C-contiguous.

    JPEG or PNG by the data's own signature; ``format`` only tells that a grey picture is a Bayer
    mosaic. EXIF rotation is not applied: CameraInfo describes the sensor as it is. Raises
    StatusError(BAD_IMAGE), naming the format, for other or broken data, and for sizes over the
    limit before they are decoded.
    """
    label = f"compressed image, format {ascii(str(msg.format)[:60])}"
    try:
        data = memoryview(msg.data).cast("B")
    except TypeError as error:
        raise StatusError(Code.BAD_IMAGE, f"{label}: data is not bytes ({error})") from error
    width, height = size_of(data, label)
    check_size(width, height, max_pixels, f"{label}, {width} x {height} px")
    image = _decode(msg, label)
    if image.shape[:2] != (height, width):
        raise StatusError(
            Code.BAD_IMAGE,
            f"{label}: decoded to {image.shape[1]} x {image.shape[0]} px, its header says "
            f"{width} x {height}",
        )
    return _colours(image, str(msg.format), label)


def size_of(data, label: str = "compressed image") -> tuple:
    """Return (width, height) in pixels from the header of JPEG or PNG bytes, complete ones only.

    Raises StatusError(BAD_IMAGE) when they are neither, or end early.
    """
    head = bytes(data[:8])
    if head == _PNG:
        return _png_size(data, label)
    if head[:3] == _JPEG:
        return _jpeg_size(data, label)
    raise StatusError(
        Code.BAD_IMAGE,
        f"{label}: {len(data)} bytes that begin with {head[:4].hex() or 'nothing'}: must be JPEG "
        "or PNG (compressedDepth is not a picture)",
    )


def _png_size(data, label: str) -> tuple:
    """Walk the chunks from IHDR to IEND; each must match its checksum.

    OpenCV hands out what it could read of a damaged PNG, the rest black.
    """
    size, at = None, len(_PNG)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        name, end = bytes(data[at + 4 : at + 8]), at + 8 + length
        if end + 4 > len(data) or (size is None and (name != b"IHDR" or length != 13)):
            break
        if zlib.crc32(data[at + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise StatusError(Code.BAD_IMAGE, f"{label}: a PNG whose {name!r} chunk is damaged")
        if name == b"IHDR":
            size = struct.unpack(">II", data[at + 8 : at + 16])
        if name == b"IEND":
            return size
        at = end + 4
    raise StatusError(Code.BAD_IMAGE, f"{label}: a PNG of {len(data)} bytes that ends early")


def _jpeg_size(data, label: str) -> tuple:
    """Walk the segments to the start of frame, then look for the end of image behind the scan."""
    size, at = None, 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xFF:  # padding
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in _NOT_FRAMES and at + 9 <= len(data):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            size = width, height
        if marker == 0xDA:
            if size is None or bytes(data[at:]).rfind(b"\xff\xd9") < 0:
                break
            return size
        at += 2 + length
    raise StatusError(Code.BAD_IMAGE, f"{label}: a JPEG of {len(data)} bytes that ends early")


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
        raise StatusError(Code.BAD_IMAGE, f"{label}: cannot be decoded ({error})") from error
    if image is None:
        raise StatusError(Code.BAD_IMAGE, f"{label}: cannot be decoded; check the encoder")
    return image


def _colours(image: np.ndarray, declared: str, label: str) -> np.ndarray:
    """Turn what OpenCV decoded (grey, BGR or BGRA, 8 or 16 bit) into rgb."""
    channels = 1 if image.ndim == 2 else image.shape[2]
    codes = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}
    if image.dtype not in (np.uint8, np.uint16) or channels not in codes:
        raise StatusError(
            Code.BAD_IMAGE, f"{label}: {channels} channels of {image.dtype}: must be 8 or 16 bit"
        )
    mosaic = demosaic_code(declared) if channels == 1 and min(image.shape[:2]) > 1 else None
    return to_rgb8(image, codes[channels] if mosaic is None else mosaic)
