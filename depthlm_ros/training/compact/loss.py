"""The losses of the compact model: depth in the logarithm, its steps, the sky, and text."""

import torch
import torch.nn.functional as F

from depthlm_ros.training import losses

SKY_M = 150.0
"""The sky must be read as farther than this: beyond the range of any robot."""
EPSILON = 1e-6


def masked_silog(
    difference: torch.Tensor, valid: torch.Tensor, focus: torch.Tensor
) -> torch.Tensor:
    """Return ``losses.silog`` of each image, (B,).

    ``difference`` d (B, H, W): log prediction - log truth; ``valid`` bool; ``focus`` (B,) in 0..1:
    1 leaves scale free. 0 where an image has no valid pixel.
    """
    count = valid.sum(dim=(1, 2))
    d = torch.where(valid, difference, 0.0)
    safe = count.clamp_min(1)
    mean, square = d.sum(dim=(1, 2)) / safe, d.square().sum(dim=(1, 2)) / safe
    return torch.where(count > 0, losses.silog(mean, square, focus, EPSILON), 0.0)


def step_loss(difference: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Return the mean absolute error of differences over 1, 2, 4 and 8 pixels, along both axes.

    Free of scale; makes depth steps as sharp as they are (Li and Snavely, 2018).
    """
    d, total = torch.where(valid, difference, 0.0), difference.new_zeros(())
    for stride in (1, 2, 4, 8):
        for axis in (1, 2):
            size = d.shape[axis] - stride
            if size < 1:
                continue
            both = valid.narrow(axis, 0, size) & valid.narrow(axis, stride, size)
            change = d.narrow(axis, stride, size) - d.narrow(axis, 0, size)
            change = change.abs().clamp_max(1.0)
            total = total + (change * both).sum() / both.sum().clamp_min(1)
    return total / 8


def depth_loss(
    log_depth: torch.Tensor,
    truth: torch.Tensor,
    real: torch.Tensor,
    scene_focus: float,
    real_focus: float,
    steps: float,
) -> dict:
    """Return the parts of the depth loss of log z-depth (B, H, W) against z-depth (B, H, W) [m].

    ``truth``: 0 unknown, +Inf sky. ``real`` bool (B,): photographs, whose scale weighs by
    ``real_focus``. ``steps``: weight of ``step_loss``.
    """
    log_depth = log_depth.float()
    valid = torch.isfinite(truth) & (truth > 0)
    difference = log_depth - torch.where(valid, truth, 1.0).log()
    focus = torch.where(real, real_focus, scene_focus)
    silog = masked_silog(difference, valid, focus).mean()
    sky = torch.isinf(truth)
    near_sky = F.relu(torch.log(torch.tensor(SKY_M)) - log_depth)
    sky_loss = (near_sky * sky).sum() / sky.sum().clamp_min(1)
    return {"silog": silog, "steps": steps * step_loss(difference, valid), "sky": 0.1 * sky_loss}


def text_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy of logits (B, n, V) against ids (B, n), -100 left out."""
    if not (labels >= 0).any():
        return logits.sum() * 0
    return F.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), ignore_index=-100)
