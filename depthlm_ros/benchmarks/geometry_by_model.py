"""What a model sees of a scene, in the place of its exact depth."""

from collections.abc import Callable

from depthlm_ros.benchmarks.geometry_truth import TrueView
from depthlm_ros.estimator import FrameEstimator
from depthlm_ros.frame import Frame
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.models.registry import load
from depthlm_ros.scenes.render import render


def seen_by(name: str, device: str = "auto") -> Callable[[TrueView], DepthMap]:
    """Return the function that has a dense model estimate the picture of a view.

    Raises StatusError when the model cannot be loaded.
    """
    estimator = FrameEstimator(load(name, device=device))

    def see(view: TrueView) -> DepthMap:
        camera = view.depth_map.camera
        rgb = render([view.scene], [view.pose], camera).rgb[0].numpy()
        return estimator.estimate(Frame(rgb, camera), None).depth_map

    return see
