"""From a DepthLM checkpoint to its network: what its files say, checked, then its weights.

Everything that a config.json may leave out or say in another version's words is read from the
config object that transformers builds of it. What this package's own passes do not do as the
config wants is refused here, before anything is loaded.
"""

import copy

import torch

from depthlm_ros.models.depthlm.families import PixtralFamily, Qwen25Family
from depthlm_ros.models.depthlm.network import DepthLMNetwork
from depthlm_ros.models.depthlm.preprocess import DepthLMPreprocessConfig
from depthlm_ros.models.weights.chat_template import check_template
from depthlm_ros.models.weights.checkpoint import (
    DEPTHLM_PIXTRAL,
    DEPTHLM_QWEN,
    Checkpoint,
    materialise_buffers,
    says_tied,
)
from depthlm_ros.status import Code, StatusError

_FAMILIES = {DEPTHLM_QWEN: Qwen25Family, DEPTHLM_PIXTRAL: PixtralFamily}
_HEAD = "lm_head.weight"


def load_network(
    checkpoint: Checkpoint,
    device: torch.device,
    dtype: torch.dtype,
    longest_edge: int | None = None,
    chat_template: str = "check",
) -> tuple[DepthLMNetwork, DepthLMPreprocessConfig]:
    """Build the stock model without memory, then load the weights straight onto ``device``.

    Raises StatusError(MODEL_ERROR) when config, tokenizer and tensors do not fit together, or want
    something that is not done here.
    """
    family, tokenizer = _FAMILIES[checkpoint.format], checkpoint.tokenizer()
    with checkpoint.describing(), torch.device("meta"):
        config = family.config_class.from_dict(copy.deepcopy(checkpoint.config))
        model = family.model_class(config)
        path = family.read_path(config, checkpoint.preprocessor, longest_edge)
    _check_tokens(checkpoint, family, config, tokenizer)
    check_template(chat_template, tokenizer, checkpoint.folder, family.chat, family.system)
    if family is PixtralFamily:
        _check_features(checkpoint, config)
    _fill(model, checkpoint, family, device, dtype)
    with checkpoint.describing():
        return DepthLMNetwork(model, tokenizer, family(model, tokenizer)), path


def _fill(model, checkpoint: Checkpoint, family, device, dtype) -> None:
    """Load the weights; the vocabulary's head is the embedding where the config says so."""
    stored = {family.name_in_module(name) for name in checkpoint.shapes}
    tied = (_HEAD,) if _HEAD not in stored and says_tied(model.config) else ()
    checkpoint.load_into(model, device, dtype, family.name_in_module, tied)
    if tied:
        model.lm_head.weight = model.get_input_embeddings().weight
    materialise_buffers(model, device)
    model.eval().requires_grad_(False)


def _check_tokens(checkpoint: Checkpoint, family, config, tokenizer) -> None:
    """Refuse a tokenizer that has no words for an image, or another number for it."""
    known = tokenizer.get_vocab()
    missing = [word for word in family.image_words if word not in known]
    if missing:
        raise StatusError(
            Code.MODEL_ERROR,
            f"{checkpoint.folder / 'tokenizer.json'} lacks {', '.join(missing)}, which stand for "
            f"an image in a {checkpoint.format}; fetch the checkpoint again",
        )
    word, declared = family.image_words[0], config.image_token_id
    if known[word] != declared:
        raise StatusError(
            Code.MODEL_ERROR,
            f"{checkpoint.folder / 'config.json'}: image_token_id is {declared}, but {word} is "
            f"{known[word]} in tokenizer.json; take both from the same checkpoint",
        )


def _check_features(checkpoint: Checkpoint, config) -> None:
    """Refuse image features that other Llava models use and this package's pass does not make."""
    layer, last = config.vision_feature_layer, config.vision_config.num_hidden_layers
    strategy = config.vision_feature_select_strategy
    merges = [getattr(c, "spatial_merge_size", None) for c in (config, config.vision_config)]
    wrong = {
        f"vision_feature_layer = {layer}: only the last (-1) is read": (
            layer if isinstance(layer, list) else [layer]
        )
        not in ([-1], [last]),
        f"vision_feature_select_strategy = {strategy!r}: only 'full' "
        "is done, since a Pixtral has no class token to drop": strategy != "full",
        f"spatial_merge_size = {max(m or 1 for m in merges)}: patches are not merged": any(
            merge not in (None, 1) for merge in merges
        ),
    }
    declared = [text for text, is_wrong in wrong.items() if is_wrong]
    if declared:
        raise StatusError(
            Code.MODEL_ERROR,
            f"{checkpoint.folder / 'config.json'}: {'; '.join(declared)}. DepthLM's own config "
            "says -1, 'full' and nothing of merging: fetch it again, or this is another model",
        )
