"""The network's own ways (tables, batches, no text, training) against the stock model's way."""

import numpy as np
import pytest
import torch

from depthlm_ros.models.depthvlm.network import PREFIX, SUFFIX, DepthVLMModule
from depthlm_ros.models.depthvlm.settings import DepthVLMSettings
from depthlm_ros.models.depthvlm.tiny import SPECIAL_TOKENS, tiny_config, tiny_tokenizer
from depthlm_ros.models.runtime import image_patches
from depthlm_ros.status import Code, StatusError


@pytest.fixture(scope="module")
def images():
    return torch.from_numpy(np.random.default_rng(3).integers(0, 256, (3, 112, 160, 3), np.uint8))


def text_of(tokenizer, answer="2.50 m"):
    text = SUFFIX.format(question="How far is the door?") + answer + "<|im_end|>"
    return torch.tensor([tokenizer(text)["input_ids"]])


def stock_inputs(module, patches, grid, text):
    """Return what the stock processor would hand the stock model for one image."""
    pad = module.vlm.config.image_token_id
    p = module.settings.path.patch
    image = torch.full((1, patches.shape[1] // 4), pad)
    ids = torch.cat([module.prefix_ids[None], image, text], 1)
    pixels = patches[0].view(-1, 3, 1, p, p).expand(-1, 3, 2, p, p).reshape(len(patches[0]), -1)
    return {
        "input_ids": ids,
        "pixel_values": pixels,
        "image_grid_thw": torch.tensor([[1, *grid]]),
        "mm_token_type_ids": (ids == pad).int(),
    }


def test_features_are_the_stock_models(tiny_module, images):
    module, tokenizer = tiny_module
    patches, grid = image_patches.to_patches(images[:1], module.settings.path)
    text = text_of(tokenizer)
    inputs = stock_inputs(module, patches, grid, text)
    with torch.no_grad():
        features, hidden = module.features(patches, grid, text)
        expected = module.vlm.model(**inputs).last_hidden_state
        vision = module.vlm.model.visual(inputs["pixel_values"], inputs["image_grid_thw"])
    torch.testing.assert_close(hidden, expected, rtol=1e-5, atol=1e-5)
    start, tokens = len(module.prefix_ids), patches.shape[1] // 4
    seen = expected[:, start : start + tokens]
    torch.testing.assert_close(features[3], seen, rtol=1e-5, atol=1e-5)
    for ours, stock in zip(features[:3], vision.deepstack_features, strict=True):
        torch.testing.assert_close(ours[0], stock, rtol=1e-5, atol=1e-5)


def test_text_loss_is_the_stock_models(tiny_module, images):
    module, tokenizer = tiny_module
    patches, grid = image_patches.to_patches(images[:1], module.settings.path)
    text = text_of(tokenizer)
    labels = text.clone()
    labels[:, :-7] = -100
    inputs = stock_inputs(module, patches, grid, text)
    all_labels = torch.full_like(inputs["input_ids"], -100)
    all_labels[:, -labels.shape[1] :] = labels
    with torch.no_grad():
        ours = module(patches, grid, text, labels).text_loss
        stock = module.vlm(**inputs, labels=all_labels).loss
    assert ours.item() == pytest.approx(stock.item(), rel=1e-5)


def test_labels_need_their_text(tiny_module, images):
    module, _ = tiny_module
    patches, grid = image_patches.to_patches(images[:1], module.settings.path)
    with pytest.raises(StatusError, match="labels without text_ids"):
        module(patches, grid, labels=torch.zeros(1, 3, dtype=torch.long))


def test_text_after_the_image_changes_no_depth(tiny_module, images):
    module, tokenizer = tiny_module
    patches, grid = image_patches.to_patches(images[:1], module.settings.path)
    with torch.no_grad():
        without = module(patches, grid).depth
        with_text = module(patches, grid, text_of(tokenizer)).depth
    torch.testing.assert_close(with_text, without, rtol=1e-5, atol=0)


def test_a_batch_is_its_images_one_by_one(tiny_module, images):
    module, tokenizer = tiny_module
    patches, grid = image_patches.to_patches(images, module.settings.path)
    text = text_of(tokenizer).expand(3, -1)
    with torch.no_grad():
        batch = module(patches, grid, text).depth
        singles = torch.cat([module(one[None], grid).depth for one in patches])
    assert batch.shape == (3, 112, 160)
    assert batch.dtype == torch.float32
    assert (batch[0] - batch[1]).abs().max() > 1e-4  # different images, different maps
    torch.testing.assert_close(batch, singles, rtol=1e-5, atol=0)


def test_frozen_is_equal_and_repeats_to_the_bit(tiny_module, images):
    module, tokenizer = tiny_module
    frozen = DepthVLMModule(tiny_config(), module.prefix_ids.tolist())
    frozen.load_state_dict(module.state_dict())
    frozen.freeze()
    runs = []
    for rows, columns in ((112, 160), (96, 96), (112, 160)):  # a change of size and back
        patches, grid = image_patches.to_patches(images[:1, :rows, :columns], module.settings.path)
        with torch.inference_mode():
            runs.append(frozen(patches, grid).depth)
        with torch.no_grad():
            torch.testing.assert_close(runs[-1], module(patches, grid).depth, rtol=1e-5, atol=0)
    assert torch.equal(runs[0], runs[2])


def test_every_weight_learns_also_after_inference(tiny_module, images):
    source, tokenizer = tiny_module
    module = DepthVLMModule(tiny_config(), source.prefix_ids.tolist())
    module.load_state_dict(source.state_dict())
    patches, grid = image_patches.to_patches(images[:2], module.settings.path)
    with torch.inference_mode():
        module(patches, grid)
    text = text_of(tokenizer).expand(2, -1)
    labels = text.clone()
    out = module(patches, grid, text, labels)
    (out.depth.log().mean() + out.text_loss).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        # A bias ahead of the softmax or a norm may have none, but no matrix may be left out.
        assert parameter.ndim == 1 or parameter.grad.abs().max() > 0, name


def test_learning_moves_the_position_table(tiny_module, images):
    source, _ = tiny_module
    module = DepthVLMModule(tiny_config(), source.prefix_ids.tolist())
    module.load_state_dict(source.state_dict())
    patches, grid = image_patches.to_patches(images[:1], module.settings.path)
    with torch.no_grad():
        before = module(patches, grid).depth
        module.vlm.model.visual.pos_embed.weight += 0.5 * torch.randn(
            256, 1, generator=torch.Generator().manual_seed(1)
        )
        after = module(patches, grid).depth
    assert (after - before).abs().max() > 1e-5


def test_positions_by_hand(tiny_module):
    module, _ = tiny_module
    start = len(module.prefix_ids)
    positions = module.positions_3d((4, 6), text_length=2)  # 2 x 3 tokens, longer side 3
    assert positions[:, start - 1].tolist() == [start - 1] * 3
    image = positions[:, start : start + 6] - start
    assert image.tolist() == [[0] * 6, [0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2]]
    assert (positions[:, start + 6 :] - start).tolist() == [[3, 4]] * 3


def test_published_names_and_no_tied_copy(tiny_module):
    module, _ = tiny_module
    state = module.published_state_dict()
    assert {name.split(".")[0] for name in state} == {"model", "depth_head"}
    assert "model.visual.patch_embed.proj.weight" in state
    assert "depth_head.scratch.refinenet4.resConfUnit2.conv1.weight" in state
    assert "depth_head.scratch.refinenet4.resConfUnit1.conv1.weight" not in state
    assert all(value.is_contiguous() for value in state.values())


def test_tiny_is_tiny(tiny_module):
    module, tokenizer = tiny_module
    assert 3e6 < sum(p.numel() for p in module.parameters()) < 10e6
    assert tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS)) == list(range(7))


