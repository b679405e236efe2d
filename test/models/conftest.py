"""Checkpoints for the model tests: the reference ones, written once a session, and a tiny one."""
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from depthlm_ros.models import checkpoint
from depthlm_ros.models.depthvlm import PREFIX, DepthVLMModule
from depthlm_ros.models.tiny import tiny_config, tiny_tokenizer

REFERENCE = Path(__file__).parents[1] / "data" / "reference"


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def reference_checkpoint(tmp_path_factory):
    """Return a function: name of a reference checkpoint to its folder, weights of seed 1 there."""
    root, made = tmp_path_factory.mktemp("reference"), {}

    def folder(name):
        if name not in made:
            made[name] = shutil.copytree(REFERENCE / name, root / name)
            arguments, sys.argv = sys.argv, ["make_checkpoint.py", str(made[name]), "--seed", "1"]
            try:
                runpy.run_path(str(REFERENCE / "make_checkpoint.py"), run_name="__main__")
            finally:
                sys.argv = arguments
        return made[name]

    yield folder
    shutil.rmtree(root)


@pytest.fixture(scope="session")
def reference_values():
    """Return a function: name of an npz of outputs of the published code to its arrays."""
    return lambda name: np.load(REFERENCE / f"{name}.npz", allow_pickle=False)


@pytest.fixture(scope="session")
def tiny_module():
    """Return a tiny DepthVLM with seeded random weights; not to be changed by a test."""
    torch.manual_seed(20)
    tokenizer = tiny_tokenizer()
    return DepthVLMModule(tiny_config(), tokenizer(PREFIX)["input_ids"]), tokenizer


@pytest.fixture
def tiny_folder(tiny_module, tmp_path):
    """Return a checkpoint folder of its own for each test, free to be broken."""
    module, tokenizer = tiny_module
    folder = tmp_path / "tiny"
    checkpoint.write(folder, tiny_config(), module.published_state_dict(), tokenizer)
    return folder
