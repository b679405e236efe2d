"""Bags as a camera: what the rosbags writer has written comes out byte by byte."""

import numpy as np
import pytest
from rosbags.rosbag2 import CompressionMode
from written_bags import (
    INFO,
    RAW,
    SMALL,
    START_NS,
    STEP_NS,
    assert_same,
    camera_topics,
    info,
    jpeg,
    ns,
    pixels,
    raw,
    small,
    stamps,
    write,
)

from depthlm_ros.nodes.camera.sources.factory import open_source
from depthlm_ros.nodes.common.conversions import rgb_of
from depthlm_ros.status import StatusError


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
