"""Curated driving sets: nuScenes and Argoverse 2."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from curated_trees import image, lines_of, matterport, text
from PIL import Image

from depthlm_ros.datasets.curation import CurationSettings, motion_line, prepare
from depthlm_ros.datasets.curators import curator_of
from depthlm_ros.datasets.readers import AnnotationFile
from depthlm_ros.status import StatusError


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


def test_nuscenes_camera_motion(tmp_path):
    """The car goes 3 m ahead and turns by 90 degrees to the left about its own origin.

    The camera, 1.5 m ahead of it, goes from (102.5, 50) to (104, 51.5): 1.5 and 1.5, 2.1213 m.
    """
    nuscenes(tmp_path)
    tables = tmp_path / "v1.0-trainval"

    def grow(name, *rows):
        path = tables / f"{name}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) + list(rows)))

    half = math.sqrt(0.5)
    grow("sample", {"token": "k2", "scene_token": "s", "timestamp": 500_001})
    grow("ego_pose", {"token": "p2", "rotation": [half, 0, 0, half], "translation": [104, 50, 0]})
    common = {"sample_token": "k2", "is_key_frame": True, "timestamp": 500_005,
              "ego_pose_token": "p2"}  # fmt: skip
    grow(
        "sample_data",
        {"token": "dl2", "calibrated_sensor_token": "cl", "filename": "b.pcd.bin", **common},
        {"token": "dc2", "calibrated_sensor_token": "cc", "filename": "samples/CAM_FRONT/b.jpg",
         "width": 160, "height": 90, **common},
    )  # fmt: skip
    rows = json.loads((tables / "sample_data.json").read_text())
    for row in rows:
        row.update({"width": 160, "height": 90} if "CAM" in row["filename"] else {})
    (tables / "sample_data.json").write_text(json.dumps(rows))
    found = []
    for seed in range(20):  # the drawn gap is one key frame in some of them
        settings = CurationSettings(form="motion", seed=seed)
        curator = curator_of("nuscenes")
        found += curator.frames(tmp_path, tmp_path / "o", "scene-0001", settings)
    assert 0 < len(found) < 20
    assert all(one.motion_m == pytest.approx(1.5 * math.sqrt(2)) for one in found)
    line = motion_line(found[0], tmp_path, settings)
    assert line["image"].endswith("a.jpg") and line["second_image"].endswith("b.jpg")
    assert line["camera_motion"] == 2.1213
    assert line["intrinsics"] == [100, 100, 79.5, 44.5, 160, 90]


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
    with pytest.raises(
        StatusError, match="pairs of images are offered of argoverse2 and nuscenes"
    ):
        prepare(
            curator_of("matterport3d"), tmp_path / "m", tmp_path / "n",
            CurationSettings(form="motion"),
        )  # fmt: skip
