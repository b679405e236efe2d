"""From a frame to metric depth, and from pixels to typed readings. The node and the CLI use it.

Invalid is NaN, beyond range is +Inf, nothing is clipped to a range; a failed query has a code and
no number. Both kinds of model end in the same ``PointDepth``.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from depthlm_ros.frame import Frame
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.canonical_view import CanonicalView
from depthlm_ros.geometry.depth_map import (
    EDGE_RATIO,
    DepthMap,
)
from depthlm_ros.geometry.rectify import Rectifier
from depthlm_ros.interval import interval_of
from depthlm_ros.models.base import (
    DenseDepthModel,
    OnDevicePostprocess,
    PointDepthModel,
    PostprocessConfig,
)
from depthlm_ros.point_depth import PointDepth
from depthlm_ros.point_readings import check_range, marker_points, sample_points
from depthlm_ros.status import Code, StatusError


class DepthEstimator:
    """A dense model together with the rules that make its output safe to act on.

    Args:
        model: The dense model.
        min_range_m: Nearest z-depth that is accepted [m], at least 0; nearer is unknown (NaN).
        max_range_m: Farthest z-depth [m]; beyond is +Inf, never clipped (REP-117).
        edge_ratio: Neighbours whose depths differ by more than this factor are two things.

    Raises:
        ValueError: for a range that is none, or an ``edge_ratio`` of 1 or less.
    """

    def __init__(
        self,
        model: DenseDepthModel,
        min_range_m: float = 0.05,
        max_range_m: float = 100.0,
        edge_ratio: float = EDGE_RATIO,
    ) -> None:
        check_range(min_range_m, max_range_m)
        if not edge_ratio > 1.0:
            raise ValueError(f"edge_ratio = {edge_ratio}: must be greater than 1")
        self.model = model
        self.min_range_m, self.max_range_m = float(min_range_m), float(max_range_m)
        self.edge_ratio = float(edge_ratio)

    def depth(self, frame: Frame) -> DepthMap:
        """Estimate the z-depth of every pixel of the frame.

        Args:
            frame: A rectified image with its camera.

        Returns:
            The map in the frame's own pixels. NaN where the model has no opinion or says a value
            that is not positive or is nearer than ``min_range_m``, and where the frame itself is
            not valid; +Inf beyond ``max_range_m``.

        Raises:
            StatusError: MODEL_ERROR, when the model's map has not the size of its view, or the
                device's memory does not suffice; BAD_IMAGE from the model.
        """
        view = self.model.view_of(frame.camera)
        model, pack = self.model, None
        if isinstance(model, OnDevicePostprocess) and model.postprocesses:
            options = PostprocessConfig(self.min_range_m, self.max_range_m)
            done = model.postprocessed(frame.rgb, view, options, frame.valid)
            depth_m, pack = done.depth_m, partial(_packed_cloud, model, done.number)
        else:
            depth_m = self._postprocessed(frame, view)
        return DepthMap(
            depth_m,
            frame.camera,
            frame.stamp_ns,
            frame.frame_id,
            float(self.model.ratio_90),
            view.edge_radius_px,
            pack,
            interval_of(self.model),
        )

    def _postprocessed(self, frame: Frame, view: CanonicalView) -> np.ndarray:
        """Finish the model's map here."""
        raw = np.asarray(self.model.depth(frame.rgb, view))
        if raw.shape != (view.height, view.width) or raw.dtype.kind not in "fiu":
            raise StatusError(
                Code.MODEL_ERROR,
                f"{self.model.name} gave a map of {raw.shape} {raw.dtype}: must be real numbers "
                f"{view.height, view.width}",
            )
        depth = apply_range(view.depth_to_source(raw), self.min_range_m, self.max_range_m)
        if frame.valid is not None:
            depth[~frame.valid] = np.nan
        return depth

    def sample(
        self, depth_map: DepthMap, pixels: ArrayLike, source_pixels: ArrayLike | None = None
    ) -> list[PointDepth]:
        """Read the map at pixels: see ``sample_points``."""
        return sample_points(depth_map, pixels, self.edge_ratio, self.max_range_m, source_pixels)


