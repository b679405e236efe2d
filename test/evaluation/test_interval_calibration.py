"""The factor of an interval: by hand on small sets, and its coverage on drawn ones."""

import math

import numpy as np
import pytest

from depthlm_ros.evaluation.accuracy import Sample
from depthlm_ros.evaluation.interval_calibration import (
    calibrate,
    conformal_quantile,
    log_ratios,
    scores_of,
    split,
)
from depthlm_ros.frame import Frame
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.canonical_view import CanonicalView
from depthlm_ros.status import Code, StatusError

CAMERA = PinholeCamera(50.0, 50.0, 7.5, 5.5, 16, 12)


def test_a_score_is_the_size_of_the_log_ratio_either_way():
    read_m, true_m = [2.0, 1.0, math.nan, math.inf, 3.0, 0.0], [1.0, 2.0, 1.0, 1.0, math.nan, 1]
    scores = log_ratios(read_m, true_m)
    assert scores.tolist() == pytest.approx([math.log(2)] * 2)


RANKS = [(9, 9), (10, 10), (19, 18), (20, 19), (99, 90), (100, 91)]


@pytest.mark.parametrize("count, rank", RANKS)
def test_the_quantile_has_the_finite_sample_rank(count, rank):
    scores = np.random.default_rng(0).permutation(np.arange(1.0, count + 1))
    assert conformal_quantile(scores) == rank  # ceil(0.9 (n + 1))


@pytest.mark.parametrize("count", [0, 1, 8])
def test_too_few_readings_say_nothing(count):
    with pytest.raises(StatusError, match=f"{count} readings.*at least 9") as refusal:
        conformal_quantile(np.ones(count))
    assert refusal.value.code == Code.NO_ANSWER


def test_a_picture_is_on_one_side_only_and_both_sides_have_one():
    names = ["a", "b", "c", "a", "b"]
    for share in (0.01, 0.3, 0.5, 0.99):
        ours, others = split(names, share, seed=3)
        assert sorted(ours + others) == ["a", "b", "c"] and ours and others
    assert split(names, 0.5, 1) == split(names[::-1], 0.5, 1)
    with pytest.raises(StatusError, match="1 labelled pictures: must be at least 2"):
        split(["a", "a"], 0.5, 0)


def drawn(pictures, each, seed=0, spread=0.3):
    rng = np.random.default_rng(seed)
    return {str(i): np.abs(rng.normal(0, spread, each)) for i in range(pictures)}


def test_the_factor_of_log_normal_errors_is_that_of_the_normal_quantile():
    found = calibrate(drawn(200, 100))
    assert found.ratio_90 == pytest.approx(math.exp(1.6449 * 0.3), rel=0.02)
    assert (found.pictures, found.held_out_pictures) == (100, 100)
    assert (found.readings, found.held_out_readings) == (10000, 10000)
    assert found.coverage == pytest.approx(0.9, abs=0.01)


def test_the_coverage_is_of_the_held_out_pictures_by_hand():
    scores = {name: np.full(10, 0.1) for name in "abcd"} | {"e": np.full(10, 0.5)}
    for seed in range(20):
        ours, others = split(scores, 0.5, seed)
        if "e" in others:
            break
    held = np.concatenate([scores[name] for name in others])
    with pytest.raises(StatusError, match="holds 50% of the true depths of 2 others") as refusal:
        calibrate(scores, 0.5, seed)
    assert np.mean(held <= 0.1) == 0.5 and refusal.value.code == Code.IMPLAUSIBLE


class Fixed:
    """Reads 2 m everywhere."""

    name, ratio_90 = "fixed", float("nan")

    def view_of(self, camera):
        """Return the picture as it is."""
        return CanonicalView.of(camera, camera.fx)

    def depth(self, rgb, view):
        """Return 2 m."""
        return np.full((view.height, view.width), 2.0, np.float32)


def sample(name, true_m, picture=""):
    rgb = np.zeros((12, 16, 3), np.uint8)
    pixels = np.array([[3.0, 4.0]] * len(true_m))
    return Sample(name, Frame(rgb, CAMERA), pixels, np.array(true_m), picture)


def test_lines_of_one_picture_go_together_and_equal_names_of_two_do_not():
    samples = [
        sample("x", [1.0, 4.0], "a/x.png"),
        sample("x", [2.0], "b/x.png"),
        sample("x", [2.0 * math.e], "a/x.png"),
    ]
    found = scores_of(Fixed(), samples)
    assert found["a/x.png"].tolist() == pytest.approx([math.log(2), math.log(2), 1.0])
    assert found["b/x.png"].tolist() == pytest.approx([0.0])
