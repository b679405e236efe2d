"""The compact model's losses against values worked out by hand."""

import math

import pytest
import torch

from depthlm_ros.training.compact.loss import depth_loss, masked_silog, step_loss, text_loss


def test_silog_of_each_picture_by_hand():
    # d = 0.1, 0.3 : mean 0.2, mean square 0.05. Focus 0.5: 0.05 - 0.02; focus 1: the variance.
    d = torch.tensor([[[0.1, 0.3, 9.0]], [[0.1, 0.3, 9.0]]])
    valid = torch.tensor([[[True, True, False]]] * 2)
    loss = masked_silog(d, valid, torch.tensor([0.5, 1.0]))
    torch.testing.assert_close(loss, torch.tensor([math.sqrt(0.03), 0.1]), atol=1e-5, rtol=0)


def test_a_picture_without_valid_pixels_costs_nothing_and_has_a_gradient_of_zero():
    d = torch.zeros(1, 2, 2, requires_grad=True)
    loss = masked_silog(d, torch.zeros(1, 2, 2, dtype=torch.bool), torch.tensor([0.5]))
    loss.sum().backward()
    assert loss.item() == 0 and torch.equal(d.grad, torch.zeros(1, 2, 2))


def test_steps_are_free_of_scale_and_count_missing_edges():
    valid = torch.ones(1, 1, 16, dtype=torch.bool)
    assert step_loss(torch.full((1, 1, 16), 0.7), valid).item() == 0
    edge = torch.zeros(1, 1, 16)
    edge[..., 8:] = 0.4
    # Of 16 - s pairs at distance s, s cross the edge: 0.4 (1/15 + 2/14 + 4/12 + 8/8), over 8.
    expected = 0.4 * (1 / 15 + 2 / 14 + 4 / 12 + 1) / 8
    assert step_loss(edge, valid).item() == pytest.approx(expected, rel=1e-5)


def test_the_sky_must_be_far_and_unknown_pixels_do_not_count():
    truth = torch.tensor([[[2.0, 2.0, math.inf, 0.0]]])
    near = torch.full((1, 1, 4), 2.0).log().requires_grad_()
    parts = depth_loss(near, truth, torch.tensor([False]), 0.5, 0.85, 0.5)
    assert parts["silog"].item() == pytest.approx(math.sqrt(1e-6))
    assert parts["sky"].item() == pytest.approx(0.1 * math.log(75.0), rel=1e-5)
    parts["sky"].backward()
    assert near.grad[0, 0].tolist() == pytest.approx([0, 0, -0.1, 0])


def test_scale_weighs_less_on_photographs():
    truth = torch.full((1, 2, 2), 2.0)
    wrong = truth.log() + 0.3
    scene = depth_loss(wrong, truth, torch.tensor([False]), 0.5, 0.85, 0.5)["silog"]
    photograph = depth_loss(wrong, truth, torch.tensor([True]), 0.5, 0.85, 0.5)["silog"]
    assert scene.item() == pytest.approx(0.3 * math.sqrt(0.5), rel=1e-3)
    assert photograph.item() == pytest.approx(0.3 * math.sqrt(0.15), rel=1e-3)


def test_text_loss_leaves_questions_out():
    logits = torch.zeros(1, 3, 4)
    logits[0, 1, 2] = math.log(3.0)
    labels = torch.tensor([[-100, 2, -100]])
    assert text_loss(logits, labels).item() == pytest.approx(math.log(2.0))  # 3 of 6
    assert text_loss(logits, torch.full((1, 3), -100)).item() == 0
