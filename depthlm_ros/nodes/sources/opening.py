"""From the parameters to a source."""

from pathlib import Path

from depthlm_ros.nodes.sources.bags import Bag, is_bag
from depthlm_ros.nodes.sources.photographs import Photographs
from depthlm_ros.nodes.sources.scenes import Scenes, real_walk
from depthlm_ros.nodes.sources.shot import Source
from depthlm_ros.status import Code, Refusal


def open_source(values, warn, make_walk=real_walk) -> Source:
    """Return the source that the parameters ``values`` name; Refusal when it is none.

    ``warn(sentence)`` logs what is skipped.
    """
    if values.source == "scenes":
        return Scenes(values, make_walk)
    path = Path(values.source).expanduser()
    try:
        if not values.source or not path.exists():
            raise Refusal(
                Code.NO_FRAME,
                f"source {values.source!r}: no such file or folder; must be 'scenes', a folder of "
                "photographs, a .jsonl, or a rosbag2",
            )
        if is_bag(path):
            return Bag(path, values, warn)
        if path.is_dir() or path.suffix == ".jsonl":
            return Photographs(path, values, warn)
    except OSError as error:
        raise Refusal(Code.NO_FRAME, f"source {path}: cannot be read ({error})") from error
    raise Refusal(
        Code.NO_FRAME,
        f"source {path}: must be a folder of photographs, a .jsonl, or a rosbag2 (folder, .db3, "
        ".mcap); for one photograph take its folder",
    )
