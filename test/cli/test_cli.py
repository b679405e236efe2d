"""The command line in-process, with models of the tests' making: files, answers, exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from depthlm_ros.cli import image_input
from depthlm_ros.cli import main as cli
from depthlm_ros.geometry.canonical_view import CanonicalView
from depthlm_ros.image_io.photo_camera import ideal_lens
from depthlm_ros.models import registry
from depthlm_ros.models.base import DistanceReading
from depthlm_ros.status import Code, StatusError

NAN = float("nan")


class Plane:
    """Everything is 2 m away along the axis; the left half of the picture is sky if asked."""

    name, ratio_90 = "plane", 1.25

    def __init__(self, depth_m=2.0, sky=False):
        self.depth_m, self.sky, self.calls = depth_m, sky, 0

    def view_of(self, camera):
        """Ask for half the picture's size."""
        return CanonicalView.of(camera, camera.fx / 2)

    def depth(self, rgb, view):
        """Say the true depth as a model at the unified focal length would."""
        self.calls += 1
        depth = np.full((view.height, view.width), self.depth_m / view.depth_scale, np.float32)
        if self.sky:
            depth[:, : view.width // 2] = np.inf
        return depth


class Marker:
    """Every point is 3 m away."""

    name = "marker"

    def distances(self, rgb, camera, pixels):
        """Answer each pixel."""
        return [DistanceReading(3.0, 2.5, 3.6, "3.00") for _ in pixels]


class Broken(Plane):
    """A model that fails as libraries do."""

    def depth(self, rgb, view):
        """Fail."""
        raise RuntimeError("cuBLAS said no")


@pytest.fixture
def use(monkeypatch):
    """Return a function that makes registry.load give this model, and notes how it was asked."""
    asked = {}

    def loads(model):
        def load(name, device, dtype, revision, **options):
            asked.update(name=name, device=device, dtype=dtype, revision=revision, **options)
            return model

        monkeypatch.setattr(registry, "load", load)
        return asked

    return loads


@pytest.fixture
def photo(tmp_path):
    """Return the path of an 8 x 6 px picture whose red is 10 u and green 20 v."""
    v, u = np.mgrid[:6, :8]
    rgb = np.stack([10 * u, 20 * v, np.full_like(u, 7)], axis=-1).astype(np.uint8)
    Image.fromarray(rgb).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def speckled(width, height):
    """Return a picture that is not blank."""
    pixels = np.random.default_rng(0).integers(60, 190, (height, width, 3))
    return Image.fromarray(pixels.astype(np.uint8))


def run(capsys, *argv):
    """Return (exit code, stdout, stderr) of the command line."""
    try:
        code = cli.main([str(word) for word in argv])
    except SystemExit as end:  # argparse: help and usage errors
        code = end.code
    out = capsys.readouterr()
    return code, out.out, out.err


CALIBRATION = """
image_width: 8
image_height: 6
camera_name: test
camera_matrix: {{rows: 3, cols: 3, data: [10.0, 0, 3.5, 0, 12.0, 2.5, 0, 0, 1]}}
distortion_model: {model}
distortion_coefficients: {{rows: 1, cols: 5, data: [{d}, 0, 0, 0, 0]}}
rectification_matrix: {{rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}}
projection_matrix: {{rows: 3, cols: 4, data: [8.0, 0, 3.5, 0, 0, 9.0, 2.5, 0, 0, 0, 1, 0]}}
"""


def calibration(folder, model="plumb_bob", d=0.0):
    file = folder / "camera.yaml"
    file.write_text(CALIBRATION.format(model=model, d=d))
    return file


# -- depth ------------------------------------------------------------------------------------


def read_ply(path):
    head, _, body = path.read_bytes().partition(b"end_header\n")
    record = np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)])
    count = int(head.split(b"element vertex ")[1].split()[0])
    cloud = np.frombuffer(body, record)
    assert len(cloud) == count
    return cloud


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


