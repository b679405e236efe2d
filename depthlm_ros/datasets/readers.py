"""Both papers' annotation lines, one JSON object each, read into ``Sample``.

DepthLM: ``image`` (or ``image_path``), ``intrinsics`` [fx, fy, cx, cy, W, H], ``pixel_coords``
[[x, y], ...], ``depth`` [m, ...]; for the camera's motion, a form of ours: ``second_image`` and
``camera_motion`` [m], with or without points. DepthVLM: ``image``, ``depth_path``,
``depth_scale``, ``original_rgb_size`` [W, H], ``original_fx``, and optionally masks,
``canonical_size``, ``pixel_coords`` on the depth map's grid with ``depth``. Our own field in both:
``label``, "z" or "distance"; without it the set's default counts (``registry.py``). A line that
breaks a rule is refused with file, line, rule and remedy; nothing is skipped here.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from depthlm_ros.datasets import registry
from depthlm_ros.datasets.base import DepthFile, LabelKind, Points, Sample
from depthlm_ros.datasets.line_index import open_lines
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.status import Code, StatusError

BORDER_PX = 1.0
"""How far outside a label may lie: published scripts round to the nearest pixel, also outwards."""
ETH3D_DEPTH_SIZE = (6048, 4032)
"""(W, H) of a raw float32 depth map whose line does not say."""
FORMATS = ("image", "binary_float32")


class AnnotationFile(Sequence):
    """The samples of one annotation file, read one at a time.

    ``image_root``, ``depth_root``: folders that the paths are below (default: the file's own).
    ``keep_index``: whether FILE.idx is written beside it (``line_index``). ``label``: what labels
    measure where a line does not say; None: the default of the set that
    the file's path speaks of. Raises StatusError(NO_FRAME) for a file that cannot be read, and on
    access StatusError(BAD_IMAGE or BAD_CAMERA_INFO) for a broken line.
    """

    def __init__(
        self,
        path: Path,
        image_root: Path | None = None,
        depth_root: Path | None = None,
        label: LabelKind | None = None,
        dataset: str | None = None,
        keep_index: bool = True,
    ):
        self.path = Path(path)
        self.lines = open_lines(self.path, keep_index)
        self.image_root = Path(image_root) if image_root else self.path.parent
        self.depth_root = Path(depth_root) if depth_root else self.image_root
        where = self.path.resolve()
        self.info = registry.named(dataset) if dataset else registry.of_path(where)
        self.label = LabelKind(label) if label else None

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, index: int) -> Sample:
        """Return sample ``index``; see the class for what is raised."""
        place = self.lines.place(index)
        try:
            return self._sample(json.loads(self.lines[index]), place)
        except StatusError as refusal:
            raise StatusError(refusal.code, f"{place}: {refusal.text}") from refusal
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            text = f"{place}: {type(error).__name__}: {str(error)[:200]}; see docs/training.md"
            raise StatusError(Code.BAD_IMAGE, text) from error

    @property
    def range_m(self) -> tuple:
        """The set's range of depth that may be used [m]."""
        return self.info.range_m if self.info else registry.ANY_RANGE

    def _sample(self, line, place: str) -> Sample:
        if not isinstance(line, dict):
            raise _broken(f"a line must be a JSON object, this is {type(line).__name__}")
        of_depthvlm = "depth_path" in line
        default = self.label or self._default(of_depthvlm)
        label = _label(line.get("label", default))
        common = {
            "image": _below(self.image_root, line, "image", "image_path"),
            "dataset": self.info.name if self.info else "",
            "label": label,
            "scene": str(line.get("scene", line.get("scene_id", ""))),
            "prompt": str(line.get("prompt", "")),
            "solution": str(line.get("solution", "")),
            "place": place,
        }
        return (self._depthvlm if of_depthvlm else self._depthlm)(line, common)

    def _default(self, of_depthvlm: bool) -> LabelKind | None:
        if self.info is None:
            return None
        return self.info.depthvlm_label if of_depthvlm else self.info.depthlm_label

    def _depthlm(self, line: dict, common: dict) -> Sample:
        camera = _camera(line.get("intrinsics"), common["image"])
        wanted = "depth" in line or "pixel_coords" in line
        points = _points(line, (camera.width, camera.height), required=wanted)
        if "second_image" in line:
            common["second_image"] = _below(self.image_root, line, "second_image")
            common["motion_m"] = _not_negative(line, "camera_motion")
        return Sample(camera=camera, points=points, **common)

    def _depthvlm(self, line: dict, common: dict) -> Sample:
        width, height = _size(line, "original_rgb_size")
        focal = _positive(line, "original_fx")
        camera = PinholeCamera(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)
        depth = self._depth_file(line)
        grid = _size(line, "original_depth_size", depth.size)
        points = _points(line, grid, required=False) if grid else None
        return Sample(
            camera=camera,
            points=points,
            depth=depth,
            centred=True,
            canonical_size=_size(line, "canonical_size", None),
            **common,
        )

    def _depth_file(self, line: dict) -> DepthFile:
        form = line.get("depth_format") or "image"
        if form not in FORMATS:
            raise _broken(f"depth_format = {form!r}: must be one of {', '.join(FORMATS)}")
        raw = form == "binary_float32"
        masks = tuple(
            _below(self.depth_root, line, key)
            for key in ("mask_valid_path", "mask_transp_path")
            if line.get(key)
        )
        return DepthFile(
            _below(self.depth_root, line, "depth_path"),
            1.0 if raw and not line.get("depth_scale") else _positive(line, "depth_scale"),
            form,
            masks,
            _size(line, "original_depth_size", ETH3D_DEPTH_SIZE if raw else None),
        )


def open_mixture(
    files: str,
    image_roots: str,
    depth_roots: str = "",
    label: LabelKind | None = None,
) -> list[AnnotationFile]:
    """Open several files joined by ";", with as many image roots, or one for all.

    Raises StatusError(NO_FRAME) for a number of roots that does not fit.
    """
    names = [name for name in files.split(";") if name]
    images = _spread("image roots", image_roots, len(names))
    depths = _spread("depth roots", depth_roots, len(names)) if depth_roots else images
    rows = zip(names, images, depths, strict=True)
    return [AnnotationFile(Path(n), i or None, d or None, label) for n, i, d in rows]


def _spread(what: str, joined: str, count: int) -> list[str]:
    parts = joined.split(";")
    if len(parts) not in (1, count):
        raise StatusError(
            Code.NO_FRAME, f"{len(parts)} {what} for {count} files: give one, or one for each"
        )
    return parts * count if len(parts) == 1 else parts


def _broken(text: str) -> StatusError:
    return StatusError(Code.BAD_IMAGE, text)


def _below(root: Path, line: dict, *keys: str) -> Path:
    """Return the path below a root, or the absolute one where there is such a file."""
    relative = _path(line, *keys)
    absolute = Path(f"/{relative}")
    given = next(line[key] for key in keys if key in line)
    return absolute if given.startswith("/") and absolute.is_file() else root / relative


def _path(line: dict, *keys: str) -> str:
    """Return the path below its root; a leading "/" is dropped, as in the published loader."""
    name = next((line[key] for key in keys if key in line), None)
    if not isinstance(name, str) or not name.strip("/"):
        raise _broken(f"{' or '.join(keys)} = {name!r}: must be a path below the root")
    relative = name.lstrip("/")
    if ".." in Path(relative).parts:
        raise _broken(f"{keys[0]} = {name!r}: must not leave the root by '..'")
    return relative


def _label(value) -> LabelKind:
    kinds = [kind.value for kind in LabelKind]
    if value not in kinds:
        raise _broken(
            f"label = {value!r}: must be one of {', '.join(kinds)}; the file's path names no "
            "set whose labels are known, so say it in the line or when opening the file"
        )
    return LabelKind(value)


def _positive(line: dict, key: str) -> float:
    value = line.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < np.inf:
        raise _broken(f"{key} = {value!r}: must be a positive finite number")
    return float(value)


def _not_negative(line: dict, key: str) -> float:
    value = line.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < np.inf:
        raise _broken(f"{key} = {value!r}: must be a finite number of metres, not negative")
    return float(value)


_REQUIRED = object()


def _size(line: dict, key: str, default=_REQUIRED) -> tuple | None:
    """Return (W, H); None for null where the size may be missing."""
    value = line.get(key)
    if value is None and default is not _REQUIRED:
        return default
    good = isinstance(value, list) and len(value) == 2
    if not good or not all(float(v) == int(v) and v > 0 for v in value):
        raise _broken(f"{key} = {value!r}: must be [width, height], positive whole numbers")
    return int(value[0]), int(value[1])


def _camera(values, image: Path) -> PinholeCamera:
    """Return the camera; a focal length of exactly 0 takes the other's value."""
    if not isinstance(values, list) or len(values) not in (4, 6):
        raise _broken(
            f"intrinsics = {values!r}: must be [fx, fy, cx, cy, width, height], or the first four"
        )
    fx, fy, cx, cy = (float(v) for v in values[:4])
    width, height = values[4:] if len(values) == 6 else image_size(image)
    if width != int(width) or height != int(height):
        raise _broken(f"width {width}, height {height}: must be whole numbers of pixels")
    return PinholeCamera(fx or fy, fy or fx, cx, cy, int(width), int(height))


def image_size(image: Path) -> tuple:
    """Return (W, H) of an image file from its header; StatusError(BAD_IMAGE)."""
    from PIL import Image

    try:
        with Image.open(image) as opened:
            return opened.size
    except OSError as error:
        raise _broken(f"{image} is missing or no picture that can be read") from error


def _points(line: dict, grid: tuple, required: bool) -> Points | None:
    """Return the labelled pixels; labels that are null, not finite or not positive are none."""
    if not required and line.get("pixel_coords") is None:
        return None
    pixels = np.array(line.get("pixel_coords", []), np.float64).reshape(-1, 2)
    metres = np.array(line.get("depth", []), np.float64)
    if metres.shape != pixels.shape[:1]:
        raise _broken(f"{len(pixels)} pixel_coords, but depth has the shape {metres.shape}")
    known = np.isfinite(metres) & (metres > 0) & np.isfinite(pixels).all(axis=1)
    pixels, metres = pixels[known], metres[known]
    if len(pixels) and (pixels.min() < -BORDER_PX or (pixels > grid).any()):
        worst = pixels[np.argmax(np.abs(pixels - np.divide(grid, 2)).max(axis=1))]
        raise _broken(
            f"pixel_coords {worst.tolist()}: must lie on the grid of {grid[0]} x {grid[1]}; are "
            "they (column, row), and is the size right?"
        )
    return Points(pixels, metres, grid)
