"""From the second picture of a size on, nothing but the picture itself comes from the host.

On torch's "meta" device tensors have shapes and types and no values, so the published sizes run in
moments, by the code that runs on a GPU: a value that is read back raises, and an operation
on a tensor of the host is seen.
"""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from depthlm_ros.benchmarks import random_weights
from depthlm_ros.benchmarks.random_weights import CONFIGS, PREFIX_IDS
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models.base import PostprocessConfig
from depthlm_ros.models.depthlm import preprocess as pre
from depthlm_ros.models.depthlm.model import DepthLM
from depthlm_ros.models.depthlm.network import DepthLMNetwork
from depthlm_ros.models.depthvlm.model import DepthVLM
from depthlm_ros.models.depthvlm.network import DepthVLMModule
from depthlm_ros.models.runtime import image_patches
from depthlm_ros.models.runtime.depth_postprocess import NewestMap, postprocess
from depthlm_ros.prompting.marker import Marker, place
from depthlm_ros.prompting.prompts import prompt

META = torch.device("meta")
UPLOAD = "aten.to.dtype_layout"


class OnHost(TorchDispatchMode):
    """Notes every operation that touches a tensor which is not on the device."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        tensors = [x for x in tree_leaves((args, kwargs, out)) if isinstance(x, torch.Tensor)]
        if any(tensor.device != META for tensor in tensors):
            self.seen.append(str(function))
        return out


def host_work(run):
    """Return the result of the second run and the host's part in both."""
    seen = []
    with torch.inference_mode():
        for _ in range(2):
            with OnHost() as on_host:
                result = run()
            seen.append(on_host.seen)
    return result, *seen


@pytest.mark.parametrize(
    "name, view", [("depthvlm-tiny", (160, 112)), ("depthvlm-4b", (1216, 928))]
)
def test_depthvlm_from_bytes_to_depth(name, view):
    with META:
        module = DepthVLMModule(CONFIGS[name](), PREFIX_IDS).to(torch.bfloat16)
    module.prefix_ids = torch.empty(len(PREFIX_IDS), dtype=torch.long, device=META)
    module.freeze()
    image = torch.empty(1, 480, 640, 3, dtype=torch.uint8, device=META)

    def run():
        resized = image_patches.resize(image, *view)
        return module(*image_patches.to_patches(resized, module.settings.path, module.dtype)).depth

    depth, first, second = host_work(run)
    assert (tuple(depth.shape), depth.dtype) == ((1, view[1], view[0]), torch.float32)
    assert first, "tables are made with the host's help once"
    assert second == []


@pytest.mark.parametrize("keep_frame", [False, True])
def test_depthvlm_from_bytes_to_the_cloud(keep_frame):
    with META:
        module = DepthVLMModule(CONFIGS["depthvlm-4b"](), PREFIX_IDS).to(torch.bfloat16)
    module.prefix_ids = torch.empty(len(PREFIX_IDS), dtype=torch.long, device=META)
    model = DepthVLM(module, None, keep_frame=keep_frame)
    view = model.view_of(PinholeCamera(525.0, 525.0, 319.5, 239.5, 640, 480))
    image = torch.empty(480, 640, 3, dtype=torch.uint8, device=META)
    valid = torch.empty(480, 640, dtype=torch.bool, device=META)
    options, newest = PostprocessConfig(0.05, 100.0), NewestMap()

    def run():
        depth_m = postprocess(model._map(image, view), view, options, valid)
        return depth_m, newest.packed(newest.hold(depth_m, image, view), 1.15)

    out, first, second = host_work(run)
    assert (tuple(out[0].shape), out[0].dtype) == ((480, 640), torch.float32)
    assert (tuple(out[1].shape), out[1].dtype) == ((480, 640, 4), torch.int32)
    assert (model._remembered is not None) == keep_frame
    assert first and second == []


def test_a_value_read_back_would_be_seen():
    with pytest.raises(RuntimeError, match="meta"):
        host_work(lambda: torch.zeros(3, device=META).sum().item())
    _, _, second = host_work(lambda: torch.arange(3).to(META))
    assert "aten.arange.default" in second


def depthlm_of(size):
    """Return a DepthLM of a size without memory, and its hidden width."""
    family, config, special = random_weights._of_size(size)
    model = random_weights.skeleton(size).to(torch.bfloat16).eval().requires_grad_(False)
    stop, pad = special[2], special[0]
    tokenizer = random_weights._tokenizer(special, stop, pad)
    network = DepthLMNetwork(model, tokenizer, family(model, tokenizer))
    width = config.get("hidden_size") or config["text_config"]["hidden_size"]
    return DepthLM(network, family.read_path(model.config, {})), width


DEPTHLM_SIZES = ["depthlm-tiny-qwen", "depthlm-3b", "depthlm-12b"]


@pytest.mark.parametrize("size", DEPTHLM_SIZES)
def test_depthlm_from_bytes_to_the_state_before_the_number(size):
    model, width = depthlm_of(size)
    network, question = model.network, prompt()
    image = torch.empty(1, 280, 336, 3, dtype=torch.uint8, device=META)

    def run():
        patches, grid = pre.patches_of(image, model.path, network.dtype)
        layout, lead = network.layout(question.question, (grid,)), network.lead(question)
        features = network.features(patches, grid)
        return network.read(layout.ids[None], layout, features, lead).hidden

    hidden, first, second = host_work(run)
    lead = len(network.lead(question).ids)
    assert tuple(hidden.shape) == (1, lead + 1, width)
    assert first and second == []


@torch.inference_mode()
@pytest.mark.parametrize("size", DEPTHLM_SIZES)
def test_a_depthlm_pass_asks_nothing_of_the_host_but_its_tokens(size):
    model, width = depthlm_of(size)
    network, question = model.network, prompt()
    image = torch.empty(1, 280, 336, 3, dtype=torch.uint8, device=META)
    patches, grid = pre.patches_of(image, model.path, network.dtype)
    layout, lead = network.layout(question.question, (grid,)), network.lead(question)
    talk = network.read(layout.ids[None], layout, network.features(patches, grid), lead)
    for n in (24, 40, 1):
        ids, mask = np.zeros((1, n), np.int64), np.ones((1, n, talk.cache.length + n), bool)
        with OnHost() as on_host:
            hidden = network.step(talk, ids, ids, mask)
        assert tuple(hidden.shape) == (1, n, width)
        assert sorted(on_host.seen) == sorted(["aten.lift_fresh.default"] * 3 + [UPLOAD] * 3)


def test_marking_asks_for_the_markers_places_only():
    picture = torch.empty(1, 60, 80, 3, dtype=torch.uint8, device=META)
    placed = place(Marker(), (40, 30), 80, 60, "flip")
    marked, _, second = host_work(lambda: pre.mark(picture, Marker(), [placed, placed]))
    assert tuple(marked.shape) == (2, 60, 80, 3)
    assert second == ["aten.lift_fresh.default", UPLOAD], "their upload"