def test_several_pictures_where_some_fail(use, photo, tmp_path, capsys):
    use(Plane())
    cut = tmp_path / "cut.png"
    cut.write_bytes(photo.read_bytes()[:60])
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "empty.jpg").write_bytes(b"")
    names = ["missing.png", "cut.png", "text.jpg", "empty.jpg", "photo.png"]
    paths = [tmp_path / name for name in names]
    argv = ["depth", *paths, "--fx", 10, "-o", tmp_path / "out", "--json"]
    code, out, err = run(capsys, *argv)
    records = json.loads(out)["images"]
    assert code == 1
    assert [record["ok"] for record in records] == [False] * 4 + [True]
    assert {record["code"] for record in records if not record["ok"]} == {"BAD_IMAGE"}
    assert (tmp_path / "out" / "photo_depth.npy").exists()
    assert "4 of 5 pictures failed" in err and "cut.png" in err


def test_pictures_of_one_name_do_not_overwrite_each_other(use, photo, tmp_path, capsys):
    use(Plane())
    (tmp_path / "b").mkdir()
    other = tmp_path / "b" / "photo.png"
    Image.open(photo).crop((0, 0, 4, 4)).save(other)
    assert run(capsys, "depth", photo, other, "--fx", 10, "-o", tmp_path / "o")[0] == 0
    shapes = [np.load(tmp_path / "o" / f"{n}_depth.npy").shape for n in ("photo", "photo_2")]
    assert shapes == [(6, 8), (4, 4)]


def test_a_map_without_depth_is_a_failure_and_leaves_no_files(use, photo, tmp_path, capsys):
    use(Plane(depth_m=500.0))
    code, out, err = run(capsys, "depth", photo, "--fx", 10, "-o", tmp_path / "o", "--json")
    assert code == 1
    assert json.loads(out)["images"][0]["code"] == "NO_DEPTH"
    assert list((tmp_path / "o").iterdir()) == []


def test_a_model_that_fails_is_told_without_a_traceback(use, photo, tmp_path, capsys):
    use(Broken())
    code, _, err = run(capsys, "depth", photo, "--fx", 10, "-o", tmp_path / "o")
    assert code == 1
    assert "MODEL_ERROR" in err and "cuBLAS said no" in err and "Traceback" not in err


def test_a_point_model_is_asked_on_a_grid(use, photo, tmp_path, capsys):
    """All points are 3 m away, so at the principal point z is 3 and at the corner less.

    One question in the middle of each pixel: corner (0, 0) has the ray (-0.35, -0.25, 1).
    """
    use(Marker())
    argv = ["depth", photo, "--fx", 10, "-o", tmp_path, "--grid", 6, 8]
    code, _, err = run(capsys, *argv)
    depth = np.load(tmp_path / "photo_depth.npy")
    assert code == 0 and "6 x 8 points" in err
    assert depth[0, 0] == pytest.approx(3 / np.sqrt(1 + 0.35**2 + 0.25**2), rel=1e-5)


def test_options_reach_the_model(use, photo, tmp_path, capsys):
    asked = use(Plane())
    more = "--model m --device cpu --dtype float32 --revision r --quantize int8".split()
    assert run(capsys, "depth", photo, "--fx", 10, "-o", tmp_path, *more)[0] == 0
    assert asked == {
        "name": "m",
        "device": "cpu",
        "dtype": "float32",
        "revision": "r",
        "quantize": "int8",
        "calibrated": True,
    }


def test_range_options_are_kept(use, photo, tmp_path, capsys):
    use(Plane(depth_m=2.0))
    argv = ["depth", photo, "--fx", 10, "-o", tmp_path, "--max-range", 1.5]
    assert run(capsys, *argv)[0] == 1
    assert run(capsys, *argv[:-1], 2.5)[0] == 0


def test_exif_tells_the_focal_length_and_the_output_says_so(use, tmp_path, capsys):
    """26 mm on 35 mm film: 8 x 6 px have a diagonal of 10 px, 26 * 10 / 43.26662 = 6.00925 px."""
    use(Plane())
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 26
    v, u = np.mgrid[:6, :8]
    rgb = np.stack([30 * u, 40 * v, u], axis=-1).astype(np.uint8)
    Image.fromarray(rgb).save(tmp_path / "p.jpg", exif=exif.tobytes())
    argv = ["depth", tmp_path / "p.jpg", "-o", tmp_path / "o", "--json"]
    code, out, err = run(capsys, *argv)
    (record,) = json.loads(out)["images"]
    assert code == 0 and record["camera"]["fx"] == pytest.approx(6.00925, abs=1e-4)
    assert record["focal_length_assumed"] is False
    assert "26 mm on 35 mm film" in record["focal_length"] and "26 mm" in err


