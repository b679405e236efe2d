"""The forms in which intrinsics are written down, each recognised by its fields.

A form is ``(name, fits, read)``: ``fits(fields)`` tells whether a table is of the form, and
``read(fields)`` returns its Intrinsics. Raises FieldError.
"""

from collections.abc import Callable
from dataclasses import dataclass

from depthlm_ros.image_io.calibration_fields import FieldError, Fields, plain
from depthlm_ros.image_io.calibration_parts import (
    OTHER_MODELS,
    by_name,
    check_no_other_lens,
    coefficients,
    is_word,
    lens_said,
    matrix_k,
    model_by_count,
    model_name,
    no_distortion,
    size_in,
    whole_size,
)

ACCEPTED = (
    "the YAML file of camera_calibration, a dump by `ros2 topic echo --once TOPIC` or `rostopic "
    "echo`, OpenCV's FileStorage (YAML, XML or JSON), a kalibr camchain, ORB-SLAM or VINS "
    "settings, the JSON of a RealSense, an OAK or Open3D, ost.txt, a ZED's SN*.conf, COLMAP's "
    "cameras.txt, a transforms.json of nerfstudio, or KITTI's calibration"
)
_REALSENSE = (
    "none",
    "modified_brown_conrady",
    "inverse_brown_conrady",
    "ftheta",
    "brown_conrady",
    "kannala_brandt4",
)
_PROJECTIONS = ("pinhole", "perspective")
"""Names of the projection, which say nothing about the distortion."""
_CAMERA_MATRIX = (
    "camera_matrix",
    "k",
    "mtx",
    "intrinsic_matrix",
    "m1",
    "camera_intrinsics",
    "camera_mat",
)


@dataclass(frozen=True)
class Intrinsics:
    """What a table says of a camera. ``size``: (width, height) [px], None where it says nothing.

    ``k``: nine numbers, row by row. ``model``: CameraInfo's name of the distortion, or the name
    that the file gives. ``more``: further fields of ``CameraModel``.
    """

    size: tuple | None
    k: tuple
    model: str
    d: tuple
    more: dict


@dataclass(frozen=True)
class Form:
    """One way of writing intrinsics down."""

    name: str
    fits: Callable[[Fields], bool]
    read: Callable[[Fields], Intrinsics]


# -- camera matrix and list of coefficients: camera_calibration, CameraInfo, OpenCV -----------


def _matrix_fits(fields: Fields) -> bool:
    value = fields.raw(*_CAMERA_MATRIX)
    if value is None:
        return _intrinsics_matrix(fields)
    return isinstance(value, list | str) or (isinstance(value, dict) and "data" in value)


def _intrinsics_matrix(fields: Fields) -> bool:
    """Tell whether ``intrinsics`` is a matrix of 3 x 3, as in OpenCV's older files."""
    value = fields.raw("intrinsics")
    data = value.get("data") if isinstance(value, dict) else value
    if not isinstance(data, list):
        return False
    if all(isinstance(row, list) for row in data):
        return [len(row) for row in data] == [3, 3, 3]
    return len(data) == 9 and not any(isinstance(item, list | dict) for item in data)


def _read_matrix(fields: Fields) -> Intrinsics:
    k = _square(fields)
    said = _said_of_matrix(fields)
    d = coefficients(fields, said)
    model = said or _model_of_matrix(fields, d)
    more = {}
    for name, field, length in (("rectification_matrix", "r", 9), ("projection_matrix", "p", 12)):
        values = fields.numbers(name, field, f"{field}1")
        if values and any(values):
            if len(values) != length:
                raise FieldError(f"{name} has {len(values)} numbers: must be {length}")
            more[field] = values
    _check_p(more.get("p"))
    return Intrinsics(size_in(fields), k, model, d, more | _window(fields))


def _check_p(p: tuple | None) -> None:
    if p and (any(p[i] for i in (4, 8, 9)) or p[10] != 1):
        raise FieldError(
            f"projection_matrix is {list(p)}: must be fx 0 cx Tx, 0 fy cy Ty, 0 0 1 0, row by row"
        )


def _square(fields: Fields) -> tuple:
    k = fields.numbers(*_CAMERA_MATRIX, "intrinsics")
    if len(k) == 12 and _intrinsics_matrix(fields):  # OpenPose's CameraMatrix is a pose
        k = fields.numbers("intrinsics")
    if len(k) == 4:
        return matrix_k(*k)
    if len(k) != 9:
        raise FieldError(f"the camera matrix has {len(k)} numbers: must be 9")
    if any(k) and not (k[2] or k[5]) and k[6] and k[7]:
        if "intrinsic_matrix" not in fields:
            raise FieldError("the camera matrix is written column by column: write it by rows")
        return tuple(k[i] for i in (0, 3, 6, 1, 4, 7, 2, 5, 8))  # Open3D writes columns
    if any(k) and (k[3] or k[6] or k[7] or k[8] != 1):
        raise FieldError(
            f"the camera matrix is {list(k)}: must be fx 0 cx, 0 fy cy, 0 0 1, row by row"
        )
    return k


