"""A virtual laser scan of a depth map: the nearest obstacle in each direction over the ground.

The scan lies in the level frame of the camera: at the camera, x along its axis laid onto the
ground, y left, z up. REP-117: +Inf is free beyond range, -Inf nearer than the range, NaN unknown;
a beam is free only if rays were seen to stay between the lowest and highest obstacle out to the
full range, none of its rays through that band is unknown or stopped outside of it, no beam beside
it ends at a thing, whose rim may reach into it, and nothing beyond the range may, by its depth's
interval, stand within.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from depthlm_ros.geometry.depth_map import ray_axes
from depthlm_ros.geometry.obstacles import ObstacleMap

_PLACES = 128
"""Of a beam's table of tangents: a bearing is right to this part of a beam."""


@dataclass(frozen=True)
class ScanRules:
    """What a scan shows.

    Obstacles up to ``max_height_m`` over the ground, from ``range_min_m`` to ``range_max_m``.
    ``columns_per_beam``: image columns that a beam covers at the horizon. ``mark_drops``: where
    ground is missing or lower a beam ends as at an obstacle. ``assumed_ratio_90``: interval of a
    depth map that states none.
    """

    max_height_m: float = 1.5
    range_min_m: float = 0.1
    range_max_m: float = 10.0
    columns_per_beam: int = 2
    mark_drops: bool = True
    assumed_ratio_90: float = 1.25

    def __post_init__(self) -> None:
        """Refuse a scan that can show nothing."""
        if not (0 <= self.range_min_m < self.range_max_m < float("inf")):
            raise ValueError(
                f"range_min_m = {self.range_min_m}, range_max_m = "
                f"{self.range_max_m}: must be 0 <= range_min_m < range_max_m"
            )
        if not (self.max_height_m > 0 and self.columns_per_beam >= 1):
            raise ValueError(
                f"max_height_m = {self.max_height_m}, columns_per_beam = "
                f"{self.columns_per_beam}: must be positive"
            )
        if not self.assumed_ratio_90 >= 1:
            raise ValueError(f"assumed_ratio_90 = {self.assumed_ratio_90}: must be at least 1")


@dataclass(frozen=True)
class Scan:
    """Ranges [m], float32 (N,), at ``angle_min_rad + i * angle_increment_rad``; left is positive.

    ``axes`` (3, 3): the level frame's x, y, z as rows in the optical frame. ``range_min_m``,
    ``range_max_m``: as asked for.
    """

    ranges_m: np.ndarray
    angle_min_rad: float
    angle_increment_rad: float
    range_min_m: float
    range_max_m: float
    axes: np.ndarray

    @property
    def angles_rad(self) -> np.ndarray:
        """Return the middle of every beam (N,)."""
        return self.angle_min_rad + self.angle_increment_rad * np.arange(len(self.ranges_m))


def scan_of(obstacles: ObstacleMap, rules: ScanRules | None = None) -> Scan:
    """Return the scan of a labelled depth map; it needs a ground (else ValueError)."""
    rules = rules or ScanRules()
    if obstacles.ground_plane is None:
        raise ValueError("a scan needs the ground: give the camera's height, or fit it")
    fan = _Fan.of(obstacles, rules)
    nearest = np.full(fan.beams, np.inf, np.float32)
    ratio = obstacles.depth_map.ratio_90
    farthest = rules.range_max_m * (ratio if ratio >= 1 else rules.assumed_ratio_90)
    x, y = ray_axes(obstacles.depth_map.camera)
    x, y = np.broadcast_to(x, obstacles.depth_m.shape), np.broadcast_to(y, obstacles.depth_m.shape)
    band = obstacles.in_band(rules.max_height_m)
    z = obstacles.depth_m[band]
    fan.take(nearest, x[band] * z, y[band] * z, z, farthest)
    if rules.mark_drops and obstacles.drop.any():
        rims = obstacles.drop_points(0.0)
        fan.take(nearest, rims[:, 0], rims[:, 1], rims[:, 2], farthest)
    empty = nearest == np.inf
    nearest[nearest > np.float32(rules.range_max_m)] = np.nan  # free, or perhaps within range
    if empty.any():
        free = fan.known_free(obstacles, x, y) & ~_beside_a_near_thing(nearest, rules.range_max_m)
        nearest[empty] = np.where(free[empty], np.inf, np.nan)
    return Scan(
        nearest, fan.first_rad, fan.step_rad, rules.range_min_m, rules.range_max_m, fan.axes
    )


def _beside_a_near_thing(nearest: np.ndarray, range_max_m: float) -> np.ndarray:
    """Tell which beams (N,) have a neighbour that ends within the range.

    The rim of what ends there may reach half a pixel into such a beam, between two of its rays.
    """
    near = np.pad(nearest <= np.float32(range_max_m), 1)
    return near[:-2] | near[2:]


