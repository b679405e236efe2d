"""Loading takes the memory of the weights, once: measured by the kernel, in a process of its own.

What counts is the peak (VmHWM), from the imports to the first picture: weights are joined then.
"""

import json
import shutil
import subprocess
import sys

import pytest
import torch

from depthlm_ros.benchmarks import random_weights
from depthlm_ros.models.depthvlm.network import PREFIX, DepthVLMModule
from depthlm_ros.models.depthvlm.tiny import tiny_config, tiny_tokenizer
from depthlm_ros.models.weights import checkpoint
from depthlm_ros.models.weights.checkpoint import Checkpoint
from depthlm_ros.models.weights.derived_sizes import fused_head_numbers

MB = 1_000_000
SHARE, FIXED = 1.3, 40 * MB
"""The bar: of the weights, and what Python and torch's threads take while they work."""

CHILD = """
import json, sys
import numpy as np, torch
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models.weights import checkpoint
from depthlm_ros.models.depthlm import model as depthlm
from depthlm_ros.models.depthvlm import model as depthvlm_model
from depthlm_ros.models import registry

def status(key):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(key))

def careless(self, module, device, dtype, rename=str, tied=()):
    first = {name: load_file(file)[name].clone() for name, file in self.files.items()}
    kept.append(first)
    careful(self, module, device, dtype, rename, tied)

folder, way = sys.argv[1:]
torch.set_num_threads(1)
if way == "careless":
    from safetensors.torch import load_file
    careful, kept = checkpoint.Checkpoint.load_into, []
    checkpoint.Checkpoint.load_into = careless
before = status("VmRSS")
model = registry.load(folder, "cpu")
rgb, camera = np.zeros((56, 56, 3), np.uint8), PinholeCamera(1000, 1000, 27.5, 27.5, 56, 56)
if hasattr(model, "depth"):
    model.depth(rgb, model.view_of(camera))
else:
    model.distances(rgb, camera, [(28, 28)])
print(json.dumps({"peak": status("VmHWM") - before, "end": status("VmRSS") - before}))
"""


def grown(folder, way="as it is"):
    """Return the bytes by which a process grew while it loaded and looked: its peak, its end."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), way],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def filled(module):
    for parameter in module.parameters():
        parameter.data.fill_(0.01)
    return module


@pytest.fixture(scope="module")
def depthvlm_folder(tmp_path_factory):
    """Return a DepthVLM of large layers with the published head, in bfloat16."""
    config = tiny_config()
    for key in ("depth_head_widths", "depth_head_fusion", "depth_head_output"):
        del config[key]
    config["text_config"] |= {
        "hidden_size": 768,
        "intermediate_size": 4096,
        "num_hidden_layers": 3,
    }
    config["vision_config"]["out_hidden_size"] = 768
    tokenizer = tiny_tokenizer()
    module = DepthVLMModule(config, tokenizer(PREFIX)["input_ids"]).to(torch.bfloat16)
    folder = tmp_path_factory.mktemp("large") / "depthvlm"
    checkpoint.write(folder, config, filled(module).published_state_dict(), tokenizer)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def depthlm_folder(tmp_path_factory):
    """Return a DepthLM of large layers, in bfloat16."""
    _, config, special = random_weights._of_size("depthlm-tiny-qwen")
    config |= {"hidden_size": 1024, "intermediate_size": 5632, "num_attention_heads": 16}
    config["rope_scaling"] = {"rope_type": "default", "mrope_section": [8, 12, 12]}
    config["vision_config"]["out_hidden_size"] = 1024
    family = random_weights.Qwen25Family
    module = family.model_class(family.config_class.from_dict(json.loads(json.dumps(config))))
    folder = tmp_path_factory.mktemp("large") / "depthlm"
    tokenizer = random_weights._tokenizer(special, "<|im_end|>", "<|endoftext|>")
    state = filled(module.to(torch.bfloat16)).state_dict()
    checkpoint.write(
        folder, config, {name: t.contiguous() for name, t in state.items()}, tokenizer
    )
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("family", ["depthvlm", "depthlm"])
def test_no_second_copy(request, family):
    folder = request.getfixturevalue(f"{family}_folder")
    need = Checkpoint.open(folder).need_bytes(torch.float32)
    assert 200 * MB < need < 400 * MB
    took = grown(folder)
    assert 0.9 * need < took["end"]
    assert took["peak"] < SHARE * need + FIXED


def test_a_second_copy_would_be_seen(depthlm_folder):
    need = Checkpoint.open(depthlm_folder).need_bytes(torch.float32)
    assert grown(depthlm_folder, "careless")["peak"] > SHARE * need + FIXED


def test_the_foldings_of_the_published_head_are_in_the_need(depthvlm_folder):
    """They are a quarter of what a frozen model of this size holds."""
    opened = Checkpoint.open(depthvlm_folder)
    assert opened.need_bytes(torch.float32) == 4 * (
        opened.parameters + fused_head_numbers(opened.shapes)
    )
    assert fused_head_numbers(opened.shapes) == 15_505_408
