"""Videos, streams and webcams as cameras: files made here, a real HTTP stream, a fake device."""

import http.server
import threading
import time
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from depthlm_ros.nodes.camera.sources import video
from depthlm_ros.nodes.camera.sources.factory import open_source
from depthlm_ros.nodes.camera.sources.prefetch import Prefetcher
from depthlm_ros.nodes.camera.sources.video import Video, shown
from depthlm_ros.nodes.common.conversions import rgb_of
from depthlm_ros.status import Code, StatusError


def frame(level, width=64, height=48):
    """Return a BGR picture of a level, its left half dark."""
    bgr = np.full((height, width, 3), level, np.uint8)
    bgr[:, : width // 2] = 10
    return bgr


@pytest.fixture
def clip(tmp_path):
    """Return a video of 5 pictures at 10 Hz, with levels 40, 80, 120, 160, 200."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 48))
    for i in range(1, 6):
        writer.write(frame(40 * i))
    writer.release()
    return path


def played(tools, source, **values):
    warnings = []
    found = open_source(tools.camera_values(source=str(source), **values), warnings.append)
    return found, list(found.samples()), warnings


def refused(tools, source, **values):
    with pytest.raises(StatusError) as error:
        open_source(tools.camera_values(source=str(source), **values), print)
    return error.value


def test_a_video_file_plays_at_its_own_pace(tools, clip):
    found, samples, _ = played(tools, clip, fx=60.0)
    levels = [int(rgb_of(s.image)[24, 50, 0]) for s in samples]
    assert np.abs(np.array(levels) - [40, 80, 120, 160, 200]).max() < 8
    assert np.diff([s.time_ns for s in samples]) == pytest.approx(1e8, rel=1e-3)
    assert samples[0].info.k[0] == 60.0 and not found.is_live
    assert [s.time_ns for s in found.samples()] == [s.time_ns for s in samples]  # again, alike
    assert len(played(tools, clip, fx=60.0, count=2)[1]) == 2


def test_a_bare_stream_without_times_plays_at_its_rate(tools, clip, monkeypatch):
    """As .h264 of a Raspberry Pi: OpenCV says position 0 for every picture."""
    real = cv2.VideoCapture

    class Bare:
        def __init__(self, *words):
            self._inner = real(*words)

        def __getattr__(self, name):
            return getattr(self._inner, name)

        def get(self, what):
            """Know the rate and no position."""
            return 0.0 if what == cv2.CAP_PROP_POS_MSEC else self._inner.get(what)

    monkeypatch.setattr(cv2, "VideoCapture", Bare)
    _, samples, _ = played(tools, clip, fx=60.0)
    assert np.diff([s.time_ns for s in samples]) == pytest.approx(1e8, rel=1e-6)


def test_intrinsics_of_a_video(tools, clip):
    assert played(tools, clip, hfov=90.0)[1][0].info.k[0] == pytest.approx(32.0)
    error = refused(tools, clip)
    assert error.code == Code.NO_CAMERA_INFO and "camera_info_url" in error.text
    _, samples, warnings = played(tools, clip, assume_phone=True)
    # 64 x 48 px: diagonal 80 px; 26 * 80 / 43.26662
    assert samples[0].info.k[0] == pytest.approx(48.074, abs=1e-3)
    assert len(warnings) == 1 and "ASSUMED" in warnings[0]
    assert "not millimetres" in refused(tools, clip, fx=4.2).text


def test_what_cannot_be_opened_says_why(tools, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"nothing" * 50)
    assert "ffplay" in refused(tools, tmp_path / "broken.mp4", fx=60.0).text
    text = refused(tools, "/dev/video97", fx=60.0).text
    assert "no such camera" in text and "--device /dev/video97" in text
    text = refused(tools, "rtsp://u:secret@127.0.0.1:1/x", fx=60.0, wait_for_stream=False).text
    assert "cannot be opened" in text and "password right" in text and "secret" not in text
    text = refused(tools, "rtps://u:secret@cam/x", fx=60.0).text
    assert "no such file" in text and "rtps://cam/x" in text and "secret" not in text


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("rtsp://u:secret@cam/x", "rtsp://cam/x"),
        ("rtsp://secret@cam:554/x?a=1", "rtsp://cam:554/x?a=1"),
        ("rtsp://u:se@cret@cam/x", "rtsp://cam/x"),
        ("http://cam/video?user=u&pwd=secret&n=1", "http://cam/video?user=u&pwd=***&n=1"),
        ("rtsp://cam/user=u_password=secret", "rtsp://cam/user=u_password=***"),
        ("http://cam/a@b.mjpg", "http://cam/a@b.mjpg"),
        ("/dev/video0", "/dev/video0"),
    ],
)
def test_no_secret_of_an_address_is_said(source, said):
    assert shown(source) == said


class Handler(http.server.BaseHTTPRequestHandler):
    """An IP camera: an MJPEG stream, each picture brighter than the one before.

    /stream.mjpg is endless, /short.mjpg ends after 5 pictures, /stuck.mjpg sends no more after 5;
    /locked.mjpg wants a password.
    """

    def do_GET(self):
        """Stream until the reader goes."""
        if "locked" in self.path and self.headers["Authorization"] != "Basic dTpzZWNyZXQ=":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        try:
            for i in range(5 if "short" in self.path else 10_000):
                if i == 5 and "stuck" in self.path:
                    time.sleep(30.0)
                data = cv2.imencode(".jpg", frame(40 + i % 200))[1].tobytes()
                head = (
                    f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                )
                self.wfile.write(head.encode() + data + b"\r\n")
                time.sleep(0.02)
        except OSError:
            return

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def camera():
    """Return the address of an IP camera, to which a path is added."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def test_a_network_stream_gives_pictures_of_now(tools, camera):
    source = open_source(
        tools.camera_values(source=f"http://{camera}/stream.mjpg", fx=60.0), print
    )
    assert source.is_live
    samples = source.samples()
    first, second = next(samples), next(samples)
    assert rgb_of(first.image).shape == (48, 64, 3)
    age_s = time.time() - (second.recorded.sec + second.recorded.nanosec / 1e9)
    assert -0.01 < age_s < 2.0 and second.time_ns > first.time_ns
    source.close()
    assert list(samples) == []


def test_a_network_stream_that_ends_is_opened_again_and_told_of_once(tools, camera, monkeypatch):
    monkeypatch.setattr(video, "BACK_OFF_S", (0.01,))
    address = f"http://u:secret@{camera}/short.mjpg?locked"
    found, samples, warnings = played(tools, address, fx=60.0, count=14)
    assert len(samples) == 14  # at most 5 of each connection
    assert warnings == [f"http://{camera}/short.mjpg?locked broke off: opening it again"]
    assert "secret" not in found.title
    found.close()
    text = refused(tools, address.replace("secret", "guess"), fx=60.0, wait_for_stream=False).text
    assert "password right" in text and "guess" not in text


def test_a_stream_that_is_away_at_the_start_is_waited_for(tools, monkeypatch):
    monkeypatch.setattr(video, "BACK_OFF_S", (0.01,))
    warnings, tries = [], []

    def open_capture(*_):
        tries.append(1)
        return None if len(tries) < 4 else Device()

    values = tools.camera_values(source="rtsp://u:secret@cam/x", hfov=60.0, count=3)
    source = Video("rtsp://u:secret@cam/x", values, warnings.append, open_capture)
    assert source.title == "rtsp://cam/x, as soon as it is there"
    assert len(list(source.samples())) == 3 and len(tries) == 4
    (said,) = warnings
    assert said.startswith("rtsp://cam/x is away: cannot be opened") and "tried again" in said
    source.close()


def test_waiting_ends_at_once_when_it_is_closed_and_never_begins_without_intrinsics(tools):
    values = tools.camera_values(source="rtsp://cam/x", hfov=60.0)
    source = Video("rtsp://cam/x", values, print, lambda *_: None)
    playing = threading.Thread(target=lambda: list(source.samples()))
    playing.start()
    time.sleep(0.1)
    source.close()
    playing.join(0.5)  # of the 1 s of the first pause
    assert not playing.is_alive()
    with pytest.raises(StatusError, match="focal length is not known"):
        Video("rtsp://cam/x", tools.camera_values(source="rtsp://cam/x"), print, lambda *_: None)


def test_closing_does_not_wait_for_a_stream_that_is_stuck(tools, camera, monkeypatch):
    monkeypatch.setattr(video, "TIMEOUT_MS", 1500)
    values = tools.camera_values(source=f"http://{camera}/stuck.mjpg", fx=60.0)
    found = open_source(values, print)
    playing = threading.Thread(target=lambda: list(found.samples()))
    playing.start()
    time.sleep(0.5)
    began_s = time.monotonic()
    found.close()
    assert time.monotonic() - began_s < 2 * video.CLOSE_S + 0.5
    playing.join(5.0)
    assert not playing.is_alive()  # at the read's own time limit


class Device:
    """A webcam: 100 pictures a second; ``fails`` names the reads that give nothing."""

    def __init__(self, fails=()):
        self.reads, self.released, self._fails = 0, 0, fails

    def isOpened(self):  # noqa: N802, OpenCV's name
        """Tell that it is there."""
        return True

    def read(self):
        """Return a picture whose level is the number of reads."""
        time.sleep(0.01)
        self.reads += 1
        return (False, None) if self.reads in self._fails else (True, frame(self.reads % 250))

    def release(self):
        """Count."""
        self.released += 1


def test_of_a_live_source_only_the_newest_picture_counts(tools):
    """The node looks once in 0.2 s at a camera of 100 Hz: nothing of long ago waits for it."""
    device = Device()
    values = tools.camera_values(source="/dev/video0", fx=60.0)
    ahead = Prefetcher(
        lambda: Video("/dev/video0", values, print, lambda *_: device), False, lambda: None
    )
    ahead.start()
    ages = []
    for _ in range(4):
        time.sleep(0.2)
        while ahead.next is None:
            time.sleep(0.005)
        stamp = ahead.take().recorded
        ages.append(time.time() - (stamp.sec + stamp.nanosec / 1e9))
    assert ahead.stop(1.0) and max(ages) < 0.1 and device.released >= 1


def test_a_camera_that_breaks_off_is_opened_again(tools, monkeypatch):
    monkeypatch.setattr(video, "BACK_OFF_S", (0.01,))
    opened, warnings = [], []

    def open_capture(*_):
        opened.append(Device(fails=(4,)) if not opened else Device())
        return opened[-1]

    values = tools.camera_values(source="/dev/video0", hfov=60.0, count=6)
    samples = list(Video("/dev/video0", values, warnings.append, open_capture).samples())
    assert len(samples) == 6 and len(opened) == 2
    assert warnings == ["/dev/video0 broke off: opening it again"]


def test_a_webcam_is_asked_for_size_rate_and_format(monkeypatch):
    asked = []

    class Capture:
        def __init__(self, device, api):
            asked.append((device, api))

        def set(self, what, value):
            """Keep."""
            asked.append((what, value))

    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    video._opened("webcam:2", SimpleNamespace(fourcc="MJPG", width=1280, height=720, rate_hz=30.0))
    assert asked[0] == ("/dev/video2", cv2.CAP_V4L2)
    assert dict(asked[1:]) == {
        cv2.CAP_PROP_FOURCC: cv2.VideoWriter.fourcc(*"MJPG"),
        cv2.CAP_PROP_FRAME_WIDTH: 1280,
        cv2.CAP_PROP_FRAME_HEIGHT: 720,
        cv2.CAP_PROP_FPS: 30.0,
        cv2.CAP_PROP_BUFFERSIZE: 1,
    }


def test_a_rate_is_kept_by_leaving_pictures_out(tools):
    values = tools.camera_values(source="/dev/video0", fx=60.0, rate_hz=20.0, count=5)
    samples = list(Video("/dev/video0", values, print, lambda *_: Device()).samples())
    gaps = np.diff([s.time_ns for s in samples]) / 1e9
    assert gaps.mean() == pytest.approx(0.05, abs=0.015)
