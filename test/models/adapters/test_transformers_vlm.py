"""An image-text model of transformers by the protocol for untrained models: a tiny LLaVA."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models.adapters.transformers_vlm import TransformersVLM, scaled_to_edge
from depthlm_ros.models.base import LanguageModel, PointDepthModel
from depthlm_ros.status import Code, StatusError

REFERENCE = Path(__file__).parents[2] / "data" / "reference" / "depthlm_pixtral_tiny"
CAMERA = PinholeCamera(60.0, 60.0, 39.5, 29.5, 80, 60)
TEMPLATE = (
    "{% for m in messages %}[INST]{% for c in m['content'] %}{% if c['type'] == 'image' %}[IMG]"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}[/INST]{% endfor %}"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Write a LLaVA of seeded random weights with its processor."""
    torch.manual_seed(4)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(REFERENCE)
    vision = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=28,
        patch_size=14,
    )
    text = LlamaConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        vocab_size=len(tokenizer),
        eos_token_id=tokenizer.eos_token_id,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids("[IMG]"),
    )
    out = tmp_path_factory.mktemp("llava")
    LlavaForConditionalGeneration(config).save_pretrained(out)
    images = CLIPImageProcessorPil(
        size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}
    )
    LlavaProcessor(
        images,
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        chat_template=TEMPLATE,
        image_token="[IMG]",
        num_additional_image_tokens=1,
    ).save_pretrained(out)
    return out


@pytest.fixture
def model(folder):
    return TransformersVLM.from_folder(
        folder, "llava", torch.device("cpu"), torch.float32, max_tokens=6
    )


def picture():
    return np.random.default_rng(1).integers(0, 256, (60, 80, 3), np.uint8)


def test_it_is_asked_by_a_red_arrow_of_20_px_for_the_depth(model, monkeypatch):
    shown = []

    def generate(rgb, question, max_tokens):
        shown.append((rgb, question))
        return "<think> looks far </think> <answer> 3.0 </answer>"

    monkeypatch.setattr(model, "_generate", generate)
    (reading,) = model.distances(picture(), CAMERA, [(69.5, 29.5)])
    # z = 3 m at ray x = 0.5: 3 sqrt(1.25) m away.
    assert reading.distance_m == pytest.approx(3 * np.sqrt(1.25))
    rgb, question = shown[0]
    assert "along the principal axis" in question
    red = np.argwhere((rgb == (255, 0, 0)).all(axis=-1))
    assert red[:, 1].min() == 69 - 20 and red[:, 1].max() == 68 and abs(red[:, 0] - 29).max() <= 9
    asks_distance = TransformersVLM(model.model, model.processor, "m", asks_for="distance")
    monkeypatch.setattr(asks_distance, "_generate", generate)
    assert asks_distance.distances(picture(), CAMERA, [(69.5, 29.5)])[0].distance_m == 3.0


def test_real_generation_of_random_weights_is_no_number_or_one(model):
    assert isinstance(model, PointDepthModel) and isinstance(model, LanguageModel)
    readings = model.distances(picture(), CAMERA, [(40, 30), (2, 2)])
    assert len(readings) == 2
    for reading in readings:
        assert np.isnan(reading.distance_m) == bool(reading.reason)
    text = model.reply(picture(), CAMERA, "What is this?", max_tokens=4)
    assert isinstance(text, str) and text == model.reply(picture(), CAMERA, "What is this?", 4)


def test_the_longest_edge_is_at_most_1024_px():
    assert scaled_to_edge(np.zeros((600, 2048, 3), np.uint8)).shape == (300, 1024, 3)
    small = np.zeros((600, 1000, 3), np.uint8)
    assert scaled_to_edge(small) is small


def test_a_folder_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(StatusError, match="cannot be read") as caught:
        TransformersVLM.from_folder(tmp_path, "m", torch.device("cpu"), torch.float32)
    assert caught.value.code == Code.MODEL_ERROR
