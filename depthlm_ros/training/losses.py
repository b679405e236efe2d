"""Losses of the dense training. Torch tensors in, scalars out."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

PUBLISHED_EPSILON = 1e-8


def silog(
    predicted_m: torch.Tensor,
    true_m: torch.Tensor,
    valid: torch.Tensor,
    variance_focus: float = 0.5,
    epsilon_m: float = 1e-3,
) -> torch.Tensor:
    """Return the scale-invariant logarithmic loss: sqrt(mean(d^2) - lambda mean(d)^2).

    ``d`` = log predicted - log true over ``valid`` pixels; depths in metres, any equal shapes.
    ``variance_focus`` is lambda: 0 is the plain log error, 1 ignores a common scale (Eigen et al.
    2014; DepthVLM trains with 0.5). ``epsilon_m`` keeps the logarithm of a collapsed prediction
    finite. Zero where nothing is valid.
    """
    if not valid.any():
        return predicted_m.sum() * 0.0
    d = predicted_m[valid].float().clamp_min(epsilon_m).log() - true_m[valid].float().log()
    # The variance form is never negative in exact arithmetic; rounding may make it so.
    return (d.square().mean() - variance_focus * d.mean().square()).clamp_min(1e-12).sqrt()


def silog_per_image(
    predicted_m: Sequence[torch.Tensor],
    true_m: Sequence[torch.Tensor],
    variance_focus: float = 0.5,
) -> torch.Tensor:
    """Return DepthVLM's loss: one SILog an image on the truth's own grid, then their mean.

    ``predicted_m``, ``true_m``: (h, w) and (H, W) [m] an image, of any sizes; a prediction is
    resized to its truth (bilinear, corners aligned), never the truth. Pixels count where truth
    and prediction are positive; an image without any has no part. Unlike one SILog over all
    pixels of a batch, an image with few valid pixels weighs as much as one with many. Zero where
    no image has any.
    """
    losses = [
        _silog_of_image(predicted, true, variance_focus)
        for predicted, true in zip(predicted_m, true_m, strict=True)
    ]
    known = [loss for loss in losses if loss is not None]
    if not known:
        return sum(predicted.sum() * 0.0 for predicted in predicted_m)
    return torch.stack(known).mean()


def _silog_of_image(
    predicted: torch.Tensor, true: torch.Tensor, variance_focus: float
) -> torch.Tensor | None:
    if predicted.shape != true.shape:
        predicted = F.interpolate(
            predicted[None, None], size=true.shape, mode="bilinear", align_corners=True
        )[0, 0]
    valid = (true > 0) & (predicted > 0)
    if not valid.any():
        return None
    d = predicted[valid].float().log() - true[valid].float().log()
    square = d.square().mean() - variance_focus * d.mean().square()
    return (square.clamp_min(0.0) + PUBLISHED_EPSILON).sqrt()
