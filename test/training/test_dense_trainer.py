"""Training: the loss by hand, pictures that stay true, a run that goes on where it stopped."""

import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from depthlm_ros.datasets import render_scenes
from depthlm_ros.datasets.shards import ShardFolder, write_shard
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.training import dense_trainer
from depthlm_ros.training.augmentation import crop_and_mirror, disturb_light, stretched_crop
from depthlm_ros.training.dense_trainer import DenseConfig, Trainer, schedule
from depthlm_ros.training.losses import silog


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Two small shards of made-up pictures whose brightness tells the depth."""
    folder = tmp_path_factory.mktemp("shards")
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        depth = rng.uniform(1.0, 4.0, (6, 1, 1)) * np.ones((6, 72, 72))
        rgb = np.repeat((60 * depth)[..., None], 3, -1).astype(np.uint8)
        depth[:, 0, 0] = np.inf
        write_shard(folder, name, rgb, depth)
    return folder


def config(shards, out, **changes) -> DenseConfig:
    values = {"shards": str(shards), "out": str(out), "steps": 4, "batch": 2, "lr": 1e-3}
    return DenseConfig(**(values | {"sizes": ((64, 64),), "autocast": False} | changes))


def test_silog_by_hand():
    """Ratios 2 and 1/2 and 1: d = ln 2, -ln 2, 0; mean of squares 2/3 ln^2 2, mean 0."""
    predicted, true = torch.tensor([2.0, 1.0, 5.0, 9.0]), torch.tensor([1.0, 2.0, 5.0, 1.0])
    valid = torch.tensor([True, True, True, False])
    expected = math.log(2) * math.sqrt(2 / 3)
    assert silog(predicted, true, valid).item() == pytest.approx(expected, rel=1e-6)
    # All twice too far: d = ln 2 everywhere; sqrt(1 - lambda) ln 2 is left.
    twice = silog(2 * true, true, valid, 0.5)
    assert twice.item() == pytest.approx(math.log(2) * math.sqrt(0.5), rel=1e-6)
    assert silog(2 * true, true, valid, 0.0).item() == pytest.approx(math.log(2), rel=1e-6)
    assert silog(predicted, true, torch.zeros(4, dtype=bool)).item() == 0.0


def test_schedule_by_hand():
    assert schedule(0, 100, 0.1) == pytest.approx(0.1)
    assert schedule(9, 100, 0.1) == pytest.approx(1.0)
    assert schedule(55, 100, 0.1) == pytest.approx(0.5)
    assert schedule(100, 100, 0.1) == pytest.approx(0.0, abs=1e-12)


def test_crop_and_mirror_keep_picture_and_depth_together():
    rng = np.random.default_rng(1)
    code = np.arange(20 * 30).reshape(20, 30)
    rgb = np.stack([code % 251, code // 251, code % 7], -1).astype(np.uint8)
    seen = set()
    for _ in range(40):
        cut, depth = crop_and_mirror(rgb, code.astype(np.float32), (16, 24), rng)
        assert cut.shape == (16, 24, 3) and depth.shape == (16, 24)
        np.testing.assert_array_equal(cut[..., 0], depth.astype(int) % 251)
        seen.add(bool(depth[0, 0] > depth[0, 1]))
    assert seen == {True, False}  # mirrored, and not


def test_a_stretched_picture_shows_a_depth_divided_by_the_stretch():
    """A ramp of 1 grey level a pixel along each axis: its slope afterwards is the stretch."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:120, :160]
    rgb, depth = np.stack([x, y, y], -1).astype(np.uint8), np.full((120, 160), 3.0)
    depth[:, :40] = 6.0
    scales = []
    for _ in range(30):
        seen, metres = stretched_crop(rgb, depth, (96, 128), 0.2, rng)
        assert seen.shape == (96, 128, 3) and metres.shape == (96, 128)
        levels = seen[4:-4, 4:-4].astype(float)
        slope_x = abs(np.diff(levels[..., 0], axis=1).mean())
        slope_y = np.diff(levels[..., 1], axis=0).mean()
        scales.append(1 / math.sqrt(slope_x * slope_y))
        assert metres.min() * scales[-1] == pytest.approx(3.0, rel=0.02)
        edge = seen[..., 0] < 39  # the step of depth stays where the picture shows it
        np.testing.assert_allclose(metres[edge] * scales[-1], 6.0, rtol=0.02)
        assert len(np.unique(metres)) <= 2
    assert max(scales) > 1.08 and min(scales) < 0.93
    plain, metres = stretched_crop(rgb, depth, (96, 128), 0.0, rng)
    assert abs(np.diff(plain[0, :, 0].astype(int))).max() == 1 and set(np.unique(metres)) <= {3, 6}


