"""A checkpoint's config, families and files; models on the hub."""

import json
import socket

import numpy as np
import pytest
from checkpoint_folders import depth_of, edit_config, edit_tensors, load_refusal, refusal_of

from depthlm_ros.models import registry
from depthlm_ros.models.weights.checkpoint import Checkpoint
from depthlm_ros.status import Code


def test_head_without_type_and_type_without_head(tiny_folder):
    _, told = depth_of(tiny_folder)
    edit_config(tiny_folder, depth_head_type=None)  # the published default is a DPT
    np.testing.assert_array_equal(depth_of(tiny_folder)[1], told)

    def behead(tensors):
        for name in [name for name in tensors if name.startswith("depth_head.")]:
            del tensors[name]

    edit_tensors(tiny_folder, behead)
    plain = load_refusal(tiny_folder)
    assert plain.code == Code.UNSUPPORTED
    assert "plain qwen3-vl" in plain.text
    edit_config(tiny_folder, depth_head_type="dpt")
    assert load_refusal(tiny_folder).code == Code.MODEL_ERROR


@pytest.mark.parametrize(
    "config, family",
    [
        ({"model_type": "qwen2_5_vl"}, "depthlm-qwen2.5-vl"),
        ({"model_type": "llava", "vision_config": {"model_type": "pixtral"}}, "depthlm-pixtral"),
    ],
)
def test_other_families_are_told_apart(tiny_folder, config, family):
    (tiny_folder / "config.json").write_text(json.dumps(config))
    assert Checkpoint.open(tiny_folder).format == family


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"model_type": "llama", "vision_config": 5},
        {"model_type": "llava", "vision_config": {}},
    ],
)
def test_unknown_families_are_refused(tiny_folder, config):
    (tiny_folder / "config.json").write_text(json.dumps(config))
    refusal = load_refusal(tiny_folder)
    assert refusal.code == Code.MODEL_ERROR and "is not served" in refusal.text


@pytest.mark.parametrize("content", ["", "[1]", "{", "\x00"])
def test_config_that_is_none(tiny_folder, content):
    (tiny_folder / "config.json").write_text(content)
    refusal = load_refusal(tiny_folder)
    assert refusal.code == Code.MODEL_ERROR and "config.json" in refusal.text


@pytest.mark.parametrize(
    "changes",
    [
        {"vision_config": {"patch_size": 8}},
        {"text_config": 5},
        {"depth_head_widths": [1, 2]},
        {"depth_head_fusion": "x"},
    ],
)
def test_config_that_describes_nothing(tiny_folder, changes):
    edit_config(tiny_folder, **changes)
    refusal = load_refusal(tiny_folder)
    assert refusal.code == Code.MODEL_ERROR and str(tiny_folder) in refusal.text


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_missing_files(tiny_folder, name):
    (tiny_folder / name).unlink()
    refusal = load_refusal(tiny_folder)
    assert refusal.code == Code.MODEL_NOT_READY
    assert str(tiny_folder) in refusal.text and "fetch" in refusal.text


def test_broken_tokenizer(tiny_folder):
    (tiny_folder / "tokenizer.json").write_text("{}")
    refusal = load_refusal(tiny_folder)
    assert refusal.code == Code.MODEL_ERROR and "tokenizer.json" in refusal.text


def test_remote_code_is_never_run(tiny_folder, tmp_path):
    trap = tmp_path / "trap_was_run"
    (tiny_folder / "modeling.py").write_text(f"open({str(trap)!r}, 'w')\n")
    edit_config(
        tiny_folder, auto_map={"AutoModel": "modeling.Model", "AutoConfig": "modeling.Config"}
    )
    _, depth = depth_of(tiny_folder)
    assert depth.shape == (112, 160) and not trap.exists()


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    def connect(*_):
        raise AssertionError("reached for the network")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.mark.parametrize(
    "name, revision, command",
    [
        ("depthvlm-4b", None, "`depthlm fetch JonnyYu828/DepthVLM-4B`"),
        ("someone/some-model", "v2", "`depthlm fetch someone/some-model --revision v2`"),
    ],
)
def test_hub_models_are_not_downloaded_behind_your_back(no_network, name, revision, command):
    refusal = refusal_of(registry.load, name, device="cpu", revision=revision)
    assert refusal.code == Code.MODEL_NOT_READY and command in refusal.text


def test_unreachable_hub(monkeypatch, tmp_path):
    def refuse(*_):
        raise ConnectionRefusedError("no route")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    refusal = refusal_of(registry.fetch, "someone/some-model")
    assert refusal.code == Code.MODEL_NOT_READY
    assert "could not be fetched" in refusal.text and "it resumes" in refusal.text


@pytest.mark.parametrize(
    "name", ["no such model", "../up/and/away", "a/b/c", "", "x" * 9999, "\0"]
)
def test_names_that_are_none(no_network, name):
    refusal = refusal_of(registry.load, name, device="cpu")
    assert refusal.code == Code.MODEL_NOT_READY and "depthlm models" in refusal.text


def test_a_file_is_no_folder(tiny_folder):
    refusal = load_refusal(tiny_folder / "model.safetensors")
    assert refusal.code == Code.MODEL_NOT_READY and "is a file" in refusal.text
