"""Losses and label masks: by hand, and by decoding what is left to learn."""

import math

import numpy as np
import pytest
import torch

from depthlm_ros.datasets.depthlm_sampling import TextSample
from depthlm_ros.models.depthlm.preprocess import DepthLMPreprocessConfig
from depthlm_ros.models.depthvlm.tiny import tiny_tokenizer
from depthlm_ros.models.runtime.image_patches import ImagePreprocessConfig
from depthlm_ros.prompting.prompts import prompt
from depthlm_ros.tasks import Task
from depthlm_ros.training.collators import (
    FIXED_REPLY,
    DenseSample,
    DepthLMCollator,
    DepthVLMCollator,
)
from depthlm_ros.training.losses import silog, silog_per_image
from depthlm_ros.training.text_labels import padded

PATH = ImagePreprocessConfig(patch=14, min_pixels=28 * 28)


def test_silog_of_images_and_of_all_their_pixels_differ():
    """Image A: one valid pixel, d = 0.2: sqrt(0.04 - 0.02) = 0.1414.

    Image B: four of d = 0.4, 0, 0.4, 0: mean 0.2, mean square 0.08: sqrt(0.08 - 0.02) = 0.2449.
    Per image: 0.1932. Pooled over the five: mean 0.2, mean square 0.072: sqrt(0.052) = 0.2280.
    """
    a, b = torch.zeros(2, 2), torch.full((2, 2), 3.0)
    a[0, 0] = 5.0
    read_a = torch.full((2, 2), 5.0 * math.exp(0.2))
    read_b = 3.0 * torch.tensor([[0.4, 0.0], [0.4, 0.0]]).exp()
    by_image = silog_per_image([read_a, read_b], [a, b])
    assert by_image.item() == pytest.approx((math.sqrt(0.02) + math.sqrt(0.06)) / 2, abs=1e-6)
    pooled = torch.tensor([0.2, 0.4, 0.0, 0.4, 0.0])
    loss = silog(pooled.mean(), pooled.square().mean(), 0.5, 0.0)
    assert loss.item() == pytest.approx(math.sqrt(0.052), abs=1e-6)


def test_the_prediction_is_brought_to_the_truths_grid():
    """Corners aligned: 1, 3 over three columns is 1, 2, 3."""
    loss = silog_per_image([torch.tensor([[1.0, 3.0]])], [torch.tensor([[1.0, 2.0, 3.0]])])
    assert loss.item() == pytest.approx(1e-4)  # sqrt(1e-8): all d are 0
    one_off = silog_per_image([torch.tensor([[1.0, 3.0]])], [torch.tensor([[0.0, 1.0, 0.0]])])
    assert one_off.item() == pytest.approx(math.log(2) / math.sqrt(2), rel=1e-5)


def test_an_image_without_valid_pixels_has_no_part():
    truth = [torch.ones(2, 2), torch.zeros(2, 2)]
    read = [torch.full((2, 2), 2.0, requires_grad=True), torch.ones(2, 2)]
    loss = silog_per_image(read, truth)
    assert loss.item() == pytest.approx(math.log(2) / math.sqrt(2), rel=1e-5)
    nothing = silog_per_image([read[0]], [torch.zeros(2, 2)])
    nothing.backward()
    assert nothing.item() == 0.0 and torch.equal(read[0].grad, torch.zeros(2, 2))


def text_sample(width=56, height=28):
    asked = prompt()
    rgb = np.zeros((height, width, 3), np.uint8)
    return TextSample(rgb, asked, asked.answer(3.47), (10, 10), 3.47)


def learned(tokenizer, batch, row=0):
    return tokenizer.decode(batch["labels"][row][batch["labels"][row] != -100])


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer((prompt().question, prompt().answer(3.47)))


def test_the_reply_alone_is_learned(tokenizer):
    batch = DepthLMCollator(tokenizer, DepthLMPreprocessConfig(PATH))([text_sample()])
    assert learned(tokenizer, batch) == (
        "<think> The point is around 3.47 meters away from the camera. </think>\n\n"
        "<answer> 3.47 </answer><|im_end|>"
    )
    (image,) = tokenizer.convert_tokens_to_ids(["<|image_pad|>"])
    assert (batch["input_ids"] == image).sum() == 2  # 56 x 28 px: two tokens of 28 x 28
    assert batch["image_grid_thw"].tolist() == [[1, 2, 4]]
    assert batch["pixel_values"].shape == (8, 3 * 2 * 14 * 14)
    assert torch.equal(batch["mm_token_type_ids"] == 1, batch["input_ids"] == image)


