"""From a model's map to what is published, on the model's own device.

The same as ``CanonicalView.depth_to_source``, ``estimator.apply_range``,
``DepthMap.depth_discontinuities`` and the packing of a cloud, in torch: on a GPU the map is three
times as large as the image, and only what is sent has to come back. On a CPU the numpy and OpenCV
ways are faster. Knows no network.
"""

import functools
import itertools
import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.canonical_view import CanonicalView
from depthlm_ros.models.base import PostprocessConfig


def postprocess(
    depth: torch.Tensor,
    view: CanonicalView,
    options: PostprocessConfig,
    valid: torch.Tensor | None = None,
) -> torch.Tensor:
    """Turn a map of the view into depth of the source image.

    ``depth``: float32 (view.height, view.width), as the network gives it. ``valid``: bool (H, W).
    Returns float32 (H, W) [m], NaN unknown and +Inf beyond range.
    """
    source = apply_range(to_source(depth, view), options.min_range_m, options.max_range_m)
    if valid is not None:
        source = torch.where(valid, source, torch.nan)
    return source


@dataclass(frozen=True)
class _HeldMap:
    """A map on the device: ``depth_m`` (H, W) [m], its image ``rgb`` uint8 (H, W, 3), its view."""

    number: int
    depth_m: torch.Tensor
    rgb: torch.Tensor
    view: CanonicalView


class NewestMap:
    """Holds the newest map on its device, so that its cloud can be packed there if wanted."""

    def __init__(self) -> None:
        # Numbers of two processes differ: one may replace another between map and cloud.
        self._numbers = itertools.count(time.monotonic_ns())
        self._held: _HeldMap | None = None

    def hold(self, depth_m: torch.Tensor, rgb: torch.Tensor, view: CanonicalView) -> int:
        """Hold a map of ``postprocess`` instead of the last; return its number."""
        self._held = _HeldMap(next(self._numbers), depth_m, rgb, view)
        return self._held.number

    def forget(self) -> None:
        """Give the memory back."""
        self._held = None

    def packed(self, number: int, edge_ratio: float | None) -> torch.Tensor | None:
        """Return the cloud of the map of this number, int32 (H, W, 4); None: it is not held."""
        held = self._held
        if held is None or held.number != number:
            return None
        masked = None
        if edge_ratio is not None:
            masked = depth_discontinuities(held.depth_m, edge_ratio, held.view.edge_radius_px)
        return packed(held.depth_m, held.rgb, held.view.source, masked)


def to_source(depth: torch.Tensor, view: CanonicalView) -> torch.Tensor:
    """Resample the network's map to metres in the source image; NaN where it says nothing.

    A network's value that is not finite or not positive is none.
    """
    metres = torch.where(depth.isfinite() & (depth > 0), depth * view.depth_scale, torch.nan)
    size = (view.source.height, view.source.width)
    return F.interpolate(metres[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]


def apply_range(depth_m: torch.Tensor, min_range_m: float, max_range_m: float) -> torch.Tensor:
    """Keep depths within the range; nearer or unknown: NaN, farther: +Inf."""
    within = torch.where(depth_m >= min_range_m, depth_m, torch.nan)
    return torch.where(within > max_range_m, torch.inf, within)


def depth_discontinuities(depth_m: torch.Tensor, edge_ratio: float, reach_px: int) -> torch.Tensor:
    """Return, bool (H, W), what ``DepthMap.depth_discontinuities`` tells."""
    finite = depth_m.isfinite()
    far = _largest(torch.where(finite, depth_m, 0.0), reach_px)
    near = -_largest(torch.where(finite, -depth_m, -1e30), reach_px)
    return (far > near * edge_ratio) & finite


def _largest(x: torch.Tensor, reach_px: int) -> torch.Tensor:
    """Return the largest value (H, W) within ``reach_px`` to each side, beyond the border none."""
    side = 2 * reach_px + 1
    return F.max_pool2d(x[None, None], side, stride=1, padding=reach_px)[0, 0]


def packed(
    depth_m: torch.Tensor, rgb: torch.Tensor, camera: PinholeCamera, masked: torch.Tensor | None
) -> torch.Tensor:
    """Return x, y, z [m] and colour of every pixel, int32 (H, W, 4): bits, as they are sent."""
    x, y = _ray_axes(camera, depth_m.device)
    visible = depth_m.isfinite() if masked is None else depth_m.isfinite() & ~masked
    z = torch.where(visible, depth_m, torch.nan)
    red, green, blue = rgb.to(torch.int32).unbind(-1)
    # As integers: colours are denormal floats, which a device may take for zero.
    xyz = (plane.view(torch.int32) for plane in (z * x, z * y, z))
    return torch.stack((*xyz, (red << 16) | (green << 8) | blue), dim=-1)


@functools.lru_cache(maxsize=8)
@torch.inference_mode(False)  # cached across calls, also outside inference_mode
def _ray_axes(camera: PinholeCamera, device: torch.device) -> tuple:
    """Return x (1, W) and y (H, 1) of the normalised rays, float32, on the device; made once."""
    u = torch.arange(camera.width, dtype=torch.float64)
    v = torch.arange(camera.height, dtype=torch.float64)
    x, y = (u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy
    return x.float().to(device)[None, :], y.float().to(device)[:, None]
