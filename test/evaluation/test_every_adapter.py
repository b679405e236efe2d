"""DepthLM's protocol on frames like iBims-1's through every adapter: the same command for all."""

import json
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from chat_server import Server
from PIL import Image
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from depthlm_ros.cli.main import main

from ..models.adapters import test_transformers_depth, test_transformers_vlm
from ..models.test_external import PACKAGE

DEPTHS = [1.5, 1.7, 2.4, 2.6, 3.0, 3.4]
"""z-depths on the axis; within a factor of 1.25 of 2 m (1.6 to 2.5) are two of six."""


def ibims(folder: Path, images=2) -> Path:
    """Write frames in iBims-1's form, labelled at the principal point and beside it in one row."""
    rng = np.random.default_rng(0)
    with (folder / "ibims1.jsonl").open("w") as file:
        for index in range(images):
            pixels = rng.integers(0, 256, (48, 64, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"{index}.png")
            line = {
                "image": f"{index}.png",
                "intrinsics": [60.0, 60.0, 31.5, 23.5, 64, 48],
                "pixel_coords": [[20 + 4 * i, 23] for i in range(len(DEPTHS))],
                "depth": DEPTHS,
                "label": "z",
            }
            file.write(json.dumps(line) + "\n")
    return folder / "ibims1.jsonl"


def dense_of_transformers(folder: Path) -> str:
    """Write a tiny Depth Anything of random weights."""
    torch.manual_seed(3)
    model, processor = test_transformers_depth.depth_anything()
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return f"transformers:{folder}"


def reader_of_transformers(folder: Path) -> str:
    """Write a tiny LLaVA of random weights."""
    torch.manual_seed(4)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(test_transformers_vlm.REFERENCE)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
    vision = CLIPVisionConfig(**sizes, num_attention_heads=2, image_size=28, patch_size=14)
    text = LlamaConfig(
        **sizes,
        num_attention_heads=2,
        num_key_value_heads=2,
        vocab_size=len(tokenizer),
        eos_token_id=tokenizer.eos_token_id,
    )
    image = tokenizer.convert_tokens_to_ids("[IMG]")
    LlavaForConditionalGeneration(
        LlavaConfig(vision_config=vision, text_config=text, image_token_index=image)
    ).save_pretrained(folder)
    LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}),
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        chat_template=test_transformers_vlm.TEMPLATE,
        image_token="[IMG]",
        num_additional_image_tokens=1,
    ).save_pretrained(folder)
    return f"transformers:{folder}"


def plugin(folder: Path) -> str:
    """Write a package that offers a flat depth of 2 m by its entry point."""
    (folder / "flat_depth.py").write_text(PACKAGE)
    info = folder / "flat_depth-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: flat-depth\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[depthlm_ros.models]\nflat = flat_depth:load\n")
    sys.path.insert(0, str(folder))
    return "plugin:flat"


def measured(name: str, file: Path, out: Path, *more) -> tuple[dict, list]:
    """Run the benchmark's command; return (figures, the readings of all points)."""
    sets = f"ibims1={file}"
    words = ["bench", "accuracy", "--bench", "depthlm", "--mode", "all", "--sets", sets]
    assert main([*words, "--model", name, "--out", str(out), "--device", "cpu", *more]) == 0
    rows = [json.loads(row) for row in (out / "ibims1_shard0.jsonl").read_text().splitlines()[1:]]
    return rows, [value for row in rows for value in row["predicted_m"]]


@pytest.fixture
def server(monkeypatch):
    """Start an OpenAI-compatible server that always says 2 m."""
    found = Server()
    found.answers = ["<think> near </think> <answer> 2.00 </answer>"]
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


def test_what_says_2_m_is_right_at_two_points_of_six_by_every_way(tmp_path, server, capsys):
    """Near the axis distance and z differ by 1 %: no depth here is that near a limit."""
    file = ibims(tmp_path)
    sys_path = list(sys.path)
    (tmp_path / "package").mkdir()
    try:
        for name in ("constant:2.0", plugin(tmp_path / "package"), f"openai:m@{server.url}"):
            out = tmp_path / name.partition(":")[0]
            rows, read = measured(name, file, out)
            assert len(rows) == 2 and len(read) == 12
            assert "| 0.333 | 0.333 |" in (out / "report.md").read_text().replace("**", "")
    finally:
        sys.path[:] = sys_path
    assert len(server.seen) == 12  # a call a point


@pytest.mark.parametrize("make", [dense_of_transformers, reader_of_transformers])
def test_models_of_transformers_go_the_same_way(tmp_path, make, capsys):
    file = ibims(tmp_path)
    (tmp_path / "model").mkdir()
    more = ["--option", "max_tokens=6"] if make is reader_of_transformers else []
    rows, read = measured(make(tmp_path / "model"), file, tmp_path / "out", *more)
    assert len(rows) == 2 and len(read) == 12
    known = [value for value in read if value is not None]
    assert all(0 < value <= 20 for value in known)  # the tiny Depth Anything ends at 20 m
    if make is dense_of_transformers:
        assert len(known) == 12