def _said_of_matrix(fields: Fields) -> str:
    """Return the lens model that the table names beside its matrix, "" for none."""
    if "fisheye_model" in fields and fields.number("fisheye_model"):
        return "equidistant"
    kind = fields.word("cameraType")
    if kind.isdecimal():
        return _said_of_oak(int(kind))
    said = fields.word("distortion_model", "camera_model", "dist_model") or lens_said(fields)
    if plain(said) in _PROJECTIONS:
        said = ""
    if not said and (near := fields.misspelt("distortion_model")) is not None:
        said = str(near)
    return model_name(said, fields.remarks)


def _said_of_oak(kind: int) -> str:
    """Return the model of a depthai calibration's ``cameraType``; "": perspective."""
    if kind > 1:
        names = {2: " (equirectangular)", 3: " (radial division)"}
        raise FieldError(
            f"cameraType {kind}{names.get(kind, '')}: must be 0 (perspective) or 1 (fisheye); "
            "calibrate the camera as one of them"
        )
    return "equidistant" if kind == 1 else ""


def _model_of_matrix(fields: Fields, d: tuple) -> str:
    """Return the model of coefficients whose model the table does not name."""
    if "ost" in fields and len(d) == 4:
        raise FieldError(
            "4 coefficients without a model's name are a fisheye's or plumb_bob's: give ost.yaml, "
            "which names it"
        )
    if "ost" in fields or "cameraType" in fields:
        return "rational_polynomial" if len(d) > 5 else "plumb_bob"
    return model_by_count(d, fields.remarks)


def _window(fields: Fields) -> dict:
    """Return the binning and the region of interest of a CameraInfo."""
    more = {}
    for name in ("binning_x", "binning_y"):
        more[name] = fields.whole(name, default=0)
    roi = fields.part("roi")
    if roi is not None:
        keys = (("x", "x_offset"), ("y", "y_offset"), ("width", "width"), ("height", "height"))
        more |= {f"roi_{name}": roi.whole(key, default=0) for name, key in keys}
        more["do_rectify"] = roi.word("do_rectify").lower() in ("true", "1", "yes")
    return {name: value for name, value in more.items() if value}


# -- four numbers by name: RealSense, VINS, ORB-SLAM, ZED -------------------------------------


def _scalars_fit(fields: Fields) -> bool:
    return "fx" in fields and "fy" in fields and ("cx" in fields or "ppx" in fields)


def _read_scalars(fields: Fields) -> Intrinsics:
    check_no_other_lens(fields)
    k = _four(fields)
    said = fields.word("distortion_model", "distortion_type", "model", "camera_model")
    said = said or fields.word("camera_type")
    if not said and is_word(fields.raw("distortion")):
        said = fields.word("distortion")
    if said.isdecimal() and int(said) < len(_REALSENSE):
        said = _REALSENSE[int(said)]
    d = coefficients(fields, model_name(said if plain(said) not in _PROJECTIONS else "", []))
    model = _realsense(plain(said), d)
    if model is None:
        named = model_name(said if plain(said) not in _PROJECTIONS else "", fields.remarks)
        model = named or model_by_count(d, fields.remarks)
    size = size_in(fields) or (size_in(fields, ("cols",), ("rows",)) if "cols" in fields else None)
    return Intrinsics(size, k, model, d if model != "none" or any(d) else (), {})


def _four(fields: Fields, prefix: str = "") -> tuple:
    return matrix_k(
        fields.number(f"{prefix}fx"),
        fields.number(f"{prefix}fy"),
        fields.number(f"{prefix}cx", f"{prefix}ppx"),
        fields.number(f"{prefix}cy", f"{prefix}ppy"),
    )


def _realsense(said: str, d: tuple) -> str | None:
    """Return the model of librealsense's names; None for all others.

    ``inverse``: the coefficients undistort, where OpenCV's distort. ``modified``: the tangential
    part is taken at the radially distorted point, which is OpenCV's model only without that part.
    """
    if "inversebrownconrady" in said:
        if any(d):
            raise FieldError(
                f"inverse Brown-Conrady with {list(d)}: they undistort, which no CameraInfo model "
                "does (realsense-ros publishes them as plumb_bob, which distorts); calibrate the "
                "camera (camera_calibration), or write zeros for the ideal lens: a D455 is then "
                "off by some 2 % towards the edges"
            )
        return "plumb_bob"
    if "modifiedbrownconrady" in said:
        if any(d[2:4]):
            raise FieldError(
                f"modified Brown-Conrady with tangential {list(d[2:4])}: no CameraInfo model; "
                "calibrate the camera (camera_calibration)"
            )
        return "plumb_bob"
    return None


