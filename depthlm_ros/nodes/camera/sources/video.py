"""Webcams (V4L2), video files and network streams as sources, read by OpenCV.

A live one (webcam, stream) gives its newest picture, stamped when it was taken, and is opened
again when it breaks off; a video file plays at its own pace.
"""

import itertools
import re
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np

from depthlm_ros.image_io import focal_length
from depthlm_ros.nodes.camera.sources import calibration
from depthlm_ros.nodes.camera.sources.image_messages import FRAME_ID, Outgoing
from depthlm_ros.nodes.camera.sources.source import FIRST_NS, SECOND_NS, CameraSample
from depthlm_ros.nodes.common import conversions
from depthlm_ros.status import Code, StatusError

ENDINGS = (
    ".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mjpeg", ".mjpg", ".ts", ".mts", ".m2ts",
    ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ogv", ".gif", ".h264", ".h265", ".hevc",
)  # fmt: skip
TYPICAL_RATE_HZ = 25.0
SCHEMES = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp")
DEVICE = re.compile(r"(/dev/video\d+|/dev/v4l/\S+|webcam(:\d+)?)")
TIMEOUT_MS = 5000
BACK_OFF_S = (1.0, 2.0, 4.0, 8.0)
SAYS_AGAIN_S = 60.0
"""A stream that keeps breaking off, or stays away, is told of once in so long."""
CLOSE_S = 0.2
"""How long closing waits for a read to end: OpenCV's captures are for one thread at a time."""
_SECRETS = re.compile(r"(?i)((?:pass(?:word|wd)?|pwd|token|key|secret|auth)=)[^&;/#\s]+")
WEBCAM_VIEW_DEG = 65.0
"""Horizontal field of view of most laptops' and USB cameras (55 to 78 degrees)."""


def is_live(source: str) -> bool:
    """Tell whether a source names a webcam or a stream."""
    return bool(DEVICE.fullmatch(source)) or urlsplit(source).scheme in SCHEMES


def is_video(path: Path) -> bool:
    """Tell whether a file is a video by its name."""
    return path.suffix.lower() in ENDINGS


def shown(source: str) -> str:
    """Return a source without the user, password and token that a stream's address may hold."""
    scheme, separator, rest = source.partition("://")
    if not separator:
        return source
    host = re.split("[/?#]", rest, maxsplit=1)[0]
    rest = rest.removeprefix(host[: host.rfind("@") + 1])
    return _SECRETS.sub(r"\1***", f"{scheme}://{rest}")


