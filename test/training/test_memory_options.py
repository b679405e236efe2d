"""Options for small cards: LoRA, half precision, gradient checkpointing, 8-bit optimisers."""

from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from tiny_recipes import depthlm, depthlm_grpo, depthvlm, losses, weights
from transformers import Qwen2_5_VLForConditionalGeneration
from two_processes import scripted_generate

from depthlm_ros.models import registry
from depthlm_ros.training import depthvlm_stages, grpo, sft

LORA = "lora={r: 4, lora_alpha: 8}"


def changed_names(model, folder):
    before, after = weights(model), weights(folder)
    assert before.keys() == after.keys()
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_lora_of_text_is_merged_into_what_is_served(tmp_path, reference_checkpoint, depthlm_data):
    model = reference_checkpoint("depthlm_qwen_tiny")
    folder = sft.run(depthlm(tmp_path, model, depthlm_data, LORA, "trainer.max_steps=3"))
    changed = changed_names(model, folder)
    assert "model.embed_tokens.weight" not in changed  # adapters are beside linear layers alone
    assert any("self_attn" in name for name in changed)
    assert registry.load(str(folder), "cpu").name


def test_lora_of_replies_is_merged_into_what_is_served(
    tmp_path, reference_checkpoint, depthlm_data
):
    model = reference_checkpoint("depthlm_qwen_tiny")
    with mock.patch.object(Qwen2_5_VLForConditionalGeneration, "generate", scripted_generate):
        folder = grpo.run(depthlm_grpo(tmp_path, model, depthlm_data, LORA, "published_lr=1e-2"))
    changed = changed_names(model, folder)
    assert changed and any("self_attn" in name for name in changed)
    assert registry.load(str(folder), "cpu").name


HALF = (
    "dtype=bfloat16",
    "trainer.bf16=true",
    "trainer.gradient_checkpointing=true",
    "trainer.max_steps=1",
)
FULL = ("trainer.max_steps=1",)


def first_loss(run, config):
    run(config)
    return losses(Path(config.out))[0]


def test_half_precision_and_checkpointing_see_the_same_loss(
    tmp_path, reference_checkpoint, depthlm_data, small_depthvlm, depthvlm_data
):
    model = reference_checkpoint("depthlm_qwen_tiny")
    text, dense = (
        [
            first_loss(run, make(tmp_path / f"{kind}{n}", *where, *more))
            for n, more in enumerate((FULL, HALF))
        ]
        for kind, run, make, where in (
            ("text", sft.run, depthlm, (model, depthlm_data)),
            ("dense", depthvlm_stages.run, depthvlm, (small_depthvlm, depthvlm_data, 2)),
        )
    )
    np.testing.assert_allclose(text[1], text[0], rtol=0.03)
    np.testing.assert_allclose(dense[1], dense[0], rtol=0.05)


@pytest.mark.parametrize("optimiser", ["adamw_torch_8bit", "adamw_torch_4bit"])
def test_an_8_bit_optimiser_takes_a_step(optimiser, tmp_path, reference_checkpoint, depthlm_data):
    model = reference_checkpoint("depthlm_qwen_tiny")
    more = (f"trainer.optim={optimiser}", "trainer.max_steps=2")
    with torch.compiler.set_stance("force_eager"):  # compiled, a step would take a minute here
        folder = sft.run(depthlm(tmp_path, model, depthlm_data, *more))
    assert any("self_attn" in name for name in changed_names(model, folder))
