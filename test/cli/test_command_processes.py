"""``depthlm`` as a process of its own: real checkpoints, closed pipes, full disks."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from depthlm_ros.cli import main as cli


def speckled(width, height):
    """Return a picture that is not blank."""
    pixels = np.random.default_rng(0).integers(60, 190, (height, width, 3))
    return Image.fromarray(pixels.astype(np.uint8))


# -- the whole process ------------------------------------------------------------------------


def process(*argv, **variables):
    return subprocess.run(
        [sys.executable, "-m", "depthlm_ros.cli", *map(str, argv)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "HF_HUB_OFFLINE": "1", **variables},
    )


def test_a_real_checkpoint_in_a_process_of_its_own(tmp_path, photo):
    import torch

    from depthlm_ros.models.depthvlm.network import PREFIX, DepthVLMModule
    from depthlm_ros.models.depthvlm.tiny import tiny_config, tiny_tokenizer
    from depthlm_ros.models.weights import checkpoint

    torch.manual_seed(20)
    tokenizer, config = tiny_tokenizer(), tiny_config()
    module = DepthVLMModule(config, tokenizer(PREFIX)["input_ids"])
    config["measured"] = {"delta1": 0.5}
    checkpoint.write(tmp_path / "tiny", config, module.published_state_dict(), tokenizer)
    big = tmp_path / "big.jpg"
    speckled(160, 120).save(big)
    model = ["--model", tmp_path / "tiny", "--fx", 130, "--verbose"]
    done = process("depth", big, *model, "-o", tmp_path / "o", "--json")
    assert done.returncode == 0, done.stderr
    (record,) = json.loads(done.stdout)["images"]
    depth = np.load(record["files"]["npy"])
    assert record["depth_m"]["median"] == pytest.approx(float(np.median(depth)))
    assert "5.2 M parameters" in done.stderr and "delta1 0.5" in done.stderr
    asked = process("ask", big, *model, "What is the depth here?", "--at", 80, 60, "--json")
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout)["value"] == pytest.approx(float(depth[60, 80]), rel=1e-4)


def test_a_model_that_is_not_here(photo, tmp_path):
    done = process("depth", photo, "--fx", 10, "-o", tmp_path, "--model", "someone/some-model")
    assert (done.returncode, done.stdout) == (1, "")
    assert "`depthlm fetch someone/some-model`" in done.stderr
    assert "Traceback" not in done.stderr


LAST_WORDS = """
import sys
from depthlm_ros.cli import main as cli
sys.exit(cli._guarded(lambda: print("buffered until the end") or 0, False, False))
"""


@pytest.mark.parametrize("how", [["-m", "depthlm_ros.cli", "models"], ["-c", LAST_WORDS]])
def test_a_reader_that_goes_away_is_no_traceback(how):
    ours, theirs = os.pipe()
    os.close(ours)  # gone before a word is written
    buffered = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [sys.executable, *how],
        env=buffered,
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(theirs)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


def test_no_picture_is_overwritten_by_what_is_made_of_another(tmp_path):
    from depthlm_ros.cli.depth import names_of

    images = [str(tmp_path / name) for name in ("x.png", "x_depth.png", "x_2_cloud.ply")]
    assert names_of(images, tmp_path) == ["x_3", "x_depth", "x_2_cloud"]
    assert names_of(images, tmp_path / "out") == ["x", "x_depth", "x_2_cloud"]


def test_a_full_disk_is_told_with_path_and_cause(tmp_path):
    import errno

    from depthlm_ros.cli.console import sentence_of
    from depthlm_ros.image_io.atomic_write import write_atomically

    def fill(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError) as caught:
        write_atomically(tmp_path / "a_depth.npy", fill)
    assert sentence_of(caught.value) == f"{tmp_path / 'a_depth.npy'}: No space left on device"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["depth", "x.jpg", "--fx", "abc", "-o", "y"], "'abc': must be a number"),
        (["depth", "x.jpg", "--fx", "-1", "-o", "y"], "-1: must be positive"),
        (["depth", "x.jpg", "--max-points", "1.5", "-o", "y"], "'1.5': must be a whole number"),
        (["bench", "speed", "--runs", "x"], "invalid int value"),
        (["data", "prepare"], "the following arguments are required"),
    ],
)
def test_a_wrong_argument_is_one_line_with_the_way_to_the_options(words, said, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    text = capsys.readouterr().err
    assert ended.value.code == 2 and said in text
    assert text.count("\n") == 1 and "--help" in text
