"""From the parameters to a source."""

from pathlib import Path

from depthlm_ros.nodes.camera.sources.image_folder import Photographs
from depthlm_ros.nodes.camera.sources.rendered_scenes import Scenes, make_camera_path
from depthlm_ros.nodes.camera.sources.rosbag import Bag, is_bag
from depthlm_ros.nodes.camera.sources.source import Source
from depthlm_ros.status import Code, StatusError


def open_source(values, warn, make_path=make_camera_path) -> Source:
    """Return the source that the parameters ``values`` name; StatusError when it is none.

    ``warn(sentence)`` logs what is skipped.
    """
    if values.source == "scenes":
        return Scenes(values, make_path)
    path = Path(values.source).expanduser()
    try:
        if not values.source or not path.exists():
            raise StatusError(
                Code.NO_FRAME,
                f"source {values.source!r}: no such file or folder; must be 'scenes', a folder of "
                "photographs, a .jsonl, or a rosbag2",
            )
        if is_bag(path):
            return Bag(path, values, warn)
        if path.is_dir() or path.suffix == ".jsonl":
            return Photographs(path, values, warn)
    except OSError as error:
        raise StatusError(Code.NO_FRAME, f"source {path}: cannot be read ({error})") from error
    raise StatusError(
        Code.NO_FRAME,
        f"source {path}: must be a folder of photographs, a .jsonl, or a rosbag2 (folder, .db3, "
        ".mcap); for one photograph take its folder",
    )
