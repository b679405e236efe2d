"""Overfit a random DepthLM to its reply's form, to measure speed and equality honestly.

Random weights never write the trained reply: number-only decoding would refuse them, and decoding
in full would never stop. Some hundred steps on an image or two make a model that answers like a
trained one, with a spread of numbers, in seconds at the tiny size. Not a way to train a model.
"""

import numpy as np
import torch
import torch.nn.functional as F

from depthlm_ros.models.depthlm import preprocess as pre
from depthlm_ros.models.depthlm.model import DepthLM


def overfit_template(
    model: DepthLM, examples: list, steps: int = 160, rate: float = 4e-3, seed: int = 0
):
    """Train the language model (not the vision tower) of ``model``, in place.

    ``examples``: (image, question, replies) each: uint8 (H, W, 3) at the unified focal length,
    the question's words, and replies of which one is drawn a step, evenly.
    """
    network, rng = model.network, np.random.default_rng(seed)
    seen = [_see(model, picture, question) for picture, question, _ in examples]
    trained = [*network.model.model.language_model.parameters(), network.model.lm_head.weight]
    for parameter in trained:
        parameter.requires_grad_(True)
    optimiser = torch.optim.Adam(trained)
    for step in range(steps):
        which = rng.integers(len(examples))
        (layout, features), replies = seen[which], examples[which][2]
        reply = [*network.encode(replies[rng.integers(len(replies))]), _stop(network)]
        reply = torch.tensor(reply, device=network.device)
        for group in optimiser.param_groups:
            group["lr"] = rate * (1 - step / steps)
        optimiser.zero_grad()
        hidden = network.read(layout.ids[None], layout, features, _Said(reply)).hidden
        F.cross_entropy(network.model.lm_head(hidden[0, :-1]).float(), reply).backward()
        optimiser.step()
    for parameter in trained:
        parameter.requires_grad_(False)


def _see(model: DepthLM, picture: np.ndarray, question: str) -> tuple:
    network = model.network
    with torch.no_grad():
        uploaded = pre.upload(picture, network.device)
        patches, grid = pre.patches_of(uploaded, model.path, network.dtype)
        return network.layout(question, (grid,)), network.features(patches, grid)


def _stop(network) -> int:
    return network.tokenizer.eos_token_id


class _Said:
    """A reply in the place of a lead: what the conversation goes on with."""

    def __init__(self, ids: torch.Tensor):
        self.ids = ids
