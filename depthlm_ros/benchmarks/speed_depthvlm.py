"""The contenders of ``depthlm bench speed`` for DepthVLM, and its published sizes.

A run goes from the bytes of an image message to those of a depth image and of a cloud.
"""

from array import array

import numpy as np
import torch

from depthlm_ros.benchmarks.random_weights import CONFIGS, SUFFIX_IDS, random_module
from depthlm_ros.benchmarks.reference_depthvlm import ReferenceDepthVLM
from depthlm_ros.benchmarks.speed import Contender, Frame, Subject, flop_of
from depthlm_ros.estimator import DepthEstimator
from depthlm_ros.frame import Frame as SourceFrame
from depthlm_ros.geometry.depth_map import EDGE_RATIO
from depthlm_ros.geometry.point_cloud import pack_into
from depthlm_ros.models.base import noop
from depthlm_ros.models.depthvlm.model import DepthVLM
from depthlm_ros.models.depthvlm.network import DEPTH_QUESTION, SUFFIX
from depthlm_ros.models.registry import load
from depthlm_ros.models.weights.quantization import make_quantizer, quantize_in_place


def subject(
    name: str, frame: Frame, device: torch.device, dtype: torch.dtype, quantize: str = "none"
) -> Subject:
    """Build the stock way and ours, on the published image path and on our own."""
    if name in CONFIGS:
        module, tokenizer = random_module(CONFIGS[name](), device, dtype), None
        if quantizer := make_quantizer(quantize, device, dtype):
            quantize_in_place(module, quantizer)
        suffix = SUFFIX_IDS
        own = DepthVLM(module, tokenizer, name)
    else:
        own = load(
            name,
            str(device),
            str(dtype).removeprefix("torch."),
            quantize=quantize,
        )
        module, tokenizer = own.module, own.tokenizer
        suffix = tokenizer(SUFFIX.format(question=DEPTH_QUESTION))["input_ids"]
    published = DepthVLM(module, tokenizer, name, published_preprocessing=True)
    stock = ReferenceDepthVLM(module, suffix)
    models = {"published way": stock, "ours, its images": published, "ours": own}
    contenders = [contender(label, model, frame) for label, model in models.items()]
    flop = flop_of(lambda: own.depth(frame.rgb, own.view_of(frame.camera)))
    return Subject(
        f"{name} on {frame.camera.width} x {frame.camera.height} px, f = {frame.camera.fx:g} px",
        contenders,
        _difference(stock, published, frame),
        sum(parameter.numel() for parameter in module.parameters()),
        flop,
    )


def contender(label: str, model, frame: Frame) -> Contender:
    """Return a dense model as a contender: from the image's bytes to those of depth and cloud."""
    source, estimator = SourceFrame(frame.rgb, frame.camera), DepthEstimator(model)
    cloud = np.empty((*frame.rgb.shape[:2], 4), np.float32)

    def run(stage) -> array:
        # One network serves all contenders, and each has stages of its own to tell.
        model.stage_callback = stage
        if isinstance(model, (ReferenceDepthVLM, DepthVLM)):
            model.module.stage_callback = noop if isinstance(model, ReferenceDepthVLM) else stage
        depth_map = estimator.depth(source)
        message = array("B")
        message.frombytes(memoryview(np.ascontiguousarray(depth_map.depth_m)).cast("B"))
        pack_into(cloud, depth_map, frame.rgb, EDGE_RATIO)
        stage("to message")
        return message

    return Contender(label, run)


def _difference(stock: ReferenceDepthVLM, ours: DepthVLM, frame: Frame) -> dict:
    """Compare depths from the very same pixels; relative to the published way's."""
    patches, grid = ours._patches(frame.rgb, ours.view_of(frame.camera))
    with torch.inference_mode():
        depth = ours.module(patches, grid).depth[0].cpu().numpy()
    p = ours.path.patch
    pixels = patches[0].view(-1, 3, 1, p, p).expand(-1, 3, 2, p, p).reshape(len(patches[0]), -1)
    expected = stock.depth_of(pixels, torch.tensor([[1, *grid]]))
    error = np.abs(depth / expected - 1)
    return {
        "difference of depth from equal pixels, mean": float(error.mean()),
        "difference of depth from equal pixels, max": float(error.max()),
    }
