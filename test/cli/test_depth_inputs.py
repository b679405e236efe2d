"""``depthlm depth`` in-process: many pictures, failures, options, focal lengths."""

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import Marker, Plane, ask, read_ply, run
from PIL import Image


class Broken(Plane):
    """A model that fails as libraries do."""

    def depth(self, rgb, view):
        """Fail."""
        raise RuntimeError("cuBLAS said no")


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
