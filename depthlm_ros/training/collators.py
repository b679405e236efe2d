"""From training samples to the tensors that stock Qwen2.5-VL, Pixtral and Qwen3-VL models take.

Images go the very way that they go when the trained model serves (``models/``): no processor
class is needed, and none can disagree. Batches may mix images of any sizes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from depthlm_ros.datasets.depthlm_sampling import TextSample
from depthlm_ros.models.depthlm.families import PixtralFamily, Qwen25Family
from depthlm_ros.models.depthlm.preprocess import DepthLMPreprocessConfig
from depthlm_ros.models.depthvlm.network import DEPTH_QUESTION, PREFIX, SUFFIX
from depthlm_ros.models.depthvlm.published_preprocess import published_resize
from depthlm_ros.models.runtime.image_patches import ImagePreprocessConfig, resize, to_patches
from depthlm_ros.status import Code, StatusError
from depthlm_ros.training.text_labels import depthlm_labels, depthvlm_labels, padded

FIXED_REPLY = "OK, I will estimate the depth map of this image."
"""What DepthVLM learns to say to the depth question: one sentence for every sample."""


def stock_pixel_values(rgb: np.ndarray, size: tuple, path: ImagePreprocessConfig) -> tuple:
    """Return one image, uint8 (H, W, 3), as a Qwen-VL takes it, resampled to (W, H) ``size``.

    (float32 (patches, 3 * 2 * patch * patch), (1, rows, columns)): a still image fills both time
    slices alike.
    """
    image = torch.from_numpy(np.array(rgb))[None]
    patches, (rows, columns) = to_patches(resize(image, *size), path)
    twice = patches[0].unflatten(1, (3, 1, -1)).expand(-1, -1, 2, -1)
    return twice.flatten(1), (1, rows, columns)


@dataclass(frozen=True)
class DepthLMCollator:
    """Lists of ``TextSample`` to a batch for the stock model of a DepthLM family.

    ``mask``: as in ``text_labels.depthlm_labels``. Raises StatusError(UNSUPPORTED) for a
    conversation longer than ``max_length`` tokens. Padding on the right.
    """

    tokenizer: object
    path: DepthLMPreprocessConfig
    is_pixtral: bool = False
    mask: str = "reply"
    max_length: int = 4096

    def __call__(self, samples: Sequence) -> dict[str, torch.Tensor]:
        """Return the batch; ``samples``: TextSample, or a list of them each."""
        flat = [one for s in samples for one in (s if isinstance(s, list) else [s])]
        rows = [self._tokens(sample) for sample in flat]
        ids, labels = zip(*rows, strict=True)
        batch = {
            "input_ids": padded(list(ids), self._pad),
            "attention_mask": padded([[1] * len(row) for row in ids], 0),
            "labels": padded(list(labels), -100),
        }
        return batch | self.pictures(flat, list(ids))

    def pictures(self, samples: Sequence, rows: list) -> dict:
        """Return the images' part of a batch; ``rows``: the token ids of each conversation."""
        return self._pixtral(samples) if self.is_pixtral else self._qwen(samples, rows)

    def prompt_tokens(self, sample: TextSample) -> list:
        """Return the ids of a conversation up to where the reply begins."""
        family = PixtralFamily if self.is_pixtral else Qwen25Family
        text = family.chat(sample.prompt.question, len(sample.images))
        return self._with_images(self._encode(text), sample.images)

    @property
    def _pad(self) -> int:
        return self.tokenizer.pad_token_id or 0

    def _tokens(self, sample: TextSample) -> tuple[list, list]:
        """Return (ids, labels) of one conversation."""
        encode, prompt = self._encode, self.prompt_tokens(sample)
        end = "</s>" if self.is_pixtral else "<|im_end|>"
        ids = prompt + encode(sample.reply + end)
        reply_end = len(ids)
        if not self.is_pixtral:  # the published template goes on with an empty assistant header
            ids = ids + encode("\n")
            if self.mask == "published":
                ids = ids + encode("<|im_start|>assistant\n")
        if len(ids) > self.max_length:
            raise StatusError(
                Code.UNSUPPORTED,
                f"a conversation of {len(ids)} tokens: must have at most max_length = "
                f"{self.max_length}; crop the pictures smaller, or raise it",
            )
        images = set(self.tokenizer.convert_tokens_to_ids(list(self._image_words)))
        return ids, depthlm_labels(ids, len(prompt), reply_end, images, self.mask)

    @property
    def _image_words(self) -> tuple:
        return PixtralFamily.image_words if self.is_pixtral else ("<|image_pad|>",)

    def _encode(self, text: str) -> list:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def _with_images(self, ids: list, images: Sequence) -> list:
        """Replace each image's placeholder by one token a merged patch."""
        image = self.tokenizer.convert_tokens_to_ids(list(self._image_words))[0]
        begin, whole = 0, []
        for rgb in images:
            at = ids.index(image, begin)
            whole += ids[begin:at] + self._image_tokens(rgb)
            begin = at + 1
        return whole + ids[begin:]

    def _image_tokens(self, rgb: np.ndarray) -> list:
        rows, columns = self.path.grid(rgb.shape[1], rgb.shape[0])
        words = self.tokenizer.convert_tokens_to_ids(list(self._image_words))
        if not self.is_pixtral:
            return [words[0]] * (rows * columns // self.path.image.merge**2)
        image, line_break, end = words
        tokens = ([image] * columns + [line_break]) * rows
        return tokens[:-1] + [end]

    def _qwen(self, samples: Sequence, rows: list) -> dict:
        images = [
            stock_pixel_values(rgb, self.path.fit(rgb.shape[1], rgb.shape[0]), self.path.image)
            for sample in samples
            for rgb in sample.images
        ]
        (image,) = self.tokenizer.convert_tokens_to_ids(["<|image_pad|>"])
        return {
            "pixel_values": torch.cat([values for values, _ in images]),
            "image_grid_thw": torch.tensor([grid for _, grid in images]),
            "mm_token_type_ids": (padded(rows, self._pad) == image).int(),
        }

    def _pixtral(self, samples: list) -> dict:
        """Return images padded to the largest, and their sizes."""
        image = self.path.image
        mean, std = (torch.tensor(v)[:, None, None] for v in (image.mean, image.std))
        planes = []
        for pixels in (rgb for sample in samples for rgb in sample.images):
            rgb = torch.from_numpy(np.array(pixels))[None]
            size = self.path.fit(pixels.shape[1], pixels.shape[0])
            x = resize(rgb, *size)[0].permute(2, 0, 1).float() / 255
            planes.append((x - mean) / std)
        sizes = [tuple(p.shape[1:]) for p in planes]
        height, width = (max(size[axis] for size in sizes) for axis in (0, 1))
        whole = [F.pad(p, (0, width - p.shape[2], 0, height - p.shape[1])) for p in planes]
        return {"pixel_values": torch.stack(whole), "image_sizes": torch.tensor(sizes)}


@dataclass(frozen=True)
class DenseSample:
    """An image at the unified focal length with its map: uint8 (H, W, 3), float32 (h, w) [m].

    0 where depth is unknown. ``prompt``, ``reply``: the conversation.
    """

    rgb: np.ndarray
    depth_m: np.ndarray
    prompt: str = DEPTH_QUESTION
    reply: str = FIXED_REPLY


@dataclass(frozen=True)
class DepthVLMCollator:
    """``DenseSample``s to a batch for ``DepthVLMForTraining``.

    ``with_reply``: stage 2; stage 1 ends with the generation prompt and learns no text.
    ``published_preprocessing``: the demo's extra step over multiples of 28 px.
    ``exact_focal``: divide the truth by what rounding to whole tokens does to the focal length,
    as the served model multiplies it again; the published code corrects nothing.
    """

    tokenizer: object
    path: ImagePreprocessConfig
    with_reply: bool = True
    mask: str = "reply"
    published_preprocessing: bool = False
    exact_focal: bool = False
    max_length: int = 4096

    def __call__(self, samples: Sequence[DenseSample]) -> dict:
        """Return the batch; ``depth_m`` is a list of maps of unlike sizes."""
        images = [self._pixels(sample) for sample in samples]
        rows = [self._tokens(s, grid) for s, (_, grid, _) in zip(samples, images, strict=True)]
        ids, labels = zip(*rows, strict=True)
        input_ids = padded(list(ids), self.tokenizer.pad_token_id or 0)
        return {
            "input_ids": input_ids,
            "attention_mask": padded([[1] * len(row) for row in ids], 0),
            "labels": padded(list(labels), -100),
            "pixel_values": torch.cat([values for values, _, _ in images]),
            "image_grid_thw": torch.tensor([grid for _, grid, _ in images]),
            "mm_token_type_ids": (input_ids == self._image_id).int(),
            "depth_m": [
                torch.from_numpy(s.depth_m / np.float32(scale if self.exact_focal else 1.0))
                for s, (_, _, scale) in zip(samples, images, strict=True)
            ],
        }

    @property
    def _image_id(self) -> int:
        return self.tokenizer.convert_tokens_to_ids(["<|image_pad|>"])[0]

    def _pixels(self, sample: DenseSample) -> tuple:
        """Return (values, grid, focal length here over the unified one)."""
        rgb = sample.rgb
        height, width = rgb.shape[:2]
        if self.published_preprocessing:
            rgb = published_resize(rgb, self.path.focal_px, self.path)
        size = self.path.fit(rgb.shape[1], rgb.shape[0])
        scale = math.sqrt(size[0] / width * size[1] / height)
        return *stock_pixel_values(rgb, size, self.path), scale

    def _tokens(self, sample: DenseSample, grid: tuple) -> tuple[list, list]:
        count = grid[1] * grid[2] // self.path.merge**2
        before = self._encode(PREFIX)
        after = self._encode(SUFFIX.format(question=sample.prompt))
        ids = before + [self._image_id] * count + after
        prompt_tokens = len(ids)
        if not self.with_reply:
            return ids, [-100] * len(ids)
        ids = ids + self._encode(f"{sample.reply}<|im_end|>\n")
        if len(ids) > self.max_length:
            raise StatusError(
                Code.UNSUPPORTED,
                f"a conversation of {len(ids)} tokens: must have at most max_length = "
                f"{self.max_length}; a picture of {grid[2] * self.path.patch} x "
                f"{grid[1] * self.path.patch} px is too large for it",
            )
        return ids, depthvlm_labels(ids, prompt_tokens, count, self._image_id, self.mask)

    def _encode(self, text: str) -> list:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]
