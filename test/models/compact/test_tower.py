"""The tower against plain batch normalisation and TensorFlow's padding, and the ImageNet names."""

import pytest
import torch
import torch.nn.functional as F

from depthlm_ros.models.compact.tower import ConvScale, Tower

LITE0_CHANNELS, LITE2_CHANNELS = [16, 24, 40, 112, 320], [16, 24, 48, 120, 352]


@pytest.mark.parametrize(
    "name, channels, blocks",
    [("efficientnet-lite0", LITE0_CHANNELS, 16), ("efficientnet-lite2", LITE2_CHANNELS, 21)],
)
def test_the_pyramid_has_the_published_channels_and_depth(name, channels, blocks):
    tower = Tower(name)
    pyramid = tower(torch.zeros(1, 3, 64, 96))
    assert [p.shape[1] for p in pyramid] == channels == tower.channels
    assert [tuple(p.shape[2:]) for p in pyramid] == [(32, 48), (16, 24), (8, 12), (4, 6), (2, 3)]
    assert sum(len(stage) for stage in tower.stages) == blocks


def test_lite0_has_as_many_weights_as_published_without_its_classifier():
    # 4,652,008 in all; the classifier has 1280 * 1000 + 1000, the layer before it 320 * 1280 and
    # a batch normalisation of 1280, which with its scale folded has a bias here.
    tower = Tower("efficientnet-lite0")
    scales = sum(buffer.numel() for buffer in tower.buffers())
    own = sum(p.numel() for p in tower.parameters()) + scales
    assert own == 4_652_008 - 1_281_000 - 409_600 - 2 * 1280


@pytest.mark.parametrize("kernel, before, after", [(3, 0, 1), (5, 1, 2)])
def test_strided_layers_pad_as_tensorflow_does(kernel, before, after):
    # SAME for an even size and stride 2: kernel - 2 in all, the smaller half in front.
    layer = ConvScale(1, 1, kernel, 2, relu=False)
    with torch.no_grad():
        layer.weight.copy_(torch.arange(float(kernel * kernel)).view(1, 1, kernel, kernel))
    x = torch.randn(1, 1, 8, 8)
    padded = F.pad(x, (before, after, before, after))
    expected = F.conv2d(padded, layer.weight, stride=2)
    torch.testing.assert_close(layer(x), expected)
    assert layer(x).shape[-2:] == (4, 4)


def _state(tower):
    """Return random pretrained weights under the names of the PyPI packages."""
    torch.manual_seed(1)
    state = {}

    def add(convolution, norm, layer):
        n = len(layer.bias)
        state[f"{convolution}.weight"] = torch.randn_like(layer.weight) * 0.2
        state[f"{norm}.weight"], state[f"{norm}.bias"] = torch.rand(n) + 0.5, torch.randn(n)
        state[f"{norm}.running_mean"] = torch.randn(n)
        state[f"{norm}.running_var"] = torch.rand(n) + 0.5

    add("_conv_stem", "_bn0", tower.stem)
    blocks = [block for stage in tower.stages for block in stage]
    for k, block in enumerate(blocks):
        if block.expand is not None:
            add(f"_blocks.{k}._expand_conv", f"_blocks.{k}._bn0", block.expand)
        add(f"_blocks.{k}._depthwise_conv", f"_blocks.{k}._bn1", block.depthwise)
        add(f"_blocks.{k}._project_conv", f"_blocks.{k}._bn2", block.project)
    return state


def _norm(x, state, name):
    return F.batch_norm(
        x,
        *(state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")),
        eps=1e-3,
    )


def test_pretrained_weights_give_what_batch_normalisation_gives():
    tower = Tower("efficientnet-lite0").eval()
    state = _state(tower)
    tower.load_imagenet(state)
    x = torch.randn(2, 3, 32, 32)
    stem = F.conv2d(F.pad(x, (0, 1, 0, 1)), state["_conv_stem.weight"], stride=2)
    y = F.relu6(_norm(stem, state, "_bn0"))
    z = F.conv2d(y, state["_blocks.0._depthwise_conv.weight"], padding=1, groups=32)
    z = F.relu6(_norm(z, state, "_blocks.0._bn1"))
    z = _norm(F.conv2d(z, state["_blocks.0._project_conv.weight"]), state, "_blocks.0._bn2")
    torch.testing.assert_close(tower(x)[0], z, rtol=1e-4, atol=1e-4)


def test_folding_changes_nothing_but_the_scales():
    tower = Tower("efficientnet-lite0").eval()
    tower.load_imagenet(_state(tower))
    x = torch.randn(1, 3, 32, 32)
    before = tower(x)
    tower.fold()
    assert not list(tower.buffers())
    for a, b in zip(before, tower(x), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3 * float(a.detach().abs().max()))


def test_missing_pretrained_weights_are_an_error():
    tower = Tower("efficientnet-lite0")
    state = _state(tower)
    del state["_blocks.3._bn1.bias"]
    with pytest.raises(KeyError, match="_blocks.3._bn1.bias"):
        tower.load_imagenet(state)
