"""From a DepthVLM checkpoint to its network on a device."""

import copy

import torch

from depthlm_ros.models.depthvlm.network import PREFIX, SUFFIX, DepthVLMModule
from depthlm_ros.models.weights.checkpoint import Checkpoint, materialise_buffers, says_tied
from depthlm_ros.status import Code, StatusError

SERVED_FEATURES = "tower+language"
"""Where the head's levels come from: three inner ones of the tower, the language model's last."""


def conversation(question: str) -> str:
    """Return a conversation's text up to where the reply begins."""
    return f"{PREFIX}<|image_pad|>{SUFFIX.format(question=question)}"


def load_module(
    checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype, tokenizer
) -> DepthVLMModule:
    """Return the network of a DepthVLM checkpoint with its weights on ``device`` in ``dtype``.

    Raises StatusError(MODEL_ERROR) when config and tensors do not fit together,
    StatusError(UNSUPPORTED) for a head that was trained on other features than the published one.
    """
    source = checkpoint.config.get("depth_feature_source", SERVED_FEATURES)
    if source != SERVED_FEATURES:
        raise StatusError(
            Code.UNSUPPORTED,
            f"{checkpoint.folder}: its head was trained on the features {source!r}: only "
            f"{SERVED_FEATURES!r} is served; train it with that source",
        )
    prefix = tokenizer(PREFIX)["input_ids"]
    with checkpoint.describing(), torch.device("meta"):
        module = DepthVLMModule(copy.deepcopy(checkpoint.config), prefix, checkpoint.preprocessor)
    tied = ("vlm.lm_head.weight",) if says_tied(module.vlm.config) else ()
    checkpoint.load_into(module, device, dtype, DepthVLMModule.name_in_module, tied)
    if tied:
        module.vlm.lm_head.weight = module.vlm.get_input_embeddings().weight
    materialise_buffers(module.vlm, device)
    module.prefix_ids = torch.tensor(prefix, device=device)
    return module
