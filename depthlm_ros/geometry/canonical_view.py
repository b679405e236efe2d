"""The focal-unified view of an image, and its exact inverse.

A monocular model learns sizes in pixels, so every image is resampled to the focal length that the
model was trained at (DepthLM section 3.2; DepthVLM, canonical focal length):
``W' = f_uni / fx W``, ``H' = f_uni / fy H``, each axis by its own focal length.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.status import Code, StatusError

MAX_SIDE_PX = 16384
MAX_PIXELS = 40_000_000
"""Largest view that is allocated, whatever the calibration says."""


@dataclass(frozen=True)
class CanonicalView:
    """A source camera, the view's camera, and the factor from the model's depth to metres.

    ``depth_scale`` is the view's focal length (geometric mean of the axes) over the unified one.
    It differs from 1 where the size was rounded to the model's multiple or capped: an image at
    0.8 f_uni shows everything 0.8 times as large, so the model reads 1 / 0.8 of the depth.
    """

    source: PinholeCamera
    camera: PinholeCamera
    depth_scale: float = 1.0

    @classmethod
    def of(
        cls,
        source: PinholeCamera,
        focal_px: float,
        multiple: int = 1,
        max_pixels: int | None = None,
    ) -> "CanonicalView":
        """Return the view at ``focal_px``, sides rounded to ``multiple``.

        It has about ``max_pixels`` at the most; None: no cap. Raises StatusError(BAD_CAMERA_INFO)
        for a focal length so odd that the view would have a side over MAX_SIDE_PX.
        """
        if not focal_px > 0 or multiple < 1:
            raise ValueError(f"focal_px = {focal_px}, multiple = {multiple}: must be positive")
        width, height = source.width * focal_px / source.fx, source.height * focal_px / source.fy
        if max_pixels is not None and width * height > max_pixels:
            shrink = (max_pixels / (width * height)) ** 0.5
            width, height = width * shrink, height * shrink
        sides = [max(multiple, round(side / multiple) * multiple) for side in (width, height)]
        if max(sides) > MAX_SIDE_PX or sides[0] * sides[1] > MAX_PIXELS:
            raise StatusError(
                Code.BAD_CAMERA_INFO,
                f"fx = {source.fx:g}, fy = {source.fy:g} px for {source.width} x {source.height} "
                f"px: the view at {focal_px:g} px would have {sides[0]:.3g} x {sides[1]:.3g} px, "
                f"must be at most {MAX_SIDE_PX} a side and {MAX_PIXELS} in all; calibrate the "
                "camera",
            )
        return cls.resized(source, sides[0], sides[1], focal_px)

    @classmethod
    def resized(
        cls, source: PinholeCamera, width: int, height: int, focal_px: float
    ) -> "CanonicalView":
        """Return the view of a size in pixels that a model trained at ``focal_px`` sees.

        ``depth_scale`` follows from the focal length that the size gives: geometric mean of the
        axes.
        """
        camera = source.resized(width, height)
        return cls(source, camera, float(np.sqrt(camera.fx * camera.fy) / focal_px))

    @property
    def width(self) -> int:
        """Columns of the view in pixels."""
        return self.camera.width

    @property
    def height(self) -> int:
        """Rows of the view in pixels."""
        return self.camera.height

    @property
    def edge_radius_px(self) -> int:
        """Over how many source pixels, to each side, the view's resampling smears a step."""
        scale = max(self.source.width / self.width, self.source.height / self.height)
        return max(1, int(np.ceil(scale / 2)))

    def _scale(self) -> np.ndarray:
        return np.array([self.width / self.source.width, self.height / self.source.height])

    def to_view(self, pixels: ArrayLike) -> np.ndarray:
        """Map source pixels (..., 2) to view pixels."""
        return (np.asarray(pixels, dtype=np.float64) + 0.5) * self._scale() - 0.5

    def to_source(self, pixels: ArrayLike) -> np.ndarray:
        """Map view pixels (..., 2) to source pixels: the inverse of ``to_view``."""
        return (np.asarray(pixels, dtype=np.float64) + 0.5) / self._scale() - 0.5

    def depth_to_source(self, depth: np.ndarray) -> np.ndarray:
        """Resample the model's map (view.height, view.width) to metres, float32 (H, W).

        What rests on a NaN becomes NaN; +Inf stays where nothing finite has a part in it, and is
        NaN beside finite depths: neither a wall nor free space is made up.
        """
        metres = np.asarray(depth, dtype=np.float32) * np.float32(self.depth_scale)
        size = (self.source.width, self.source.height)
        endless = metres == np.inf
        if not endless.any():
            return cv2.resize(metres, size, interpolation=cv2.INTER_LINEAR)
        metres[endless] = np.nan
        resized = cv2.resize(metres, size, interpolation=cv2.INTER_LINEAR)
        share = cv2.resize(endless.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
        resized[share > 0.999] = np.inf
        return resized
