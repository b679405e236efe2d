"""Recipes of the smallest size, and what a run leaves."""

import json

from safetensors.torch import load_file

from depthlm_ros.training.configs import load_config

COMMON = [
    "trainer.warmup_steps=0",
    "trainer.gradient_checkpointing=false",
    "trainer.logging_steps=1",
    "trainer.dataloader_num_workers=0",
    "trainer.disable_tqdm=true",
    "trainer.save_steps=1000",
    "dtype=float32",
]


def depthlm(out, model, data, *more):
    entry = f"data=[{{file: {data}, label: z}}]"
    return load_config(
        "depthlm_3b",
        [
            *COMMON,
            f"out={out}",
            f"model={model}",
            entry,
            "sampling={focal_px: 60}",
            "samples=null",
            "global_batch=4",
            "per_device_batch=4",
            "published_batch=4",
            "published_lr=5e-3",
            "trainer.max_grad_norm=1.0",
            *more,
        ],
    )


def depthlm_grpo(out, model, data, *more):
    return load_config(
        "depthlm_grpo_3b",
        [
            f"out={out}",
            f"model={model}",
            f"data=[{{file: {data}, label: z}}]",
            "dtype=float32",
            "sampling={focal_px: 60}",
            "samples=null",
            "global_batch=4",
            "per_device_batch=4",
            "grpo={group: 2, max_reply_tokens: 6}",
            "trainer.gradient_checkpointing=false",
            "trainer.max_steps=2",
            "trainer.disable_tqdm=true",
            "trainer.save_strategy=no",
            "published_lr=1e-3",
            *more,
        ],
    )


def depthvlm(out, model, data, stage, *more):
    return load_config(
        "depthvlm_4b_stage1",
        [
            *COMMON,
            f"out={out}",
            f"model={model}",
            f"data=[{{file: {data}}}]",
            f"depth.stage={stage}",
            "depth.focal_px=100",
            "global_batch=4",
            "per_device_batch=2",
            "published_batch=4",
            "published_lr=3e-3",
            *more,
        ],
    )


def weights(folder):
    return load_file(folder / "model.safetensors")


def losses(folder):
    last = sorted(folder.glob("checkpoint-*/trainer_state.json"))[-1]
    return [e["loss"] for e in json.loads(last.read_text())["log_history"] if "loss" in e]
