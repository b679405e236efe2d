"""DepthVLM's reading of depth maps and its choice of test images and points, by hand."""

import json

import numpy as np
import pytest
from PIL import Image

from depthlm_ros.datasets.base import DepthFile
from depthlm_ros.datasets.choosing import (
    choose_images,
    choose_points,
    points_per_image,
    share,
    spaced,
)
from depthlm_ros.datasets.depth_reading import (
    canonical_size,
    centred_crop,
    load_dense,
    read_masked,
    read_raw,
    resize_nearest,
)
from depthlm_ros.datasets.readers import AnnotationFile
from depthlm_ros.status import StatusError


def save(path, array):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def test_raw_over_scale_and_what_is_not_finite_is_unknown(tmp_path):
    png = save(tmp_path / "d.png", np.array([[0, 256, 65535]], np.uint16))
    np.testing.assert_allclose(read_raw(DepthFile(png, 256.0)), [[0, 1, 65535 / 256]])
    raw = tmp_path / "d.bin"
    np.array([1.5, np.inf, np.nan, 2.0], "<f4").tofile(raw)
    file = DepthFile(raw, 1.0, "binary_float32", size=(2, 2))
    np.testing.assert_array_equal(read_raw(file), [[1.5, 0], [0, 2]])
    with pytest.raises(StatusError, match="holds 4 numbers: must be 3 x 2"):
        read_raw(DepthFile(raw, 1.0, "binary_float32", size=(3, 2)))
    with pytest.raises(StatusError, match="is missing"):
        read_raw(DepthFile(tmp_path / "none.png", 1.0))
    save(tmp_path / "rgb.png", np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(StatusError, match="has one channel"):
        read_raw(DepthFile(tmp_path / "rgb.png", 1.0))


def test_masks_and_range_come_before_the_resize(tmp_path):
    depth = save(tmp_path / "d.png", np.array([[100, 1000, 2000, 30000]], np.uint16))
    mask = save(tmp_path / "m.png", np.array([[255, 255, 0, 255]], np.uint8))
    transparent = save(tmp_path / "t.png", np.array([[1, 1, 1, 1]], np.uint8))
    file = DepthFile(depth, 1000.0, masks=(mask, transparent))
    np.testing.assert_allclose(read_masked(file, (0.5, 25.0)), [[0, 1.0, 0, 0]], rtol=1e-6)
    np.testing.assert_allclose(read_masked(file, (0.1, 30.0)), [[0.1, 1.0, 0, 30.0]], rtol=1e-6)
    save(tmp_path / "m.png", np.zeros((3, 3), np.uint8))
    with pytest.raises(StatusError, match="is a mask of"):
        read_masked(file)


def test_nearest_makes_up_no_depth():
    depth = np.array([[1.0, 9.0], [2.0, 4.0]], np.float32)
    big = resize_nearest(depth, (5, 4))
    assert big.shape == (4, 5) and set(np.unique(big)) == {1.0, 2.0, 4.0, 9.0}
    np.testing.assert_array_equal(big[0], [1, 1, 9, 9, 9])  # centre 2.5 of 5 falls to the right


def test_canonical_sizes():
    assert canonical_size(640, 480, 550.39) == (1163, 872)
    assert canonical_size(1600, 900, 1266.42) == (1263, 711)
    assert canonical_size(5, 3, 2000.0) == (2, 2)  # Python's round: 2.5 -> 2, 1.5 -> 2
    assert centred_crop(1163, 1025) == (69, 0, 1024, 1024)
    assert centred_crop(800, 600) == (0, 0, 800, 600)


@pytest.mark.parametrize(("name", "size"), [("hm3d", (1024, 1024)), ("sunrgbd", (1200, 1100))])
def test_a_whole_reading(tmp_path, name, size):
    """HM3D and Taskonomy are cropped to 1024 px about the centre, image and depth alike."""
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (55, 60, 3), np.uint8)
    raw = rng.integers(0, 6000, (55, 60)).astype(np.uint16)
    save(tmp_path / "rgb.png", rgb)
    save(tmp_path / "d.png", raw)
    line = {
        "image": "rgb.png",
        "depth_path": "d.png",
        "depth_scale": 512,
        "original_fx": 50.0,
        "original_rgb_size": [60, 55],
        "canonical_size": [1200, 1100],
    }
    (tmp_path / f"{name}.jsonl").write_text(json.dumps(line))
    file = AnnotationFile(tmp_path / f"{name}.jsonl")
    image, depth = load_dense(file[0], file.range_m)
    assert image.shape == (size[1], size[0], 3) and depth.shape == size[::-1]
    left, top = (1200 - size[0]) // 2, (1100 - size[1]) // 2
    whole = np.asarray(Image.fromarray(rgb).resize((1200, 1100), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(image, whole[top : top + size[1], left : left + size[0]])
    metres = raw.astype(np.float32) / 512  # every depth pixel became 20 x 20
    metres[(metres < file.range_m[0]) | (metres > file.range_m[1])] = 0
    expected = np.kron(metres, np.ones((20, 20)))[top : top + size[1], left : left + size[0]]
    np.testing.assert_allclose(depth, expected)


def test_without_a_canonical_size_nothing_is_resized(tmp_path):
    save(tmp_path / "rgb.png", np.zeros((6, 8, 3), np.uint8))
    save(tmp_path / "d.png", np.full((3, 4), 1000, np.uint16))
    line = {
        "image": "rgb.png",
        "depth_path": "d.png",
        "depth_scale": 1000,
        "original_fx": 9.0,
        "original_rgb_size": [8, 6],
        "canonical_size": None,
    }
    (tmp_path / "ddad.jsonl").write_text(json.dumps(line))
    rgb, depth = load_dense(AnnotationFile(tmp_path / "ddad.jsonl")[0])
    assert rgb.shape == (6, 8, 3) and depth.shape == (3, 4)


def test_the_budget_is_shared_and_what_is_left_is_shared_again():
    assert share([10, 10, 10], 10) == [4, 3, 3]
    # 5 each; the small group takes 1, its 4 go to the others: 2 each.
    assert share([1, 10, 10], 15) == [1, 7, 7]
    assert share([2, 1], 9) == [2, 1]
    assert share([1, 2, 30], 12) == [1, 2, 9]


def test_images_lie_evenly_in_their_group():
    assert spaced(10, 4) == [0, 2, 5, 7]  # int(j 10 / 4)
    groups = ["b"] * 6 + ["a"] * 4
    chosen = choose_images(groups, 4, lambda i: True)
    assert sorted(chosen) == [0, 3, 6, 8]  # two of each: int(0), int(3); int(0), int(2)
    assert chosen == choose_images(groups, 4, lambda i: True)


def test_an_image_without_depth_is_replaced_from_its_group():
    groups = ["a"] * 10 + ["b"] * 10
    chosen = choose_images(groups, 6, lambda i: i not in (0, 3, 13))
    assert len(chosen) == len(set(chosen)) == 6 and not {0, 3, 13} & set(chosen)
    assert sum(i < 10 for i in chosen) == 3
    # Five rounds at the most: with one usable image of 100 the list may come out short.
    assert len(choose_images(["a"] * 4, 3, lambda i: i == 1)) == 1


def test_points_an_image():
    assert points_per_image(3) == [10, 10, 10]
    ibims, nyu = points_per_image(100, total=10_000), points_per_image(654, total=10_000)
    assert set(ibims) == {100} and set(nyu) == {15, 16} and sum(nyu) == 10_000 and nyu[0] == 16
    assert set(points_per_image(454, total=5_000)) == {11, 12}


def test_points_are_drawn_from_valid_pixels_by_the_line():
    depth = np.zeros((20, 30), np.float32)
    depth[5:15, 10:14] = 2.0
    points = choose_points(depth, 10, line=7)
    assert points.shape == (10, 2) and len({tuple(p) for p in points}) == 10
    assert (depth[points[:, 1], points[:, 0]] > 0).all()
    rows, columns = np.nonzero(depth)
    picked = np.random.default_rng(49).choice(40, 10, replace=False)
    np.testing.assert_array_equal(points, np.stack([columns[picked], rows[picked]], 1))
    assert len(choose_points(depth, 100, line=0)) == 40
