"""Optimisers and learning-rate schedule of the dense trainer."""

import math

import torch


def schedule(step: int, steps: int, warmup: float) -> float:
    """Return the share of the peak rate at ``step``: linear warm-up, then a cosine to 0."""
    begin = warmup * steps
    if step < begin:
        return (step + 1) / begin
    return 0.5 * (1 + math.cos(math.pi * (step - begin) / max(1.0, steps - begin)))


def make_optimizers(trained: dict, config) -> list:
    """Return AdamW for all, or Muon for the matrices of layers and AdamW for the rest.

    Matrices decay; norms and biases do not.
    """
    layered = config.optimizer == "muon"
    muon = [
        p
        for name, p in trained.items()
        if layered and p.ndim == 2 and (".blocks." in name or ".layers." in name)
    ]
    taken = {id(p) for p in muon}
    rest = [p for p in trained.values() if id(p) not in taken]
    groups = [
        {"params": [p for p in rest if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizers = [torch.optim.AdamW(groups, lr=config.lr, betas=(0.9, 0.98))]
    if muon:  # updates as large as AdamW's, so that one learning rate serves both
        optimizers.append(
            torch.optim.Muon(
                muon,
                lr=config.lr,
                weight_decay=config.weight_decay,
                adjust_lr_fn="match_rms_adamw",
            )
        )
    return optimizers


def moments_of(optimizers: list, parameter: torch.Tensor) -> dict:
    """Return the state that belongs to a parameter, to be read or filled."""
    for optimizer in optimizers:
        if any(parameter is p for group in optimizer.param_groups for p in group["params"]):
            return optimizer.state[parameter]
    raise KeyError("no optimiser trains this parameter")
