"""What differs between the two families of DepthLM: chat text, image tokens, positions, names.

Qwen2.5-VL counts positions on three axes and wraps an image in two tokens; Pixtral counts plainly
and ends every row of an image with a token. Both are stock transformers models; what they share
is ``models/depthlm/model.py``'s.
"""

from dataclasses import dataclass

import torch
from transformers import (
    LlavaConfig,
    LlavaForConditionalGeneration,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
)

from depthlm_ros.models.depthlm.preprocess import DepthLMPreprocessConfig
from depthlm_ros.models.depthlm.vision_towers import PixtralVision, Qwen25Vision
from depthlm_ros.models.weights.chat_template import SYSTEM


@dataclass(frozen=True)
class Layout:
    """One conversation as tokens.

    ``ids``: int64 (L,). ``image_at``: int64 (image tokens,), the indices where image features go.
    ``positions``: int64 (axes, L). ``next_position``: of the token after the last.
    """

    ids: torch.Tensor
    image_at: torch.Tensor
    positions: torch.Tensor
    next_position: int

    def on(self, device: torch.device) -> "Layout":
        """Return the same layout with its tensors on ``device``."""
        moved = (t.to(device) for t in (self.ids, self.image_at, self.positions))
        return Layout(*moved, self.next_position)


def _expanded(ids: list, image_id: int, images: list) -> list:
    """Replace each image placeholder by the tokens of one image."""
    grids, out = iter(images), []
    for token in ids:
        out += next(grids) if token == image_id else [token]
    return out


class Qwen25Family:
    """Qwen2.5-VL."""

    system: str | None = SYSTEM
    model_class, config_class = Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLConfig
    axes = 3
    image_words = ("<|image_pad|>", "<|vision_start|>", "<|vision_end|>")
    read_path = staticmethod(DepthLMPreprocessConfig.qwen)

    def __init__(self, model, tokenizer):
        self.image_id = model.config.image_token_id
        self.vision = Qwen25Vision(model.model.visual)

    @staticmethod
    def name_in_module(name: str) -> str:
        """Map a name as transformers 4 stored it to the module's; newer names stay."""
        if name.startswith("visual."):
            return "model." + name
        if name.startswith(("model.layers.", "model.embed_tokens.", "model.norm.")):
            return "model.language_model." + name.removeprefix("model.")
        return name

    @staticmethod
    def chat(question: str, images: int = 1) -> str:
        """Return the conversation's text up to where the reply begins; images go first."""
        pictures = "<|vision_start|><|image_pad|><|vision_end|>" * images
        return (
            f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{pictures}{question}"
            "<|im_end|>\n<|im_start|>assistant\n"
        )

    def layout(self, ids: list, grids: list) -> Layout:
        """Lay out ids with one image placeholder for each grid of patches (rows, columns)."""
        sizes = [self.vision.tokens(grid) for grid in grids]
        whole = _expanded(ids, self.image_id, [[self.image_id] * (h * w) for h, w in sizes])
        tensor = torch.tensor(whole)
        is_image = tensor == self.image_id
        positions, at, left = [], 0, iter(sizes)
        for token in ids:
            if token != self.image_id:
                positions.append(torch.full((3, 1), at))
                at += 1
                continue
            rows, columns = next(left)
            y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
            positions.append(torch.stack([torch.zeros_like(y), y, x]).flatten(1) + at)
            at += max(rows, columns)
        return Layout(tensor, is_image.nonzero()[:, 0], torch.cat(positions, dim=1), at)


class PixtralFamily:
    """Pixtral, as LlavaForConditionalGeneration."""

    system: str | None = None
    model_class, config_class = LlavaForConditionalGeneration, LlavaConfig
    axes = 1
    image_words = ("[IMG]", "[IMG_BREAK]", "[IMG_END]")
    read_path = staticmethod(DepthLMPreprocessConfig.pixtral)

    def __init__(self, model, tokenizer):
        self.image_id = model.config.image_token_id
        self.vision = PixtralVision(model.model.vision_tower, model.model.multi_modal_projector)
        ends = ["[IMG_BREAK]", "[IMG_END]"]
        self.break_id, self.end_id = tokenizer.convert_tokens_to_ids(ends)

    @staticmethod
    def name_in_module(name: str) -> str:
        """Map a name as transformers 4 stored it to the module's; newer names stay."""
        if name == "language_model.lm_head.weight":
            return "lm_head.weight"
        if name.startswith("language_model.model."):
            return "model.language_model." + name.removeprefix("language_model.model.")
        if name.startswith(("vision_tower.", "multi_modal_projector.")):
            return "model." + name
        return name

    @staticmethod
    def chat(question: str, images: int = 1) -> str:
        """Return the conversation's text up to where the reply begins; images go first."""
        return f"<s>[INST]{'[IMG]' * images}{question}[/INST]"

    def layout(self, ids: list, grids: list) -> Layout:
        """Lay out ids with one image placeholder for each grid of patches (rows, columns)."""
        images = []
        for rows, columns in grids:
            image = ([self.image_id] * columns + [self.break_id]) * rows
            images.append(image[:-1] + [self.end_id])
        tensor = torch.tensor(_expanded(ids, self.image_id, images))
        positions = torch.arange(len(tensor))[None]
        return Layout(tensor, (tensor == self.image_id).nonzero()[:, 0], positions, len(tensor))
