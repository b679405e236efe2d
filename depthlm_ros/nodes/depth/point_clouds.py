"""Organised XYZRGB clouds, packed by ``geometry/point_cloud.py`` into the message's own bytes.

``sensor_msgs_py.create_cloud`` reads (H, W) arrays transposed and takes many times as long. The
message's own ``array('B')`` is written in place: a cloud arises where rclpy reads it.
"""

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField

from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.geometry.point_cloud import pack_into

POINT_STEP = 16
"""Bytes a point: x, y, z, rgb as float32."""


class CloudPacker:
    """Packs clouds of any size into one message, which it keeps and fills again."""

    def __init__(self):
        """Start with a message that holds no point."""
        self._resize(0, 0)

    def pack(
        self, depth_map: DepthMap, rgb: np.ndarray, header, edge_ratio: float | None = None
    ) -> PointCloud2:
        """Return the organised cloud of a depth map, coloured by ``rgb``, uint8 (H, W, 3).

        ``header``: as in ``conversions.header_of``. ``edge_ratio``: as in
        ``point_cloud.pack_into``. Fields x, y, z [m] in the optical frame and rgb, float32 with
        the bits 0x00RRGGBB (PCL, RViz). Unknown and beyond range: NaN. The message is the packer's
        own and holds until the next ``pack``: publish first (rclpy copies when it publishes).
        """
        if depth_map.depth_m.shape != self._points.shape[:2]:
            self._resize(*depth_map.depth_m.shape)
        pack_into(self._points, depth_map, rgb, edge_ratio)
        self._message.header = header
        return self._message

    def _resize(self, height: int, width: int):
        """Make a message of this size, and the view of its data through which it is filled."""
        self._message = PointCloud2(
            height=height,
            width=width,
            fields=[
                PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
                for i, name in enumerate(("x", "y", "z", "rgb"))
            ],
            is_bigendian=False,
            point_step=POINT_STEP,
            row_step=POINT_STEP * width,
            is_dense=False,
        )
        # Not through the constructor: it would copy, and nothing must copy 16 bytes a pixel.
        self._message.data.frombytes(bytes(height * width * POINT_STEP))
        self._points = np.frombuffer(self._message.data, "<f4").reshape(height, width, 4)
