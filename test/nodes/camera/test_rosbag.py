"""Bags as a camera: what the rosbags writer has written comes out byte by byte."""

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from depthlm_ros.nodes.camera.sources.bag_topics import (
    Topic,
    choose_images,
    choose_infos,
    type_of,
)
from depthlm_ros.nodes.camera.sources.factory import open_source
from depthlm_ros.nodes.common.conversions import rgb_of
from depthlm_ros.status import StatusError

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


def refusal_of(tools, path, **changed):
    """Return the words with which a bag refuses to play: the node leaves with them."""
    with pytest.raises(StatusError) as caught:
        values = tools.camera_values(source=str(path), **changed)
        list(open_source(values, lambda sentence: None).samples())
    return caught.value.text


def played(tools, path, say=lambda sentence: None, **values):
    """Return (Image, CameraInfo) of each picture of one round, as the node publishes them."""
    source = open_source(tools.camera_values(source=str(path), **values), say)
    return [(sample.image, sample.info) for sample in source.samples()]


def test_a_node_plays_what_was_recorded(start_camera, tmp_path):
    path = write(tmp_path / "bag", camera_topics())
    node, viewer = start_camera(source=str(path), stamp="recorded", loop=False)
    for number, (image, told) in enumerate(viewer.pictures(4)):
        assert_same(image, told, number, stamps(4)[number])
    node.wait_for_log("stream is over after 4 pictures")


@pytest.mark.parametrize(
    "how",
    [
        {"storage": "sqlite3"},
        {"storage": "sqlite3", "little_endian": False, "version": 8},
        {"storage": "mcap"},
        {"storage": "mcap", "little_endian": False, "version": 8},
        {"storage": "sqlite3", "compression": CompressionMode.MESSAGE},
        {"storage": "mcap", "compression": CompressionMode.STORAGE},
    ],
    ids=lambda how: "-".join(str(value) for value in how.values()),
)
def test_raw_images_byte_by_byte(tools, tmp_path, how):
    pairs = played(tools, write(tmp_path / "bag", camera_topics(), **how))
    assert len(pairs) == 4
    for number, (image, told) in enumerate(pairs):
        assert_same(image, told, number, stamps(4)[number])


@pytest.mark.parametrize("storage", ["sqlite3", "mcap"])
def test_compressed_images_byte_by_byte(tools, tmp_path, storage):
    topics = camera_topics(make=small, kind=SMALL, suffix="image_raw/compressed")
    path = write(tmp_path / "bag", topics, storage)
    pairs = played(tools, path, image_transport="compressed")
    assert len(pairs) == 4
    for number, (image, told) in enumerate(pairs):
        assert bytes(image.data) == jpeg(number).tobytes() and image.format == "jpeg"
        assert ns(image.header.stamp) == ns(told.header.stamp) == stamps(4)[number]
        assert told.k[0] == 30.0 + number


def test_the_other_transport_than_recorded(tools, tmp_path):
    topics = camera_topics(make=small, kind=SMALL, suffix="image_raw/compressed")
    path = write(tmp_path / "small", topics)
    pairs = played(tools, path)
    assert len(pairs) == 4
    for number, (image, _) in enumerate(pairs):
        assert image.encoding == "rgb8" and set(image.data) == {10 * number + 5}
    path = write(tmp_path / "raw", camera_topics())
    pairs = played(tools, path, image_transport="compressed", compression="png")
    assert len(pairs) == 4
    for number, (image, _) in enumerate(pairs):
        written = pixels(number)[:, :60].reshape(10, 20, 3)[..., ::-1]
        assert np.array_equal(rgb_of(image), written)


def test_stamps_of_now_and_a_frame_of_ones_own(start_camera, tmp_path):
    path = write(tmp_path / "bag", camera_topics())
    _, viewer = start_camera(source=str(path / "bag.db3"), frame_id="eye")
    begin = viewer.node.get_clock().now().nanoseconds
    pairs = viewer.pictures(6)
    assert [told.k[0] for _, told in pairs] == [30.0, 31.0, 32.0, 33.0, 30.0, 31.0]
    times = [ns(image.header.stamp) for image, _ in pairs]
    assert times == sorted(set(times)) and times[0] > begin - 60 * 10**9
    assert all(image.header == told.header for image, told in pairs)
    assert pairs[0][0].header.frame_id == "eye"


