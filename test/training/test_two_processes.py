"""Two gloo processes learn what one learns that adds up twice as many batches: every recipe."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_recipes import COMMON, weights
from two_processes import run_all

WORKER = Path(__file__).parent.parent / "two_processes.py"
SMALL = dict(pair.split("=", 1) for pair in COMMON) | {
    "global_batch": 4,
    "per_device_batch": 2,
    "published_batch": 4,
    "published_lr": "3e-3",
    "trainer.max_steps": 3,
    "trainer.lr_scheduler_type": "constant",
}
TOGETHER = {"trainer.ddp_backend": "gloo", "trainer.ddp_find_unused_parameters": "true"}


@pytest.fixture(scope="module")
def recipes(reference_checkpoint, small_depthvlm, depthvlm_data, depthlm_data):
    """Return {what: (recipe, model, settings)} of every kind of training."""
    dense = SMALL | {"data": f"[{{file: {depthvlm_data}}}]", "depth.focal_px": 100}
    text = SMALL | {
        "data": f"[{{file: {depthlm_data}, label: z}}]",
        "sampling": "{focal_px: 60}",
        "samples": "null",
        "trainer.max_grad_norm": 1.0,
    }
    replies = text | {"grpo": "{group: 2, max_reply_tokens: 5, reward: neg_l1}"}
    qwen, pixtral = map(reference_checkpoint, ("depthlm_qwen_tiny", "depthlm_pixtral_tiny"))
    return {
        "head alone": ("depthvlm_4b_stage1", small_depthvlm, dense),
        "language and head": ("depthvlm_4b_stage2", small_depthvlm, dense),
        "text of Qwen": ("depthlm_3b", qwen, text),
        "text of Pixtral": ("depthlm_12b", pixtral, text),
        "replies": ("depthlm_grpo_3b", qwen, replies),
    }


@pytest.fixture(scope="module")
def learned(recipes, tmp_path_factory):
    """Train all by one process and by two, and return the folder of both."""
    folder = tmp_path_factory.mktemp("two")

    def runs(name, more):
        return [
            [recipe, {**settings, **more, "model": str(model), "out": str(folder / name / what)}]
            for what, (recipe, model, settings) in recipes.items()
        ]

    run_all(runs("one", {}))
    (folder / "runs.json").write_text(json.dumps(runs("two", TOGETHER)))
    torchrun = "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"
    done = subprocess.run(
        [sys.executable, *torchrun, str(WORKER), str(folder / "runs.json")],
        capture_output=True,
        text=True,
        timeout=400,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.parametrize(
    "what",
    ["head alone", "language and head", "text of Qwen", "text of Pixtral", "replies"],
)
def test_two_processes_equal_one_with_twice_the_accumulation(what, recipes, learned):
    """Batches of 2: two processes, against one that adds up two."""
    start = weights(recipes[what][1])
    one, two = (weights(learned / name / what / "checkpoint") for name in ("one", "two"))
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-3, atol=2e-4)
    moved = {name for name in one if (one[name] - start[name]).abs().max() > 1e-3}
    assert moved
    assert what != "head alone" or all(name.startswith("depth_head.") for name in moved)
