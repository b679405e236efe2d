"""Losses of the dense training. Torch tensors in, scalars out."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

PUBLISHED_EPSILON = 1e-8


def silog(
    mean: torch.Tensor, square: torch.Tensor, focus: torch.Tensor | float, epsilon: float
) -> torch.Tensor:
    """Return the scale-invariant logarithmic loss: sqrt(mean(d^2) - lambda mean(d)^2 + epsilon).

    ``mean``, ``square``: of d and of d^2, where d = log predicted - log true over valid pixels,
    any shape. ``focus`` is lambda: 0 is the plain log error, 1 ignores a common scale (Eigen et
    al. 2014; DepthVLM trains with 0.5). ``epsilon`` keeps the gradient finite at no error.
    """
    # A variance is never negative in exact arithmetic; rounding may make it so.
    return ((square - focus * mean.square()).clamp_min(0.0) + epsilon).sqrt()


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
    return silog(d.mean(), d.square().mean(), variance_focus, PUBLISHED_EPSILON)
