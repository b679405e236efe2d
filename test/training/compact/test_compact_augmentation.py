"""Geometry that keeps metric depth true, and the camera's light."""

import math

import numpy as np
import pytest
import torch

from depthlm_ros.training.compact import augmentation
from depthlm_ros.training.compact.augmentation import Warp, draw_warp, warp_views


def _warp(size, matrix, centre, zoom=1.0):
    return Warp(
        size,
        np.array([matrix], float),
        np.array([centre], float),
        np.array([zoom]),
        np.array([False]),
    )


def _pictures(height=6, width=8):
    values = torch.arange(height * width).view(1, height, width)
    rgb = values[..., None].expand(-1, -1, -1, 3).to(torch.uint8)
    return rgb, values.half() + 1, values.to(torch.int16)


def test_a_window_moves_pixels_principal_point_and_labels_together():
    rgb, depth, ids = _pictures()
    warp = _warp((2, 4), np.eye(2), (4.5, 2.5))  # columns 3..6 and rows 2..3 of the source
    x, metres, objects = warp_views(warp, rgb, depth, ids)
    expected = torch.arange(48).view(6, 8)[2:4, 3:7]
    assert torch.equal(objects[0], expected)
    torch.testing.assert_close(metres[0], expected + 1.0)
    torch.testing.assert_close(x[0, 0] * 255, expected.float(), atol=1e-3, rtol=0)
    np.testing.assert_allclose(warp.principal(np.array([[4.0, 3.0]])), [[1.0, 1.0]])


def test_a_zoom_divides_depth_and_moves_the_principal_point():
    rgb, depth, _ = _pictures()
    warp = _warp((4, 8), np.eye(2) / 2, (3.5, 2.5), zoom=2.0)
    _, metres, _ = warp_views(warp, rgb, depth)
    # Source columns 2..5 and rows 2..3, each pixel twice; depth is halved.
    expected = (
        torch.arange(48).view(6, 8)[2:4, 2:6].repeat_interleave(2, 0).repeat_interleave(2, 1)
    )
    torch.testing.assert_close(metres[0], (expected + 1) / 2)
    np.testing.assert_allclose(warp.principal(np.array([[3.5, 2.5]])), [[3.5, 1.5]])
    np.testing.assert_allclose(warp.principal(np.array([[4.5, 2.5]])), [[5.5, 1.5]])


def test_outside_the_source_nothing_is_known():
    rgb, depth, ids = _pictures()
    _, metres, objects = warp_views(_warp((6, 8), np.eye(2), (5.5, 2.5)), rgb, depth, ids)
    assert (metres[0, :, 6:] == 0).all() and (objects[0, :, 6:] == 0).all()
    assert (metres[0, :, :6] > 0).all()


def test_drawn_windows_fill_the_view_and_keep_to_their_ranges():
    rng = np.random.default_rng(0)
    sources = np.array([[352, 288], [120, 90]] * 50)
    warp = draw_warp((96, 128), sources, (0.5, 1.1), 0.0, 2.0, rng)
    fill = np.max(np.array([128, 96]) / sources, axis=1)
    assert (warp.zoom >= fill - 1e-9).all() and (warp.zoom <= max(1.1, fill.max() * 1.1)).all()
    corners = np.array([[-63.5, -47.5], [63.5, 47.5]])
    at = np.einsum("bij,kj->bki", warp.matrix, corners) + warp.centre[:, None]
    assert (at > -0.75).all() and (at < sources[:, None] - 0.25).all()
    assert 0.3 < warp.mirrored.mean() < 0.7


def test_roll_turns_about_the_optical_axis():
    rng = np.random.default_rng(1)
    warp = draw_warp((32, 32), np.full((200, 2), 64), (1.0, 1.0), 0.1, 2.0, rng)
    angle = np.arctan2(warp.matrix[:, 1, 1] * 0 - warp.matrix[:, 0, 1], warp.matrix[:, 1, 1])
    assert 0.08 < angle.std() < 0.12
    determinant = np.linalg.det(warp.matrix) * np.where(warp.mirrored, -1, 1)
    np.testing.assert_allclose(determinant, 1.0)


def test_the_dct_is_orthonormal_and_of_type_two():
    matrix = augmentation._dct_matrix()
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(8), atol=1e-6, rtol=0)
    assert matrix[1, 0].item() == pytest.approx(math.cos(math.pi / 16) / 2, abs=1e-6)


def test_a_camera_keeps_range_and_changes_pictures():
    camera = augmentation.Camera("cpu", torch.Generator().manual_seed(0))
    x = torch.rand(3, 3, 32, 48)
    y = camera(x)
    assert y.shape == x.shape and y.min() >= 0 and y.max() <= 1
    assert (y - x).abs().mean() > 0.01


def test_jpeg_errs_by_no_more_than_half_a_quantisation_step():
    camera = augmentation.Camera("cpu", torch.Generator().manual_seed(0))
    flat = torch.full((1, 3, 16, 16), 0.3)
    # A flat block is one coefficient, 8 (grey - 128); its step is at most 16 * 50 / 30.
    assert (camera._jpeg(flat) - flat).abs().max() * 255 <= 16 * 50 / 30 / 8 / 2 + 1e-3


def test_blur_keeps_the_mean_of_a_flat_picture():
    camera = augmentation.Camera("cpu", torch.Generator().manual_seed(0))
    flat = torch.full((4, 3, 16, 16), 0.3)
    torch.testing.assert_close(camera._soften(flat), flat, atol=1e-5, rtol=0)


def test_a_borrowed_spectrum_of_share_zero_is_the_picture_and_of_one_the_others_mean():
    x, style = torch.rand(2, 3, 32, 32) * 0.5 + 0.25, torch.full((2, 3, 32, 32), 0.6)
    same = augmentation.borrow_spectrum(x, style, torch.zeros(2))
    torch.testing.assert_close(same, x, atol=1e-5, rtol=0)
    other = augmentation.borrow_spectrum(x, style, torch.ones(2))
    torch.testing.assert_close(other.mean(dim=(2, 3)), torch.full((2, 3), 0.6), atol=0.02, rtol=0)
