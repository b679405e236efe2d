"""A training run of the compact model, whole, on few views: it learns, stops, and goes on."""

import json

import cv2
import numpy as np
import pytest
import torch

from depthlm_ros.evaluation.accuracy import measure
from depthlm_ros.models.compact.config import CompactConfig
from depthlm_ros.models.compact.network import CompactModule
from depthlm_ros.models.registry import load
from depthlm_ros.models.weights.hub import EMBEDDED
from depthlm_ros.scenes.camera_poses import make_scene
from depthlm_ros.scenes.render import Pose
from depthlm_ros.training.compact import real_frames, train
from depthlm_ros.training.compact.batches import IGNORE, BatchConfig, Batches
from depthlm_ros.training.compact.checkpoint import read_start, write_start
from depthlm_ros.training.compact.evaluate import KEPT, POINTS, left_out_frames, quick_figures
from depthlm_ros.training.compact.scene_pool import Canvas, ScenePool, SceneSource
from depthlm_ros.training.compact.texts import make_tokenizer
from depthlm_ros.training.compact.trainer import freeze

CANVAS = Canvas(128, 96)


@pytest.fixture(scope="module")
def pool():
    pool = ScenePool(SceneSource(CANVAS, 5), 6, 90.0, "cpu")
    pool.refill(2)
    return pool


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer()


def _photograph_folder(root, names=("a0", "b0")):
    """Write one set of two frames of 64 x 48 px, f = 45 px: a wall at 2 m with a nearer box."""
    folder = root / "room"
    (folder / "rgb").mkdir(parents=True)
    (folder / "depth").mkdir()
    depth = np.full((48, 64), 2000, np.uint16)
    depth[20:30, 20:40] = 1000
    depth[:4] = 0
    frames = {}
    for name in names:
        noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / "rgb" / f"{name}.jpg"), noise)
        cv2.imwrite(str(folder / "depth" / f"{name}.png"), depth)
        frames[name] = {"fx": 45.0, "fy": 45.0, "cx": 31.5, "cy": 23.5, "width": 64, "height": 48}
    (folder / "meta.json").write_text(json.dumps({"depth_unit_m": 0.001, "frames": frames}))
    return root


def test_the_oldest_views_are_replaced(pool):
    assert (pool.count, pool.rendered) == (6, 6)
    before = pool.rgb.clone()
    pool.put([make_scene("corridor", 1)], [Pose.looking([0.5, 0.0, 1.2], 0.0)])
    assert not torch.equal(pool.rgb[0], before[0]) and torch.equal(pool.rgb[1:], before[1:])
    assert pool.count == 6 and pool.depth.dtype == torch.float16
    seen = pool.ids[0].unique()
    assert (pool.names[0][seen.numpy()] >= 0).any()  # a corridor has doors


def test_photographs_come_to_the_unified_focal_length(tmp_path):
    root = _photograph_folder(tmp_path)
    frames = real_frames.load(root, {"room": 1.0}, 90.0, "cpu", leave_out=("b",))
    assert frames.names == ("a0",) and frames.rgb.shape == (1, 96, 128, 3)
    np.testing.assert_allclose(frames.principal, [[63.5, 47.5]])
    depth = frames.depth[0].float()
    assert depth[50, 60] == 1.0 and depth[80, 10] == 2.0
    assert depth[:8].max() == 0  # unknown stays unknown
    assert depth[39, 60] == 0 and depth[40, 60] == 0  # beside a step nothing is believed


def test_a_frame_that_is_missing_is_named(tmp_path):
    root = _photograph_folder(tmp_path)
    (root / "room" / "depth" / "a0.png").unlink()
    with pytest.raises(Exception, match="room/rgb/a0"):
        real_frames.load(root, {"room": 1.0}, 90.0, "cpu")


def test_a_batch_is_marked_where_it_says_and_labels_are_replies_alone(pool, tokenizer):
    batches = Batches([pool], None, tokenizer, BatchConfig(batch=12, sizes=((96, 128),)), seed=1)
    batch = batches.draw()
    assert batch["images"].shape == (12, 96, 128, 3) and batch["images"].dtype == torch.uint8
    for k in range(12):
        ids = batch["text"][k]
        said = tokenizer.decode(ids[batch["labels"][k] != IGNORE])
        question = tokenizer.decode(ids).split("<|im_start|>")[0]
        assert said.endswith("<|im_end|>") and question and question not in said
        red = (batch["images"][k] == torch.tensor([255, 0, 0], dtype=torch.uint8)).all(-1).sum()
        if "red arrow" in question:
            assert red >= 9  # the nine published pixels


def test_the_distance_in_the_reply_is_that_of_the_marked_pixel(pool, tokenizer):
    config = BatchConfig(batch=40, sizes=((96, 128),), roll_rad=0.0)
    batch = Batches([pool], None, tokenizer, config, seed=2).draw()
    checked = 0
    for k in range(40):
        text = tokenizer.decode(batch["text"][k], skip_special_tokens=True)
        red = (batch["images"][k] == torch.tensor([255, 0, 0], dtype=torch.uint8)).all(-1)
        if "pointed by the red arrow" not in text or red.sum() != 9:
            continue
        v, u = (axis.max() for axis in red.nonzero(as_tuple=True))
        row = red[:, u].nonzero()[0, 0]  # the tip's row: its column has that pixel alone
        target = (int(u) + 1, int(row))
        z = batch["depth"][k, target[1], target[0]].item()
        ray = (np.array(target) - batch["principal"][k].numpy()) / 90.0
        expected = z * np.sqrt(1 + (ray**2).sum())
        answer = float(text.rsplit("<answer> ", 1)[1].split(" ")[0])
        assert answer == pytest.approx(expected, abs=0.006 + 1e-3 * expected)
        assert v >= row
        checked += 1
    assert checked >= 3


