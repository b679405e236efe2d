"""Bags as they are: of depth cameras, of older releases and of ROS 1, cut and packed ones."""

import numpy as np
import pytest
from rosbags.typesys import Stores, get_typestore
from written_bags import (
    INFO,
    RAW,
    SMALL,
    START_NS,
    STEP_NS,
    assert_same,
    camera_topics,
    stamps,
    write,
)

from depthlm_ros.nodes.camera.sources.bag_topics import (
    Topic,
    choose_images,
    choose_infos,
    type_of,
)
from depthlm_ros.nodes.camera.sources.factory import open_source
from depthlm_ros.nodes.common.conversions import rgb_of
from depthlm_ros.status import StatusError


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