def test_without_a_focal_length_the_three_ways_are_named(use, photo, tmp_path, capsys):
    use(Plane())
    code, out, err = run(capsys, "depth", photo, "-o", tmp_path / "o")
    assert code == 1 and "--hfov" in err and "--camera-info" in err and "--fx" in err
    assert "--assume-phone" in err


def test_an_assumed_focal_length_is_in_every_output(use, photo, tmp_path, capsys):
    use(Plane())
    argv = [photo, "--assume-phone"]
    code, out, err = run(capsys, "depth", *argv, "-o", tmp_path / "o")
    assert code == 0 and "ASSUMED" in out and "ASSUMED" in err
    assert b"comment focal length ASSUMED" in (tmp_path / "o" / "photo_cloud.ply").read_bytes()
    code, out, _ = run(capsys, "depth", *argv, "-o", tmp_path / "o", "--json")
    assert json.loads(out)["images"][0]["focal_length_assumed"] is True
    code, out, _ = run(capsys, "ask", *argv, "How far is the image centre?")
    assert code == 0 and "ASSUMED" in out
    code, out, _ = run(capsys, "ask", *argv, "How far is the image centre?", "--json")
    told = json.loads(out)
    assert told["focal_length_assumed"] is True and "ASSUMED" in told["focal_length"]
    with_strip = Image.open(tmp_path / "o" / "photo_depth.png").size[1]
    run(capsys, "depth", photo, "--fx", 10, "-o", tmp_path / "o")
    assert with_strip == Image.open(tmp_path / "o" / "photo_depth.png").size[1] + 26


def test_a_focal_length_in_millimetres_is_refused(use, photo, tmp_path, capsys):
    use(Plane())
    code, _, err = run(capsys, "depth", photo, "--fx", 0.5, "-o", tmp_path)
    assert code == 1 and "not millimetres" in err


def test_folders_and_patterns_are_pictures(use, photo, tmp_path, capsys):
    use(Plane())
    (tmp_path / "more").mkdir()
    for name in ("a_10.png", "a_2.png"):
        (tmp_path / "more" / name).write_bytes(photo.read_bytes())
    argv = ["--fx", 10, "-o", tmp_path / "o", "--json"]
    code, out, _ = run(capsys, "depth", tmp_path / "more", *argv)
    assert [Path(r["image"]).name for r in json.loads(out)["images"]] == ["a_2.png", "a_10.png"]
    code, out, _ = run(capsys, "depth", f"{tmp_path}/more/a_1*", *argv)
    assert [Path(r["image"]).name for r in json.loads(out)["images"]] == ["a_10.png"]


def test_a_cloud_is_thinned_to_the_points_asked_for(use, photo, tmp_path, capsys):
    use(Plane())
    argv = ["depth", photo, "--fx", 10, "-o", tmp_path]
    assert run(capsys, *argv, "--max-points", 12)[0] == 0
    cloud = read_ply(tmp_path / "photo_cloud.ply")
    # every second row and column from the second: u of 1, 3, 5, 7 and v of 1, 3, 5
    assert len(cloud) == 12
    assert cloud["xyz"][0] == pytest.approx([(1 - 3.5) / 5, (1 - 2.5) / 5, 2.0])


def test_above_the_limit_pixels_are_asked_about_as_they_were_taken(
    use, photo, capsys, monkeypatch
):
    """Half the size: pixel (7, 5) of 8 x 6 is still 2.177 m away (see above)."""
    from depthlm_ros.image_io import photo_camera

    use(Plane())
    monkeypatch.setattr(photo_camera.open_photograph, "__defaults__", (12,))
    code, out, err = ask(capsys, photo, "How far is this point?", "--at", 7, 5)
    assert code == 0 and "2.18 m" in out and "scaled down to 4 x 3" in err
    code, out, _ = ask(capsys, photo, "How far is the image centre?", "--json")
    assert json.loads(out)["evidence"][0]["pixel"] == [3.5, 2.5]


