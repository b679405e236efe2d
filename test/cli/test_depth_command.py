"""``depthlm depth`` in-process: the files it writes, and what it says of them."""

import json

import numpy as np
import pytest
from command_line import Plane, calibration, read_ply, run
from PIL import Image

from depthlm_ros.cli import image_input
from depthlm_ros.image_io.photo_camera import ideal_lens
from depthlm_ros.status import Code, StatusError

NAN = float("nan")


def test_depth_writes_files_that_hold_the_depth(use, photo, tmp_path, capsys):
    """A plane at 2 m, f = 10 px, centre (3.5, 2.5): pixel (7, 5) is at (0.7, 0.5, 2) m."""
    use(Plane())
    code, out, _ = run(capsys, "depth", photo, "--fx", 10, "-o", tmp_path / "out")
    files = tmp_path / "out"
    assert code == 0
    assert sorted(f.name for f in files.iterdir()) == [
        "photo_cloud.ply",
        "photo_depth.npy",
        "photo_depth.png",
        "photo_depth_mm.png",
    ]
    depth = np.load(files / "photo_depth.npy")
    assert depth.dtype == np.float32 and depth.shape == (6, 8)
    assert depth == pytest.approx(2.0)
    assert (np.asarray(Image.open(files / "photo_depth_mm.png")) == 2000).all()
    cloud = read_ply(files / "photo_cloud.ply")
    assert len(cloud) == 48
    assert cloud["xyz"][-1] == pytest.approx([0.7, 0.5, 2.0])
    assert cloud["rgb"][-1].tolist() == [70, 100, 7]
    coloured = np.asarray(Image.open(files / "photo_depth.png"))
    assert coloured.shape[1] == 8 and coloured.shape[0] > 6
    assert "2.00 to 2.00 m" in out and "photo_depth_mm.png" in out


def test_fy_cx_cy_are_used_and_the_centre_is_that_of_the_pixels(use, photo, tmp_path, capsys):
    """Pixel (0, 0) at 2 m, f = (10, 5), c = (1, 2): x = -0.2, y = -0.8."""
    use(Plane())
    camera = "--fx 10 --fy 5 --cx 1 --cy 2".split()
    code, out, _ = run(capsys, "depth", photo, *camera, "-o", tmp_path, "--json")
    assert code == 0
    cloud = read_ply(tmp_path / "photo_cloud.ply")
    assert cloud["xyz"][0] == pytest.approx([-0.2, -0.8, 2.0])
    told = json.loads(out)["images"][0]["camera"]
    assert (told["fx"], told["fy"], told["cx"], told["cy"]) == (10, 5, 1, 2)
    lens = ideal_lens(8, 6, 10.0)
    assert lens.k == (10.0, 0.0, 3.5, 0.0, 10.0, 2.5, 0.0, 0.0, 1.0)


def test_json_is_all_that_stdout_holds(use, photo, tmp_path, capsys):
    use(Plane(sky=True))
    code, out, err = run(capsys, "depth", photo, "--fx", 10, "-o", tmp_path, "--json")
    (record,) = json.loads(out)["images"]
    assert code == 0 and record["ok"] and record["code"] == "OK"
    assert record["depth_m"] == pytest.approx(
        {"percentile_2": 2.0, "median": 2.0, "percentile_98": 2.0}
    )
    depth = np.load(record["files"]["npy"])
    assert record["share_known"] == pytest.approx(np.isfinite(depth).mean())
    assert record["share_beyond_range"] == pytest.approx(np.isinf(depth).mean())
    assert np.isinf(depth).mean() > 0.2
    assert record["cloud_points"] == len(read_ply(tmp_path / "photo_cloud.ply"))
    assert "measured" not in err  # that is for --verbose
    _, _, err = run(capsys, "depth", photo, "--fx", 10, "-o", tmp_path, "--verbose")
    assert "no measured accuracy" in err


def test_a_lens_is_straightened_and_the_files_say_so(use, photo, tmp_path, capsys):
    use(Plane())
    info = calibration(tmp_path, d=0.1)
    argv = ["depth", photo, "--camera-info", info, "-o", tmp_path / "o", "--json"]
    code, out, _ = run(capsys, *argv)
    (record,) = json.loads(out)["images"]
    assert code == 0
    assert record["camera"]["rectified"] is True
    assert (record["camera"]["fx"], record["camera"]["fy"]) == (8.0, 9.0)
    straight = np.asarray(Image.open(tmp_path / "o" / "photo_rectified.png"))
    rectifier = image_input.frame_of(photo, options_of(camera_info=info))[1]
    expected = rectifier.rectify(np.asarray(Image.open(photo)))
    assert (straight == expected).all() and (straight != np.asarray(Image.open(photo))).any()


def options_of(**given):
    from types import SimpleNamespace

    return SimpleNamespace(**{"rectified": False, **given})


def test_a_rectified_picture_takes_p_and_stays(photo, tmp_path):
    info = calibration(tmp_path, d=0.1)
    frame, rectifier, taken = image_input.frame_of(
        photo, options_of(camera_info=info, rectified=True)
    )
    assert rectifier.is_identity and frame.rgb is taken.picture.rgb
    assert (frame.camera.fx, frame.camera.fy) == (8.0, 9.0)


def test_an_echoed_camera_info_is_a_calibration_too(photo, tmp_path):
    file = tmp_path / "info.yaml"
    file.write_text(
        "header: {stamp: {sec: 1, nanosec: 2}, frame_id: camera}\nheight: 12\nwidth: 16\n"
        "distortion_model: plumb_bob\nd: [0.0, 0.0, 0.0, 0.0, 0.0]\n"
        "k: [20.0, 0.0, 7.5, 0.0, 20.0, 5.5, 0.0, 0.0, 1.0]\n"
        "r: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]\np: []\n"
        "binning_x: 2\nbinning_y: 2\nroi: {x_offset: 0, y_offset: 0, height: 0, width: 0, "
        "do_rectify: false}\n---\n"
    )
    frame, _, _ = image_input.frame_of(photo, options_of(camera_info=file))
    camera = frame.camera
    assert (camera.fx, camera.cx, camera.cy) == (10.0, 3.5, 2.5)


EYE = "camera_matrix: {data: [9, 0, 3.5, 0, 9, 2.5, 0, 0, 1]}"


@pytest.mark.parametrize(
    "content, part",
    [
        ("a: [1, 2", "YAML"),
        ("- 1\n- 2\n", "no table"),
        ("a: 1\n", "camera_calibration"),
        ("camera_matrix: {data: [1, 2, x]}\nimage_width: 8\nimage_height: 6", "must be a number"),
        (f"{EYE}\nimage_width: wide\nimage_height: 6", "must be a number"),
        (f"{EYE}\nimage_width: 8.5\nimage_height: 6", "whole number"),
        ("camera_matrix: {data: [1, 2, 3]}\nimage_width: 8\nimage_height: 6", "must be 9"),
        ("k: [50, 0, 39.5, 0, 50, 29.5, 0, 0, 1]\nwidth: 80\nheight: 60", "80 x 60"),
    ],
)
def test_a_calibration_that_is_none_is_refused_with_a_reason(photo, tmp_path, content, part):
    file = tmp_path / "bad.yaml"
    file.write_text(content)
    with pytest.raises(StatusError) as caught:
        image_input.frame_of(photo, options_of(camera_info=file))
    assert caught.value.code == Code.BAD_CAMERA_INFO
    assert part in caught.value.text
