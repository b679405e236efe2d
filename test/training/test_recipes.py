"""Every recipe end to end on tiny checkpoints of the real classes."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import Qwen3VLForConditionalGeneration

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models import registry
from depthlm_ros.models.depthlm.six_tasks import ask_task
from depthlm_ros.models.runtime.image_patches import to_patches
from depthlm_ros.status import StatusError
from depthlm_ros.tasks import Task
from depthlm_ros.training import depthvlm_stages, run, sft
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
HEAD = "depth.head={widths: [16, 16, 16, 16], fusion: 16, output: [8, 8]}"


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


@pytest.mark.parametrize("name", ["depthlm_qwen_tiny", "depthlm_pixtral_tiny"])
def test_depthlm_learns_and_is_served(name, tmp_path, reference_checkpoint, depthlm_data):
    """Both families: the loss falls on four pictures, and the folder loads as a DepthLM."""
    config = depthlm(
        tmp_path,
        reference_checkpoint(name),
        depthlm_data,
        "trainer.max_steps=20",
        "trainer.save_steps=20",
        "sampling.focal_px=60",
    )
    folder = sft.run(config)
    found = losses(tmp_path)
    assert np.mean(found[-3:]) < 0.5 * found[0]
    model = registry.load(str(folder), "cpu")
    assert model.path.image.focal_px == 60.0
    camera = PinholeCamera(60.0, 60.0, 31.5, 23.5, 64, 48)
    (reading,) = model.distances(np.zeros((48, 64, 3), np.uint8), camera, [(30, 20)])
    assert reading.text or reading.reason
    card = (folder / "README.md").read_text()
    assert "20 steps of 4 samples" in card and "| NuScenes | 4 | 1 | CC BY-NC-SA 4.0 |" in card
    assert (tmp_path / "loss.png").stat().st_size > 1000


@pytest.mark.parametrize("name", ["depthlm_qwen_tiny", "depthlm_pixtral_tiny"])
def test_depthlm_learns_the_camera_motion_beside_distances(
    name, tmp_path, reference_checkpoint, depthlm_data
):
    """Lines of two images beside lines of points; what comes out is asked about two images."""
    points = depthlm_data.read_text().splitlines()
    motion = tmp_path / "motion.jsonl"
    with motion.open("w") as file:
        for one, two in zip(points, points[1:], strict=False):
            line, other = json.loads(one), json.loads(two)
            kept = {key: line[key] for key in ("image", "intrinsics")}
            kept |= {"second_image": other["image"], "camera_motion": 2.0, "label": "distance"}
            file.write(json.dumps(kept) + "\n")
    root = depthlm_data.parent
    config = depthlm(
        tmp_path / "run",
        reference_checkpoint(name),
        depthlm_data,
        f"data=[{{file: {depthlm_data}, label: z}}, {{file: {motion}, image_root: {root}}}]",
        "sampling.tasks=[distance, camera_motion]",
        "sampling.style=multitask",
        "trainer.max_steps=16",
        "trainer.save_steps=16",
    )
    folder = sft.run(config)
    found = losses(tmp_path / "run")
    assert np.mean(found[-3:]) < 0.6 * found[0]
    model = registry.load(str(folder), "cpu")
    camera = PinholeCamera(60.0, 60.0, 31.5, 23.5, 64, 48)
    images = [np.full((48, 64, 3), grey, np.uint8) for grey in (40, 90)]
    reading = ask_task(model, Task.CAMERA_MOTION, images, camera)
    assert reading.text or reading.reason


@pytest.mark.parametrize("name", ["depthlm_qwen_tiny", "depthlm_pixtral_tiny"])
def test_depthlm_resumed_equals_uninterrupted(name, tmp_path, reference_checkpoint, depthlm_data):
    """Four steps at once, and two, stopped, and two more: the same weights, bit by bit."""
    model = reference_checkpoint(name)
    more = (
        "trainer.save_steps=2",
        "trainer.max_steps=4",
        "label_mask=published",
        "sampling.points=2",
        "trainer.lr_scheduler_type=constant",
    )
    whole = sft.run(depthlm(tmp_path / "whole", model, depthlm_data, *more))
    first = (*more, "trainer.max_steps=2")
    sft.run(depthlm(tmp_path / "parts", model, depthlm_data, *first))
    parts = sft.run(depthlm(tmp_path / "parts", model, depthlm_data, *more))
    one, two = weights(whole), weights(parts)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_depthvlm_in_two_stages(tmp_path, stock_qwen3, depthvlm_data):
    """Stage 1 changes the head alone; stage 2 all but the tower; both fall; the node loads it."""
    stage1 = depthvlm_stages.run(
        depthvlm(
            tmp_path / "1",
            stock_qwen3,
            depthvlm_data,
            1,
            HEAD,
            "trainer.max_steps=12",
            "trainer.save_steps=12",
            "published_lr=1e-2",
        )
    )
    found = losses(tmp_path / "1")
    assert np.mean(found[-3:]) < 0.8 * found[0]
    stock, one = weights(stock_qwen3), weights(stage1)
    assert all(torch.equal(stock[name], one[name]) for name in stock)
    assert any(name.startswith("depth_head.") for name in one)

    stage2 = depthvlm_stages.run(
        depthvlm(
            tmp_path / "2",
            stage1,
            depthvlm_data,
            2,
            "trainer.max_steps=12",
            "trainer.save_steps=12",
            "published_lr=2e-3",
            "trainer.gradient_checkpointing=true",
        )
    )
    found = losses(tmp_path / "2")
    assert np.mean(found[-3:]) < 0.7 * found[0]
    log = json.loads(next((tmp_path / "2").glob("checkpoint-*/trainer_state.json")).read_text())
    first = log["log_history"][0]
    assert first["lm_loss"] > 0 and first["pixel_depth_loss"] > 0
    two = weights(stage2)
    changed = {name for name in one if not torch.equal(one[name], two[name])}
    assert not any(name.startswith("model.visual.") for name in changed)
    assert any(name.startswith("depth_head.") for name in changed)
    assert any(name.startswith("model.language_model.layers.") for name in changed)

    config = json.loads((stage2 / "config.json").read_text())
    assert config["architectures"] == ["Qwen3VLForConditionalGeneration"]
    assert config["depth_head_type"] == "dpt" and config["canonical_focal_px"] == 100.0
    plain = Qwen3VLForConditionalGeneration.from_pretrained(stage2)  # for other programs
    name = "model.language_model.layers.0.mlp.up_proj.weight"
    assert torch.equal(plain.state_dict()[name], two[name])
    served = registry.load(str(stage2), "cpu")
    camera = PinholeCamera(100.0, 100.0, 47.5, 31.5, 96, 64)
    assert served.depth(np.zeros((64, 96, 3), np.uint8), served.view_of(camera)).shape[0] % 32 == 0


def test_the_trained_network_and_the_served_one_are_the_same(small_depthvlm, depthvlm_data):
    """One picture through the trainer's forward pass and through the node's own layers."""
    folder = small_depthvlm
    config = depthvlm("unused", folder, depthvlm_data, 2)
    checkpoint, built = depthvlm_stages.open_base(config)
    trained = depthvlm_stages.load_base(config, checkpoint, built).eval()
    trainer = depthvlm_stages.DenseDataset([e.open() for e in config.data], 100.0)
    served = registry.load(str(folder), "cpu")
    collator = depthvlm_stages.DepthVLMCollator(checkpoint.tokenizer(), served.path)
    with torch.no_grad():
        batch = collator([trainer[0], trainer[1]])
        both = trained(**batch)
        for depth, sample in zip(both.depth, (trainer[0], trainer[1]), strict=True):
            size = served.path.fit(sample.rgb.shape[1], sample.rgb.shape[0])
            from depthlm_ros.models.runtime.image_patches import resize

            image = resize(torch.from_numpy(sample.rgb)[None], *size)
            own = served.module(*to_patches(image, served.path)).depth[0]
            torch.testing.assert_close(depth, own, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("stage", [1, 2])
def test_depthvlm_resumed_equals_uninterrupted(stage, tmp_path, small_depthvlm, depthvlm_data):
    model = small_depthvlm
    more = ("trainer.save_steps=2", "trainer.max_steps=4", "trainer.lr_scheduler_type=constant")
    whole = depthvlm_stages.run(depthvlm(tmp_path / "whole", model, depthvlm_data, stage, *more))
    first = (*more, "trainer.max_steps=2")
    depthvlm_stages.run(depthvlm(tmp_path / "parts", model, depthvlm_data, stage, *first))
    parts = depthvlm_stages.run(depthvlm(tmp_path / "parts", model, depthvlm_data, stage, *more))
    one, two = weights(whole), weights(parts)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_head_on_other_features_is_not_served(small_depthvlm, tmp_path):
    folder = shutil.copytree(small_depthvlm, tmp_path / "tower")
    config = json.loads((folder / "config.json").read_text())
    config["depth_feature_source"] = "tower+tower"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(StatusError, match=r"trained on the features 'tower\+tower': only"):
        registry.load(str(folder), "cpu")


def test_an_image_without_depth_gives_way_to_the_next(stock_qwen3, depthvlm_data):
    config = depthvlm("unused", stock_qwen3, depthvlm_data, 1)
    dataset = depthvlm_stages.DenseDataset([e.open() for e in config.data])
    assert len(dataset) == 4
    np.testing.assert_array_equal(dataset[3].rgb, dataset[0].rgb)


@pytest.mark.parametrize(
    "more",
    [
        ("depth.head={type: mlp, mlp_hidden: 16, feature_mode: concat}",),
        (HEAD.replace("{widths", "{type: dpt_original, widths"),),
        (HEAD, "depth.feature_source=tower+tower"),
        (HEAD, "depth.feature_source=language+language"),
    ],
    ids=["mlp", "original", "tower", "language"],
)
def test_the_papers_other_heads_and_sources_train(more, stock_qwen3, depthvlm_data):
    config = depthvlm("unused", stock_qwen3, depthvlm_data, 2, *more)
    checkpoint, built = depthvlm_stages.open_base(config)
    model = depthvlm_stages.load_base(config, checkpoint, built)
    path = depthvlm_stages.DepthVLMSettings.from_config(built.to_dict()).path
    collator = depthvlm_stages.DepthVLMCollator(checkpoint.tokenizer(), path)
    dataset = depthvlm_stages.DenseDataset([e.open() for e in config.data], 100.0)
    batch = collator([dataset[0], dataset[1]])
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 2e-3)
    found = []
    for _ in range(4):
        loss = model(**batch).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        found.append(loss.item())
    assert found[-1] < found[0]


def test_lora_is_merged_into_what_is_served(tmp_path, small_depthvlm, depthvlm_data):
    model = small_depthvlm
    folder = depthvlm_stages.run(
        depthvlm(
            tmp_path, model, depthvlm_data, 2, "lora={r: 4, lora_alpha: 8}", "trainer.max_steps=3"
        )
    )
    before, after = weights(model), weights(folder)
    assert set(before) == set(after)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any("self_attn" in name for name in changed)
    assert any(name.startswith("depth_head.") for name in changed)
    assert registry.load(str(folder), "cpu").name


def test_another_familys_model_is_refused(
    tmp_path, reference_checkpoint, depthlm_data, depthvlm_data, capsys
):
    with pytest.raises(StatusError, match="DepthLM trains a Qwen2.5-VL or a Pixtral"):
        sft.run(depthlm(tmp_path, reference_checkpoint("depthvlm_tiny"), depthlm_data))
    with pytest.raises(StatusError, match="DepthVLM trains a Qwen3-VL or a DepthVLM"):
        depthvlm_stages.run(
            depthvlm(tmp_path, reference_checkpoint("depthlm_qwen_tiny"), depthvlm_data, 1)
        )
    assert run.main(["depthlm_9b"]) == 2
    assert "recipes here are" in capsys.readouterr().err


@pytest.mark.parametrize("recipe", ["depthvlm_4b_stage2", "depthlm_3b"])
def test_two_processes_equal_one_with_twice_the_accumulation(
    recipe, tmp_path, small_depthvlm, depthvlm_data, reference_checkpoint, depthlm_data
):
    """Batches of 2: two gloo processes, against one that adds up two."""
    model, more = small_depthvlm, [f"data=[{{file: {depthvlm_data}}}]", "depth.focal_px=100"]
    if recipe == "depthlm_3b":
        model = reference_checkpoint("depthlm_qwen_tiny")
        more = [f"data=[{{file: {depthlm_data}, label: z}}]", "sampling={focal_px: 60}"]
        more += ["samples=null", "trainer.max_grad_norm=1.0"]
    more = [
        *COMMON,
        *more,
        f"model={model}",
        "global_batch=4",
        "per_device_batch=2",
        "published_batch=4",
        "published_lr=3e-3",
        "trainer.max_steps=3",
        "trainer.lr_scheduler_type=constant",
    ]
    alone = tmp_path / "alone"
    assert run.main([recipe, *_sets([*more, f"out={alone}"])]) == 0
    both = tmp_path / "both"
    code = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node=2",
        "--standalone",
        "-m",
        "depthlm_ros.training.run",
        recipe,
        *_sets(
            [
                *more,
                f"out={both}",
                "trainer.ddp_backend=gloo",
                "trainer.ddp_find_unused_parameters=true",
            ]
        ),
    ]
    done = subprocess.run(
        code,
        capture_output=True,
        text=True,
        timeout=240,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    one, two = weights(alone / "checkpoint"), weights(both / "checkpoint")
    start = weights(model)
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-3, atol=2e-4)
    moved = max((one[name] - start[name]).abs().max().item() for name in one)
    assert moved > 5e-3


def _sets(pairs):
    return [word for pair in pairs for word in ("--set", pair)]
