"""The bytes of an image message to ``rgb``; every encoding that a camera sends.

Works on plain values, so it is tested without ROS. Our own code rather than cv_bridge for the raw
encodings: cv_bridge reads rows whose padding is not a whole number of pixels sheared, fails on
big-endian data under NumPy 2, does not know nv12, and allocates before it has checked a size.

Meanings where the name leaves them open: 8UC1 is mono8, 8UC3 is bgr8 and 8UC4 is bgra8 (OpenCV's
order, as in cv_bridge). 16-bit samples are stretched by the bits that are in them, as cameras of
10 or 12 bits send them: with a largest value of 2048 to 4095, 4095 is white. YUV is BT.601
with video range, as OpenCV has it; yuv422 is UYVY, yuv422_yuy2 is YUYV. Alpha is dropped.
"""

import cv2
import numpy as np

from depthlm_ros.image_io.pixel_values import to_eight_bits
from depthlm_ros.status import Code, StatusError

MAX_SIDE_PX = 16384
"""Default limit on each side of an image."""
MAX_PIXELS = 40_000_000
"""Default limit on the pixels of an image: 8K (33 Mpx) passes."""

# name: (bytes a sample, samples a pixel, conversion to RGB; None: it is RGB already)
_PACKED = {
    "rgb8": (1, 3, None),
    "bgr8": (1, 3, cv2.COLOR_BGR2RGB),
    "8UC3": (1, 3, cv2.COLOR_BGR2RGB),
    "rgba8": (1, 4, cv2.COLOR_RGBA2RGB),
    "bgra8": (1, 4, cv2.COLOR_BGRA2RGB),
    "8UC4": (1, 4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, 1, cv2.COLOR_GRAY2RGB),
    "8UC1": (1, 1, cv2.COLOR_GRAY2RGB),
    "rgb16": (2, 3, None),
    "bgr16": (2, 3, cv2.COLOR_BGR2RGB),
    "rgba16": (2, 4, cv2.COLOR_RGBA2RGB),
    "bgra16": (2, 4, cv2.COLOR_BGRA2RGB),
    "mono16": (2, 1, cv2.COLOR_GRAY2RGB),
    "uyvy": (1, 2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422": (1, 2, cv2.COLOR_YUV2RGB_UYVY),
    "yuyv": (1, 2, cv2.COLOR_YUV2RGB_YUY2),
    "yuv422_yuy2": (1, 2, cv2.COLOR_YUV2RGB_YUY2),
}
# OpenCV names a mosaic by the second row's second and third pixel, ROS by the first four.
_MOSAICS = {
    "rggb": cv2.COLOR_BayerBG2RGB,
    "bggr": cv2.COLOR_BayerRG2RGB,
    "gbrg": cv2.COLOR_BayerGR2RGB,
    "grbg": cv2.COLOR_BayerGB2RGB,
}
_PACKED.update({f"bayer_{m}8": (1, 1, code) for m, code in _MOSAICS.items()})
_PACKED.update({f"bayer_{m}16": (2, 1, code) for m, code in _MOSAICS.items()})
# name: (bytes a pixel times two, conversion of luma above interleaved chroma)
_PLANAR = {
    "nv12": (3, cv2.COLOR_YUV2RGB_NV12),
    "nv21": (3, cv2.COLOR_YUV2RGB_NV21),
    "nv24": (6, cv2.COLOR_YUV2RGB_NV12),
}
ENCODINGS = (*_PACKED, *_PLANAR)
"""Every encoding that ``decode`` reads."""


def decode(
    encoding: str,
    width: int,
    height: int,
    step: int,
    is_bigendian: bool,
    data,
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Return the image in ``data`` (bytes-like) as rgb, uint8 (height, width, 3), C-contiguous.

    ``step``: bytes a row, padding included. An rgb8 image without padding is not copied. Raises
    StatusError(BAD_IMAGE), naming the encoding, for anything that does not agree; nothing is
    allocated before sizes have been checked.
    """
    label = f"image {width} x {height} px, encoding {ascii(str(encoding)[:40])}"
    check_size(width, height, max_pixels, label)
    try:
        buffer = np.frombuffer(data, np.uint8)
    except (TypeError, ValueError, BufferError) as error:
        raise StatusError(
            Code.BAD_IMAGE, f"{label}: data is not bytes ({error}); fill it with bytes"
        ) from error
    try:
        if encoding in _PACKED:
            return _packed(encoding, width, height, step, is_bigendian, buffer, label)
        if encoding in _PLANAR:
            return _planar(encoding, width, height, step, buffer, label)
    except cv2.error as error:
        raise StatusError(
            Code.BAD_IMAGE, f"{label}: cannot be converted ({error.err}); publish rgb8 or bgr8"
        ) from error
    raise StatusError(
        Code.BAD_IMAGE,
        f"{label}: not a colour or grey picture this node reads; publish one of "
        f"{', '.join(ENCODINGS)}",
    )


def check_size(width: int, height: int, max_pixels: int, label: str):
    """Refuse an image without pixels, or with more than may be allocated."""
    if width < 1 or height < 1:
        raise StatusError(
            Code.BAD_IMAGE, f"{label}: each side must be at least 1 px; check the driver"
        )
    if width > MAX_SIDE_PX or height > MAX_SIDE_PX or width * height > max_pixels:
        raise StatusError(
            Code.BAD_IMAGE,
            f"{label}: at most {MAX_SIDE_PX} px a side and {max_pixels} px in all; "
            "lower the camera's resolution",
        )


def to_rgb8(image: np.ndarray, code: int | None) -> np.ndarray:
    """Convert uint8 or uint16 samples to rgb, uint8 (H, W, 3); ``code``: OpenCV's conversion."""
    if code is not None:
        image = cv2.cvtColor(image, code)
    if image.dtype == np.uint16:
        image = to_eight_bits(image)
    return np.ascontiguousarray(image)


def demosaic_code(encoding: str) -> int | None:
    """Return the conversion of a name that begins with a Bayer encoding's, else None."""
    name = encoding.strip()
    return _MOSAICS.get(name[6:10]) if name.startswith("bayer_") else None


def _packed(encoding, width, height, step, is_bigendian, buffer, label) -> np.ndarray:
    """Decode an encoding whose pixels lie one after another."""
    size, channels, code = _PACKED[encoding]
    row = width * size * channels
    if step < row:
        raise StatusError(
            Code.BAD_IMAGE,
            f"{label}: step {step} is less than a row of {row} bytes; the driver must set it",
        )
    _check_length(buffer, step * height, f"step {step} x {height} rows", label)
    if channels == 2 and width % 2:
        raise StatusError(
            Code.BAD_IMAGE, f"{label}: the width must be even, pixels share chroma; crop a column"
        )
    if encoding.startswith("bayer_") and (width < 2 or height < 2):
        raise StatusError(
            Code.BAD_IMAGE, f"{label}: a mosaic has at least 2 x 2 px; check the driver"
        )
    rows = buffer.reshape(height, step)[:, :row]
    if size == 2:
        samples = np.ascontiguousarray(rows).view(">u2" if is_bigendian else "<u2")
        rows = samples.astype(np.uint16, copy=False)
    shape = (height, width) if channels == 1 else (height, width, channels)
    return to_rgb8(np.ascontiguousarray(rows).reshape(shape), code)


def _planar(encoding, width, height, step, buffer, label) -> np.ndarray:
    """Decode a luma plane followed by a plane of interleaved chroma."""
    halves, code = _PLANAR[encoding]
    if halves == 3 and (width % 2 or height % 2):
        raise StatusError(
            Code.BAD_IMAGE, f"{label}: both sides must be even, pixels share chroma; crop it"
        )
    # Drivers state the luma plane's bytes a row, or (unpadded) those of luma and chroma together.
    together = 2 * step == halves * width and buffer.size == step * height
    stride = width if together else step
    if stride < width:
        raise StatusError(
            Code.BAD_IMAGE,
            f"{label}: step {step} is less than a row of {width} bytes; the driver must set it",
        )
    expected = stride * height * halves // 2
    _check_length(buffer, expected, f"luma and chroma rows at step {step}", label)
    luma = buffer[: stride * height].reshape(height, stride)[:, :width]
    chroma = buffer[stride * height :]
    if halves == 3:
        chroma = chroma.reshape(height // 2, stride)[:, :width]
        return to_rgb8(np.concatenate([luma, chroma]), code)
    # OpenCV has no 4:4:4 semi-planar code: as 4:2:0 of twice the size, one pixel in four is kept.
    chroma = chroma.reshape(height, 2 * stride)[:, : 2 * width]
    doubled = np.concatenate([luma.repeat(2, axis=0).repeat(2, axis=1), chroma])
    return to_rgb8(cv2.cvtColor(doubled, code)[::2, ::2], None)


def _check_length(buffer: np.ndarray, expected: int, rule: str, label: str):
    """Refuse data that is shorter or longer than its layout says."""
    if buffer.size != expected:
        raise StatusError(
            Code.BAD_IMAGE,
            f"{label}: {buffer.size} bytes of data: must be {expected} ({rule}); the message is "
            "truncated or its step is wrong",
        )
