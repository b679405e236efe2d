"""A sample's image and depth map as DepthVLM's loader reads them (published code; facts of it).

Depth: raw / scale, what is not finite or outside the masks or the set's range is 0, then NEAREST
to the canonical size; image: BILINEAR to it. Taskonomy and HM3D are cropped about the centre to at
most 1024 px a side. 0 is "unknown" in these maps, as in the files.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from depthlm_ros.datasets.base import DepthFile, Sample
from depthlm_ros.datasets.registry import ANY_RANGE
from depthlm_ros.status import Code, StatusError

CROPPED = ("taskonomy", "hm3d")
MOST_PX = 1024
CANONICAL_FOCAL_PX = 1000.0


def canonical_size(width: int, height: int, fx: float, focal: float = CANONICAL_FOCAL_PX) -> tuple:
    """Return (round(W f / fx), round(H f / fx)): Python's round, fx for both axes."""
    return round(width * focal / fx), round(height * focal / fx)


def read_raw(file: DepthFile) -> np.ndarray:
    """Return the stored depth in metres, float32 (H, W); 0 where it is not finite.

    Raises StatusError(BAD_IMAGE) for a file that is missing or of another size.
    """
    if file.format == "binary_float32":
        raw = _read_float32(file)
    else:
        raw = read_array(file.path)
        if raw.ndim != 2:
            raise _bad(file.path, f"has the shape {raw.shape}: a depth map has one channel")
    metres = raw.astype(np.float32) / np.float32(file.scale)
    return np.where(np.isfinite(metres), metres, np.float32(0.0))


def read_array(path: Path) -> np.ndarray:
    """Return an image file's values as they are, (H, W) or (H, W, 3)."""
    try:
        with Image.open(path) as opened:
            return np.array(opened)
    except (OSError, SyntaxError) as error:  # PIL raises SyntaxError for a broken PNG
        raise _bad(path, "is missing or no picture that can be read") from error


def read_rgb(path: Path) -> Image.Image:
    """Return an image file in RGB, as stored (EXIF turns nothing)."""
    try:
        with Image.open(path) as opened:
            return opened.convert("RGB")
    except (OSError, SyntaxError) as error:
        raise _bad(path, "is missing or no picture that can be read") from error


def read_masked(file: DepthFile, range_m: tuple = ANY_RANGE) -> np.ndarray:
    """Return depth in metres, float32 (H, W): 0 outside masks and range (ends are inside)."""
    depth = read_raw(file)
    for path in file.masks:
        mask = read_array(path)
        if mask.shape[:2] != depth.shape:
            raise _bad(path, f"is a mask of {mask.shape[:2]} for a depth map of {depth.shape}")
        depth[(mask if mask.ndim == 2 else mask.max(axis=2)) == 0] = 0.0
    depth[(depth < range_m[0]) | (depth > range_m[1])] = 0.0
    return depth


def resize_nearest(depth: np.ndarray, size: tuple | None) -> np.ndarray:
    """Resample a depth map to (W, H) by the nearest value; None: as it is."""
    if size is None or depth.shape == size[::-1]:
        return depth
    return np.array(Image.fromarray(depth).resize(size, Image.Resampling.NEAREST))


def centred_crop(width: int, height: int, most: int = MOST_PX) -> tuple:
    """Return (left, top, width, height) of the centred window of at most ``most`` px a side."""
    w, h = min(width, most), min(height, most)
    return (width - w) // 2, (height - h) // 2, w, h


def crop_of(sample: Sample, width: int, height: int) -> tuple:
    """Return the window that the loader keeps of a sample's image at (width, height)."""
    most = MOST_PX if sample.dataset in CROPPED else max(width, height)
    return centred_crop(width, height, most)


def load_dense(sample: Sample, range_m: tuple = ANY_RANGE) -> tuple[np.ndarray, np.ndarray]:
    """Return (rgb uint8 (H, W, 3), depth float32 (H, W) [m], 0 unknown) at the canonical size.

    Both resampled and cropped as above; without a canonical size the image stays as it is, and the
    depth map too. Raises StatusError(BAD_IMAGE).
    """
    if sample.depth is None:
        raise _bad(sample.image, f"{sample.place}: the line names no depth map (depth_path)")
    image = read_rgb(sample.image)
    if sample.canonical_size is not None:
        image = image.resize(sample.canonical_size, Image.Resampling.BILINEAR)
    depth = resize_nearest(read_masked(sample.depth, range_m), sample.canonical_size)
    rgb = np.asarray(image)
    return _cropped(sample, rgb), _cropped(sample, depth)


def _cropped(sample: Sample, array: np.ndarray) -> np.ndarray:
    left, top, width, height = crop_of(sample, array.shape[1], array.shape[0])
    return np.ascontiguousarray(array[top : top + height, left : left + width])


def _read_float32(file: DepthFile) -> np.ndarray:
    width, height = file.size
    try:
        raw = np.fromfile(file.path, "<f4")
    except OSError as error:
        raise _bad(file.path, f"cannot be read ({error})") from error
    if raw.size != width * height:
        raise _bad(file.path, f"holds {raw.size} numbers: must be {width} x {height}")
    return raw.reshape(height, width)


def _bad(path, text: str) -> StatusError:
    return StatusError(Code.BAD_IMAGE, f"{path} {text}")
