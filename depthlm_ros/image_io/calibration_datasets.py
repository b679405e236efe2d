"""Intrinsics as data sets and reconstruction tools write them: COLMAP, nerfstudio, KITTI.

Their text becomes tables in the fields of camera_calibration, every scalar a string, which
``calibration_forms`` reads. Sources: COLMAP's documentation of cameras.txt and of its camera
models, nerfstudio's data conventions, KITTI's devkits.
"""

import math
import re

from depthlm_ros.image_io.calibration_fields import FieldError, number_of

HALF_PX = 0.5
"""COLMAP and nerfstudio count from the corner of the first pixel, CameraInfo from its middle."""
_COLMAP = {
    "SIMPLE_PINHOLE": (1, ()),
    "PINHOLE": (2, ()),
    "SIMPLE_RADIAL": (1, ("k1",)),
    "RADIAL": (1, ("k1", "k2")),
    "OPENCV": (2, ("k1", "k2", "p1", "p2")),
    "FULL_OPENCV": (2, ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")),
    "SIMPLE_RADIAL_FISHEYE": (1, ("k1",)),
    "RADIAL_FISHEYE": (1, ("k1", "k2")),
    "OPENCV_FISHEYE": (2, ("k1", "k2", "k3", "k4")),
}
"""Number of focal lengths, and the coefficients after them and the centre."""
_COLMAP_OTHERS = ("FOV", "THIN_PRISM_FISHEYE", "RAD_TAN_THIN_PRISM_FISHEYE")
_COLMAP_LINE = re.compile(
    rf"(\d+)\s+({'|'.join((*_COLMAP, *_COLMAP_OTHERS))})\s+(\d+)\s+(\d+)\s+(.+)"
)
_KITTI_LINE = re.compile(r"(?m)^((?:S|K|D|P|S_rect|P_rect)_\d\d|P\d)\s*:\s*(.+)$")
_IDEAL = ["0"] * 5


def dataset_table(text: str) -> dict | None:
    """Return the cameras of a COLMAP cameras.txt or a KITTI calibration by name, else None.

    Raises FieldError for one that cannot be read.
    """
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if lines and all(_COLMAP_LINE.fullmatch(line) for line in lines):
        return _colmap(lines)
    if re.search(r"(?m)^(?:P\d|P_rect_\d\d|K_\d\d)\s*:", text):
        return _kitti(dict(_KITTI_LINE.findall(text)))
    return None


def transforms_table(found: dict) -> dict | None:
    """Return the camera of a nerfstudio or instant-ngp transforms.json, else None.

    ``found``: the JSON, its numbers as strings. Frames may have intrinsics of their own.
    Raises FieldError for one that cannot be read.
    """
    if not isinstance(found.get("frames"), list):
        return None
    shared = {k: v for k, v in found.items() if k != "frames"}
    if _has_focal(shared):
        return _transforms_camera(shared)
    frames = [f for f in found["frames"] if isinstance(f, dict) and _has_focal(f)]
    if not frames:
        return None
    return {f"frame{i}": _transforms_camera({**shared, **f}) for i, f in enumerate(frames)}


def _colmap(lines: list[str]) -> dict:
    cameras = {}
    for line in lines:
        number, model, width, height, rest = _COLMAP_LINE.fullmatch(line).groups()
        if model in _COLMAP_OTHERS:
            raise FieldError(
                f"camera {number} is of COLMAP's model {model}: must be one of "
                f"{', '.join(_COLMAP)}; undistort the images (colmap image_undistorter), or "
                "calibrate"
            )
        focals, names = _COLMAP[model]
        values = [number_of(word, f"camera {number}") for word in rest.split()]
        if len(values) != focals + 2 + len(names):
            raise FieldError(
                f"camera {number} has {len(values)} parameters: {model} has "
                f"{focals + 2 + len(names)}"
            )
        fx, fy, (cx, cy) = values[0], values[focals - 1], values[focals : focals + 2]
        lens = dict(zip(names, values[focals + 2 :], strict=True))
        kind = "fisheye" if "FISHEYE" in model else "pinhole"
        cameras[number] = _camera(
            (width, height), (fx, fy, cx - HALF_PX, cy - HALF_PX), lens, kind
        )
    return cameras


def _camera(size: tuple, four: tuple, lens: dict, kind: str) -> dict:
    """Return a table of camera_calibration; ``lens``: coefficients by OpenCV's names."""
    fx, fy, cx, cy = four
    if kind == "fisheye":
        model, d = "equidistant", [lens.get(f"k{i}", 0.0) for i in range(1, 5)]
    else:
        names = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
        d = [lens.get(name, 0.0) for name in names]
        model = "rational_polynomial" if any(d[5:]) else "plumb_bob"
        d = d if any(d[5:]) else d[:5]
    return {
        "image_width": str(size[0]),
        "image_height": str(size[1]),
        "camera_matrix": [repr(v) for v in (fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0)],
        "distortion_model": model,
        "distortion_coefficients": [repr(v) for v in d],
    }


def _has_focal(table: dict) -> bool:
    return "fl_x" in table or "camera_angle_x" in table


def _transforms_camera(table: dict) -> dict:
    said = str(table.get("camera_model", "OPENCV")).upper()
    if said not in ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "PERSPECTIVE", "OPENCV_FISHEYE"):
        raise FieldError(
            f"camera_model {said}: must be OPENCV, OPENCV_FISHEYE or PINHOLE; undistort the images"
        )
    size = table.get("w", ""), table.get("h", "")
    if not all(size):
        raise FieldError(
            "it states no image size: add w and h [px]"
            + ("" if "fl_x" in table else ", of which camera_angle_x makes the focal length")
        )
    width, height = (number_of(side, name) for side, name in zip(size, "wh", strict=True))
    if "fl_x" in table:
        fx = number_of(table["fl_x"], "fl_x")
    else:
        fx = width / 2 / math.tan(number_of(table["camera_angle_x"], "camera_angle_x") / 2)
    fy = number_of(table.get("fl_y", fx), "fl_y")
    cx = number_of(table.get("cx", width / 2), "cx") - HALF_PX
    cy = number_of(table.get("cy", height / 2), "cy") - HALF_PX
    names = ("k1", "k2", "p1", "p2", "k3", "k4")
    lens = {name: number_of(table[name], name) for name in names if name in table}
    if "FISHEYE" not in said and lens.get("k4"):
        raise FieldError(
            "k4 of camera_model OPENCV: has k1, k2, k3, p1 and p2; write OPENCV_FISHEYE for a "
            "fisheye"
        )
    kind = "fisheye" if "FISHEYE" in said else "pinhole"
    return _camera((f"{width:g}", f"{height:g}"), (fx, fy, cx, cy), lens, kind)


