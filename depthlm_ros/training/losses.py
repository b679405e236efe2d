"""Losses of the dense training. Torch tensors in, scalars out."""

import torch


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
