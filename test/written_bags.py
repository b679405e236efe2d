"""Bags that the rosbags writer has written: pictures of known bytes, each with its CameraInfo."""

import cv2
import numpy as np
from rosbags.rosbag2 import CompressionFormat, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

STORE = get_typestore(Stores.ROS2_HUMBLE)
START_NS = 1_600_000_000_000_000_000
STEP_NS = 20_000_000
RAW, SMALL, INFO = (
    f"sensor_msgs/msg/{name}" for name in ("Image", "CompressedImage", "CameraInfo")
)


def message(kind, **fields):
    """Return a message for the rosbags writer."""
    return STORE.types[kind](**fields)


def header(time_ns, frame_id="recorded_frame"):
    """Return a header."""
    sec, nanosec = divmod(time_ns, 10**9)
    stamp = message("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec)
    return message("std_msgs/msg/Header", stamp=stamp, frame_id=frame_id)


def pixels(number, width=20, height=10):
    """Return the bytes of picture ``number``, bgr8, each row with 4 bytes of padding."""
    rows = np.random.default_rng(number).integers(0, 256, (height, 3 * width + 4), np.uint8)
    return rows


def raw(number, time_ns, **changed):
    """Return an Image."""
    data = pixels(number).ravel()
    fields = {"height": 10, "width": 20, "encoding": "bgr8", "is_bigendian": 0, "step": 64}
    return message(RAW, **{"header": header(time_ns), **fields, "data": data, **changed})


def jpeg(number):
    """Return the bytes of a JPEG."""
    picture = np.full((10, 20, 3), 10 * number + 5, np.uint8)
    return cv2.imencode(".jpg", picture)[1].ravel()


def small(number, time_ns):
    """Return a CompressedImage."""
    data = jpeg(number)
    return message(SMALL, header=header(time_ns), format="jpeg", data=data)


def info(number, time_ns):
    """Return a CameraInfo whose focal length is 30 + number."""
    roi = message(
        "sensor_msgs/msg/RegionOfInterest",
        x_offset=0,
        y_offset=0,
        height=0,
        width=0,
        do_rectify=False,
    )
    f = 30.0 + number
    k = np.array([f, 0, 9.5, 0, f, 4.5, 0, 0, 1])
    return message(
        INFO,
        header=header(time_ns),
        height=10,
        width=20,
        distortion_model="plumb_bob",
        d=np.array([0.1, 0.0, 0.0, 0.0, 0.0]),
        k=k,
        r=np.eye(3).ravel(),
        p=np.zeros(12),
        binning_x=0,
        binning_y=0,
        roi=roi,
    )


def stamps(count, first_ns=START_NS):
    """Return the stamps of ``count`` pictures."""
    return [first_ns + STEP_NS * i for i in range(count)]


def write(path, topics, storage="sqlite3", little_endian=True, version=9, compression=None,
          old_names=False):  # fmt: skip
    """Write a bag: topics is {name: (kind, [(time of recording, message)])}; return its path."""
    plugin = {"sqlite3": StoragePlugin.SQLITE3, "mcap": StoragePlugin.MCAP}[storage]
    writer = Writer(path, version=version, storage_plugin=plugin)
    if compression:
        writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        records = []
        for name, (kind, messages) in topics.items():
            connection = _connection(writer, name, kind, old_names)
            for time_ns, content in messages:
                data = content
                if not isinstance(content, bytes):
                    data = STORE.serialize_cdr(content, kind, little_endian=little_endian)
                records.append((time_ns, len(records), connection, data))
        for time_ns, _, connection, data in sorted(records, key=lambda r: r[:2]):
            writer.write(connection, time_ns, data)
    return path


def _connection(writer, name, kind, old_name):
    if not old_name:
        return writer.add_connection(name, kind, typestore=STORE)
    definition, _ = STORE.generate_msgdef(kind, ros_version=2)
    digest = STORE.hash_rihs01(kind)
    return writer.add_connection(
        name, kind.replace("/msg/", "/"), msgdef=definition, rihs01=digest
    )


def camera_topics(count=4, base="/cam", make=raw, kind=RAW, suffix="image_raw"):
    """Return the topics of a camera; everything is recorded 3 ms after its stamp."""
    times = stamps(count)
    return {
        f"{base}/{suffix}": (kind, [(t + 3_000_000, make(i, t)) for i, t in enumerate(times)]),
        f"{base}/camera_info": (INFO, [(t + 3_000_000, info(i, t)) for i, t in enumerate(times)]),
    }


def ns(stamp):
    """Return a stamp in nanoseconds."""
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def assert_same(image, told, number, time_ns):
    """Compare a received Image with its CameraInfo to what was written, field by field."""
    assert ns(image.header.stamp) == ns(told.header.stamp) == time_ns
    assert image.header.frame_id == told.header.frame_id == "recorded_frame"
    assert (image.encoding, image.height, image.width) == ("bgr8", 10, 20)
    assert (image.step, image.is_bigendian) == (64, 0)
    assert bytes(image.data) == pixels(number).tobytes()
    written = info(number, time_ns)
    for name in ("k", "d", "r", "p"):
        assert list(getattr(told, name)) == list(getattr(written, name))
    assert (told.width, told.height, told.distortion_model) == (20, 10, "plumb_bob")
