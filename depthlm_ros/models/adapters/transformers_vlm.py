"""Any local image-text model of transformers, asked point by point by DepthVLM's protocol.

For models that were never trained to measure (DepthVLM section 4): the image's longest edge is
at most 1024 px, a red arrow of 20 px points at the pixel, and the model is asked for the depth
along the camera's axis. Qwen2.5/3-VL, InternVL, LLaVA kinds, Molmo, Pixtral: whatever
``AutoModelForImageTextToText`` knows, by the checkpoint's own chat template and processor.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import distance_from_depth
from depthlm_ros.models.base import DistanceReading
from depthlm_ros.prompting.marker import Marker, draw, place
from depthlm_ros.prompting.parsing import parse_answer
from depthlm_ros.prompting.prompts import prompt
from depthlm_ros.status import Code, StatusError
from depthlm_ros.tasks import Task

LONGEST_EDGE_PX = 1024


def scaled_to_edge(rgb: np.ndarray, longest: int = LONGEST_EDGE_PX) -> np.ndarray:
    """Return uint8 (H, W, 3) shrunk so that its longest edge has at most ``longest`` px."""
    height, width = rgb.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return rgb
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC))


class TransformersVLM:
    """A loaded image-text model; a PointDepthModel and a LanguageModel (``models/base.py``).

    ``asks_for``: "z" (the protocol's) or "distance". ``marker``: what is drawn. Replies are parsed
    strictly: one number, or none with the reason.
    """

    speaks = True

    def __init__(
        self,
        model,
        processor,
        name: str,
        asks_for: str = "z",
        marker: Marker | None = None,
        longest_edge: int = LONGEST_EDGE_PX,
        max_tokens: int = 256,
    ):
        self.name, self.asks_for = name, asks_for
        self.model = model.eval().requires_grad_(False)
        self.processor = processor
        self.marker = marker or Marker.for_untrained()
        self.longest_edge, self.max_tokens = longest_edge, max_tokens
        by_axis = asks_for == "z"
        self._prompt = prompt(Task.DEPTH if by_axis else Task.DISTANCE)

    @classmethod
    def from_folder(
        cls, folder: Path, name: str, device: torch.device, dtype: torch.dtype, **options
    ) -> "TransformersVLM":
        """Load a checkpoint folder: safetensors alone, no code of the checkpoint's.

        Raises StatusError(MODEL_ERROR) for a folder that transformers cannot read, with its reason
        (most processors need torchvision).
        """
        from transformers import AutoModelForImageTextToText, AutoProcessor

        try:
            processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
            model = AutoModelForImageTextToText.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=dtype
            )
        except Exception as error:  # transformers tells a broken folder in every way
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            raise StatusError(
                Code.MODEL_ERROR,
                f"{folder} cannot be read ({reason}); fetch it again, or install torchvision "
                "where its processor asks for it",
            ) from error
        return cls(model.to(device), processor, name, **options)

    def distances(
        self, rgb: np.ndarray, camera: PinholeCamera, pixels: Sequence
    ) -> list[DistanceReading]:
        """Read the Euclidean distance at source pixels (N, 2); contract: ``PointDepthModel``.

        An answer along the axis is turned into distance by the pixel's ray.
        """
        small = scaled_to_edge(rgb, self.longest_edge)
        height, width = small.shape[:2]
        scale = np.array([width / rgb.shape[1], height / rgb.shape[0]])
        readings = []
        for pixel in np.asarray(pixels, float).reshape(-1, 2):
            target = np.clip((pixel * scale).astype(int), 0, (width - 1, height - 1))
            try:
                marked = draw(small, self.marker, place(self.marker, target, width, height))
            except StatusError as refusal:
                nan = float("nan")
                readings.append(DistanceReading(nan, nan, nan, "", refusal.text, refusal.code))
                continue
            text = self._generate(marked, self._prompt.question, self.max_tokens)
            readings.append(self._reading(text, camera.normalise(pixel)))
        return readings

    def reply(
        self, rgb: np.ndarray, camera: PinholeCamera, prompt: str, max_tokens: int = 128
    ) -> str:
        """Answer ``prompt`` about a source image; contract: ``LanguageModel``."""
        return self._generate(scaled_to_edge(rgb, self.longest_edge), prompt, max_tokens)

    def _reading(self, text: str, xy: np.ndarray) -> DistanceReading:
        parsed = parse_answer(text)
        value, nan = parsed.value, float("nan")
        if self.asks_for == "z":
            value = float(distance_from_depth(value, xy))
        return DistanceReading(value, nan, nan, parsed.text, parsed.reason)

    @torch.inference_mode()
    def _generate(self, rgb: np.ndarray, question: str, max_tokens: int) -> str:
        """Return the model's words, greedily decoded."""
        turn = [{"type": "image"}, {"type": "text", "text": question}]
        chat = [{"role": "user", "content": turn}]
        text = self.processor.apply_chat_template(chat, add_generation_prompt=True)
        inputs = self.processor(
            text=text, images=[Image.fromarray(np.ascontiguousarray(rgb))], return_tensors="pt"
        ).to(self.model.device)
        for key in ("pixel_values",):
            inputs[key] = inputs[key].to(self.model.dtype)
        out = self.model.generate(**inputs, max_new_tokens=max_tokens, do_sample=False)
        written = out[:, inputs["input_ids"].shape[1] :]
        return self.processor.batch_decode(written, skip_special_tokens=True)[0]
