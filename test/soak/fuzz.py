"""Broken messages to a running node; broken texts, pictures and calibrations to their readers.

Of a reader only its own refusal (StatusError) may come; whatever else comes is a fault.
"""

import contextlib
import io
import os
import random
import time
from pathlib import Path

import numpy as np
from bad_messages import maybe_broken_bytes, spoil
from figures import Tally, tools
from PIL import Image as Picture
from sensor_msgs.msg import CompressedImage

from depthlm_ros.image_io.calibration_yaml import read_calibration
from depthlm_ros.image_io.compressed import decode_compressed
from depthlm_ros.language.question import Able, read_any_question
from depthlm_ros.nodes.common.conversions import rgb_of
from depthlm_ros.status import Code, StatusError

PHRASINGS = Path(__file__).resolve().parent.parent / "language" / "phrasings.txt"
PER_BATCH, SLOW_S = 500, 0.3
JUNK = "0123456789.,-+eE/%()[]{}<>'\"\\\x00\x1b\ud800é中\u202e m km ft° and the to at in "


def messages(folder, count: int) -> str:
    """Send broken pictures and CameraInfos; after each batch a good one must be answered."""
    node = tools.NodeProcess(folder, "/fuzz", continuous=True, refuse_blank=False)
    robot = tools.Robot("/fuzz")
    node.wait_for_log("active:")
    robot.meet(node)
    tally, draw = Tally(), random.Random(6)
    while tally.sent < count and node.is_alive():
        for _ in range(PER_BATCH // 2):
            image, info = tools.make_image(), tools.make_info()
            image.header.stamp = info.header.stamp = robot.now()
            image.header.frame_id = "camera"
            for message in draw.sample([image, info], draw.choice([1, 1, 2])):
                spoil(message, draw)
            robot.images.publish(maybe_broken_bytes(image, draw))
            robot.infos.publish(maybe_broken_bytes(info, draw))
            tally.sent += 2
            time.sleep(0.0005)
        begin = time.monotonic()
        with robot.camera():
            while robot.query((31.5, 23.5)).status.code != Code.OK:
                if time.monotonic() - begin > 30.0:
                    tally.fault(f"no answer after {tally.sent} messages")
                    break
        tally.answered = tally.sent
    if not node.is_alive() or node.stop()[0]:
        tally.fault("the node has ended, or not with code 0")
    robot.close()
    if node.said("Traceback"):
        tally.fault("a traceback in the log")
    return _lines("broken messages", tally)


def questions(count: int) -> str:
    """Read questions that are changed at random; a number may only be one that is in the text."""
    lines = PHRASINGS.read_text().splitlines()
    known = [line.split("=>")[0].strip("@ ") for line in lines if "=>" in line]
    tally, draw = Tally(), random.Random(7)
    for _ in range(count):
        text = _mutated(draw.choice(known), draw, known)
        pixels = [(1.0, 2.0)] * draw.randrange(3)
        able = draw.choice((Able.POINTS, Able.POINTS | Able.THINGS))
        _try(tally, lambda t=text, p=pixels, a=able: read_any_question(t, p, able=a), repr(text))
    return _lines("changed questions", tally)


def pictures(count: int) -> str:
    """Decode compressed and raw pictures of which bytes are changed."""
    with silenced_decoders():
        return _pictures(count)


@contextlib.contextmanager
def silenced_decoders():
    """Send what libjpeg and others write to standard error to nowhere."""
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _pictures(count: int) -> str:
    tally, draw = Tally(), random.Random(8)
    grey = np.random.default_rng(9).integers(0, 255, (48, 64, 3), np.uint8)
    files = []
    for kind, options in (
        ("PNG", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("WEBP", {}),
        ("TIFF", {}),
        ("BMP", {}),
        ("GIF", {}),
    ):
        file = io.BytesIO()
        Picture.fromarray(grey).save(file, kind, **options)
        files.append((kind.lower(), file.getvalue()))
    for _ in range(count):
        if draw.random() < 0.3:
            image = tools.make_image(encoding=draw.choice(("rgb8", "mono16", "yuv422", "nv21")))
            spoil(image, draw)
            _try(tally, lambda m=image: rgb_of(m), f"{image.encoding[:30]!r}")
            continue
        kind, data = draw.choice(files)
        data = _changed(data, draw)
        message = CompressedImage(format=draw.choice((kind, f"rgb8; {kind} compressed", "")))
        message.data = data
        _try(tally, lambda m=message: decode_compressed(m), f"{kind}, {len(data)} bytes")
    return _lines("changed pictures", tally)


def calibrations(folder, count: int) -> str:
    """Read calibration files of which characters and lines are changed."""
    tally, draw, path = Tally(), random.Random(10), Path(folder) / "changed.yaml"
    for number in range(count):
        text = _CALIBRATIONS[number % len(_CALIBRATIONS)]
        path.write_text(_mutated(text, draw, _CALIBRATIONS), errors="replace")
        _try(tally, lambda: read_calibration(path), repr(path.read_text(errors="replace"))[:300])
    return _lines("changed calibrations", tally)


def _try(tally: Tally, call, what: str) -> None:
    """Count a call; other errors than a refusal, and slow calls, are faults."""
    tally.sent += 1
    begin = time.monotonic()
    try:
        call()
    except StatusError:
        pass
    except Exception as error:  # what this looks for
        tally.fault(f"{type(error).__name__}: {error} for {what}")
    tally.answered += 1
    if time.monotonic() - begin > SLOW_S:
        tally.late += 1
        tally.faults.append(f"{time.monotonic() - begin:.2f} s for {what}")


def _mutated(text: str, draw, others) -> str:
    """Cut, double, swap, insert, or join with another text, once to four times."""
    for _ in range(draw.randrange(1, 5)):
        at = draw.randrange(len(text) + 1)
        end = min(len(text), at + draw.randrange(1, 12))
        choice = draw.randrange(6)
        if choice == 0:
            text = text[:at] + text[end:]
        elif choice == 1:
            text = text[:end] + text[at:]
        elif choice == 2:
            text = text[:at] + "".join(draw.choices(JUNK, k=draw.randrange(1, 6))) + text[at:]
        elif choice == 3:
            text = text[:at] + draw.choice(others)[: draw.randrange(40)] + text[end:]
        elif choice == 4:
            text = text[:at] + text[at:end].swapcase() + text[end:]
        else:
            text = (
                text[:at] + str(draw.choice((0, 1e308, -1, 10 ** draw.randrange(30)))) + text[at:]
            )
    return text


def _changed(data: bytes, draw) -> bytes:
    """Return bytes of which some are changed, cut or doubled."""
    changed = bytearray(data)
    for _ in range(draw.randrange(1, 6)):
        changed[draw.randrange(min(len(changed), draw.choice((64, len(changed)))))] = (
            draw.randrange(256)
        )
    if draw.random() < 0.2:
        changed = changed[: draw.randrange(len(changed))]
    return bytes(changed)


def _lines(name: str, tally: Tally) -> str:
    return "\n".join([tally.row(name), *tally.faults[:20]])


_CALIBRATIONS = (
    "image_width: 640\nimage_height: 480\ncamera_name: a\ncamera_matrix:\n  rows: 3\n  cols: 3\n"
    "  data: [500, 0, 320, 0, 500, 240, 0, 0, 1]\ndistortion_model: plumb_bob\n"
    "distortion_coefficients:\n  rows: 1\n  cols: 5\n  data: [0.1, -0.2, 0, 0, 0]\n",
    "cam0:\n  camera_model: pinhole\n  distortion_model: equidistant\n"
    "  distortion_coeffs: [0.1, 0.0, 0.0, 0.0]\n  intrinsics: [500.0, 500.0, 320.0, 240.0]\n"
    "  resolution: [640, 480]\n",
    "%YAML:1.0\n---\ncamera_matrix: !!opencv-matrix\n   rows: 3\n   cols: 3\n   dt: d\n"
    "   data: [ 500., 0., 320., 0., 500., 240., 0., 0., 1. ]\nimage_width: 640\n"
    "image_height: 480\n",
    '{"width": 640, "height": 480, "intrinsic_matrix": [500, 0, 0, 0, 500, 0, 320, 240, 1]}',
    "height: 480\nwidth: 640\nK: [500, 0, 320, 0, 500, 240, 0, 0, 1]\nD: [0, 0, 0, 0, 0]\n"
    "distortion_model: plumb_bob\n---\n",
    "[image]\n\nwidth\n640\n\nheight\n480\n\n[narrow_stereo]\n\ncamera matrix\n500 0 320\n"
    "0 500 240\n0 0 1\n\ndistortion\n0 0 0 0 0\n\nrectification\n1 0 0\n0 1 0\n0 0 1\n\n"
    "projection\n500 0 320 0\n0 500 240 0\n0 0 1 0\n",
    "Camera.type: PinHole\nCamera.fx: 500\nCamera.fy: 500\nCamera.cx: 320\nCamera.cy: 240\n"
    "Camera.width: 640\nCamera.height: 480\nCamera.k1: 0.1\nCamera.k2: 0\nCamera.p1: 0\n"
    "Camera.p2: 0\n",
)
