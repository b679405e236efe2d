"""The mean of networks' weights, by hand."""

import pytest
import torch
from safetensors.torch import save_file

from depthlm_ros.models.compact.config import CompactConfig
from depthlm_ros.models.compact.network import CompactModule
from depthlm_ros.training.compact import average
from depthlm_ros.training.compact.checkpoint import read_start, write_start
from depthlm_ros.training.compact.texts import make_tokenizer

SMALL = dict(text_width=64, text_heads=2, text_kv_heads=1, text_layers=1, text_mlp=64)


def start(folder, value, **changed):
    """Write a network of which every weight is ``value``."""
    tokenizer = make_tokenizer()
    network = CompactModule(CompactConfig(vocab_size=len(tokenizer), **{**SMALL, **changed}))
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.fill_(value)
    return write_start(folder, network, tokenizer)


def values_of(folder):
    tensors = read_start(folder)[0].state_dict().values()
    return {float(v) for tensor in tensors if tensor.is_floating_point() for v in tensor.unique()}


def test_the_mean_of_three_runs(tmp_path, capsys):
    folders = [str(start(tmp_path / str(value), float(value))) for value in (1, 2, 6)]
    average.main([*folders, "--out", str(tmp_path / "mean")])
    assert values_of(tmp_path / "mean") == {3.0}
    assert capsys.readouterr().out.strip().endswith("mean")


def test_checkpoints_of_a_run_have_their_sizes_from_elsewhere(tmp_path):
    begin = start(tmp_path / "begin", 5.0)
    weights = read_start(begin)[0].state_dict()
    for number, value in ((400, 0.0), (800, 1.0)):
        folder = tmp_path / f"checkpoint-{number}"
        folder.mkdir()
        held = {f"network.{n}": torch.full_like(t, value) for n, t in weights.items()}
        held.pop("network.head.scale.bias")
        save_file(held, folder / "averaged.safetensors")
    checkpoints = sorted(tmp_path.glob("checkpoint-*"))
    out = average.average(checkpoints, tmp_path / "mean", begin)
    assert values_of(out) == {0.5, 5.0}  # the bias that they do not hold stays
    assert float(read_start(out)[0].head.scale.bias) == 5.0


def test_networks_of_other_sizes_are_refused(tmp_path):
    folders = start(tmp_path / "a", 1.0), start(tmp_path / "b", 1.0, text_mlp=128)
    with pytest.raises(ValueError, match="does not fit the network of"):
        average.average(folders, tmp_path / "mean")
