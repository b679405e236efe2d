"""Files of a depth map that other programs read: PLY, npy, PNG.

Every file appears under its name only when complete, so that a full disk or an interruption never
leaves half a file. Raises OSError where the disk does not take it.
"""

import cv2
import numpy as np

from depthlm_ros.geometry.depth_map import EDGE_RATIO, DepthMap
from depthlm_ros.image_io.atomic_write import write_atomically

PLY_VERTEX = np.dtype(
    [(axis, "<f4") for axis in ("x", "y", "z")] + [(c, "u1") for c in ("red", "green", "blue")]
)
FARTHEST_MM = 65535


def write_ply(
    path,
    depth_map: DepthMap,
    rgb: np.ndarray,
    keep_edges: bool = False,
    edge_ratio: float = EDGE_RATIO,
    max_points: int | None = None,
    comment: str = "",
) -> int:
    """Write the coloured cloud as binary little-endian PLY; return the number of its points.

    x, y, z: float32 metres in the camera's optical frame (x right, y down, z forward); red,
    green, blue: uint8, from ``rgb`` (H, W, 3) of the same image. Pixels without a finite depth
    are left out, and unless ``keep_edges`` those across a depth step, whose points would float
    between two surfaces. ``max_points``: every n-th row and column, with the smallest n that
    leaves so few. ``comment``: one line for the file's head.
    """
    masked = None if keep_edges else depth_map.depth_discontinuities(edge_ratio)
    x, y, z = depth_map.coordinates(masked)
    kept = _thinned(np.isfinite(z), max_points)
    cloud = np.empty(int(kept.sum()), PLY_VERTEX)
    for name, plane in zip(PLY_VERTEX.names, (x, y, z, *np.moveaxis(rgb, -1, 0)), strict=True):
        cloud[name] = plane[kept]
    kinds = ["float"] * 3 + ["uchar"] * 3
    lines = [
        "ply",
        "format binary_little_endian 1.0",
        "comment metres, camera optical frame: x right, y down, z forward",
        *([f"comment {comment}"] if comment else []),
        f"element vertex {len(cloud)}",
        *(f"property {k} {n}" for k, n in zip(kinds, PLY_VERTEX.names, strict=True)),
        "end_header\n",
    ]
    write_atomically(
        path, lambda file: (file.write("\n".join(lines).encode()), file.write(cloud.tobytes()))
    )
    return len(cloud)


def _thinned(kept: np.ndarray, most: int | None) -> np.ndarray:
    """Return ``kept``, bool (H, W), with whole rows and columns left out until it has so few."""
    step, thin = 1, kept
    while most is not None and int(thin.sum()) > most:
        step = max(step + 1, int(np.sqrt(kept.sum() / most)))
        thin = np.zeros_like(kept)
        thin[step // 2 :: step, step // 2 :: step] = kept[step // 2 :: step, step // 2 :: step]
    return thin


def write_npy(path, depth_m: np.ndarray) -> None:
    """Write z-depth, float32 (H, W) in metres, as it is: NaN unknown, +Inf beyond range."""
    depth = np.ascontiguousarray(depth_m, dtype="<f4")
    write_atomically(path, lambda file: np.save(file, depth, allow_pickle=False))


def millimetres(depth_m: np.ndarray) -> np.ndarray:
    """Return z-depth [m] as uint16 (H, W) millimetres; 0 where there is none or it does not fit.

    Over 65.535 m does not fit, and is not clipped: a clipped depth would be a wall that is not
    there.
    """
    mm = np.rint(np.asarray(depth_m, dtype=np.float64) * 1000)
    with np.errstate(invalid="ignore"):
        return np.where((mm >= 1) & (mm <= FARTHEST_MM), mm, 0).astype(np.uint16)


def write_png_mm(path, depth_m: np.ndarray) -> None:
    """Write z-depth as a 16-bit grey PNG in millimetres, 0 = invalid (see ``millimetres``)."""
    _write_picture(path, millimetres(depth_m))


def write_png(path, rgb: np.ndarray) -> None:
    """Write a picture, uint8 (H, W, 3), RGB, as PNG."""
    _write_picture(path, np.ascontiguousarray(rgb[..., ::-1]))


def _write_picture(path, pixels: np.ndarray) -> None:
    done, data = cv2.imencode(".png", pixels)
    if not done:
        raise OSError(f"{path}: OpenCV could not encode {pixels.dtype} {pixels.shape} as PNG")
    write_atomically(path, lambda file: file.write(data.tobytes()))
