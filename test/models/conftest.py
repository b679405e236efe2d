"""Checkpoints for the model tests: the reference ones, written once a session, and a tiny one."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

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


class Tape(TorchDispatchMode):
    """What a CUDA graph is, on the CPU: the operations of a run, with the memory they work on.

    A replay knows no Python: every operation runs again on the very same memory, so a value that
    Python worked out meanwhile stays what it was. A value read back cannot be recorded.
    """

    READS_BACK = ("_local_scalar_dense", "nonzero", "equal")

    def __init__(self):
        super().__init__()
        self.steps = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        """Run the operation and note it."""
        kwargs = kwargs or {}
        if any(name in str(function) for name in self.READS_BACK):
            raise RuntimeError(f"operation not permitted when stream is capturing: {function}")
        out = function(*args, **kwargs)
        self.steps.append((function, args, kwargs, out))
        return out

    def replay(self):
        """Run every operation again on the memory of the first time."""
        for function, args, kwargs, out in self.steps:
            fresh = function(*args, **kwargs)
            for old, new in zip(tree_leaves(out), tree_leaves(fresh), strict=True):
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


class TapeRecorder:
    """Records on tapes, in place of ``CudaGraphs``; ``tapes``: all that were made."""

    def __init__(self):
        self.tapes = []

    def record(self, run):
        """Return what replays ``run``, and the tensors that it fills."""
        run()
        tape = Tape()
        with tape:
            outputs = run()
        self.tapes.append(tape)
        return tape.replay, outputs


@pytest.fixture
def tape_recorder():
    """Return a recorder that behaves as a CUDA graph does, without a GPU."""
    return TapeRecorder()
