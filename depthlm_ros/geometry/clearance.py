"""Is a swept volume clear? Only what is KNOWN to be free is clear; everything else says why not.

Every obstacle counts with the whole interval of its depth: where any part of it may lie within
the box, the box is not clear. The volume itself is sampled: each cell must have been seen through,
and where a thing drives, the ground below each cell must be there, neither lower nor hidden.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np

from depthlm_ros.geometry.box_rays import BoxRays, Obstacle
from depthlm_ros.geometry.obstacles import ObstacleMap
from depthlm_ros.geometry.swept_box import NEAR_M, Cells, SweptBox

NAN = float("nan")
_TOUCH = 0.01
"""A surface so little nearer than a cell (share of its depth) does not hide it: pixels round."""


class Verdict(IntEnum):
    """What is known of a volume; only CLEAR may be entered."""

    UNKNOWN = 0
    CLEAR = 1
    BLOCKED = 2
    DROP = 3


@dataclass(frozen=True)
class ClearanceRules:
    """When a volume counts as known.

    ``assumed_ratio_90``: interval of a depth map that states none. ``max_range_m``: +Inf in a map
    means beyond it. ``cell_m``, ``max_cells``: size and number of the cells that must be seen.
    ``max_unseen``: share of them that may be unseen; 0: none, what is unknown is never clear.
    """

    assumed_ratio_90: float = 1.25
    max_range_m: float = 100.0
    cell_m: float = 0.05
    max_cells: int = 12_000
    max_unseen: float = 0.0

    def __post_init__(self) -> None:
        """Refuse rules under which nothing or anything is clear."""
        if not self.assumed_ratio_90 >= 1:
            raise ValueError(f"assumed_ratio_90 = {self.assumed_ratio_90}: must be at least 1")
        if not (self.cell_m > 0 and self.max_cells >= 64 and self.max_range_m > 0):
            raise ValueError(
                f"cell_m = {self.cell_m}, max_cells = {self.max_cells}, max_range_m = "
                f"{self.max_range_m}: must be positive, at least 64 cells"
            )
        if not 0 <= self.max_unseen < 1:
            raise ValueError(f"max_unseen = {self.max_unseen}: must lie in [0, 1)")


@dataclass(frozen=True)
class Clearance:
    """What is known of a swept box.

    ``free_m``: the box is known to be free from its begin to here along the way [m]; the begin
    itself when nothing is. ``visible_from_m``: from here on the whole box lies in the view (NaN:
    nowhere). Shares of the box's cells: ``outside_view``, ``hidden`` (behind things, or nearer to
    them than their interval), ``invalid`` (no depth there); ``valid_fraction``: of the cells in
    view, with a depth. ``drop_m``: distance to the first missing or lower ground, NaN for none.
    """

    verdict: Verdict
    text: str
    obstacle: Obstacle = field(default_factory=Obstacle)
    free_m: float = NAN
    visible_from_m: float = NAN
    outside_view: float = 1.0
    hidden: float = 0.0
    invalid: float = 0.0
    valid_fraction: float = 0.0
    drop_m: float = NAN

    @property
    def clear(self) -> bool:
        """True only when the whole volume is known to be free."""
        return self.verdict is Verdict.CLEAR

    @property
    def unseen_fraction(self) -> float:
        """Share of the volume that was not seen."""
        return self.outside_view + self.hidden + self.invalid


def check_clearance(
    obstacles: ObstacleMap, box: SweptBox, rules: ClearanceRules | None = None
) -> Clearance:
    """Check a box (with its margins) against a labelled depth map.

    A box ``on_ground`` needs an ObstacleMap with that ground. The ground's own pixels count as
    measured, without interval: an error of scale moves camera height and ground together.
    """
    rules = rules or ClearanceRules()
    if box.on_ground and obstacles.ground_plane is None:
        return Clearance(
            Verdict.UNKNOWN,
            "no ground in view: tell the camera's height, or ask for a volume in the air",
            free_m=box.begin_m,
        )
    ratio = _ratio(obstacles, rules)
    rays = BoxRays.of(obstacles, box, ratio)
    rough_m = obstacles.unseen_below_m() if box.on_ground else 0.0
    cells = box.samples(rules.cell_m, rules.max_cells)
    volume = _CellVisibility.of(obstacles, cells, ratio, rules, box.on_ground)
    floor = None
    if box.on_ground:
        cells = box.footprint(rules.cell_m, rules.max_cells // 8)
        floor = _CellVisibility.of(obstacles, cells, ratio, rules, True)
    found = _judge(box, rules, rays, volume, floor)
    return _over_rough_ground(found, box, rough_m) if rough_m else found


def free_distances(
    obstacles: ObstacleMap,
    box: SweptBox,
    yaws_rad: Sequence[float] | np.ndarray,
    rules: ClearanceRules | None = None,
) -> list[float]:
    """Return ``free_m`` of the box turned by each angle; positive angles to the left."""
    return [check_clearance(obstacles, box.turned(yaw), rules).free_m for yaw in yaws_rad]


def _ratio(obstacles: ObstacleMap, rules: ClearanceRules) -> float:
    ratio = obstacles.depth_map.ratio_90
    return float(ratio) if ratio >= 1 else rules.assumed_ratio_90


@dataclass(frozen=True)
class _CellVisibility:
    """Which of the cells (N,) the camera saw, and why not the others.

    ``along_m``: x in the box. ``reach_m``: how far before it a cell begins. ``outside``,
    ``invalid``, ``hidden``, ``drop`` (missing or lower ground): bool, at most one of them True.
    """

    along_m: np.ndarray
    reach_m: float
    outside: np.ndarray
    invalid: np.ndarray
    hidden: np.ndarray
    drop: np.ndarray

    @classmethod
    def of(
        cls,
        obstacles: ObstacleMap,
        cells: Cells,
        ratio: float,
        rules: ClearanceRules,
        on_ground: bool,
    ) -> "_CellVisibility":
        """Look the cells up in the labelled map."""
        camera = obstacles.depth_map.camera
        z = cells.points[:, 2]
        pixels = camera.project(np.where(z[:, None] > NEAR_M, cells.points, np.nan))
        outside = ~camera.contains(pixels)
        at = np.where(outside[:, None], 0.0, np.rint(pixels)).astype(int)
        at = np.clip(at, 0, (camera.width - 1, camera.height - 1))
        column, row = at.T
        depth = obstacles.depth_m[row, column].astype(np.float64)
        beyond, invalid = np.isposinf(depth), np.isnan(depth) & ~outside
        reach = np.where(beyond, rules.max_range_m, depth) / ratio
        if on_ground:  # ground lies below every cell of its ray
            reach[~(beyond | obstacles.obstacle[row, column])] = np.inf
        with np.errstate(invalid="ignore"):
            hidden = (reach < z * (1 - _TOUCH)) & ~outside & ~invalid
        lower = (obstacles.drop[row, column] | beyond) & ~outside & ~invalid & ~hidden
        return cls(cells.along_m, cells.reach_m, outside, invalid, hidden, lower)

    def unseen(self) -> np.ndarray:
        """Tell which cells were not seen."""
        return self.outside | self.invalid | self.hidden

    def first(self, chosen: np.ndarray) -> float:
        """Return where the first of chosen cells begins [m]; NaN for none."""
        return float(self.along_m[chosen].min() - self.reach_m) if chosen.any() else NAN

    def visible_from(self, begin_m: float) -> float:
        """Return from where on all cells lie in the view [m]; NaN for nowhere."""
        if not self.outside.any():
            return begin_m
        behind = self.along_m[self.along_m > self.along_m[self.outside].max()]
        return float(behind.min()) if len(behind) else NAN


def _judge(
    box: SweptBox,
    rules: ClearanceRules,
    rays: BoxRays,
    volume: _CellVisibility,
    floor: _CellVisibility | None,
) -> Clearance:
    """Join what is known of obstacles, volume and floor into one verdict."""
    parts = [volume] if floor is None else [volume, floor]
    by_rays = {name: getattr(rays, name).share(rays.rays) for name in ("hidden", "invalid")}
    unseen = max(sum(by_rays.values()), *(float(part.unseen().mean()) for part in parts))
    dropped = [] if floor is None else floor.along_m[floor.drop].tolist()
    drop_m = _least([rays.drop_m, *dropped])
    first = [part.first(part.unseen()) for part in parts]
    first += [rays.hidden.first_m, rays.invalid.first_m]
    free = _least([box.end_m, rays.obstacle.low_m, drop_m, *first])
    in_view = ~volume.outside
    shares = {
        name: float(getattr(volume, name).mean()) for name in ("outside", "hidden", "invalid")
    }
    result = Clearance(
        Verdict.UNKNOWN,
        "",
        rays.obstacle,
        float(max(free, box.begin_m)),
        max(part.visible_from(box.begin_m) for part in parts),
        shares["outside"],
        max(shares["hidden"], by_rays["hidden"]),
        max(shares["invalid"], by_rays["invalid"]),
        float((~volume.invalid[in_view]).mean()) if in_view.any() else 0.0,
        drop_m,
    )
    verdict = _verdict(rays.obstacle, drop_m, unseen > rules.max_unseen)
    return replace(result, verdict=verdict, text=_sentence(verdict, box, result, unseen))


def _over_rough_ground(found: Clearance, box: SweptBox, rough_m: float) -> Clearance:
    """Return what is known of a box of which nobody can tell what low things stand in it."""
    if not found.clear:
        return replace(found, free_m=box.begin_m)
    text = (
        "not known to be free: over ground that is, or is estimated, so rough, nothing lower than "
        f"{rough_m:.2f} m can be told from it; say by obstacle_min_height_m what may be driven "
        "over"
    )
    return replace(found, verdict=Verdict.UNKNOWN, text=text, free_m=box.begin_m)


def _least(values: list) -> float:
    """Return the least of numbers that may be NaN; NaN where all are."""
    known = [value for value in values if not np.isnan(value)]
    return min(known, default=NAN)


def _verdict(obstacle: Obstacle, drop_m: float, is_unseen: bool) -> Verdict:
    if obstacle.pixels:
        return Verdict.BLOCKED
    if np.isfinite(drop_m):
        return Verdict.DROP
    return Verdict.UNKNOWN if is_unseen else Verdict.CLEAR


def _sentence(verdict: Verdict, box: SweptBox, found: Clearance, unseen: float) -> str:
    """Say for people what the verdict rests on."""
    if verdict is Verdict.BLOCKED:
        text = f"something stands {found.obstacle.distance_m:.2f} m along the way"
        if found.obstacle.low_m < found.obstacle.distance_m - 0.005:
            text += f" (perhaps at {found.obstacle.low_m:.2f} m)"
        return text
    if verdict is Verdict.DROP:
        return f"the ground is missing or lower {found.drop_m:.2f} m along the way"
    if verdict is Verdict.CLEAR:
        return f"free from {box.begin_m:.2f} to {box.end_m:.2f} m"
    causes = {
        "outside the view": found.outside_view,
        "hidden behind things": found.hidden,
        "without valid depth": found.invalid,
    }
    said = [f"{100 * share:.1f} % {name}" for name, share in causes.items() if share > 0]
    text = (
        f"not known to be free: {', '.join(said) or f'{100 * unseen:.1f} % of the floor unseen'}"
    )
    if found.outside_view > 0 and np.isfinite(found.visible_from_m):
        text += f"; the whole volume is in view from {found.visible_from_m:.2f} m (begin)"
    return text