def test_a_batch_of_photographs_has_no_names_and_says_that_it_is_real(pool, tokenizer, tmp_path):
    real = real_frames.load(_photograph_folder(tmp_path), {"room": 1.0}, 90.0, "cpu")
    config = BatchConfig(batch=4, real=1.0, real_sizes=((64, 96),))
    batch = Batches([pool], real, tokenizer, config, seed=0).draw()
    assert batch["real"].all() and batch["images"].shape == (4, 64, 96, 3)
    valid = batch["depth"][batch["depth"] > 0]
    assert valid.min() > 1.0 / 1.7 - 0.01 and valid.max() < 2.0 / 0.45 + 0.01


def test_a_start_is_read_as_it_was_written(tokenizer, tmp_path):
    network = CompactModule(
        CompactConfig(
            vocab_size=len(tokenizer),
            text_width=64,
            text_heads=2,
            text_kv_heads=1,
            text_layers=1,
            text_mlp=64,
        )
    )
    write_start(tmp_path, network, tokenizer)
    again, words = read_start(tmp_path)
    assert again.config == network.config or str(again.config) == str(network.config)
    assert len(words) == len(tokenizer)
    for name, value in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)


def test_the_shipped_checkpoint_can_begin_a_run(tmp_path):
    network, words = read_start(EMBEDDED)
    network, words = read_start(write_start(tmp_path, network, words))  # and its run the next
    model = load("embedded", "cpu")
    image = torch.randint(0, 256, (1, 64, 96, 3), dtype=torch.uint8)
    centre = torch.tensor([[47.5, 31.5]])
    with torch.inference_mode():
        trained, served = (net.eval()(image, centre)[0] for net in (network, model.module))
    torch.testing.assert_close(trained, served, rtol=1e-4, atol=1e-4)
    assert len(words) == network.config.vocab_size


def test_a_network_in_training_is_measured_as_it_will_be_served(tmp_path):
    folder = _photograph_folder(tmp_path, ("a0", "fchen_rs_0")) / "room"
    network, words = read_start(EMBEDDED)
    network.train()
    samples = list(left_out_frames(folder, network.config.canonical_focal_px))
    assert [sample.name for sample in samples] == ["fchen_rs_0"]
    assert set(samples[0].depth_m) == {1.0, 2.0} and len(samples[0].pixels) == POINTS
    figures = quick_figures(network, words, samples)
    served = measure(load("embedded", "cpu"), samples)["total"]
    assert figures == pytest.approx({name: served[name] for name in KEPT}, abs=5e-3)
    assert network.training and any(p.requires_grad for p in network.parameters())


def test_frozen_stages_have_no_gradient():
    network = CompactModule(
        CompactConfig(text_width=64, text_heads=2, text_kv_heads=1, text_layers=1, text_mlp=64)
    )
    freeze(network, 2)
    held = [name for name, p in network.named_parameters() if not p.requires_grad]
    assert held and all(
        name.startswith(("tower.stem", "tower.stages.0.", "tower.stages.1.")) for name in held
    )


@pytest.mark.slow
def test_a_run_learns_stops_and_goes_on_and_its_result_is_served(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "CANVASES", (CANVAS,))
    monkeypatch.setattr(train, "REAL_WEIGHTS", {"room": 1.0})
    small = CompactModule(
        CompactConfig(
            vocab_size=len(tokenizer),
            text_width=64,
            text_heads=2,
            text_kv_heads=1,
            text_layers=1,
            text_mlp=64,
            head_widths=(16, 12, 8, 8),
        )
    )
    start = write_start(tmp_path / "start", small, tokenizer)
    out = tmp_path / "run"
    arguments = [
        "--start",
        str(start),
        "--out",
        str(out),
        "--batch",
        "2",
        "--pool",
        "6",
        "--fill",
        "3",
        "--size",
        "96",
        "128",
        "--log-every",
        "1",
        "--save-every",
        "2",
        "--measure-every",
        "2",
        "--warmup",
        "1",
        "--scenes-per-step",
        "0",
    ]
    train.main([*arguments, "--steps", "2"])
    assert (out / "checkpoint-2" / "averaged.safetensors").is_file()
    train.main([*arguments, "--steps", "4"])
    lines = [json.loads(line) for line in (out / "measured.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 2, 4, 4]
    before, after = read_start(start)[0], read_start(out / "start")[0]
    moved = {
        name
        for name, p in after.named_parameters()
        if not torch.equal(p, dict(before.named_parameters())[name])
    }
    assert any(name.startswith("head.") for name in moved)
    assert not any(name.startswith("tower.stem") for name in moved)
    assert load(str(out / "served"), "cpu").name == str(out / "served")
