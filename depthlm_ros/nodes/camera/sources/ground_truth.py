"""What is true of a published picture: depth at its pixels, remembered by its stamp.

Pixels are those of the published image, lens and all. Truth is never interpolated: a pixel has the
depth of the pixel centre it is nearest to, or the label within half a pixel.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from std_msgs.msg import Header

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import DepthMap, distance_from_depth
from depthlm_ros.geometry.rectify import Rectifier
from depthlm_ros.interval import Interval, IntervalKind
from depthlm_ros.point_depth import PointDepth
from depthlm_ros.status import Code, StatusError

REMEMBERED = 64
"""Published images whose truth can still be asked for."""
SOURCE = "truth"
EXACT = Interval(IntervalKind.CALIBRATED, "the truth itself")
NO_TRUTH = "this source knows no true depths: play scenes or a .jsonl with labels"


class Truth(Protocol):
    """True depth at pixels of one picture."""

    def read(self, pixels) -> list[PointDepth]:
        """Return one reading a pixel, in order; codes OK, NO_DEPTH, OUT_OF_IMAGE."""

    def depth_map(self) -> DepthMap | None:
        """Return the truth of every pixel, None where only some are known."""


@dataclass(frozen=True)
class DenseTruth:
    """z-depth of every pixel, float32 (H, W) [m]; +Inf: the sky, NaN: unknown."""

    depth_m: np.ndarray
    camera: PinholeCamera

    def read(self, pixels) -> list[PointDepth]:
        """See Truth."""
        return [self._read(float(u), float(v)) for u, v in pixels]

    def depth_map(self) -> DepthMap:
        """See Truth."""
        return DepthMap(self.depth_m, self.camera)

    def _read(self, u: float, v: float) -> PointDepth:
        if not self.camera.contains((u, v)):
            return outside(u, v, self.camera.width, self.camera.height)
        row, column = (
            min(int(np.floor(x + 0.5)), n - 1)
            for x, n in zip((v, u), self.depth_m.shape, strict=True)
        )
        depth = float(self.depth_m[row, column])
        if np.isfinite(depth):
            return known(u, v, self.camera.normalise((u, v)), depth_m=depth)
        frame_depth = "the sky: it has no depth" if np.isinf(depth) else "a pixel of unknown depth"
        return PointDepth(
            (u, v), Code.NO_DEPTH, f"pixel ({u:g}, {v:g}) shows {frame_depth}", source=""
        )


@dataclass(frozen=True)
class LabelTruth:
    """Labels at some pixels: ``pixels`` (N, 2), ``metres`` (N,) z-depth."""

    pixels: np.ndarray
    metres: np.ndarray
    rectifier: Rectifier
    size: tuple

    def read(self, pixels) -> list[PointDepth]:
        """See Truth."""
        return [self._read(float(u), float(v)) for u, v in pixels]

    def depth_map(self) -> None:
        """See Truth."""
        return None

    def _read(self, u: float, v: float) -> PointDepth:
        width, height = self.size
        if not (-0.5 <= u < width - 0.5 and -0.5 <= v < height - 0.5):
            return outside(u, v, width, height)
        off = np.abs(self.pixels - (u, v))
        near = np.flatnonzero((off <= 0.5).all(axis=1))
        if not near.size:
            return PointDepth(
                (u, v), Code.NO_DEPTH, f"no label within half a pixel of ({u:g}, {v:g})", source=""
            )
        label = near[np.square(off[near]).sum(axis=1).argmin()]
        xy = self.rectifier.camera.normalise(self.rectifier.source_to_rectified((u, v)))
        depth = float(self.metres[label])
        if not np.isfinite(xy).all():
            text = f"the lens model has no ray for pixel ({u:g}, {v:g}): ask nearer to the centre"
            return PointDepth((u, v), Code.NO_DEPTH, text, source="")
        return known(u, v, xy, depth_m=depth)


def known(u: float, v: float, xy, depth_m: float) -> PointDepth:
    """Return the reading of a true z-depth [m] on the ray ``xy`` (2,)."""
    distance = float(distance_from_depth(depth_m, xy))
    point = (float(xy[0] * depth_m), float(xy[1] * depth_m), depth_m)
    return PointDepth(
        (u, v), Code.OK, "", distance, depth_m, distance, distance, point, SOURCE, EXACT
    )


def outside(u: float, v: float, width: int, height: int) -> PointDepth:
    """Return the reading of a pixel that the image does not have."""
    text = f"pixel ({u:g}, {v:g}): must lie in the image of {width} x {height} px"
    return PointDepth((u, v), Code.OUT_OF_IMAGE, text, source="")


class TruthMemory:
    """The truth of the last REMEMBERED images, by stamp."""

    def __init__(self):
        self._kept: OrderedDict = OrderedDict()

    def forget(self) -> None:
        """Forget all, as when the clock jumps back."""
        self._kept.clear()

    def add(self, header: Header, truth: Truth | None) -> None:
        """Remember an image that is about to be published."""
        key = header.stamp.sec, header.stamp.nanosec
        self._kept[key] = header, truth
        self._kept.move_to_end(key)
        while len(self._kept) > REMEMBERED:
            self._kept.popitem(last=False)

    def read(self, stamp, pixels) -> tuple[Header, list[PointDepth]]:
        """Return header and readings of the image with a stamp, of the newest one for zero.

        StatusError: NO_FRAME before the first image, STALE for a stamp that is not remembered.
        """
        if not self._kept:
            raise StatusError(Code.NO_FRAME, "no image has been published yet: ask again")
        key = stamp.sec, stamp.nanosec
        if key == (0, 0):
            key = next(reversed(self._kept))
        if key not in self._kept:
            raise StatusError(
                Code.STALE,
                f"no image with stamp {key[0]} s {key[1]} ns among the last {len(self._kept)} "
                f"published: at most {REMEMBERED} are remembered; ask earlier, or with stamp 0 "
                "for the newest",
            )
        header, truth = self._kept[key]
        if truth is None:
            return header, [
                PointDepth((float(u), float(v)), Code.NO_DEPTH, NO_TRUTH, source="")
                for u, v in pixels
            ]
        return header, truth.read(pixels)
