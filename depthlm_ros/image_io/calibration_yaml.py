"""THE reader of calibration files: whatever holds intrinsics becomes one ``CameraModel``.

Command line, nodes and ``depthlm doctor`` all read by ``read_calibration``. What is accepted is
told by ``calibration_forms.ACCEPTED``. A file is read right, read with a remark about what was
assumed, or refused with BAD_CAMERA_INFO, which names the file, the value, the rule and the remedy.

Of several cameras in one file one is chosen by its name behind a ``#``: ``camchain.yaml#cam1``.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

from depthlm_ros.geometry.rectify import CameraModel
from depthlm_ros.image_io import calibration_text
from depthlm_ros.image_io.calibration_fields import FieldError, Fields, plain
from depthlm_ros.image_io.calibration_forms import ACCEPTED, FORMS, Form, Intrinsics
from depthlm_ros.status import Code, StatusError

MIN_VIEW_DEG, MAX_VIEW_DEG = 5.0, 150.0
"""Horizontal field of view, 2 atan(width / 2 fx), that a lens can have."""
OFF_CENTRE = 0.15
"""Part of the image's side that the principal point may lie off the middle without a remark."""
NO_SIZE = "it states no image size"
MAX_ERROR_PX = 2.0
"""Mean reprojection error of a calibration that is still worth something."""
_SOCKETS = {"0": "CAM_A", "1": "CAM_B", "2": "CAM_C", "3": "CAM_D"}
_DEPTH = 4


@dataclass(frozen=True)
class Calibration:
    """A camera's lens, the form it was found in, and remarks about what was assumed."""

    lens: CameraModel
    form: str
    remarks: tuple


def read_calibration(path, image_size: tuple | None = None) -> Calibration:
    """Read a calibration file; ``path`` may be a file:// URL and may end in ``#camera``.

    ``image_size``: (width, height) [px] of the pictures, for files that state no size: ORB-SLAM's
    of one camera, OpenCV's without ``image_width``.
    """
    file, camera = split_name(path)
    remarks: list[str] = []
    try:
        data = _bytes_of(file)
        tables = calibration_text.tables_of(data)
        form, found = _camera_in(tables, camera, remarks)
        lens = _lens(found, image_size, remarks)
    except calibration_text.UnknownFormError as error:
        text = f"calibration {file}: {error}; what is read: {ACCEPTED}"
        raise StatusError(Code.BAD_CAMERA_INFO, text) from error
    except (FieldError, calibration_text.TextError) as error:
        raise StatusError(Code.BAD_CAMERA_INFO, f"calibration {file}: {error}") from error
    except StatusError as refusal:
        raise StatusError(refusal.code, f"calibration {file}: {refusal.text}") from refusal
    return Calibration(lens, form.name, tuple(dict.fromkeys(remarks)))


def split_name(path) -> tuple[Path, str]:
    """Return (file, camera's name or "") of a path or file:// URL.

    StatusError for other schemes.
    """
    text = str(path)
    parsed = urlparse(text)
    if "://" in text and parsed.scheme != "file":
        share = f"; as in $(ros2 pkg prefix --share {parsed.netloc}){parsed.path}"
        raise StatusError(
            Code.BAD_CAMERA_INFO,
            f"calibration {text!r}: must be a path or begin with file://"
            f"{share if parsed.scheme == 'package' else ''}",
        )
    if parsed.scheme == "file":
        text = unquote(parsed.path) + (f"#{parsed.fragment}" if parsed.fragment else "")
    file = Path(text).expanduser()
    if "#" in text and not file.exists():
        name, _, camera = text.rpartition("#")
        return Path(name).expanduser(), camera.strip()
    return file, ""


def _bytes_of(file: Path) -> bytes:
    try:
        if file.is_dir():
            raise FieldError("it is a folder: name the file in it")
        if not file.exists():
            raise FieldError("no such file: give the path of a calibration file")
        if not file.is_file():
            raise FieldError("it is no regular file: give the path of a calibration file")
        with file.open("rb") as stream:
            data = stream.read(calibration_text.MAX_BYTES + 1)
    except OSError as error:
        raise FieldError(error.strerror or str(error)) from error
    if len(data) <= calibration_text.MAX_BYTES:
        return data
    end = data.rfind(b"\n---")  # a dump of many messages: the first ones tell enough
    if end <= 0:
        raise FieldError(
            f"it has more than {calibration_text.MAX_BYTES} bytes: a calibration has a few "
            "thousand; give that file"
        )
    return data[:end]


