"""DepthVLM's two stages end to end on tiny checkpoints of the real classes."""

import json
import shutil

import numpy as np
import pytest
import torch
from tiny_recipes import depthvlm, losses, weights
from transformers import Qwen3VLForConditionalGeneration

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models import registry
from depthlm_ros.models.runtime.image_patches import to_patches
from depthlm_ros.status import StatusError
from depthlm_ros.training import depthvlm_stages

HEAD = "depth.head={widths: [16, 16, 16, 16], fusion: 16, output: [8, 8]}"


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
