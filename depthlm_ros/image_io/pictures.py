"""Picture files to rgb: JPEG, PNG, WebP, AVIF, TIFF, HEIC and what else Pillow reads.

Orientation is honoured for every format, 12 and 16 bit samples are stretched, pictures above the
limit of pixels are scaled down, and what is no photograph (a panorama, a raw file, a depth map)
is refused by name. Sizes are known before anything is decoded.
"""

import io
import math
import re
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.image_io import pixel_values
from depthlm_ros.image_io.exif import exif_of
from depthlm_ros.image_io.focal_length import Exif
from depthlm_ros.status import Code, StatusError

MAX_PIXELS = 40_000_000
"""Pixels of a picture that is used as it is; larger ones are scaled down to so many."""
MOST_PIXELS = 220_000_000
"""Pixels of a picture that is opened at all: phones reach 200 million."""
MIN_SIDE = 16
"""Pixels of the shorter side of a picture; icons and tracking pixels have fewer."""
MAX_BYTES = 400_000_000
ENDINGS = (
    ".jpg", ".jpeg", ".jpe", ".png", ".webp", ".avif", ".tif", ".tiff", ".heic", ".heif", ".bmp",
    ".ppm", ".pgm", ".jp2",
)  # fmt: skip
"""Endings of files that a folder is searched for."""
warnings.filterwarnings("ignore", module=r"PIL\.")  # of damage: what matters is refused
_RAW = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2", ".pef", ".srw")
_VIDEO = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_TURNS = {  # EXIF orientation: what makes the picture upright
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


@dataclass(frozen=True)
class Picture:
    """A picture file. ``rgb``: uint8 (H, W, 3), C-contiguous.

    ``size``: (width, height) [px] as taken; ``rgb`` is smaller where that is above the limit.
    ``remarks``: what was done to it, one sentence each. ``as_in_file``: it is a JPEG or PNG file
    that any decoder reads as ``rgb``: neither turned, scaled nor stretched.
    """

    rgb: np.ndarray
    size: tuple
    exif: Exif
    remarks: tuple = ()
    as_in_file: bool = False

    @property
    def scale(self) -> tuple:
        """Size of ``rgb`` over the size as taken, in x and y; at most 1."""
        height, width = self.rgb.shape[:2]
        return width / self.size[0], height / self.size[1]

    def camera(self, camera: PinholeCamera) -> PinholeCamera:
        """Return the camera of ``rgb``, given that of the picture as taken."""
        height, width = self.rgb.shape[:2]
        return camera if (width, height) == self.size else camera.resized(width, height)


def read_picture(path, upright: bool, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture file; ``upright``: turned as its EXIF says, else as the sensor has it.

    Raises StatusError(BAD_IMAGE) for what is missing, no picture, damaged, or shows nothing.
    """
    data = bytes_of(path)
    return decode(data, str(path), upright, max_pixels)


def decode(data: bytes, label: str, upright: bool, max_pixels: int = MAX_PIXELS) -> Picture:
    """Decode the bytes of a picture file: see ``read_picture``."""
    _check_kind(data, label)
    try:
        with _large_pictures(), Image.open(io.BytesIO(data)) as opened:
            pixels, exif, remarks, plain = _decoded(opened, data, label, upright)
    except StatusError:
        raise
    except UnidentifiedImageError as error:
        raise _no_picture(label, data) from error
    except MemoryError as error:
        raise StatusError(
            Code.BAD_IMAGE,
            f"{label}: memory is not enough to decode it; scale it down, and fx with it",
        ) from error
    except Image.DecompressionBombError as error:
        found = re.search("[0-9]+", str(error))  # Pillow's sentence has them first
        raise _too_large(label, f"{found[0] if found else 'too many'} px") from error
    except (OSError, ValueError, SyntaxError, cv2.error) as error:
        why = " ".join(str(error).split())[:200]
        raise StatusError(Code.BAD_IMAGE, f"{label}: damaged ({why}); save it anew") from error
    size = pixels.shape[1], pixels.shape[0]
    rgb = _scaled_down(pixels, max_pixels)
    if rgb is not pixels:
        remarks.append(
            f"{size[0]} x {size[1]} px are scaled down to {rgb.shape[1]} x {rgb.shape[0]}, and "
            "the focal length with them"
        )
    pixel_values.check_not_blank(rgb, label)
    plain = plain and rgb is pixels
    return Picture(np.ascontiguousarray(rgb), size, exif, tuple(remarks), plain)


@contextmanager
def _large_pictures():
    """Raise Pillow's own limit of pixels to ours: phones take more than its 179 million."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, MOST_PIXELS
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def bytes_of(path) -> bytes:
    """Return a file's bytes.

    StatusError for what is missing, no regular file, empty or endless.
    """
    file = Path(path).expanduser()
    try:
        if file.is_dir():
            raise StatusError(Code.BAD_IMAGE, f"{path} is a folder: give the pictures in it")
        if file.exists() and not file.is_file():
            raise StatusError(Code.BAD_IMAGE, f"{path} is no regular file: give a picture file")
        if (size := file.stat().st_size) > MAX_BYTES:
            raise StatusError(
                Code.BAD_IMAGE,
                f"{path} has {size} bytes: at most {MAX_BYTES} for a picture; save it as JPEG",
            )
        data = file.read_bytes()
    except OSError as error:
        why = error.strerror or str(error)
        raise StatusError(Code.BAD_IMAGE, f"{path}: {why}; give the path of a picture") from error
    if not data:
        raise StatusError(Code.BAD_IMAGE, f"{path} is empty: it was not copied whole")
    return data


# -- what it is -------------------------------------------------------------------------------


def _check_kind(data: bytes, label: str) -> None:
    """Refuse what Pillow would open as something else, or not name."""
    ending = Path(label).suffix.lower()
    if ending in _RAW or data[8:10] == b"CR" or data[:4] in (b"FUJI", b"IIRO", b"IIU\0"):
        raise StatusError(
            Code.BAD_IMAGE, f"{label} is a raw file: develop it to JPEG, without cropping"
        )
    if ending in _VIDEO or data[4:12] in (b"ftypqt  ", b"ftypisom", b"ftypmp42"):
        raise StatusError(
            Code.BAD_IMAGE,
            f"{label} is a video: play it by camera_node (source:={label}), or give one picture",
        )
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS and b"avif" not in data[8:64]:
        _register_heif(label)
    if b"GPano:ProjectionType" in data[:200_000]:
        raise _panorama(label)


def _panorama(label: str) -> StatusError:
    return StatusError(
        Code.BAD_IMAGE,
        f"{label} is a panorama, which no single focal length describes: give a photograph",
    )


def _register_heif(label: str) -> None:
    for name in ("pillow_heif", "pi_heif"):
        try:
            module = __import__(name)
        except ImportError:
            continue
        module.register_heif_opener()
        return
    raise StatusError(
        Code.BAD_IMAGE,
        f"{label} is HEIC, which needs a decoder: pip install pi-heif (or pillow-heif), or save "
        "it as JPEG (iPhone: Settings, Camera, Formats, Most Compatible)",
    )


def _no_picture(label: str, data: bytes) -> StatusError:
    if data.startswith((b"\x89PNG", b"\xff\xd8\xff", b"RIFF")) or data[4:8] == b"ftyp":
        return StatusError(Code.BAD_IMAGE, f"{label}: damaged; copy it anew")
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return StatusError(
            Code.BAD_IMAGE,
            f"{label} is a TIFF that cannot be read (damaged, of floating point numbers, or with "
            "channels of an unusual kind): save it anew, with 8 or 16 bit a channel",
        )
    what = f"its {len(data)} bytes begin with {data[:4].hex()}"
    if data[:2] == b"\xff\x0a" or data[4:8] == b"JXL ":
        what = "it is JPEG XL"
    if data.startswith(b"version https://git-lfs"):
        return StatusError(Code.BAD_IMAGE, f"{label} is a pointer of Git LFS: run git lfs pull")
    if data.lstrip()[:5].lower() in (b"<html", b"<!doc"):
        return StatusError(Code.BAD_IMAGE, f"{label} is a web page: save the picture itself")
    return StatusError(
        Code.BAD_IMAGE,
        f"{label} is no picture that can be read ({what}): give JPEG, PNG, WebP, AVIF, TIFF or "
        "HEIC",
    )


# -- decoding ---------------------------------------------------------------------------------


def _decoded(opened: Image.Image, data: bytes, label: str, upright: bool):
    """Return (rgb, Exif, remarks, as in the file?) of an opened file."""
    width, height = opened.size
    if width * height > MOST_PIXELS:
        raise _too_large(label, f"{width} x {height} px")
    if min(width, height) < MIN_SIDE:
        raise StatusError(
            Code.BAD_IMAGE,
            f"{label}: {width} x {height} px: must be {MIN_SIDE} x {MIN_SIDE} at least; give the "
            "photograph itself",
        )
    _check_tiff(opened, label)
    is_deep = _is_deep(opened)  # before EXIF is asked for, which decodes a PNG
    exif, orientation = exif_of(opened)
    if exif.is_panorama:
        raise _panorama(label)
    remarks = []
    if getattr(opened, "n_frames", 1) > 1 and opened.format in ("GIF", "WEBP", "AVIF", "TIFF"):
        remarks.append(f"the first of its {opened.n_frames} pictures is taken")
    # TIFF is turned by Pillow and by OpenCV, HEIC by libheif, while they are decoded.
    turned = opened.format in ("TIFF", "HEIF") and orientation > 1
    if is_deep:
        pixels = _deep(data, label)
    elif opened.format in ("JPEG", "MPO"):
        pixels = _jpeg(data, label)
    else:
        pixels = np.asarray(_flattened(opened).convert("RGB"))
    if upright and not turned and orientation in _TURNS:
        pixels = _TURNS[orientation](pixels)
    if not upright and turned:
        pixels = _INVERSE[orientation](pixels)
    plain = opened.format in ("JPEG", "MPO", "PNG") and not is_deep
    return pixels, exif, remarks, plain and not (upright and orientation in _TURNS)


_INVERSE = {**_TURNS, 6: _TURNS[8], 8: _TURNS[6]}


def _too_large(label: str, found: str) -> StatusError:
    return StatusError(
        Code.BAD_IMAGE,
        f"{label}: {found}: at most {MOST_PIXELS} px in all; scale it down, and fx with it",
    )


def _check_tiff(opened: Image.Image, label: str) -> None:
    tags = getattr(opened, "tag_v2", None)
    if opened.format != "TIFF" or tags is None:
        return
    if 50706 in tags or tags.get(254) == 1:  # DNGVersion; a thumbnail comes first
        raise StatusError(Code.BAD_IMAGE, f"{label} is a raw file: develop it to JPEG")
    if opened.mode == "F" or 3 in np.atleast_1d(tags.get(339, 1)):
        raise StatusError(
            Code.BAD_IMAGE,
            f"{label} holds floating point numbers, no photograph: save 8 or 16 bit",
        )


def _is_deep(opened: Image.Image) -> bool:
    if opened.mode.startswith("I") and opened.format in ("PNG", "TIFF", "PPM"):
        return True
    if opened.format == "JPEG2000":  # whose bits Pillow does not tell
        return True
    if opened.format == "PPM":
        return any(_largest(tile.args) > 255 for tile in opened.tile)
    if opened.format == "PNG":
        return any("16" in str(tile.args) for tile in opened.tile)  # as in "RGB;16B"
    if opened.format == "TIFF":
        return max(np.atleast_1d(opened.tag_v2.get(258, 8))) > 8
    return False


def _largest(args) -> int:
    """Return the largest sample that a PPM's header names; 0 where Pillow does not tell."""
    return max((a for a in args if isinstance(a, int)), default=0) if args else 0


def _deep(data: bytes, label: str) -> np.ndarray:
    """Decode 16 bit samples, which Pillow would cut to 8, as the sensor has them."""
    flags = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if bgr is None or bgr.dtype not in (np.uint8, np.uint16):
        raise StatusError(
            Code.BAD_IMAGE,
            f"{label}: cannot be decoded (damaged, or not of 8 or 16 bit): save it anew",
        )
    return (pixel_values.to_eight_bits(bgr) if bgr.dtype == np.uint16 else bgr)[..., ::-1]


def _jpeg(data: bytes, label: str) -> np.ndarray:
    """Decode by OpenCV, as the node does; what ends early is refused, not filled up with grey."""
    from depthlm_ros.image_io.compressed_header import read_header

    read_header(data, label)
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if bgr is None:
        raise StatusError(Code.BAD_IMAGE, f"{label}: a JPEG that cannot be decoded; save it anew")
    return bgr[..., ::-1]


def _flattened(image: Image.Image) -> Image.Image:
    """Return a picture without transparency; a palette is looked up."""
    return image.convert("RGBA") if image.mode in ("P", "PA") else image


def _scaled_down(pixels: np.ndarray, max_pixels: int) -> np.ndarray:
    height, width = pixels.shape[:2]
    if width * height <= max_pixels:
        return pixels
    scale = math.sqrt(max_pixels / (width * height))
    size = max(1, int(width * scale)), max(1, int(height * scale))
    return cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA)