def _kitti(lines: dict) -> dict:
    """Return KITTI's cameras: 00 as taken and rect_00 rectified (raw data), P0 (odometry)."""
    cameras = {}
    for name, text in lines.items():
        kind, _, number = name.rpartition("_")
        words = text.split()
        if kind == "K":
            cameras[number] = {
                **_kitti_size(lines.get(f"S_{number}")),
                "camera_matrix": words,
                "distortion_model": "plumb_bob",
                "distortion_coefficients": lines.get(f"D_{number}", " ".join(_IDEAL)).split(),
            }
        elif kind == "P_rect" or re.fullmatch(r"P\d", name):
            if len(words) != 12:
                raise FieldError(f"{name} has {len(words)} numbers: must be 12, row by row")
            key = f"rect_{number}" if kind else name
            cameras[key] = {
                **_kitti_size(lines.get(f"S_rect_{number}") if kind else None),
                "camera_matrix": [words[i] for i in (0, 1, 2, 4, 5, 6, 8, 9, 10)],
                "distortion_model": "plumb_bob",
                "distortion_coefficients": _IDEAL,
            }
    return cameras


def _kitti_size(line: str | None) -> dict:
    sides = (line or "").split()
    return dict(zip(("image_width", "image_height"), sides, strict=False)) if sides else {}
