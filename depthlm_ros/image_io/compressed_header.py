"""What JPEG and PNG bytes will cost, read from their headers before anything is decoded.

A message of a few kilobytes can ask for seconds and hundreds of megabytes: many pixels of one
colour, hundreds of progressive scans, compressed text beside the picture. So size, scans and
decoded bytes are bounded by the length of the data, and a PNG goes on without what is no picture.
"""

import re
import struct
import zlib
from dataclasses import dataclass

from depthlm_ros.status import Code, StatusError

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"
FREE_PIXELS = 9_000_000
"""Pixels (4K has 8.3 million) that data of any length may have ..."""
PIXELS_A_BYTE = 9
"""... and that each byte of longer data may bring: no camera compresses further."""
MAX_SCANS = 64
MAX_SCANNED_PIXELS = 100_000_000
"""Pixels times scans of a progressive JPEG: about 1 ms a million. Encoders make 6 to 12 scans."""
MAX_SEGMENTS = 4096
CUT = "it was not sent or copied whole"
_FRAMES = {0xC0: "baseline", 0xC1: "extended", 0xC2: "progressive"}
_NO_FRAMES = (0xC4, 0xC8, 0xCC)  # Huffman tables, reserved, conditioning: not start of frame
_FILL = re.compile(b"\xff*")
_MARKER = re.compile(b"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)  # neither stuffing nor restart
_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # of a PNG's colour type; a palette is looked up


@dataclass(frozen=True)
class Header:
    """Size [px], bytes when decoded, scans, and the data that is to be decoded."""

    kind: str
    width: int
    height: int
    decoded_bytes: int
    scans: int
    data: bytes | memoryview


def read_header(data, label: str = "compressed image") -> Header:
    """Return the header of complete JPEG or PNG bytes.

    StatusError(BAD_IMAGE) for anything else.
    """
    data = memoryview(data).cast("B")
    head = bytes(data[:8])
    if head == PNG:
        return _png(data, label)
    if head[:3] == JPEG:
        return _jpeg(data, label)
    raise StatusError(
        Code.BAD_IMAGE,
        f"{label}: {len(data)} bytes that begin with {head[:4].hex() or 'nothing'}: must be JPEG "
        "or PNG (compressedDepth is not a picture)",
    )


def check_cost(header: Header, label: str) -> None:
    """Refuse what costs far more to decode than its data are worth."""
    pixels, length = header.width * header.height, len(header.data)
    most = max(FREE_PIXELS, PIXELS_A_BYTE * length)
    if pixels > most:
        raise StatusError(
            Code.BAD_IMAGE,
            f"{label}: {pixels} px in {length} bytes: at most {most} px; no camera compresses so "
            "far, check the encoder",
        )
    if header.decoded_bytes > 4 * most:
        raise StatusError(
            Code.BAD_IMAGE,
            f"{label}: {header.decoded_bytes} bytes when decoded, of {length}: at most "
            f"{4 * most}; publish 8 bits a sample, without transparency",
        )
    if header.scans > MAX_SCANS or header.scans * pixels > MAX_SCANNED_PIXELS:
        raise StatusError(
            Code.BAD_IMAGE,
            f"{label}: a progressive JPEG of {header.scans} scans: at most {MAX_SCANS}, and "
            f"{MAX_SCANNED_PIXELS} px in all scans; publish baseline JPEG",
        )


# -- PNG --------------------------------------------------------------------------------------


def _png(data: memoryview, label: str) -> Header:
    """Walk the chunks from IHDR to IEND; each must match its checksum.

    OpenCV hands out what it could read of a damaged PNG, the rest black.
    """
    shape, kept, at, dropped, count = None, [(0, len(PNG))], len(PNG), False, 0
    while at + 12 <= len(data):
        count += 1
        length = int.from_bytes(data[at : at + 4], "big")
        name, end = bytes(data[at + 4 : at + 8]), at + 12 + length
        if end > len(data) or (shape is None and (name != b"IHDR" or length != 13)):
            break
        if count > MAX_SEGMENTS + len(data) // 512:
            raise StatusError(
                Code.BAD_IMAGE, f"{label}: a PNG of over {count} chunks: save it anew"
            )
        if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise StatusError(
                Code.BAD_IMAGE, f"{label}: a PNG whose {name!r} chunk is damaged: {CUT}"
            )
        if name == b"IHDR":
            shape = struct.unpack(">IIBBBBB", data[at + 8 : at + 21])
        if name in _KEPT:
            kept.append((at, end))
        else:
            dropped = True
        if name == b"IEND":
            clean = b"".join(data[a:b] for a, b in kept) if dropped else data
            return _png_header(shape, clean, label)
        at = end
    raise StatusError(
        Code.BAD_IMAGE, f"{label}: a PNG of {len(data)} bytes that ends early: {CUT}"
    )


def _png_header(shape: tuple, data, label: str) -> Header:
    width, height, depth, colour, _, _, interlaced = shape
    if colour not in _CHANNELS or depth not in (1, 2, 4, 8, 16):
        raise StatusError(
            Code.BAD_IMAGE,
            f"{label}: a PNG of colour type {colour}, {depth} bit, which PNG has not: check "
            "the encoder",
        )
    samples = max(1, depth // 8) * _CHANNELS[colour] * (2 if interlaced else 1)
    return Header("png", width, height, width * height * samples, 1, data)


# -- JPEG -------------------------------------------------------------------------------------


def _jpeg(data: memoryview, label: str) -> Header:
    """Walk the segments to the end of image, counting scans; entropy-coded data are skipped."""
    size, scans, at, kind = None, 0, 2, "baseline"
    for _ in range(MAX_SEGMENTS):
        if at + 2 > len(data) or data[at] != 0xFF:
            break
        at = _FILL.match(data, at).end() - 1  # fill bytes, at memory speed
        marker = data[at + 1] if at + 1 < len(data) else 0
        if marker == 0xD9 and scans:
            return _jpeg_header(size, scans, kind, data)
        if at + 4 > len(data):
            break
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES and at + 10 <= len(data):
            kind = _FRAMES.get(marker, "")
            if not kind or size is not None:
                raise StatusError(
                    Code.BAD_IMAGE,
                    f"{label}: a JPEG that is lossless, arithmetic or of frames: encode it as "
                    "baseline or progressive",
                )
            size = struct.unpack(">HH", data[at + 5 : at + 9])[::-1]
        at += 2 + length
        if marker == 0xDA:
            scans += 1
            found = _MARKER.search(data, at) if size is not None else None
            if found is None:
                break
            if scans > MAX_SCANS:
                return _jpeg_header(size, scans, kind, data)
            at = found.start()
    raise StatusError(
        Code.BAD_IMAGE, f"{label}: a JPEG of {len(data)} bytes that ends early: {CUT}"
    )


def _jpeg_header(size: tuple, scans: int, kind: str, data) -> Header:
    counted = scans if kind == "progressive" else 1
    return Header("jpeg", *size, size[0] * size[1] * 3, counted, data)
