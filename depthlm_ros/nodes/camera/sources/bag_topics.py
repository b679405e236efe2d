"""Which topics of a bag are played: the ones named, or the only ones that it can be."""

import re
from dataclasses import dataclass

from depthlm_ros.status import Code, StatusError

IMAGE = "sensor_msgs/msg/Image"
_ALIGNED = "aligned_depth_to_color"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
INFO = "sensor_msgs/msg/CameraInfo"
VIDEOS = {
    "ffmpeg_image_transport_msgs/msg/FFMPEGPacket": "ffmpeg",
    "theora_image_transport/msg/Packet": "theora",
    "foxglove_msgs/msg/CompressedVideo": "foxglove",
}
"""Video transports by their types: what comes in is no single picture."""
_NO_COLOUR = re.compile(
    r"(?i)(^|[/_])(depth|disparity|infra\d*|infrared|ir|confidence|mask|thermal)([/_]|$)"
)
_OTHER_TRANSPORTS = ("/compressedDepth", "/zstd", "/theora", "/ffmpeg")  # no images in there


@dataclass(frozen=True)
class Topic:
    """A topic of a bag with its type and number of messages."""

    name: str
    kind: str
    messages: int

    def __str__(self):
        return f"{self.name} ({self.kind.split('/')[-1]}, {self.messages})"


def type_of(name: str) -> str:
    """Return a type's name of today: ``sensor_msgs/Image`` is sensor_msgs/msg/Image."""
    package, _, kind = name.partition("/")
    return name if "/" in kind or not kind else f"{package}/msg/{kind}"


def choose_images(topics: list[Topic], wanted: str, compressed: bool) -> Topic:
    """Return the topic of images; ``compressed``: which of two forms of one camera is preferred.

    StatusError, naming the candidates, when the wanted one is not there, or none or several could
    be meant.
    """
    images = [
        t
        for t in topics
        if t.kind in (IMAGE, COMPRESSED) and not t.name.endswith(_OTHER_TRANSPORTS)
    ]
    if wanted:
        return _named(images, wanted, "bag_image_topic", "Image or CompressedImage")
    filled = [t for t in images if t.messages]
    if not filled:
        raise StatusError(Code.NO_FRAME, _no_images(topics))
    if len({base_of(t) for t in filled}) > 1:
        filled = _only_colour_with_info(filled, topics) or filled
    cameras = {base_of(t) for t in filled}
    if len(cameras) > 1:
        raise StatusError(
            Code.AMBIGUOUS,
            f"{len(filled)} topics of the bag hold images: set bag_image_topic to one of "
            f"{_listed(filled)}",
        )
    fitting = [t for t in filled if (t.kind == COMPRESSED) == compressed]
    return (fitting or filled)[0]


def _only_colour_with_info(images: list[Topic], topics: list[Topic]) -> list[Topic]:
    """Return the images of the one colour camera that has CameraInfo beside; else none.

    A depth camera's bag holds depth and infrared pictures as well, which nobody means.
    """
    infos = {t.name for t in topics if t.kind == INFO and t.messages}
    colour = [t for t in images if _is_colour(t)]
    with_info = [t for t in colour if infos.intersection(_beside(t))]
    for found in (with_info, colour):
        if len({base_of(t) for t in found}) == 1:
            return found
    return []


def _is_colour(topic: Topic) -> bool:
    """Tell by its name; a depth map that is aligned to the colour camera has that one's lens."""
    aligned = topic.kind == INFO and _ALIGNED in topic.name
    return aligned or not _NO_COLOUR.search(topic.name)


def _beside(images: Topic) -> tuple:
    """Return the topics on which an image's CameraInfo comes.

    As image_transport, the ZED's driver and the RealSense Viewer name it.
    """
    base = base_of(images)
    viewer = base.removesuffix("/image/data") + "/info/camera_info"
    return base.rpartition("/")[0] + "/camera_info", base + "/camera_info", viewer


def _no_images(topics: list[Topic]) -> str:
    for topic in topics:
        if topic.kind in VIDEOS and topic.messages:
            base, _, _ = topic.name.rpartition("/")
            return (
                f"no images in the bag, but video: {topic}. Decode it while playing, and record "
                f"again: ros2 run image_transport republish {VIDEOS[topic.kind]} raw "
                f"--ros-args -r in/{VIDEOS[topic.kind]}:={topic.name} -r out:={base or '/image'}"
            )
    return f"no images in the bag; its topics: {_listed(topics) or 'none'}"


def choose_infos(topics: list[Topic], wanted: str, images: Topic) -> Topic | None:
    """Return the topic of CameraInfo: the one beside the images, else the only one; None: none.

    A depth or infrared camera's is not a colour camera's. StatusError, naming the candidates, when
    the wanted one is not there or several could be meant.
    """
    infos = [t for t in topics if t.kind == INFO]
    if wanted:
        return _named(infos, wanted, "bag_camera_info_topic", "CameraInfo")
    filled = [t for t in infos if t.messages]
    for beside in _beside(images):
        if topic := next((t for t in filled if t.name == beside), None):
            return topic
    filled = [t for t in filled if _is_colour(t) == _is_colour(images)]
    if len(filled) > 1:
        raise StatusError(
            Code.AMBIGUOUS,
            f"no CameraInfo beside {images.name}, and {len(filled)} elsewhere: set "
            f"bag_camera_info_topic to one of {_listed(filled)}",
        )
    return filled[0] if filled else None


def base_of(topic: Topic) -> str:
    """Return image_transport's base topic: /cam/image_raw of /cam/image_raw/compressed."""
    return topic.name.removesuffix("/compressed") if topic.kind == COMPRESSED else topic.name


def _named(topics: list[Topic], wanted: str, parameter: str, kind: str) -> Topic:
    for topic in topics:
        if topic.name in (wanted, "/" + wanted):
            if topic.messages:
                return topic
            raise StatusError(Code.NO_FRAME, f"{parameter} = {wanted!r}: it holds no message")
    raise StatusError(
        Code.NO_FRAME,
        f"{parameter} = {wanted!r}: no such topic of type {kind} in the bag; there are: "
        f"{_listed(topics) or 'none'}",
    )


def _listed(topics: list[Topic]) -> str:
    more = f" and {len(topics) - 12} more" if len(topics) > 12 else ""
    return ", ".join(str(t) for t in sorted(topics, key=str)[:12]) + more
