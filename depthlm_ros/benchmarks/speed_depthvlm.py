"""The contenders of ``depthlm bench speed`` for DepthVLM, and its published sizes.

A run goes from the bytes of an image message to those of a depth image and of a cloud.
"""

from array import array

import numpy as np
import torch

from depthlm_ros.benchmarks.reference_depthvlm import ReferenceDepthVLM
from depthlm_ros.benchmarks.speed import Contender, Frame, Subject, flop_of
from depthlm_ros.estimator import DepthEstimator
from depthlm_ros.frame import Frame as SourceFrame
from depthlm_ros.geometry.depth_map import EDGE_RATIO
from depthlm_ros.geometry.point_cloud import pack_into
from depthlm_ros.models import device_memory
from depthlm_ros.models.base import CloudRequest, noop
from depthlm_ros.models.depthvlm.model import DepthVLM
from depthlm_ros.models.depthvlm.network import DEPTH_QUESTION, SUFFIX, DepthVLMModule
from depthlm_ros.models.depthvlm.tiny import tiny_config
from depthlm_ros.models.registry import load
from depthlm_ros.models.weights.checkpoint import materialise_buffers
from depthlm_ros.models.weights.derived_sizes import fused_head_numbers
from depthlm_ros.models.weights.quantization import make_quantizer, quantize_in_place

# As many tokens before and after the image as in Qwen's vocabulary; for speed any plain ones do.
PREFIX_IDS, SUFFIX_IDS = range(32, 32 + 15), range(64, 64 + 31)


def published_config(
    hidden: int,
    intermediate: int,
    vision_layers: int,
    vision_width: int,
    vision_intermediate: int,
    deepstack: tuple,
    tied: bool,
) -> dict:
    """Return the config of a published size: Qwen3-VL with 36 layers and the 34M DPT head."""
    return {
        "model_type": "qwen3_vl",
        "depth_head_type": "dpt",
        "tie_word_embeddings": tied,
        "image_token_id": 151655,
        "video_token_id": 151656,
        "vision_start_token_id": 151652,
        "vision_end_token_id": 151653,
        "text_config": {
            "model_type": "qwen3_vl_text",
            "vocab_size": 151936,
            "hidden_size": hidden,
            "intermediate_size": intermediate,
            "num_hidden_layers": 36,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "max_position_embeddings": 262144,
            "tie_word_embeddings": tied,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 5000000,
                "mrope_interleaved": True,
                "mrope_section": [24, 20, 20],
            },
        },
        "vision_config": {
            "model_type": "qwen3_vl",
            "depth": vision_layers,
            "hidden_size": vision_width,
            "intermediate_size": vision_intermediate,
            "num_heads": 16,
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "num_position_embeddings": 2304,
            "out_hidden_size": hidden,
            "deepstack_visual_indexes": list(deepstack),
        },
    }


CONFIGS = {
    "depthvlm-tiny": tiny_config,
    "depthvlm-4b": lambda: published_config(2560, 9728, 24, 1024, 4096, (5, 11, 17), True),
    "depthvlm-8b": lambda: published_config(4096, 12288, 27, 1152, 4304, (8, 16, 24), False),
}


@torch.no_grad()
def random_module(config: dict, device: torch.device, dtype: torch.dtype) -> DepthVLMModule:
    """Return a network of this architecture with random weights, made on the device.

    Raises StatusError(MODEL_NOT_READY) where the device has no room for them.
    """
    with torch.device("meta"):
        module = DepthVLMModule(config, PREFIX_IDS)
    shapes = {name: parameter.shape for name, parameter in module.named_parameters()}
    numbers = sum(shape.numel() for shape in shapes.values()) + fused_head_numbers(shapes)
    device_memory.reserve_check("random weights", numbers, device, dtype)
    for name, parameter in module.named_parameters():
        value = torch.empty(parameter.shape, device=device, dtype=dtype)
        if parameter.ndim > 1:
            value.normal_(std=parameter[0].numel() ** -0.5)
        else:
            value.fill_(float("norm" in name and name.endswith("weight")))
        owner, _, attribute = name.rpartition(".")
        setattr(module.get_submodule(owner), attribute, torch.nn.Parameter(value))
    module.vlm.tie_weights()
    materialise_buffers(module.vlm, device)
    module.prefix_ids = torch.tensor(PREFIX_IDS, device=device)
    return module


def subject(
    name: str, frame: Frame, device: torch.device, dtype: torch.dtype, quantize: str = "none"
) -> Subject:
    """Build the stock way and ours, on the published image path and on our own.

    On a GPU ours comes twice: operation by operation, so that its stages show, and recorded.
    """
    if name in CONFIGS:
        module, tokenizer = random_module(CONFIGS[name](), device, dtype), None
        if quantizer := make_quantizer(quantize, device, dtype):
            quantize_in_place(module, quantizer)
        suffix = SUFFIX_IDS
        own = DepthVLM(module, tokenizer, name, cuda_graph=False)
    else:
        own = load(
            name,
            str(device),
            str(dtype).removeprefix("torch."),
            quantize=quantize,
            cuda_graph=False,
        )
        module, tokenizer = own.module, own.tokenizer
        suffix = tokenizer(SUFFIX.format(question=DEPTH_QUESTION))["input_ids"]
    published = DepthVLM(module, tokenizer, name, published_preprocessing=True, cuda_graph=False)
    stock = ReferenceDepthVLM(module, suffix)
    models = {"published way": stock, "ours, its images": published, "ours": own}
    if device.type == "cuda":
        models["ours, recorded"] = DepthVLM(module, tokenizer, name)
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
        depth_map = estimator.depth(source, CloudRequest(EDGE_RATIO))
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
