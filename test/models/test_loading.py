"""The same weights under every config that some version wrote; what cannot be right is refused.

A variant's figures must equal those of the reference checkpoint as it is.
"""

import shutil

import numpy as np
import pytest
import torch
from checkpoint_edits import (
    both,
    config,
    drop,
    inv_freq,
    lone_file,
    nested,
    nested_as_in_5,
    no_preprocessor,
    nothing,
    preprocessor,
    put,
    renamed,
    resaved,
    rope_as_in_4,
    rope_as_in_5,
    shard,
    tensors,
    to_processor,
    without_defaults,
)
from transformers import LlavaConfig, Qwen2_5_VLConfig, Qwen3VLConfig
from transformers.models.pixtral.configuration_pixtral import PixtralVisionConfig
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLVisionConfig
from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLVisionConfig

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models import registry
from depthlm_ros.models.depthlm import preprocess as pre
from depthlm_ros.status import Code, StatusError

QWEN, PIXTRAL, VLM = "depthlm_qwen_tiny", "depthlm_pixtral_tiny", "depthvlm_mlp_tiny"
CAMERA = PinholeCamera(700.0, 700.0, 31.5, 23.5, 64, 48)


def figures_of(folder):
    """Return the depth of a fixed picture, or the next token's logits, and a few words."""
    rgb = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    model = registry.load(str(folder), "cpu")
    is_dense = hasattr(model, "depth")
    figures = model.depth(rgb, model.view_of(CAMERA)) if is_dense else logits_of(model, rgb)
    return figures, model.reply(rgb, CAMERA, "What is this?", 8)


@torch.inference_mode()
def logits_of(model, rgb):
    network = model.network
    picture = pre.upload(model.resampled(rgb, CAMERA), network.device)
    patches, grid = pre.patches_of(picture, model.path, network.dtype)
    layout = network.layout("How far?", (grid,))
    features = network.features(patches, grid)
    hidden = network.read(layout.ids[None], layout, features, None).hidden
    return network.model.lm_head(hidden[0, -1]).numpy()


@pytest.fixture(scope="module")
def expected(reference_checkpoint):
    """Return a function: a reference checkpoint's name to its own figures."""
    found = {}

    def figures(name):
        if name not in found:
            found[name] = figures_of(reference_checkpoint(name))
        return found[name]

    return figures


@pytest.fixture
def copy_of(reference_checkpoint, tmp_path):
    """Return a function: name and edit to a copy that is edited."""

    def edited(name, edit):
        folder = shutil.copytree(reference_checkpoint(name), tmp_path / "copy")
        edit(folder)
        return folder

    return edited


# -- edits ------------------------------------------------------------------------------------


