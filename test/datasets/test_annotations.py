"""Labelled photographs of any .jsonl: both papers' lines become z-depths at the image's pixels."""

import json
import math

import numpy as np
import pytest
from PIL import Image

from depthlm_ros.datasets.annotations import read_annotations
from depthlm_ros.datasets.base import LabelKind
from depthlm_ros.status import StatusError


def picture(path, size=(640, 480)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (90, 120, 150)).save(path)
    return path


def lines(path, *contents):
    path.write_text("\n".join(json.dumps(line) for line in contents) + "\n")
    return path


def refuse(where, refusal):
    raise AssertionError(f"{where}: {refusal.text}")


DEPTHLM = {
    "image": "/rgb/a.png",
    "intrinsics": [500.0, 500.0, 319.5, 239.5],
    "pixel_coords": [[319.5, 239.5], [619.5, 239.5], [1, 1]],
    "depth": [2.0, 3.0, None],
}


@pytest.mark.parametrize("key", ["image", "image_path"])
def test_a_line_of_depthlm_with_four_intrinsics_and_a_leading_slash(tmp_path, key):
    picture(tmp_path / "rgb/a.png")
    line = {key: DEPTHLM["image"], **{k: v for k, v in DEPTHLM.items() if k != "image"}}
    (found,) = read_annotations(lines(tmp_path / "x.jsonl", line), refuse)
    assert found.path == tmp_path / "rgb/a.png"
    assert (found.camera.width, found.camera.height) == (640, 480)
    assert found.metres.tolist() == [2.0, 3.0] and len(found.pixels) == 2
    assert not list(tmp_path.glob("*.idx"))  # nothing is left beside other people's files


def test_distances_become_depths_by_the_line_the_set_or_the_caller(tmp_path):
    """Pixel (619.5, 239.5) lies 300 / 500 = 0.6 off the axis: z = d / sqrt(1.36)."""
    picture(tmp_path / "rgb/a.png")
    z = 3.0 / math.sqrt(1.36)
    said = lines(tmp_path / "x.jsonl", {**DEPTHLM, "label": "distance"})
    by_line = read_annotations(said, refuse)[0].metres
    by_set = read_annotations(lines(tmp_path / "argoverse_val.jsonl", DEPTHLM), refuse)[0].metres
    told = read_annotations(lines(tmp_path / "y.jsonl", DEPTHLM), refuse, LabelKind.DISTANCE)
    for metres in (by_line, by_set, told[0].metres):
        np.testing.assert_allclose(metres, [2.0, z])


DEPTHVLM = {
    "scene": "s",
    "image": "rgb/a.png",
    "depth_path": "depth/a.png",
    "depth_scale": 1000.0,
    "original_rgb_size": [640, 480],
    "original_depth_size": [320, 240],
    "original_fx": 500.0,
    "canonical_fx": 1000,
    "canonical_size": [1280, 960],
    "prompt": "p",
    "solution": "s",
}


def test_a_line_of_depthvlm_with_points_on_the_depth_grid(tmp_path):
    """Pixel 10 of 320 is centred at 20.5 of 640: (10 + 0.5) * 2 - 0.5."""
    picture(tmp_path / "rgb/a.png")
    line = {**DEPTHVLM, "pixel_coords": [[10, 20]], "depth": [1.5], "depth_type": "z_depth"}
    (found,) = read_annotations(lines(tmp_path / "bench.jsonl", line), refuse)
    assert found.pixels.tolist() == [[20.5, 40.5]] and found.metres.tolist() == [1.5]
    assert (found.camera.fx, found.camera.cx, found.camera.cy) == (500.0, 319.5, 239.5)


def test_a_training_line_of_depthvlm_is_read_at_some_pixels_of_its_map(tmp_path):
    picture(tmp_path / "rgb/a.png")
    depth = np.zeros((240, 320), np.uint16)
    depth[100:140, 50:250] = 2500
    (tmp_path / "depth").mkdir()
    Image.fromarray(depth).save(tmp_path / "depth/a.png")
    (found,) = read_annotations(lines(tmp_path / "train.jsonl", DEPTHVLM), refuse)
    assert len(found.metres) == 100 and (found.metres == 2.5).all()
    assert found.pixels[:, 0].min() >= 100 and found.pixels[:, 0].max() < 500
    assert found.pixels[:, 1].min() >= 200 and found.pixels[:, 1].max() < 280


def test_a_json_list_another_root_and_an_absolute_path(tmp_path):
    a, b = picture(tmp_path / "far/rgb/a.png"), picture(tmp_path / "elsewhere/b.png")
    file = tmp_path / "x.jsonl"
    file.write_text(json.dumps([DEPTHLM, {**DEPTHLM, "image": str(b)}]))
    found = read_annotations(file, refuse, image_root=tmp_path / "far")
    assert [one.path for one in found] == [a, b]


def test_a_broken_line_is_told_with_its_number_and_the_form_at_the_end(tmp_path):
    told = []
    file = lines(tmp_path / "x.jsonl", {"image": "a.png"})
    with pytest.raises(StatusError, match="a line must be .*or a line of DepthVLM"):
        read_annotations(file, lambda where, refusal: told.append((where, refusal.text)))
    assert told[0][0].endswith("x.jsonl, line 1") and "intrinsics" in told[0][1]
