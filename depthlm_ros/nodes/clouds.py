"""Organised XYZRGB clouds, packed straight into the bytes that are sent.

``sensor_msgs_py.create_cloud`` reads (H, W) arrays transposed and takes many times as long. The
message's ``array('B')`` IS the packer's buffer: a cloud is written where rclpy reads it.
"""

from array import array

import cv2
import numpy as np
from sensor_msgs.msg import PointCloud2, PointField

from depthlm_ros.geometry.depth_map import DepthMap

POINT_STEP = 16
"""Bytes a point: x, y, z, rgb as float32."""


class CloudPacker:
    """Packs clouds of any size; keeps the buffer of the last size."""

    def __init__(self):
        """Start without a buffer."""
        self._data = array("B")

    def pack(self, depth_map: DepthMap, rgb: np.ndarray, header, hidden=None) -> PointCloud2:
        """Return the organised cloud of a depth map, coloured by ``rgb``, uint8 (H, W, 3).

        ``header``: as in ``conversions.header_of``. ``hidden``: bool (H, W), pixels whose points
        become NaN (edges). Fields x, y, z [m] in the optical frame and rgb, float32 with the bits
        0x00RRGGBB (PCL, RViz). Unknown and beyond range: NaN. The data is the packer's own buffer
        and holds until the next ``pack``: publish first (rclpy copies when it publishes).
        """
        height, width = depth_map.depth_m.shape
        if rgb.shape != (height, width, 3) or rgb.dtype != np.uint8:
            raise ValueError(f"rgb is {rgb.dtype} {rgb.shape}: must be uint8 {height, width, 3}")
        colour = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA).view("<u4")[..., 0]
        colour &= np.uint32(0xFFFFFF)
        planes = (*depth_map.coordinates(hidden), colour.view("<f4"))
        cv2.merge(planes, dst=self._buffer(height, width))
        return PointCloud2(
            header=header,
            height=height,
            width=width,
            fields=[
                PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
                for i, name in enumerate(("x", "y", "z", "rgb"))
            ],
            is_bigendian=False,
            point_step=POINT_STEP,
            row_step=POINT_STEP * width,
            data=self._data,
            is_dense=False,
        )

    def _buffer(self, height: int, width: int) -> np.ndarray:
        """Return the buffer as float32 (height, width, 4); new and zero for a new size."""
        size = height * width * POINT_STEP
        if len(self._data) != size:
            self._data = array("B", bytes(size))
        return np.frombuffer(self._data, "<f4").reshape(height, width, 4)
