"""What stands on the ground, what lies below it, and what is neither: labels of every pixel."""

from dataclasses import dataclass

import cv2
import numpy as np

from depthlm_ros.geometry.depth_map import EDGE_RATIO, DepthMap, ray_axes
from depthlm_ros.geometry.ground_plane import GroundPlane, slope_map

_FAR = np.float32(1e30)


@dataclass(frozen=True)
class ObstacleRules:
    """Heights over the ground [m] that tell things apart.

    Higher than ``min_height_m``: an obstacle. Lower than ``-max_drop_m``: a drop. Between them:
    ground. Both are at least three of the ground's own residuals: its roughness is no obstacle.
    ``edge_ratio``: as of ``DepthMap.depth_discontinuities``.
    """

    min_height_m: float = 0.05
    max_drop_m: float = 0.05
    edge_ratio: float = EDGE_RATIO

    def __post_init__(self) -> None:
        """Refuse rules that tell nothing apart."""
        if not (self.min_height_m > 0 and self.max_drop_m > 0 and self.edge_ratio > 1):
            raise ValueError(
                f"min_height_m = {self.min_height_m}, max_drop_m = {self.max_drop_m}: must be "
                f"positive, and edge_ratio = {self.edge_ratio} greater than 1"
            )

    def over(self, ground: GroundPlane) -> tuple[np.float32, np.float32]:
        """Return the lowest obstacle and the highest drop over a ground [m]."""
        rough = 3.0 * ground.residual_m if np.isfinite(ground.residual_m) else 0.0
        return np.float32(max(self.min_height_m, rough)), np.float32(-max(self.max_drop_m, rough))


@dataclass(frozen=True)
class ObstacleMap:
    """A depth map in which every pixel is told apart; arrays (H, W).

    ``depth_m`` float32: the map's own, but across a depth step behind an obstacle the obstacle's:
    such pixels mix both, and taken for the far side they would float free in the air (or hide a
    thin pole). ``height_m`` float32: of those points above the ground [m]; None without ground.
    ``obstacle``, ``drop``, ``ground``: bool. Without a ground everything finite is an obstacle.
    """

    depth_map: DepthMap
    ground_plane: GroundPlane | None
    rules: ObstacleRules
    depth_m: np.ndarray
    height_m: np.ndarray | None
    obstacle: np.ndarray
    ground: np.ndarray
    drop: np.ndarray

    @classmethod
    def of(
        cls, depth_map: DepthMap, ground: GroundPlane | None, rules: ObstacleRules | None = None
    ) -> "ObstacleMap":
        """Label a depth map over a ground, or without one."""
        rules = rules or ObstacleRules()
        depth = depth_map.depth_m
        finite = np.isfinite(depth)
        if ground is None:
            none = np.zeros(depth.shape, dtype=bool)
            front, _ = _foreground(depth, finite, rules, depth_map.edge_radius_px)
            return cls(depth_map, None, rules, front, None, finite, none, none)
        height, (lowest, deepest) = ground.heights(depth_map), rules.over(ground)
        with np.errstate(invalid="ignore"):
            obstacle = (height > lowest) & finite
        front, behind = _foreground(depth, obstacle, rules, depth_map.edge_radius_px)
        obstacle |= behind
        if behind.any():
            slope = slope_map(depth_map.camera, ground.up)
            height[behind] = front[behind] * slope[behind] + np.float32(ground.height_m)
        with np.errstate(invalid="ignore"):
            drop = (height < deepest) & finite & ~obstacle
        return cls(
            depth_map, ground, rules, front, height, obstacle, finite & ~obstacle & ~drop, drop
        )

    def unseen_below_m(self) -> float:
        """Return below which height [m] things cannot be told from rough ground.

        0 where all can that the rules do not let be driven over.
        """
        if self.ground_plane is None:
            return 0.0
        lowest = float(self.rules.over(self.ground_plane)[0])
        return lowest if lowest > self.rules.min_height_m + 1e-6 else 0.0

    def in_band(self, max_height_m: float) -> np.ndarray:
        """Tell which pixels are obstacles not higher than ``max_height_m``, bool (H, W)."""
        if self.height_m is None:
            return self.obstacle
        with np.errstate(invalid="ignore"):
            return self.obstacle & (self.height_m <= np.float32(max_height_m))

    def drop_points(self, height_m: float | None = None, stride: int = 1) -> np.ndarray:
        """Return, float32 (N, 3) [m], where the rays to lower ground pass over missing ground.

        ``height_m``: above the ground (None: just above the lowest obstacle), so that a map of
        obstacles takes them for some.
        """
        if self.ground_plane is None:
            return np.empty((0, 3), np.float32)
        points = self.points(self.drop, stride)
        camera_height = self.ground_plane.height_m
        if height_m is None:
            height_m = 1.2 * float(self.rules.over(self.ground_plane)[0])
        share = (camera_height - height_m) / (camera_height - self.ground_plane.height_of(points))
        return points * share[:, None].astype(np.float32)

    def points(self, chosen: np.ndarray, stride: int = 1) -> np.ndarray:
        """Return the points of pixels ``chosen``, bool (H, W): float32 (N, 3), optical frame [m].

        ``stride``: only every so many rows and columns.
        """
        if stride > 1:
            grid = np.zeros_like(chosen)
            grid[::stride, ::stride] = chosen[::stride, ::stride]
            chosen = grid
        x, y = (np.broadcast_to(part, chosen.shape) for part in ray_axes(self.depth_map.camera))
        z = self.depth_m[chosen]
        points = np.empty((len(z), 3), np.float32)
        np.multiply(x[chosen], z, out=points[:, 0])
        np.multiply(y[chosen], z, out=points[:, 1])
        points[:, 2] = z
        return points


def _foreground(
    depth: np.ndarray,
    obstacle: np.ndarray,
    rules: ObstacleRules,
    reach_px: int,
) -> tuple:
    """Return the depth with the obstacle's beside each obstacle's rim, and where, bool.

    Before the sky (+Inf) as before anything else; what is unknown stays so.
    """
    kernel = np.ones((2 * reach_px + 1, 2 * reach_px + 1), np.uint8)
    near = cv2.erode(np.where(obstacle, depth, _FAR), kernel)
    with np.errstate(invalid="ignore"):
        behind = (depth > near * np.float32(rules.edge_ratio)) & (near < _FAR)
    return np.where(behind, near, depth), behind
