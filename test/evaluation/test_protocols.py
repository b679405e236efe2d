"""Which points both benchmarks ask about, with and without the quirks of the released code."""

import json
import random

import numpy as np
import pytest
from PIL import Image

from depthlm_ros.datasets.readers import AnnotationFile
from depthlm_ros.evaluation.protocols import depthlm_items, depthvlm_items, published_points
from depthlm_ros.status import StatusError


def depthlm_file(tmp_path, counts, name="ibims1.jsonl", pixel=lambda n: [20 + n, 30]):
    """Write lines of 100 x 60 px images, f = 1000 px, with as many points as told."""
    lines = []
    for index, count in enumerate(counts):
        lines.append(
            {
                "image": f"{index}.png",
                "intrinsics": [1000, 1000, 49.5, 29.5, 100, 60],
                "pixel_coords": [pixel(n) for n in range(count)],
                "depth": [1.0 + n for n in range(count)],
            }
        )
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return AnnotationFile(path)


def asked(items):
    return {item.line: sorted(item.truth_m.tolist()) for item in items}


def test_random_points_are_spread_over_the_images(tmp_path):
    items = list(depthlm_items(depthlm_file(tmp_path, [5, 8, 3]), 100))
    assert [len(item.truth_m) for item in items] == [34, 33, 33]
    assert max(items[1].truth_m) <= 8 and max(items[2].truth_m) <= 3
    assert {len(set(i.truth_m)) for i in items} == {5, 8, 3}  # of each image's own points
    again = list(depthlm_items(depthlm_file(tmp_path, [5, 8, 3]), 100))
    assert asked(items) == asked(again)
    np.testing.assert_array_equal(items[0].pixels[:, 0], 19 + items[0].truth_m)


def test_the_published_draw_is_over_the_first_image_under_seed_42(tmp_path):
    file = depthlm_file(tmp_path, [8, 8, 8])
    rng = random.Random(42)
    expected = {}
    for index in range(50):
        expected.setdefault(index % 3, []).append(1.0 + rng.sample(range(8), 1)[0])
    assert asked(depthlm_items(file, 50, as_published=True)) == {
        line: sorted(values) for line, values in expected.items()
    }


def test_published_points_at_the_border_move_on_to_the_next_image(tmp_path):
    """Of the first image no marker fits (x = 3): its samples go to the second's own draws."""
    lines = depthlm_file(tmp_path, [4, 4], "a.jsonl").path.read_text().splitlines()
    first = json.loads(lines[0]) | {"pixel_coords": [[3, 30]] * 4, "label": "z"}
    second = json.loads(lines[1]) | {"label": "z"}
    path = tmp_path / "b.jsonl"
    path.write_text(f"{json.dumps(first)}\n{json.dumps(second)}")
    (item,) = depthlm_items(AnnotationFile(path), 10, as_published=True)
    assert item.line == 1 and len(item.truth_m) == 10
    counts = [len(i.truth_m) for i in depthlm_items(AnnotationFile(path), 10)]
    assert counts == [5, 5]  # ours asks about every drawn point: the marker turns at the border


def test_every_point_once(tmp_path):
    file = depthlm_file(tmp_path, [4, 2], pixel=lambda n: [4 + n, 30])
    assert asked(depthlm_items(file, mode="all")) == {0: [1, 2, 3, 4], 1: [1, 2]}
    published = depthlm_items(file, mode="all", as_published=True)
    assert asked(published) == {0: [2, 3, 4], 1: [2]}  # x = 4 is within the border of 5 px
    # At f_uni = 1250 px the image is 1.25 times as large: 4 becomes 5, which is inside.
    larger = depthlm_items(file, mode="all", as_published=True, focal_px=1250.0)
    assert asked(larger) == {0: [1, 2, 3, 4], 1: [1, 2]}
    with pytest.raises(StatusError, match="must be random or all"):
        next(depthlm_items(file, mode="dense"))


def test_of_scannet_the_last_lines_are_measured(tmp_path):
    file = depthlm_file(tmp_path, [1] * 100, "scannetpp/all.jsonl")
    assert sorted(item.line for item in depthlm_items(file, mode="all")) == [98, 99]


