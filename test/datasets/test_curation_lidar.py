"""Waymo's and DDAD's curation on small trees in their own formats; geometry worked out by hand."""

import json
import math

import cv2
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from depthlm_ros.datasets.curation import CurationSettings, prepare
from depthlm_ros.datasets.curators import curator_of

IDENTITY = np.eye(4).ravel().tolist()


def lines_of(name, root, out, **settings):
    path = prepare(curator_of(name), root, out, CurationSettings(**settings))
    return [json.loads(line) for line in path.read_text().splitlines()]


def waymo(root, bend=0.0):
    """Write a segment of one moment: 4 beams, 8 columns, one cell with a return."""

    def write(component, rows):
        folder = root / "training" / component
        folder.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pa.Table.from_pylist(rows), folder / "seg.parquet")

    key = {"key.segment_context_name": "seg", "key.frame_timestamp_micros": 7}
    _, jpg = cv2.imencode(".jpg", np.full((60, 80, 3), 90, np.uint8))
    write(
        "camera_image",
        [{**key, "key.camera_name": 1, "[CameraImageComponent].image": jpg.tobytes()}],
    )
    lens = "[CameraCalibrationComponent]"
    # The camera stands at (1.5, 0, 2) of the vehicle, looking ahead (its frame: x ahead, z up).
    where = np.eye(4)
    where[:3, 3] = (1.5, 0.0, 2.0)
    numbers = {
        "f_u": 1250.0,
        "f_v": 1250.0,
        "c_u": 38.0,
        "c_v": 31.0,
        "k1": bend,
        "k2": 0.0,
        "p1": 0.0,
        "p2": 0.0,
        "k3": 0.0,
    }
    write(
        "camera_calibration",
        [
            {
                "key.segment_context_name": "seg",
                "key.camera_name": 1,
                f"{lens}.width": 80,
                f"{lens}.height": 60,
                f"{lens}.extrinsic.transform": where.ravel().tolist(),
                **{f"{lens}.intrinsic.{k}": v for k, v in numbers.items()},
            }
        ],
    )
    ranges = np.zeros((4, 8, 4))
    ranges[1, 3, 0] = 20.0
    write(
        "lidar",
        [
            {
                **key,
                "key.laser_name": 1,
                "[LiDARComponent].range_image_return1.values": ranges.ravel().tolist(),
                "[LiDARComponent].range_image_return1.shape": [4, 8, 4],
            }
        ],
    )
    seen = np.zeros((4, 8, 6))
    seen[1, 3] = (1, 30, 20, 0, 0, 0)
    prefix = "[LiDARCameraProjectionComponent].range_image_return1"
    write(
        "lidar_camera_projection",
        [
            {
                **key,
                "key.laser_name": 1,
                f"{prefix}.values": seen.ravel().tolist(),
                f"{prefix}.shape": [4, 8, 6],
            }
        ],
    )
    lidar = "[LiDARCalibrationComponent]"
    stands = np.eye(4)
    stands[2, 3] = 2.2
    write(
        "lidar_calibration",
        [
            {
                "key.segment_context_name": "seg",
                "key.laser_name": 1,
                f"{lidar}.extrinsic.transform": stands.ravel().tolist(),
                f"{lidar}.beam_inclination.values": [-0.2, -0.1, 0.0, 0.05],
                f"{lidar}.beam_inclination.min": -0.2,
                f"{lidar}.beam_inclination.max": 0.05,
            }
        ],
    )


def distance_of_the_point():
    """Row 1 of four is the third beam from below, level; column 3 of 8 is turned 22.5 degrees.

    (8 - 3 - 0.5) / 8 x 360 - 180 = 22.5: the point is 20 m away from (0, 0, 2.2) to the left.
    """
    x, y = 20 * math.cos(math.radians(22.5)), 20 * math.sin(math.radians(22.5))
    return math.dist((x, y, 2.2), (1.5, 0, 2.0))


