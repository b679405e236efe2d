"""A lab's whole way by the commands of docs/training.md and docs/evaluation.md, on small trees.

Each command runs as it stands in the docs, in a folder that holds what it names, with options
behind it that make models and runs tiny: raw ScanNet++ to a served and measured checkpoint.
"""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from depthlm_ros.cli.main import main
from depthlm_ros.models.weights import hub, hub_download
from depthlm_ros.training import run
from depthlm_ros.training.configs import load_config

from ..datasets.test_curation_driving import argoverse
from .conftest import ramp

DOCS = Path(__file__).parents[2] / "docs"
ELSEWHERE = (
    "pip install",
    "ros2 launch",  # test/launch
    "python -m depthlm_ros.training.compact",  # test/training/compact
    "python -m lmms_eval",  # another program
)
TINY = [
    "dtype=float32",
    "samples=null",
    "global_batch=2",
    "per_device_batch=2",
    "published_batch=2",
    "trainer.max_steps=2",
    "trainer.warmup_steps=0",
    "trainer.gradient_checkpointing=false",
    "trainer.dataloader_num_workers=0",
    "trainer.disable_tqdm=true",
    "trainer.save_steps=2",
]
HEAD = "depth.head={widths: [16, 16, 16, 16], fusion: 16, output: [8, 8]}"


def commands(name: str) -> list[str]:
    """Return the commands of a page, continued lines joined."""
    text = (DOCS / name).read_text(encoding="utf-8").replace("\\\n", " ")
    found = re.findall(r"(?m)^    ((?:depthlm|python -m|torchrun|ros2|pip) .*)$", text)
    return [" ".join(command.split("   # ")[0].split()) for command in found]