def test_the_clock_of_a_bag_is_the_time_of_recording(start_camera, tmp_path, tools):
    path = write(tmp_path / "bag", camera_topics(3))
    node, viewer = start_camera(source=str(path), stamp="recorded", publish_clock=True)
    pairs = viewer.pictures(7)
    assert [ns(image.header.stamp) for image, _ in pairs] == (stamps(3) * 3)[:7]
    tools.wait_until(lambda: len(viewer.clock) >= 10, "the clock")
    times = [ns(message.clock) for message in viewer.clock]
    first, last = START_NS + 3_000_000, START_NS + 3_000_000 + 2 * STEP_NS
    assert times[0] == min(times) == first and max(times) == last
    back = [b for a, b in zip(times, times[1:], strict=False) if b < a]
    assert back and set(back) == {first}
    node.wait_for_log("the time jumps back")


def test_a_rate_of_ones_own_slows_the_clock_with_the_pictures(start_camera, tmp_path, tools):
    path = write(tmp_path / "bag", camera_topics(4))
    node, viewer = start_camera(
        source=str(path), stamp="recorded", publish_clock=True, rate_hz=5.0, loop=False
    )
    node.wait_for_log("stream is over")
    tools.wait_until(
        lambda: viewer.clock and ns(viewer.clock[-1].clock) == START_NS + 3_000_000 + 3 * STEP_NS,
        "the last time",
    )
    times = [ns(message.clock) for message in viewer.clock]
    assert times == sorted(times)
    between = [t for t in times if (t - START_NS - 3_000_000) % STEP_NS]
    assert between  # it runs between the pictures, ten times slower


def test_camera_info_recorded_after_its_image_or_stamped_apart(start_camera, tools, tmp_path):
    times = stamps(4)
    late = {
        "/image": (RAW, [(t, raw(i, t)) for i, t in enumerate(times)]),
        "/camera_info": (INFO, [(t + 5_000_000, info(i, t)) for i, t in enumerate(times)]),
    }
    pairs = played(tools, write(tmp_path / "late", late))
    assert [told.k[0] for _, told in pairs] == [30.0, 31.0, 32.0, 33.0]
    apart = {
        "/image": (RAW, [(t, raw(i, t)) for i, t in enumerate(times)]),
        "/camera_info": (INFO, [(t - 1000, info(i, t - 1000)) for i, t in enumerate(times)]),
    }
    path = write(tmp_path / "apart", apart)
    _, viewer = start_camera(source=str(path), stamp="recorded", loop=False)
    pairs = viewer.pictures(4)
    assert [told.k[0] for _, told in pairs] == [30.0, 31.0, 32.0, 33.0]
    assert [ns(told.header.stamp) for _, told in pairs] == times  # the image's own
    once = {**apart, "/camera_info": (INFO, [(times[0] - 9, info(0, times[0] - 9))])}
    pairs = played(tools, write(tmp_path / "once", once))
    assert [told.k[0] for _, told in pairs] == [30.0] * 4


def test_topics_that_could_be_several_are_listed(tmp_path, tools):
    two = {**camera_topics(base="/left"), **camera_topics(base="/right")}
    path = write(tmp_path / "two", two)

    def refusal(**changed):
        return refusal_of(tools, path, **changed)

    said = refusal()
    assert "2 topics of the bag hold images: set bag_image_topic to one of" in said
    assert "/left/image_raw (Image, 4), /right/image_raw (Image, 4)" in said
    said = refusal(bag_image_topic="/middle/image_raw")
    assert "no such topic of type Image or CompressedImage in the bag; there are: /left" in said
    said = refusal(bag_image_topic="/left/image_raw", bag_camera_info_topic="/left/image_raw")
    assert "no such topic of type CameraInfo" in said
    topics = {"bag_image_topic": "/left/image_raw", "bag_camera_info_topic": "/right/camera_info"}
    assert_same(*played(tools, path, **topics)[0], 0, START_NS)


def test_both_forms_of_one_camera_are_no_riddle(tools, tmp_path):
    topics = {
        **camera_topics(),
        **camera_topics(make=small, kind=SMALL, suffix="image_raw/compressed"),
    }
    path = write(tmp_path / "bag", topics)
    assert_same(*played(tools, path)[0], 0, START_NS)
    image, _ = played(tools, path, image_transport="compressed")[0]
    assert bytes(image.data) == jpeg(0).tobytes()


def test_a_bag_without_camera_info_wants_parameters(tmp_path, tools):
    images = {"/image": camera_topics()["/cam/image_raw"]}
    path = write(tmp_path / "bag", images)
    assert "in the bag: set camera_info_url, or fx" in refusal_of(tools, path)
    image, told = played(tools, path, fx=25.0)[0]
    assert list(told.k) == [25.0, 0, 9.5, 0, 25.0, 4.5, 0, 0, 1]
    assert (image.header.frame_id, told.header.frame_id) == ("recorded_frame",) * 2


