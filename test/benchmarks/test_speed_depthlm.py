"""DepthLM's contenders in the speed benchmark; no test here depends on a time."""

import json

import numpy as np
import pytest
import torch

from depthlm_ros.benchmarks import speed
from depthlm_ros.benchmarks.random_weights import random_depthlm, skeleton
from depthlm_ros.benchmarks.speed_depthlm import grid_pixels, subject
from depthlm_ros.status import StatusError


@pytest.mark.parametrize("name, fx", [("depthlm-tiny-qwen", 1000), ("depthlm-tiny-pixtral", 750)])
def test_tiny_sizes_answer_alike_by_json(capsys, name, fx):
    code = speed.main(
        f"--model {name} --device cpu --runs 1 --threads 1 --size 64 64 --fx {fx} --json".split()
    )
    assert code == 0
    result = json.loads(capsys.readouterr().out)
    assert list(result["contenders"]) == ["published way", "ours", "ours, each of 64"]
    stages = ["preprocess", "vision", "language", "decode", "to message", "total"]
    assert list(result["contenders"]["ours"]) == stages
    assert list(result["contenders"]["published way"]) == stages
    assert result["difference"] == {
        "difference of 4 distances, max": 0.0,
        "share answered by only one way": 0.0,
    }


def test_a_run_of_many_counts_as_one_query():
    frame = speed.make_frame(64, 64, 1000.0)
    made = subject("depthlm-tiny-qwen", frame, torch.device("cpu"), torch.float32)
    many = made.contenders[2]
    assert many.queries == 64
    many.measure(lambda: None)
    ours = sum(times[0] for name, times in many.times_ms.items() if name != "total")
    assert ours == pytest.approx(many.times_ms["total"][0])


@pytest.mark.parametrize(
    "size, parameters", [("depthlm-3b", 3.75e9), ("depthlm-7b", 8.29e9), ("depthlm-12b", 12.68e9)]
)
def test_published_sizes(size, parameters):
    counted = sum(parameter.numel() for parameter in skeleton(size).parameters())
    assert counted == pytest.approx(parameters, rel=0.01)


def test_random_weights_are_seeded_and_sizes_known():
    a, b = (
        random_depthlm("depthlm-tiny-pixtral", torch.device("cpu"), torch.float32)
        for _ in range(2)
    )
    state = b.network.model.state_dict()
    for name, tensor in a.network.model.state_dict().items():
        assert torch.isfinite(tensor).all() and torch.equal(tensor, state[name])
    with pytest.raises(StatusError, match="depthlm-3b"):
        random_depthlm("huge", torch.device("cpu"), torch.float32)


def test_grid_pixels_keep_clear_of_the_border():
    camera = speed.make_frame(64, 48, 1000.0).camera
    pixels = grid_pixels(camera, 64)
    assert pixels.shape == (64, 2) and len(np.unique(pixels, axis=0)) == 64
    assert (pixels >= 6).all() and (pixels < (58, 42)).all()
