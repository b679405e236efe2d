"""Every encoding, from a known picture whose bytes are laid out here by hand."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depthlm_ros.image_io import encodings
from depthlm_ros.image_io.encodings import ENCODINGS, decode
from depthlm_ros.status import Code, StatusError

WIDTH, HEIGHT = 8, 6
COLOURS = {
    "red": (200, 30, 40),
    "green": (20, 180, 60),
    "blue": (10, 50, 220),
    "grey": (120, 120, 120),
}


def picture():
    """Return rows of (r, g, b): a quarter each of red, green, blue and grey."""
    rows = []
    for v in range(HEIGHT):
        left, right = ("red", "green") if v < HEIGHT // 2 else ("blue", "grey")
        rows.append([COLOURS[left if u < WIDTH // 2 else right] for u in range(WIDTH)])
    return rows


def bytes_of(encoding, row_of, padding=0, rows=None):
    """Join rows of bytes, each followed by padding, and return (data, step)."""
    rows = [bytes(row_of(row)) for row in (rows or picture())]
    return b"".join(row + b"\xee" * padding for row in rows), len(rows[0]) + padding


def grey(colour):
    """Return the luma of a colour, 0 to 255 (BT.601, as for PAL and NTSC pictures)."""
    r, g, b = colour
    return round(0.299 * r + 0.587 * g + 0.114 * b)


def yuv(colour):
    """Return 8-bit Y, U, V of a colour: BT.601, video range (Y 16 to 235, U, V around 128)."""
    r, g, b = (c / 255 for c in colour)
    y = 16 + 65.481 * r + 128.553 * g + 24.966 * b
    u = 128 - 37.797 * r - 74.203 * g + 112.0 * b
    v = 128 + 112.0 * r - 93.786 * g - 18.214 * b
    return round(y), round(u), round(v)


CHANNELS = {
    "rgb": lambda c: c,
    "bgr": lambda c: c[::-1],
    "rgba": lambda c: (*c, 7),
    "bgra": lambda c: (*c[::-1], 7),
    "mono": lambda c: (grey(c),),
}
EIGHT = {
    **{f"{name}8": pick for name, pick in CHANNELS.items()},
    "8UC1": CHANNELS["mono"],
    "8UC3": CHANNELS["bgr"],
    "8UC4": CHANNELS["bgra"],
}
SIXTEEN = {f"{name}16": pick for name, pick in CHANNELS.items()}


def expected(encoding):
    """Return the picture as rgb, without colour for the grey encodings."""
    rows = picture()
    if encoding in ("mono8", "mono16", "8UC1"):
        rows = [[(grey(c),) * 3 for c in row] for row in rows]
    return np.array(rows, np.uint8)


@pytest.mark.parametrize("padding", [0, 1, 5])
@pytest.mark.parametrize("encoding", EIGHT)
def test_eight_bit(encoding, padding):
    pick = EIGHT[encoding]
    data, step = bytes_of(encoding, lambda row: [b for c in row for b in pick(c)], padding)
    rgb = decode(encoding, WIDTH, HEIGHT, step, False, data)
    np.testing.assert_array_equal(rgb, expected(encoding))
    assert rgb.dtype == np.uint8 and rgb.flags.c_contiguous


@pytest.mark.parametrize("padding", [0, 1, 4])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("encoding", SIXTEEN)
def test_sixteen_bit(encoding, big, padding):
    order = ">" if big else "<"

    def row_of(row):  # 255 becomes 65535: full range
        samples = [257 * s for c in row for s in SIXTEEN[encoding](c)]
        return struct.pack(f"{order}{len(samples)}H", *samples)

    data, step = bytes_of(encoding, row_of, padding)
    rgb = decode(encoding, WIDTH, HEIGHT, step, big, data)
    # White is the largest value of the bits in use: with 255 in it, 65535.
    full = 2 ** (257 * int(expected(encoding).max())).bit_length() - 1
    stretched = np.rint(expected(encoding) * (257 * 255 / full))
    np.testing.assert_allclose(rgb, stretched, atol=1)


def test_twelve_bits_in_sixteen_are_not_nearly_black():
    samples = np.array([[0, 1024], [2048, 4095]], "<u2")
    rgb = decode("mono16", 2, 2, 4, False, samples.tobytes())
    assert rgb[..., 0].tolist() == [[0, 64], [128, 255]]


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize(
    ("encoding", "order"),
    [("uyvy", "UYVY"), ("yuv422", "UYVY"), ("yuyv", "YUYV"), ("yuv422_yuy2", "YUYV")],
)
def test_yuv422(encoding, order, padding):
    def row_of(row):
        packed = []
        for first, second in zip(row[::2], row[1::2], strict=True):
            (y0, u, v), (y1, _, _) = yuv(first), yuv(second)
            luma = iter((y0, y1))
            packed += [{"U": u, "V": v}.get(letter) or next(luma) for letter in order]
        return packed

    data, step = bytes_of(encoding, row_of, padding)
    rgb = decode(encoding, WIDTH, HEIGHT, step, False, data)
    np.testing.assert_allclose(rgb.astype(int), picture(), atol=3)


def test_video_range_by_hand():
    # Y = 235 is white, Y = 16 black, U = V = 128 no colour.
    rgb = decode("uyvy", 2, 1, 4, False, bytes([128, 235, 128, 16]))
    assert rgb.tolist() == [[[255, 255, 255], [0, 0, 0]]]


def planes(encoding, stride):
    """Return luma rows and chroma rows of a semi-planar encoding, each padded to its stride."""
    rows = picture()
    luma = [bytes(yuv(c)[0] for c in row).ljust(stride, b"\xee") for row in rows]
    if encoding == "nv24":
        chroma = [bytes(s for c in row for s in yuv(c)[1:]) for row in rows]
        return b"".join(luma) + b"".join(row.ljust(2 * stride, b"\xee") for row in chroma)
    turn = 1 if encoding == "nv12" else -1
    chroma = [bytes(s for c in row[::2] for s in yuv(c)[1:][::turn]) for row in rows[::2]]
    return b"".join(luma) + b"".join(row.ljust(stride, b"\xee") for row in chroma)


@pytest.mark.parametrize("padding", [0, 2, 5])
@pytest.mark.parametrize("encoding", ["nv12", "nv21", "nv24"])
def test_semi_planar(encoding, padding):
    stride = WIDTH + padding
    rgb = decode(encoding, WIDTH, HEIGHT, stride, False, planes(encoding, stride))
    # At 4:2:0 the chroma of row 3 (of 6 rows) belongs to rows 2 and 3: compare the others.
    rows = slice(None) if encoding == "nv24" else [0, 1, 4, 5]
    np.testing.assert_allclose(rgb[rows].astype(int), np.array(picture())[rows], atol=3)
    assert rgb.flags.c_contiguous


@pytest.mark.parametrize(("encoding", "step"), [("nv12", 12), ("nv21", 12), ("nv24", 24)])
def test_semi_planar_with_the_step_of_luma_and_chroma_together(encoding, step):
    data = planes(encoding, WIDTH)
    assert len(data) == step * HEIGHT
    rgb = decode(encoding, WIDTH, HEIGHT, step, False, data)
    np.testing.assert_array_equal(rgb, decode(encoding, WIDTH, HEIGHT, WIDTH, False, data))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("mosaic", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer(mosaic, big, bits):
    """Each quarter has its colour in its middle, where no neighbour has another."""
    size, samples = 12, []
    quarters = [["red", "green"], ["blue", "grey"]]
    for v in range(size):
        for u in range(size):
            colour = COLOURS[quarters[v >= size // 2][u >= size // 2]]
            letter = mosaic[2 * (v % 2) + u % 2]  # the name's letters are the first 2 x 2 pixels
            samples.append(colour["rgb".index(letter)])
    if bits == 8:
        data, step = bytes(samples), size
    else:
        data = struct.pack(f"{'>' if big else '<'}{size * size}H", *(257 * s for s in samples))
        step = 2 * size
    rgb = decode(f"bayer_{mosaic}{bits}", size, size, step, big, data)
    for v in (2, 3):
        assert rgb[v, 2].tolist() == list(COLOURS["red"])
        assert rgb[v, 9].tolist() == list(COLOURS["green"])
        assert rgb[v + 6, 3].tolist() == list(COLOURS["blue"])
        assert rgb[v + 6, 8].tolist() == list(COLOURS["grey"])


def test_every_name_of_the_message_package_that_is_a_picture_is_read():
    tested = {*EIGHT, *SIXTEEN, "uyvy", "yuv422", "yuyv", "yuv422_yuy2", "nv12", "nv21", "nv24"}
    tested |= {f"bayer_{m}{b}" for m in ("rggb", "bggr", "gbrg", "grbg") for b in (8, 16)}
    assert tested == set(ENCODINGS)


def test_rgb8_is_not_copied():
    data = bytearray(bytes(2 * 2 * 3))
    rgb = decode("rgb8", 2, 2, 6, False, data)
    data[0] = 99
    assert rgb[0, 0, 0] == 99


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rgb8", 0, 2, 0, False, b""), "at least 1 px"),
        (("rgb8", 2, 0, 6, False, b""), "at least 1 px"),
        (("rgb8", 2, 2, 5, False, bytes(10)), "step 5 is less than a row of 6"),
        (("rgb8", 2, 2, 0, False, b""), "step 0 is less"),
        (("rgb8", 2, 2, 6, False, bytes(11)), "11 bytes of data: must be 12"),
        (("rgb8", 2, 2, 6, False, bytes(13)), "13 bytes of data: must be 12"),
        (("rgb8", 2, 2, 6, False, b""), "0 bytes"),
        (("rgb8", 2**32 - 1, 2**32 - 1, 2**32 - 1, False, b""), "lower the camera's resolution"),
        (("rgb8", 16385, 1, 49155, False, b""), "16384 px a side"),
        (("rgb8", 16384, 16384, 49152, False, b""), "40000000 px in all"),
        (("rgb8", 2, 2, 2**32 - 1, False, bytes(12)), "8589934590"),
        (("mono16", 2, 2, 3, False, bytes(6)), "less than a row of 4"),
        (("yuv422", 3, 2, 6, False, bytes(12)), "even"),
        (("nv12", 3, 2, 3, False, bytes(9)), "even"),
        (("nv21", 2, 3, 2, False, bytes(9)), "even"),
        (("nv12", 4, 2, 2, False, bytes(6)), "step 2 is less"),
        (("nv12", 4, 2, 4, False, bytes(8)), "must be 12"),
        (("bayer_rggb8", 1, 4, 1, False, bytes(4)), "2 x 2"),
        (("32FC1", 2, 2, 8, False, bytes(16)), "not a colour or grey picture"),
        (("16UC1", 2, 2, 4, False, bytes(8)), "publish one of rgb8"),
        (("", 2, 2, 6, False, bytes(12)), "''"),
        (("RGB8", 2, 2, 6, False, bytes(12)), "'RGB8'"),
        (("x" * 5000, 2, 2, 6, False, bytes(12)), "'xxxx"),
        (("\ud800\0\n", 2, 2, 6, False, bytes(12)), "\\ud800"),
        (("rgb8", 2, 2, 6, False, [0] * 12), "not bytes"),
        (("rgb8", 2, 2, 6, False, None), "not bytes"),
    ],
)
def test_what_is_wrong_is_refused_and_the_encoding_named(arguments, said):
    with pytest.raises(StatusError) as refusal:
        decode(*arguments)
    assert refusal.value.code == Code.BAD_IMAGE
    text = refusal.value.text
    assert said in text and "encoding" in text and len(text) < 1000
    text.encode("utf-8")


def test_the_pixel_limit_can_be_lowered():
    assert decode("mono8", 4, 4, 4, False, bytes(16), max_pixels=16).shape == (4, 4, 3)
    with pytest.raises(StatusError, match="15 px in all"):
        decode("mono8", 4, 4, 4, False, bytes(16), max_pixels=15)


sides = st.one_of(st.integers(0, 40), st.sampled_from([2**31, 2**32 - 1, 16384]))


@settings(deadline=None, max_examples=400)
@given(
    st.one_of(st.sampled_from(ENCODINGS), st.text(max_size=30)),
    sides,
    sides,
    st.one_of(st.integers(0, 300), st.just(2**32 - 1)),
    st.booleans(),
    st.binary(max_size=4000),
)
def test_any_message_gives_a_picture_or_a_refusal(encoding, width, height, step, big, data):
    try:
        rgb = decode(encoding, width, height, step, big, data)
    except StatusError as refusal:
        assert refusal.code == Code.BAD_IMAGE
    else:
        assert rgb.shape == (height, width, 3) and rgb.dtype == np.uint8


@settings(deadline=None, max_examples=400)
@given(
    st.sampled_from(ENCODINGS),
    st.integers(1, 17),
    st.integers(1, 13),
    st.integers(0, 5),
    st.booleans(),
    st.data(),
)
def test_any_consistent_message_gives_a_picture(encoding, width, height, padding, big, data):
    """The refusals left are those of odd sizes."""
    if encoding in encodings._PACKED:
        size, channels, _ = encodings._PACKED[encoding]
        step = width * size * channels + padding
        length = step * height
        odd = channels == 2 and width % 2
        odd = odd or (encoding.startswith("bayer") and min(width, height) < 2)
    else:
        step = width + padding
        length = step * height * encodings._PLANAR[encoding][0] // 2
        odd = encoding != "nv24" and (width % 2 or height % 2)
    content = data.draw(st.binary(min_size=length, max_size=length))
    if odd:
        with pytest.raises(StatusError):
            decode(encoding, width, height, step, big, content)
    else:
        rgb = decode(encoding, width, height, step, big, content)
        assert rgb.shape == (height, width, 3) and rgb.flags.c_contiguous
