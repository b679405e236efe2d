"""A compact model of random weights, small enough for every test, served and as it is trained."""

import numpy as np
import pytest
import torch

from depthlm_ros.models.compact.config import CompactConfig
from depthlm_ros.models.compact.network import CompactModule
from depthlm_ros.models.registry import load
from depthlm_ros.training.compact.checkpoint import write_served
from depthlm_ros.training.compact.texts import make_tokenizer

SMALL = dict(
    text_width=64,
    text_layers=2,
    text_heads=2,
    text_kv_heads=1,
    text_mlp=96,
    head_widths=(16, 12, 8, 8),
)


@pytest.fixture(scope="session")
def tokenizer():
    return make_tokenizer()


@pytest.fixture(scope="session")
def network(tokenizer):
    torch.manual_seed(3)
    network = CompactModule(CompactConfig(vocab_size=len(tokenizer), **SMALL)).eval()
    with torch.no_grad():
        for value in network.tower.buffers():
            value.uniform_(0.5, 1.0)
        network.head.scale.weight.normal_(std=0.1)
    return network


@pytest.fixture(scope="session")
def folder(network, tokenizer, tmp_path_factory):
    return write_served(
        tmp_path_factory.mktemp("compact"), network, tokenizer, torch.float32, ratio_90=1.7
    )


@pytest.fixture(scope="session")
def model(folder):
    return load(str(folder), "cpu")


@pytest.fixture(scope="session")
def rgb():
    return np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
