"""Devices, memory, images and numbers of a loaded checkpoint."""

import numpy as np
import pytest
import torch
from checkpoint_folders import (
    CAMERA,
    depth_of,
    edit_config,
    edit_tensors,
    image,
    load_refusal,
    refusal_of,
)

from depthlm_ros.interval import IntervalKind
from depthlm_ros.models import device_memory, registry
from depthlm_ros.models.warmup import warm_up
from depthlm_ros.models.weights import checkpoint
from depthlm_ros.models.weights.calibration_file import stated_interval
from depthlm_ros.models.weights.checkpoint import Checkpoint
from depthlm_ros.status import Code, StatusError


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
