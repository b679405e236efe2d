"""Reinforcement: the rewards by hand, and a run on a tiny Qwen2.5-VL of the real class."""

import json
import math

import pytest
import torch
from safetensors.torch import load_file
from tiny_recipes import depthlm_grpo

from depthlm_ros.models import registry
from depthlm_ros.prompting.prompts import prompt
from depthlm_ros.status import StatusError
from depthlm_ros.training import grpo
from depthlm_ros.training.rewards import answered_m, format_reward, reward_functions


def chats(*texts):
    return [[{"role": "assistant", "content": text}] for text in texts]


GOOD = prompt().answer(4.0)


@pytest.mark.parametrize(
    ("text", "reward"),
    [
        (GOOD, 1.0),
        ("<think> a </think> <answer> x </answer>", 1.0),  # the form, whatever the number
        ("<answer> 4.0 </answer>", 0.0),
        ("<think> a </think><answer>4</answer> and more", 0.0),
        ("<think> a </think><think> b </think><answer>4</answer>", 0.0),
        ("4 m", 0.0),
    ],
)
def test_the_form(text, reward):
    assert format_reward(text) == reward


def test_a_reply_without_one_number_is_an_answer_of_zero():
    assert answered_m(GOOD) == 4.0
    assert answered_m("<think> a </think> <answer> far </answer>") == 0.0
    assert answered_m("between 2 and 3 m") == 0.0


@pytest.mark.parametrize(
    ("name", "rewards"),
    [
        ("delta1", [1.0, 0.0, 0.0]),  # 4 to 3.3: 1.21; to 5: exactly 1.25, not within; none
        ("neg_abs_rel", [-0.7 / 3.3, -0.2, -1.0]),
        ("neg_l1", [-0.7, -1.0, -2.0]),
        ("neg_l2", [-0.49, -1.0, -4.0]),
    ],
)
def test_the_four_rewards(name, rewards):
    form, number = reward_functions(name)
    said = chats(GOOD, GOOD, "nothing")
    assert number(completions=said, metres=[3.3, 5.0, 2.0]) == pytest.approx(rewards)
    assert form(completions=said, metres=[3.3, 5.0, 2.0]) == [1.0, 1.0, 0.0]
    assert (form.__name__, number.__name__) == ("format", name)
    assert number(completions=[GOOD], metres=[3.3])[0] == pytest.approx(rewards[0])  # bare text


def test_an_unknown_reward_is_refused():
    with pytest.raises(StatusError, match="must be one of"):
        reward_functions("l3")


def test_a_run_end_to_end(tmp_path, reference_checkpoint, depthlm_data):
    """One step of two groups of two replies, stopped, and one more; the folder is served.

    The weights are those of two steps at once.
    """
    model = reference_checkpoint("depthlm_qwen_tiny")
    saved = ("trainer.save_strategy=steps", "trainer.save_steps=1")
    first = grpo.run(depthlm_grpo(tmp_path, model, depthlm_data, *saved, "trainer.max_steps=1"))
    name = "visual.blocks.0.attn.proj.weight"
    before = load_file(first / "model.safetensors")[name]
    trainer = grpo.make_trainer(depthlm_grpo(tmp_path, model, depthlm_data, *saved))
    trainer._load_from_checkpoint(str(tmp_path / "checkpoint-1"))
    restored = trainer.model.state_dict()[f"model.{name}"]
    assert torch.equal(before, restored)
    assert not torch.equal(before, load_file(model / "model.safetensors")[name])
    folder = grpo.run(depthlm_grpo(tmp_path, model, depthlm_data, *saved))
    whole = load_file(
        grpo.run(depthlm_grpo(tmp_path / "whole", model, depthlm_data, *saved))
        / "model.safetensors"
    )
    parts = load_file(folder / "model.safetensors")
    assert all(torch.equal(whole[key], parts[key]) for key in whole)
    assert not torch.equal(before, parts[name])
    assert "2 steps of 4 samples" in (folder / "README.md").read_text()
    assert json.loads((folder / "config.json").read_text())["canonical_focal_px"] == 60.0
    assert registry.load(str(folder), "cpu").name


def test_groups_and_batches_must_fit(tmp_path):
    with pytest.raises(StatusError, match="a batch is whole groups"):
        grpo.GRPOSettings.of(depthlm_grpo(tmp_path, "m", "d", "grpo.group=3"))
    with pytest.raises(StatusError, match=r"grpo: unknown \['kl'\]"):
        grpo.GRPOSettings.of(depthlm_grpo(tmp_path, "m", "d", "grpo.kl=1"))


def test_the_rewards_are_logged(tmp_path, reference_checkpoint, depthlm_data):
    config = depthlm_grpo(
        tmp_path, reference_checkpoint("depthlm_qwen_tiny"), depthlm_data, "trainer.max_steps=1"
    )
    trainer = grpo.make_trainer(config)
    trainer.train()
    log = trainer.state.log_history[0]
    assert log["rewards/neg_l1/mean"] < 0 and math.isfinite(log["grad_norm"])
    assert log["rewards/format/mean"] == 0.0
