"""Accuracy benchmark: models whose figures are known beforehand, and data that is refused."""

import json

import cv2
import numpy as np
import pytest
from fakes import ConstantDepth, ConstantDistance

from depthlm_ros.evaluation import accuracy
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.status import Code, StatusError


@pytest.fixture
def labelled(tmp_path):
    """Two pictures of four labels each: a wall at 2 m, and one at 4 m with one label at 40 m."""
    cv2.imwrite(str(tmp_path / "a.png"), np.full((40, 60, 3), 90, np.uint8))
    cv2.imwrite(str(tmp_path / "b.png"), np.full((40, 60, 3), 180, np.uint8))
    pixels = [[29.5, 19.5], [10, 10], [50, 30], [29.5, 30]]
    lines = [
        {
            "image": "a.png",
            "intrinsics": [50, 50, 29.5, 19.5, 60, 40],
            "pixel_coords": pixels,
            "depth": [2.0, 2.0, 2.0, 2.0],
        },
        {
            "image": "b.png",
            "intrinsics": [50, 50, 29.5, 19.5, 60, 40],
            "pixel_coords": pixels,
            "depth": [4.0, 4.0, 4.0, 40.0],
        },
    ]
    path = tmp_path / "points.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path


def test_figures_of_a_flat_model_by_hand(labelled):
    figures = accuracy.measure(ConstantDepth(2.2), accuracy.photographs(labelled))
    first, second = figures["pictures"]
    assert (first["name"], first["points"], first["delta1"]) == ("a", 4, 1.0)
    assert first["abs_rel"] == pytest.approx(0.1)
    assert second["delta1"] == 0.0 and second["delta1_scaled"] == 0.75
    assert figures["total"]["delta1"] == 0.5 and figures["total"]["delta1_scaled"] == 7 / 8
    assert figures["best_constant"]["delta1"] == 0.5  # 2 m, right for the first picture alone
    # Factors: 1.1 four times, 4 / 2.2 three times, 40 / 2.2 once; nine tenths reach the last.
    assert figures["ratio_90"] == pytest.approx(40 / 2.2)


def test_labels_that_are_distances_are_turned_into_depth(labelled):
    """At (29.5, 30) the ray leans by (30 - 19.5) / 50; the label 2 m is a depth of 1.957 m."""
    sample = next(accuracy.photographs(labelled, "distance"))
    np.testing.assert_allclose(sample.depth_m[0], 2.0)
    np.testing.assert_allclose(sample.depth_m[3], 2.0 / np.sqrt(1 + 0.21**2))


def test_point_models_are_measured_too_and_silence_is_wrong(labelled):
    loud = accuracy.measure(ConstantDistance(2.0), accuracy.photographs(labelled))
    assert loud["pictures"][0]["delta1"] == 1.0
    quiet = accuracy.measure(ConstantDistance(2.0, silent=True), accuracy.photographs(labelled))
    assert quiet["pictures"][0]["delta1"] == 0.5
    assert quiet["ratio_90"] == np.inf


def test_scenes_are_the_same_each_time_and_hold_the_truth():
    camera = PinholeCamera(40.0, 40.0, 29.5, 19.5, 60, 40)
    one, two = (list(accuracy.scenes(3, 50, camera=camera)) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.frame.rgb, b.frame.rgb)
        np.testing.assert_array_equal(a.depth_m, b.depth_m)
        assert a.name == b.name and np.isfinite(a.depth_m).all() and len(a.pixels) == 50
    other = next(accuracy.scenes(1, 50, seed=99, camera=camera))
    assert not np.array_equal(other.frame.rgb, one[0].frame.rgb)


def test_nothing_is_left_out_silently(labelled, capsys):
    (labelled.parent / "b.png").write_bytes(b"no picture")
    with pytest.raises(StatusError, match=r"b\.png is missing or no picture"):
        accuracy.measure(ConstantDepth(2.0), accuracy.photographs(labelled))
    labelled.write_text('{"image": "a.png"}\n')
    with pytest.raises(StatusError, match="line 1"):
        list(accuracy.photographs(labelled))
    with pytest.raises(StatusError) as caught:
        accuracy.measure(ConstantDepth(2.0), [])
    assert caught.value.code == Code.NO_FRAME


def test_command(labelled, monkeypatch, capsys):
    from depthlm_ros.models import registry

    monkeypatch.setattr(registry, "load", lambda *_, **__: ConstantDepth(2.2))
    assert accuracy.main(["--data", str(labelled), "--each"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["a", "4", "1.000", "1.000", "0.100"]
    assert lines[4].split()[:4] == ["best", "constant", "8", "0.500"]
    assert accuracy.main(["--data", str(labelled), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["total"]["delta1"] == 0.5
    assert accuracy.main(["--data", str(labelled.parent / "none.jsonl")]) == 2
    assert "cannot be read" in capsys.readouterr().err
