"""Models of random weights, both methods, any size, no download: speed does not depend on values.

The configs of the published DepthVLM 4B and 8B, of DepthLM 3B, 7B (Qwen2.5-VL) and 12B (Pixtral),
and tiny ones. DepthLM's
tokenizer is trained on the prompts, with digits on their own as in both families.
"""

import torch
from transformers import PreTrainedTokenizerFast

from depthlm_ros.models import device_memory
from depthlm_ros.models.depthlm.families import PixtralFamily, Qwen25Family
from depthlm_ros.models.depthlm.model import DepthLM
from depthlm_ros.models.depthlm.network import DepthLMNetwork
from depthlm_ros.models.depthvlm.network import DepthVLMModule
from depthlm_ros.models.depthvlm.tiny import tiny_config
from depthlm_ros.models.weights.byte_level_bpe import train_byte_level_bpe
from depthlm_ros.models.weights.checkpoint import materialise_buffers
from depthlm_ros.models.weights.derived_sizes import fused_head_numbers
from depthlm_ros.prompting.prompts import Style, prompt
from depthlm_ros.status import Code, StatusError

# As many tokens before and after the image as in Qwen's vocabulary; for speed any plain ones do.
PREFIX_IDS, SUFFIX_IDS = range(32, 32 + 15), range(64, 64 + 31)


def published_config(
    hidden: int,
    intermediate: int,
    vision_layers: int,
    vision_width: int,
    vision_intermediate: int,
    deepstack: tuple,
    tied: bool,
) -> dict:
    """Return the config of a published size: Qwen3-VL with 36 layers and the 34M DPT head."""
    return {
        "model_type": "qwen3_vl",
        "depth_head_type": "dpt",
        "tie_word_embeddings": tied,
        "image_token_id": 151655,
        "video_token_id": 151656,
        "vision_start_token_id": 151652,
        "vision_end_token_id": 151653,
        "text_config": {
            "model_type": "qwen3_vl_text",
            "vocab_size": 151936,
            "hidden_size": hidden,
            "intermediate_size": intermediate,
            "num_hidden_layers": 36,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "max_position_embeddings": 262144,
            "tie_word_embeddings": tied,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 5000000,
                "mrope_interleaved": True,
                "mrope_section": [24, 20, 20],
            },
        },
        "vision_config": {
            "model_type": "qwen3_vl",
            "depth": vision_layers,
            "hidden_size": vision_width,
            "intermediate_size": vision_intermediate,
            "num_heads": 16,
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "num_position_embeddings": 2304,
            "out_hidden_size": hidden,
            "deepstack_visual_indexes": list(deepstack),
        },
    }


CONFIGS = {
    "depthvlm-tiny": tiny_config,
    "depthvlm-4b": lambda: published_config(2560, 9728, 24, 1024, 4096, (5, 11, 17), True),
    "depthvlm-8b": lambda: published_config(4096, 12288, 27, 1152, 4304, (8, 16, 24), False),
}


@torch.no_grad()
def random_module(config: dict, device: torch.device, dtype: torch.dtype) -> DepthVLMModule:
    """Return a network of this architecture with random weights, made on the device.

    Raises StatusError(MODEL_NOT_READY) where the device has no room for them.
    """
    with torch.device("meta"):
        module = DepthVLMModule(config, PREFIX_IDS)
    shapes = {name: parameter.shape for name, parameter in module.named_parameters()}
    numbers = sum(shape.numel() for shape in shapes.values()) + fused_head_numbers(shapes)
    device_memory.reserve_check("random weights", numbers, device, dtype)
    for name, parameter in module.named_parameters():
        value = torch.empty(parameter.shape, device=device, dtype=dtype)
        if parameter.ndim > 1:
            value.normal_(std=parameter[0].numel() ** -0.5)
        else:
            value.fill_(float("norm" in name and name.endswith("weight")))
        owner, _, attribute = name.rpartition(".")
        setattr(module.get_submodule(owner), attribute, torch.nn.Parameter(value))
    module.vlm.tie_weights()
    materialise_buffers(module.vlm, device)
    module.prefix_ids = torch.tensor(PREFIX_IDS, device=device)
    return module


_QWEN_TOKENS = (
    "<|endoftext|> <|im_start|> <|im_end|> <|vision_start|> <|vision_end|> <|image_pad|> "
    "<|video_pad|>"
).split()
_PIXTRAL_TOKENS = "<unk> <s> </s> [INST] [/INST] [IMG] <pad> [IMG_BREAK] [IMG_END]".split()

# Width, layers, heads, key-value heads, MLP width, vocabulary; then the same of the vision tower.
_QWEN_SIZES = {
    "depthlm-tiny-qwen": ((64, 3, 4, 2, 160, 400), (64, 4, 4, 128, (1, 3))),
    "depthlm-3b": ((2048, 36, 16, 2, 11008, 151936), (1280, 32, 16, 3420, (7, 15, 23, 31))),
    "depthlm-7b": ((3584, 28, 28, 4, 18944, 152064), (1280, 32, 16, 3420, (7, 15, 23, 31))),
}
_PIXTRAL_SIZES = {
    "depthlm-tiny-pixtral": ((64, 3, 4, 2, 160, 400), (64, 3, 4, 128)),
    "depthlm-12b": ((5120, 40, 32, 8, 14336, 131072), (1024, 24, 16, 4096)),
}
SIZES = (*_QWEN_SIZES, *_PIXTRAL_SIZES)


