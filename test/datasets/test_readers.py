"""Both annotation forms, read from files written here; broken lines and their messages."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from depthlm_ros.datasets import registry
from depthlm_ros.datasets.base import LabelKind, Points, convert
from depthlm_ros.datasets.line_index import LineIndex, open_lines
from depthlm_ros.datasets.readers import AnnotationFile, open_mixture
from depthlm_ros.status import Code, StatusError

DEPTHLM = {
    "image": "/rgb/a.png",
    "intrinsics": [500, 502, 319.5, 239.5, 640, 480],
    "pixel_coords": [[3, 4], [600, 20], [5, 6]],
    "depth": [1.5, 2.5, None],
}
DEPTHVLM = {
    "scene": "s1",
    "image": "rgb/b.jpg",
    "depth_path": "depth/b.png",
    "depth_scale": 256,
    "mask_valid_path": "mask/b.png",
    "original_rgb_size": [1920, 1440],
    "original_depth_size": [256, 192],
    "original_fx": 1400.5,
    "canonical_size": [1371, 1028],
    "pixel_coords": [[10, 20]],
    "depth": [3.0],
    "depth_type": "z_depth",
    "prompt": "p",
    "solution": "s",
}


@pytest.fixture
def written(tmp_path):
    def write(*lines, name="nuscenes_val.jsonl"):
        path = tmp_path / name
        text = "\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines)
        path.write_text(text + "\n")
        return path

    return write


def test_a_line_of_depthlm(written):
    sample = AnnotationFile(written(DEPTHLM), image_root="/data")[0]
    assert str(sample.image) == "/data/rgb/a.png"
    assert (sample.camera.fx, sample.camera.fy, sample.camera.width) == (500, 502, 640)
    np.testing.assert_array_equal(sample.points.pixels, [[3, 4], [600, 20]])  # null: unknown
    np.testing.assert_array_equal(sample.points.metres, [1.5, 2.5])
    assert sample.points.grid == (640, 480) and sample.depth is None and not sample.centred
    assert sample.place.endswith("nuscenes_val.jsonl, line 1")


def test_a_line_of_depthvlm(written):
    file = AnnotationFile(written(DEPTHVLM), image_root="/i", depth_root="/d")
    sample = file[0]
    assert str(sample.image) == "/i/rgb/b.jpg" and str(sample.depth.path) == "/d/depth/b.png"
    assert [str(mask) for mask in sample.depth.masks] == ["/d/mask/b.png"]
    assert sample.depth.scale == 256 and sample.canonical_size == (1371, 1028)
    assert sample.points.grid == (256, 192) and sample.centred and sample.scene == "s1"
    camera = sample.camera
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (1400.5, 1400.5, 959.5, 719.5)
    # (10, 20) on 256 x 192 is (10.5 * 7.5 - 0.5, 20.5 * 7.5 - 0.5) on 1920 x 1440.
    np.testing.assert_allclose(sample.points.on_grid((1920, 1440)), [[78.25, 153.25]])
    assert file.range_m == (0.05, 80.0)


def test_raw_float_maps_have_the_published_size_unless_told(written):
    line = DEPTHVLM | {"depth_format": "binary_float32", "depth_scale": None}
    line.pop("original_depth_size")
    depth = AnnotationFile(written(line))[0].depth
    assert (depth.size, depth.scale, depth.format) == ((6048, 4032), 1.0, "binary_float32")


def test_image_path_and_a_focal_length_of_zero(written):
    line = dict(DEPTHLM)
    line["image_path"] = line.pop("image")
    line["intrinsics"] = [0, 502, 319.5, 239.5, 640, 480]
    camera = AnnotationFile(written(line))[0].camera
    assert (camera.fx, camera.fy) == (502, 502)


def test_four_intrinsics_take_the_size_of_the_image(written, tmp_path):
    Image.new("RGB", (80, 60)).save(tmp_path / "a.png")
    line = DEPTHLM | {
        "image": "a.png",
        "intrinsics": [50, 50, 40, 30],
        "pixel_coords": [[3, 4]],
        "depth": [1.0],
    }
    sample = AnnotationFile(written(line))[0]
    assert (sample.camera.width, sample.camera.height) == (80, 60)


def test_labels_say_what_they_measure(written):
    of = {
        name: AnnotationFile(written(DEPTHLM, name=f"{name}_train.jsonl"))[0].label
        for name in ("argoverse2", "nuscenes", "ibims1", "eth3d")
    }
    assert of == {"argoverse2": "distance", "nuscenes": "z", "ibims1": "z", "eth3d": "distance"}
    told = AnnotationFile(written(DEPTHLM | {"label": "distance"}))[0]
    assert told.label is LabelKind.DISTANCE
    with pytest.raises(StatusError, match="label = None: must be one of z, distance"):
        AnnotationFile(written(DEPTHLM, name="mine.jsonl"))[0]
    assert AnnotationFile(written(DEPTHLM, name="mine.jsonl"), label="z")[0].label == "z"


def test_z_and_distance_are_turned_into_each_other():
    """At a ray of (0.75, 0) the distance is 1.25 times z (3, 4, 5)."""
    assert convert(4.0, np.array([0.75, 0.0]), "z", "distance") == pytest.approx(5.0)
    assert convert(5.0, np.array([0.75, 0.0]), "distance", "z") == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"image": ""}, "must be a path below the root"),
        ({"image": "../../etc/passwd"}, "must not leave the root"),
        ({"intrinsics": [1, 2, 3]}, r"must be \[fx, fy, cx, cy, width, height\]"),
        ({"intrinsics": [500, 500, 1, 1, 640.5, 480]}, "whole numbers"),
        ({"intrinsics": [-1, 500, 1, 1, 640, 480]}, "fx = -1"),
        ({"depth": [1.0]}, "3 pixel_coords, but depth"),
        ({"pixel_coords": [[3, 4], [20, 600], [5, 6]]}, "grid of 640 x 480"),
        ({"label": "depth"}, "label = 'depth'"),
        ({"depth_path": "d.png"}, "original_rgb_size = None"),
    ],
)
def test_a_broken_line_is_named(written, change, rule):
    file = AnnotationFile(written(DEPTHLM, "", DEPTHLM | change))
    assert len(file) == 2
    with pytest.raises(StatusError, match=rf"nuscenes_val.jsonl, line 3: .*{rule}"):
        file[1]


def test_text_that_is_no_json_is_named(written):
    with pytest.raises(StatusError, match="line 2: JSONDecodeError"):
        AnnotationFile(written(DEPTHLM, "{'image'"))[1]
    with pytest.raises(StatusError, match="line 2: a line must be a JSON object"):
        AnnotationFile(written(DEPTHLM, "[1]"))[1]


def test_lines_are_found_without_reading_the_file(written):
    path = written(*[json.dumps({"n": n}) for n in range(500)])
    index = LineIndex(path)
    assert len(index) == 500 and json.loads(index[499])["n"] == 499
    stored = path.with_name(path.name + ".idx")
    assert stored.is_file()
    again = pickle.loads(pickle.dumps(LineIndex(path)))
    assert isinstance(LineIndex(path).starts, np.memmap) and json.loads(again[7])["n"] == 7
    with Path(path).open("a") as file:  # another file now: the kept index is not of it
        file.write('\n\n{"n": 500}')
    grown = LineIndex(path)
    assert json.loads(grown[500])["n"] == 500 and grown.place(500).endswith("line 503")
    stored.write_bytes(b"rubbish")
    assert len(LineIndex(path)) == 501
    with pytest.raises(IndexError):
        grown[501]


def test_a_json_list_is_a_file_too(written):
    lines = open_lines(written(json.dumps([DEPTHLM, DEPTHLM])))
    assert len(lines) == 2 and lines.place(1).endswith("item 2")
    assert json.loads(lines[1])["depth"] == [1.5, 2.5, None]
    with pytest.raises(StatusError) as caught:
        open_lines(written("[]"))
    assert caught.value.code == Code.NO_FRAME
    with pytest.raises(StatusError, match="is empty"):
        open_lines(written(""))


def test_several_files_share_one_root_or_have_their_own(written):
    one, two = written(DEPTHLM), written(DEPTHVLM, name="ddad.jsonl")
    files = open_mixture(f"{one};{two}", "/i", "/d1;/d2")
    assert str(files[1][0].depth.path) == "/d2/depth/b.png" and files[1].info.name == "ddad"
    assert str(files[0][0].image) == "/i/rgb/a.png"
    with pytest.raises(StatusError, match="2 image roots for 3 files"):
        open_mixture(f"{one};{two};{one}", "/i;/j")


def test_sets_are_told_from_paths_in_the_published_order():
    ranges = {name: info.range_m for name, info in registry.SETS.items()}
    assert ranges == {
        "argoverse2": (0.05, 120),
        "waymo": (0.05, 70),
        "nuscenes": (0.05, 80),
        "ddad": (0.05, 120),
        "scannetpp": (0.001, 10),
        "taskonomy": (0.005, 15),
        "hm3d": (0.01, 10),
        "matterport3d": (0.01, 10),
        "sunrgbd": (0.005, 8),
        "ibims1": (0.005, 25),
        "nyuv2": (0.005, 10),
        "eth3d": (0.01, 50),
    }
    assert registry.of_path("/data/Matterport/mp3d_pixel_depth_test.jsonl").name == "matterport3d"
    assert registry.of_path("/waymo/argoverse.jsonl").name == "argoverse2"
    assert registry.of_path("/mine.jsonl") is None
    with pytest.raises(StatusError, match="must be one of argoverse2, waymo"):
        registry.named("kitti")


def test_points_on_another_grid_keep_pixel_centres():
    points = Points(np.array([[0, 0], [3, 1]]), np.array([1.0, 1.0]), (4, 2))
    np.testing.assert_allclose(points.on_grid((8, 4)), [[0.5, 0.5], [6.5, 2.5]])
