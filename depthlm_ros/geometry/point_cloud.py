"""Points and colours of a depth map, packed as they are sent: 16 bytes each, x, y, z and rgb."""

import cv2
import numpy as np

from depthlm_ros.geometry.depth_map import DepthMap


def pack_into(
    points: np.ndarray, depth_map: DepthMap, rgb: np.ndarray, edge_ratio: float | None
) -> None:
    """Fill ``points``, float32 (H, W, 4), with x, y, z [m] and the bits 0x00RRGGBB.

    ``rgb``: uint8 (H, W, 3). ``edge_ratio``: points across a depth step
    (``DepthMap.depth_discontinuities``) are hidden; None: they stay. Hidden, unknown and beyond
    range: NaN. Packed on the model's device where that still has the map.
    """
    height, width = depth_map.depth_m.shape
    if rgb.shape != (height, width, 3) or rgb.dtype != np.uint8:
        raise ValueError(f"rgb is {rgb.dtype} {rgb.shape}: must be uint8 {height, width, 3}")
    bits = depth_map.pack_on_device(edge_ratio) if depth_map.pack_on_device else None
    if bits is not None:
        np.copyto(points.view("<i4"), bits)
        return
    masked = None if edge_ratio is None else depth_map.depth_discontinuities(edge_ratio)
    colour = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA).view("<u4")[..., 0]
    colour &= np.uint32(0xFFFFFF)
    cv2.merge((*depth_map.coordinates(masked), colour.view("<f4")), dst=points)
