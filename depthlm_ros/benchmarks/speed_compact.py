"""The contenders of ``depthlm bench speed`` for compact models: with and without kept frames.

No other way of running these weights has been published, so the yardstick is our own way without
the keys and values that questions about a frame reuse.
"""

import torch

from depthlm_ros.benchmarks.speed import Contender, Frame, Subject, flop_of
from depthlm_ros.benchmarks.speed_depthvlm import contender
from depthlm_ros.models.compact.model import CompactDepthVLM
from depthlm_ros.models.registry import load


def subject(
    name: str, frame: Frame, device: torch.device, dtype: torch.dtype, quantize: str = "none"
) -> Subject:
    """Load a checkpoint and build both contenders on its weights."""
    own = load(name, str(device), str(dtype).removeprefix("torch."), quantize=quantize)
    bare = CompactDepthVLM(own.module, own.tokenizer, name, keep_frame=False)
    contenders: list[Contender] = [
        contender("frame not kept", bare, frame),
        contender("ours", own, frame),
    ]
    view = own.view_of(frame.camera)
    kept, not_kept = (model.depth(frame.rgb, view) for model in (own, bare))
    return Subject(
        f"{name} on {frame.camera.width} x {frame.camera.height} px, f = {frame.camera.fx:g} px",
        contenders,
        {"difference of depth": float(abs(kept / not_kept - 1).max())},
        sum(parameter.numel() for parameter in own.module.parameters()),
        flop_of(lambda: bare.depth(frame.rgb, view)),
    )