def _vins_fits(fields: Fields) -> bool:
    return "projection_parameters" in fields or "mirror_parameters" in fields


def _read_vins(fields: Fields) -> Intrinsics:
    kind = plain(fields.word("model_type")) or "pinhole"
    inner = fields.part("projection_parameters")
    if kind not in ("pinhole", "pinholefull", "kannalabrandt") or inner is None:
        raise FieldError(
            f"model_type {fields.word('model_type')}: must be PINHOLE, PINHOLE_FULL or "
            "KANNALA_BRANDT; calibrate with camera_calibration"
        )
    if kind == "kannalabrandt":
        k = matrix_k(*(inner.number(name) for name in ("mu", "mv", "u0", "v0")))
        d = tuple(inner.number(name) for name in ("k2", "k3", "k4", "k5"))
        return Intrinsics(size_in(fields), k, "equidistant", d, {})
    lens = fields.part("distortion_parameters")
    if lens is None and (near := fields.misspelt("distortion_parameters")) is not None:
        lens = Fields(near, fields.remarks) if isinstance(near, dict) else None
    d = no_distortion(fields) if lens is None else by_name(lens)
    model = "rational_polynomial" if len(d) > 5 else "plumb_bob"
    return Intrinsics(size_in(fields), _four(inner), model, d, {})


def _orb_fits(fields: Fields) -> bool:
    return "Camera.fx" in fields or "Camera1.fx" in fields


def _read_orb(fields: Fields) -> Intrinsics:
    prefix = "Camera1." if "Camera1.fx" in fields else "Camera."
    kind = plain(fields.word("Camera.type", "Camera.model"))
    kind = {"": "pinhole", "perspective": "pinhole", "fisheye": "kannalabrandt8"}.get(kind, kind)
    size = None
    if any(f"Camera.{name}" in fields for name in ("width", "height", "cols", "rows")):
        wide, high = ("Camera.width", "Camera.cols"), ("Camera.height", "Camera.rows")
        size = whole_size(fields, wide, high)
    k = _four(fields, prefix)
    if kind == "pinhole" and f"{prefix}k4" in fields and f"{prefix}p1" not in fields:
        raise FieldError(f"{prefix}k4 without p1: a fisheye's; write Camera.type: KannalaBrandt8")
    if kind == "kannalabrandt8" and (f"{prefix}k0" in fields or f"{prefix}k5" in fields):
        raise FieldError("KannalaBrandt8 has k1 to k4 and no others: calibrate it again")
    if kind == "kannalabrandt8":
        d = tuple(fields.number(f"{prefix}k{i}") for i in range(1, 5))
        return Intrinsics(size, k, "equidistant", d, {})
    if kind not in ("pinhole", "rectified"):
        raise FieldError(f"Camera.type {kind}: must be PinHole, Rectified or KannalaBrandt8")
    d = () if kind == "rectified" else by_name(fields, prefix)
    return Intrinsics(size, k, "rational_polynomial" if len(d) > 5 else "plumb_bob", d, {})


# -- a list of four: kalibr, EuRoC ------------------------------------------------------------


def _kalibr_fits(fields: Fields) -> bool:
    values = fields.raw("intrinsics")
    numbers = isinstance(values, list) and not any(isinstance(x, list | dict) for x in values)
    return numbers and (
        "camera_model" in fields or "distortion_model" in fields or "resolution" in fields
    )


def _read_kalibr(fields: Fields) -> Intrinsics:
    kind = plain(fields.word("camera_model")) or "pinhole"
    said = plain(fields.word("distortion_model"))
    if kind in ("pinholeradtan", "pinholeequi", "pinholefov"):  # as kalibr's --models has them
        kind, said = "pinhole", said or kind.removeprefix("pinhole")
    if kind != "pinhole" or said in OTHER_MODELS:
        raise FieldError(
            f"camera_model {kind} with distortion_model {said or 'none'}: must be pinhole with "
            "radtan or equi; calibrate again with --models pinhole-radtan or pinhole-equi"
        )
    values = fields.numbers("intrinsics")
    if len(values) != 4:
        raise FieldError(f"intrinsics has {len(values)} numbers: must be fx, fy, cx, cy")
    d = coefficients(fields)
    if not said and (near := fields.misspelt("distortion_model")) is not None:
        said = plain(str(near))
    model = model_name(said, fields.remarks) if said else model_by_count(d, fields.remarks)
    return Intrinsics(size_in(fields), matrix_k(*values), model, d, {})


FORMS = (
    Form("ORB-SLAM settings", _orb_fits, _read_orb),
    Form("VINS settings", _vins_fits, _read_vins),
    Form("kalibr", _kalibr_fits, _read_kalibr),
    Form("camera matrix", _matrix_fits, _read_matrix),
    Form("focal lengths by name", _scalars_fit, _read_scalars),
)