def test_version_and_bare_call(capsys):
    code, out, _ = run(capsys, "--version")
    assert code == 0 and out == "depthlm 0.1.0\n"
    code, out, _ = run(capsys)
    assert code == 0 and "COMMAND" in out and "doctor" in out


# -- ask --------------------------------------------------------------------------------------


def ask(capsys, photo, *more):
    return run(capsys, "ask", photo, "--fx", 10, *more)


def test_ask_answers_in_a_sentence(use, photo, capsys):
    """Pixel (7, 5) at 2 m depth: sqrt(4 + 0.49 + 0.25) = 2.177 m."""
    use(Plane())
    code, out, _ = ask(capsys, photo, "How far is this point?", "--at", 7, 5)
    assert code == 0
    assert out.startswith("The point is at a distance of 2.18 m (90 % between")


@pytest.mark.parametrize(
    "question, at, task, value, unit",
    [
        ("How far is the point at (7, 5)?", (), "distance", 2.17715, "m"),
        ("What is the depth at (7, 5)?", (), "depth", 2.0, "m"),
        ("How far is the image centre?", (), "distance", 2.0, "m"),
        ("How far is this point?", (), "distance", 2.0, "m"),
        ("How fast must I go to reach it in 4 s?", (3.5, 2.5), "speed", 0.5, "m/s"),
        ("How long do I need to this point at 0.5 m/s?", (3.5, 2.5), "time", 4.0, "s"),
        ("How far apart are these two points?", (1, 2, 6, 2), "two_point_distance", 1.0, "m"),
    ],
)
def test_every_task(use, photo, capsys, question, at, task, value, unit):
    use(Plane())
    points = [word for i in range(0, len(at), 2) for word in ("--at", *at[i : i + 2])]
    code, out, _ = ask(capsys, photo, question, *points, "--json")
    answer = json.loads(out)
    assert code == 0 and answer["success"]
    assert (answer["task"], answer["unit"]) == (task, unit)
    assert answer["value"] == pytest.approx(value, rel=1e-4)
    assert answer["low"] < answer["value"] < answer["high"]
    assert answer["source"] == "dense"


def test_a_point_model_answers_too(use, photo, capsys):
    use(Marker())
    code, out, _ = ask(capsys, photo, "How far is this point?", "--at", 3, 2, "--json")
    answer = json.loads(out)
    assert code == 0
    assert (answer["value"], answer["low"], answer["high"]) == (3.0, 2.5, 3.6)
    assert answer["source"] == "marker"


@pytest.mark.parametrize(
    "question, at, code",
    [
        ("How far is this point?", (80, 2), "OUT_OF_IMAGE"),
        ("How far is it?", (), "BAD_QUESTION"),
        ("Hello there", (3, 2), "BAD_QUESTION"),
        ("How far is the cup?", (), "UNSUPPORTED"),
        ("", (3, 2), "BAD_QUESTION"),
        ("How far is the point at (2, 2)\x00?", (), "BAD_QUESTION"),
    ],
)
def test_a_refusal_has_its_code_and_no_number(use, photo, capsys, question, at, code):
    use(Plane())
    points = ["--at", *at] if at else []
    exit_code, out, _ = ask(capsys, photo, question, *points, "--json")
    answer = json.loads(out)
    assert exit_code == 1 and not answer["success"]
    assert answer["code"] == code and answer["text"]
    assert answer["value"] is answer["low"] is answer["high"] is None
    exit_code, out, err = ask(capsys, photo, question, *points)
    assert exit_code == 1 and out == "" and code in err


def test_a_question_that_makes_no_sense_loads_no_model(photo, capsys, monkeypatch):
    def load(*_, **__):
        raise AssertionError("loaded")

    monkeypatch.setattr(registry, "load", load)
    assert ask(capsys, photo, "Hello there")[0] == 1