def _qwen_config(size: str, ids: dict) -> dict:
    (width, layers, heads, kv_heads, mlp, vocabulary), vision = _QWEN_SIZES[size]
    half = width // heads // 2
    return {
        "model_type": "qwen2_5_vl",
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "intermediate_size": mlp,
        "vocab_size": vocabulary,
        "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1e6,
        "rope_scaling": {
            "type": "default",
            "rope_type": "default",
            "mrope_section": [half // 4, half * 3 // 8, half * 3 // 8],
        },
        "use_sliding_window": False,
        "bos_token_id": ids["<|endoftext|>"],
        "tie_word_embeddings": size == "depthlm-3b",
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "eos_token_id": ids["<|im_end|>"],
        "pad_token_id": ids["<|endoftext|>"],
        "vision_config": {
            "model_type": "qwen2_5_vl",
            "hidden_size": vision[0],
            "depth": vision[1],
            "num_heads": vision[2],
            "intermediate_size": vision[3],
            "fullatt_block_indexes": list(vision[4]),
            "out_hidden_size": width,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "window_size": 112,
        },
    }


def _pixtral_config(size: str, ids: dict) -> dict:
    (width, layers, heads, kv_heads, mlp, vocabulary), vision = _PIXTRAL_SIZES[size]
    return {
        "model_type": "llava",
        "image_token_index": ids["[IMG]"],
        "projector_hidden_act": "gelu",
        "multimodal_projector_bias": True,
        "vision_feature_layer": -1,
        "vision_feature_select_strategy": "full",
        "text_config": {
            "model_type": "mistral",
            "hidden_size": width,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": kv_heads,
            "head_dim": 128 if width > 64 else 16,
            "intermediate_size": mlp,
            "vocab_size": vocabulary,
            "max_position_embeddings": 32768,
            "rms_norm_eps": 1e-5,
            "rope_theta": 1e9,
            "sliding_window": None,
            "eos_token_id": ids["</s>"],
        },
        "vision_config": {
            "model_type": "pixtral",
            "hidden_size": vision[0],
            "num_hidden_layers": vision[1],
            "num_attention_heads": vision[2],
            "intermediate_size": vision[3],
            "hidden_act": "gelu",
            "image_size": 1024,
            "patch_size": 16,
            "rope_theta": 10000.0,
        },
    }


def _tokenizer(special: list, stop: str, pad: str) -> PreTrainedTokenizerFast:
    asked = [prompt(style=style) for style in (Style.PUBLISHED, Style.PLAIN)]
    words = ["system You are a helpful assistant. user assistant"]
    words += [text for one in asked for text in (one.question, one.answer(3.25))]
    pieces = r"\p{N}| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+"
    tokenizer = train_byte_level_bpe(words * 20, special, 400, pieces)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=stop,
        pad_token=pad,
        clean_up_tokenization_spaces=False,
    )


def _of_size(size: str) -> tuple:
    """Return (family, parsed config, special tokens) of a size."""
    is_qwen = size in _QWEN_SIZES
    special = _QWEN_TOKENS if is_qwen else _PIXTRAL_TOKENS
    config = _qwen_config if is_qwen else _pixtral_config
    ids = {token: number for number, token in enumerate(special)}
    return (Qwen25Family if is_qwen else PixtralFamily), config(size, ids), special


def skeleton(size: str):
    """Return the stock model of a size on the meta device: its shapes, without memory."""
    family, config, _ = _of_size(size)
    with torch.device("meta"):
        return family.model_class(family.config_class.from_dict(config))


def random_depthlm(
    size: str, device: torch.device, dtype: torch.dtype, seed: int = 1, **options
) -> DepthLM:
    """Return a DepthLM of seeded random weights: ``size`` is one of ``SIZES``.

    ``options``: ``DepthLM``'s. Raises StatusError(UNSUPPORTED) for an unknown size,
    StatusError(MODEL_NOT_READY) for one that the device has no room for.
    """
    if size not in SIZES:
        raise StatusError(Code.UNSUPPORTED, f"size {size!r}: must be one of {', '.join(SIZES)}")
    family_class, _, special = _of_size(size)
    stop, pad = ("<|im_end|>", "<|endoftext|>") if size in _QWEN_SIZES else ("</s>", "<pad>")
    model = skeleton(size)
    path = family_class.read_path(model.config, {})
    device_memory.reserve_check(
        size, sum(weight.numel() for weight in model.parameters()), device, dtype
    )
    model = model.to(dtype).to_empty(device=device)
    model.tie_weights()
    generator = torch.Generator(device).manual_seed(seed)
    for name, weight in model.named_parameters():
        if weight.dim() == 1:
            weight.data.fill_(1.0 if "norm" in name or name.endswith("ln_q.weight") else 0.0)
        else:
            scale = weight[0].numel() ** -0.5
            weight.data.normal_(0.0, 0.5 if "embed_tokens" in name else scale, generator=generator)
    for module in model.modules():  # rotary tables are computed, not stored
        for name, buffer in list(module.named_buffers(recurse=False)):
            setattr(module, name, torch.empty_like(buffer, device="meta", dtype=torch.float32))
    materialise_buffers(model, device)
    model.eval().requires_grad_(False)
    tokenizer = _tokenizer(special, stop, pad)
    network = DepthLMNetwork(model, tokenizer, family_class(model, tokenizer))
    return DepthLM(network, path, size, **options)
