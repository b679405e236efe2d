"""Recipes: the papers' numbers, the square-root rule, overrides and what is refused."""

import math

import pytest

from depthlm_ros.status import StatusError
from depthlm_ros.training import configs
from depthlm_ros.training.configs import RECIPES, load_config, training_arguments

PUBLISHED = {  # batch, rate, samples, clip, warm-up, per GPU
    "depthlm_3b": (1280, 5.2e-5, 35_000_000, 0.1, 0.1, 10),
    "depthlm_7b": (1280, 1.0e-4, 60_000_000, 0.5, 0.1, 10),
    "depthlm_12b": (384, 5.6e-5, 23_000_000, 1.0, 0.1, 3),
    "depthvlm_4b_stage1": (2560, 3.5e-4, None, 1.0, 0.04, 32),
    "depthvlm_4b_stage2": (640, 2e-5, None, 1.0, 0.05, 8),
    "depthvlm_8b_stage1": (2560, 3.5e-4, None, 1.0, 0.04, 32),
    "depthvlm_8b_stage2": (640, 2e-5, None, 1.0, 0.05, 8),
    "depthlm_grpo_3b": (32, 1.0e-5, 8000, 1.0, None, 8),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_papers_numbers(name):
    config = load_config(name)
    batch, rate, samples, clip, warmup, local = PUBLISHED[name]
    assert (config.published_batch, config.global_batch, config.samples) == (batch, batch, samples)
    assert config.learning_rate == config.published_lr == rate
    assert config.per_device_batch == local
    assert config.trainer["max_grad_norm"] == clip
    assert config.trainer.get("warmup_steps") == warmup
    assert config.trainer["lr_scheduler_type"] == ("constant" if "grpo" in name else "cosine")


def test_every_recipe_is_known():
    assert {file.stem for file in RECIPES.glob("*.yaml")} == set(PUBLISHED)


def test_the_weights_of_the_mixture():
    weights = {entry.file.split("/")[1]: entry.weight for entry in load_config("depthlm_7b").data}
    assert weights.pop("matterport3d") == 0.1 and set(weights.values()) == {1}
    assert load_config("depthlm_12b").sampling["focal_px"] == 750


def test_a_smaller_batch_has_a_rate_by_the_square_root():
    config = load_config("depthlm_3b", ["global_batch=20", "per_device_batch=2"])
    assert config.learning_rate == pytest.approx(5.2e-5 / 8)  # sqrt(20 / 1280) = 1 / 8
    assert config.accumulation(1) == 10 and config.accumulation(4) == 3  # ceil(20 / 8)
    assert config.steps == math.ceil(35_000_000 / 20)
    assert load_config("depthvlm_4b_stage2").accumulation(80) == 1


def test_overrides_lead_into_the_recipe(tmp_path):
    config = load_config(
        "depthlm_3b",
        [
            f"out={tmp_path}",
            "trainer.max_steps=7",
            "data.0.file=mine.jsonl",
            "lora={r: 8}",
            "sampling.points=3",
        ],
    )
    assert config.trainer["max_steps"] == 7 and config.data[0].file == "mine.jsonl"
    assert config.lora == {"r": 8} and config.sampling == {"focal_px": 1000, "points": 3}
    arguments = training_arguments(config)
    assert (arguments.max_steps, arguments.max_grad_norm) == (7, 0.1)
    assert arguments.get_warmup_steps(100) == 10 and arguments.seed == 42
    assert arguments.gradient_accumulation_steps == 128
    assert (arguments.adam_beta1, arguments.adam_beta2, arguments.weight_decay) == (0.9, 0.999, 0)


@pytest.mark.parametrize(
    ("overrides", "rule"),
    [
        (["method=sft"], "method = 'sft': must be one of"),
        (["label_mask=all"], "label_mask = 'all'"),
        (["global_batch=0"], "global_batch = 0: must be positive"),
        (["data=[]"], "at least one annotation file"),
        (["learning_rate=1"], r"unknown \['learning_rate'\]; known are"),
        (["data=[{path: x}]"], "unexpected keyword argument 'path'"),
        (["out"], "must be KEY=VALUE"),
        (["data.99.file=x"], "list assignment index|list index"),
    ],
)
def test_what_makes_no_sense_is_refused(overrides, rule):
    with pytest.raises(StatusError, match=rule):
        load_config("depthlm_3b", overrides)


def test_an_unknown_recipe_names_the_known_ones():
    with pytest.raises(StatusError, match="recipes here are depthlm_12b, depthlm_3b"):
        load_config("depthlm_1b")


@pytest.mark.parametrize(
    ("option", "package"),
    [
        ("trainer.report_to=[tensorboard]", "tensorboard"),
        ("trainer.report_to=wandb", "wandb"),
        ("trainer.optim=adamw_torch_8bit", "torchao"),
        ("trainer.optim=paged_adamw_8bit", "bitsandbytes"),
        ("trainer.optim=adamw_8bit", "bitsandbytes"),
        ("trainer.deepspeed=zero2.json", "deepspeed"),
    ],
)
def test_an_option_whose_package_is_missing_is_refused(tmp_path, monkeypatch, option, package):
    monkeypatch.setattr(configs, "find_spec", lambda name: None)
    config = load_config("depthvlm_4b_stage2", [f"out={tmp_path}", option])
    with pytest.raises(StatusError, match=f"needs the package {package}, .*pip install {package}"):
        training_arguments(config)


def test_options_whose_packages_are_there_are_taken(tmp_path, monkeypatch):
    """Without being asked for, TensorBoard is written where it is installed."""
    monkeypatch.setattr(configs, "find_spec", lambda name: object())
    options = [f"out={tmp_path}", "trainer.optim=adamw_torch_8bit"]
    taken = training_arguments(load_config("depthvlm_4b_stage2", options))
    assert taken.report_to == ["tensorboard"] and taken.optim == "adamw_torch_8bit"
    monkeypatch.setattr(configs, "find_spec", lambda name: None)
    plain = training_arguments(load_config("depthvlm_4b_stage2", options[:1]))
    assert plain.report_to == []
