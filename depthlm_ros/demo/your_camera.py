"""Your own camera with live depth, until Ctrl-C.

    ./run camera                          the first webcam
    ./run camera clip.mp4 --hfov 67 --web a video, on a page
    ./run camera rtsp://host/stream --camera-info camera.yaml
    ./run camera photos/ --web            pictures, whose EXIF tells the focal length

Starts camera_node, depth_node and, with --web, web_node, as processes that end with this one.
"""

import argparse
import tempfile
import time
from pathlib import Path

from depthlm_ros.demo.context import prepare_ros, ros_arguments, say, threads
from depthlm_ros.demo.exit_code import exit_code
from depthlm_ros.demo.node_processes import Children, DemoError
from depthlm_ros.models.arguments import add_model_name

CAMERA, DEPTH, WEB = "camera_node", "depth_node", "web_node"
SAYS_AGAIN_S = 60.0
POLL_S = 0.2


def arguments(args=None):
    """Read the command line."""
    head, _, examples = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="./run camera",
        description=head,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "source",
        nargs="?",
        default="webcam",
        help="webcam (default), /dev/videoN, a video, rtsp:// or http://, pictures, or a bag",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--camera-info", metavar="FILE", help="calibration of the camera")
    which.add_argument("--fx", type=float, help="[px] focal length")
    which.add_argument("--hfov", type=float, metavar="DEG", help="[degrees] field of view")
    which.add_argument("--f35", type=float, metavar="MM", help="[mm] on 35 mm film")
    add("--size", metavar="WxH", type=_size, help="[px] asked of a webcam, as in 1280x720")
    add("--rate", type=float, metavar="HZ", help="[Hz] pictures a second at most")
    add("--fourcc", help="format asked of a webcam, as in MJPG")
    add_model_name(parser)
    add("--web", action="store_true", help="show a page; its address is printed")
    add("--host", default="127.0.0.1", help="address of the page; another one needs a token")
    add("--port", type=int, default=8080, help="port of the page (default 8080; 0: a free one)")
    add("--domain", type=int, choices=range(102), metavar="N", help="ROS domain, 0 to 101")
    add("--seconds", type=float, help="[s] end after so long (default: Ctrl-C)")
    return parser.parse_args(args)


def _size(text: str) -> tuple:
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text}: must be WxH, as in 1280x720")
    return int(width), int(height)


def camera_parameters(options) -> dict:
    """Return camera_node's parameters; without intrinsics a typical camera is assumed, aloud."""
    width, height = options.size or (None, None)
    source = options.source
    if "://" not in source and Path(source).expanduser().exists():
        source = str(Path(source).expanduser().resolve())
    declared = options.camera_info or options.fx or options.hfov or options.f35
    return {
        "source": source,
        "camera_info_url": options.camera_info,
        "fx": options.fx,
        "hfov": options.hfov,
        "f35": options.f35,
        "assume_phone": None if declared else True,
        "width": width,
        "height": height,
        "rate_hz": options.rate,
        "fourcc": options.fourcc,
    }


class _Log:
    """Tells what a child says that a person must know: warnings, and the page's address."""

    WORTH = ("[WARN]", "[ERROR]", "open http", "playing ")
    GIVES_UP = "cannot configure: "

    def __init__(self, child):
        self._child, self._at = child, 0
        self._told: dict[str, float] = {}

    def report(self) -> None:
        """Tell the new lines that are worth it; DemoError with the reason of one that gives up."""
        with self._child.log.open("rb") as file:
            file.seek(self._at)
            said = file.read()
        whole = said[: said.rfind(b"\n") + 1]
        self._at += len(whole)
        for line in whole.decode("utf-8", "replace").splitlines():
            if self.GIVES_UP in line:
                raise DemoError(f"{self._child.name}: {line.partition(self.GIVES_UP)[2]}")
            if any(word in line for word in self.WORTH):
                self._tell_once(line.partition("]: ")[2] or line)

    def _tell_once(self, sentence: str) -> None:
        """Tell a sentence, which may come and go with every picture, once a minute."""
        now = time.monotonic()
        if now - self._told.get(sentence, -SAYS_AGAIN_S) >= SAYS_AGAIN_S:
            self._told[sentence] = now
            say(sentence)


def perform(options) -> None:
    """Run the nodes until the time is over. Raises DemoError, KeyboardInterrupt."""
    domain = prepare_ros(options.domain)
    say(f"ROS domain {domain}; Ctrl-C ends it; other terminals: export ROS_DOMAIN_ID={domain}")
    if not options.web:
        say("topics: /image, /camera_info, /depthlm/depth/image, /depthlm/points; a page: --web")
    end = time.monotonic() + options.seconds if options.seconds else None
    with (
        tempfile.TemporaryDirectory(prefix="depthlm_camera_") as logs_in,
        Children(Path(logs_in)) as children,
    ):
        logs = [_Log(child) for child in _start(children, options)]
        while end is None or time.monotonic() < end:
            for log in logs:
                log.report()
            children.check()
            time.sleep(POLL_S)


def _start(children: Children, options) -> list:
    """Start the nodes; return their processes."""
    nodes = "depthlm_ros.nodes"
    camera = ros_arguments(camera_parameters(options))
    depth = ros_arguments({"model": options.model, "max_age": 5.0})
    started = [
        children.start(CAMERA, f"{nodes}.camera_node", camera, threads()),
        children.start(DEPTH, f"{nodes}.depth_node", depth, threads()),
    ]
    return [*started, start_web(children, options)] if options.web else started


def start_web(children: Children, options):
    """Start the page beside camera and depth node; return its process."""
    page = {"host": options.host, "port": options.port, "photo_model": options.model}
    return children.start(WEB, "depthlm_ros.web.main", ros_arguments(page), threads())


def page_address(child) -> str:
    """Return the address that web_node has printed, "" before."""
    said = child.log.read_text(encoding="utf-8", errors="replace")
    return said.partition("open http")[2] and "http" + said.partition("open http")[2].split()[0]


def main(args=None) -> int:
    """Run; return the exit code."""
    options = arguments(args)
    return exit_code(lambda: perform(options), "", "ended")


if __name__ == "__main__":
    raise SystemExit(main())
