"""The compact network: sizes, causality, rays.

And text that is predicted from what precedes it.
"""

import math

import pytest
import torch

from depthlm_ros.models.compact.config import CompactConfig
from depthlm_ros.models.compact.network import CompactModule
from depthlm_ros.status import StatusError


def _images(batch=1, height=64, width=96):
    return torch.randint(
        0,
        256,
        (batch, height, width, 3),
        dtype=torch.uint8,
        generator=torch.Generator().manual_seed(0),
    )


CENTRE = torch.tensor([[47.5, 31.5]])


def test_the_default_network_fits_in_20_megabytes():
    numbers = sum(p.numel() for p in CompactModule(CompactConfig()).parameters())
    assert numbers < 10_000_000 and 2 * numbers < 20_000_000


def test_depth_has_the_size_of_the_image(network):
    log_depth, logits = network(_images(2), CENTRE.expand(2, -1))
    assert log_depth.shape == (2, 64, 96) and logits is None


def test_text_cannot_change_depth(network):
    text = torch.tensor([[5, 6, 7, 8]])
    alone, _ = network(_images(), CENTRE)
    beside, logits = network(_images(), CENTRE, text)
    torch.testing.assert_close(alone, beside, rtol=1e-5, atol=1e-5)
    assert logits.shape == (1, 4, network.config.vocab_size)


def test_a_token_is_predicted_from_what_comes_before_it(network):
    a, b = torch.tensor([[5, 6, 7, 8]]), torch.tensor([[5, 6, 9, 8]])
    _, first = network(_images(), CENTRE, a)
    _, second = network(_images(), CENTRE, b)
    torch.testing.assert_close(first[:, :3], second[:, :3], rtol=1e-5, atol=1e-5)
    assert (first[:, 3] - second[:, 3]).abs().max() > 1e-4


def test_the_last_cell_and_no_text_sets_the_scale(network):
    # The head adds Linear(state of the last cell): a bias moves log depth everywhere alike.
    log_depth, _ = network(_images(), CENTRE)
    with torch.no_grad():
        network.head.scale.bias += math.log(2)
        doubled, _ = network(_images(), CENTRE)
        network.head.scale.bias -= math.log(2)
    torch.testing.assert_close(doubled - log_depth, torch.full_like(log_depth, math.log(2)))


def test_rays_are_those_of_the_cells_middles(network):
    features = network._rays(_images(), torch.tensor([[15.5, 15.5]]))
    f = network.config.canonical_focal_px
    assert features.shape[1] == 2 * 3
    torch.testing.assert_close(features[0, 0, :2], torch.zeros(2))
    torch.testing.assert_close(features[0, 5, :2], torch.tensor([64 / f, 32 / f]))


def test_a_principal_point_elsewhere_is_another_camera(network):
    here, _ = network(_images(), CENTRE)
    there, _ = network(_images(), CENTRE + 20)
    assert (here - there).abs().max() > 1e-4


@pytest.mark.parametrize(
    "wrong, told",
    [
        ({"tower": "resnet50"}, "efficientnet-lite0"),
        ({"text_width": 250}, "multiple"),
        ({"head_widths": (1, 2)}, "four"),
        ({"canonical_focal_px": 0.0}, "positive"),
        ({"text_layers": 0}, "positive"),
    ],
)
def test_sizes_that_cannot_be_built_are_refused(wrong, told):
    with pytest.raises(StatusError, match=told):
        CompactConfig(**wrong)
