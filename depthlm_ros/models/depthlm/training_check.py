"""Whether a loaded checkpoint was trained as DepthLM: by what it says to a grey picture.

Nothing in the files of a DepthLM tells it from the plain vision-language model that it was made
from. What it says does: a DepthLM begins every reply in the form it was trained on, even to a
question about something else; a plain one writes as it likes, and measures badly.
"""

import logging

import numpy as np
import torch

from depthlm_ros.models.depthlm import preprocess as pre
from depthlm_ros.prompting.prompts import Style, prompt
from depthlm_ros.sanitize import verbatim

_log = logging.getLogger(__name__)

IN_FREE_WORDS = "What is in this picture?"
SIDE_PX = 112
_SHOWN = 80


def check_training(model) -> tuple[tuple, bool]:
    """Return (remarks, speaks) of a DepthLM; a remark is logged too.

    ``remarks``: what whoever relies on its numbers must know. ``speaks``: whether it answers a
    question in free words otherwise than by a distance.
    """
    form = prompt(style=model.style if model.style is Style.PLAIN else Style.PUBLISHED)
    lead = form.lead.strip()
    length = len(model.network.encode(form.lead)) + 2
    picture = np.full((SIDE_PX, SIDE_PX, 3), 127, np.uint8)
    speaks = not follows(beginning_of_reply(model, picture, IN_FREE_WORDS, length), lead)
    said = beginning_of_reply(model, picture, form.question, length)
    if follows(said, lead):
        return (), speaks
    remark = (
        f"it does not answer in DepthLM's form (it began {verbatim(said, _SHOWN)!r}, not "
        f"{lead!r}): a vision-language model that was not trained to measure, whose distances are "
        "mostly wrong; give a DepthLM checkpoint, or the style it was trained with"
    )
    _log.warning("%s: %s", model.name, remark)
    return (remark,), speaks


@torch.inference_mode()
def beginning_of_reply(model, picture: np.ndarray, question: str, max_tokens: int) -> str:
    """Return how the reply of a DepthLM begins; ``picture``: uint8 (H, W, 3)."""
    network = model.network
    patches, grid = pre.patches_of(pre.upload(picture, network.device), model.path, network.dtype)
    layout = network.layout(question, (grid,))
    conversation = network.read(layout.ids[None], layout, network.features(patches, grid), None)
    return network.write(conversation, [0], max_tokens)[0]


def follows(reply: str, lead: str) -> bool:
    """Tell whether a reply begins with the words before a trained reply's number."""
    return " ".join(reply.split()).startswith(" ".join(lead.split()))
