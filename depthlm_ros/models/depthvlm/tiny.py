"""A DepthVLM small enough for one CPU core: its config and its tokenizer.

The weights come from training. The same classes as the published 4B and 8B models serve it; only
numbers differ.
"""

from transformers import PreTrainedTokenizerFast

from depthlm_ros.models.depthvlm.network import DEPTH_QUESTION, PREFIX, SUFFIX
from depthlm_ros.models.weights.byte_level_bpe import train_byte_level_bpe

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
_ID = {name: number for number, name in enumerate(SPECIAL_TOKENS)}
_HEAD_DIM = 64


def tiny_config(
    vision_width: int = 128,
    vision_layers: int = 6,
    text_width: int = 192,
    text_layers: int = 4,
    patch: int = 8,
    focal_px: float = 125.0,
    head_widths: tuple = (32, 64, 128, 128),
    head_fusion: int = 32,
    head_output: tuple = (16, 16),
    vocabulary: int = 512,
) -> dict:
    """Return a config.json for a DepthVLM of a few million parameters.

    Widths are multiples of 64. Images are about 160 x 112 px at ``focal_px`` (a 640 x 480 image of
    f = 525 px). Every key of ``DepthVLMSettings`` is there but ``ratio_90`` and ``measured``:
    whoever measures them adds them.
    """
    return {
        "architectures": ["Qwen3VLForConditionalGeneration"],
        "model_type": "qwen3_vl",
        "speaks": False,  # it is trained on depth alone
        "dtype": "float32",
        "tie_word_embeddings": True,
        "image_token_id": _ID["<|image_pad|>"],
        "video_token_id": _ID["<|video_pad|>"],
        "vision_start_token_id": _ID["<|vision_start|>"],
        "vision_end_token_id": _ID["<|vision_end|>"],
        "text_config": _text_config(text_width, text_layers, vocabulary),
        "vision_config": _vision_config(vision_width, vision_layers, patch, text_width),
        "depth_head_type": "dpt",
        "depth_head_widths": list(head_widths),
        "depth_head_fusion": head_fusion,
        "depth_head_output": list(head_output),
        "canonical_focal_px": focal_px,
        "min_pixels": 64 * 64,
        "max_pixels": 320 * 320,
    }


def _text_config(width: int, layers: int, vocabulary: int) -> dict:
    heads = width // _HEAD_DIM
    return {
        "model_type": "qwen3_vl_text",
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": 3 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "head_dim": _HEAD_DIM,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": True,
        "attention_bias": False,
        "bos_token_id": _ID["<|endoftext|>"],
        "eos_token_id": _ID["<|im_end|>"],
        "pad_token_id": _ID["<|endoftext|>"],
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000,
            "mrope_interleaved": True,
            "mrope_section": [12, 10, 10],
        },
    }


def _vision_config(width: int, layers: int, patch: int, text_width: int) -> dict:
    return {
        "model_type": "qwen3_vl",
        "depth": layers,
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_heads": width // _HEAD_DIM,
        "patch_size": patch,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "num_position_embeddings": 256,
        "out_hidden_size": text_width,
        # The published depths, 5, 11 and 17 of 24 layers, as shares of the tower.
        "deepstack_visual_indexes": [layers * share // 12 for share in (3, 6, 9)],
    }


def tiny_tokenizer(texts: tuple = (), vocabulary: int = 512) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer on the chat template and ``texts``, deterministically.

    Special tokens have ids 0..6 in the order of ``SPECIAL_TOKENS``; digits stand alone, as in
    Qwen's tokenizers.
    """
    chat = PREFIX + SUFFIX.format(question=DEPTH_QUESTION)
    for special in SPECIAL_TOKENS:
        chat = chat.replace(special, " ")
    tokenizer = train_byte_level_bpe([chat, *texts], SPECIAL_TOKENS, vocabulary)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        clean_up_tokenization_spaces=False,
        padding_side="right",
    )
