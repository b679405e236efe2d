"""The speed benchmark measures what it says; no test here depends on a time."""

import json
import time

import numpy as np
import pytest
import torch

from depthlm_ros.benchmarks import speed
from depthlm_ros.benchmarks.random_weights import CONFIGS, PREFIX_IDS, random_module
from depthlm_ros.benchmarks.speed import Contender, Subject
from depthlm_ros.models.depthvlm.network import PREFIX, DepthVLMModule
from depthlm_ros.models.depthvlm.tiny import tiny_config, tiny_tokenizer
from depthlm_ros.models.device import pick_device


def bench(capsys, *argv):
    code = speed.main([*argv])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_tiny_by_json(capsys):
    code, out, _ = bench(
        capsys,
        "--model",
        "depthvlm-tiny",
        "--device",
        "cpu",
        "--runs",
        "2",
        "--threads",
        "1",
        "--json",
    )
    assert code == 0
    result = json.loads(out)
    assert set(result["contenders"]) == {"published way", "ours, its images", "ours"}
    for stages in result["contenders"].values():
        assert list(stages) == ["preprocess", "vision", "language", "head", "to message", "total"]
        parts = sum(cell["median_ms"] for name, cell in stages.items() if name != "total")
        assert parts == pytest.approx(stages["total"]["median_ms"], rel=1e-6)  # of two runs
    assert result["times_faster"]["published way"] == 1.0
    assert 0 < max(result["difference"].values()) <= 1e-5
    assert 5.0e6 < result["parameters"] < 5.5e6
    assert 1 < result["gflop"] < 5 and result["memory_mb"] > 50


def test_a_checkpoint_by_table(capsys, tmp_path):
    from depthlm_ros.models.weights import checkpoint

    torch.manual_seed(3)
    tokenizer = tiny_tokenizer()
    module = DepthVLMModule(tiny_config(), tokenizer(PREFIX)["input_ids"])
    checkpoint.write(tmp_path, tiny_config(), module.published_state_dict(), tokenizer)
    code, out, _ = bench(
        capsys,
        "--model",
        str(tmp_path),
        "--device",
        "cpu",
        "--runs",
        "1",
        "--threads",
        "1",
        "--size",
        "320",
        "240",
        "--fx",
        "300",
    )
    assert code == 0
    assert f"{tmp_path} on 320 x 240 px, f = 300 px, 5.2 M parameters, float32" in out
    assert "times faster" in out and "peak memory" in out


def test_a_compact_checkpoint_with_and_without_kept_frames(capsys):
    words = ["--model", "embedded", "--device", "cpu", "--runs", "1", "--threads", "1", "--json"]
    code, out, _ = bench(capsys, *words, "--size", "160", "120", "--fx", "130")
    result = json.loads(out)
    assert code == 0 and set(result["contenders"]) == {"frame not kept", "ours"}
    assert result["difference"] == {"difference of depth": 0.0}  # the same passes
    assert 9.2e6 < result["parameters"] < 9.4e6  # as its card says


def test_refusals_are_one_sentence(capsys):
    code, out, err = bench(capsys, "--model", "no such model", "--device", "cpu")
    assert (code, out) == (2, "")
    assert err.startswith("MODEL_NOT_READY") and err.count("\n") == 1


@pytest.mark.parametrize("size, parameters", [("depthvlm-4b", 4.47e9), ("depthvlm-8b", 8.8e9)])
def test_published_sizes(size, parameters):
    with torch.device("meta"):
        module = DepthVLMModule(CONFIGS[size](), PREFIX_IDS)
    assert sum(p.numel() for p in module.parameters()) == pytest.approx(parameters, rel=0.01)
    names = module.published_state_dict()
    assert ("lm_head.weight" in names) == (size == "depthvlm-8b")


def test_random_weights_are_whole_and_tied():
    module = random_module(CONFIGS["depthvlm-tiny"](), pick_device("cpu"), torch.bfloat16)
    assert not any(p.is_meta for p in module.parameters())
    assert not any(b.is_meta for b in module.buffers())
    assert {p.dtype for p in module.parameters()} == {torch.bfloat16}
    assert module.vlm.lm_head.weight is module.vlm.get_input_embeddings().weight


def test_stages_and_turns():
    log = []

    def job(name, pauses):
        def run(stage):
            log.append(name)
            for label, pause in pauses.items():
                time.sleep(pause)
                stage(label)

        return Contender(name, run)

    slow, fast = job("slow", {"look": 0.02, "think": 0.01}), job("fast", {"look": 0.005})
    subject = Subject("a job", [slow, fast], {"difference": 0.0}, 1, 10**9)
    speed.compare(subject, 2, torch.device("cpu"))
    assert log == ["slow"] * 3 + ["fast"] * 3 + ["fast", "slow", "slow", "fast"]
    assert [len(times) for times in slow.times_ms.values()] == [2, 2, 2]
    assert min(slow.times_ms["look"]) >= 20 and min(slow.times_ms["think"]) >= 10
    assert slow.times_ms["total"][0] == pytest.approx(
        slow.times_ms["look"][0] + slow.times_ms["think"][0]
    )
    result = speed.report(subject, torch.device("cpu"), torch.float32)
    assert result["times_faster"]["fast"] > 1
    text = speed.table(result)
    assert [line.split()[0] for line in text.splitlines()[2:5]] == ["look", "think", "total"]


def test_the_frame_is_the_same_each_time():
    first, second = (speed.make_frame(64, 48, 50.0) for _ in range(2))
    np.testing.assert_array_equal(first.rgb, second.rgb)
    assert first.rgb.std() > 30
    assert (first.camera.cx, first.camera.cy) == (31.5, 23.5)


def test_flop_by_hand():
    a, b = torch.ones(3, 4), torch.ones(4, 5)
    query, key = torch.ones(1, 4, 8, 16), torch.ones(1, 2, 8, 16)  # two queries share a key

    def run():
        a @ b
        torch.nn.functional.scaled_dot_product_attention(query, key, key, enable_gqa=True)

    assert speed.flop_of(run) == 2 * 3 * 4 * 5 + 2 * (2 * 4 * 8 * 8 * 16)


@pytest.mark.parametrize("model", ["depthvlm-tiny", "depthlm-tiny-qwen"])
def test_quantised_alike(capsys, model):
    code, out, _ = bench(
        capsys,
        "--model",
        model,
        "--device",
        "cpu",
        "--runs",
        "1",
        "--threads",
        "1",
        "--size",
        "64",
        "64",
        "--fx",
        "1000",
        "--quantize",
        "int8",
        "--json",
    )
    assert code == 0
    result = json.loads(out)
    assert max(result["difference"].values()) <= 1e-5  # the same weights on both ways
    assert set(result["first_ms"]) == set(result["contenders"])
    assert min(result["first_ms"].values()) > 0
