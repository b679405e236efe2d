"""Every file read back by an independent reader."""

import numpy as np
import pytest
from PIL import Image

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.image_io import depth_files

NAN, INF = np.nan, np.inf


def read_ply(path):
    """Read a PLY file by its header alone: a dict of arrays."""
    head, _, body = path.read_bytes().partition(b"end_header\n")
    lines = head.decode("ascii").splitlines()
    assert lines[0] == "ply" and lines[1] == "format binary_little_endian 1.0"
    count = int(next(x.split()[2] for x in lines if x.startswith("element vertex")))
    sizes = {"float": "<f4", "uchar": "u1"}
    kinds = [x.split()[1:] for x in lines if x.startswith("property")]
    record = np.dtype([(name, sizes[kind]) for kind, name in kinds])
    assert len(body) == count * record.itemsize
    return {name: np.frombuffer(body, record)[name] for name in record.names}


def small_map(depth):
    """Return a map with fx = 2, fy = 4 px, centre (1, 0)."""
    depth = np.float32(depth)
    return DepthMap(depth, PinholeCamera(2.0, 4.0, 1.0, 0.0, depth.shape[1], depth.shape[0]))


def test_ply_points_worked_by_hand(tmp_path):
    """Pixel (u, v) at z: x = z (u - 1) / 2, y = z v / 4."""
    depth_map = small_map([[2.0, NAN, 2.0], [2.0, INF, 2.2]])
    rgb = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    assert depth_files.write_ply(tmp_path / "a.ply", depth_map, rgb) == 4
    cloud = read_ply(tmp_path / "a.ply")
    assert list(cloud) == ["x", "y", "z", "red", "green", "blue"]
    assert cloud["x"] == pytest.approx([-1.0, 1.0, -1.0, 1.1])
    assert cloud["y"] == pytest.approx([0.0, 0.0, 0.5, 0.55])
    assert cloud["z"] == pytest.approx([2.0, 2.0, 2.0, 2.2])
    assert cloud["red"].tolist() == [0, 6, 9, 15]
    assert cloud["blue"].tolist() == [2, 8, 11, 17]


def test_ply_leaves_points_at_depth_steps_out_unless_told(tmp_path):
    """A step between columns 2 and 3: these two columns may float."""
    depth_map = small_map(np.tile(np.float32([1, 1, 1, 5, 5, 5]), (4, 1)))
    rgb = np.zeros((4, 6, 3), np.uint8)
    assert depth_files.write_ply(tmp_path / "a.ply", depth_map, rgb) == 16
    assert set(read_ply(tmp_path / "a.ply")["x"] * 2 / read_ply(tmp_path / "a.ply")["z"] + 1) == {
        0.0,
        1.0,
        4.0,
        5.0,
    }
    assert depth_files.write_ply(tmp_path / "b.ply", depth_map, rgb, keep_edges=True) == 24
    assert depth_files.write_ply(tmp_path / "c.ply", depth_map, rgb, edge_ratio=6.0) == 24


def test_ply_of_nothing_is_an_empty_cloud(tmp_path):
    depth_map = small_map(np.full((2, 3), NAN))
    assert depth_files.write_ply(tmp_path / "a.ply", depth_map, np.zeros((2, 3, 3), np.uint8)) == 0
    assert read_ply(tmp_path / "a.ply")["x"].size == 0


def test_npy_keeps_metres_and_what_is_no_number(tmp_path):
    depth = np.float32([[1.2345, NAN, INF]])
    depth_files.write_npy(tmp_path / "a.npy", depth)
    back = np.load(tmp_path / "a.npy", allow_pickle=False)
    assert back.dtype == np.float32
    assert np.array_equal(back, depth, equal_nan=True)


def test_millimetres_are_rounded_and_never_clipped(tmp_path):
    depth = np.float32([[1.2344, 1.2346, NAN, INF], [65.535, 65.6, 0.0003, -1.0]])
    depth_files.write_png_mm(tmp_path / "a.png", depth)
    back = np.asarray(Image.open(tmp_path / "a.png"))
    assert back.astype(int).tolist() == [[1234, 1235, 0, 0], [65535, 0, 0, 0]]


def test_png_keeps_the_order_of_colours(tmp_path):
    rgb = np.random.default_rng(3).integers(0, 255, (5, 7, 3), dtype=np.uint8)
    depth_files.write_png(tmp_path / "a.png", rgb)
    assert (np.asarray(Image.open(tmp_path / "a.png")) == rgb).all()


def test_a_file_that_cannot_be_finished_leaves_nothing_behind(tmp_path, monkeypatch):
    (tmp_path / "a.npy").write_text("old")

    def full(file, *rest, **options):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="No space"):
        depth_files.write_npy(tmp_path / "a.npy", np.zeros((2, 2)))
    assert [file.name for file in tmp_path.iterdir()] == ["a.npy"]
    assert (tmp_path / "a.npy").read_text() == "old"