def test_points_are_of_the_picture_as_taken(use, photo, tmp_path, capsys):
    """The answer at a pixel of a distorted picture is that of its ray: by the lens, not by K."""
    use(Plane())
    info = calibration(tmp_path, d=0.2)
    argv = ["ask", photo, "--camera-info", info, "What is the depth here?", "--at", 6, 4]
    code, out, _ = run(capsys, *argv, "--json")
    (point,) = json.loads(out)["evidence"]
    assert code == 0
    ray = np.array(point["point_m"][:2]) / 2.0
    r2 = ray @ ray
    u, v = ray * (1 + 0.2 * r2) * (10.0, 12.0) + (3.5, 2.5)
    assert (u, v) == pytest.approx((6.0, 4.0), abs=1e-4)
    assert point["pixel"] == [6.0, 4.0]


def test_ask_draws_the_points(use, photo, tmp_path, capsys):
    use(Plane())
    big = tmp_path / "big.png"
    seen = np.full((120, 160, 3), 90, np.uint8)
    seen[:20] = 30
    Image.fromarray(seen).save(big)
    drawn = tmp_path / "drawn.png"
    assert (
        ask(capsys, big, "How far is this point?", "--at", 80, 60, "-o", drawn, "--fx", 100)[0]
        == 0
    )
    pixels = np.asarray(Image.open(drawn))
    assert pixels.shape == (120, 160, 3)
    assert (pixels[60, 80] == 90).all() and (pixels != seen).any()


# -- models, fetch ----------------------------------------------------------------------------


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """Return a hub cache with nothing in it, and no network."""
    import socket

    def connect(*_):
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_models_lists_what_is_known(empty_cache, capsys):
    code, out, _ = run(capsys, "models", "--json")
    models = {model["name"]: model for model in json.loads(out)["models"]}
    assert code == 0
    assert models["depthvlm-4b"]["licence"] == "Apache-2.0"
    assert models["depthlm-12b"]["licence"] == "FAIR Noncommercial Research"
    assert models["depthlm-12b"]["on_this_machine"] == "no"
    code, out, _ = run(capsys, "models")
    assert code == 0 and "JonnyYu828/DepthVLM-4B" in out and "24.8 GB" in out


def cached(cache, files):
    """Lay a snapshot of DepthVLM-4B into a hub cache as the hub's client does."""
    repo = cache / "models--JonnyYu828--DepthVLM-4B"
    folder = repo / "snapshots" / ("0" * 40)
    folder.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("0" * 40)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    "files, state",
    [
        ({"config.json": "{}"}, "incomplete"),
        ({"config.json": "{}", "model.safetensors": ""}, "yes"),
        ({"config.json": "{}", "model.safetensors.index.json": "{"}, "incomplete"),
        (
            {
                "config.json": "{}",
                "model.safetensors.index.json": '{"weight_map": {"a": "1.safetensors"}}',
            },
            "incomplete",
        ),
    ],
)
def test_models_tells_whether_a_download_is_whole(empty_cache, capsys, files, state):
    folder = cached(empty_cache, files)
    _, out, _ = run(capsys, "models", "--json")
    (model,) = [m for m in json.loads(out)["models"] if m["name"] == "depthvlm-4b"]
    assert (model["on_this_machine"], model["folder"]) == (state, str(folder))


def test_fetch_without_a_network_says_what_to_do(empty_cache, capsys):
    code, out, err = run(capsys, "fetch", "someone/some-model", "--revision", "v2")
    assert code == 1 and out == ""
    assert "`depthlm fetch someone/some-model --revision v2`; it resumes" in err
    assert "Traceback" not in err


def test_fetch_of_nonsense(capsys):
    code, _, err = run(capsys, "fetch", "not a name")
    assert code == 1 and "owner/name" in err