def test_light_changes_colours_only():
    rng = np.random.default_rng(2)
    grey = np.full((32, 32, 3), 100, np.uint8)
    levels = [disturb_light(grey, rng).mean() for _ in range(60)]
    assert np.std(levels) > 10 and 60 < np.median(levels) < 140
    assert disturb_light(grey, rng).dtype == np.uint8


def test_shards_appear_while_reading(tmp_path):
    folder = ShardFolder(tmp_path)
    assert folder.refresh() == 0
    write_shard(tmp_path, "1", np.zeros((3, 4, 5, 3), np.uint8), np.full((3, 4, 5), 2.5))
    (tmp_path / ".half.npz").write_bytes(b"not finished")
    assert folder.refresh() == 3 == len(folder)
    write_shard(tmp_path, "2", np.ones((1, 4, 5, 3), np.uint8), np.full((1, 4, 5), np.inf))
    assert folder.refresh() == 4
    rgb, depth = folder[3]
    assert (rgb == 1).all() and np.isinf(depth).all() and depth.dtype == np.float16


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_run_goes_on_where_it_stopped(shards, tmp_path, optimizer):
    whole = Trainer(config(shards, tmp_path / "whole", optimizer=optimizer))
    whole.run()
    first = Trainer(config(shards, tmp_path / "parts", optimizer=optimizer))
    first.pictures.refresh()
    for _ in range(2):
        first._train_step()
        first.step += 1
    first.save()
    second = Trainer(config(shards, tmp_path / "parts", optimizer=optimizer))
    assert second.step == 2
    second.run()
    one, two = (load_file(tmp_path / name / "state.safetensors") for name in ("whole", "parts"))
    assert one.keys() == two.keys()
    assert any(name.startswith("momentum_buffer.") for name in one) == (optimizer == "muon")
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=0, atol=0, msg=name)


def test_it_learns_and_its_checkpoint_loads(shards, tmp_path):
    from depthlm_ros.models import registry

    run = Trainer(
        config(
            shards,
            tmp_path,
            steps=30,
            batch=4,
            held_out=str(shards),
            evaluate_every=30,
            ema=0.5,
            optimizer="muon",
        )
    )
    before = run.evaluate()
    run.run()
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    after = next(line for line in lines if "delta1" in line)
    assert after["delta1"] > before["delta1"] + 0.15
    model = registry.load(str(tmp_path / "checkpoint"))
    camera = PinholeCamera(125.0, 125.0, 39.5, 39.5, 80, 80)
    picture = np.full((80, 80, 3), 150, np.uint8)
    found = model.depth(picture, model.view_of(camera))
    assert found.shape == (80, 80) and 1.0 < np.median(found) < 5.0


def test_what_is_trained_is_what_will_be_served(shards, tmp_path):
    """The same weights say the same in training as in the frozen network of the registry."""
    from depthlm_ros.models import registry
    from depthlm_ros.models.runtime.image_patches import to_patches

    run = Trainer(config(shards, tmp_path, steps=1))
    run.run()
    with torch.no_grad():
        for value in run.trained.values():  # far from the nearly constant beginning
            value.add_(torch.randn_like(value) * 0.02 * (value.ndim > 1))
    run.average = {name: value.detach().clone() for name, value in run.trained.items()}
    run.save()
    served = registry.load(str(tmp_path / "checkpoint"), "cpu", "float32")
    picture = torch.randint(0, 256, (2, 64, 96, 3), dtype=torch.uint8)
    patches = to_patches(picture, run.module.settings.path)
    with torch.no_grad():
        trained, frozen = run.module(*patches).depth, served.module(*patches).depth
    assert trained.std() / trained.mean() > 0.001
    torch.testing.assert_close(trained, frozen, rtol=1e-4, atol=0)


