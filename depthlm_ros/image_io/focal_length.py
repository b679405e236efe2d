"""The focal length in pixels of a photograph without calibration, and what was assumed for it.

From what the camera wrote into the file (EXIF), or from a field of view or a 35 mm equivalent
that a person gives. The 35 mm equivalent is CIPA's (DCG-001): by the diagonal, 43.27 mm of film.
"""

import math
import re
from dataclasses import dataclass, replace

from depthlm_ros.image_io.calibration_yaml import MAX_VIEW_DEG, MIN_VIEW_DEG, check_view
from depthlm_ros.status import Code, StatusError

FILM_DIAGONAL_MM = math.hypot(36.0, 24.0)
PHONE_F35_MM = 26.0
"""35 mm equivalent of the main camera of most phones since 2016 (24 to 28 mm)."""
WIDEST_SHAPE = 2.4
"""Aspect ratio that a camera takes at most (phones: 21 by 9); wider ones are stitched or cut."""
SIMILAR_SHAPE = 0.02
"""Relative difference of two aspect ratios that is rounding."""
_SENSOR_WIDTH_MM = (  # make and model, as EXIF has them; the sensor's longer side
    (r"RP_ov5647", 3.76),
    (r"RP_imx219", 3.68),
    (r"RP_imx477", 6.287),
    (r"RP_imx708", 6.45),
    (r"Canon EOS[ -](5D|6D|R|R1|R3|R5|R6|R8|RP|Ra|1Ds|1D X|1D C)(S|m\d)?\b", 36.0),
    (r"Canon EOS-1D\b", 28.0),
    (r"Canon EOS", 22.3),
    (r"NIKON (D3[XS]?|D4S?|D5|D6|D6[01]0|D7[05]0|D780|D8[015]0E?|Z ?[5-9](_\d)?|Z f)\b", 35.9),
    (r"NIKON (D|Z)", 23.5),
    (r"(ILCE-7|ILCE-9|ILCE-1|DSC-RX1(R|RM2)?\b)", 35.8),
    (r"(ILCE|NEX)-", 23.5),
    (r"FUJIFILM X-", 23.5),
    (r"(OLYMPUS.* (E-[MP]|E-[3-6]\d*\b|PEN-F)|OM-\d|Panasonic DC-G|Panasonic DMC-G)", 17.3),
    (r"PENTAX K-1\b", 35.9),
    (r"PENTAX K", 23.5),
)


@dataclass(frozen=True)
class Exif:
    """What a file says of its camera; 0 or "" where it says nothing.

    ``width``, ``height``: of the picture when it was taken [px], before any cropping;
    ``plane_px_per_mm``: pixels a millimetre of the sensor; ``is_panorama``: it says it is one.
    """

    make: str = ""
    model: str = ""
    focal_mm: float = 0.0
    f35_mm: float = 0.0
    digital_zoom: float = 1.0
    width: int = 0
    height: int = 0
    plane_px_per_mm: float = 0.0
    is_panorama: bool = False

    @property
    def camera(self) -> str:
        """Make and model for people."""
        same = self.model.lower().startswith(self.make.lower())
        return (self.model if same else f"{self.make} {self.model}").strip() or "unnamed camera"


@dataclass(frozen=True)
class FocalLength:
    """``fx`` [px] of square pixels, how it is known, and whether it was only assumed."""

    fx: float
    source: str
    assumed: bool = False

    def checked(self, width: int, remedy: str = "") -> "FocalLength":
        """Return itself with its field of view in words; StatusError for one that no lens has.

        ``remedy``: see ``check_view``.
        """
        view = check_view(self.fx, width, remedy=remedy)
        return replace(self, source=f"{self.source}: fx {self.fx:.0f} px, {view:.0f} degrees wide")


def from_view(degrees: float, width: int) -> FocalLength:
    """Return the focal length of a horizontal field of view [degrees]."""
    if not MIN_VIEW_DEG <= degrees <= MAX_VIEW_DEG:
        raise StatusError(
            Code.BAD_CAMERA_INFO,
            f"field of view {degrees:g} degrees: must be {MIN_VIEW_DEG:g} to {MAX_VIEW_DEG:g}, "
            "across the picture's width; a typical phone has 67",
        )
    fx = width / 2 / math.tan(math.radians(degrees) / 2)
    return FocalLength(fx, f"field of view {degrees:g} degrees as given").checked(width)


def from_f35(f35_mm: float, width: int, height: int) -> FocalLength:
    """Return the focal length of a 35 mm equivalent [mm]."""
    fx = f35_mm * math.hypot(width, height) / FILM_DIAGONAL_MM
    remedy = f"{f35_mm:g} mm must be the equivalent on 35 mm film: a typical phone has 26"
    return FocalLength(fx, f"{f35_mm:g} mm on 35 mm film as given").checked(width, remedy)