def _packed_cloud(
    model: OnDevicePostprocess, number: int, edge_ratio: float | None
) -> np.ndarray | None:
    """Return the cloud that the model's device packs; None: it cannot, and the host does."""
    try:
        return model.packed_cloud(number, edge_ratio)
    except StatusError:  # the model's process has ended since: the map itself is here
        return None


def apply_range(depth_m: np.ndarray, min_range_m: float, max_range_m: float) -> np.ndarray:
    """Return a copy, float32, in which only depths within the range are numbers.

    Not positive, NaN or nearer than ``min_range_m``: NaN. Beyond ``max_range_m``: +Inf.
    """
    depth = np.array(depth_m, dtype=np.float32)
    with np.errstate(invalid="ignore"):
        depth[~(depth >= np.float32(min_range_m)) | (depth <= 0)] = np.nan
        depth[depth > np.float32(max_range_m)] = np.inf
    return depth


@dataclass(frozen=True)
class FrameDepth:
    """A frame that questions can be answered from; ``depth_map`` is None for a marker model.

    ``clock_generation``: counts jumps of the clock, where there is a clock. ``scale``: what
    the model's own depth was multiplied by.
    """

    frame: Frame
    rectifier: Rectifier
    depth_map: DepthMap | None
    clock_generation: int = 0
    scale: float = 1.0


class FrameEstimator:
    """A model of either kind with the range of depth that is accepted: one a configuration.

    Args:
        model: a dense model gives a map of a frame; a point model is asked pixel by pixel.
        min_range_m: nearest z-depth that is accepted [m], at least 0.
        max_range_m: farthest, greater than ``min_range_m``.

    Raises:
        ValueError: for a range that is none.
    """

    def __init__(
        self,
        model: DenseDepthModel | PointDepthModel,
        min_range_m: float = 0.05,
        max_range_m: float = 100.0,
    ) -> None:
        check_range(min_range_m, max_range_m)
        self.model, self.range_m = model, (float(min_range_m), float(max_range_m))
        self._dense: DepthEstimator | None = None
        if isinstance(model, DenseDepthModel):
            self._dense = DepthEstimator(model, *self.range_m)

    def estimate(
        self,
        frame: Frame,
        rectifier: Rectifier,
        clock_generation: int = 0,
    ) -> FrameDepth:
        """Estimate a frame's depth; of a point model without a map, which is asked later."""
        depth_map = None if self._dense is None else self._dense.depth(frame)
        return FrameDepth(frame, rectifier, depth_map, clock_generation)

    def sample(self, frame_depth: FrameDepth, pixels: ArrayLike) -> list[PointDepth]:
        """Read the depth at pixels (N, 2) of the picture as taken; one reading a pixel, in order.

        Codes: those of ``sample_points`` or ``marker_points``.
        """
        rectified = frame_depth.rectifier.source_to_rectified(pixels)
        if frame_depth.depth_map is None:
            model = cast(PointDepthModel, self.model)
            return marker_points(model, frame_depth.frame, rectified, *self.range_m, pixels)
        farthest = self.range_m[1]
        return sample_points(
            frame_depth.depth_map, rectified, max_range_m=farthest, source_pixels=pixels
        )

    def points(self, frame: Frame, pixels: ArrayLike) -> list[PointDepth]:
        """Read a frame at its own pixels (N, 2) by the model, whichever its kind."""
        if self._dense is None:
            return marker_points(cast(PointDepthModel, self.model), frame, pixels, *self.range_m)
        return self._dense.sample(self._dense.depth(frame), pixels)


def source_camera(frame_depth: FrameDepth) -> PinholeCamera:
    """Return the camera in whose pixels people ask: of the picture as taken, lens and all.

    Its principal point is where the camera's axis meets that picture.
    """
    rectified, camera = frame_depth.frame.camera, frame_depth.rectifier.source_camera
    ahead = frame_depth.rectifier.rectified_to_source(np.array([rectified.cx, rectified.cy]))
    if not np.isfinite(ahead).all():
        return camera
    return replace(camera, cx=float(ahead[0]), cy=float(ahead[1]))
