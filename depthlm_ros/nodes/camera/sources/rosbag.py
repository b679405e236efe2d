"""A bag as a source: rosbag2 (sqlite3 or mcap, plain or zstd) or ROS 1, read by rosbags."""

from dataclasses import dataclass
from pathlib import Path

from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from depthlm_ros.nodes.camera.sources import calibration
from depthlm_ros.nodes.camera.sources.bag_topics import (
    COMPRESSED,
    IMAGE,
    INFO,
    Topic,
    choose_images,
    choose_infos,
    type_of,
)
from depthlm_ros.nodes.camera.sources.camera_info_pairing import RecordedPairs
from depthlm_ros.nodes.camera.sources.image_messages import Outgoing, size_of
from depthlm_ros.nodes.camera.sources.source import CameraSample
from depthlm_ros.sanitize import clean
from depthlm_ros.status import Code, StatusError

TYPES = {IMAGE: Image, COMPRESSED: CompressedImage, INFO: CameraInfo}
STORAGES = (".db3", ".mcap", ".bag")
ROS1 = ".bag"
METADATA = "metadata.yaml"
_ZSTD = (".db3.zstd", ".mcap.zstd")
_UNFINISHED = ".bag.active"
"""How a ROS 1 recorder calls its file until it ends in order."""


@dataclass(frozen=True)
class _Recorded:
    """An image message and when it was recorded [ns]."""

    message: object
    time_ns: int


def open_reader(path: Path):
    """Return an opened reader of a bag; StatusError when it is broken."""
    from rosbags import rosbag1, rosbag2

    if path.name.endswith(_UNFINISHED):
        raise StatusError(
            Code.NO_FRAME,
            f"source {path}: its recorder was killed: rosbag reindex {path.name}, and rename it "
            f"to {path.name.removesuffix('.active')}",
        )
    try:
        is_old = path.suffix == ROS1
        reader = rosbag1.Reader(path) if is_old else rosbag2.Reader(_storage_of(path))
        reader.open()
    except StatusError:
        raise
    except Exception as error:  # a broken file raises whatever its parsers raise
        raise _broken(path, error) from error
    return reader


class Bag:
    """Plays the images of a bag with their CameraInfo, at the pace they were recorded."""

    default_rate_hz = 0.0

    def __init__(self, path: Path, values, warn):
        """``warn(sentence)`` logs. StatusError when topics are missing or could be several."""
        self._path, self._values, self._warn = path, values, warn
        self._outgoing, self._told = Outgoing(values), set()
        self._given = calibration.GivenCamera(values)
        reader = open_reader(path)
        try:
            topics = [Topic(c.topic, type_of(c.msgtype), c.msgcount) for c in reader.connections]
        finally:
            reader.close()
        self._images = choose_images(topics, values.bag_image_topic, self._outgoing.compressed)
        self._infos = self._info_topic(topics)
        beside = self._infos.name if self._infos else "the parameters' camera"
        self.title = f"{self._images.messages} images of {path}: {self._images.name} with {beside}"

    def _info_topic(self, topics: list[Topic]) -> Topic | None:
        """Return the topic of CameraInfo, None where parameters give the camera."""
        if self._given.is_given:
            return None
        found = choose_infos(topics, self._values.bag_camera_info_topic, self._images)
        if found is None:
            raise StatusError(
                Code.NO_CAMERA_INFO,
                f"source {self._path}: no CameraInfo of {self._images.name} in the bag: set "
                f"camera_info_url, or fx{_others(topics)}",
            )
        return found

    def samples(self):
        """Play one round; StatusError when not one message can be used, or the file breaks off."""
        good, time_ns = 0, 0
        for recorded, info in self._pairs():
            sample = self._sample(recorded, info)
            if sample is None:
                continue
            sample.time_ns = time_ns = max(time_ns, sample.time_ns)
            good += 1
            yield sample
            if good == self._values.count:
                return
        if not good:
            raise StatusError(
                Code.BAD_IMAGE,
                f"source {self._path}: none of {self._images.messages} images on "
                f"{self._images.name} can be used, or no CameraInfo belongs to them",
            )

    def _pairs(self):
        """Give each image with its CameraInfo (None: of the parameters)."""
        pairs = RecordedPairs()
        for kind, message, time_ns in self._messages():
            stamp = message.header.stamp.sec, message.header.stamp.nanosec
            if self._infos is None:
                yield _Recorded(message, time_ns), None
            elif kind == INFO:
                yield from pairs.add_info(stamp, message)
            else:
                yield from pairs.add_image(stamp, _Recorded(message, time_ns))
        yield from pairs.finish()
        if pairs.lost:
            self._say("lost", f"{pairs.lost} images are skipped: no CameraInfo came with them")

    def _messages(self):
        """Give (type, message, time of recording [ns]) in the order of recording."""
        reader = open_reader(self._path)
        try:
            names = {t.name for t in (self._images, self._infos) if t is not None}
            wanted = [c for c in reader.connections if c.topic in names]
            for connection, time_ns, data in reader.messages(wanted):
                message = self._message(connection, data)
                if message is not None:
                    yield type_of(connection.msgtype), message, time_ns
        except (GeneratorExit, StatusError):
            raise
        except Exception as error:  # as in open_reader
            raise _broken(self._path, error) from error
        finally:
            reader.close()

    def _message(self, connection, data):
        """Return a message, None for one that cannot be read."""
        try:
            kind = type_of(connection.msgtype)
            if self._path.suffix == ROS1:
                message = _of_ros1(connection.msgtype, data)
            else:
                message = deserialize_message(bytes(data), TYPES[kind])
            return _with_standard_name(message) if kind == INFO else message
        except Exception as error:  # what the middleware raises for broken data is not named
            self._say(connection.topic, f"a message of {connection.topic} is skipped: {error}")
            return None

    def _sample(self, recorded: _Recorded, info: CameraInfo | None) -> CameraSample | None:
        """Return what goes out, None (and a warning, once) for an image that cannot be used."""
        message, stamp = recorded.message, recorded.message.header.stamp
        frame_id = self._outgoing.frame_id(message.header.frame_id)
        try:
            image = self._outgoing.of_message(message)
            if info is None:
                info = self._given.info(*size_of(message))
        except StatusError as refusal:
            self._say("image", f"an image of {self._images.name} is skipped: {refusal.text}")
            return None
        image.header.frame_id = info.header.frame_id = frame_id
        return CameraSample(image, info, recorded.time_ns, stamp)

    def _say(self, about: str, sentence: str) -> None:
        if about not in self._told:
            self._told.add(about)
            self._warn(clean(sentence))