def test_broken_messages_are_skipped(start_camera, tmp_path):
    topics = camera_topics()
    images = topics["/cam/image_raw"][1]
    images[1] = (images[1][0], b"\x00\x01\x00\x00\xff\xff")
    path = write(tmp_path / "bag", topics)
    node, viewer = start_camera(source=str(path), stamp="recorded", loop=False)
    node.wait_for_log("stream is over after 3 pictures")
    assert [told.k[0] for _, told in viewer.pictures(3)] == [30.0, 32.0, 33.0]
    assert node.said("a message of /cam/image_raw is skipped")


@pytest.mark.parametrize("what", ["no images", "all broken", "cut", "empty file", "metadata"])
def test_bags_that_cannot_be_played(tmp_path, tools, what):
    topics = camera_topics()
    if what == "no images":
        del topics["/cam/image_raw"]
    if what == "all broken":
        kind, images = topics["/cam/image_raw"]
        topics["/cam/image_raw"] = kind, [(t, b"\x00\x01\x00\x00") for t, _ in images]
    path = write(tmp_path / "bag", topics, "mcap" if what == "cut" else "sqlite3")
    if what == "cut":
        file = path / "bag.mcap"
        file.write_bytes(file.read_bytes()[:300])
    if what == "empty file":
        (path / "bag.db3").write_bytes(b"")
    if what == "metadata":
        (path / "metadata.yaml").write_text("rosbag2_bagfile_information: [")
    said = {
        "no images": "no images in the bag; its topics: /cam/camera_info (CameraInfo, 4)",
        "all broken": "none of 4 images on /cam/image_raw can be used",
    }
    assert said.get(what, "not a bag that can be read") in refusal_of(tools, path)


def test_a_broken_bag_ends_the_node_with_code_2(start_camera, tmp_path, tools):
    (tmp_path / "a.db3").write_text("this is no database, whatever its name says")
    node, _ = start_camera(source=str(tmp_path), wait=False)
    assert node.process.wait(tools.WAIT_S) == 2
    log = node.log.read_text()
    assert log.count("cannot start: source") == 1 and "Traceback" not in log
    assert "not a bag that can be read" in log


def test_a_bag_that_lost_its_metadata_plays(tools, tmp_path):
    path = write(tmp_path / "bag", camera_topics())
    (path / "metadata.yaml").unlink()
    assert_same(*played(tools, path)[0], 0, START_NS)


# -- bags as they are -------------------------------------------------------------------------


def topic(name, kind=RAW, messages=5):
    return Topic(name, kind, messages)


def test_of_a_depth_cameras_bag_the_colour_stream_is_meant():
    color = topic("/camera/color/image_raw"), topic("/camera/color/image_raw/compressed", SMALL)
    topics = [
        topic("/camera/depth/image_rect_raw"),
        topic("/camera/depth/camera_info", INFO),
        topic("/camera/aligned_depth_to_color/image_raw"),
        topic("/camera/aligned_depth_to_color/camera_info", INFO),
        topic("/camera/infra1/image_rect_raw"),
        topic("/camera/infra1/camera_info", INFO),
        *color,
        topic("/camera/color/camera_info", INFO),
        topic("/overlay/image"),
    ]
    assert choose_images(topics, "", compressed=False) == color[0]
    assert choose_images(topics, "", compressed=True) == color[1]
    assert choose_infos(topics, "", color[0]).name == "/camera/color/camera_info"
    stereo = [topic(f"/{side}/image_raw") for side in ("left", "right")]
    stereo += [topic(f"/{side}/camera_info", INFO) for side in ("left", "right")]
    with pytest.raises(StatusError) as error:
        choose_images(stereo, "", compressed=False)
    assert "/left/image_raw" in error.value.text and "/right/image_raw" in error.value.text


def test_video_transports_are_named_with_their_remedy():
    packets = topic("/cam/image_raw/ffmpeg", "ffmpeg_image_transport_msgs/msg/FFMPEGPacket")
    with pytest.raises(StatusError) as error:
        choose_images([packets], "", compressed=False)
    assert "republish ffmpeg raw" in error.value.text and "/cam/image_raw" in error.value.text


def test_type_names_of_ros_1_mean_those_of_ros_2():
    assert type_of("sensor_msgs/Image") == RAW and type_of(RAW) == RAW


@pytest.mark.parametrize("storage", ["sqlite3", "mcap"])
def test_a_bag_with_the_old_type_names_plays(tools, tmp_path, storage):
    """sensor_msgs/Image, as first releases and converters wrote it, in metadata and storage."""
    bag = write(tmp_path / "old", camera_topics(), storage, old_names=True)
    assert "type: sensor_msgs/Image" in (bag / "metadata.yaml").read_text()
    source = open_source(tools.camera_values(source=str(bag)), lambda sentence: None)
    samples = list(source.samples())
    assert len(samples) == 4
    for number, (sample, time_ns) in enumerate(zip(samples, stamps(4), strict=True)):
        assert_same(sample.image, sample.info, number, time_ns)