def test_two_images_come_before_their_question(tokenizer):
    """56 x 28 and 28 x 28 px: two tokens and one, in the order of the images."""
    asked = prompt(Task.CAMERA_MOTION)
    images = [np.full((28, width, 3), grey, np.uint8) for width, grey in ((56, 0), (28, 255))]
    sample = TextSample(images[0], asked, asked.answer(1.0), (), 1.0, images[1])
    batch = DepthLMCollator(tokenizer, DepthLMPreprocessConfig(PATH))([sample, text_sample()])
    assert batch["image_grid_thw"].tolist() == [[1, 2, 4], [1, 2, 2], [1, 2, 4]]
    (image,) = tokenizer.convert_tokens_to_ids(["<|image_pad|>"])
    assert (batch["input_ids"] == image).sum(1).tolist() == [3, 2]
    row = tokenizer.decode(batch["input_ids"][0])
    pad = "<|image_pad|>"
    assert f"<|vision_start|>{pad}{pad}<|vision_end|><|vision_start|>{pad}<|vision_end|>" in row
    black, white = batch["pixel_values"][:8], batch["pixel_values"][8:12]
    assert black.max() < 0 < white.min()


def test_as_published_everything_but_image_and_padding_is_learned(tokenizer):
    collator = DepthLMCollator(tokenizer, DepthLMPreprocessConfig(PATH), mask="published")
    batch = collator([text_sample(), text_sample(112, 56)])
    question = prompt().question
    expected = (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
        f"<|vision_start|><|vision_end|>{question}<|im_end|>\n<|im_start|>assistant\n"
        f"{prompt().answer(3.47)}<|im_end|>\n<|im_start|>assistant\n"
    )
    assert learned(tokenizer, batch, 0) == learned(tokenizer, batch, 1) == expected
    short, long = batch["attention_mask"].sum(1).tolist()
    assert long - short == 8 - 2 and batch["input_ids"].shape == (2, long)
    assert batch["attention_mask"][0, :short].all()  # padded on the right


def test_several_points_an_image_are_several_conversations(tokenizer):
    batch = DepthLMCollator(tokenizer, DepthLMPreprocessConfig(PATH))(
        [[text_sample(), text_sample()]]
    )
    assert batch["input_ids"].shape[0] == 2


def dense_sample(width=64, height=32):
    return DenseSample(
        np.zeros((height, width, 3), np.uint8), np.ones((height, width), np.float32)
    )


def test_the_masks_of_depthvlm(tokenizer):
    """As published the first n tokens are masked, n the prompt's length with one placeholder.

    The image has eight tokens: the mask ends seven before the prompt does.
    """
    path = ImagePreprocessConfig(patch=8, min_pixels=16 * 16)
    reply = DepthVLMCollator(tokenizer, path)([dense_sample()])
    assert learned(tokenizer, reply) == f"{FIXED_REPLY}<|im_end|>\n"
    published = DepthVLMCollator(tokenizer, path, mask="published")([dense_sample()])
    rest = learned(tokenizer, published)
    assert rest.endswith(f"<|im_start|>assistant\n{FIXED_REPLY}<|im_end|>\n")
    count = [int((b["labels"] != -100).sum()) for b in (reply, published)]
    assert count[1] - count[0] == 8 - 1
    stage1 = DepthVLMCollator(tokenizer, path, with_reply=False)([dense_sample()])
    assert (stage1["labels"] == -100).all()
    text = tokenizer.decode(stage1["input_ids"][0])
    assert text.endswith("for every pixel of the image.<|im_end|>\n<|im_start|>assistant\n")


def test_the_truth_may_be_brought_to_the_rounded_focal_length(tokenizer):
    """70 x 34 px become 64 x 32: the focal length is sqrt(64 / 70 x 32 / 34) of what it was."""
    path = ImagePreprocessConfig(patch=8, min_pixels=16 * 16)
    plain = DepthVLMCollator(tokenizer, path)([dense_sample(70, 34)])
    exact = DepthVLMCollator(tokenizer, path, exact_focal=True)([dense_sample(70, 34)])
    assert plain["image_grid_thw"].tolist() == [[1, 4, 8]]
    assert plain["depth_m"][0].unique().item() == 1.0 and plain["depth_m"][0].shape == (34, 70)
    scale = math.sqrt(64 / 70 * 32 / 34)
    assert exact["depth_m"][0].unique().item() == pytest.approx(1 / scale)


def test_padding():
    rows = [[1, 2, 3], [4]]
    assert padded(rows, 0).tolist() == [[1, 2, 3], [4, 0, 0]]
    assert padded(rows, 0, left=True).tolist() == [[1, 2, 3], [0, 0, 4]]
