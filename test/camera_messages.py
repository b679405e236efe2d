"""Camera messages and values for the tests of conversions."""

import numpy as np
from hypothesis import strategies as st
from sensor_msgs.msg import Image

from depthlm_ros.geometry.camera import PinholeCamera

CAMERA = PinholeCamera(2.0, 4.0, 1.0, 1.0, 4, 3)


NAN, INF = float("nan"), float("inf")


def image(width=64, height=48, encoding="rgb8", stamp=(12, 34), frame_id="camera_optical"):
    """Return an Image whose red grows to the right and whose green grows downwards."""
    message = Image(width=width, height=height, encoding=encoding, step=3 * width)
    message.header.stamp.sec, message.header.stamp.nanosec = stamp
    message.header.frame_id = frame_id
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    pixels = np.stack([u % 256, v % 256, np.full_like(u, 7)], axis=-1).astype(np.uint8)
    message.data.frombytes(pixels.tobytes())
    return message


numbers = st.one_of(st.floats(width=64), st.sampled_from([0.0, 50.0, -1.0, NAN, INF, 1e300]))