@pytest.mark.parametrize(("stage", "still"), [("head", "vlm."), ("language", "vlm.model.visual.")])
def test_stages_freeze_what_they_should(shards, tmp_path, stage, still):
    run = Trainer(config(shards, tmp_path, stage=stage, steps=1))
    before = {name: value.clone() for name, value in run.module.state_dict().items()}
    run.run()
    moved = {
        name
        for name, value in run.module.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert moved and not any(name.startswith(still) for name in moved)
    assert any(name.startswith("depth_head.") for name in moved)
    assert (stage == "language") == any("language_model.layers" in name for name in moved)


def test_evaluation_scales_by_the_median(shards, tmp_path, monkeypatch):
    """A prediction twice too far everywhere: none right as it is, all right once scaled."""
    run = Trainer(config(shards, tmp_path, held_out=str(shards)))

    class Twice(torch.nn.Module):
        settings = run.module.settings

        def forward(self, patches, grid):
            depth = torch.zeros((1, 64, 64))
            index = Twice.at = getattr(Twice, "at", -1) + 1
            return DenseOutput(depth + 2 * float(run_folder[index][1][5, 5]))

    run_folder = ShardFolder(shards)
    run_folder.refresh()
    from depthlm_ros.models.depthvlm.network import DenseOutput

    run.module = Twice()
    monkeypatch.setattr(run, "_put", lambda values: None)
    figures = run.evaluate()
    assert figures == {"delta1": 0.0, "delta1_median_scaled": 1.0}


def test_no_shards_and_nonsense_are_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no shards: render some first"):
        Trainer(config(tmp_path / "none", tmp_path / "out")).run()
    with pytest.raises(ValueError, match="stage = 'tail': known are all, head, language"):
        config("", "", stage="tail")
    with pytest.raises(ValueError, match="optimizer = 'sgd': known are adamw, muon"):
        config("", "", optimizer="sgd")
    with pytest.raises(ValueError, match="must be positive"):
        config("", "", steps=0)


def test_rendering_resumes_and_shares_by_parts(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(render_scenes, "SHARD", 2)
    common = ["--count", "6", "--size", "48", "32", "--fx", "40", "--supersample", "1"]
    render_scenes.main(["--out", str(tmp_path / "one"), *common])
    assert capsys.readouterr().out.count("shard") == 3
    render_scenes.main(["--out", str(tmp_path / "two"), *common, "--part", "1/2"])
    assert [p.name for p in (tmp_path / "two").iterdir()] == ["1_000001.npz"]
    render_scenes.main(["--out", str(tmp_path / "two"), *common])
    assert capsys.readouterr().out.count("shard") == 3  # one, then the two that were missing
    for number in range(3):
        one, two = (np.load(tmp_path / f / f"1_{number:06d}.npz") for f in ("one", "two"))
        np.testing.assert_array_equal(one["rgb"], two["rgb"])
        np.testing.assert_array_equal(one["depth"], two["depth"])
        assert one["rgb"].shape == (2, 32, 48, 3) and one["depth"].dtype == np.float16


def test_command_line_takes_every_setting(monkeypatch):
    made = []
    monkeypatch.setattr(dense_trainer, "Trainer", lambda config: made.append(config) or MadeRun)

    class MadeRun:
        @staticmethod
        def run():
            pass

    dense_trainer.main(
        [
            "--shards",
            "s",
            "--out",
            "o",
            "--optimizer",
            "muon",
            "--held-out",
            "h",
            "--no-autocast",
            "--steps",
            "7",
            "--lr",
            "0.5",
        ]
    )
    assert made == [
        DenseConfig("s", "o", held_out="h", optimizer="muon", steps=7, lr=0.5, autocast=False)
    ]