@dataclass(frozen=True)
class _Fan:
    """The beams; ``axes`` of the level frame, ``first_rad``: middle of the first beam."""

    axes: np.ndarray
    first_rad: float
    step_rad: float
    beams: int
    rules: ScanRules

    @classmethod
    def of(cls, obstacles: ObstacleMap, rules: ScanRules) -> "_Fan":
        """Span the fan between the image's sides, at the row nearest to the horizon."""
        camera, ground = obstacles.depth_map.camera, obstacles.ground_plane
        axes = ground.level_axes()
        up = axes[2]
        row = 0.0 if abs(up[1]) < 1e-9 else camera.cy - camera.fy * up[2] / up[1]
        row = float(np.clip(row, 0, camera.height - 1))
        sides = np.array([[camera.width - 0.5, row], [-0.5, row]])
        rays = np.concatenate([camera.normalise(sides), np.ones((2, 1))], axis=1)
        right, left = np.arctan2(rays @ axes[1], rays @ axes[0])
        beams = max(1, camera.width // rules.columns_per_beam)
        step = float((left - right) / beams)
        return cls(axes, float(right) + step / 2, step, beams, rules)

    def take(
        self,
        nearest: np.ndarray,
        x: np.ndarray,
        y: np.ndarray,
        z: np.ndarray,
        farthest_m: float,
    ) -> None:
        """Put optical points (N,), up to ``farthest_m``, into the beams' nearest ranges."""
        ahead, left = self._level(0, x, y, z), self._level(1, x, y, z)
        reach = np.sqrt(ahead * ahead + left * left)
        beam = self._beam(ahead, left)
        reach[reach < np.float32(self.rules.range_min_m)] = -np.inf
        good = (reach <= np.float32(farthest_m)) & (beam >= 0) & (beam < self.beams)
        np.minimum.at(nearest, beam[good], reach[good])

    def _beam(self, ahead: np.ndarray, left: np.ndarray) -> np.ndarray:
        """Return the beam of each level direction; below 0 or ``beams`` and more: outside."""
        widest = max(abs(self.first_rad), abs(self.first_rad + self.step_rad * self.beams))
        if widest > 1.4 or ahead.size < 1000 or not float(ahead.min()) > 0:
            beam = np.arctan2(left, ahead)
            beam -= np.float32(self.first_rad - self.step_rad / 2)
            beam *= np.float32(1.0 / self.step_rad)
            return np.floor(beam, out=beam).astype(np.int32)
        # Ahead of the camera the bearing grows with left / ahead: arctan2 of every point would
        # take longer than all the rest of a scan.
        lowest, per_place, beams = _beam_table(self.first_rad, self.step_rad, self.beams)
        place = left / ahead
        place -= np.float32(lowest)
        place *= np.float32(per_place)
        np.clip(place, 0, len(beams) - 1, out=place)
        return beams[place.astype(np.int32)]

    def _level(
        self, axis: int, x: np.ndarray, y: np.ndarray, z: np.ndarray | np.float32
    ) -> np.ndarray:
        """Return the coordinate ahead (0), left (1) or up (2) of the camera."""
        a, b, c = (np.float32(part) for part in self.axes[axis])
        result = x * a
        result += y * b
        result += z * c
        return result

    def known_free(self, obstacles: ObstacleMap, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Tell which beams (N,) are known to be free to the full range if nothing is in them."""
        slope = self._slope(obstacles, x, y)
        height = np.float32(obstacles.ground_plane.height_m)
        low, _ = obstacles.rules.over(obstacles.ground_plane)
        high, full = np.float32(self.rules.max_height_m), np.float32(self.rules.range_max_m)
        at_full = height + full * slope
        level = (at_full >= low) & (at_full <= high)
        unknown = np.isnan(obstacles.depth_m) | self._stopped_above(obstacles)
        seen = self._count(level & ~unknown, x, y) > 0
        if not unknown.any():
            return seen
        enters = _enters_band(slope[unknown], height, low, high)
        through = np.zeros_like(unknown)
        through[unknown] = enters < full
        return seen & (self._count(through, x, y) == 0)

    def _slope(self, obstacles: ObstacleMap, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the rise of each ray per metre over the ground, float32 (H, W)."""
        ahead, left, up = (self._level(axis, x, y, np.float32(1.0)) for axis in range(3))
        return up / np.sqrt(ahead * ahead + left * left)

    def _stopped_above(self, obstacles: ObstacleMap) -> np.ndarray:
        """Tell which rays end above the band although they point into it: only from above it."""
        if obstacles.ground_plane.height_m <= self.rules.max_height_m:
            return np.zeros(obstacles.obstacle.shape, bool)
        with np.errstate(invalid="ignore"):
            return obstacles.obstacle & (obstacles.height_m > self.rules.max_height_m)

    def _count(self, chosen: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return how many of the chosen pixels (H, W) each beam has."""
        rays = x[chosen], y[chosen], np.float32(1.0)
        beam = self._beam(self._level(0, *rays), self._level(1, *rays))
        inside = (beam >= 0) & (beam < self.beams)
        return np.bincount(beam[inside], minlength=self.beams)


@lru_cache(maxsize=4)
def _beam_table(first_rad: float, step_rad: float, beams: int) -> tuple:
    """Return (lowest, places per unit, beams (K,)): the beam by the tangent of the bearing.

    ``_PLACES`` places a beam, so that a bearing is right to that part of a beam; the outermost
    places are outside, -1 and ``beams``.
    """
    ends = np.tan([first_rad - step_rad / 2, first_rad + (beams - 0.5) * step_rad])
    width = (ends[1] - ends[0]) / (_PLACES * beams)
    tangent = ends[0] + width * (np.arange(-1, _PLACES * beams + 1) + 0.5)
    found = np.floor((np.arctan(tangent) - first_rad) / step_rad + 0.5).astype(np.int32)
    found[0], found[-1] = -1, beams
    return float(ends[0] - width), float(1.0 / width), found


def _enters_band(
    slope: np.ndarray,
    camera_m: np.ndarray | np.float32 | float,
    low_m: float | np.ndarray,
    high_m: float | np.ndarray,
) -> np.ndarray:
    """Return at which range rays from height ``camera_m`` are first within the band; or Inf."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if camera_m > high_m:
            return np.where(slope < 0, (high_m - camera_m) / slope, np.inf)
        if camera_m < low_m:
            return np.where(slope > 0, (low_m - camera_m) / slope, np.inf)
    return np.zeros_like(slope)
