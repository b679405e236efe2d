"""What a picture file says of its camera: the tags of EXIF, read leniently.

Broken, missing and senseless values count as unsaid; ``focal_length`` judges the rest.
"""

import math

from PIL import ExifTags, Image

from depthlm_ros.image_io.focal_length import Exif

UPRIGHT = 1
ORIENTATIONS = range(1, 9)
_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
"""FocalPlaneResolutionUnit: inch, cm, and what some cameras write for mm and um; 1 is none."""
_SENSOR_MM = 1.0, 200.0
"""Sides that a sensor can have, from an endoscope's to a large format's."""
_PANORAMA = 6
"""CustomRendered, as Apple's panoramas have it."""


def exif_of(opened: Image.Image) -> tuple[Exif, int]:
    """Return (Exif, orientation 1 to 8) of an opened picture; what is broken counts as unsaid."""
    try:
        tags = opened.getexif()
        inner = tags.get_ifd(ExifTags.IFD.Exif)
    except (OSError, ValueError, SyntaxError, KeyError, TypeError, AttributeError):
        return Exif(), UPRIGHT
    exif = Exif(
        make=_text(tags.get(0x010F)),
        model=_text(tags.get(0x0110)),
        focal_mm=_number(inner.get(0x920A)),
        f35_mm=_number(inner.get(0xA405)),
        digital_zoom=_number(inner.get(0xA404)) or 1.0,
        width=int(_number(inner.get(0xA002))),
        height=int(_number(inner.get(0xA003))),
        plane_px_per_mm=_plane_px_per_mm(inner),
        is_panorama=inner.get(0xA401) == _PANORAMA,
    )
    told = opened.info.get("original_orientation") or tags.get(0x0112)  # libheif resets the tag
    orientation = int(_number(told) or UPRIGHT)
    return exif, orientation if orientation in ORIENTATIONS else UPRIGHT


def _plane_px_per_mm(inner: dict) -> float:
    """Return the pixels a millimetre of the sensor; 0 where nothing sensible is said."""
    per_unit = _number(inner.get(0xA20E))
    unit_mm = _UNIT_MM.get(inner.get(0xA210, 2), 0.0)
    width = max(_number(inner.get(0xA002)), _number(inner.get(0xA003)))
    if not per_unit or not unit_mm or not width:
        return 0.0
    low, high = _SENSOR_MM
    return per_unit / unit_mm if low <= width * unit_mm / per_unit <= high else 0.0


def _number(value) -> float:
    """Return a positive finite number, 0 for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0
    return number if math.isfinite(number) and 0 < number < 1e7 else 0.0


def _text(value) -> str:
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value or "")
    return "".join(c for c in text.strip("\0 ") if c.isprintable())[:60]
