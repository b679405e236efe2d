"""Organised XYZRGB clouds, packed by ``geometry/point_cloud.py`` into the message's own bytes.

``sensor_msgs_py.create_cloud`` reads (H, W) arrays transposed and takes many times as long. The
message's own ``array('B')`` is written in place: filled in place, without a copy.
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
        self._whole = np.empty((0, 0, 4), np.float32)

    def pack(
        self,
        depth_map: DepthMap,
        rgb: np.ndarray,
        header,
        edge_ratio: float | None = None,
        step: int = 1,
    ) -> PointCloud2:
        """Return the organised cloud of a depth map, coloured by ``rgb``, uint8 (H, W, 3).

        ``header``: as in ``conversions.header_of``. ``edge_ratio``: as in
        ``point_cloud.pack_into``. ``step``: every how many rows and columns a point is taken, the
        middle one of each. Fields x, y, z [m] in the optical frame and rgb, float32 with the bits
        0x00RRGGBB (PCL, RViz). Unknown and beyond range: NaN. The message is the packer's own and
        holds until the next ``pack``: publish first (rclpy copies when it publishes).
        """
        height, width = depth_map.depth_m.shape
        first = min((step - 1) // 2, height - 1, width - 1)
        rows, columns = len(range(first, height, step)), len(range(first, width, step))
        if (rows, columns) != self._points.shape[:2]:
            self._resize(rows, columns)
        if step == 1:
            pack_into(self._points, depth_map, rgb, edge_ratio)
        else:
            if self._whole.shape[:2] != (height, width):
                self._whole = np.empty((height, width, 4), np.float32)
            pack_into(self._whole, depth_map, rgb, edge_ratio)
            bits = self._whole.view("<i4")[first::step, first::step]
            np.copyto(self._points.view("<i4"), bits)
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
