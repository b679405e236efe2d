"""``depthlm bench pictures``: what the worst compressed messages under 1 MB cost to decode.

Each message is made here to ask for as much as ``image_io/compressed_header`` lets through: many
pixels of one colour, 16 bits a sample, transparency, interlacing, many progressive scans, noise.
Each is decoded in a process of its own; told are CPU time and the memory that decoding added.
"""

import io
import multiprocessing
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np

from depthlm_ros.image_io.compressed import decode_compressed
from depthlm_ros.image_io.compressed_header import FREE_PIXELS, JPEG, PNG
from depthlm_ros.status import StatusError

MAX_BYTES = 1_000_000
MOST_S, MOST_MB = 0.3, 150.0
"""What no message under MAX_BYTES may cost."""
WIDTH, HEIGHT = 3999, FREE_PIXELS // 3999
_CHANNELS = {0: 1, 2: 3, 6: 4}
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
           (0, 1, 1, 2))  # fmt: skip
"""Adam7: first column and row, and steps, of each pass of an interlaced PNG."""


def worst_messages() -> Iterator[tuple[str, bytes]]:
    """Yield (what it is, bytes) of messages, all under MAX_BYTES."""
    yield "PNG, 8 bit grey", flat_png(WIDTH, HEIGHT, 8, 0)
    yield "PNG, 8 bit colour", flat_png(WIDTH, HEIGHT, 8, 2)
    yield "PNG, 8 bit with alpha", flat_png(WIDTH, HEIGHT, 8, 6)
    yield "PNG, 16 bit grey", flat_png(WIDTH, HEIGHT, 16, 0)
    yield "PNG, 16 bit colour", flat_png(WIDTH, FREE_PIXELS * 2 // 3 // WIDTH, 16, 2)
    yield "PNG, 16 bit with alpha", flat_png(WIDTH, FREE_PIXELS // 2 // WIDTH, 16, 6)
    yield "PNG, interlaced", flat_png(WIDTH, FREE_PIXELS * 2 // 3 // WIDTH, 8, 2, interlaced=True)
    for name, smooth in (("smooth", True), ("noisy", False)):
        pixels = _picture(WIDTH, HEIGHT, smooth)
        for progressive in (False, True):
            words = "progressive" if progressive else "baseline"
            yield f"JPEG, {words}, {name}", _jpeg(pixels, progressive)
    for width, height in ((WIDTH, HEIGHT), (1920, 1080), (640, 480)):
        yield f"JPEG, many scans, {width} x {height}", many_scans(_picture(width, height, True))
    yield "PNG, 10 times too large", flat_png(9000, 9000, 8, 0)


def _picture(width: int, height: int, smooth: bool) -> np.ndarray:
    """Return a picture, uint8 (height, width, 3), of soft blots, with or without noise."""
    rng = np.random.default_rng(0)
    blots = rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)
    pixels = cv2.resize(blots, (width, height), interpolation=cv2.INTER_CUBIC)
    if smooth:
        return pixels
    return cv2.add(pixels, rng.integers(0, 7, pixels.shape, dtype=np.uint8))


def _jpeg(pixels: np.ndarray, progressive: bool) -> bytes:
    """Return the best JPEG, without chroma subsampling, that stays under MAX_BYTES."""
    from PIL import Image

    for quality in range(75, 0, -10):
        file = io.BytesIO()
        Image.fromarray(pixels).save(
            file, "JPEG", quality=quality, progressive=progressive, subsampling=0
        )
        if file.tell() < MAX_BYTES:
            break
    return file.getvalue()


def many_scans(pixels: np.ndarray) -> bytes:
    """Return a progressive JPEG whose last scan comes as often as the bounds allow."""
    from depthlm_ros.image_io.compressed_header import MAX_SCANNED_PIXELS, MAX_SCANS

    data = _jpeg(pixels, True)
    start = data.rindex(b"\xff\xda")
    last = data[start:-2]
    have = data.count(b"\xff\xda")
    wanted = min(MAX_SCANS, MAX_SCANNED_PIXELS // (pixels.shape[0] * pixels.shape[1])) - have
    room = (MAX_BYTES - len(data)) // len(last) - 1
    return data[:-2] + last * max(0, min(wanted, room)) + data[-2:]


def flat_png(width: int, height: int, depth: int, kind: int, interlaced: bool = False) -> bytes:
    """Return a black PNG of a bit depth and colour type (0 grey, 2 colour, 6 with alpha)."""
    pixel = _CHANNELS[kind] * depth // 8
    passes = _PASSES if interlaced else ((0, 0, 1, 1),)
    squeeze, body = zlib.compressobj(9), []
    for left, top, across, down in passes:
        row = bytes(1 + -(-(width - left) // across) * pixel)
        body += [squeeze.compress(row) for _ in range(top, height, down)]
    body.append(squeeze.flush())
    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, int(interlaced))
    chunks = ((b"IHDR", head), (b"IDAT", b"".join(body)), (b"IEND", b""))
    return PNG + b"".join(map(_chunk, *zip(*chunks, strict=True)))


def _chunk(name: bytes, body: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(name + body))
    return struct.pack(">I", len(body)) + name + body + check


def cost_of(data: bytes) -> tuple[float, float, str]:
    """Return (CPU seconds, megabytes, outcome) of decoding, in a fresh process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (data,))


def _measure(data: bytes) -> tuple[float, float, str]:
    cv2.setNumThreads(1)
    decode_compressed(SimpleNamespace(data=flat_png(8, 8, 8, 2), format="png"))  # imports
    message = SimpleNamespace(data=data, format="jpeg" if data[:3] == JPEG else "png")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from now on
    before, outcome, seconds = _memory_mb("VmRSS"), "", float("inf")
    for _ in range(3):
        begin = time.process_time()
        try:
            height, width = decode_compressed(message).shape[:2]
            outcome = f"decoded, {width} x {height}"
        except StatusError as refusal:
            outcome = f"refused: {refusal.text.partition(': ')[2]}"
        seconds = min(seconds, time.process_time() - begin)
    return seconds, _memory_mb("VmHWM") - before, outcome


def _memory_mb(what: str) -> float:
    """Return VmRSS, the memory in use, or VmHWM, its peak, of this process on Linux [MB]."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(what))


def add_arguments(parser) -> None:
    """There are none."""


def run(options) -> int:
    """Print a row a message; return 1 where one costs more than the bounds, else 0."""
    worst = 0
    for name, data in worst_messages():
        seconds, megabytes, outcome = cost_of(data)
        over = seconds > MOST_S or megabytes > MOST_MB
        worst |= over
        print(
            f"{name:36s} {len(data) / 1e3:5.0f} kB {seconds:6.3f} s {megabytes:5.0f} MB  "
            f"{outcome[:60]}{'  TOO MUCH' if over else ''}"
        )
    print(f"bounds: {MOST_S:g} s, {MOST_MB:g} MB a message under {MAX_BYTES / 1e6:g} MB")
    return int(worst)
