"""Which cameras a calibration file holds, and the one that is meant.

Of several one is chosen by its name behind a ``#``. Raises FieldError.
"""

import re

from depthlm_ros.image_io.calibration_fields import FieldError, Fields, plain
from depthlm_ros.image_io.calibration_forms import ACCEPTED, FORMS, Form, Intrinsics

MAX_ERROR_PX = 2.0
"""Mean reprojection error of a calibration that is still worth something."""
_SOCKETS = {"0": "CAM_A", "1": "CAM_B", "2": "CAM_C", "3": "CAM_D"}
_DEPTH = 4


_STEREO = ("M", "K", "cameraMatrix", "mtx")
"""Names of both camera matrices in OpenCV's stereo files, but for a 1 or 2 behind."""


def camera_in(tables: list[dict], camera: str, remarks: list[str]) -> tuple[Form, Intrinsics]:
    """Return the one camera of all documents, or the one of that name."""
    first, number, failure = None, 0, None
    for i, table in enumerate(tables, 1):
        try:
            read = _read_table(table, camera, remarks if first is None else [])
        except FieldError as error:  # a dump that was cut, or what is no camera
            failure = failure or error
            continue
        if first is not None and _essence(read[1]) != _essence(first[1]):
            raise FieldError(
                f"its documents {number} and {i} hold different intrinsics: give a file of one "
                "of them"
            )
        if first is None:
            first, number = read, i
    if first is None:
        raise failure
    return first


def _essence(found: Intrinsics) -> tuple:
    """Return what a dump that was cut in its last message has all the same."""
    return found.size, found.k, found.model, found.d


def _read_table(table: dict, camera: str, remarks: list[str]) -> tuple[Form, Intrinsics]:
    found = _cameras(table)
    if not found:
        raise FieldError(f"no intrinsics found in it; what is read: {ACCEPTED}")
    name = _same(found, remarks) if not camera else ""
    name = name or _chosen(list(found), camera)
    form, inner = found[name]
    fields = Fields(inner, remarks)
    error_px = fields.number("avg_reprojection_error", default=0.0)
    if error_px > MAX_ERROR_PX:
        remarks.append(f"its own reprojection error is {error_px:g} px: calibrate again")
    return form, form.read(fields)


def _same(found: dict, remarks: list[str]) -> str:
    """Return the first of a list's cameras that all have the same intrinsics (a trajectory)."""
    if len(found) < 2 or len({re.sub("[0-9]+", "", name) for name in found}) > 1:
        return ""
    try:
        read = {name: form.read(Fields(inner, [])) for name, (form, inner) in found.items()}
    except FieldError:
        return ""
    first = next(iter(read))
    if any(other != read[first] for other in read.values()):
        return ""
    remarks.append(f"its {len(read)} cameras have the same intrinsics: {first} is taken")
    return first


def _chosen(names: list[str], camera: str) -> str:
    listed = ", ".join(names[:8])
    if camera:
        fitting = [n for n in names if plain(camera) in (plain(n), plain(n.rpartition("/")[2]))]
        fitting = fitting or [n for n in names if plain(camera) in map(plain, n.split("/"))]
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
    if several := _pairs_of(table, fields):
        return {f"{path}/{name}" if path else name: found for name, found in several.items()}
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
        "img_size", "distortion_model", "distortion", "distortion_coefficients",
        "distortion_coeffs", "dist_coeffs", "distortion_parameters", "d", "camera_type",
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
    for name in _STEREO:
        if all(isinstance(fields.raw(f"{name}{i}"), list | dict) for i in (1, 2)):
            return {str(i): (matrix, _one_of_stereo(table, fields, name, i)) for i in (1, 2)}
    if "LEFT.K" in fields:  # ORB-SLAM2, whose Camera.fx is of the rectified pictures
        found = {"rectified": (FORMS[0], table)}
        for side in (side for side in ("LEFT", "RIGHT") if f"{side}.K" in fields):
            found[side] = (matrix, {n: fields.raw(f"{side}.{n}") for n in ("K", "D")})
            found[side][1].update({n: fields.raw(f"{side}.{n}") for n in ("width", "height")})
        return {
            name: (form, {k: v for k, v in inner.items() if v is not None})
            for name, (form, inner) in found.items()
        }
    if "Camera2.fx" in fields:
        first = "Camera1." if "Camera1.fx" in fields else "Camera."
        return {
            "Camera1": (FORMS[0], _orb_of(table, first)),
            "Camera2": (FORMS[0], _orb_of(table, "Camera2.")),
        }
    return {}


def _one_of_stereo(table: dict, fields: Fields, name: str, i: int) -> dict:
    """Return one camera of OpenCV's stereo file, with what both share."""
    shared = {k: v for k, v in table.items() if plain(k)[-1:] not in ("1", "2")}
    d = fields.raw(f"D{i}", f"distCoeffs{i}", f"dist{i}", f"dist_coeff{i}", f"distortion{i}")
    return shared | {"camera_matrix": fields.raw(f"{name}{i}"), **({} if d is None else {"d": d})}


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
