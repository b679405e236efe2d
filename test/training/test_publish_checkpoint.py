"""From a run to a checkpoint that is shipped: same weights in half precision, honest figures."""

import json

import numpy as np
from safetensors.torch import load_file

from depthlm_ros.datasets.shards import write_shard
from depthlm_ros.models import registry
from depthlm_ros.training.dense_trainer import DenseConfig, Trainer
from depthlm_ros.training.publish_checkpoint import main


def test_publish(tmp_path, capsys):
    write_shard(
        tmp_path / "shards", "a", np.full((4, 64, 64, 3), 99, np.uint8), np.full((4, 64, 64), 2.0)
    )
    run = tmp_path / "run"
    Trainer(
        DenseConfig(
            str(tmp_path / "shards"),
            str(run),
            steps=1,
            batch=1,
            median_m=3.0,
            sizes=((64, 64),),
            autocast=False,
        )
    ).run()
    (run / "log.jsonl").write_text('{"step": 1, "loss": 0.5, "pictures": 4}\n')
    main(["--run", str(run), "--out", str(tmp_path / "out"), "--scenes", "2"])
    printed = json.loads(capsys.readouterr().out)
    figures = printed["2 held-out scenes"]
    assert figures["pictures"] == 2 and figures["points"] == 400
    # A model that says 3 m everywhere is a constant: no better than the best one.
    assert figures["delta1"] <= figures["best_constant"]["delta1"] + 0.02
    shipped, source = (
        load_file(folder / "model.safetensors")
        for folder in (tmp_path / "out", run / "checkpoint")
    )
    assert shipped.keys() == source.keys()
    for name, value in shipped.items():
        assert (value.float() - source[name]).abs().max() <= 1e-3 * source[name].abs().max() + 1e-7
    size = sum(file.stat().st_size for file in (tmp_path / "out").iterdir())
    assert size < 12e6
    card = (tmp_path / "out" / "README.md").read_text()
    assert "From scratch, on" in card and "--start" not in card
    assert "stretched by up to 7%" in card
    assert "5.2 million parameters" in card and "1 steps of 1 pictures, drawn from 4" in card
    assert f"| 2 held-out scenes | 2 | {figures['delta1']:.3f} |" in card
    model = registry.load(str(tmp_path / "out"))
    assert model.ratio_90 == figures["ratio_90"]
    assert model.module.settings.measured == printed