SAME = {
    QWEN: {
        "as it is": nothing,
        "rope of type mrope": put({"type": "mrope", "mrope_section": [2, 3, 3]}, "rope_scaling"),
        "nested, rope_scaling": config(nested),
        "nested, rope_parameters, dtype": config(nested_as_in_5),
        "resaved": resaved(Qwen2_5_VLConfig),
        "vision defaults left out": without_defaults(Qwen2_5_VLVisionConfig),
        "processor_config.json": to_processor,
        "no preprocessor": no_preprocessor,
        "size null": preprocessor(size=None),
        "limits null, size": preprocessor(
            min_pixels=None,
            max_pixels=None,
            size={"shortest_edge": 3136, "longest_edge": 12845056},
        ),
        "everything null": preprocessor(
            min_pixels=None, max_pixels=None, size=None, image_mean=None, image_std=None
        ),
        "own limits null": both(put(None, "max_pixels"), put(None, "canonical_focal_px")),
        "tied, and another head stored": put(True, "tie_word_embeddings"),
        "sharded": shard,
        "sharded, consolidated": both(shard, lone_file("consolidated.safetensors")),
        "adapter beside": lone_file("adapter_model.safetensors"),
        "inv_freq": inv_freq("model."),
    },
    PIXTRAL: {
        "as it is": nothing,
        "resaved": resaved(LlavaConfig),
        "vision defaults left out": without_defaults(PixtralVisionConfig),
        "image_token_id": renamed("image_token_index", "image_token_id"),
        "rope_parameters": config(rope_as_in_5),
        "processor_config.json": to_processor,
        "mean null": preprocessor(image_mean=None, image_std=None, size=None),
        "layers listed": put([-1], "vision_feature_layer"),
        "last layer counted": put(3, "vision_feature_layer"),
        "merge of one": put(1, "spatial_merge_size"),
        "sharded": shard,
        "inv_freq": inv_freq("language_model.model."),
    },
    VLM: {
        "as it is": nothing,
        "resaved": resaved(Qwen3VLConfig),
        "vision defaults left out": without_defaults(Qwen3VLVisionConfig),
        "rope_scaling": config(rope_as_in_4),
        "torch_dtype": renamed("dtype", "torch_dtype"),
        "tied below": drop("tie_word_embeddings"),
        "tied above": drop("text_config", "tie_word_embeddings"),
        "processor_config.json": to_processor,
        "no preprocessor": no_preprocessor,
        "size and mean null": preprocessor(size=None, image_mean=None, image_std=None),
        "own limits null": both(put(None, "min_pixels"), put(None, "canonical_focal_px")),
        "sharded": shard,
        "depth_loss_weight": put(1.0, "depth_loss_weight"),
        "inv_freq": inv_freq("model.language_model."),
    },
}


@pytest.mark.parametrize(
    "name, edit",
    [
        pytest.param(name, edit, id=f"{name}-{label}")
        for name, edits in SAME.items()
        for label, edit in edits.items()
    ],
)
def test_equal_figures(copy_of, expected, name, edit):
    figures, words = figures_of(copy_of(name, edit))
    assert np.isfinite(figures).all() and len(np.unique(figures)) > 300
    np.testing.assert_array_equal(figures, expected(name)[0])
    assert words == expected(name)[1]


def test_limits_are_read_as_the_processor_reads_them(copy_of):
    """64 x 48 px at 700 px become 91 x 69 at 1000; 4096 px allow 64 x 32, in steps of 32."""
    limits = preprocessor(min_pixels=256, max_pixels=4096)
    model = registry.load(str(copy_of(VLM, limits)), "cpu")
    view = model.view_of(CAMERA)
    assert (view.width, view.height) == (64, 32)


# -- refused ----------------------------------------------------------------------------------


def without_head(name):
    return tensors(lambda t: t.pop(name))


def untied(folder):
    put(False, "tie_word_embeddings")(folder)
    put(False, "text_config", "tie_word_embeddings")(folder)


