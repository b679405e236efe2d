"""The rays of a depth map through a swept box: what may stand in it, and what hides a part of it.

Every pixel counts, with the whole interval of its depth: the box's own cells, which are looked up
one by one, could miss a shadow or a hole that is narrower than they are.
"""

from dataclasses import dataclass, replace

import numpy as np

from depthlm_ros.geometry.depth_map import ray_axes
from depthlm_ros.geometry.obstacles import ObstacleMap
from depthlm_ros.geometry.swept_box import SweptBox

NAN = float("nan")


@dataclass(frozen=True)
class Obstacle:
    """What stands in a box: distances along its way from its origin [m], NaN without obstacle.

    ``distance_m``: of the nearest point as measured; ``low_m``: the near end of its interval;
    ``p10_m``: 10th percentile over the pixels. ``point_m``: nearest point, optical frame.
    ``pixel``: (u, v) in the depth map. ``pixels``: how many show it.
    """

    distance_m: float = NAN
    low_m: float = NAN
    p10_m: float = NAN
    point_m: tuple = (NAN, NAN, NAN)
    pixel: tuple = (NAN, NAN)
    pixels: int = 0


@dataclass(frozen=True)
class Unseen:
    """Rays that enter a box unseen: how many, and how far along its way the first does [m]."""

    rays: int = 0
    first_m: float = NAN

    def share(self, all_rays: int) -> float:
        """Return them as a share of so many rays."""
        return self.rays / max(all_rays, 1)


@dataclass(frozen=True)
class BoxRays:
    """What the rays in a box's part of the image tell of it.

    ``obstacle``: what may stand in it. ``hidden``: rays that end before it. ``invalid``: rays
    through it without depth. ``drop_m``: along its way to the first ray that passes through the
    ground below it to something lower, NaN for none; only for a box on the ground. ``rays``: all
    of that part of the image.
    """

    obstacle: Obstacle = Obstacle()
    hidden: Unseen = Unseen()
    invalid: Unseen = Unseen()
    drop_m: float = NAN
    rays: int = 0

    @classmethod
    def of(cls, obstacles: ObstacleMap, box: SweptBox, ratio: float) -> "BoxRays":
        """Look at every ray of the box's part of the image; ``ratio``: interval of the depths."""
        lowered = replace(box, bottom_m=min(box.bottom_m, 0.0)) if box.on_ground else box
        window = lowered.window(obstacles.depth_map.camera)
        if window is None:
            return cls()
        part = _Part(obstacles, box, window, ratio)
        return cls(
            part.obstacle(),
            part.hidden(),
            part.unseen(np.isnan(part.depth)),
            part.first_drop() if box.on_ground else NAN,
            part.depth.size,
        )