# -- which camera -----------------------------------------------------------------------------


def _camera_in(tables: list[dict], camera: str, remarks: list[str]) -> tuple[Form, Intrinsics]:
    """Return the one camera of all documents, or the one of that name."""
    first = _read_table(tables[0], camera, remarks)
    for i, table in enumerate(tables[1:], 2):
        try:
            other = _read_table(table, camera, [])
        except FieldError:
            continue  # a dump that was cut, or what is no camera
        if other[1] != first[1]:
            raise FieldError(
                f"its documents 1 and {i} hold different intrinsics: give a file of one of them"
            )
    return first


def _read_table(table: dict, camera: str, remarks: list[str]) -> tuple[Form, Intrinsics]:
    found = _cameras(table)
    if not found:
        raise FieldError(f"no intrinsics found in it; what is read: {ACCEPTED}")
    name = _chosen(list(found), camera)
    form, inner = found[name]
    fields = Fields(inner, remarks)
    error_px = fields.number("avg_reprojection_error", default=0.0)
    if error_px > MAX_ERROR_PX:
        remarks.append(f"its own reprojection error is {error_px:g} px: calibrate again")
    return form, form.read(fields)


def _chosen(names: list[str], camera: str) -> str:
    listed = ", ".join(names[:8])
    if camera:
        fitting = [n for n in names if plain(camera) in (plain(n), plain(n.rpartition("/")[2]))]
        if not fitting and names == [""]:
            return ""
        if len(fitting) != 1:
            raise FieldError(f"camera {camera!r} is not in it: there are {listed}")
        return fitting[0]
    if len(names) > 1:
        raise FieldError(
            f"it holds {len(names)} cameras: choose one of {listed} by its name behind a #, as in "
            f"FILE#{names[0]}"
        )
    return names[0]


def _cameras(table: dict, path: str = "", depth: int = 0) -> dict:
    """Return the cameras of a table and of the tables in it: name -> (form, table)."""
    fields = Fields(table, [])
    if not path and (several := _pairs_of(table, fields)):
        return several
    for form in FORMS:
        if form.fits(fields):
            return {path: (form, table)}
    found = {}
    if depth < _DEPTH:
        for name, inner in fields.tables().items():
            found |= _cameras(inner, f"{path}/{name}" if path else name, depth + 1)
    return _with_what_is_beside(found, table)


_BESIDE = {
    plain(name)
    for name in (
        "image_width", "image_height", "width", "height", "resolution", "image_size",
        "distortion_model", "distortion", "distortion_coefficients", "distortion_coeffs",
        "dist_coeffs", "distortion_parameters", "d",
    )
}  # fmt: skip


def _with_what_is_beside(found: dict, table: dict) -> dict:
    """Add a lone camera's size and distortion from beside its table, where that lacks them."""
    if len(found) != 1:
        return found
    ((name, (form, inner)),) = found.items()
    own = {plain(key) for key in inner}
    extra = {k: v for k, v in table.items() if plain(k) in _BESIDE - own and v is not inner}
    return {name: (form, {**extra, **inner})}


def _pairs_of(table: dict, fields: Fields) -> dict:
    """Return the cameras of tables that hold several side by side: OAK, stereo of OpenCV, ORB."""
    matrix = FORMS[3]
    listed = fields.raw("cameraData")
    if isinstance(listed, list):
        return {
            _SOCKETS.get(str(item[0]), f"CAM_{item[0]}"): (matrix, item[1])
            for item in listed
            if isinstance(item, list)
            and len(item) == 2
            and isinstance(item[1], dict)
            and "intrinsicMatrix" in item[1]
            and _is_set(item[1]["intrinsicMatrix"])
        }
    if "M1" in fields and "M2" in fields:
        shared = {k: v for k, v in table.items() if plain(k)[-1:] not in ("1", "2")}
        return {
            name: (
                matrix,
                shared
                | {
                    "camera_matrix": fields.raw(f"M{i}"),
                    **({"d": fields.raw(f"D{i}")} if f"D{i}" in fields else {}),
                },
            )
            for i, name in ((1, "1"), (2, "2"))
        }
    if "Camera2.fx" in fields:
        first = "Camera1." if "Camera1.fx" in fields else "Camera."
        return {
            "Camera1": (FORMS[0], _orb_of(table, first)),
            "Camera2": (FORMS[0], _orb_of(table, "Camera2.")),
        }
    return {}


