"""Picture files of every common format: upright, of the right brightness, or refused by name."""

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.image_io import exif as exif_tags
from depthlm_ros.image_io.pictures import decode, read_picture
from depthlm_ros.status import Code, StatusError

HEIC = Path(__file__).parent / "data" / "turned.heic"
RED, GREEN, BLUE, YELLOW = (250, 20, 20), (20, 250, 20), (20, 20, 250), (230, 230, 20)


@pytest.fixture(scope="module")
def upright():
    """Return 64 x 48 px: red, green above blue, yellow."""
    rgb = np.zeros((48, 64, 3), np.uint8)
    rgb[:24, :32], rgb[:24, 32:], rgb[24:, :32], rgb[24:, 32:] = RED, GREEN, BLUE, YELLOW
    return rgb


def of_the_sensor(rgb, orientation):
    """Return what a sensor gave of which EXIF says this orientation: Pillow turns it back."""
    turns = Image.Transpose
    turn = {
        2: turns.FLIP_LEFT_RIGHT,
        3: turns.ROTATE_180,
        4: turns.FLIP_TOP_BOTTOM,
        5: turns.TRANSPOSE,
        6: turns.ROTATE_90,  # counter-clockwise: 6 says "turn me clockwise"
        7: turns.TRANSVERSE,
        8: turns.ROTATE_270,
    }.get(orientation)
    image = Image.fromarray(rgb)
    return np.asarray(image if turn is None else image.transpose(turn))


