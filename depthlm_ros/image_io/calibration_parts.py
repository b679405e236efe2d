"""Parts that all forms of calibrations share: size, camera matrix, distortion.

A distortion that is missing or misspelt is never silently none: a remark says what was assumed.
"""

import difflib
import re
import reprlib

from depthlm_ros.image_io.calibration_fields import FieldError, Fields, numbers_of, plain

_MODELS = {
    "plumb_bob": (
        "plumbbob",
        "radtan",
        "radialtangential",
        "brownconrady",
        "brown",
        "pinhole",
        "radialtangential8",
        "opencv",
        "brownconrady5",
    ),
    "rational_polynomial": ("rationalpolynomial", "rational", "pinholefull"),
    "equidistant": (
        "equidistant",
        "equi",
        "fisheye",
        "kannalabrandt",
        "kannalabrandt4",
        "kannalabrandt8",
        "kb4",
        "kb8",
        "opencvfisheye",
    ),
    "none": ("none", "nodistortion", "rectified", "undistorted", "perfect"),
}
OTHER_MODELS = (
    "fov",
    "omni",
    "mei",
    "ds",
    "eucm",
    "scaramuzza",
    "ftheta",
    "division",
    "polynomial",
    "thinprismfisheye",
    "atan",
    "ucm",
    "doublesphere",
)
DISTORTION_NAMES = (
    "distortion_coefficients",
    "d",
    "dist_coeffs",
    "dist_coeff",
    "distortion_coeffs",
    "distortion_coeff",
    "distCoefs",
    "distortion",
    "dist",
    "coeffs",
    "d1",
    "distortion_parameters",
    "distortion_model_coefficients",
)
_PYTHON_ENUM = re.compile(r"^<(\S+): \d+>$")
"""How pyrealsense2 prints a model: ``<distortion.brown_conrady: 4>``."""
_WIDTH, _HEIGHT = ("image_width", "width", "w"), ("image_height", "height", "h")
_SIZE = ("resolution", "image_size", "img_size", "camera_resolution", "image_resolution", "size")
_BY_NAME = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")


def size_in(fields: Fields, width=_WIDTH, height=_HEIGHT) -> tuple | None:
    """Return (width, height), None where the table states none; ``width``, ``height``: names."""
    has = [any(name in fields for name in names) for names in (width, height)]
    inner = next((part for name in _SIZE if (part := fields.part(name)) is not None), None)
    if inner is not None and not any(has):
        return size_in(inner)
    listed = next((name for name in _SIZE if isinstance(fields.raw(name), list)), None)
    if listed:
        size = fields.numbers(listed)
        if len(size) != 2 or any(v != int(v) or v < 1 for v in size):
            raise FieldError(f"{listed} = {list(size)}: must be a width and a height in pixels")
        return int(size[0]), int(size[1])
    if not any(has):
        wide = fields.misspelt("image_width"), fields.misspelt("image_height")
        if None in wide:
            return None
        fields = Fields({width[0]: wide[0], height[0]: wide[1]}, fields.remarks)
    return whole_size(fields, width, height)


def whole_size(fields: Fields, width: tuple, height: tuple) -> tuple[int, int]:
    """Return (width, height) [px], each the first of these names that is there.

    FieldError where one is missing, no whole number, or not positive.
    """
    size = fields.whole(*width), fields.whole(*height)
    if min(size) < 1:
        raise FieldError(f"the size is {size[0]} x {size[1]} px: must be positive")
    return size


def matrix_k(fx: float, fy: float, cx: float, cy: float, skew: float = 0.0) -> tuple:
    """Return the nine numbers of a camera matrix."""
    return fx, skew, cx, 0.0, fy, cy, 0.0, 0.0, 1.0


def model_name(said: str, remarks: list[str]) -> str:
    """Return CameraInfo's name of a distortion model; an unknown name as it is."""
    said = _PYTHON_ENUM.sub(r"\1", said)
    key = plain(said).removeprefix("distortion.").removeprefix("rs2distortion")
    if not key:
        return ""
    for name, others in _MODELS.items():
        if key in others:
            return name
    known = {other: name for name, others in _MODELS.items() for other in others}
    near = difflib.get_close_matches(key, list(known), 1, 0.85)
    if near and key not in OTHER_MODELS:
        remarks.append(f"distortion model {said!r} is taken for {known[near[0]]}")
        return known[near[0]]
    return said


