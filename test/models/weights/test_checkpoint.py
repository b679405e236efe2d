"""Checkpoints that are whole load; every broken one is refused, with its name and a remedy."""

import json
import socket

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.interval import IntervalKind
from depthlm_ros.models import device_memory, registry
from depthlm_ros.models.base import DenseDepthModel, LanguageModel
from depthlm_ros.models.depthvlm.dpt_fused import FusedDPTHead
from depthlm_ros.models.warmup import warm_up
from depthlm_ros.models.weights import checkpoint
from depthlm_ros.models.weights.calibration import stated_interval
from depthlm_ros.models.weights.checkpoint import Checkpoint
from depthlm_ros.status import Code, StatusError

CAMERA = PinholeCamera(525.0, 525.0, 319.5, 239.5, 640, 480)


def refusal_of(call, *arguments, **options):
    with pytest.raises(StatusError) as refusal:
        call(*arguments, **options)
    return refusal.value


def load_refusal(folder):
    return refusal_of(registry.load, str(folder), device="cpu")


def edit_config(folder, **changes):
    file = folder / "config.json"
    config = json.loads(file.read_text())
    file.write_text(
        json.dumps({key: value for key, value in (config | changes).items() if value is not None})
    )


def edit_tensors(folder, edit):
    file = folder / "model.safetensors"
    tensors = load_file(file)
    edit(tensors)
    save_file(tensors, file)


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


def image():
    return np.random.default_rng(8).integers(0, 256, (480, 640, 3), np.uint8)


def depth_of(folder, **options):
    model = registry.load(str(folder), device="cpu", **options)
    return model, model.depth(image(), model.view_of(CAMERA))


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


def test_devices_and_dtypes_that_are_none(tiny_folder):
    wrong = refusal_of(registry.load, str(tiny_folder), device="abacus")
    assert wrong.code == Code.MODEL_NOT_READY and "abacus" in wrong.text
    wrong = refusal_of(registry.load, str(tiny_folder), device="cpu", dtype="int3")
    assert wrong.code == Code.MODEL_NOT_READY and "int3" in wrong.text


def test_too_large_for_the_device(tiny_folder, monkeypatch):
    opened = Checkpoint.open(tiny_folder)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10_000_000, 20_000_000))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: None)
    refusal = refusal_of(checkpoint.check_memory, opened, torch.device("cuda"), torch.float32)
    assert refusal.code == Code.MODEL_NOT_READY and "0.0 GB free" in refusal.text
    checkpoint.check_memory(opened, torch.device("cpu"), torch.float32)


def test_too_large_for_the_host(tiny_folder, monkeypatch):
    need = Checkpoint.open(tiny_folder).need_bytes(torch.float32)
    monkeypatch.setattr(device_memory, "available_host_bytes", lambda: need)
    depth_of(tiny_folder)
    monkeypatch.setattr(device_memory, "available_host_bytes", lambda: need - 1)
    monkeypatch.setattr(Checkpoint, "load_into", None)  # refused before anything is loaded
    refusal = load_refusal(tiny_folder)
    assert refusal.code == Code.MODEL_NOT_READY
    assert f"{tiny_folder} needs 0.0 GB in torch.float32, cpu has 0.0 GB free" in refusal.text


@pytest.mark.parametrize("error", [MemoryError, torch.OutOfMemoryError])
def test_memory_that_runs_out_while_loading(tiny_folder, monkeypatch, error):
    def exhausted(*_, **__):
        raise error("no more")

    monkeypatch.setattr(Checkpoint, "load_into", exhausted)
    refusal = load_refusal(tiny_folder)
    assert refusal.code == Code.MODEL_NOT_READY
    assert "0.02 GB in torch.float32 on cpu" in refusal.text  # 5.5 M numbers of 4 bytes


def test_the_need_is_told_before_loading(tiny_folder, caplog):
    with caplog.at_level("INFO", logger="depthlm_ros.models"):
        depth_of(tiny_folder)
    assert "5.2 M parameters, 0.02 GB in torch.float32 on cpu" in caplog.text


def test_source_images_only(tiny_folder):
    model, _ = depth_of(tiny_folder)
    view = model.view_of(CAMERA)
    for wrong in (image()[:100], image().astype(np.float32)):
        refusal = refusal_of(model.depth, wrong, view)
        assert refusal.code == Code.BAD_IMAGE and "(480, 640, 3)" in refusal.text