def encoded(rgb, kind, orientation=1):
    """Return the bytes of a file of a kind; "PNG16", "TIFF16": 12 bits in 16."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    if kind == "PNG16":
        data = cv2.imencode(".png", (rgb.astype(np.uint16) << 4)[..., ::-1])[1].tobytes()
        body = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
        chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        return data[:33] + chunk + data[33:]
    if kind == "TIFF16":
        return with_orientation(
            cv2.imencode(".tiff", (rgb.astype(np.uint16) << 4)[..., ::-1])[1].tobytes(),
            orientation,
        )
    more = {"tiffinfo": {274: orientation}} if kind == "TIFF" else {"exif": exif.tobytes()}
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, kind, **more, **({} if kind == "PNG" else {"quality": 95}))
    return file.getvalue()


def with_orientation(tiff, orientation):
    """Return a little-endian TIFF with one more tag, in a directory at its end."""
    at = struct.unpack("<I", tiff[4:8])[0]
    count = struct.unpack("<H", tiff[at : at + 2])[0]
    entries = [tiff[at + 2 + 12 * i : at + 14 + 12 * i] for i in range(count)]
    tag = struct.pack("<HHIHH", 274, 3, 1, orientation, 0)
    entries = sorted([e for e in entries if e[:2] != tag[:2]] + [tag], key=lambda e: e[1::-1])
    tiff += b"\0" * (len(tiff) % 2)
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return tiff[:4] + struct.pack("<I", len(tiff)) + tiff[8:] + directory


def alike(a, b):
    return a.shape == b.shape and np.abs(a.astype(int) - b).mean() < 8


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "PNG16", "TIFF16"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_or_as_the_sensor_gave_it(upright, kind, orientation):
    sensor = of_the_sensor(upright, orientation)
    data = encoded(sensor, kind, orientation)
    for wanted, expected in ((True, upright), (False, sensor)):
        found = decode(data, f"x.{kind}", wanted)
        assert alike(found.rgb, expected), (kind, orientation, wanted)
        assert found.rgb.flags.c_contiguous and found.rgb.dtype == np.uint8
        assert found.size == expected.shape[1::-1]


def test_heic_of_a_phone_held_upright(upright):
    """The file was made by pillow-heif: 48 x 64 px as the sensor lies, to be turned clockwise."""
    found = read_picture(HEIC, upright=True)
    assert alike(found.rgb, upright)
    assert (found.exif.make, found.exif.f35_mm) == ("Apple", 26.0)
    assert alike(read_picture(HEIC, upright=False).rgb, of_the_sensor(upright, 6))


def test_heic_without_a_decoder_names_the_remedy(monkeypatch):
    real = __import__

    def without(name, *more):
        if "heif" in name:
            raise ImportError(name)
        return real(name, *more)

    monkeypatch.setattr("builtins.__import__", without)
    with pytest.raises(StatusError) as refusal:
        read_picture(HEIC, upright=True)
    assert "pip install pi-heif" in refusal.value.text


@pytest.mark.parametrize(("bits", "full"), [(8, 255), (10, 1023), (12, 4095), (16, 65535)])
@pytest.mark.parametrize("channels", [1, 3])
def test_deep_samples_are_stretched_by_the_bits_that_are_in_them(bits, full, channels):
    grey = np.tile(np.linspace(0, full, 64).round().astype(np.uint16), (48, 1))
    pixels = grey if channels == 1 else np.repeat(grey[..., None], 3, axis=2)
    for ending in (".png", ".tiff"):
        found = decode(cv2.imencode(ending, pixels)[1].tobytes(), f"x{ending}", True)
        expected = np.rint(grey * (255 / full))
        assert np.abs(found.rgb.astype(int) - expected[..., None]).max() <= 1


def test_other_kinds_of_samples(upright):
    palette, grey = io.BytesIO(), io.BytesIO()
    Image.fromarray(upright).quantize(8).save(palette, "PNG")
    assert alike(decode(palette.getvalue(), "x", True).rgb, upright)
    Image.fromarray(upright[..., 0]).save(grey, "PNG")
    found = decode(grey.getvalue(), "x", True).rgb
    assert (found == upright[..., :1]).all()
    cmyk = io.BytesIO()
    Image.fromarray(upright).convert("CMYK").save(cmyk, "JPEG", quality=95)
    assert alike(decode(cmyk.getvalue(), "x", True).rgb, upright)


def test_above_the_limit_a_picture_is_scaled_down_and_its_camera_with_it(upright):
    found = decode(encoded(upright, "PNG"), "x", True, max_pixels=768)
    assert found.rgb.shape == (24, 32, 3) and found.size == (64, 48)
    assert found.scale == (0.5, 0.5)
    assert tuple(found.rgb[0, 0]) == RED and tuple(found.rgb[-1, -1]) == YELLOW
    assert "64 x 48 px are scaled down to 32 x 24" in found.remarks[0]
    camera = found.camera(PinholeCamera(50.0, 50.0, 31.5, 23.5, 64, 48))
    assert camera == PinholeCamera(25.0, 25.0, 15.5, 11.5, 32, 24)
    whole = decode(encoded(upright, "PNG"), "x", True)
    assert whole.remarks == () and whole.scale == (1.0, 1.0)


def noisy(level, spread):
    rng = np.random.default_rng(0)
    return rng.integers(level, level + spread + 1, (48, 64, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("rgb", "said"),
    [
        (noisy(0, 0), "black"),
        (noisy(0, 9), "black"),
        (noisy(255, 0), "blank"),
        (noisy(128, 3), "blank"),
        (np.full((48, 64, 3), (10, 200, 90), np.uint8), "blank"),
    ],
)
def test_a_picture_that_shows_nothing_is_refused(rgb, said):
    with pytest.raises(StatusError) as refusal:
        decode(encoded(rgb, "PNG"), "x", True)
    assert refusal.value.code == Code.BAD_IMAGE and said in refusal.value.text


def test_a_dark_or_even_scene_is_not_blank(upright):
    for rgb in (upright // 8, noisy(100, 12), np.where(upright > 100, 140, 120).astype(np.uint8)):
        assert decode(encoded(rgb, "PNG"), "x", True).rgb.shape == (48, 64, 3)
    # Red beside blue of one brightness is a scene.
    halves = np.zeros((48, 64, 3), np.uint8)
    halves[:, :32, 0] = halves[:, 32:, 2] = 200
    assert decode(encoded(halves, "PNG"), "x", True).rgb.shape == (48, 64, 3)


JPEG_XL = b"\xff\x0a" + bytes(40)
REFUSED = [
    ("x.dng", b"II*\0" + bytes(100), "raw file"),
    ("x.mp4", bytes(4) + b"ftypisom" + bytes(100), "is a video"),
    ("x.jxl", JPEG_XL, "JPEG XL"),
    ("x.jpg", b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
    ("x.jpg", b"<!DOCTYPE html><html>", "web page"),
    ("x.jpg", b"hello", "no picture that can be read"),
    ("x.png", b"\x89PNG\r\n\x1a\n" + bytes(30), "damaged"),
]


@pytest.mark.parametrize(("name", "data", "said"), REFUSED)
def test_other_files_are_refused_by_name(tmp_path, name, data, said):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(StatusError) as refusal:
        read_picture(tmp_path / name, upright=True)
    assert refusal.value.code == Code.BAD_IMAGE and said in refusal.value.text


def test_paths_that_are_no_picture(tmp_path):
    (tmp_path / "empty.jpg").touch()
    for path, said in (
        (tmp_path / "none.jpg", "No such file"),
        (tmp_path, "is a folder"),
        ("/dev/zero", "no regular file"),
        (tmp_path / "empty.jpg", "not copied whole"),
    ):
        with pytest.raises(StatusError) as refusal:
            read_picture(path, upright=True)
        assert said in refusal.value.text


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_what_ends_early_is_refused(upright, kind):
    rgb = np.random.default_rng(1).integers(0, 256, (200, 300, 3)).astype(np.uint8)
    data = encoded(rgb, kind)
    with pytest.raises(StatusError) as refusal:
        decode(data[: len(data) // 2], "x", True)
    assert refusal.value.code == Code.BAD_IMAGE


def test_a_thumbnail_is_not_taken_for_the_raw_picture_behind_it(upright):
    file = io.BytesIO()
    Image.fromarray(upright).save(file, "TIFF", tiffinfo={254: 1})
    with pytest.raises(StatusError) as refusal:
        decode(file.getvalue(), "x.tif", True)
    assert "raw file" in refusal.value.text


def test_depths_and_panoramas_are_no_photographs(upright):
    depth = cv2.imencode(".tiff", np.ones((48, 64), np.float32))[1].tobytes()
    with pytest.raises(StatusError) as refusal:
        decode(depth, "x", True)
    assert "floating point" in refusal.value.text
    jpeg = encoded(upright, "JPEG")
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x GPano:ProjectionType='equirectangular'/>"
    segment = b"\xff\xe1" + struct.pack(">H", len(xmp) + 2) + xmp
    with pytest.raises(StatusError) as refusal:
        decode(jpeg[:2] + segment + jpeg[2:], "x", True)
    assert "panorama" in refusal.value.text


def test_what_exif_calls_a_panorama_is_none(upright):
    exif, file = Image.Exif(), io.BytesIO()
    exif.get_ifd(0x8769)[0xA401] = 6  # CustomRendered, as Apple writes it
    Image.fromarray(upright).save(file, "JPEG", exif=exif.tobytes())
    with pytest.raises(StatusError, match="panorama"):
        decode(file.getvalue(), "x", True)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (15, 200)])
def test_a_picture_of_a_few_pixels_is_no_photograph(width, height):
    file = io.BytesIO()
    Image.new("RGB", (width, height), RED).save(file, "PNG")
    with pytest.raises(StatusError, match="must be 16 x 16 at least"):
        decode(file.getvalue(), "x", True)


@pytest.mark.parametrize("ending", [".ppm", ".jp2"])
def test_deep_colours_of_other_formats(upright, ending):
    shift = 4 if ending == ".ppm" else 8  # 12 bits in 16; all 16
    full = upright.astype(np.uint16) << shift
    found = decode(cv2.imencode(ending, full[..., ::-1])[1].tobytes(), "x", True)
    assert np.abs(found.rgb.astype(int) - upright).max() <= 6  # JPEG 2000 loses a little


@pytest.mark.parametrize(
    ("unit", "per_mm"), [(2, 25.4), (3, 10.0), (4, 1.0), (5, 0.001), (1, None), (9, None)]
)
def test_the_sensors_pixels_by_every_unit(upright, unit, per_mm):
    exif, file = Image.Exif(), io.BytesIO()
    tags = exif.get_ifd(0x8769)
    tags.update({0xA20E: 160.0 * (per_mm or 1.0), 0xA210: unit, 0xA002: 640, 0xA003: 480})
    Image.fromarray(upright).save(file, "JPEG", exif=exif.tobytes())
    found = decode(file.getvalue(), "x", True).exif
    assert found.plane_px_per_mm == pytest.approx(160.0 if per_mm else 0.0, rel=1e-3)


def test_the_first_of_several_is_taken_and_said(upright):
    file = io.BytesIO()
    frames = [Image.fromarray(upright), Image.fromarray(upright[::-1].copy())]
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    found = decode(file.getvalue(), "x", True)
    assert alike(found.rgb, upright) and "first of its 2" in found.remarks[0]


def test_too_many_pixels_are_refused_before_they_are_decoded():
    body = b"IHDR" + struct.pack(">IIBBBBB", 40000, 40000, 8, 2, 0, 0, 0)
    head = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    data = b"\x89PNG\r\n\x1a\n" + head + struct.pack(">I", 4) + b"IDAT" + bytes(8)
    with pytest.raises(StatusError) as refusal:
        decode(data, "x", True)
    assert "1600000000 px: at most 220000000" in refusal.value.text
    assert "scale it down, and fx with it" in refusal.value.text and "damaged" not in str(refusal)


@pytest.mark.parametrize(
    ("grey", "remedy"), [(0, "lens cap"), (255, "expose it less"), (90, "uncover the lens")]
)
def test_the_advice_about_a_blank_picture_fits_its_grey(grey, remedy):
    file = io.BytesIO()
    Image.new("L", (64, 48), grey).save(file, "PNG")
    with pytest.raises(StatusError, match=remedy):
        decode(file.getvalue(), "x", True)


def test_exif_of_every_kind_of_damage_counts_as_unsaid(upright):
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Cam\x00\x07era\x00", 9
    exif.get_ifd(0x8769).update({0xA405: 0, 0xA404: 0.0, 0xA002: 64, 0xA003: 48})
    Image.fromarray(upright).save(file, "JPEG", exif=exif.tobytes())
    found = decode(file.getvalue(), "x", True).exif
    assert (found.f35_mm, found.digital_zoom, found.focal_mm) == (0.0, 1.0, 0.0)
    assert found.make.startswith("Cam") and found.make.isprintable()
    assert (found.width, found.height) == (64, 48)
    assert exif_tags._number("1/0") == exif_tags._number(float("nan")) == 0.0
