"""Making unorganised clouds and reading any, by numpy."""

import sys

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField

_TYPES = {
    PointField.INT8: "i1",
    PointField.UINT8: "u1",
    PointField.INT16: "i2",
    PointField.UINT16: "u2",
    PointField.INT32: "i4",
    PointField.UINT32: "u4",
    PointField.FLOAT32: "f4",
    PointField.FLOAT64: "f8",
}


def create_cloud_xyz32(header, points):
    """Return points (N, 3) as a cloud of one row with the float32 fields x, y, z."""
    data = np.ascontiguousarray(points, np.float32).reshape(-1, 3)
    message = PointCloud2(header=header, height=1, width=len(data), point_step=12)
    message.fields = [
        PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, name in enumerate("xyz")
    ]
    message.is_bigendian = sys.byteorder == "big"
    message.row_step = data.nbytes
    message.data.frombytes(data.tobytes())
    return message


def read_points(cloud, field_names=None, skip_nans=False):
    """Return the points of a cloud as a structured array (height * width)."""
    order = ">" if cloud.is_bigendian else "<"
    kind = np.dtype(
        {
            "names": [field.name for field in cloud.fields],
            "formats": [order + _TYPES[field.datatype] for field in cloud.fields],
            "offsets": [field.offset for field in cloud.fields],
            "itemsize": cloud.point_step,
        }
    )
    points = np.frombuffer(bytes(cloud.data), kind)
    if field_names is not None:
        points = points[list(field_names)]
    if skip_nans and not cloud.is_dense:
        numbers = [~np.isnan(points[name]) for name in points.dtype.names]
        points = points[np.logical_and.reduce(numbers)]
    return points