VIEWER = "/device_0/sensor_1/Color_0"


@pytest.mark.parametrize(
    ("image_topic", "info_topic", "model"),
    [
        ("/cam/image_raw", "/cam/camera_info", "plumb_bob"),
        (f"{VIEWER}/image/data", f"{VIEWER}/info/camera_info", "Brown Conrady"),
    ],
)
def test_a_bag_of_ros_1_plays(tools, tmp_path, image_topic, info_topic, model):
    """Also one that the RealSense Viewer wrote: its topics and names of lenses, a depth beside."""
    from rosbags.rosbag1 import Writer as Ros1Writer

    store = get_typestore(Stores.ROS1_NOETIC)
    types = store.types

    def old_header(i):
        stamp = types["builtin_interfaces/msg/Time"](sec=1600, nanosec=1000 + i)
        return types["std_msgs/msg/Header"](seq=i, stamp=stamp, frame_id="cam")

    path = tmp_path / "old.bag"
    with Ros1Writer(path) as writer:
        images = writer.add_connection(image_topic, RAW, typestore=store)
        infos = writer.add_connection(info_topic, INFO, typestore=store)
        depth = "/device_0/sensor_0/Depth_0/image/data"
        depths = writer.add_connection(depth, RAW, typestore=store)
        for i in range(3):
            picture = np.full((10, 60), 20 + 50 * i, np.uint8)
            picture[:, :30] = 5
            image = types[RAW](
                header=old_header(i),
                height=10,
                width=20,
                encoding="rgb8",
                is_bigendian=0,
                step=60,
                data=picture.ravel(),
            )
            roi = types["sensor_msgs/msg/RegionOfInterest"](
                x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
            )
            camera = types[INFO](
                header=old_header(i),
                height=10,
                width=20,
                distortion_model=model,
                D=np.array([0.1, 0, 0, 0, 0.0]),
                K=np.array([30.0, 0, 9.5, 0, 31, 4.5, 0, 0, 1]),
                R=np.eye(3).ravel(),
                P=np.zeros(12),
                binning_x=0,
                binning_y=0,
                roi=roi,
            )
            time_ns = START_NS + i * STEP_NS
            writer.write(images, time_ns, store.serialize_ros1(image, RAW))
            writer.write(depths, time_ns, store.serialize_ros1(image, RAW))
            writer.write(infos, time_ns, store.serialize_ros1(camera, INFO))
    source = open_source(tools.camera_values(source=str(path)), print)
    samples = list(source.samples())
    assert [int(rgb_of(s.image)[5, 15, 0]) for s in samples] == [20, 70, 120]
    assert samples[0].info.k[4] == 31.0 and samples[0].info.d[0] == 0.1
    assert samples[0].info.distortion_model == "plumb_bob"
    assert samples[2].recorded.sec == 1600 and samples[2].recorded.nanosec == 1002
    assert samples[0].image.header.frame_id == "cam"


def test_what_is_cut_or_compressed_names_its_remedy(tools, tmp_path):
    def refused(name):
        with pytest.raises(StatusError) as error:
            open_source(tools.camera_values(source=str(tmp_path / name)), print)
        return error.value.text

    for name in ("a.db3.zstd", "cut.mcap", "cut.bag", "killed.bag.active"):
        (tmp_path / name).write_bytes(b"\x89MCAP0\r\n" + bytes(30))
    assert "zstd -d a.db3.zstd" in refused("a.db3.zstd")
    assert "mcap recover" in refused("cut.mcap")
    assert "rosbags-convert" in refused("cut.bag")
    assert "rename it to killed.bag" in refused("killed.bag.active")
    (tmp_path / "nothing.bag").write_bytes(b"")
    assert "not recorded or copied whole" in refused("nothing.bag")


def test_bags_whose_files_are_not_as_they_were(tools, tmp_path):
    def refused(path):
        with pytest.raises(StatusError) as error:
            open_source(tools.camera_values(source=str(path)), print)
        return error.value.text

    bag = write(tmp_path / "bag", camera_topics(), "sqlite3")
    source = open_source(tools.camera_values(source=str(bag / "metadata.yaml")), print)
    assert len(list(source.samples())) == 4
    storage = next(bag.glob("*.db3"))
    data = storage.read_bytes()
    storage.write_bytes(data[: len(data) // 2])
    assert ".recover" in refused(bag)
    storage.unlink()
    assert "copy the files that metadata.yaml names" in refused(bag)
    (bag / "metadata.yaml").unlink()
    (bag / "bag_0.db3.zstd").write_bytes(b"(\xb5/\xfd" + bytes(9))
    assert "no metadata.yaml that says how: zstd -d bag_0.db3.zstd" in refused(bag)
