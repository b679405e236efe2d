"""What preprocessor_config.json says is done, not what a family usually does."""

import numpy as np
import torch
from transformers import LlavaConfig

from depthlm_ros.models.depthlm.preprocess import DepthLMPreprocessConfig, patches_of


def test_pixels_that_are_not_rescaled_are_normalised_as_they_are():
    """The trainer of DepthLM-12B leaves 0 to 255: (128 - 0.5) / 0.25, not (128 / 255 - 0.5) ..."""
    config = LlavaConfig(vision_config={"model_type": "pixtral", "patch_size": 16})
    told = {"image_mean": [0.5] * 3, "image_std": [0.25] * 3}
    picture = torch.from_numpy(np.full((1, 16, 16, 3), 128, np.uint8))

    def value(preprocessor):
        path = DepthLMPreprocessConfig.pixtral(config, preprocessor)
        return patches_of(picture, path, torch.float32)[0].mean().item()

    assert abs(value(told | {"do_rescale": False}) - (128 - 0.5) / 0.25) < 1e-3
    assert abs(value(told) - (128 / 255 - 0.5) / 0.25) < 1e-5
    assert value(told | {"do_rescale": True}) == value(told)
