"""How right a compact model is, while it is trained and before it ships: one measure for both."""

import copy
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from depthlm_ros.evaluation.accuracy import Sample, measure
from depthlm_ros.frame import Frame
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models.compact.model import CompactDepthVLM
from depthlm_ros.models.compact.network import CompactModule
from depthlm_ros.training.compact.real_frames import read_set

LEFT_OUT = ("fchen_rs", "ling_")
"""Real frames that are kept for measuring: RealSense ones of one home, Orbbec ones of 7 places."""
KEPT = ("delta1", "delta1_scaled", "abs_rel")
POINTS = 400


def left_out_frames(folder: Path, focal_px: float) -> Iterator[Sample]:
    """Yield the frames of a set that training leaves out, with POINTS labels of each."""
    rng = np.random.default_rng(0)
    for name, rgb, depth, principal in read_set(folder, focal_px):
        if name.startswith(LEFT_OUT):
            v, u = np.nonzero(depth > 0)
            chosen = rng.integers(len(v), size=POINTS)
            height, width = depth.shape
            camera = PinholeCamera(focal_px, focal_px, *map(float, principal), width, height)
            pixels = np.stack([u[chosen], v[chosen]], axis=1).astype(float)
            yield Sample(
                name, Frame(rgb, camera), pixels, depth[v[chosen], u[chosen]].astype(float)
            )


def quick_figures(network: CompactModule, tokenizer, samples: Iterable[Sample]) -> dict:
    """Return KEPT over all labels of a network in training, which stays as it is."""
    model = CompactDepthVLM(copy.deepcopy(network), tokenizer, "in training", keep_frame=False)
    total = measure(model, samples)["total"]
    return {name: round(total[name], 4) for name in KEPT}