def test_waymo(tmp_path):
    """Without distortion the pixel (30, 20) moves by the centre, 40 - 38 and 30 - 31, x 0.8."""
    waymo(tmp_path)
    (line,) = lines_of("waymo", tmp_path, tmp_path / "out")
    assert line["depth"][0] == pytest.approx(distance_of_the_point(), abs=1 / 256)
    assert line["label"] == "distance" and line["intrinsics"][:2] == [1000, 1000]
    assert line["pixel_coords"] == [[round(32 * 0.8), round(19 * 0.8)]]
    (vlm,) = lines_of("waymo", tmp_path, tmp_path / "v", form="depthvlm")
    raw = np.array(Image.open(tmp_path / "v" / vlm["depth_path"]))
    ray = math.sqrt(1 + ((32 - 40) / 1250) ** 2 + ((19 - 30) / 1250) ** 2)
    assert vlm["label"] == "z" and np.argwhere(raw).tolist() == [[19, 32]]
    assert raw[19, 32] == round(distance_of_the_point() / ray * 256)
    (wrong,) = lines_of("waymo", tmp_path, tmp_path / "w", form="depthvlm", as_published=True)
    assert wrong["label"] == "distance"


def test_waymos_points_go_through_the_lens(tmp_path):
    """X (1 + k r^2) = (30 - 38) / 1250 and so on, solved by bisection of the radius."""
    bend = 900.0  # strong: the picture is 80 px wide at f = 1250
    waymo(tmp_path, bend)
    (line,) = lines_of("waymo", tmp_path, tmp_path / "out", form="depthvlm")
    raw = np.array(Image.open(tmp_path / "out" / line["depth_path"]))
    bent = np.array([(30 - 38) / 1250, (20 - 31) / 1250])
    low, high = 0.0, float(np.hypot(*bent))
    for _ in range(60):
        r = (low + high) / 2
        low, high = (r, high) if r * (1 + bend * r * r) < np.hypot(*bent) else (low, r)
    x, y = bent / np.hypot(*bent) * low
    expected = [round(y * 1250 + 30), round(x * 1250 + 40)]
    assert np.argwhere(raw).tolist() == [expected]
    assert expected != [19, 32]
    (points,) = lines_of("waymo", tmp_path, tmp_path / "p")
    (published,) = lines_of("waymo", tmp_path, tmp_path / "q", as_published=True)
    assert points["pixel_coords"] != published["pixel_coords"]


def test_ddad(tmp_path):
    """The lidar stands 2 m behind the camera's place: 12 m ahead of it is 10 m of z-depth.

    The camera's z is the world's x, its x is -y: 1 m to the left is u = 39.5 - 100 / 10.
    """
    scene = tmp_path / "000001"
    (scene / "rgb").mkdir(parents=True)
    (scene / "points").mkdir()
    (scene / "calibration").mkdir()
    Image.fromarray(np.full((60, 80, 3), 90, np.uint8)).save(scene / "rgb/a.png")
    np.savez(scene / "points/a.npz", data=np.array([[12.0, 1.0, 0.0, 5.0]]))
    look = {"qw": 0.5, "qx": -0.5, "qy": 0.5, "qz": -0.5}
    still = {"qw": 1.0, "qx": 0.0, "qy": 0.0, "qz": 0.0}
    data = [
        {
            "key": "c",
            "id": {"name": "CAMERA_01", "timestamp": "2020-01-01T00:00:00.5Z"},
            "datum": {
                "image": {
                    "filename": "rgb/a.png",
                    "pose": {"rotation": look, "translation": {"x": 7.0, "y": 0.0, "z": 0.0}},
                }
            },
        },
        {
            "key": "l",
            "id": {"name": "LIDAR", "timestamp": "2020-01-01T00:00:00.5Z"},
            "datum": {
                "point_cloud": {
                    "filename": "points/a.npz",
                    "pose": {"rotation": still, "translation": {"x": 5.0, "y": 0.0, "z": 0.0}},
                }
            },
        },
    ]
    samples = [{"datum_keys": ["c", "l"], "calibration_key": "k"}]
    (scene / "scene_1.json").write_text(json.dumps({"data": data, "samples": samples}))
    numbers = {"fx": 100.0, "fy": 100.0, "cx": 39.5, "cy": 29.5}
    (scene / "calibration/k.json").write_text(
        json.dumps({"names": ["CAMERA_01"], "intrinsics": [numbers]})
    )
    (tmp_path / "ddad.json").write_text(
        json.dumps({"scene_splits": {"1": {"filenames": ["000001/scene_1.json"]}}})
    )
    (line,) = lines_of("ddad", tmp_path, tmp_path / "out", split="val", label="z")
    assert line["pixel_coords"] == [[30, 30]] and line["depth"] == [10.0]