def of_a_phone(width: int, height: int) -> FocalLength:
    """Return the focal length that most phones have; a guess, and marked as one."""
    fx = from_f35(PHONE_F35_MM, width, height).fx
    source = f"ASSUMED a phone's main camera ({PHONE_F35_MM:g} mm on 35 mm film; not measured)"
    return FocalLength(fx, source, assumed=True).checked(width)


def of_exif(exif: Exif, width: int, height: int) -> FocalLength | None:
    """Return the focal length that a file's EXIF tells for its picture; None: it tells nothing.

    StatusError where EXIF tells that the picture was cropped: the focal length stays, but centre
    and field of view are no longer the camera's.
    """
    found = _by_film(exif, width, height) or _by_sensor(exif, width, height)
    if found is None:
        return None
    _check_uncropped(exif, width, height)
    remedy = (
        f"that is by {found.source}, which cannot be right: give fx, the field of view (hfov) "
    )
    return found.checked(width, remedy + "or a calibration")


def _by_film(exif: Exif, width: int, height: int) -> FocalLength | None:
    if not exif.f35_mm > 0:
        return None
    zoom, said = _zoom(exif)
    fx = exif.f35_mm * zoom * math.hypot(width, height) / FILM_DIAGONAL_MM
    words = f"EXIF of {exif.camera}, {exif.f35_mm:g} mm on 35 mm film{said}"
    return FocalLength(fx, words)


def _zoom(exif: Exif) -> tuple[float, str]:
    """Return by how much digital zoom lengthens the focal length that EXIF tells."""
    zoom = exif.digital_zoom
    if not zoom > 1.001:
        return 1.0, ""
    if exif.f35_mm > 0 and exif.make.lower().startswith("apple"):
        return 1.0, f" (which counts the digital zoom of {zoom:g} already, as Apple writes it)"
    return zoom, f" times the digital zoom of {zoom:g}"


def _by_sensor(exif: Exif, width: int, height: int) -> FocalLength | None:
    if not exif.focal_mm > 0:
        return None
    zoom, said = _zoom(exif)
    longer = max(width, height)
    name = f"{exif.make} {exif.model}"
    size = next((mm for rule, mm in _SENSOR_WIDTH_MM if re.search(rule, name)), None)
    if size is None and exif.plane_px_per_mm > 0 and exif.width > 0:
        size = max(exif.width, exif.height) / exif.plane_px_per_mm
    if size is None:
        return None
    words = f"EXIF of {exif.camera}, {exif.focal_mm:g} mm on a sensor of {size:.3g} mm{said}"
    return FocalLength(exif.focal_mm * zoom * longer / size, words)


def _check_uncropped(exif: Exif, width: int, height: int) -> None:
    if max(width, height) > WIDEST_SHAPE * min(width, height):
        raise StatusError(
            Code.BAD_CAMERA_INFO,
            f"a picture of {width} x {height} px is a panorama or a strip of one, which EXIF's "
            "focal length does not describe; give the original, or fx, cx and cy",
        )
    if exif.width < 1 or exif.height < 1:
        return
    then = max(exif.width, exif.height) / min(exif.width, exif.height)
    now = max(width, height) / min(width, height)
    if abs(then / now - 1) > SIMILAR_SHAPE:
        raise StatusError(
            Code.BAD_CAMERA_INFO,
            f"EXIF is of a picture of {exif.width} x {exif.height} px, this one has {width} x "
            f"{height}: it was cropped, so that its centre is not known; give the original, or "
            "fx, cx and cy",
        )


def three_ways(
    label: str, width: int, height: int, words: tuple | None = None, exif: Exif | None = None
) -> StatusError:
    """Return the refusal of a picture whose focal length nobody tells.

    ``words``: how a calibration, fx, a field of view and the assumption are given; default: the
    command line's options. ``exif``: what the file tells, None for a source without EXIF.
    """
    why = "" if exif is None else " (no EXIF tells it)"
    if exif is not None and exif.focal_mm > 0:
        why = f" (EXIF tells {exif.focal_mm:g} mm, but not on how large a sensor)"
    file, fx, view, assume = words or ("--camera-info", "--fx", "--hfov", "--assume-phone")
    typical = of_a_phone(width, height).fx
    degrees = math.degrees(2 * math.atan(width / 2 / typical))
    return StatusError(
        Code.NO_CAMERA_INFO,
        f"{label}: its focal length is not known, and metres need it{why}. Give one "
        f"of: {file} FILE (a calibration), {fx} PIXELS (a typical phone: {fx} {typical:.0f} for "
        f"{width} x {height} px) or {view} DEGREES (a typical phone: {view} {degrees:.0f}); or "
        f"take that phone's by {assume}",
    )