class _Part:
    """The part of a labelled depth map that a box may touch.

    On the ray ``origin + t direction`` in the box's frame t is the z-depth.
    """

    def __init__(self, obstacles: ObstacleMap, box: SweptBox, window: tuple, ratio: float) -> None:
        self._obstacles, self._box, self._window = obstacles, box, window
        self.depth = obstacles.depth_m[window]
        self._camera, self._ratio = obstacles.depth_map.camera, np.float32(ratio)
        x, y = ray_axes(self._camera)
        self._x, self._y = x[:, window[1]], y[window[0]]
        self._origin, (self._low, self._high) = box.from_camera(np.zeros(3)), box.limits()
        corners = box.corners()[:, 2]
        self._near = np.float32(max(corners.min(), 0.0))
        self._far = np.float32(max(corners.max(), 0.0))
        ends = np.isfinite(self.depth)
        if box.on_ground:  # of the ground's own rays all that is above it was seen
            ends = ends & obstacles.obstacle[window]
        with np.errstate(invalid="ignore"):
            self._ends = ends & (self.depth <= self._far * self._ratio)

    def obstacle(self) -> Obstacle:
        """Return what may stand in the box: what ends there, or may by its interval.

        To the sides and above the box is grown by the pixel's own size, for what lies between two
        rays.
        """
        with np.errstate(invalid="ignore"):
            chosen = self._ends & (self.depth >= self._near / self._ratio) & self._is_low()
        z, rays = self.depth[chosen], self._rays(chosen)
        pixel = np.float32(1.0 / min(self._camera.fx, self._camera.fy))
        index, enter, _ = self._meeting(rays, z / self._ratio, z * self._ratio, z * pixel)
        if not len(index):
            return Obstacle()
        (x, y), z = rays, z[index]
        ahead = self._component(0, x[index], y[index])
        along = self._origin[0] + z * ahead
        entry = float((self._origin[0] + enter * ahead).min())
        k = int(np.argmin(along))
        point = (float(x[index[k]] * z[k]), float(y[index[k]] * z[k]), float(z[k]))
        u, v = (float(np.rint(part)) for part in self._camera.project(point))
        return Obstacle(
            float(along.min()),
            max(entry, self._box.begin_m),
            float(np.percentile(along, 10)),
            point,
            (u, v),
            len(index),
        )

    def hidden(self) -> Unseen:
        """Return the rays that end, whole interval and all, before they come to the box."""
        with np.errstate(invalid="ignore"):
            chosen = self._ends & (self.depth * self._ratio < self._far)
        return self.unseen(chosen, self.depth[chosen] * self._ratio)

    def unseen(self, chosen: np.ndarray, until: np.ndarray | None = None) -> Unseen:
        """Return those of pixels, bool (H, W), whose rays enter the box.

        ``until`` (N,): only later than this [m].
        """
        rays = self._rays(chosen)
        start = np.zeros(len(rays[0]), np.float32)
        index, enter, _ = self._meeting(rays, start, np.full_like(start, np.inf))
        if until is not None:
            later = until[index] < enter
            index, enter = index[later], enter[later]
        if not len(index):
            return Unseen()
        along = self._origin[0] + enter * self._component(0, *(part[index] for part in rays))
        return Unseen(len(index), float(max(along.min(), self._box.begin_m)))

    def first_drop(self) -> float:
        """Return how far along the way a ray first passes through the ground to lower [m]."""
        x, y = self._rays(self._obstacles.drop[self._window] | np.isposinf(self.depth))
        down = self._component(2, x, y)
        below = down < 0
        x, y, t = x[below], y[below], np.float32(-self._origin[2]) / down[below]
        along, aside = (self._origin[k] + t * self._component(k, x, y) for k in (0, 1))
        within = (along >= self._low[0]) & (along <= self._high[0])
        within &= np.abs(aside) <= self._high[1]
        return float(along[within].min()) if within.any() else NAN

    def _is_low(self) -> np.ndarray | bool:
        """Tell where some part of a pixel's interval is as low as the box, bool (H, W)."""
        height, ground = self._obstacles.height_m, self._obstacles.ground_plane
        if not self._box.on_ground or height is None or ground is None:
            return True
        camera_m, top_m = ground.height_m, self._box.top_m
        top = max(top_m, camera_m + (top_m - camera_m) * float(self._ratio))
        with np.errstate(invalid="ignore"):
            return height[self._window] <= np.float32(top + 2 * self._far / self._camera.fy)

    def _rays(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return x and y (N,) of the chosen pixels' rays."""
        return tuple(np.broadcast_to(part, chosen.shape)[chosen] for part in (self._x, self._y))

    def _component(self, axis: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the component of rays (x, y, 1) along an axis of the box."""
        ax, ay, az = (np.float32(part) for part in self._box.axes[axis])
        return x * ax + y * ay + az

    def _meeting(
        self, rays: tuple, enter: np.ndarray, leave: np.ndarray, grown: np.ndarray | None = None
    ) -> tuple:
        """Return (index, enter, leave) of the rays that meet the box between two z-depths (N,).

        The box's three slabs cut the stretch of each in turn. ``grown`` (N,): by so much it is
        larger to the sides and above.
        """
        x, y = rays
        index = np.arange(len(x))
        for axis in (1, 0, 2):
            direction = self._component(axis, x[index], y[index])
            more = np.float32(0.0) if grown is None or not axis else grown[index]
            with np.errstate(divide="ignore", invalid="ignore"):
                a = (np.float32(self._low[axis] - self._origin[axis]) - more) / direction
                b = (np.float32(self._high[axis] - self._origin[axis]) + more) / direction
            enter = np.maximum(enter, np.fmin(a, b))
            leave = np.minimum(leave, np.fmax(a, b))
            meets = enter <= leave
            index, enter, leave = index[meets], enter[meets], leave[meets]
        return index, enter, leave
