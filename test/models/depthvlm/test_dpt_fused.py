"""The folded head against the plain one, and each folding against its two steps."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from depthlm_ros.models.depthvlm import dpt_fused
from depthlm_ros.models.depthvlm.depth_heads import HeadConfig, make_head, resize
from depthlm_ros.models.depthvlm.dpt_fused import (
    ConvBeforeUpsample,
    FusedDeconvolution,
    FusedDPTHead,
)
from depthlm_ros.models.weights.derived_sizes import fused_head_numbers

WIDE = HeadConfig("dpt", (16, 24, 32, 40), 128, (128, 16), 32)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(9)
    with torch.inference_mode():
        yield


def head_and_features(config, grid, batch=1, hidden=24):
    head = make_head(config, hidden).eval().to(memory_format=torch.channels_last)
    for parameter in head.parameters():  # torch's own start has nearly no spread in its output
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    return head, [torch.randn(batch, grid[0] * grid[1], hidden) for _ in range(4)]


@pytest.mark.parametrize(
    "grid, batch", [((3, 5), 1), ((1, 1), 1), ((1, 4), 2), ((4, 1), 1), ((5, 3), 3)]
)
@pytest.mark.parametrize("pixels_per_token", [32, 16, 24])
def test_equals_the_head(grid, batch, pixels_per_token):
    config = HeadConfig("dpt", WIDE.widths, WIDE.fusion, WIDE.output, pixels_per_token)
    head, features = head_and_features(config, grid, batch)
    expected = head(features, grid)
    folded = FusedDPTHead(head)
    assert [output._pays for output in folded._output] == [True, True]
    ours = folded(features, grid)
    assert ours.shape == (batch, grid[0] * pixels_per_token, grid[1] * pixels_per_token)
    assert expected.std() > 0.03
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-6)


def test_equals_the_head_where_taps_do_not_pay():
    config = HeadConfig("dpt", (8, 8, 8, 8), 16, (16, 8), 16)
    head, features = head_and_features(config, (7, 10))
    folded = FusedDPTHead(head)
    assert [output._pays for output in folded._output] == [False, False]
    torch.testing.assert_close(
        folded(features, (7, 10)), head(features, (7, 10)), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("stride", [2, 4, 8])
@pytest.mark.parametrize("rows, columns", [(1, 1), (2, 3), (5, 1)])
def test_deconvolution_and_convolution_are_one(stride, rows, columns):
    deconvolution = nn.ConvTranspose2d(6, 6, stride, stride=stride)
    convolution = nn.Conv2d(6, 5, 3, padding=1, bias=False)
    x = torch.randn(2, 6, rows, columns)
    expected = convolution(deconvolution(x))
    ours = FusedDeconvolution(deconvolution, convolution)(x)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-6)


def test_foldings_are_counted_by_the_shapes_of_the_published_tensors():
    head = make_head(HeadConfig(), 2560)
    shapes = {
        f"depth_head.{name}": tuple(value.shape) for name, value in head.state_dict().items()
    }
    expected = 100 * 256 * (256 + 1) + 36 * 256 * (512 + 1) + 16 * 256 * (1024 + 1)
    assert fused_head_numbers(shapes) == expected
    assert fused_head_numbers({"depth_head.mlp.0.weight": (48, 384)}) == 0


@pytest.mark.parametrize("size", [(6, 8), (12, 16), (13, 19), (8, 9), (6, 9)])
@pytest.mark.parametrize("cache", [1, 4000, 2**19])
def test_taps_first_is_the_convolution_of_the_enlarged(monkeypatch, size, cache):
    monkeypatch.setattr(dpt_fused, "NUMBERS_IN_CACHE", cache)
    convolution = nn.Conv2d(128, 7, 3, padding=1)
    x = torch.randn(2, 128, 6, 8)
    expected = F.conv2d(resize(x, size), convolution.weight, convolution.bias, padding=1)
    torch.testing.assert_close(
        ConvBeforeUpsample(convolution)(x, size), expected, rtol=1e-5, atol=1e-5
    )


def test_shrinking_is_left_to_the_plain_way():
    convolution = nn.Conv2d(128, 4, 3, padding=1)
    x = torch.randn(1, 128, 8, 8)
    torch.testing.assert_close(
        ConvBeforeUpsample(convolution)(x, (4, 4)), convolution(resize(x, (4, 4)))
    )


def test_bfloat16_errs_no_more_than_the_plain_head():
    head, features = head_and_features(WIDE, (4, 6))
    exact = head(features, (4, 6))
    halved = head.to(torch.bfloat16)
    low = [tokens.bfloat16() for tokens in features]
    plain = (halved(low, (4, 6)).float() / exact - 1).abs().mean()
    folded = (FusedDPTHead(halved)(low, (4, 6)).float() / exact - 1).abs().mean()
    assert folded <= 1.5 * plain
