"""DenseTrainer on a network of a few hundred numbers, on shards written here."""

import numpy as np
import pytest
import torch
from torch import nn
from transformers import TrainingArguments

from depthlm_ros.datasets.shards import write_shard
from depthlm_ros.training.image_to_depth import (
    AugmentingCollator,
    DenseTrainer,
    ImageToDepth,
    ShardDataset,
    dense_optimizer,
)


class Small(nn.Module):
    """A network with one matrix of a layer, one outside, and a bias."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 4, stride=4)
        self.layers = nn.ModuleList([nn.Linear(8, 8)])
        self.last = nn.Linear(8, 1)

    def forward(self, rgb):
        """Map uint8 (B, H, W, 3) to depth (B, H / 4, W / 4)."""
        x = self.first(rgb.permute(0, 3, 1, 2).float() / 255).permute(0, 2, 3, 1)
        return nn.functional.softplus(self.last(torch.tanh(self.layers[0](x)))[..., 0])


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Write eight pictures of about 3 m; the sky is +Inf."""
    rng = np.random.default_rng(0)
    depth = rng.uniform(2.8, 3.2, (8, 1, 1)) * np.ones((8, 24, 32))
    grey = (250 / depth)[..., None] * np.ones(3)
    depth[:, :4] = np.inf
    return write_shard(tmp_path_factory.mktemp("shards"), "a", grey.astype(np.uint8), depth).parent


def trainer(out, shards, **change):
    torch.manual_seed(1)
    arguments = {"max_steps": 30, "save_steps": 15, "logging_steps": 1, "learning_rate": 3e-2}
    arguments = TrainingArguments(
        str(out),
        per_device_train_batch_size=4,
        use_cpu=True,
        report_to=[],
        seed=3,
        remove_unused_columns=False,
        lr_scheduler_type="constant",
        disable_tqdm=True,
        **arguments | {k: v for k, v in change.items() if k in arguments},
    )
    return DenseTrainer(
        model=ImageToDepth(Small()),
        args=arguments,
        train_dataset=ShardDataset(shards),
        data_collator=AugmentingCollator(((16, 24), (16, 16)), 0.05),
        optimizer_kind=change.get("kind", "adamw"),
        ema=0.9,
    )


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_it_learns_and_resumes_bit_by_bit(shards, tmp_path, kind):
    """Thirty steps at once; and stopped after fifteen, by another process's trainer, resumed."""
    whole = trainer(tmp_path / "whole", shards, kind=kind)
    whole.train()
    losses = [entry["loss"] for entry in whole.state.log_history if "loss" in entry]
    assert np.mean(losses[-5:]) < 0.3 * losses[0]
    trainer(tmp_path / "parts", shards, kind=kind, max_steps=15).train()
    rest = trainer(tmp_path / "parts", shards, kind=kind)
    rest.train(resume_from_checkpoint=str(tmp_path / "parts" / "checkpoint-15"))
    one, two = whole.model.state_dict(), rest.model.state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    for name, value in whole.average.average.items():
        assert torch.equal(value, rest.average.average[name])


def test_the_average_follows_the_weights(shards, tmp_path):
    run = trainer(tmp_path, shards, max_steps=2, save_steps=2)
    start = {n: p.detach().clone() for n, p in run.model.named_parameters()}
    run.train()
    name = "network.last.weight"
    now, mean = dict(run.model.named_parameters())[name], run.average.average[name]
    assert not torch.equal(mean, now) and not torch.equal(mean, start[name])
    kept = run.average.put()
    assert torch.equal(dict(run.model.named_parameters())[name], mean)
    run.model.load_state_dict(kept)
    assert torch.equal(dict(run.model.named_parameters())[name], kept[name])
    assert (tmp_path / "checkpoint-2" / "average.safetensors").is_file()


def test_muon_takes_the_matrices_of_layers_alone():
    model = ImageToDepth(Small())
    joined = dense_optimizer(model, "muon", 1e-2)
    assert [sum(p.numel() for p in g["params"]) for g in joined.param_groups] == [
        3 * 8 * 16 + 8,
        8 + 8 + 1,
        64,
    ]
    assert [g["weight_decay"] for g in joined.param_groups] == [0.02, 0.0, 0.02]
    joined.param_groups[2]["lr"] = 0.5  # as a scheduler does
    assert joined.parts[1].param_groups[0]["lr"] == 0.5
    with pytest.raises(ValueError, match="known are adamw, muon"):
        dense_optimizer(model, "sgd", 1e-2)


def test_an_unknown_truth_has_no_part(shards):
    model = ImageToDepth(Small())
    batch = AugmentingCollator(((16, 24),), 0.0)(
        [ShardDataset(shards)[0], ShardDataset(shards)[1]]
    )
    assert batch["rgb"].shape == (2, 16, 24, 3) and batch["rgb"].dtype == torch.uint8
    out = model(**batch)
    assert torch.isfinite(out["loss"]) and out["depth"].shape == (2, 4, 6)
    batch["depth_m"][:] = torch.inf
    assert model(**batch)["loss"].item() == 0.0
