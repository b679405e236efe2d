"""CompressedImage: JPEG and PNG written here, broken in every way; sizes without decoding."""

import struct
import time
import zlib
from array import array

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import CompressedImage

from depthlm_ros.image_io.compressed import decode_compressed, size_of
from depthlm_ros.status import Code, StatusError


def message(data, declared="jpeg"):
    """Return a CompressedImage of these bytes."""
    result = CompressedImage(format=declared)
    result.data = array("B", bytes(data))
    return result


def picture(height=48, width=64):
    """Return a smooth rgb picture, red to the right and green downwards."""
    u, v = np.meshgrid(np.linspace(0, 200, width), np.linspace(0, 200, height))
    return np.stack([u, v, np.full_like(u, 60)], axis=-1).round().astype(np.uint8)


def jpeg(rgb, quality=95):
    """Encode rgb as OpenCV writes it to a file."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    return cv2.imencode(".jpg", rgb[..., ::-1], options)[1].tobytes()


def png(rows, depth, kind):
    """Write a PNG by hand: ``rows`` of bytes, bit depth, colour type (0 grey, 2 rgb, 6 rgba)."""

    def chunk(name, content):
        crc = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)

    samples = {0: 1, 2: 3, 6: 4}[kind]
    width = len(rows[0]) * 8 // (depth * samples)
    header = struct.pack(">IIBBBBB", width, len(rows), depth, kind, 0, 0, 0)
    content = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", content), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_jpeg():
    rgb = decode_compressed(message(jpeg(picture()), "rgb8; jpeg compressed bgr8"))
    assert rgb.dtype == np.uint8 and rgb.shape == (48, 64, 3) and rgb.flags.c_contiguous
    np.testing.assert_allclose(rgb.astype(int), picture(), atol=6)


def test_grey_jpeg():
    grey = picture()[..., 0]
    data = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    rgb = decode_compressed(message(data, "mono8; jpeg compressed "))
    np.testing.assert_allclose(rgb.astype(int), np.repeat(grey[..., None], 3, 2), atol=6)


def test_progressive_jpeg_and_padding_before_a_marker():
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    data = cv2.imencode(".jpg", picture()[..., ::-1], options)[1].tobytes()
    assert size_of(data) == (64, 48)
    padded = data[:2] + b"\xff\xff" + data[2:]
    assert size_of(padded) == (64, 48)
    np.testing.assert_allclose(decode_compressed(message(data)).astype(int), picture(), atol=6)


def test_jpeg_rotation_is_not_applied():
    # An EXIF segment with orientation 6 (turn by 90 degrees), written by hand.
    tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    exif = b"Exif\0\0" + tiff
    data = jpeg(picture())
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]
    np.testing.assert_allclose(decode_compressed(message(data)).astype(int), picture(), atol=6)


@pytest.mark.parametrize(
    ("depth", "kind", "rows", "expected"),
    [
        (8, 2, [(1, 2, 3, 4, 5, 6)], [[[1, 2, 3], [4, 5, 6]]]),
        (8, 6, [(1, 2, 3, 255, 4, 5, 6, 0)], [[[1, 2, 3], [4, 5, 6]]]),
        (8, 0, [(9, 8), (7, 6)], [[[9] * 3, [8] * 3], [[7] * 3, [6] * 3]]),
        (16, 0, [(9, 9, 255, 255)], [[[9] * 3, [255] * 3]]),  # 257 * 9 is 0x0909
        (16, 2, [(1, 1, 2, 2, 255, 255)], [[[1, 2, 255]]]),
        (16, 0, [(4, 0, 15, 255)], [[[64] * 3, [255] * 3]]),  # 1024 and 4095: 12 bits in 16
    ],
)
def test_png(depth, kind, rows, expected):
    assert decode_compressed(message(png(rows, depth, kind), "png")).tolist() == expected


def test_a_compressed_mosaic_is_known_by_its_format():
    mosaic = np.zeros((8, 8), np.uint8)
    mosaic[::2, ::2] = 200  # only the red pixels of rggb
    data = png(list(mosaic.tolist()), 8, 0)
    rgb = decode_compressed(message(data, "bayer_rggb8; png compressed "))
    assert rgb[3, 3].tolist() == [200, 0, 0]
    assert decode_compressed(message(data, "mono8; png compressed "))[3, 3].tolist() == [0, 0, 0]


def bomb(width, height):
    """Return a small PNG whose header promises a huge picture."""
    data = bytearray(png([(0,) * 4] * 4, 8, 0))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    return bytes(data)


def resized_jpeg(width, height):
    """Return a JPEG whose start of frame promises another size."""
    data = jpeg(picture())
    at = data.index(b"\xff\xc0")
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


WHOLE_JPEG, WHOLE_PNG = jpeg(picture()), png([(1, 2, 3)] * 4, 8, 2)


@pytest.mark.parametrize(
    ("data", "declared", "said"),
    [
        (b"", "jpeg", "0 bytes that begin with nothing"),
        (b"\xff\xd8\xff", "jpeg", "ends early"),
        (b"GIF89a" + bytes(60), "gif", "must be JPEG or PNG"),
        (bytes(12) + WHOLE_PNG, "16UC1; compressedDepth png", "compressedDepth"),
        (WHOLE_JPEG[:-2], "jpeg", "ends early"),
        (WHOLE_JPEG[: len(WHOLE_JPEG) // 2], "jpeg", "ends early"),
        (WHOLE_JPEG[:200], "jpeg", "ends early"),
        (WHOLE_PNG[:-12], "png", "ends early"),
        (WHOLE_PNG[:30], "png", "ends early"),
        (WHOLE_PNG[:8] + WHOLE_PNG[33:], "png", "ends early"),
        (WHOLE_PNG[:45] + b"\0" + WHOLE_PNG[46:], "png", "b'IDAT' chunk is damaged"),
        (bomb(60_000, 60_000), "png", "60000 x 60000 px: at most"),
        (bomb(0, 4), "png", "at least 1 px"),
        (bomb(2**31, 2**31), "png", "at most"),
        (resized_jpeg(65_000, 65_000), "jpeg", "65000 x 65000 px: at most"),
        (resized_jpeg(0, 48), "jpeg", "at least 1 px"),
        (b"", "\ud800", "\\ud800"),
    ],
)
def test_what_is_broken_is_refused_and_the_format_named(data, declared, said):
    broken = message(data)
    broken._format = declared  # as a hostile peer sends it: not every text passes the setter
    with pytest.raises(StatusError) as refusal:
        decode_compressed(broken)
    assert refusal.value.code == Code.BAD_IMAGE
    assert said in refusal.value.text and "format" in refusal.value.text
    refusal.value.text.encode("utf-8")


def test_the_pixel_limit_can_be_lowered():
    with pytest.raises(StatusError, match="64 x 48 px: at most"):
        decode_compressed(message(WHOLE_JPEG), max_pixels=64 * 48 - 1)


def test_the_thumbnails_end_is_not_the_pictures_end():
    thumbnail = jpeg(picture(8, 8))
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    whole = WHOLE_JPEG[:2] + segment + WHOLE_JPEG[2:]
    assert size_of(whole) == (64, 48)
    with pytest.raises(StatusError, match="ends early"):
        size_of(whole[:-2])


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from([WHOLE_JPEG, WHOLE_PNG]),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=6),
    st.integers(0, 3000),
)
def test_any_damage_gives_a_picture_or_a_refusal(whole, damages, cut):
    data = bytearray(whole)
    for at, value in damages:
        data[at % len(data)] = value
    if cut < len(data):
        data = data[: len(data) - cut // 4]
    try:
        rgb = decode_compressed(message(data), max_pixels=1_000_000)
    except StatusError as refusal:
        assert refusal.code == Code.BAD_IMAGE
    else:
        assert rgb.dtype == np.uint8 and rgb.ndim == 3 and rgb.shape[2] == 3


@settings(deadline=None, max_examples=300)
@given(st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]), st.binary(max_size=300))
def test_any_bytes_give_a_picture_or_a_refusal(head, tail):
    with pytest.raises(StatusError):
        decode_compressed(message(head + tail), max_pixels=10_000)


# -- cheap before dear ------------------------------------------------------------------------


def refused(data, declared="png", **more):
    with pytest.raises(StatusError) as refusal:
        decode_compressed(message(data, declared), **more)
    return refusal.value


@pytest.mark.parametrize(
    "declared", ["16UC1; png compressed ", "32FC1; compressedDepth png", "32SC1; png", "8UC2; png"]
)
def test_what_declares_itself_no_picture_is_refused_as_raw_images_are(declared):
    refusal = refused(png([(9, 9, 255, 255)], 16, 0), declared)
    assert refusal.code == Code.BAD_IMAGE and "not a colour or grey picture" in refusal.text


def test_another_size_than_camera_infos_is_refused_before_decoding(monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", None)  # would fail
    refusal = refused(jpeg(picture()), "jpeg", expected=(640, 480))
    assert refusal.code == Code.BAD_CAMERA_INFO
    assert "64 x 48" in refusal.text and "640 x 480" in refusal.text


def grey_png(width, height, depth=8, kind=0):
    """Return a PNG of one colour: a few kilobytes, however large."""
    samples = {0: 1, 2: 3, 6: 4}[kind]
    return png([bytes(width * samples * depth // 8)] * height, depth, kind)


def many_scans(width, height, scans):
    """Return a progressive JPEG with its last scan repeated."""
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (width, height), (90, 90, 90)).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    start = data.rindex(b"\xff\xda")
    return data[:start] + data[start:-2] * scans + data[-2:]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (grey_png(6000, 6000), "check the encoder"),
        (grey_png(3000, 2900, 16, 6), "8 bits a sample"),
        (many_scans(640, 480, 100), "progressive"),
        (many_scans(3840, 2160, 30), "progressive"),
        (WHOLE_PNG[:33] + bytes(4) + b"tEXt" + struct.pack(">I", zlib.crc32(b"tEXt")) * 1, "ends"),
        (WHOLE_PNG[:33] + (bytes(4) + b"tEXt" + struct.pack(">I", zlib.crc32(b"tEXt"))) * 80_000,
         "chunks"),
        (b"\xff\xd8" + b"\xff\xe0\x00\x02" * 200_000, "ends early"),
        (b"\xff\xd8" + b"\xff" * 900_000, "ends early"),
    ],
)  # fmt: skip
def test_what_would_cost_too_much_is_refused_in_no_time(data, said):
    assert len(data) < 1_000_000
    begin = time.perf_counter()
    refusal = refused(data, "x")
    assert time.perf_counter() - begin < 0.15
    assert said in refusal.text


def test_text_beside_a_png_is_not_decompressed(monkeypatch):
    """A zTXt chunk may hold a thousand times its size: it is dropped before decoding."""
    text = b"zTXt" + b"a\0\0" + zlib.compress(bytes(5_000_000))
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    seen = []
    real = cv2.imdecode
    monkeypatch.setattr(cv2, "imdecode", lambda b, f: seen.append(b.size) or real(b, f))
    data = WHOLE_PNG[:33] + chunk * 20 + WHOLE_PNG[33:]
    rgb = decode_compressed(message(data, "png"))
    assert rgb.tolist() == [[[1, 2, 3]]] * 4
    assert seen == [len(WHOLE_PNG)]


def test_a_real_progressive_jpeg_of_4k_passes():
    rgb = decode_compressed(message(many_scans(3840, 2160, 1), "jpeg"))
    assert rgb.shape == (2160, 3840, 3)
