"""What depthlm_ros calls of cv_bridge, for an environment without it (see env_standins/README.md).

rosbags-image does the colour conversions, OpenCV the codecs. Shapes are those of cv_bridge:
(H, W) for one channel, (H, W, C) for more, channels in the order that the encoding says.
"""

import cv2
import numpy as np
from rosbags.image.image import ImageError, convert_color, to_cvtype
from sensor_msgs.msg import CompressedImage, Image


class CvBridgeError(TypeError):
    """A conversion that is not possible."""


class CvBridge:
    """Converts between ROS image messages and OpenCV images."""

    def imgmsg_to_cv2(self, img_msg, desired_encoding="passthrough"):
        """Return the image of a ``sensor_msgs/Image``, converted to ``desired_encoding``."""
        dtype, channels = _layout(img_msg.encoding)
        dtype = dtype.newbyteorder(">" if img_msg.is_bigendian else "<")
        rows = np.frombuffer(img_msg.data, np.uint8).reshape(img_msg.height, img_msg.step)
        used = np.ascontiguousarray(rows[:, : img_msg.width * channels * dtype.itemsize])
        image = used.view(dtype).astype(dtype.newbyteorder("="))
        if channels > 1:
            image = image.reshape(img_msg.height, img_msg.width, channels)
        return _convert(image, img_msg.encoding, desired_encoding)

    def compressed_imgmsg_to_cv2(self, cmprs_img_msg, desired_encoding="passthrough"):
        """Return the decoded image; as stored, or from bgr8 to ``desired_encoding``."""
        data = np.frombuffer(cmprs_img_msg.data, np.uint8)
        image = cv2.imdecode(data.reshape(1, -1), cv2.IMREAD_UNCHANGED)
        return _convert(image, "bgr8", desired_encoding)

    def cv2_to_imgmsg(self, cvim, encoding="passthrough", header=None):
        """Return a ``sensor_msgs/Image`` of an image whose type fits ``encoding``."""
        if not isinstance(cvim, np.ndarray):
            raise TypeError("the image must be a numpy array")
        channels = 1 if cvim.ndim < 3 else cvim.shape[2]
        if encoding == "passthrough":
            kind = {"u": "U", "i": "S", "f": "F"}[cvim.dtype.kind]
            encoding = f"{8 * cvim.dtype.itemsize}{kind}C{channels}"
        elif _layout(encoding) != (cvim.dtype.newbyteorder("="), channels):
            raise CvBridgeError(f"{encoding} does not fit {channels} channels of {cvim.dtype}")
        message = Image(height=cvim.shape[0], width=cvim.shape[1], encoding=encoding)
        if header is not None:
            message.header = header
        message.is_bigendian = int(cvim.dtype.byteorder == ">")
        message.data.frombytes(cvim.tobytes())
        message.step = len(message.data) // message.height
        return message

    def cv2_to_compressed_imgmsg(self, cvim, dst_format="jpg"):
        """Return a ``sensor_msgs/CompressedImage``, encoded by OpenCV for the file ending."""
        if not isinstance(cvim, np.ndarray):
            raise TypeError("the image must be a numpy array")
        message = CompressedImage(format=dst_format)
        message.data.frombytes(cv2.imencode(f".{dst_format}", cvim)[1].tobytes())
        return message


def _layout(encoding):
    """Return (numpy type, channels) of an encoding of sensor_msgs/image_encodings."""
    try:
        _, _, name, channels = to_cvtype(encoding)
    except ImageError as error:
        raise CvBridgeError(error) from error
    return np.dtype(name), channels


def _convert(image, encoding, desired_encoding):
    if desired_encoding == "passthrough":
        return image
    try:
        return convert_color(image, encoding, desired_encoding)
    except ImageError as error:
        raise CvBridgeError(error) from error