# -- arguments, errors ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv",
    [
        "frobnicate",
        "depth a.png -o o --fx 5 --hfov 60",
        "depth a.png -o o --fy 5",
        "depth a.png --fx 0 -o o",
        "depth a.png --fx nan -o o",
        "depth a.png --fx five -o o",
        "depth --fx 5 -o o",
        "depth a.png --fx 5",
        "depth a.png --fx 5 --camera-info b -o o",
        "depth a.png --camera-info b --fy 5 -o o",
        "depth a.png --camera-info b --cx 5 -o o",
        "depth a.png --fx 5 --rectified -o o",
        "depth a.png --fx 5 --scale 3 2 -o o",
        "depth a.png --fx 5 --min-range 3 --max-range 2 -o o",
        "depth a.png --fx 5 --grid 0 4 -o o",
        "ask a.png --fx 5",
        "ask a.png --fx 5 question --at 3",
        "ask a.png --fx 5 question --at 3 inf",
        "bench",
        "bench everything",
    ],
)
def test_arguments_that_make_no_sense_end_with_2(capsys, argv):
    code, out, err = run(capsys, *argv.split())
    assert code == 2 and out == "" and "error" in err


@pytest.mark.parametrize("command", "depth ask models fetch doctor bench".split())
def test_every_command_has_help(capsys, command):
    code, out, _ = run(capsys, command, "--help")
    assert code == 0 and out.startswith(f"usage: depthlm {command}")


@pytest.mark.parametrize(
    "error, code, said",
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (StatusError(Code.MODEL_NOT_READY, "no weights"), 1, "MODEL_NOT_READY: no weights"),
        (PermissionError(13, "Permission denied", "/x"), 1, "/x: Permission denied"),
        (OSError(28, "No space left on device"), 1, "No space left on device"),
        (ZeroDivisionError("by zero"), 1, "ZeroDivisionError: by zero"),
    ],
)
def test_whatever_goes_wrong_is_one_line(capsys, monkeypatch, error, code, said):
    def fail(_):
        raise error

    monkeypatch.setattr(cli, "_function", lambda _: fail)
    exit_code, out, err = run(capsys, "models")
    assert (exit_code, out, err) == (code, "", f"depthlm: {said}\n")


def test_an_error_is_json_where_json_is_wanted(capsys, photo, tmp_path):
    argv = ["depth", photo, "--fx", 10, "-o", tmp_path / "o", "--model", "no such", "--json"]
    code, out, _ = run(capsys, *argv)
    told = json.loads(out)
    assert (code, told["ok"], told["code"]) == (1, False, "MODEL_NOT_READY")
    assert told["text"].startswith("model 'no such'") and "depthlm models" in told["text"]


def test_a_disk_that_takes_no_file_is_one_line(use, capsys, photo, tmp_path, monkeypatch):
    from depthlm_ros.image_io import depth_files

    def full(*_):
        raise OSError(28, "No space left on device")

    use(Plane())
    monkeypatch.setattr(depth_files, "write_npy", full)
    argv = ["depth", photo, "--fx", 10, "-o", tmp_path / "o", "--json"]
    code, out, err = run(capsys, *argv)
    assert code == 1 and json.loads(out)["images"][0]["code"] == "FILE_ERROR"
    assert err.endswith("photo.png: No space left on device\n")


