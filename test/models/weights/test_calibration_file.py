"""calibration.json: written beside the weights, read with them, and never with others."""

import json
import math
import shutil

import numpy as np
import pytest

from depthlm_ros.cli import main as cli
from depthlm_ros.frame import Frame
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.interval import IntervalKind
from depthlm_ros.models import registry
from depthlm_ros.models.weights import calibration_file
from depthlm_ros.models.weights.hub import EMBEDDED
from depthlm_ros.point_readings import marker_points
from depthlm_ros.status import Code, StatusError

STATED = json.loads((EMBEDDED / "config.json").read_text())["ratio_90"]
CAMERA = PinholeCamera(250.0, 250.0, 79.5, 59.5, 160, 120)


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(EMBEDDED, tmp_path / "model")


@pytest.fixture
def labelled(tmp_path):
    """Write twelve pictures whose labels are twice, and in one twentieth four times, as read."""
    import cv2

    model, lines = registry.load("embedded", "cpu"), []
    rng = np.random.default_rng(5)
    for i in range(12):
        rgb = rng.integers(0, 256, (120, 160, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"{i}.png"), rgb[..., ::-1])
        view = model.view_of(CAMERA)
        depth = view.depth_to_source(model.depth(rgb, view))
        pixels = rng.integers(20, 100, (40, 2))
        labels = depth[pixels[:, 1], pixels[:, 0]] * np.where(np.arange(40) % 20, 2.0, 4.0)
        lines.append(
            {
                "image": f"{i}.png",
                "intrinsics": [250, 250, 79.5, 59.5, 160, 120],
                "pixel_coords": pixels.tolist(),
                "depth": labels.tolist(),
            }
        )
    file = tmp_path / "labelled.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines))
    return file


def refusal_of(call, *arguments, **options):
    with pytest.raises(StatusError) as refusal:
        call(*arguments, **options)
    return refusal.value


def test_the_command_writes_the_factor_and_the_model_takes_it(folder, labelled, capsys):
    assert registry.load(str(folder), "cpu").ratio_90 == pytest.approx(STATED)
    argv = ["calibrate", "--data", str(labelled), "--model", str(folder), "--json"]
    assert cli.main(argv) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ratio_90"] == pytest.approx(2.0, rel=0.05)  # 95 % of the labels are at twice
    assert told["coverage"] == pytest.approx(0.95, abs=0.03)
    assert (told["pictures"], told["held_out_pictures"]) == (6, 6)
    model = registry.load(str(folder), "cpu")
    assert model.ratio_90 == told["ratio_90"]
    assert model.interval.kind is IntervalKind.CALIBRATED
    assert "labelled.jsonl: 6 pictures" in model.interval.basis
    assert registry.load(str(folder), "cpu", calibrated=False).ratio_90 == pytest.approx(STATED)


def test_a_file_elsewhere_is_named_by_an_option(folder, labelled, tmp_path, capsys):
    argv = ["calibrate", "--data", str(labelled), "--model", str(folder), "-o"]
    assert cli.main([*argv, str(tmp_path / "mine.json")]) == 0
    assert "within a factor of 2." in capsys.readouterr().out
    assert registry.load(str(folder), "cpu").ratio_90 == pytest.approx(STATED)
    model = registry.load(str(folder), "cpu", calibration=str(tmp_path / "mine.json"))
    assert model.ratio_90 == pytest.approx(2.0, rel=0.05)
    missing = refusal_of(registry.load, str(folder), "cpu", calibration="none.json ")
    assert "none.json" in missing.text and "depthlm calibrate" in missing.text
    assert cli.main([*argv, str(tmp_path / "no" / "mine.json")]) == 1
    told = capsys.readouterr().err
    assert "mine.json cannot be written (No such file" in told and "calibration=FILE" in told


def made(folder, **changes):
    files = list(folder.glob("*.safetensors"))
    values = {
        "ratio_90": 1.5,
        "data": "lab",
        "pictures": 5,
        "readings": 50,
        "held_out_pictures": 5,
        "held_out_readings": 50,
        "coverage": 0.92,
        "quantize": "none",
        "weights": calibration_file.fingerprint(files),
        **changes,
    }
    (folder / calibration_file.FILE).write_text(json.dumps(values))


def test_a_file_of_other_weights_or_another_way_of_loading_is_refused(folder):
    made(folder)
    assert registry.load(str(folder), "cpu").ratio_90 == 1.5
    made(folder, quantize="int8")
    assert "made with quantize = int8" in refusal_of(registry.load, str(folder), "cpu").text
    made(folder)
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(-3, 2)
        file.write(b"abc")
    refusal = refusal_of(registry.load, str(folder), "cpu")
    assert refusal.code == Code.MODEL_NOT_READY and "calibration of other weights" in refusal.text


@pytest.mark.parametrize(
    "change",
    [
        {"ratio_90": 0.5},
        {"ratio_90": math.nan},
        {"pictures": "x"},
        {"coverage": None},
        {"ratio_90": None},
    ],
)
def test_a_broken_file_is_refused_by_name(folder, change):
    made(folder, **change)
    refusal = refusal_of(registry.load, str(folder), "cpu")
    assert refusal.code == Code.MODEL_ERROR and calibration_file.FILE in refusal.text


def test_a_point_models_interval_is_the_calibrated_one(follower, noise):
    frame = Frame(noise(0), PinholeCamera(1000.0, 1000.0, 31.5, 31.5, 64, 64))
    (before,) = marker_points(follower, frame, [(31, 31)])
    if math.isnan(before.low_m):  # read from the whole reply: there are no digits' chances
        assert before.interval.kind is IntervalKind.UNKNOWN
    else:
        assert before.interval.kind is IntervalKind.UNCALIBRATED
        assert "digits" in before.interval.basis
    ratio, interval = follower.ratio_90, follower.interval
    try:
        follower.ratio_90, follower.interval = 1.6, before.interval
        (after,) = marker_points(follower, frame, [(31, 31)])
    finally:
        follower.ratio_90, follower.interval = ratio, interval
    assert after.distance_m == before.distance_m
    assert after.low_m == pytest.approx(after.distance_m / 1.6)
    assert after.high_m == pytest.approx(after.distance_m * 1.6)
