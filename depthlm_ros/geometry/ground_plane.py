"""The ground under a camera: fitted to a depth map, or given by the camera's height and tilt.

Everything is in the camera's optical frame (REP-103: x right, y down, z forward), metres. A plane
``up . p + height_m = 0`` in front of a pinhole camera is linear in inverse depth:
``1 / z = -(up . ray) / height_m`` with the ray ``(x, y, 1)``, so that planes of a whole image are
compared by one matrix product (the idea of V-disparity, Labayrade et al. 2002, for any roll).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.depth_map import DepthMap

CAMERA_UP = (0.0, -1.0, 0.0)
"""Up in the optical frame of a camera that is held level."""
_STRIDE_PX = 4
_BASELINE = 3
_CANDIDATES = 64
_SCORED = 1200
_SHARES = 0.5 ** np.arange(7)
_DENSITY = -0.35
_BELOW_M = 0.25
"""What lies so far below a plane speaks against its being the ground; a step down does not."""


@dataclass(frozen=True)
class GroundPlane:
    """The plane ``up . p + height_m = 0`` in the optical frame.

    ``up``: unit normal (3,), away from the ground. ``height_m``: of the camera above it.
    ``residual_m``: robust standard deviation (1.4826 MAD) of the heights of its points.
    ``support``: share of the map's valid samples that lie on it, 0 to 1. ``confidence``: 0 to 1,
    1 where a tenth of the samples or more lie on it and none below.
    """

    up: tuple
    height_m: float
    residual_m: float = float("nan")
    support: float = float("nan")
    confidence: float = float("nan")

    @classmethod
    def from_camera(
        cls, height_m: float, up: Sequence[float] | np.ndarray = CAMERA_UP
    ) -> "GroundPlane":
        """Return the ground of a camera at a known height [m], ``up`` (3,) in its frame."""
        normal = np.asarray(up, dtype=np.float64)
        length = np.linalg.norm(normal)
        if not (height_m > 0 and np.isfinite(height_m) and np.isfinite(length) and length > 0):
            raise ValueError(
                f"height_m = {height_m}, up = {tuple(up)}: the height must be positive, and up a "
                "direction"
            )
        return cls(tuple(float(x) for x in normal / length), float(height_m))

    @property
    def pitch_rad(self) -> float:
        """Elevation of the optical axis over the ground [rad]; negative looks down."""
        return float(np.arcsin(np.clip(self.up[2], -1.0, 1.0)))

    @property
    def roll_rad(self) -> float:
        """Turn around the optical axis [rad]; positive when the right side is lower."""
        return float(np.arctan2(-self.up[0], -self.up[1]))

    def height_of(self, points: ArrayLike) -> np.ndarray:
        """Return the height above the ground of points (..., 3) [m], optical frame; (...)."""
        return np.asarray(points, dtype=np.float64) @ np.array(self.up) + self.height_m

    def heights(self, depth_map: DepthMap) -> np.ndarray:
        """Return every pixel's height above the ground, float32 (H, W) [m].

        NaN where the depth is; infinite or NaN where it is infinite.
        """
        with np.errstate(invalid="ignore"):
            result = depth_map.depth_m * slope_map(depth_map.camera, self.up)
        result += np.float32(self.height_m)
        return result

    def level_axes(self, forward: Sequence[float] | np.ndarray = (0.0, 0.0, 1.0)) -> np.ndarray:
        """Return the level frame as rows forward, left, up (3, 3), in the optical frame.

        ``forward``: a direction (3,), laid onto the ground. Raises ValueError when it stands
        upright on it.
        """
        up = np.array(self.up)
        along = np.asarray(forward, dtype=np.float64)
        along = along - (along @ up) * up
        length = np.linalg.norm(along)
        if not length > 1e-6:
            raise ValueError(f"direction {tuple(forward)}: must not be upright on the ground")
        along = along / length
        return np.stack([along, np.cross(up, along), up])


@dataclass(frozen=True)
class GroundSettings:
    """What a ground may be.

    ``up``: expected, (3,) optical frame; ``max_tilt_rad``: from it. ``height_m``: lowest and
    highest camera. ``tolerance_m``, ``tolerance_ratio``: a point within tolerance_m +
    tolerance_ratio * height belongs to a candidate. ``min_support``: share of the valid samples.
    """

    up: tuple = CAMERA_UP
    max_tilt_rad: float = 0.75
    height_m: tuple = (0.03, 5.0)
    tolerance_m: float = 0.01
    tolerance_ratio: float = 0.02
    min_support: float = 0.02


def fit_ground(depth_map: DepthMap, settings: GroundSettings | None = None) -> GroundPlane | None:
    """Fit the ground to a depth map; None when no plane in view can be the ground.

    Candidates are planes through three samples that face up (Fischler and Bolles 1981) and the
    tangent planes of some; the best has most points on it and fewest below it (a table has the
    floor below it), refined by least squares on its points. The same map gives the same plane.
    """
    settings = settings or GroundSettings()
    samples = _Samples.of(depth_map)
    if samples is None:
        return None
    candidates = _candidates(samples, settings)
    if not len(candidates):
        return None
    normal, offset = _best(candidates, samples, settings)
    return _refined(normal, offset, samples, settings)


def measured(
    ground: GroundPlane, depth_map: DepthMap, settings: GroundSettings | None = None
) -> GroundPlane:
    """Return a given ground with residual, support and confidence as the depth map shows them."""
    settings = settings or GroundSettings()
    samples = _Samples.of(depth_map)
    if samples is None:
        return GroundPlane(ground.up, ground.height_m, float("nan"), 0.0, 0.0)
    plane = -np.array(ground.up) / ground.height_m
    return _judged(plane, float(_band(plane, settings)), samples)


@dataclass(frozen=True)
class _Samples:
    """Valid samples of a map: points (N, 3) [m], and the tangent planes (N, 3), NaN at edges.

    A plane is ``m`` (3,) with ``m . p = 1``: ``up = -m / |m|``, ``height = 1 / |m|``.
    """

    points: np.ndarray
    tangents: np.ndarray

    @classmethod
    def of(cls, depth_map: DepthMap) -> "_Samples | None":
        """Sample every _STRIDE_PX; None when hardly anything is valid."""
        x, y = _sample_rays(depth_map.camera)
        z = depth_map.depth_m[_STRIDE_PX // 2 :: _STRIDE_PX, _STRIDE_PX // 2 :: _STRIDE_PX]
        valid = np.isfinite(z) & (z > 0)
        if min(z.shape) <= 2 * _BASELINE or valid.sum() < 50:
            return None
        q = np.where(valid, 1.0 / np.where(valid, z, 1.0), np.nan)
        a, b = np.full_like(q, np.nan), np.full_like(q, np.nan)
        n = _BASELINE
        a[:, n:-n] = (q[:, 2 * n :] - q[:, : -2 * n]) / (x[:, 2 * n :] - x[:, : -2 * n])
        b[n:-n] = (q[2 * n :] - q[: -2 * n]) / (y[2 * n :] - y[: -2 * n])
        tangents = np.stack([a, b, q - a * x - b * y], axis=-1)[valid]
        points = np.stack([z * x, z * y, z], axis=-1)[valid]
        return cls(points.astype(np.float64), tangents.astype(np.float64))


def _candidates(samples: _Samples, settings: GroundSettings) -> np.ndarray:
    """Return planes (K, 3) that the settings allow."""
    facing = np.flatnonzero(_allowed(samples.tangents, settings))
    if len(facing) < 12:
        return np.empty((0, 3))
    rng = np.random.default_rng(0)
    tangents = samples.tangents[rng.choice(facing, _CANDIDATES // 2)]
    triples = samples.points[rng.choice(facing, (_CANDIDATES, 3))]
    triples = triples[np.abs(np.linalg.det(triples)) > 1e-6]
    through = np.linalg.solve(triples, np.ones((len(triples), 3, 1)))[..., 0]
    planes = np.concatenate([tangents, through])
    return planes[_allowed(planes, settings)]


def _allowed(planes: np.ndarray, settings: GroundSettings) -> np.ndarray:
    """Tell which planes (K, 3) have an allowed tilt and camera height; NaN is not allowed."""
    size = np.linalg.norm(planes, axis=-1)
    up = np.asarray(settings.up) / np.linalg.norm(settings.up)
    low, high = settings.height_m
    level = -(planes @ up) >= np.cos(settings.max_tilt_rad) * size
    return level & (size * low <= 1.0) & (size * high >= 1.0)


def _best(planes: np.ndarray, samples: _Samples, settings: GroundSettings) -> tuple:
    """Return the plane with most points on it and fewest below it, and its band [m].

    Points a band are weighed by band ** -0.35: of a precise map the narrowest band wins, so that a
    kerb or a rug is not averaged into the ground; of a noisy one (normal errors) the band of two
    deviations.
    """
    some = samples.points[:: max(1, len(samples.points) // _SCORED)].astype(np.float32)
    planes = planes.astype(np.float32)
    heights = (1.0 - planes @ some.T) / np.linalg.norm(planes, axis=1)[:, None]
    widest = _band(planes, settings)
    below = (heights < -np.maximum(2 * widest, _BELOW_M)[:, None]).sum(axis=1)
    np.abs(heights, out=heights)
    scores = [
        ((heights < (share * widest)[:, None]).sum(axis=1) - 2 * below) * share**_DENSITY
        for share in _SHARES
    ]
    scale, plane = np.unravel_index(np.argmax(scores), (len(_SHARES), len(planes)))
    return planes[plane].astype(np.float64), float(_SHARES[scale] * widest[plane])


def _band(planes: np.ndarray, settings: GroundSettings) -> np.ndarray:
    """Return the half width of the widest band around planes (..., 3) that their points fill."""
    return settings.tolerance_m + settings.tolerance_ratio / np.linalg.norm(planes, axis=-1)


def _heights(plane: np.ndarray, points: np.ndarray) -> np.ndarray:
    return (1.0 - points @ plane) / np.linalg.norm(plane)


def _refined(
    plane: np.ndarray, band: float, samples: _Samples, settings: GroundSettings
) -> GroundPlane | None:
    """Return the least-squares plane of the points around ``plane``; None when it is no ground."""
    for narrowing in (_SHARES[:1], _SHARES[:1], _SHARES, _SHARES[:1]):
        off = np.abs(_heights(plane, samples.points))
        counts = np.array([np.count_nonzero(off < share * band) for share in narrowing])
        band *= float(narrowing[np.argmax(counts * narrowing**_DENSITY)])
        chosen = samples.points[off < band]
        if len(chosen) < 12:
            return None
        plane = np.linalg.lstsq(chosen.T @ chosen, chosen.sum(axis=0), rcond=None)[0]
    if not _allowed(plane, settings):
        return None
    ground = _judged(plane, band, samples)
    enough = ground.support >= settings.min_support and ground.confidence >= 0.2
    return ground if enough else None


def _judged(plane: np.ndarray, band: float, samples: _Samples) -> GroundPlane:
    """Return a plane as a GroundPlane, with what its points say of it.

    Clutter fills every band alike, so that a third of what lies within three bands lies within
    one; of a plane it is all.
    """
    size = np.linalg.norm(plane)
    heights = _heights(plane, samples.points)
    on = np.abs(heights) < band
    support, below = float(on.mean()), float((heights < -max(2 * band, _BELOW_M)).mean())
    around = float((np.abs(heights) < 3 * band).mean())
    plain = np.clip(1.5 * support / max(around, 1e-9) - 0.5, 0.0, 1.0)
    confidence = min(1.0, support / 0.1) * plain * support / max(support + below, 1e-9)
    residual = _deviation(heights[on]) if on.any() else float("nan")
    up = tuple(float(x) for x in -plane / size)
    return GroundPlane(up, float(1.0 / size), residual, support, float(confidence))


def _deviation(values: np.ndarray) -> float:
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


@lru_cache(maxsize=8)
def _sample_rays(camera: PinholeCamera) -> tuple:
    """Return x (1, W / stride) and y (H / stride, 1) of the sampled rays, float64."""
    u = np.arange(_STRIDE_PX // 2, camera.width, _STRIDE_PX)
    v = np.arange(_STRIDE_PX // 2, camera.height, _STRIDE_PX)
    return ((u - camera.cx) / camera.fx)[None, :], ((v - camera.cy) / camera.fy)[:, None]


@lru_cache(maxsize=2)
def slope_map(camera: PinholeCamera, up: tuple) -> np.ndarray:
    """Return up . (x, y, 1) of every pixel, float32 (H, W), read-only."""
    x = (np.arange(camera.width) - camera.cx) / camera.fx * up[0] + up[2]
    y = (np.arange(camera.height) - camera.cy) / camera.fy * up[1]
    slope = x.astype(np.float32)[None, :] + y.astype(np.float32)[:, None]
    slope.flags.writeable = False
    return slope