def _others(topics: list[Topic]) -> str:
    """Say which CameraInfo of other cameras there are."""
    names = [t.name for t in topics if t.kind == INFO and t.messages]
    return f"; or bag_camera_info_topic, if it is one of {', '.join(names)}" if names else ""


def _with_standard_name(info: CameraInfo) -> CameraInfo:
    """Return a CameraInfo whose lens the RealSense Viewer named, with CameraInfo's own name.

    Inverse and modified Brown-Conrady are plumb_bob only without coefficients.
    """
    said = info.distortion_model.lower().replace("_", " ").strip()
    if said == "brown conrady" or (said.endswith("brown conrady") and not any(info.d)):
        info.distortion_model = "plumb_bob"
    return info


def _of_ros1(kind: str, data: bytes):
    """Return a message of ROS 1 as one of ROS 2."""
    from rosbags.typesys import Stores, get_typestore

    old = get_typestore(Stores.ROS1_NOETIC).deserialize_ros1(data, type_of(kind))
    new = TYPES[type_of(kind)]()
    stamp = old.header.stamp
    new.header.stamp.sec, new.header.stamp.nanosec = int(stamp.sec), int(stamp.nanosec)
    new.header.frame_id = old.header.frame_id
    for name in new.get_fields_and_field_types():
        value = getattr(old, name, getattr(old, name.upper(), None))
        if name == "data":
            new.data.frombytes(memoryview(value).cast("B"))
        elif name == "roi":
            for part in ("x_offset", "y_offset", "height", "width", "do_rectify"):
                setattr(new.roi, part, type(getattr(new.roi, part))(getattr(value, part)))
        elif name != "header":
            plain = getattr(new, name)
            setattr(new, name, value if not isinstance(plain, int | bool | str) else
                    type(plain)(value))  # fmt: skip
    return new


def is_bag(path: Path) -> bool:
    """Return whether a path is a bag: a storage file, or a folder of them."""
    if path.is_file():
        return path.name.endswith((*STORAGES, *_ZSTD, _UNFINISHED))
    return (path / METADATA).exists() or bool(_storages(path)) or bool(_compressed(path))


def _storage_of(path: Path) -> Path:
    """Return what the reader opens: the folder, or its only file where metadata.yaml is missing.

    A recorder that was killed leaves such a folder behind.
    """
    if path.is_dir() and not (path / METADATA).exists() and _compressed(path):
        raise StatusError(
            Code.NO_FRAME,
            f"source {path}: compressed files of a bag, and no {METADATA} that says how: zstd -d "
            f"{_compressed(path)[0].name}, then give {path} again",
        )
    if path.name.endswith(_ZSTD):
        raise StatusError(
            Code.NO_FRAME,
            f"source {path}: one compressed file of a bag: name its folder, whose metadata.yaml "
            f"says how it is compressed; or decompress it: zstd -d {path.name}",
        )
    if path.is_file() or (path / METADATA).exists():
        return path
    found = _storages(path)
    if len(found) != 1:
        raise StatusError(
            Code.AMBIGUOUS,
            f"source {path}: {len(found)} bag files and no metadata.yaml: name one file, or run "
            "ros2 bag reindex",
        )
    return found[0]


def _storages(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix in STORAGES)


def _compressed(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.name.endswith(_ZSTD))


def _broken(path: Path, error: Exception) -> StatusError:
    why = f"{type(error).__name__}: {error}"
    return StatusError(
        Code.NO_FRAME,
        f"source {path}: not a bag that can be read ({why}); {_remedy(path, str(error))}",
    )


def _remedy(path: Path, why: str) -> str:
    """Return what to do about a bag that cannot be read."""
    if path.is_file() and not path.stat().st_size:
        return "it was not recorded or copied whole"
    if "missing" in why:
        return f"copy the files that {METADATA} names beside it"
    if path.suffix == ".mcap" or (path.is_dir() and any(path.glob("*.mcap"))):
        return "a recorder that was killed leaves it cut: mcap recover FILE -o NEW"
    if path.suffix == ROS1:
        return "rosbag reindex, or convert it: rosbags-convert --src FILE --dst FOLDER"
    if "database" in why:
        return (
            "its database is cut or damaged: copy it anew, or sqlite3 OLD.db3 .recover | sqlite3 "
            "NEW.db3, then ros2 bag reindex FOLDER"
        )
    return "ros2 bag reindex FOLDER"
