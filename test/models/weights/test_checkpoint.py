"""Checkpoints that load, and weights that are missing, cut, misshapen or not finite."""

import json

import numpy as np
import pytest
import torch
from checkpoint_folders import CAMERA, depth_of, edit_config, edit_tensors, image, load_refusal
from safetensors.torch import load_file, save_file

from depthlm_ros.models.base import DenseDepthModel, LanguageModel
from depthlm_ros.models.depthvlm.dpt_fused import FusedDPTHead
from depthlm_ros.models.weights.checkpoint import Checkpoint
from depthlm_ros.status import Code


def shard(folder):
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    parts = {
        "model-00001-of-00002.safetensors": names[::2],
        "model-00002-of-00002.safetensors": names[1::2],
    }
    for file, part in parts.items():
        save_file({name: tensors[name] for name in part}, folder / file)
    weight_map = {name: file for file, part in parts.items() for name in part}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def test_loads_and_measures(tiny_folder, tiny_module):
    edit_config(tiny_folder, ratio_90=1.7)
    model, depth = depth_of(tiny_folder)
    assert isinstance(model, DenseDepthModel) and isinstance(model, LanguageModel)
    assert model.name == str(tiny_folder)
    assert model.ratio_90 == 1.7
    view = model.view_of(CAMERA)
    assert (view.width, view.height) == (160, 112)  # 152.4 -> 9.5 -> 10 tokens, 114.3 -> 7
    assert depth.shape == (112, 160) and depth.dtype == np.float32
    assert (depth > 0).all()
    assert model.module.vlm.lm_head.weight is model.module.vlm.get_input_embeddings().weight
    # Loaded through the meta device: equal to the module it was saved from.
    source, _ = tiny_module
    patches, grid = model._patches(image(), view)
    with torch.no_grad():
        expected = source(patches, grid).depth[0]
    np.testing.assert_allclose(depth, expected.numpy(), rtol=1e-5)


def test_twice_the_same_bits(tiny_folder):
    _, first = depth_of(tiny_folder)
    _, second = depth_of(tiny_folder)
    np.testing.assert_array_equal(first, second)


def test_shards_are_one_checkpoint(tiny_folder):
    _, whole = depth_of(tiny_folder)
    shard(tiny_folder)
    _, sharded = depth_of(tiny_folder)
    np.testing.assert_array_equal(whole, sharded)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_weights_come_in_the_wanted_dtype(tiny_folder, dtype):
    model, _ = depth_of(tiny_folder, dtype=dtype)
    kinds = {parameter.dtype for parameter in model.module.parameters()}
    assert kinds == {getattr(torch, dtype)}
    assert model.module.vlm.model.visual.rotary_pos_emb.inv_freq.dtype == torch.float32


def test_counts_what_it_needs(tiny_folder, tiny_module):
    module, _ = tiny_module
    opened = Checkpoint.open(tiny_folder)
    numbers = sum(parameter.numel() for parameter in module.parameters())
    assert opened.parameters == numbers  # tied weights are shared, so counted once on both sides
    levels = FusedDPTHead(module.depth_head)._levels  # made when the model is frozen, and kept
    folded = sum(level._weight.numel() + level._bias.numel() for level in levels)
    assert folded > 100_000
    assert opened.need_bytes(torch.bfloat16) == 2 * (numbers + folded)


def test_missing_shard(tiny_folder):
    shard(tiny_folder)
    (tiny_folder / "model-00002-of-00002.safetensors").unlink()
    refusal = load_refusal(tiny_folder)
    assert refusal.code == Code.MODEL_NOT_READY
    assert "model-00002-of-00002.safetensors" in refusal.text and "fetch" in refusal.text


@pytest.mark.parametrize("content", ["{}", '{"weight_map": []}', '{"weight_map": {}}'])
def test_empty_index(tiny_folder, content):
    (tiny_folder / "model.safetensors.index.json").write_text(content)
    assert "every shard" in load_refusal(tiny_folder).text


def test_two_files_without_an_index(tiny_folder):
    save_file({"a": torch.zeros(1)}, tiny_folder / "other.safetensors")
    assert (
        "2 safetensors files and no model.safetensors.index.json" in load_refusal(tiny_folder).text
    )


@pytest.mark.parametrize("keep", [0, 5, 1000, 1_000_000])
def test_cut_short(tiny_folder, keep):
    file = tiny_folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    refusal = load_refusal(tiny_folder)
    assert refusal.code == Code.MODEL_ERROR
    assert str(file) in refusal.text and "corrupt or cut short" in refusal.text


def test_pickled_weights_are_never_opened(tiny_folder):
    (tiny_folder / "model.safetensors").rename(tiny_folder / "pytorch_model.bin")
    refusal = load_refusal(tiny_folder)
    assert refusal.code == Code.MODEL_ERROR
    assert "pytorch_model.bin" in refusal.text and "only safetensors" in refusal.text


def test_missing_tensors_are_named(tiny_folder):
    edit_tensors(tiny_folder, lambda tensors: tensors.pop("depth_head.norm.bias"))
    refusal = load_refusal(tiny_folder)
    assert refusal.code == Code.MODEL_ERROR
    assert "1 missing: depth_head.norm.bias" in refusal.text and "unexpected" not in refusal.text


def test_unexpected_tensors_are_named(tiny_folder):
    def add(tensors):
        tensors["model.extra.weight"] = torch.zeros(2)

    edit_tensors(tiny_folder, add)
    assert "1 unexpected: model.extra.weight" in load_refusal(tiny_folder).text


def test_misshapen_tensors_are_named(tiny_folder):
    def cut(tensors):
        tensors["depth_head.norm.bias"] = torch.zeros(5)

    edit_tensors(tiny_folder, cut)
    assert (
        "1 misshapen: depth_head.norm.bias is (5,), not (192,)" in load_refusal(tiny_folder).text
    )


def test_a_stored_copy_of_a_tied_weight_is_no_fault(tiny_folder):
    _, expected = depth_of(tiny_folder)

    def add(tensors):
        tensors["lm_head.weight"] = tensors["model.language_model.embed_tokens.weight"].clone()

    edit_tensors(tiny_folder, add)
    _, depth = depth_of(tiny_folder)
    np.testing.assert_array_equal(depth, expected)


def test_long_lists_are_cut(tiny_folder):
    def drop(tensors):
        for name in [name for name in tensors if name.startswith("model.visual.")]:
            del tensors[name]

    edit_tensors(tiny_folder, drop)
    text = load_refusal(tiny_folder).text
    assert "more" in text and len(text) < 1500
