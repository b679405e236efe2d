"""Curated indoor sets: Omnidata, Matterport3D, SUN RGB-D, iBims-1, ScanNet++, ETH3D."""

import json
import math
import struct
import zlib

import cv2
import lz4.block
import numpy as np
import pytest
from curated_trees import depth16, image, lines_of, matterport, one_pixel, text
from PIL import Image
from scipy.io import savemat

from depthlm_ros.datasets import sunrgbd
from depthlm_ros.datasets.readers import AnnotationFile
from depthlm_ros.status import StatusError


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


def test_sun_rgbds_own_list(tmp_path):
    """Read the list in MATLAB's own file: paths with `//`, a `/` at the end, another folder."""
    folders = ("kv2/kinect2data/a", "xtion/sun3ddata/b/b/1", "xtion/sun3ddata/c/2", "kv2/d")
    for folder in folders:
        text(tmp_path / folder / "intrinsics.txt", "50 0 31.5\n0 51 23.5\n0 0 1\n")
        text(tmp_path / folder / "fullres/intrinsics.txt", "99 0 31.5\n0 99 23.5\n0 0 1\n")
    home = "/n/fs/sun3d/data/SUNRGBD/"
    rows = ("kv2/kinect2data/a", "xtion/sun3ddata//b/b/1/", "xtion/elsewhere/2")
    cells = np.empty((1, len(rows)), object)  # a MATLAB cell array of strings
    cells[0] = [home + row for row in rows]
    savemat(tmp_path / "allsplit.mat", {"alltrain": cells, "alltest": cells[:, :1]})
    assert sorted(sunrgbd.SUNRGBD.scenes(tmp_path, "train")) == sorted(folders[:3])


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


def video(path, greys):
    """Write a video of flat frames."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 30, (192, 144))
    assert writer.isOpened()
    for grey in greys:
        writer.write(np.full((144, 192, 3), grey, np.uint8))
    writer.release()


def test_scannetpps_video_is_read_frame_by_frame(tmp_path):
    """Frame n of the video is grey 10 n: the frames written are those that the names say."""
    phone = scannet(tmp_path)
    for file in (phone / "rgb").iterdir():
        file.unlink()
    (phone / "rgb").rmdir()
    video(phone / "rgb.mkv", [10 * n for n in range(12)])
    video(phone / "rgb_mask.mkv", [255] * 10 + [0, 255])
    for n in (0, 10):
        depth16(phone / f"depth/frame_{n:06d}.png", one_pixel(192, 256, 4, 8, 2500))
    lines = lines_of("scannetpp", tmp_path, tmp_path / "out")
    assert [line["image"][-16:] for line in lines] == ["frame_000000.jpg"]  # the mask hides 10
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
    bent = root / "multi_view_training_dslr_jpg/pipes"
    words = " ".join(map(str, LENS))
    text(bent / "dslr_calibration_jpg/cameras.txt", f"7 THIN_PRISM_FISHEYE 6048 4032 {words}\n")
    text(bent / "dslr_calibration_jpg/images.txt", images.replace(" 0 dslr", " 7 dslr"))
    depth = np.zeros((4032, 6048), np.float32)
    depth[1000, 4500] = 4.0
    folder = root / "depthmap/pipes/ground_truth_depth/dslr_images"
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