def test_the_launcher_of_a_clone(tmp_path):
    launcher = Path(__file__).parents[2] / "tools" / "bin" / "depthlm"
    done = subprocess.run([launcher, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.startswith("usage: depthlm")


def test_traceback_shows_where(monkeypatch):
    def fail(_):
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "_function", lambda _: fail)
    with pytest.raises(ZeroDivisionError):
        cli.main(["models", "--traceback"])


def test_bench_hands_its_options_over(monkeypatch, capsys):
    from depthlm_ros.cli import bench

    seen = {}

    class Speed:
        __doc__ = "A benchmark."

        @staticmethod
        def add_arguments(parser):
            parser.add_argument("--runs", type=int)

        @staticmethod
        def run(arguments):
            seen["runs"] = arguments.runs
            return 2 if arguments.runs == 0 else 0

    monkeypatch.setattr(bench, "import_module", lambda name: Speed)
    assert run(capsys, "bench", "speed", "--runs", 7)[0] == 0 and seen == {"runs": 7}
    assert run(capsys, "bench", "accuracy", "--runs", 0)[0] == 1
    assert run(capsys, "bench", "speed", "--nothing")[0] == 2


# -- the whole process ------------------------------------------------------------------------


def process(*argv, **variables):
    return subprocess.run(
        [sys.executable, "-m", "depthlm_ros.cli", *map(str, argv)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "HF_HUB_OFFLINE": "1", **variables},
    )


def test_a_real_checkpoint_in_a_process_of_its_own(tmp_path, photo):
    import torch

    from depthlm_ros.models.depthvlm.network import PREFIX, DepthVLMModule
    from depthlm_ros.models.depthvlm.tiny import tiny_config, tiny_tokenizer
    from depthlm_ros.models.weights import checkpoint

    torch.manual_seed(20)
    tokenizer, config = tiny_tokenizer(), tiny_config()
    module = DepthVLMModule(config, tokenizer(PREFIX)["input_ids"])
    config["measured"] = {"delta1": 0.5}
    checkpoint.write(tmp_path / "tiny", config, module.published_state_dict(), tokenizer)
    big = tmp_path / "big.jpg"
    speckled(160, 120).save(big)
    model = ["--model", tmp_path / "tiny", "--fx", 130, "--verbose"]
    done = process("depth", big, *model, "-o", tmp_path / "o", "--json")
    assert done.returncode == 0, done.stderr
    (record,) = json.loads(done.stdout)["images"]
    depth = np.load(record["files"]["npy"])
    assert record["depth_m"]["median"] == pytest.approx(float(np.median(depth)))
    assert "5.2 M parameters" in done.stderr and "delta1 0.5" in done.stderr
    asked = process("ask", big, *model, "What is the depth here?", "--at", 80, 60, "--json")
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout)["value"] == pytest.approx(float(depth[60, 80]), rel=1e-4)


def test_a_model_that_is_not_here(photo, tmp_path):
    done = process("depth", photo, "--fx", 10, "-o", tmp_path, "--model", "someone/some-model")
    assert (done.returncode, done.stdout) == (1, "")
    assert "`depthlm fetch someone/some-model`" in done.stderr
    assert "Traceback" not in done.stderr


LAST_WORDS = """
import sys
from depthlm_ros.cli import main as cli
sys.exit(cli._guarded(lambda: print("buffered until the end") or 0, False, False))
"""


@pytest.mark.parametrize("how", [["-m", "depthlm_ros.cli", "models"], ["-c", LAST_WORDS]])
def test_a_reader_that_goes_away_is_no_traceback(how):
    ours, theirs = os.pipe()
    os.close(ours)  # gone before a word is written
    buffered = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [sys.executable, *how],
        env=buffered,
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(theirs)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


def test_no_picture_is_overwritten_by_what_is_made_of_another(tmp_path):
    from depthlm_ros.cli.depth import names_of

    images = [str(tmp_path / name) for name in ("x.png", "x_depth.png", "x_2_cloud.ply")]
    assert names_of(images, tmp_path) == ["x_3", "x_depth", "x_2_cloud"]
    assert names_of(images, tmp_path / "out") == ["x", "x_depth", "x_2_cloud"]


def test_a_full_disk_is_told_with_path_and_cause(tmp_path):
    import errno

    from depthlm_ros.cli.console import sentence_of
    from depthlm_ros.image_io.atomic_write import write_atomically

    def fill(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError) as caught:
        write_atomically(tmp_path / "a_depth.npy", fill)
    assert sentence_of(caught.value) == f"{tmp_path / 'a_depth.npy'}: No space left on device"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["depth", "x.jpg", "--fx", "abc", "-o", "y"], "'abc': must be a number"),
        (["depth", "x.jpg", "--fx", "-1", "-o", "y"], "-1: must be positive"),
        (["depth", "x.jpg", "--max-points", "1.5", "-o", "y"], "'1.5': must be a whole number"),
        (["bench", "speed", "--runs", "x"], "invalid int value"),
        (["data", "prepare"], "the following arguments are required"),
    ],
)
def test_a_wrong_argument_is_one_line_with_the_way_to_the_options(words, said, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    text = capsys.readouterr().err
    assert ended.value.code == 2 and said in text
    assert text.count("\n") == 1 and "--help" in text