REFUSED = {
    (QWEN, "no head, not tied"): (without_head("lm_head.weight"), "1 missing: lm_head.weight"),
    (PIXTRAL, "no head, nothing said"): (
        without_head("language_model.lm_head.weight"),
        "1 missing: lm_head.weight",
    ),
    (VLM, "no head, not tied"): (untied, "1 missing: vlm.lm_head.weight"),
    (QWEN, "another tokenizer's image"): (
        put(5, "image_token_id"),
        "image_token_id is 5, but <|image_pad|> is 392",
    ),
    (PIXTRAL, "another tokenizer's image"): (
        put(7, "image_token_index"),
        "image_token_id is 7, but [IMG] is 10",
    ),
    (PIXTRAL, "layer"): (
        put(-2, "vision_feature_layer"),
        "vision_feature_layer = -2: only the last (-1) is read",
    ),
    (PIXTRAL, "layers"): (
        put([-1, -2], "vision_feature_layer"),
        "vision_feature_layer = [-1, -2]",
    ),
    (PIXTRAL, "layer left out"): (drop("vision_feature_layer"), "vision_feature_layer = -2"),
    (PIXTRAL, "strategy"): (
        put("default", "vision_feature_select_strategy"),
        "vision_feature_select_strategy = 'default': only 'full' is done",
    ),
    (PIXTRAL, "merging"): (put(2, "spatial_merge_size"), "spatial_merge_size = 2"),
    (PIXTRAL, "merging in the tower"): (
        put(2, "vision_config", "spatial_merge_size"),
        "spatial_merge_size = 2",
    ),
    (QWEN, "width in letters"): (put("64", "hidden_size"), "does not describe"),
    (QWEN, "layers below none"): (put(-1, "num_hidden_layers"), "does not describe"),
    (QWEN, "no heads"): (put(0, "num_attention_heads"), "does not describe"),
    (PIXTRAL, "width in letters"): (put("64", "text_config", "hidden_size"), "does not describe"),
    (PIXTRAL, "layers below none"): (put(-1, "text_config", "num_hidden_layers"), "config.json"),
    (PIXTRAL, "no heads"): (
        both(put(0, "text_config", "num_attention_heads"), drop("text_config", "head_dim")),
        "does not describe",
    ),
    (VLM, "width in letters"): (put("96", "text_config", "hidden_size"), "does not describe"),
    (VLM, "no heads"): (put(0, "vision_config", "num_heads"), "does not describe"),
    (QWEN, "mean of a word"): (preprocessor(image_mean=5), "image_mean = 5: must be three"),
    (QWEN, "focal length of a word"): (put("far", "canonical_focal_px"), "does not describe"),
    (QWEN, "tables that are weights"): (
        tensors(lambda t: t.update({"model.rotary_emb.inv_freq_scale": torch.ones(8)})),
        "1 unexpected: model.rotary_emb.inv_freq_scale",
    ),
    (QWEN, "adapter alone"): (
        both(
            lambda folder: (folder / "model.safetensors").unlink(),
            lambda folder: (folder / "config.json").unlink(),
            lone_file("adapter_model.safetensors"),
        ),
        "merge it into the model",
    ),
}


@pytest.mark.parametrize(
    "name, edit, said",
    [
        pytest.param(name, edit, said, id=f"{name}-{label}")
        for (name, label), (edit, said) in REFUSED.items()
    ],
)
def test_refused_in_one_sentence(copy_of, name, edit, said):
    folder = copy_of(name, edit)
    with pytest.raises(StatusError) as refusal:
        registry.load(str(folder), "cpu")
    assert refusal.value.code == Code.MODEL_ERROR
    assert said in refusal.value.text and str(folder) in refusal.value.text
    assert "\n" not in refusal.value.text and len(refusal.value.text) < 1500


@pytest.mark.parametrize(
    "levels", [("tie_word_embeddings",), ("text_config", "tie_word_embeddings")]
)
def test_tied_where_either_level_says_so(copy_of, expected, levels):
    """A head that equals the embedding may be left out, if the config says that it is tied."""

    def equal_head(state):
        state["lm_head.weight"] = state["model.embed_tokens.weight"].clone()

    folder = copy_of(QWEN, both(config(nested), tensors(equal_head)))
    stored = figures_of(folder)
    assert not np.array_equal(stored[0], expected(QWEN)[0])
    both(put(True, *levels), tensors(lambda t: t.pop("lm_head.weight")))(folder)
    left_out = figures_of(folder)
    np.testing.assert_array_equal(left_out[0], stored[0])
    assert left_out[1] == stored[1]


@pytest.mark.parametrize("word", ["[IMG]", "[IMG_END]"])
def test_a_tokenizer_without_words_for_an_image(copy_of, word):
    """Otherwise the first question would fail in the middle of the model."""

    def rename(folder):
        for file in folder.glob("*token*.json"):
            file.write_text(file.read_text().replace(word, "[SOMETHING]"))

    with pytest.raises(StatusError) as refusal:
        registry.load(str(copy_of(PIXTRAL, rename)), "cpu")
    assert f"tokenizer.json lacks {word}" in refusal.value.text
