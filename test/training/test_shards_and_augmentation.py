"""Shards of rendered images, their augmentation and the loss: by hand."""

import math

import numpy as np
import pytest
import torch

from depthlm_ros.datasets import render_scenes
from depthlm_ros.datasets.shards import ShardFolder, write_shard
from depthlm_ros.training.augmentation import crop_and_mirror, disturb_light, stretched_crop
from depthlm_ros.training.losses import silog


def test_silog_by_hand():
    """Ratios 2 and 1/2 and 1: d = ln 2, -ln 2, 0; mean of squares 2/3 ln^2 2, mean 0."""
    d = torch.tensor([2.0, 0.5, 1.0]).log()
    expected = math.log(2) * math.sqrt(2 / 3)
    for focus in (0.0, 0.5, 1.0):  # the mean is 0: no scale to ignore
        loss = silog(d.mean(), d.square().mean(), focus, 0.0)
        assert loss.item() == pytest.approx(expected, rel=1e-6)
    # All twice too far: d = ln 2 everywhere; sqrt(1 - lambda) ln 2 is left.
    mean = torch.tensor(math.log(2))
    for focus, left in ((0.0, 1.0), (0.5, math.sqrt(0.5)), (1.0, 0.0)):
        loss = silog(mean, mean.square(), focus, 0.0)
        assert loss.item() == pytest.approx(math.log(2) * left, rel=1e-6)
    assert silog(mean, mean.square(), 1.0, 1e-4).item() == pytest.approx(1e-2)


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
