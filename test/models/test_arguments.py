"""The arguments that name a model: the same for every program."""

import argparse

import pytest

from depthlm_ros.benchmarks import speed
from depthlm_ros.cli import main as cli
from depthlm_ros.demo import main as demo
from depthlm_ros.evaluation import accuracy
from depthlm_ros.models import arguments
from depthlm_ros.models.device import pick_dtype
from depthlm_ros.models.weights.quantization import SCHEMES


def parse(declare, texts):
    parser = argparse.ArgumentParser()
    declare(parser)
    return parser.parse_args(texts)


def test_what_is_offered_is_what_loading_knows():
    assert arguments.QUANTIZE == SCHEMES
    for name in arguments.DTYPES:
        assert pick_dtype(name, torch_cpu()).is_floating_point


def torch_cpu():
    import torch

    return torch.device("cpu")


def test_all_of_them_reach_the_registry(monkeypatch):
    given = []
    monkeypatch.setattr(
        "depthlm_ros.models.registry.load", lambda *a, **k: given.append((a, k)) or "model"
    )
    texts = "--model there --device cpu --dtype float32 --revision v2 --quantize int8".split()
    parsed = parse(arguments.add_model_arguments, [*texts, "--option", "a=1", "--option", "b=x=y"])
    assert arguments.load_from_arguments(parsed, calibrated=False) == "model"
    options = {"quantize": "int8", "calibrated": False, "a": "1", "b": "x=y"}
    assert given == [(("there", "cpu", "float32", "v2"), options)]


@pytest.mark.parametrize("texts", [["--option", "=3"], ["--option", "a="], ["--dtype", "int4"]])
def test_what_cannot_be_is_refused_while_parsing(texts, capsys):
    with pytest.raises(SystemExit):
        parse(arguments.add_model_arguments, texts)
    assert texts[0] in capsys.readouterr().err


def test_every_program_has_the_same_defaults():
    expected = vars(parse(arguments.add_model_arguments, []))
    for found in (
        cli.parser().parse_args(["depth", "a.png", "-o", "out"]),
        cli.parser().parse_args(["doctor"]),
        parse(accuracy.add_arguments, []),
    ):
        assert expected.items() <= vars(found).items()
    assert demo.arguments([]).model == expected["model"]
    fast = vars(parse(speed.add_arguments, []))
    assert {name: fast[name] for name in ("device", "dtype", "quantize")} == {
        name: expected[name] for name in ("device", "dtype", "quantize")
    }
