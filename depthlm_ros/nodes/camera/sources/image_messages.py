"""Pictures as the messages that go out, raw or compressed, without their headers' stamp."""

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from depthlm_ros.nodes.common import conversions

FRAME_ID = "camera_optical_frame"
ENDINGS = {"jpeg": ".jpg", "png": ".png"}


class Outgoing:
    """Makes messages as the parameters ``values`` ask for."""

    def __init__(self, values):
        self.compressed = values.image_transport == "compressed"
        self._kind, self._quality = values.compression, values.jpeg_quality
        self._frame_id = values.frame_id

    def frame_id(self, recorded: str = FRAME_ID) -> str:
        """Return the frame for the headers."""
        return self._frame_id or recorded

    def of_rgb(self, rgb: np.ndarray):
        """Return rgb, uint8 (H, W, 3), as the message that goes out."""
        if self.compressed:
            return compress(rgb, self._kind, self._quality)
        return conversions.rgb_image(rgb, Header())

    def of_message(self, message):
        """Return an Image or CompressedImage as the kind that goes out; as it is if it is one."""
        is_compressed = isinstance(message, CompressedImage)
        if is_compressed == self.compressed:
            return message
        return self.of_rgb(conversions.rgb_of(message))

    def of_picture(self, rgb: np.ndarray, data: bytes | None = None):
        """Return a picture as the message that goes out; ``data``: of a JPEG or PNG file of it.

        Compressed, the file goes out as it is.
        """
        if self.compressed and data is not None:
            return compressed_image(data, "png" if data[:4] == b"\x89PNG" else "jpeg")
        return self.of_rgb(rgb)


def compress(rgb: np.ndarray, kind: str, quality: int) -> CompressedImage:
    """Return rgb, uint8 (H, W, 3), as JPEG of a quality (1 to 100) or as PNG."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if kind == "jpeg" else []
    done, data = cv2.imencode(ENDINGS[kind], cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise ValueError(f"rgb {rgb.shape} cannot be written as {kind}")
    return compressed_image(data.tobytes(), kind)


def compressed_image(data: bytes, kind: str) -> CompressedImage:
    """Return the bytes of a colour picture as a message, named as image_transport names it."""
    message = CompressedImage(format=f"rgb8; {kind} compressed bgr8")
    message.data.frombytes(data)
    return message


def size_of(message) -> tuple[int, int]:
    """Return (width, height) [px] of an Image or CompressedImage."""
    if isinstance(message, Image):
        return message.width, message.height
    from depthlm_ros.image_io.compressed import size_of as size_of_bytes

    return size_of_bytes(memoryview(message.data).cast("B"))