def test_nonsense_from_the_network_is_nan(tiny_folder):
    def poison(tensors):  # finite weights, and an infinite result
        tensors["depth_head.scratch.output_conv2.2.bias"] = torch.tensor([3e38])
        tensors["depth_head.scratch.output_conv2.2.weight"].fill_(3e38)

    edit_tensors(tiny_folder, poison)
    _, depth = depth_of(tiny_folder)
    assert np.isnan(depth).all()
    model = registry.load(str(tiny_folder), "cpu")
    with pytest.raises(StatusError, match="MODEL_ERROR.*gives no depth at any pixel"):
        warm_up(model)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    "name", ["model.visual.blocks.3.attn.qkv.weight", "depth_head.scratch.output_conv2.2.bias"]
)
def test_weights_that_are_not_finite_are_refused_by_name(tiny_folder, name, value):
    edit_tensors(tiny_folder, lambda tensors: tensors[name].view(-1)[-1:].fill_(value))
    refusal = load_refusal(tiny_folder)
    assert refusal.code == Code.MODEL_ERROR
    assert f"{name} holds NaN or infinity in torch.float32" in refusal.text


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.int8])
def test_weights_that_are_no_fractions_are_refused_by_name(tiny_folder, dtype):
    def recast(tensors):
        tensors["depth_head.norm.weight"] = torch.ones(192, dtype=dtype)

    edit_tensors(tiny_folder, recast)
    refusal = load_refusal(tiny_folder)
    assert refusal.code == Code.MODEL_ERROR
    assert f"depth_head.norm.weight is {dtype}: must be floating point" in refusal.text


@pytest.mark.parametrize(
    "told, factor, kind, basis",
    [
        (
            {"ratio_90": 1.5},
            1.5,
            IntervalKind.UNCALIBRATED,
            "config.json does not say on what data",
        ),
        ({}, float("nan"), IntervalKind.UNKNOWN, ""),
        (
            {
                "ratio_90": 1.5,
                "measured": {"scenes": {"ratio_90": 1.5}, "photos": {"ratio_90": 2.75}},
            },
            2.75,
            IntervalKind.CALIBRATED,
            "photos",
        ),
        (
            {"ratio_90": 3.0, "measured": {"scenes": {"ratio_90": 1.5}}},
            3.0,
            IntervalKind.UNCALIBRATED,
            "config.json does not say on what data",
        ),
        (
            {"measured": {"scenes": {"ratio_90": 1.5}, "delta1": 0.6}},
            1.5,
            IntervalKind.CALIBRATED,
            "scenes",
        ),
    ],
)
def test_the_widest_factor_that_was_measured_is_the_one(told, factor, kind, basis):
    found = stated_interval(told)
    assert found[0] == pytest.approx(factor, nan_ok=True)
    assert (found[1].kind, found[1].basis) == (kind, basis)


@pytest.mark.parametrize("ratio", [-1, 0, 0.99, float("nan"), float("inf"), "wide", [2], False])
def test_a_factor_that_is_none_is_refused(tiny_folder, ratio):
    edit_config(tiny_folder, ratio_90=ratio)
    refusal = load_refusal(tiny_folder)
    assert refusal.code == Code.MODEL_ERROR and "ratio_90" in refusal.text


def test_device_out_of_memory_is_a_clean_failure(tiny_folder, monkeypatch):
    model, _ = depth_of(tiny_folder)

    def exhausted(*_, **__):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(type(model.module), "features", exhausted)
    for call in (
        lambda: model.depth(image(), model.view_of(CAMERA)),
        lambda: model.reply(image(), CAMERA, "What is this?"),
    ):
        refusal = refusal_of(call)
        assert refusal.code == Code.MODEL_ERROR and "max_pixels" in refusal.text


def test_shrinks_from_the_view_that_did_not_fit(tiny_folder):
    model, _ = depth_of(tiny_folder)  # a view of 160 x 112
    areas = [model.view_of(CAMERA).camera]
    while model.shrink():
        view = model.view_of(CAMERA)
        assert view.width * view.height <= areas[-1].width * areas[-1].height / 2
        # Smaller pictures show things smaller: the view's focal length accounts for it.
        assert view.depth_scale == pytest.approx((view.camera.fx * view.camera.fy) ** 0.5 / 125.0)
        assert model.depth(image(), view).shape == (view.height, view.width)
        areas.append(view.camera)
    assert 2 <= len(areas) <= 4


def test_stages_are_told(tiny_folder):
    model, _ = depth_of(tiny_folder)
    told = []
    model.stage_callback = model.module.stage_callback = told.append
    model.depth(image(), model.view_of(CAMERA))
    assert told == ["preprocess", "vision", "language", "head"]


def test_known_models_say_size_and_licence():
    assert {"embedded", "depthvlm-4b", "depthlm-12b"} <= registry.KNOWN.keys()
    for known in registry.KNOWN.values():
        assert known.licence and known.weights_gb > 0 and known.reads in ("dense", "points")
    assert registry.KNOWN["depthlm-12b"].licence == "FAIR Noncommercial Research"