class Video:
    """Plays a webcam, a stream or a video file; see ``Source``.

    ``is_live``: its pictures are of now; only the newest counts.
    """

    default_rate_hz = 0.0

    def __init__(self, source: str, values, warn, open_capture=None):
        """``warn(sentence)`` logs. StatusError when it cannot be opened or has no intrinsics.

        A network stream that is away is waited for by ``samples`` (``values.wait_for_stream``).
        """
        self._source, self._values, self._warn = source, values, warn
        self._open_capture = open_capture or _opened
        self.is_live = is_live(source)
        self._outgoing, self._given = Outgoing(values), calibration.GivenCamera(values)
        self._using, self._told_s = threading.Lock(), -SAYS_AGAIN_S
        self._infos, self._stopping = {}, threading.Event()
        self._check_intrinsics()
        may_wait = self.is_live and not DEVICE.fullmatch(source) and values.wait_for_stream
        self._capture = None
        try:
            self._capture = self._opened()
            self._first = self._read()
            if self._first is None:
                raise StatusError(Code.NO_FRAME, f"source {shown(source)}: {self._nothing()}")
        except StatusError:
            if not may_wait:
                raise
            self._first, self.title = None, f"{shown(source)}, as soon as it is there"
            self._tell(f"is away: {self._why_not()}. It is tried again until it is there")
            return
        height, width = self._first.shape[:2]
        self._info(width, height)  # refuses what does not fit its calibration
        self.title = f"{shown(source)}, {width} x {height} px"

    def samples(self):
        """Play to the end of a file, or a live source for ever."""
        number, due_s = 0, 0.0
        for rgb, taken_ns, time_ns in self._pictures():
            if self.is_live and self._values.rate_hz:
                now_s = time.monotonic()
                if now_s < due_s:
                    continue
                due_s = max(now_s, due_s + 1 / self._values.rate_hz)
            yield self._sample(rgb, taken_ns, time_ns)
            number += 1
            if number == self._values.count:
                return

    def close(self) -> None:
        """Let go of the device, from any thread; one that is stuck in a read is left to it."""
        self._stopping.set()
        if self._using.acquire(timeout=CLOSE_S):
            self._release()
            self._using.release()

    def _release(self) -> None:
        if self._capture is not None:
            self._capture.release()

    # -- reading ------------------------------------------------------------------------------

    def _pictures(self):
        """Give (rgb, time of day when it was taken [ns], time in the source [ns])."""
        begin_s, self._first = time.monotonic(), None
        if not self.is_live:
            self._reopen()
        last_ns = 0
        while not self._stopping.is_set():
            rgb, taken_ns = self._read(), time.time_ns()
            if rgb is None:
                if not self.is_live or self._stopping.is_set():
                    return
                self._open_again()
                continue
            if self.is_live:
                time_ns = FIRST_NS + int((time.monotonic() - begin_s) * SECOND_NS)
            else:
                time_ns = self._time_in_file(last_ns)
            last_ns = max(last_ns, time_ns)
            yield rgb, taken_ns, last_ns

    def _time_in_file(self, last_ns: int) -> int:
        """Return when the picture just read is due [ns]; ``last_ns``: when the one before was.

        A bare stream (.h264) bears no times: its pictures follow at its rate.
        """
        position_ms = max(0.0, self._capture.get(cv2.CAP_PROP_POS_MSEC))
        time_ns = FIRST_NS + int(position_ms * 1e6)
        if not last_ns or time_ns > last_ns:
            return time_ns
        rate_hz = self._capture.get(cv2.CAP_PROP_FPS)
        return last_ns + int(
            SECOND_NS / (rate_hz if 1.0 <= rate_hz <= 1000.0 else TYPICAL_RATE_HZ)
        )

    def _read(self) -> np.ndarray | None:
        try:
            with self._using:
                if self._capture is None or self._stopping.is_set():
                    return None
                done, bgr = self._capture.read()
        except cv2.error:
            return None
        if not done or bgr is None or bgr.size == 0:
            return None
        if bgr.ndim == 2:
            bgr = cv2.cvtColor(bgr, cv2.COLOR_GRAY2BGR)
        return np.ascontiguousarray(bgr[..., ::-1])

    def _opened(self):
        capture = self._open_capture(self._source, self._values)
        if capture is None or not capture.isOpened():
            raise StatusError(Code.NO_FRAME, f"source {shown(self._source)}: {self._why_not()}")
        return capture

    def _reopen(self) -> None:
        with self._using:
            self._release()
            if not self._stopping.is_set():
                self._capture = self._opened()

    def _open_again(self) -> None:
        """Open a live source that broke off, again and again, less and less often."""
        began_s = time.monotonic()
        if self._capture is not None:
            self._tell("broke off: opening it again")
        with self._using:
            self._release()
        for wait_s in itertools.chain(BACK_OFF_S, itertools.repeat(BACK_OFF_S[-1])):
            if self._stopping.wait(wait_s):
                return
            try:
                self._reopen()
            except StatusError:
                self._tell(f"is away for {time.monotonic() - began_s:.0f} s, and tried again")
                continue
            return

    def _tell(self, what: str) -> None:
        if time.monotonic() - self._told_s >= SAYS_AGAIN_S:
            self._told_s = time.monotonic()
            self._warn(f"{shown(self._source)} {what}")

    def _why_not(self) -> str:
        if not DEVICE.fullmatch(self._source):
            if not self.is_live:
                return "no video that OpenCV can decode: does it play in ffplay?"
            return "cannot be opened: are address, user and password right? Try it in ffplay"
        path = Path(_device(self._source))
        if not path.exists():
            there = ", ".join(sorted(str(p) for p in Path("/dev").glob("video*"))) or "none"
            return (
                f"no such camera; there are: {there}. In a container, add --device {path}; "
                "without a camera, give a video, pictures or a bag"
            )
        return "cannot be opened: is it in use, or are you not in the group video?"

    def _nothing(self) -> str:
        if DEVICE.fullmatch(self._source):
            return (
                "opens, but gives no picture: a metadata device? Try the other /dev/video*, or "
                "another size (width, height) or fourcc"
            )
        return "no picture in it that OpenCV can decode"

    # -- going out ----------------------------------------------------------------------------

    def _sample(self, rgb: np.ndarray, taken_ns: int, time_ns: int) -> CameraSample:
        height, width = rgb.shape[:2]
        image, info = self._outgoing.of_rgb(rgb), self._info(width, height)
        image.header.frame_id = info.header.frame_id = self._outgoing.frame_id(FRAME_ID)
        stamp = conversions.time_of(taken_ns if self.is_live else time_ns)
        return CameraSample(image, info, time_ns, stamp)

    def _info(self, width: int, height: int):
        """Return the CameraInfo of pictures of a size; what is assumed is said once."""
        if (width, height) not in self._infos:
            self._infos[width, height] = self._new_info(width, height)
        return self._infos[width, height]

    def _check_intrinsics(self) -> None:
        """Refuse a source whose focal length nothing tells."""
        if not (self._given.is_given or self._values.assume_phone):
            raise StatusError(
                Code.NO_CAMERA_INFO,
                f"source {shown(self._source)}: its focal length is not known, and metres need "
                "it: set camera_info_url (a calibration), fx [px] or hfov [degrees]; or take a "
                f"typical one by assume_phone ({WEBCAM_VIEW_DEG:g} degrees for a webcam)",
            )

    def _new_info(self, width: int, height: int):
        if self._given.is_given:
            return self._given.info(width, height)
        if DEVICE.fullmatch(self._source):
            fx = focal_length.from_view(WEBCAM_VIEW_DEG, width).fx
            said = f"a webcam's {WEBCAM_VIEW_DEG:g} degrees"
        else:
            fx = focal_length.of_a_phone(width, height).fx
            said = "a phone's main camera"
        self._warn(
            f"ASSUMED focal length: {said}, fx {fx:.0f} px; every distance may be off by the same "
            "factor (20 % and more). Calibrate the camera for better"
        )
        return calibration.ideal_info(width, height, fx)


def _device(source: str) -> str:
    """Return the device of a webcam's name: ``webcam:1`` is /dev/video1."""
    if source.startswith("webcam"):
        return f"/dev/video{source.partition(':')[2] or 0}"
    return source


def _opened(source: str, values):
    """Return OpenCV's capture of a source, with the size, rate and fourcc that were asked for."""
    if not DEVICE.fullmatch(source):
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, TIMEOUT_MS]
        limits += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, TIMEOUT_MS]
        return cv2.VideoCapture(source, cv2.CAP_FFMPEG, limits)
    capture = cv2.VideoCapture(_device(source), cv2.CAP_V4L2)
    if values.fourcc:
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*values.fourcc))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, values.width)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, values.height)
    if values.rate_hz:
        capture.set(cv2.CAP_PROP_FPS, values.rate_hz)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the newest picture, not one from the queue
    return capture