def test_tiny_tokenizer_is_lossless_and_repeatable():
    first, second = tiny_tokenizer(("the red door",)), tiny_tokenizer(("the red door",))
    text = PREFIX + SUFFIX.format(question="Où est la porte? 12.75 m 🚪") + "\n"
    assert first(text)["input_ids"] == second(text)["input_ids"]
    assert first.decode(first(text)["input_ids"]) == text
    assert len(first("12.75")["input_ids"]) == 5  # digits stand alone
    assert len(first(" red door")["input_ids"]) == 2


def test_settings_from_config():
    config = tiny_config() | {"ratio_90": 1.6, "measured": {"delta1": 0.5}, "min_pixels": 1024}
    settings = DepthVLMSettings.from_config(
        config, {"size": {"longest_edge": 7, "x": 1}, "image_mean": [0.1, 0.2, 0.3]}
    )
    assert (settings.path.focal_px, settings.path.multiple) == (125.0, 16)
    assert (settings.path.min_pixels, settings.path.max_pixels) == (1024, 102400)
    assert settings.path.mean == (0.1, 0.2, 0.3)
    assert settings.head.pixels_per_token == 16
    assert settings.ratio_90 == 1.6
    assert settings.measured == {"delta1": 0.5}


def test_defaults_are_the_published_ones():
    config = {
        "depth_head_type": "dpt",
        "vision_config": {"patch_size": 16, "spatial_merge_size": 2},
    }
    pre = {"size": {"longest_edge": 16777216, "shortest_edge": 65536}}
    settings = DepthVLMSettings.from_config(config, pre)
    assert settings.head.widths == (256, 512, 1024, 1024)
    assert (settings.head.fusion, settings.head.output) == (256, (128, 32))
    assert (settings.path.focal_px, settings.path.multiple) == (1000.0, 32)
    assert (settings.path.min_pixels, settings.path.max_pixels) == (65536, 16777216)
    assert np.isnan(settings.ratio_90)


@pytest.mark.parametrize(
    "key, value",
    [
        ("depth_head_type", "linear"),
        ("depth_head_feature_mode", "last"),
        ("canonical_focal_px", -1.0),
        ("max_pixels", 1),
    ],
)
def test_nonsense_settings_are_refused(key, value):
    with pytest.raises(StatusError) as refusal:
        DepthVLMSettings.from_config(tiny_config() | {key: value})
    assert refusal.value.code == Code.MODEL_ERROR
    assert str(value) in refusal.value.text
