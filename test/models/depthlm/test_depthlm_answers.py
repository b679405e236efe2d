"""What a DepthLM's metres are, and whether it is one at all: by hand, and by its words."""

import numpy as np
import pytest

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models import registry
from depthlm_ros.models.depthlm import training_check
from depthlm_ros.models.depthlm.model import DepthLM
from depthlm_ros.models.depthlm.training_check import follows
from depthlm_ros.models.warmup import warm_up

CAMERA = PinholeCamera(1000.0, 1000.0, 31.5, 31.5, 64, 64)


def asked(follower, noise, answers, pixels):
    model = DepthLM(follower.network, follower.path, "it", answers=answers)
    return model.distances(noise(0), CAMERA, pixels)


def test_depths_become_distances_along_the_ray(follower, noise):
    pixels = np.array([(31.5, 31.5), (31.5 + 20, 31.5), (31.5 - 20, 31.5 + 10)])
    as_distance = asked(follower, noise, "distance", pixels)
    assert np.isfinite([reading.distance_m for reading in as_distance]).any()
    as_depth = asked(follower, noise, "depth", pixels)
    # rays (0, 0), (0.02, 0), (-0.02, 0.01)
    lengths = (1.0, 1.0004**0.5, 1.0005**0.5)
    for far, along, length in zip(as_distance, as_depth, lengths, strict=True):
        assert along.distance_m == pytest.approx(far.distance_m * length, rel=1e-6, nan_ok=True)
        assert along.low_m == pytest.approx(far.low_m * length, nan_ok=True)
        assert along.high_m == pytest.approx(far.high_m * length, nan_ok=True)


@pytest.mark.parametrize("name", ["depthlm_qwen_tiny", "depthlm_pixtral_tiny"])
def test_a_model_that_was_not_trained_so_says_it_at_load(reference_checkpoint, name, caplog):
    model = registry.load(str(reference_checkpoint(name)), "cpu")
    (remark,) = model.remarks
    assert "does not answer in DepthLM's form" in remark and remark in caplog.text
    assert model.speaks  # in words of its own, whatever they are worth
    warm_up(model)  # which finds no number, and refuses nothing


def test_one_that_answers_everything_by_a_distance_does_not_speak(follower, monkeypatch):
    def check(text):
        monkeypatch.setattr(training_check, "beginning_of_reply", lambda *_: text)
        return training_check.check_training(follower)

    text = "<think> The point is around 14.08 meters away from the camera."
    assert check(text) == ((), False)
    remarks, speaks = check("A grey picture.")
    assert speaks and "'A grey picture.'" in remarks[0]


def test_following_is_of_words_not_of_spaces():
    assert follows("  <think>  The point\nis around 3", "<think> The point is around")
    assert not follows("The point is around 3", "<think> The point is around")