def depthvlm_file(tmp_path, depth_m, name="scannetpp.jsonl", masks=None, **change):
    """Write an image of 40 x 20 px with a depth map (H, W) [m] in millimetres."""
    Image.fromarray(np.zeros((20, 40, 3), np.uint8)).save(tmp_path / "rgb.png")
    Image.fromarray(np.round(depth_m * 1000).astype(np.uint16)).save(tmp_path / "d.png")
    line = {
        "image": "rgb.png",
        "depth_path": "d.png",
        "depth_scale": 1000,
        "original_rgb_size": [40, 20],
        "original_depth_size": list(depth_m.shape[::-1]),
        "original_fx": 500.0,
        "canonical_size": [80, 40],
        "pixel_coords": [[3, 1]],
        "depth": [7.0],
    } | change
    if masks is not None:
        Image.fromarray(masks).save(tmp_path / "m.png")
        line["mask_valid_path"] = "m.png"
    (tmp_path / name).write_text(json.dumps(line))
    return AnnotationFile(tmp_path / name)


def ramp(height, width):
    return 1.0 + np.arange(height * width).reshape(height, width) / 100


def test_sparse_points_are_scaled_by_the_depth_maps_size(tmp_path):
    """(3, 1) of an 8 x 4 map is (3.5 * 5 - 0.5, 1.5 * 5 - 0.5) of the 40 x 20 image."""
    (item,) = depthvlm_items(depthvlm_file(tmp_path, ramp(4, 8)))
    np.testing.assert_allclose(item.pixels, [[17.0, 7.0]])
    np.testing.assert_array_equal(item.truth_m, [7.0])


def test_published_sparse_points_are_scaled_by_the_images_size(tmp_path):
    """(3, 1) x 80 / 40 = (6, 2) of the canonical image, whatever the depth map's grid.

    There the NEAREST-resized map (10 x 10 px a depth pixel) holds its first value, 1.0.
    """
    file = depthvlm_file(tmp_path, ramp(4, 8))
    pixels, truth = published_points(file[0], file.range_m)
    np.testing.assert_array_equal(pixels, [[6, 2]])
    np.testing.assert_allclose(truth, [1.0])
    hole = ramp(4, 8)
    hole[0, 0] = 0
    file = depthvlm_file(tmp_path, hole)
    np.testing.assert_allclose(published_points(file[0], file.range_m)[1], [7.0])  # its own value


def test_published_truth_ignores_masks_and_drops_what_is_outside(tmp_path):
    file = depthvlm_file(
        tmp_path,
        ramp(20, 40),
        masks=np.zeros((20, 40), np.uint8),
        pixel_coords=[[3, 1], [39, 19], [40, 19]],
        depth=[7.0, 7.0, 7.0],
    )
    pixels, truth = published_points(file[0], file.range_m)
    np.testing.assert_array_equal(pixels, [[6, 2], [78, 38]])  # 40 x 2 = 80: outside
    np.testing.assert_allclose(truth, [1.43, 8.99], rtol=1e-6)


def test_published_points_move_with_the_crop(tmp_path):
    """HM3D at 1100 x 1040 px: 1100 - 1024 = 76, half of it 38; 1040 - 1024 = 16, half of it 8."""
    file = depthvlm_file(
        tmp_path,
        ramp(20, 40),
        "hm3d.jsonl",
        canonical_size=[1100, 1040],
        pixel_coords=[[20, 10], [1, 10]],
        depth=[7.0, 7.0],
    )
    pixels, _ = published_points(file[0], file.range_m)
    np.testing.assert_array_equal(pixels, [[20 * 27.5 - 38, 10 * 52 - 8]])  # (1, 10): cut off


def test_dense_items_have_no_points(tmp_path):
    file = depthvlm_file(tmp_path, ramp(4, 8))
    (item,) = depthvlm_items(file, "dense")
    assert item.dense and not len(item.pixels)
    with pytest.raises(StatusError, match="must be sparse or dense"):
        next(depthvlm_items(file, "random"))
    file = depthvlm_file(tmp_path, ramp(4, 8), pixel_coords=None)
    with pytest.raises(StatusError, match="has no pixel_coords"):
        next(depthvlm_items(file))
