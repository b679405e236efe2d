"""Tiny checkpoints of the real classes, and labelled pictures to train them on."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def stock_qwen3(reference_checkpoint, tmp_path_factory):
    """Return a stock Qwen3-VL's folder: the reference DepthVLM without its head."""
    from safetensors.torch import load_file, save_file

    folder = tmp_path_factory.mktemp("stock") / "qwen3"
    shutil.copytree(reference_checkpoint("depthvlm_tiny"), folder)
    tensors = load_file(folder / "model.safetensors")
    kept = {k: v for k, v in tensors.items() if not k.startswith("depth_head.")}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config.pop("depth_head_type")
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="session")
def small_depthvlm(stock_qwen3, tmp_path_factory):
    """Return a DepthVLM's folder: that stock model with a new head of few channels."""
    from transformers import Qwen3VLConfig

    from depthlm_ros.training.callbacks import finish_folder
    from depthlm_ros.training.depthvlm_training import DepthVLMForTraining

    config = Qwen3VLConfig.from_pretrained(stock_qwen3)
    config.depth_head_widths, config.depth_head_fusion = [16, 16, 16, 16], 16
    config.depth_head_output = [8, 8]
    torch.manual_seed(2)
    model = DepthVLMForTraining.from_pretrained(stock_qwen3, config=config)
    folder = tmp_path_factory.mktemp("small") / "depthvlm"
    model.save_pretrained(folder)
    finish_folder(folder, stock_qwen3, "Qwen3VLForConditionalGeneration")
    return folder


def ramp(index, width, height):
    """Return a picture and its depth [m]: brighter is nearer, and nearer to the bottom."""
    rng = np.random.default_rng(index)
    y, x = np.mgrid[0:height, 0:width]
    depth = 1.0 + index + 2.0 * (1 - y / height)
    grey = np.clip(250 / depth + rng.normal(0, 2, depth.shape), 0, 255)
    rgb = np.stack([grey, (grey * 0.8 + x) % 256, np.full_like(grey, 40 * index)], -1)
    return rgb.astype(np.uint8), depth


@pytest.fixture(scope="session")
def depthlm_data(tmp_path_factory):
    """Write four pictures of 64 x 48 px, f = 60 px, with six points each."""
    folder = tmp_path_factory.mktemp("nuscenes_points")
    lines = []
    for index in range(4):
        rgb, depth = ramp(index, 64, 48)
        Image.fromarray(rgb).save(folder / f"{index}.png")
        pixels = [[12 + 7 * n, 10 + 5 * n] for n in range(6)]
        lines.append(
            {
                "image": f"{index}.png",
                "intrinsics": [60, 60, 31.5, 23.5, 64, 48],
                "pixel_coords": pixels,
                "label": "z",
                "depth": [round(float(depth[v, u]), 3) for u, v in pixels],
            }
        )
    path = folder / "train.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path


@pytest.fixture(scope="session")
def depthvlm_data(tmp_path_factory):
    """Write four pictures of two sizes with depth maps; the last map is empty."""
    folder = tmp_path_factory.mktemp("sunrgbd_maps")
    lines = []
    for index in range(4):
        width, height = (96, 64) if index % 2 else (64, 64)
        rgb, depth = ramp(index, width, height)
        Image.fromarray(rgb).save(folder / f"{index}.png")
        raw = np.zeros_like(depth) if index == 3 else depth * 1000
        Image.fromarray(raw.astype(np.uint16)).save(folder / f"d{index}.png")
        lines.append(
            {
                "image": f"{index}.png",
                "depth_path": f"d{index}.png",
                "depth_scale": 1000,
                "original_rgb_size": [width, height],
                "original_fx": 100.0,
                "label": "z",
                "canonical_size": [width, height],
            }
        )
    path = folder / "train.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path
