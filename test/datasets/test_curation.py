"""Each set's curation on a small tree in its own format.

Geometry by another route than the code's.
"""

import json
import math
import shutil
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import cv2
import lz4.block
import numpy as np
import pytest
from PIL import Image

from depthlm_ros.datasets.curation import CurationSettings, motion_line, prepare
from depthlm_ros.datasets.curators import NAMES, curator_of
from depthlm_ros.datasets.readers import AnnotationFile
from depthlm_ros.datasets.scene_map import ray_cluster
from depthlm_ros.datasets.show import sheet
from depthlm_ros.status import StatusError


def image(path, width, height, value=90):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), value, np.uint8)).save(path)


def depth16(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array).astype(np.uint16)).save(path)


def text(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def lines_of(name, root, out, **settings):
    path = prepare(curator_of(name), root, out, CurationSettings(**settings))
    return [json.loads(line) for line in path.read_text().splitlines()]


def one_pixel(height, width, row, column, value):
    """Return a map that is known at one pixel alone: its label is the only one."""
    out = np.zeros((height, width))
    out[row, column] = value
    return out


def by_hand(z, u, v, fx, fy, cx, cy):
    """Return the distance to a point from its coordinates X, Y, Z."""
    return math.dist((0, 0, 0), ((u - cx) / fx * z, (v - cy) / fy * z, z))


def taskonomy(root, name="taskonomy"):
    info = {"taskonomy": "point_info", "hm3d": "fixatedpose"}[name]
    image(root / f"rgb/{name}/s1/point_3_view_1_domain_rgb.png", 512, 512)
    depth16(
        root / f"depth_zbuffer/{name}/s1/point_3_view_1_domain_depth_zbuffer.png",
        one_pixel(512, 512, 100, 400, 1024),
    )
    text(
        root / f"point_info/{name}/s1/point_3_view_1_domain_{info}.json",
        json.dumps({"resolution": 512, "field_of_view_rads": math.pi / 2}),
    )
    text(root / "train_val_test_fullplus.csv", "id,train,val,test\ns1,1,0,0\ns2,0,1,0\n")
    text(root / "metadata.csv", "scene,split\ns1,train\ns2,val\n")


@pytest.mark.parametrize("name", ["taskonomy", "hm3d"])
def test_omnidata(tmp_path, name):
    """A field of view of 90 degrees: f = 512 / (2 tan 45) = 256. Raw 1024 / 512 = 2 m."""
    taskonomy(tmp_path, name)
    (line,) = lines_of(name, tmp_path, tmp_path / "out")
    assert line["intrinsics"] == [256, 256, 255.5, 255.5, 512, 512]
    assert line["pixel_coords"] == [[400, 100]] and line["label"] == "distance"
    assert line["depth"][0] == pytest.approx(
        by_hand(2.0, 400, 100, 256, 256, 255.5, 255.5), abs=1e-4
    )
    (z,) = lines_of(name, tmp_path, tmp_path / "z", label="z")
    assert z["depth"] == [2.0] and z["label"] == "z"
    (vlm,) = lines_of(name, tmp_path, tmp_path / "vlm", form="depthvlm")
    assert (vlm["depth_scale"], vlm["original_fx"], vlm["label"]) == (512, 256, "z")
    assert vlm["canonical_size"] == [2000, 2000]  # cropped to 1024 by the reader
    file = AnnotationFile(tmp_path / f"vlm/{name}_pixel_depth_train.jsonl", tmp_path)
    assert file[0].depth.path.is_file() and file.info.name == name
    with pytest.raises(StatusError, match="has no scenes of test"):
        lines_of(name, tmp_path, tmp_path / "none", split="test")


def matterport(root):
    conf = (
        "intrinsics_matrix 100 0 39.5  0 102 29.5  0 0 1\n"
        "scan a_d0_0.png a_i0_0.jpg 1 0 0 0\nintrinsics_matrix 200 0 40  0 201 30  0 0 1\n"
        "scan a_d1_0.png a_i1_0.jpg 1 0 0 0\n"
    )
    text(root / "m1/undistorted_camera_parameters/m1.conf", conf)
    for camera in (0, 1):
        image(root / f"m1/undistorted_color_images/a_i{camera}_0.jpg", 80, 60)
        depth16(
            root / f"m1/undistorted_depth_images/a_d{camera}_0.png",
            one_pixel(60, 80, 50, 10, 12000),
        )
    text(root / "scenes_train.txt", "m1\nm2\n")


def test_matterport3d(tmp_path):
    """Raw 12000 / 4000 = 3 m. Every image has its own matrix; as published the last serves all."""
    matterport(tmp_path)
    one, two = lines_of("matterport3d", tmp_path, tmp_path / "out")
    assert one["intrinsics"] == [100, 102, 39.5, 29.5, 80, 60]
    assert one["depth"][0] == pytest.approx(by_hand(3, 10, 50, 100, 102, 39.5, 29.5), abs=1e-4)
    assert two["depth"][0] == pytest.approx(by_hand(3, 10, 50, 200, 201, 40, 30), abs=1e-4)
    right = lines_of("matterport3d", tmp_path, tmp_path / "r", form="depthvlm")
    wrong = lines_of("matterport3d", tmp_path, tmp_path / "w", form="depthvlm", as_published=True)
    assert [line["original_fx"] for line in right] == [100, 200]
    assert [line["original_fx"] for line in wrong] == [200, 200]


def sun(root):
    for folder in ("kv2/kinect2data/a", "kv1/NYUdata/NYU0001"):
        image(root / folder / "image/a.jpg", 64, 48)
        depth16(root / folder / "depth_bfx/a.png", one_pixel(48, 64, 20, 30, 16000))
        depth16(root / folder / "depth/a.png", one_pixel(48, 64, 20, 30, 20000))
        text(root / folder / "intrinsics.txt", "50 0 31.5\n0 51 23.5\n0 0 1\n")
    text(root / "test.txt", "kv2/kinect2data/a\n/kv1/NYUdata/NYU0001/\n")


def test_sun_rgbd_and_nyu(tmp_path):
    """Raw 16000 / 8000 = 2 m (rotated bits: 2000 mm << 3).

    As published 1.6 m, NYU from `depth`.
    """
    sun(tmp_path)
    assert ((16000 >> 3) | (16000 << 13) & 0xFFFF) / 1000 == 2.0
    settings = {"split": "test", "label": "z"}
    (line,) = lines_of("sunrgbd", tmp_path, tmp_path / "s", **settings)
    assert (line["depth"], line["image"]) == ([2.0], "kv2/kinect2data/a/image/a.jpg")
    (line,) = lines_of("nyuv2", tmp_path, tmp_path / "n", **settings)
    assert line["depth"] == [2.0] and line["intrinsics"][1] == 51
    published = {**settings, "as_published": True}
    assert lines_of("sunrgbd", tmp_path, tmp_path / "sp", **published)[0]["depth"] == [1.6]
    assert lines_of("nyuv2", tmp_path, tmp_path / "np", **published)[0]["depth"] == [2.0]
    (vlm,) = lines_of(
        "nyuv2", tmp_path, tmp_path / "v", split="test", form="depthvlm", as_published=True
    )
    assert vlm["depth_scale"] == 8000 and vlm["depth_path"].endswith("depth_bfx/a.png")


def test_ibims1(tmp_path):
    """65535 is 50 m; pixels that either mask forbids have no label."""
    image(tmp_path / "rgb/a.png", 64, 48)
    depth = np.zeros((48, 64))
    depth[10, 20], depth[11, 20], depth[12, 20] = 13107, 13107, 13107  # 10 m
    depth16(tmp_path / "depth/a.png", depth)
    for name, row in (("mask_invalid", 11), ("mask_transp", 12)):
        mask = np.full((48, 64), 255, np.uint8)
        mask[row, 20] = 0
        (tmp_path / name).mkdir()
        Image.fromarray(mask).save(tmp_path / name / "a.png")
    text(tmp_path / "calib/a.txt", "55.0,54.0,31.0,24.0\n")
    (line,) = lines_of("ibims1", tmp_path, tmp_path / "out", split="test", label="z")
    assert line["pixel_coords"] == [[20, 10]] and line["depth"] == [10.0]
    (kept,) = lines_of("ibims1", tmp_path, tmp_path / "p", split="test", as_published=True)
    assert kept["label"] == "z"  # the published example file of this set holds z-depth


def scannet(root, **how):
    phone = root / "data/s1/iphone"
    frames = {
        f"frame_{n:06d}": {"intrinsic": [[1400, 0, 960], [0, 1410, 720], [0, 0, 1]]}
        for n in range(0, 20)
    }
    text(phone / "pose_intrinsic_imu.json", json.dumps(frames))
    text(root / "splits/nvs_sem_train.txt", "s1\n")
    for n in (0, 10):
        image(phone / f"rgb/frame_{n:06d}.jpg", 1920, 1440)
    return phone


def test_scannetpp(tmp_path):
    """Cell (8, 4) of 256 x 192 is pixel (8.5 x 7.5 - 0.5, 4.5 x 7.5 - 0.5) = (63.25, 33.25)."""
    phone = scannet(tmp_path)
    for n in (0, 10):
        depth16(phone / f"depth/frame_{n:06d}.png", one_pixel(192, 256, 4, 8, 2500))
    one, two = lines_of("scannetpp", tmp_path, tmp_path / "out")
    assert [x["image"][-16:] for x in (one, two)] == ["frame_000000.jpg", "frame_000010.jpg"]
    assert one["pixel_coords"] == [[63, 33]] and one["intrinsics"][:2] == [1400, 1410]
    assert one["depth"][0] == pytest.approx(by_hand(2.5, 63, 33, 1400, 1410, 960, 720), abs=1e-4)
    wrong = lines_of("scannetpp", tmp_path, tmp_path / "w", as_published=True)[0]
    xn, yn = (63 - 959.5) / 1427.4375, (33 - 719.5) / 1427.4375
    assert wrong["depth"][0] == pytest.approx(math.sqrt(xn**2 + yn**2 + 2.5**2), abs=1e-4)
    mask = np.full((1440, 1920), 255, np.uint8)
    mask[:200] = 0
    (phone / "rgb_masks").mkdir()
    Image.fromarray(mask).save(phone / "rgb_masks/frame_000000.png")
    assert len(lines_of("scannetpp", tmp_path, tmp_path / "m")) == 1


@pytest.mark.parametrize("kind", ["stream", "lz4", "zlib"])
def test_scannetpps_depth_bin(tmp_path, kind):
    phone = scannet(tmp_path)
    maps = np.zeros((11, 192, 256), np.float32)
    maps[:, 4, 8] = 2.5
    if kind == "stream":
        data = zlib.compress(maps.tobytes())
    else:
        data = b""
        for frame in maps:
            block = (
                zlib.compress(frame.tobytes())
                if kind == "zlib"
                else lz4.block.compress(
                    (frame * 1000).astype(np.uint16).tobytes(), store_size=False
                )
            )
            data += struct.pack("<I", len(block)) + block
    (phone / "depth.bin").write_bytes(data)
    lines = lines_of("scannetpp", tmp_path, tmp_path / "out", label="z")
    assert [line["depth"] for line in lines] == [[2.5], [2.5]]


def test_scannetpps_video_is_read_frame_by_frame(tmp_path):
    """Frame n of the video is grey 10 n: the frames written are those that the names say."""
    phone = scannet(tmp_path)
    for file in (phone / "rgb").iterdir():
        file.unlink()
    (phone / "rgb").rmdir()
    writer = cv2.VideoWriter(
        str(phone / "rgb.mkv"), cv2.VideoWriter_fourcc(*"MJPG"), 30, (192, 144)
    )
    assert writer.isOpened()
    for n in range(12):
        writer.write(np.full((144, 192, 3), 10 * n, np.uint8))
    writer.release()
    for n in (0, 10):
        depth16(phone / f"depth/frame_{n:06d}.png", one_pixel(192, 256, 4, 8, 2500))
    lines_of("scannetpp", tmp_path, tmp_path / "out")
    grey = cv2.imread(str(tmp_path / "out/rgb/s1/frame_000010.jpg")).mean()
    assert abs(grey - 100) < 4


LENS = (3400.0, 3410.0, 3024.5, 2016.5, 0.1, 0.02, 1e-3, -1e-3, 0.01, 0.0, 5e-4, -5e-4)


def eth3d(root):
    base = root / "multi_view_training_dslr_undistorted/pipes"
    image(base / "images/dslr_images_undistorted/A.JPG", 620, 413)
    cameras = "# list\n0 PINHOLE 620 413 340 341 310 206\n"
    images = "# list\n1 1 0 0 0 0 0 0 0 dslr_images_undistorted/A.JPG\n1 2 -1\n"
    text(base / "dslr_calibration_undistorted/cameras.txt", cameras)
    text(base / "dslr_calibration_undistorted/images.txt", images)
    bent = root / "depthmap/pipes"
    words = " ".join(map(str, LENS))
    text(bent / "dslr_calibration_jpg/cameras.txt", f"7 THIN_PRISM_FISHEYE 6048 4032 {words}\n")
    text(bent / "dslr_calibration_jpg/images.txt", images.replace(" 0 dslr", " 7 dslr"))
    depth = np.zeros((4032, 6048), np.float32)
    depth[1000, 4500] = 4.0
    folder = bent / "ground_truth_depth/dslr_images"
    folder.mkdir(parents=True)
    depth.tofile(folder / "A.JPG")


def test_eth3ds_labels_go_through_the_lens(tmp_path):
    """A point found by bisection in the lens's own formulas lies where the line says."""
    eth3d(tmp_path)
    (line,) = lines_of("eth3d", tmp_path, tmp_path / "out", split="test", label="z")
    assert line["depth"] == [4.0]
    fx, fy, cx, cy, k1, k2, p1, p2, k3, k4, sx, sy = LENS

    def project(x, y):
        r = math.hypot(x, y)
        theta = math.atan(r)
        u, v = x * theta / r, y * theta / r
        t = u * u + v * v
        radial = k1 * t + k2 * t**2 + k3 * t**3 + k4 * t**4
        du = u * radial + 2 * p1 * u * v + p2 * (t + 2 * u * u) + sx * t
        dv = v * radial + 2 * p2 * u * v + p1 * (t + 2 * v * v) + sy * t
        return fx * (u + du) + cx - 0.5, fy * (v + dv) + cy - 0.5

    x = y = 0.0
    for _ in range(200):  # a plain fixed point, damped
        u, v = project(x or 1e-9, y or 1e-9)
        x, y = x + 0.5 * (4500 - u) / fx, y + 0.5 * (1000 - v) / fy
    expected = (340 * x + 310 - 0.5, 341 * y + 206 - 0.5)
    assert line["pixel_coords"][0] == [round(expected[0]), round(expected[1])]
    (vlm,) = lines_of("eth3d", tmp_path, tmp_path / "v", split="test", form="depthvlm")
    assert vlm["depth_format"] == "binary_float32" and vlm["scene_type"] == "indoor"
    assert vlm["original_depth_size"] == [6048, 4032]


def nuscenes(root):
    def table(name, rows):
        text(root / f"v1.0-trainval/{name}.json", json.dumps(rows))

    table("scene", [{"token": "s", "name": "scene-0001"}, {"token": "m", "name": "scene-0061"}])
    table("sample", [{"token": "k", "scene_token": "s", "timestamp": 1}])
    table(
        "sensor", [{"token": "L", "channel": "LIDAR_TOP"}, {"token": "C", "channel": "CAM_FRONT"}]
    )
    # The camera looks along the car's x: its z is x, its x is -y, its y is -z.
    look = [0.5, -0.5, 0.5, -0.5]
    table(
        "calibrated_sensor",
        [
            {
                "token": "cl",
                "sensor_token": "L",
                "rotation": [1, 0, 0, 0],
                "translation": [1, 0, 2],
            },
            {
                "token": "cc",
                "sensor_token": "C",
                "rotation": look,
                "translation": [1.5, 0, 1.5],
                "camera_intrinsic": [[100, 0, 79.5], [0, 100, 44.5], [0, 0, 1]],
            },
        ],
    )
    table(
        "ego_pose",
        [
            {"token": "pl", "rotation": [1, 0, 0, 0], "translation": [100, 50, 0]},
            {"token": "pc", "rotation": [1, 0, 0, 0], "translation": [101, 50, 0]},
        ],
    )  # 1 m ahead
    common = {"sample_token": "k", "is_key_frame": True, "timestamp": 5}
    table(
        "sample_data",
        [
            {
                "token": "dl",
                "calibrated_sensor_token": "cl",
                "ego_pose_token": "pl",
                "filename": "samples/LIDAR_TOP/a.pcd.bin",
                **common,
            },
            {
                "token": "dc",
                "calibrated_sensor_token": "cc",
                "ego_pose_token": "pc",
                "filename": "samples/CAM_FRONT/a.jpg",
                **common,
            },
        ],
    )
    image(root / "samples/CAM_FRONT/a.jpg", 160, 90)
    (root / "samples/LIDAR_TOP").mkdir()
    points = np.array([[10.0, 2.0, 0.5, 0, 0], [20.0, 4.0, 0.7, 0, 0]], "<f4")
    points.tofile(root / "samples/LIDAR_TOP/a.pcd.bin")


def test_nuscenes(tmp_path):
    """(10, 2, 0.5) of the lidar is (11, 2, 2.5) of the car, and (10, 2, 2.5) one metre later.

    From the camera at (1.5, 0, 1.5): 8.5 ahead, 2 left, 1 up: u = 79.5 - 100 x 2 / 8.5 = 55.97,
    v = 44.5 - 100 / 8.5 = 32.74. Without the car's motion: 9.5 ahead, u = 58.4, v = 33.97.
    """
    nuscenes(tmp_path)
    (line,) = lines_of("nuscenes", tmp_path, tmp_path / "out", label="z")
    found = dict(zip(map(tuple, line["pixel_coords"]), line["depth"], strict=True))
    assert found[(56, 33)] == pytest.approx(8.5, abs=1 / 256)
    assert found[(58, 38)] == pytest.approx(18.5, abs=1 / 256)  # 4 left and 1.2 up of 18.5
    (wrong,) = lines_of("nuscenes", tmp_path, tmp_path / "w", as_published=True)
    found = dict(zip(map(tuple, wrong["pixel_coords"]), wrong["depth"], strict=True))
    assert wrong["label"] == "z" and found[(58, 33)] == pytest.approx(9.5, abs=1 / 256)
    assert AnnotationFile(tmp_path / "out/nuscenes_depthlm_train.jsonl")[0].image.is_file()
    (vlm,) = lines_of("nuscenes", tmp_path, tmp_path / "v", form="depthvlm")
    assert vlm["image"] == "train/rgb/scene-0001/5_CAM_FRONT.jpg" and vlm["depth_scale"] == 256


def argoverse(root):
    import pyarrow as pa
    from pyarrow import feather

    log = root / "val/log1"
    still = {"qw": 1.0, "qx": 0.0, "qy": 0.0, "qz": 0.0}

    def write(path, rows):
        path.parent.mkdir(parents=True, exist_ok=True)
        feather.write_feather(pa.Table.from_pylist(rows), path)

    write(
        log / "city_SE3_egovehicle.feather",
        [
            {"timestamp_ns": 100, **still, "tx_m": 5.0, "ty_m": 0.0, "tz_m": 0.0},
            {"timestamp_ns": 130, **still, "tx_m": 6.0, "ty_m": 0.0, "tz_m": 0.0},
            {"timestamp_ns": 900, **still, "tx_m": 9.0, "ty_m": 0.0, "tz_m": 0.0},
        ],
    )
    write(
        log / "calibration/egovehicle_SE3_sensor.feather",
        [
            {
                "sensor_name": "ring_front_center",
                "qw": 0.5,
                "qx": -0.5,
                "qy": 0.5,
                "qz": -0.5,
                "tx_m": 1.5,
                "ty_m": 0.0,
                "tz_m": 1.5,
            }
        ],
    )
    write(
        log / "calibration/intrinsics.feather",
        [
            {
                "sensor_name": "ring_front_center",
                "fx_px": 1600.0,
                "fy_px": 1600.0,
                "cx_px": 79.5,
                "cy_px": 59.5,
                "width_px": 160,
                "height_px": 120,
            }
        ],
    )
    for time, x in ((100, 21.0), (900, 77.0)):
        write(log / f"sensors/lidar/{time}.feather", [{"x": x, "y": 0.5, "z": 1.9}])
    image(log / "sensors/cameras/ring_front_center/130.jpg", 160, 120)


def test_argoverse2(tmp_path):
    """The sweep of 100 ns is nearest; (21, 0.5, 1.9) is (20, 0.5, 1.9) when the picture is taken.

    18.5 ahead of the camera, 0.5 left, 0.4 up. Points are on a picture shrunk to f = 1000:
    u = 79.5 / 1.6 - 1000 x 0.5 / 18.5 = 22.66, v = 59.5 / 1.6 - 1000 x 0.4 / 18.5 = 15.57.
    """
    argoverse(tmp_path)
    (line,) = lines_of("argoverse2", tmp_path, tmp_path / "out", split="test")
    assert line["intrinsics"] == [1000, 1000, 49.6875, 37.1875, 100, 75]
    assert line["pixel_coords"] == [[23, 16]] and line["label"] == "distance"
    assert line["depth"][0] == pytest.approx(math.hypot(18.5, 0.5, 0.4), abs=1 / 256)
    out = tmp_path / "v"
    (right,) = lines_of("argoverse2", tmp_path, out, split="test", form="depthvlm")
    assert right["label"] == "z" and right["original_fx"] == 1600
    raw = np.array(Image.open(out / right["depth_path"]))
    assert raw.max() == round(18.5 * 256) and raw.shape == (120, 160)
    wrong = tmp_path / "w"
    (line,) = lines_of(
        "argoverse2", tmp_path, wrong, split="test", form="depthvlm", as_published=True
    )
    raw = np.array(Image.open(wrong / line["depth_path"]))
    assert line["label"] == "distance" and raw.max() == round(math.hypot(18.5, 0.5, 0.4) * 256)


def test_argoverse2_gives_pairs_with_the_way_between_them(tmp_path):
    """The sensor sits 1.5 m ahead on a car that turns by 90 degrees while it goes 3 m to the left.

    From (5, 0) looking along x to (5, 3) looking along y: the camera goes from (6.5, 0) to
    (5, 4.5), which is sqrt(1.5^2 + 4.5^2) m.
    """
    import pyarrow as pa
    from pyarrow import feather

    argoverse(tmp_path)
    log = tmp_path / "val/log1"
    rows = [
        {"timestamp_ns": 130, "qw": 1.0, "qx": 0.0, "qy": 0.0, "qz": 0.0, "tx_m": 5.0,
         "ty_m": 0.0, "tz_m": 0.0},
        {"timestamp_ns": 180, "qw": math.sqrt(0.5), "qx": 0.0, "qy": 0.0, "qz": math.sqrt(0.5),
         "tx_m": 5.0, "ty_m": 3.0, "tz_m": 0.0},
    ]  # fmt: skip
    feather.write_feather(pa.Table.from_pylist(rows), log / "city_SE3_egovehicle.feather")
    image(log / "sensors/cameras/ring_front_center/180.jpg", 160, 120)
    settings = CurationSettings(form="motion", split="test")
    curator = curator_of("argoverse2")
    found = [
        record
        for seed in range(60)  # the drawn gap is one image in some of them
        for record in curator.frames(
            tmp_path, tmp_path / "o", "log1", replace(settings, seed=seed)
        )
    ]
    assert found and all(one.motion_m == pytest.approx(math.sqrt(22.5)) for one in found)
    line = motion_line(found[0], tmp_path, settings)
    assert line["image"].endswith("130.jpg") and line["second_image"].endswith("180.jpg")
    assert line["camera_motion"] == pytest.approx(4.7434, abs=1e-4)
    assert line["intrinsics"] == [1600, 1600, 79.5, 59.5, 160, 120]
    matterport(tmp_path / "m")
    with pytest.raises(StatusError, match="pairs of images are offered of argoverse2 alone"):
        prepare(
            curator_of("matterport3d"), tmp_path / "m", tmp_path / "n",
            CurationSettings(form="motion"),
        )  # fmt: skip


def three_scenes(root):
    """Write Matterport3D with the scenes m1, m2 and m3."""
    matterport(root)
    for name in ("m2", "m3"):
        shutil.copytree(root / "m1", root / name)
        conf = root / name / "undistorted_camera_parameters"
        (conf / "m1.conf").rename(conf / f"{name}.conf")
    text(root / "scenes_train.txt", "m1\nm2\nm3\n")


def test_a_cluster_of_two_workers_writes_the_same_file(tmp_path):
    """Ray Data's map over scenes, on a cluster made here, against the map of one process."""
    root, told = tmp_path / "root", []
    three_scenes(root)
    curator, settings = curator_of("matterport3d"), CurationSettings()
    alone = prepare(curator, root, tmp_path / "alone", settings)
    with ray_cluster("local", workers=2) as ray:
        assert ray.cluster_resources()["CPU"] == 2
        by_ray = prepare(
            curator, root, tmp_path / "ray", settings, ray_address="local",
            progress=lambda *numbers: told.append(numbers),
        )  # fmt: skip
        assert by_ray.read_text() == alone.read_text() and len(alone.read_text().splitlines()) == 6
        assert told == [("matterport3d", n, 3) for n in (1, 2, 3)]
        (root / "m2/undistorted_depth_images/a_d0_0.png").write_bytes(b"no picture")
        with pytest.raises(StatusError, match="a_d0_0.png is missing or no picture"):
            prepare(curator, root, tmp_path / "broken", settings, ray_address="local")
    assert not ray.is_initialized()


def test_a_refusal_crosses_processes(tmp_path):
    root = tmp_path / "root"
    three_scenes(root)
    (root / "m2/undistorted_depth_images/a_d0_0.png").write_bytes(b"no picture")
    with pytest.raises(StatusError, match="a_d0_0.png is missing or no picture"):
        prepare(curator_of("matterport3d"), root, tmp_path / "o", CurationSettings(), workers=2)


def test_an_interrupted_run_goes_on_and_machines_share(tmp_path):
    root, out = tmp_path / "root", tmp_path / "out"
    three_scenes(root)
    curator, settings = curator_of("matterport3d"), CurationSettings()
    path = prepare(curator, root, out, settings, part=(0, 2))
    assert not path.exists()
    first = out / "parts/depthlm/train/m1.jsonl"
    stamp = first.stat().st_mtime_ns
    told = []
    prepare(curator, root, out, settings, part=(1, 2), progress=lambda *a: told.append(a))
    assert path.is_file() and len(path.read_text().splitlines()) == 6
    assert first.stat().st_mtime_ns == stamp and told == [("matterport3d", 1, 1)]
    whole = prepare(curator, root, tmp_path / "whole", settings, workers=2)
    assert whole.read_text() == path.read_text()
    report = json.loads(path.with_suffix(".report.json").read_text())
    assert (report["scenes"], report["images"], report["labels"]) == (3, 6, 6)
    assert sum(report["histogram"]) == 6 and report["histogram"][3] == 6  # all within 2 to 4 m
    assert report["licence"].startswith("Matterport3D terms")


def test_labels_can_be_looked_at(tmp_path):
    matterport(tmp_path)
    path = prepare(curator_of("matterport3d"), tmp_path, tmp_path / "out", CurationSettings())
    points = sheet(AnnotationFile(path, tmp_path), [0, 1])
    assert points.ndim == 3 and points.shape[1] > 900
    path = prepare(
        curator_of("matterport3d"), tmp_path, tmp_path / "v", CurationSettings(form="depthvlm")
    )
    assert not np.array_equal(sheet(AnnotationFile(path, tmp_path), [0, 1]), points)


def test_the_commands(tmp_path, capsys):
    """As in docs/training.md: prepare in both forms, and look at the labels."""
    from depthlm_ros.cli.main import main

    matterport(tmp_path)
    out = tmp_path / "out"
    prepare_it = ["data", "prepare", "matterport3d", "--root", str(tmp_path), "--out", str(out)]
    assert main(prepare_it) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["images"] == 2 and report["file"].endswith("matterport3d_depthlm_train.jsonl")
    assert main([*prepare_it, "--form", "depthvlm", "--part", "0/2"]) == 0
    capsys.readouterr()
    picture = tmp_path / "labels.png"
    assert (
        main(["data", "show", report["file"], "--image-root", str(tmp_path), "-o", str(picture)])
        == 0
    )
    assert cv2.imread(str(picture)).shape[1] > 900
    assert main(["data", "prepare", "ibims1", "--root", str(tmp_path), "--out", str(out)]) == 1
    assert "is missing: must hold the PNG images of iBims-1" in capsys.readouterr().err


def test_what_is_missing_is_named(tmp_path):
    assert len(NAMES) >= 10
    with pytest.raises(StatusError, match="known are argoverse2"):
        curator_of("kitti")
    for name in NAMES:
        with pytest.raises(StatusError, match=r"missing|cannot be read|has no scenes"):
            prepare(curator_of(name), tmp_path, tmp_path / "o", CurationSettings(split="test"))
    with pytest.raises(StatusError, match="must be one of"):
        CurationSettings(form="kitti")
    assert Path(tmp_path).is_dir()