def lens_said(fields: Fields) -> str:
    """Return the lens model that stands beside a camera's numbers by a less usual name, or "".

    ``model`` and ``type`` may as well be the camera's own name, so only models' names count.
    """
    names = ("model", "lens_model", "projection_model", "type", "lens_type")
    said = [fields.raw(name) for name in names]
    inner = fields.part("distortion")
    if inner is not None:
        said.append(inner.raw("type", "model", "name"))
    words = [str(word) for word in said if is_word(word)]
    return next((w for w in words if model_name(w, []) in _MODELS or plain(w) in OTHER_MODELS), "")


def model_by_count(d: tuple, remarks: list[str]) -> str:
    """Return the model that coefficients without a name can only be, with a remark."""
    if not any(d):
        return "plumb_bob" if d else ""
    name = {4: "plumb_bob", 5: "plumb_bob"}.get(len(d), "rational_polynomial")
    if len(d) not in (4, 5, 8, 12, 14):
        raise FieldError(f"{len(d)} distortion coefficients and no distortion_model: name it")
    more = "; if it is a fisheye, add distortion_model: equidistant" if len(d) == 4 else ""
    remarks.append(f"no distortion_model: {len(d)} coefficients are taken for {name}{more}")
    return name


def check_no_other_lens(fields: Fields) -> None:
    """Refuse parameters of lens models that CameraInfo has not: double sphere, EUCM, MEI, FOV."""
    found = [name for name in ("xi", "alpha", "beta", "omega", "lambda") if name in fields]
    if found:
        raise FieldError(
            f"it gives {', '.join(found)}: a lens model (double sphere, EUCM, MEI or FOV) that no "
            "CameraInfo has; calibrate as pinhole or fisheye (equidistant)"
        )


def _of_fisheye(fields: Fields, model: str) -> tuple | None:
    """Return k1 to k4 of a fisheye that stand by their names; None: not written so.

    Refuses k4 without p1, p2, k5 and k6 where no model is named: a fisheye's or not.
    """
    if "k1" not in fields or "k4" not in fields:
        return None
    if model == "equidistant":
        return tuple(fields.number(f"k{i}") for i in range(1, 5))
    if not model and not any(name in fields for name in ("p1", "p2", "k5", "k6")):
        raise FieldError(
            "k1 to k4 without p1 and p2 and without a model's name are a fisheye's, or not: add "
            "distortion_model: equidistant, or p1 and p2"
        )
    return None


def no_distortion(fields: Fields) -> tuple:
    """Remark that nothing is said about distortion."""
    fields.remarks.append(
        "it says nothing about lens distortion: the lens is taken for ideal; if the picture is "
        "not rectified, distances towards its edges are off"
    )
    return ()


def coefficients(fields: Fields, model: str = "") -> tuple:
    """Return the distortion coefficients in OpenCV's order; misspelt or missing: a remark.

    ``model``: CameraInfo's name of the lens model, "" where none is named.
    """
    value = next(
        (v for n in DISTORTION_NAMES if (v := fields.raw(n)) is not None and not is_word(v)), None
    )
    if value is None and any(name in fields for name in ("k1", "k2", "p1", "radial")):
        return _by_name_of(fields, model)
    if value is None:
        value = fields.misspelt("distortion_coefficients", "dist_coeffs", "distortion_coeffs")
    if value is None:
        return no_distortion(fields)
    if isinstance(value, dict) and "data" not in Fields(value, []):
        return _of_table(Fields(value, fields.remarks), value, model)
    return numbers_of(value, "distortion coefficients")


def _by_name_of(fields: Fields, model: str) -> tuple:
    found = _of_fisheye(fields, model)
    return by_name(fields) if found is None else found


def _of_table(inner: Fields, table: dict, model: str) -> tuple:
    """Return the coefficients of a table named distortion: by names, or a list in it."""
    if any(name in inner for name in _BY_NAME):
        return _by_name_of(inner, model)
    found = inner.raw("parameters", "params", "values", *DISTORTION_NAMES, "coefficients")
    if found is None or is_word(found):
        raise FieldError(
            f"distortion = {reprlib.repr(table)}: must be k1, k2, p1, p2 ... or a list of "
            "coefficients"
        )
    return numbers_of(found, "distortion coefficients")


def is_word(value) -> bool:
    """Tell whether a value under ``distortion`` is the model's name."""
    return isinstance(value, str) and plain(value)[:1].isalpha()


def by_name(fields: Fields, prefix: str = "") -> tuple:
    """Return coefficients that stand under k1, k2, p1, p2, k3 ...; those missing are 0."""
    if not any(prefix + name in fields for name in _BY_NAME):
        return no_distortion(fields)
    d = [fields.number(prefix + name, default=0.0) for name in _BY_NAME]
    return tuple(d if any(d[5:]) else d[:5])