@pytest.fixture
def lab(tmp_path, monkeypatch, stock_qwen3):
    """Make a lab's folder the working one: raw ScanNet++ and iBims-1, a photograph, a hub."""
    phone = tmp_path / "raw/scannetpp/data/s1/iphone"
    for folder in (phone / "rgb", phone / "depth", tmp_path / "raw/scannetpp/splits"):
        folder.mkdir(parents=True)
    frames = {
        f"frame_{n:06d}": {"intrinsic": [[1440, 0, 960], [0, 1440, 720], [0, 0, 1]]}
        for n in range(20)
    }
    (phone / "pose_intrinsic_imu.json").write_text(json.dumps(frames))
    (tmp_path / "raw/scannetpp/splits/nvs_sem_train.txt").write_text("s1\n")
    for n in (0, 10):
        rgb, _ = ramp(n // 10, 1920, 1440)
        _, depth = ramp(n // 10, 256, 192)
        Image.fromarray(rgb).save(phone / f"rgb/frame_{n:06d}.jpg")
        millimetres = (depth * 1000).astype(np.uint16)
        Image.fromarray(millimetres).save(phone / f"depth/frame_{n:06d}.png")
    _ibims(tmp_path / "raw/ibims1")
    argoverse(tmp_path / "raw/argoverse2")
    (tmp_path / "raw/argoverse2/val").rename(tmp_path / "raw/argoverse2/train")
    Image.fromarray(ramp(1, 160, 120)[0]).save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hub_download, "download", lambda name, revision: stock_qwen3)
    monkeypatch.setattr(hub, "_cached", lambda name, revision: stock_qwen3)
    return tmp_path


def _ibims(root: Path) -> None:
    rgb, depth = ramp(0, 64, 48)
    whole = np.full((48, 64), 255, np.uint8)
    raw = (depth * 65535 / 50).astype(np.uint16)
    pictures = {"rgb": rgb, "depth": raw, "mask_invalid": whole, "mask_transp": whole}
    for name, array in pictures.items():
        (root / name).mkdir(parents=True)
        Image.fromarray(array).save(root / name / "a.png")
    (root / "calib").mkdir()
    (root / "calib/a.txt").write_text("60.0,60.0,31.5,23.5\n")


def words_of(command: str) -> list[str]:
    return shlex.split(command)


def sets(*pairs) -> list[str]:
    return [word for pair in pairs for word in ("--set", pair)]


def train(command: str, *more) -> None:
    """Run a recipe of the docs; what makes it tiny comes behind what the docs say."""
    words = words_of(command)
    assert words[:3] == ["python", "-m", "depthlm_ros.training.run"]
    assert run.main([*words[3:], *sets(*TINY, *more)]) == 0


def test_from_raw_scannetpp_to_a_served_checkpoint(lab, capsys, stock_qwen3, reference_checkpoint):
    ours = [c for c in commands("training.md") if not c.startswith(ELSEWHERE)]
    points, maps, show, fetch, stage1, stage2, depthlm, depth, pairs, several = ours
    assert main(words_of(points.replace("--workers 8", "--workers 2"))[1:]) == 0
    assert main(words_of(maps)[1:]) == 0
    assert main(words_of(show)[1:]) == 0
    assert Image.open("labels.png").width > 300
    assert main(words_of(fetch)[1:]) == 0
    data = "data=[{file: data/scannetpp/scannetpp_%s_train.jsonl, image_root: raw/scannetpp}]"
    # A published head takes a minute on a CPU: this one is small, and the focal length short.
    small = ("depth.focal_px=80", data % "pixel_depth")
    train(stage1, f"model={stock_qwen3}", HEAD, "out=runs/depthvlm_4b_stage1", *small)
    train(
        stage2, "model=runs/depthvlm_4b_stage1/checkpoint", "out=runs/depthvlm_4b_stage2", *small
    )
    qwen = reference_checkpoint("depthlm_qwen_tiny")
    train(
        depthlm, f"model={qwen}", "out=runs/depthlm", "sampling={focal_px: 60}", data % "depthlm"
    )
    assert main(words_of(depth)[1:]) == 0
    assert np.load("out/photo_depth.npy").shape == (120, 160)
    assert main(words_of(pairs)[1:]) == 0
    recipe, given = words_of(several)[5], words_of(several)[6:]
    changed = load_config(recipe, [word for word in given if word != "--set"])
    assert changed.trainer["fsdp"] == "full_shard auto_wrap"
    capsys.readouterr()


def test_the_commands_of_the_evaluation(lab, capsys, small_depthvlm):
    """Its sets are made by the page's own `depthlm data prepare`; nyuv2 is any second one."""
    ours = [c for c in commands("evaluation.md") if not c.startswith(ELSEWHERE)]
    sparse, dense, speed, embedded = ours
    prepare = ["data", "prepare", "ibims1", "--root", "raw/ibims1", "--out", "data/ibims1"]
    for form in ("depthlm", "depthvlm"):
        assert main([*prepare, "--split", "test", "--form", form]) == 0
    lines = Path("data/ibims1/ibims1_depthlm_test.jsonl").read_text()
    Path("points.jsonl").write_text(lines.replace('"image": "', '"image": "raw/ibims1/'))
    for command in (sparse, dense, speed, embedded):
        command = command.replace("depthvlm-4b", str(small_depthvlm))
        words = words_of(command.replace("nyuv2=...", "nyuv2=points.jsonl"))[1:]
        assert main([*words, "--device", "cpu"]) == 0
    for name, rows in (("bench", 2), ("dense", 1), ("speed", 1), ("ibims1", 1)):
        report = Path("runs", name, "report.md").read_text()
        assert "iBims-1" in report
        assert len(list(Path("runs", name).glob("*_shard0.jsonl"))) == rows
    assert "Task speed, in m/s." in Path("runs/speed/report.md").read_text()
    assert "flying" in Path("runs/dense/report.md").read_text()
    capsys.readouterr()


def test_every_command_of_the_docs_is_one_of_these():
    """A command that is added to the docs is run here too, or named as run elsewhere."""
    ours = [
        command
        for page in ("training.md", "evaluation.md")
        for command in commands(page)
        if not command.startswith(ELSEWHERE)
    ]
    assert len(ours) == 10 + 4
