"""Depth-estimation models of transformers, tiny and of random weights, by our contract."""

import argparse
import json

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    DepthProConfig,
    DepthProForDepthEstimation,
    Dinov2Config,
    GLPNConfig,
    GLPNForDepthEstimation,
    ZoeDepthConfig,
    ZoeDepthForDepthEstimation,
)

from depthlm_ros.cli.doctor import report
from depthlm_ros.estimator import DepthEstimator
from depthlm_ros.frame import Frame
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.canonical_view import CanonicalView
from depthlm_ros.models import registry
from depthlm_ros.models.adapters.transformers_depth import TransformersDepth
from depthlm_ros.models.base import DenseDepthModel
from depthlm_ros.status import Code, StatusError

CPU = torch.device("cpu")
CAMERA = PinholeCamera(90.0, 90.0, 49.5, 31.5, 100, 64)


def depth_anything(kind="metric"):
    backbone = Dinov2Config(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=28,
        patch_size=14,
        out_features=["stage1", "stage2", "stage3", "stage4"],
        reshape_hidden_states=False,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=16,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=4,
        depth_estimation_type=kind,
        max_depth=20,
    )
    processor = {
        "image_processor_type": "DPTImageProcessor",
        "do_resize": True,
        "size": {"height": 56, "width": 56},
        "keep_aspect_ratio": True,
        "ensure_multiple_of": 14,
        "do_normalize": True,
        "do_rescale": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    return DepthAnythingForDepthEstimation(config), processor


def depth_pro():
    patch = Dinov2Config(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, image_size=8, patch_size=4
    )
    config = DepthProConfig(
        patch_size=8,
        image_model_config=patch,
        patch_model_config=patch,
        fov_model_config=patch,
        fusion_hidden_size=8,
        intermediate_hook_ids=[2, 1],
        intermediate_feature_dims=[8, 8],
        scaled_images_ratios=[0.5, 1.0],
        scaled_images_overlap_ratios=[0.0, 0.2],
        scaled_images_feature_dims=[8, 8],
        num_fov_head_layers=1,
        use_fov_model=False,
    )
    return DepthProForDepthEstimation(config), {"size": {"height": 32, "width": 32}}


def glpn():
    config = GLPNConfig(
        hidden_sizes=[4, 8, 8, 16],
        num_attention_heads=[1, 1, 2, 2],
        depths=[1, 1, 1, 1],
        decoder_hidden_size=8,
        max_depth=10,
    )
    return GLPNForDepthEstimation(config), {
        "image_processor_type": "GLPNImageProcessor",
        "do_resize": True,
        "size_divisor": 32,
        "do_rescale": True,
    }


def zoedepth():
    from transformers import BeitConfig

    backbone = BeitConfig(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=32,
        patch_size=16,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
        use_relative_position_bias=True,
    )
    config = ZoeDepthConfig(
        backbone_config=backbone,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        bottleneck_features=8,
        num_relative_features=4,
        bin_embedding_dim=8,
        num_attractors=[4, 2, 2, 1],
        num_patch_transformer_layers=None,
        bin_configurations=[{"n_bins": 8, "min_depth": 0.1, "max_depth": 10.0, "name": "nyu"}],
    )
    return ZoeDepthForDepthEstimation(config), {
        "image_processor_type": "ZoeDepthImageProcessor",
        "do_pad": True,
        "do_resize": True,
        "size": {"height": 64, "width": 64},
        "ensure_multiple_of": 32,
        "keep_aspect_ratio": True,
        "do_rescale": True,
        "do_normalize": True,
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    }


MAKERS = {
    "depth_anything": depth_anything,
    "depth_pro": depth_pro,
    "glpn": glpn,
    "zoedepth": zoedepth,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Write a tiny checkpoint of every metric kind."""
    out = {}
    for name, make in MAKERS.items():
        torch.manual_seed(3)
        model, processor = make()
        out[name] = tmp_path_factory.mktemp(name)
        model.save_pretrained(out[name])
        (out[name] / "preprocessor_config.json").write_text(json.dumps(processor))
    return out


def noise():
    return np.random.default_rng(0).integers(0, 256, (64, 100, 3), np.uint8)


@pytest.mark.parametrize("kind", MAKERS)
def test_every_metric_kind_gives_metres_of_the_source(folders, kind):
    model = TransformersDepth.from_folder(folders[kind], kind, CPU, torch.float32)
    assert isinstance(model, DenseDepthModel)
    frame = Frame(noise(), CAMERA)
    depth = DepthEstimator(model).depth(frame).depth_m
    assert depth.shape == (64, 100) and np.isfinite(depth).mean() > 0.5
    view = model.view_of(CAMERA)
    assert view.width <= 100 and view.height <= 64 and view.depth_scale == 1.0
    with pytest.raises(StatusError) as caught:
        model.depth(noise()[:10], view)
    assert caught.value.code == Code.BAD_IMAGE


def test_the_map_of_depth_anything_is_the_models_own(folders):
    """56 px the shorter side.

    In multiples of 14: 64 x 100 becomes 56 x 84 (0.875 x 100 = 87.5).
    """
    model = TransformersDepth.from_folder(folders["depth_anything"], "m", CPU, torch.float32)
    view = model.view_of(CAMERA)
    pixels = model.processor(images=noise(), return_tensors="pt")["pixel_values"]
    assert pixels.shape[-2:] == (56, 84)
    with torch.no_grad():
        own = model.model(pixel_values=pixels).predicted_depth[None]
    size = (view.height, view.width)
    expected = torch.nn.functional.interpolate(own, size=size, mode="bicubic")[0, 0].numpy()
    np.testing.assert_allclose(model.depth(noise(), view), expected, rtol=1e-5)


def test_depth_pro_takes_the_focal_length(folders):
    """Inverse depth = canonical x width / fx: twice the focal length, twice the depth."""
    model = TransformersDepth.from_folder(folders["depth_pro"], "m", CPU, torch.float32)
    assert model.uses_focal
    longer = PinholeCamera(180.0, 180.0, 49.5, 31.5, 100, 64)
    near, far = (model.depth(noise(), model.view_of(c)) for c in (CAMERA, longer))
    seen = near < 5000  # the rest is at the published limit of 1e-4 per metre
    assert seen.mean() > 0.5
    np.testing.assert_allclose(far[seen], 2 * near[seen], rtol=1e-4)
    pixels = model.processor(images=noise())["pixel_values"]
    assert pixels.shape == (1, 3, 32, 32)
    with torch.no_grad():
        own = model.model(pixel_values=pixels).predicted_depth[None]
    view = model.view_of(CAMERA)
    inverse = torch.nn.functional.interpolate(
        own * 100 / 90, size=(view.height, view.width), mode="bilinear"
    )
    np.testing.assert_allclose(near, 1 / inverse[0, 0].numpy().clip(1e-4, 1e4), rtol=1e-4)


def test_zoedepths_padding_is_cut_off(folders):
    """64 rows are padded by int(3 sqrt(32)) = 16, 100 columns by int(3 sqrt(50)) = 21 a side."""
    model = TransformersDepth.from_folder(folders["zoedepth"], "m", CPU, torch.float32)
    view = CanonicalView(CAMERA, CAMERA)
    ramp = torch.linspace(1, 2, 142).expand(96, 142)  # 100 + 2 x 21 columns, 64 + 2 x 16 rows
    metres = model._metres(ramp[None, None], view)
    assert metres.shape == (view.height, view.width) == (64, 100)
    np.testing.assert_allclose(metres, ramp[16:80, 21:121].numpy(), rtol=1e-6)


def test_a_model_without_metres_is_refused(tmp_path):
    model, _ = depth_anything("relative")
    model.save_pretrained(tmp_path / "relative")
    with pytest.raises(StatusError, match="a depth model of relative depth: give a metric one"):
        TransformersDepth.from_folder(tmp_path / "relative", "m", CPU, torch.float32)
    with pytest.raises(StatusError, match="cannot be read"):
        TransformersDepth.from_folder(tmp_path / "none", "m", CPU, torch.float32)


def test_they_are_loaded_by_name(folders, tmp_path):
    name = f"transformers:{folders['depth_anything']}"
    assert isinstance(registry.load(name, "cpu"), TransformersDepth)
    with pytest.raises(StatusError, match="model option max_tokens: .* has no options"):
        registry.load(name, "cpu", max_tokens="3")
    with pytest.raises(StatusError, match="quantize = 'int8' is not offered"):
        registry.load(name, "cpu", quantize="int8")
    options = argparse.Namespace(
        model=name, revision=None, option=[], device="cpu", dtype="auto", quantize="none"
    )
    assert [f.level for f in report.model(options)] == ["OK", "OK"]
    options.model = "plugin:anything"
    assert [f.level for f in report.model(options)] == ["OK"]
    BertConfig().save_pretrained(tmp_path)
    with pytest.raises(StatusError, match="is a bert: must be a depth-estimation"):
        registry.load(f"transformers:{tmp_path}", "cpu")
