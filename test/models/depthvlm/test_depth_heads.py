"""The DPT head against the published order of operations, written out with plain functions."""

import pytest
import torch
import torch.nn.functional as F

from depthlm_ros.models.depthvlm.depth_heads import HeadConfig, make_head

SMALL = HeadConfig("dpt", (8, 12, 16, 20), 16, (8, 4), 32)
GRID, HIDDEN = (3, 5), 24


def literal_dpt(state, features, grid, inplace, pixels_per_token):
    """Compute in the published order: resample before out_conv; first ReLU in place, or not."""

    def conv(x, name, padding=1):
        return F.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), padding=padding)

    def unit(x, name):
        rectified = F.relu(x, inplace=True) if inplace else F.relu(x)
        return conv(F.relu(conv(rectified, f"{name}.conv1")), f"{name}.conv2") + x

    def up(x, size):
        return F.interpolate(x, size=size, mode="bilinear", align_corners=True)

    maps = []
    for level, (tokens, scale) in enumerate(zip(features, (8, 4, 2, 1), strict=True)):
        x = F.layer_norm(tokens, (HIDDEN,), state["norm.weight"], state["norm.bias"], 1e-5)
        x = x.permute(0, 2, 1).reshape(1, HIDDEN, *grid)
        x = conv(x, f"projects.{level}", 0)
        if scale > 1:
            x = F.conv_transpose2d(
                x,
                state[f"resize_layers.{level}.weight"],
                state[f"resize_layers.{level}.bias"],
                stride=scale,
            )
        maps.append(conv(x, f"scratch.layer{level + 1}_rn"))
    x = None
    for level in (4, 3, 2, 1):
        name, skip = f"scratch.refinenet{level}", maps[level - 1]
        x = skip if x is None else x + unit(skip.clone(), f"{name}.resConfUnit1")
        x = unit(x.clone(), f"{name}.resConfUnit2")
        size = maps[level - 2].shape[-2:] if level > 1 else [2 * side for side in x.shape[-2:]]
        x = conv(up(x, size), f"{name}.out_conv", 0)
    x = up(conv(x, "scratch.output_conv1"), [side * pixels_per_token for side in grid])
    x = F.relu(conv(x, "scratch.output_conv2.0"))
    return F.softplus(conv(x, "scratch.output_conv2.2", 0))[:, 0]


@pytest.fixture(scope="module")
def head():
    torch.manual_seed(4)
    return make_head(SMALL, HIDDEN).eval()


@pytest.fixture(scope="module")
def features():
    generator = torch.Generator().manual_seed(5)
    return [torch.randn(1, 15, HIDDEN, generator=generator) for _ in range(4)]


def test_equals_the_published_order(head, features):
    with torch.no_grad():
        ours = head(features, GRID)
        expected = literal_dpt(head.state_dict(), features, GRID, True, 32)
    assert ours.shape == (1, 96, 160)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-6)


def test_the_in_place_relu_matters(head, features):
    with torch.no_grad():
        naive = literal_dpt(head.state_dict(), features, GRID, False, 32)
        assert (head(features, GRID) - naive).abs().max() > 1e-3


def test_other_pixels_per_token(features):
    torch.manual_seed(6)
    head = make_head(HeadConfig("dpt", (8, 8, 8, 8), 8, (8, 8), 16), HIDDEN).eval()
    with torch.no_grad():
        ours = head(features, GRID)
        expected = literal_dpt(head.state_dict(), features, GRID, True, 16)
    assert ours.shape == (1, 48, 80)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-6)


def test_published_size_of_the_head():
    with torch.device("meta"):
        head = make_head(HeadConfig(), 2560)
    assert 33e6 < sum(p.numel() for p in head.parameters()) < 38e6
    assert len(head.state_dict()) == 62


def test_mlp_places_each_token_in_its_square():
    config = HeadConfig("mlp", pixels_per_token=2, mlp_hidden=8, feature_mode="llm_last")
    head = make_head(config, 4).eval()
    with torch.no_grad():
        for layer in (head.mlp[0], head.mlp[2]):
            layer.weight.zero_()
        head.mlp[2].bias.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
        depth = head([torch.zeros(1, 6, 4)] * 4, (2, 3))
    square = F.softplus(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    torch.testing.assert_close(depth[0], square.repeat(2, 3))


@pytest.mark.parametrize("mode, width", [("llm_last", 4), ("sum", 4), ("concat", 16)])
def test_mlp_feature_modes(mode, width):
    torch.manual_seed(7)
    head = make_head(HeadConfig("mlp", pixels_per_token=1, mlp_hidden=8, feature_mode=mode), 4)
    features = [torch.randn(1, 1, 4) for _ in range(4)]
    combined = {
        "llm_last": features[3],
        "sum": torch.stack(features).sum(0),
        "concat": torch.cat(features, -1),
    }[mode]
    assert head.norm.weight.shape == (width,)
    torch.testing.assert_close(
        head(features, (1, 1))[0], F.softplus(head.mlp(head.norm(combined)))[0]
    )


def test_the_original_pyramid_halves_its_last_level():
    """On a grid of 4 x 6 tokens its levels have 16 x 24, 8 x 12, 4 x 6 and 2 x 3 cells."""
    config = HeadConfig("dpt_original", (4, 4, 4, 4), 4, (4, 4), 8)
    head, seen = make_head(config, 8), []
    for level in range(4):
        reduce = getattr(head.scratch, f"layer{level + 1}_rn")
        reduce.register_forward_hook(lambda *hooked: seen.append(tuple(hooked[2].shape[-2:])))
    depth = head([torch.randn(1, 24, 8)] * 4, (4, 6))
    assert seen == [(16, 24), (8, 12), (4, 6), (2, 3)]
    assert depth.shape == (1, 32, 48) and (depth > 0).all()
