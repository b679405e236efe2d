"""A first run, so that the first real picture is not the slow one.

The first run reads the weights in from disk, makes tables, and on a GPU loads kernels; and it
shows whether the model works here at all before anybody relies on it.
"""

import logging
import time

import numpy as np

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import EDGE_RATIO
from depthlm_ros.models.base import DenseDepthModel, PostprocessConfig
from depthlm_ros.status import Code, StatusError

CAMERA = PinholeCamera(525.0, 525.0, 319.5, 239.5, 640, 480)

_log = logging.getLogger(__name__)


def warm_up(model, camera: PinholeCamera = CAMERA) -> float:
    """Run ``model`` (``models/base.py``) on a grey picture of ``camera``; return the seconds.

    A refusal is no failure here, as another camera's pictures may
    fit: it is logged, and where memory ran out the model shrinks if it can. NaN then.
    """
    rgb = np.full((camera.height, camera.width, 3), 127, np.uint8)
    begin, depth_m = time.perf_counter(), None
    try:
        depth_m = _run(model, rgb, camera)
    except StatusError as refusal:
        is_memory = refusal.code == Code.MODEL_ERROR
        smaller = is_memory and getattr(model, "shrink", bool)()
        _log.warning(
            "%s: the warm-up was refused, %s: %s",
            model.name,
            "smaller pictures are used" if smaller else "the first picture will tell",
            refusal.text,
        )
        return float("nan")
    if depth_m is not None and not _any_depth(depth_m):
        raise StatusError(
            Code.MODEL_ERROR,
            f"{model.name} gives no depth at any pixel of a grey "
            "picture: its weights are broken, or not those of this config; fetch the "
            "checkpoint again, or take another dtype",
        )
    seconds = time.perf_counter() - begin
    _log.info(
        "%s: the warm-up of %d x %d px took %.2f s",
        model.name,
        camera.width,
        camera.height,
        seconds,
    )
    return seconds


def _any_depth(depth_m) -> bool:
    depth = np.asarray(depth_m)
    return depth.dtype.kind == "f" and bool((np.isfinite(depth) & (depth > 0)).any())


def _run(model, rgb: np.ndarray, camera: PinholeCamera):
    """Have a model do on a picture what the node will have it do; return a dense model's map."""
    if not isinstance(model, DenseDepthModel):
        model.distances(rgb, camera, [(camera.cx, camera.cy)])
        return None
    if not getattr(model, "postprocesses", False):
        return model.depth(rgb, model.view_of(camera))
    everything = PostprocessConfig(0.0, float("inf"))
    done = model.postprocessed(rgb, model.view_of(camera), everything)
    model.packed_cloud(done.number, EDGE_RATIO)
    return done.depth_m
