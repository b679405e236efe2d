"""Checkpoints for the model tests: the reference ones, written once a session, and a tiny one."""

from pathlib import Path

import numpy as np
import pytest
import torch

from depthlm_ros.benchmarks.template_overfit import overfit_template
from depthlm_ros.models import registry
from depthlm_ros.models.depthvlm.network import PREFIX, DepthVLMModule
from depthlm_ros.models.depthvlm.tiny import tiny_config, tiny_tokenizer
from depthlm_ros.models.weights import checkpoint
from depthlm_ros.prompting.prompts import prompt

REFERENCE = Path(__file__).parents[1] / "data" / "reference"


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


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


@pytest.fixture(scope="session")
def noise():
    """Return a function: seed to a picture, uint8 (64, 64, 3)."""
    return lambda seed: np.random.default_rng(seed).integers(0, 256, (64, 64, 3), np.uint8)


@pytest.fixture(scope="session", params=["qwen", "pixtral"])
def follower(request, reference_checkpoint, noise):
    """Return a DepthLM that follows its templates: about 3.4 m on noise(0), 14 m on noise(1).

    One value a picture in the published form (the answer must copy the thought, which a tiny model
    hardly learns), a spread of values in the plain one. Not to be changed by a test.
    """
    model = registry.load(str(reference_checkpoint(f"depthlm_{request.param}_tiny")), "cpu")
    thought, plain = prompt(), prompt(style="plain")

    def replies(middle, spread, seed):
        values = np.random.default_rng(seed).normal(middle, spread, 48).clip(0.2, 99)
        return [plain.answer(value) for value in values]

    examples = [
        (noise(0), thought.question, [thought.answer(3.47)]),
        (noise(1), thought.question, [thought.answer(14.26)]),
        (noise(0), plain.question, replies(3.4, 0.4, 1)),
        (noise(1), plain.question, replies(14.2, 1.5, 2)),
    ]
    overfit_template(model, examples, 400)
    return model
