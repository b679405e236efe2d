"""The benchmark's yardstick is the published code: its outputs say so."""

import numpy as np
import pytest
import torch

from depthlm_ros.benchmarks.reference_depthvlm import ReferenceDepthVLM
from depthlm_ros.models.depthvlm.loading import load_module
from depthlm_ros.models.depthvlm.network import DEPTH_QUESTION, SUFFIX
from depthlm_ros.models.device import pick_device
from depthlm_ros.models.weights.checkpoint import Checkpoint


@pytest.mark.parametrize(
    "folder, name",
    [("depthvlm_tiny", "depthvlm_seed1"), ("depthvlm_mlp_tiny", "depthvlm_mlp_seed1")],
)
def test_the_yardstick_is_the_published_code(reference_checkpoint, reference_values, folder, name):
    values = reference_values(name)
    opened = Checkpoint.open(reference_checkpoint(folder))
    tokenizer = opened.tokenizer()
    module = load_module(opened, pick_device("cpu"), torch.float32, tokenizer).freeze()
    stock = ReferenceDepthVLM(
        module, tokenizer(SUFFIX.format(question=DEPTH_QUESTION))["input_ids"]
    )
    depth = stock.depth_of(
        torch.from_numpy(values["room_a_pixel_values"]), torch.from_numpy(values["room_a_grid"])
    )
    np.testing.assert_allclose(depth, values["room_a_depth"], rtol=1e-4)
