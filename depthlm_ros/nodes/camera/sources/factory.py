"""From the parameters to a source."""

from pathlib import Path

from depthlm_ros.image_io import pictures
from depthlm_ros.nodes.camera.sources.image_folder import Photographs
from depthlm_ros.nodes.camera.sources.rendered_scenes import Scenes, make_camera_path
from depthlm_ros.nodes.camera.sources.rosbag import METADATA, Bag, is_bag
from depthlm_ros.nodes.camera.sources.source import Source
from depthlm_ros.nodes.camera.sources.video import Video, is_live, is_video, shown
from depthlm_ros.status import Code, StatusError

ACCEPTED = (
    "'scenes', a webcam (/dev/video0, or webcam), a video file, a stream (rtsp://, http://), a "
    "picture, a folder or pattern of pictures, a .jsonl, or a bag (rosbag2, or ROS 1 .bag)"
)


def open_source(values, warn, make_path=make_camera_path) -> Source:
    """Return the source that the parameters ``values`` name; StatusError when it is none.

    ``warn(sentence)`` logs what is skipped.
    """
    if values.source == "scenes":
        return Scenes(values, make_path)
    if is_live(values.source):
        return Video(values.source, values, warn)
    path = Path(values.source).expanduser()
    try:
        return _of_path(path, values, warn)
    except OSError as error:
        raise StatusError(Code.NO_FRAME, f"source {path}: cannot be read ({error})") from error


def _of_path(path: Path, values, warn) -> Source:
    if values.source and any(c in values.source for c in "*?[") and not path.exists():
        return Photographs(path, values, warn)
    if not values.source or not path.exists():
        raise StatusError(
            Code.NO_FRAME,
            f"source {shown(values.source)!r}: no such file or folder; must be {ACCEPTED}",
        )
    if path.name == METADATA and is_bag(path.parent):
        path = path.parent
    if is_bag(path):
        return Bag(path, values, warn)
    if path.is_file() and is_video(path):
        return Video(str(path), values, warn)
    if path.is_dir() or path.suffix == ".jsonl" or path.suffix.lower() in pictures.ENDINGS:
        return Photographs(path, values, warn)
    raise StatusError(Code.NO_FRAME, f"source {path}: must be {ACCEPTED}")