def _orb_of(table: dict, prefix: str) -> dict:
    """Return one camera of ORB-SLAM's stereo settings, with what both share."""
    shared = ("Camera.type", "Camera.width", "Camera.height")
    kept = {name: table[name] for name in shared if name in table}
    own = {k.replace(prefix, "Camera1."): v for k, v in table.items() if k.startswith(prefix)}
    return kept | {
        k: v
        for k, v in own.items()
        if k not in ("Camera1.type", "Camera1.width", "Camera1.height")
    }


def _is_set(matrix) -> bool:
    return isinstance(matrix, list) and any(
        str(v) not in ("0", "0.0") for row in matrix if isinstance(row, list) for v in row
    )


# -- judging ----------------------------------------------------------------------------------


def _lens(found: Intrinsics, image_size: tuple | None, remarks: list[str]) -> CameraModel:
    size = found.size
    if size is None:
        if image_size is None:
            raise FieldError(f"{NO_SIZE}: add image_width and image_height")
        size = tuple(image_size)
        remarks.append(
            f"it states no image size: taken for that of the picture, {size[0]} x {size[1]} px"
        )
    lens = CameraModel(*size, found.k, found.model, found.d, **found.more)
    _check_centre(lens, found.size is not None, remarks)
    check_view(lens.k[0], size[0], _is_fisheye(lens))
    ratio = lens.k[0] / lens.k[4] if lens.k[4] else math.inf
    if not 0.5 < ratio < 2:
        raise FieldError(
            f"fx = {lens.k[0]:g} and fy = {lens.k[4]:g} px: must be alike within a factor of 2; "
            "calibrate the camera"
        )
    if not 0.8 < ratio < 1.25:
        remarks.append(f"fx {lens.k[0]:g} and fy {lens.k[4]:g} px differ widely: check them")
    return lens


def _is_fisheye(lens: CameraModel) -> bool:
    return lens.distortion_model == "equidistant"


def check_view(fx: float, width: int, fisheye: bool = False, remedy: str = "") -> float:
    """Return the horizontal field of view [degrees]; refuse what no lens has.

    ``remedy``: where fx does not come from a person's pixels; default: that it is not millimetres.
    """
    if not fx > 0:
        raise StatusError(
            Code.BAD_CAMERA_INFO, f"fx = {fx:g} px: must be positive; calibrate the camera"
        )
    view = math.degrees(2 * math.atan(width / 2 / fx))
    if MIN_VIEW_DEG <= view <= MAX_VIEW_DEG or (fisheye and view > MIN_VIEW_DEG):
        return view
    remedy = remedy or (
        "fx is in pixels, not millimetres: a typical phone has about "
        f"{0.75 * max(width, 1):.0f} px for this width"
    )
    raise StatusError(
        Code.BAD_CAMERA_INFO,
        f"fx = {fx:g} px sees {view:.3g} degrees of a picture {width} px wide: must be "
        f"{MIN_VIEW_DEG:g} to {MAX_VIEW_DEG:g}; {remedy}",
    )


def _check_centre(lens: CameraModel, stated: bool, remarks: list[str]) -> None:
    """Refuse a centre outside the image, or one that tells that the size is not the camera's."""
    cx, cy, width, height = lens.k[2], lens.k[5], lens.width, lens.height
    off = abs(cx / width - 0.5), abs(cy / height - 0.5)
    where = f"the centre ({cx:g}, {cy:g}) of {width} x {height} px"
    if max(off) > 0.5 or (max(off) > OFF_CENTRE and not stated):
        raise FieldError(f"{where} is far from the middle: is that the size of its pictures?")
    if max(off) > OFF_CENTRE:
        remarks.append(f"{where} is far from the middle: is that the size of its pictures?")
