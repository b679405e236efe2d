"""DepthLM the way the published script runs it, as the yardstick of the speed benchmark.

One query a call: PIL resampling, the stock image processor in numpy on the CPU, float pixels
copied to the device, the stock forward, and ``generate`` for the whole reply. Same weights as
ours, so that results can be compared.
"""

from contextlib import contextmanager

import numpy as np
import torch
from PIL import Image

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models.base import noop
from depthlm_ros.models.depthlm.families import Qwen25Family
from depthlm_ros.models.depthlm.model import DepthLM
from depthlm_ros.prompting.prompts import Style, prompt


class ReferenceDepthLM:
    """The stock route over ``model``'s weights.

    ``max_tokens``: cap on the reply. ``style``: of the distance question.
    """

    def __init__(self, model: DepthLM, max_tokens: int = 128, style: str = Style.PUBLISHED):
        self.question = prompt(style=style).question
        self.model, self.network, self.max_tokens = model, model.network, max_tokens
        self.is_qwen = isinstance(model.network.family, Qwen25Family)
        self.processor = self._processor()

    def _processor(self):
        """Return transformers' own image processor, the one that needs no torchvision."""
        image = self.model.path.image
        kept = {"image_mean": list(image.mean), "image_std": list(image.std)}
        if self.is_qwen:
            from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import (
                Qwen2VLImageProcessorPil,
            )

            size = {"shortest_edge": image.min_pixels, "longest_edge": image.max_pixels}
            return Qwen2VLImageProcessorPil(
                size=size, patch_size=image.patch, merge_size=image.merge, **kept
            )
        from transformers.models.pixtral.image_processing_pil_pixtral import (
            PixtralImageProcessorPil,
        )

        patch = {"height": image.patch, "width": image.patch}
        return PixtralImageProcessorPil(size={"longest_edge": 10**5}, patch_size=patch, **kept)

    def picture(self, rgb: np.ndarray, camera: PinholeCamera, pixel) -> Image.Image:
        """Resample and mark as published: PIL, one scale for both axes."""
        scale = self.model.path.image.focal_px / camera.fx
        size = (int(camera.width * scale), int(camera.height * scale))
        image = np.array(Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC))
        x, y = int(pixel[0] * scale), int(pixel[1] * scale)
        for dx, dy in self.model.marker.offsets.tolist():
            image[y + dy, x + dx] = self.model.marker.colour
        return Image.fromarray(image)

    def inputs(self, picture: Image.Image, question: str) -> dict:
        """Run the stock processor: token ids, mask and pixel values, on the device."""
        processed = self.processor(images=[picture], return_tensors="pt")
        if self.is_qwen:
            grid = tuple(processed["image_grid_thw"][0, 1:].tolist())
        else:
            unit = self.model.path.image.patch
            grid = tuple(int(side) // unit for side in processed["image_sizes"][0])
        family = self.network.family
        ids = family.layout(self.network.encode(family.chat(question)), (grid,)).ids[None]
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), **processed}
        if self.is_qwen:
            inputs["mm_token_type_ids"] = (ids == family.image_id).int()
        device = self.network.device
        inputs = {key: torch.as_tensor(value).to(device) for key, value in inputs.items()}
        inputs["pixel_values"] = inputs["pixel_values"].to(self.network.dtype)
        return inputs

    @torch.no_grad()
    def reply(self, rgb: np.ndarray, camera: PinholeCamera, pixel, stage_callback=noop) -> str:
        """Answer the question about one source pixel in the model's own words.

        ``stage_callback``: told when preprocessing, vision, the reading of the prompt ("language")
        and decoding are done.
        """
        inputs = self.inputs(self.picture(rgb, camera, pixel), self.question)
        stage_callback("preprocess")
        with self._hooked(stage_callback):
            ids = self.network.model.generate(
                **inputs,
                use_cache=True,
                max_new_tokens=self.max_tokens,
                do_sample=False,
                eos_token_id=list(self.network.stops),
                pad_token_id=self.network.tokenizer.pad_token_id,
            )
        new = ids[0, inputs["input_ids"].shape[1] :]
        text = self.network.tokenizer.decode(new, skip_special_tokens=True)
        stage_callback("decode")
        return text

    @contextmanager
    def _hooked(self, stage_callback):
        """Tell the stages inside ``generate``: each module's first call is of the prompt."""
        model, reported = self.network.model.model, set()
        vision = model.visual if self.is_qwen else model.multi_modal_projector

        def tell(name: str):
            def hook(*_):
                if name not in reported:
                    reported.add(name)
                    stage_callback(name)

            return hook

        hooks = [
            vision.register_forward_hook(tell("vision")),
            model.language_model.register_forward_hook(tell("language")),
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
