"""Nav2's own rules, replayed with config/nav2_costmap.yaml on scenes whose truth is known.

Replayed from navigation2 (names as there): ``ObservationBuffer::bufferCloud`` (height filter in
the global frame; comparisons with NaN are false), ``ObstacleLayer::laserScanValidInfCallback``
(+Inf becomes a point just before range_max), laser_geometry's ``projectLaser_`` (range_min <=
range < range_max), ``ObstacleLayer::updateBounds`` (clear first, then mark; height and range),
``ObstacleLayer::raytraceFreespace`` and ``VoxelLayer::raytraceFreespace`` (a voxel ray ends two
cells before its point), ``VoxelGrid::clearVoxelLineInMap``.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import yaml

from depthlm_ros.benchmarks.geometry import known_ground
from depthlm_ros.benchmarks.geometry_truth import occupied, true_view
from depthlm_ros.geometry.laser_scan import ScanRules, scan_of
from depthlm_ros.geometry.obstacles import ObstacleMap
from depthlm_ros.geometry.swept_box import SweptBox

CONFIG = Path(__file__).resolve().parents[2] / "config" / "nav2_costmap.yaml"
FREE, LETHAL, UNKNOWN = 0, 254, 255
SCAN = ScanRules(range_max_m=8.0, max_height_m=1.8)


def layer(costmap: str, name: str) -> dict:
    """Return a layer's parameters as the file gives them, the map's resolution added."""
    values = yaml.safe_load(CONFIG.read_text())[costmap][costmap]["ros__parameters"]
    return {**values[name], "resolution": values["resolution"]}


def buffer_cloud(points: np.ndarray, source: dict) -> np.ndarray:
    """ObservationBuffer::bufferCloud: what lies within the source's heights, global frame."""
    z = points[:, 2]
    with np.errstate(invalid="ignore"):
        return points[(z <= source["max_obstacle_height"]) & (z >= source["min_obstacle_height"])]


def in_range(points: np.ndarray, origin: np.ndarray, source: dict, axes: int) -> np.ndarray:
    distance = np.linalg.norm(points[:, :axes] - origin[:axes], axis=1)
    return points[
        (distance <= source["obstacle_max_range"]) & (distance >= source["obstacle_min_range"])
    ]


def line(start: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the cells of straight lines from one cell to many, unique, (N, axes)."""
    if not len(ends):
        return np.empty((0, len(start)), int)
    steps = np.abs(ends - start).max(axis=1)
    share = np.arange(steps.max() + 1)[None] / np.maximum(steps, 1)[:, None]
    inside = np.arange(steps.max() + 1)[None] <= steps[:, None]
    cells = np.rint(start + share[..., None] * (ends - start)[:, None]).astype(int)
    return np.unique(cells[inside], axis=0)


@dataclass
class Costmap:
    """A map of 10 x 8 m before and around the robot, ``marked``: its voxels."""

    params: dict
    origin: np.ndarray = field(default_factory=lambda: np.array([-2.0, -4.0, 0.0]))

    def __post_init__(self):
        cell = self.params["resolution"]
        self.cell = np.array([cell, cell, self.params.get("z_resolution", 99.0)])
        shape = (int(10 / cell), int(8 / cell), self.params.get("z_voxels", 1))
        self.marked, self.unknown = np.zeros(shape, bool), np.ones(shape, bool)
        self.cost = np.full(shape[:2], UNKNOWN, np.uint8)

    def cells(self, points: np.ndarray) -> np.ndarray:
        """Return the cells (N, 3) of the points that lie on the map."""
        cells = np.floor((points - self.origin) / self.cell).astype(int)
        return cells[((cells >= 0) & (cells < self.marked.shape)).all(axis=1)]

    def ends(self, points: np.ndarray, origin: np.ndarray, source: dict) -> np.ndarray:
        """Return where clearing rays end: within the map and raytrace_max_range."""
        reach = np.linalg.norm(points[:, :2] - origin[:2], axis=1)
        share = np.minimum(1.0, source["raytrace_max_range"] / np.maximum(reach, 1e-9))
        low, high = self.origin + 1e-4, self.origin + self.cell * self.marked.shape - 1e-4
        with np.errstate(divide="ignore", invalid="ignore"):
            bound = np.where(points > origin, high - origin, low - origin) / (points - origin)
        share = np.minimum(share, np.nanmin(np.where(bound > 0, bound, np.inf), axis=1))
        return origin + share[:, None] * (points - origin)

    def update_obstacle_layer(self, origin, marking: list, clearing: list) -> None:
        """ObstacleLayer::updateBounds with (points, source) pairs."""
        for points, source in clearing:
            flat = np.where([True, True, False], self.ends(points, origin, source), 0.0)
            start = self.cells(np.array([[*origin[:2], 0.0]]))[0]
            cleared = line(start, self.cells(flat))
            self.cost[cleared[:, 0], cleared[:, 1]] = FREE
        for points, source in marking:
            points = self.layer_heights(in_range(points, origin, source, 2))
            cells = self.cells(np.where([True, True, False], points, 0.0))
            self.cost[cells[:, 0], cells[:, 1]] = LETHAL

    def update_voxel_layer(self, origin, marking: list, clearing: list) -> None:
        """VoxelLayer::updateBounds with (points, source) pairs."""
        for points, source in clearing:
            distance = np.linalg.norm(points - origin, axis=1)
            share = np.clip((distance - 2 * self.params["resolution"]) / distance, 0, 1)
            shorter = origin + share[:, None] * (points - origin)
            ends = self.cells(self.ends(shorter, origin, source))
            at = tuple(line(self.cells(origin[None])[0], ends).T)
            self.marked[at] = self.unknown[at] = False
            column = np.unique(np.stack(at[:2], axis=1), axis=0).T
            none = self.marked[column[0], column[1]].sum(axis=1) <= self.params["mark_threshold"]
            known = (
                self.unknown[column[0], column[1]].sum(axis=1) <= self.params["unknown_threshold"]
            )
            self.cost[column[0][none], column[1][none]] = np.where(known, FREE, UNKNOWN)[none]
        for points, source in marking:
            points = self.layer_heights(in_range(points, origin, source, 3))
            at = tuple(self.cells(points).T)
            self.marked[at], self.unknown[at] = True, False
            self.cost[at[:2]] = LETHAL

    def layer_heights(self, points: np.ndarray) -> np.ndarray:
        """Return the points within the layer's own heights."""
        z = points[:, 2]
        return points[
            (z >= self.params["min_obstacle_height"]) & (z <= self.params["max_obstacle_height"])
        ]

    def at(self, x: float, y: float) -> int:
        """Return the cost at a place [m]."""
        i, j, _ = np.floor((np.array([x, y, 0.0]) - self.origin) / self.cell).astype(int)
        return int(self.cost[i, j])


def project_laser(scan, inf_is_valid: bool) -> np.ndarray:
    """Return the points (N, 3) that laserScanValidInfCallback and projectLaser_ make of a scan."""
    ranges = scan.ranges_m.astype(np.float64)
    if inf_is_valid:
        ranges = np.where(np.isposinf(ranges), scan.range_max_m - 1e-4, ranges)
    with np.errstate(invalid="ignore"):
        keep = (ranges < scan.range_max_m) & (ranges >= scan.range_min_m)
    r, angle = ranges[keep], scan.angles_rad[keep]
    return np.stack([r * np.cos(angle), r * np.sin(angle), np.zeros_like(r)], axis=-1)


class DepthPublishers:
    """What the node publishes for a view, taken to the global frame (z = 0: the ground)."""

    def __init__(self, depth_map, ground, stride: int = 2):
        self.seen = ObstacleMap.of(depth_map, ground)
        self.axes = ground.level_axes()
        self.origin = np.array([0.0, 0.0, ground.height_m])
        self.obstacles = self.globally(self.seen.points(self.seen.in_band(1.8), stride))
        cloud = depth_map.points(depth_map.depth_discontinuities())[::stride, ::stride].reshape(
            -1, 3
        )
        self.points = self.globally(cloud)
        self.scan = scan_of(self.seen, SCAN)

    def globally(self, points: np.ndarray) -> np.ndarray:
        """Take optical points to the global frame."""
        return points.astype(np.float64) @ self.axes.T + self.origin

    def voxels(self, costmap: Costmap | None = None) -> Costmap:
        """Run one update of the voxel layer, as configured."""
        params = layer("local_costmap", "voxel_layer")
        costmap = costmap or Costmap(params)
        mark, clear = params["depthlm_obstacles"], params["depthlm_points"]
        assert mark["marking"] and not mark["clearing"]
        assert clear["clearing"] and not clear["marking"]
        costmap.update_voxel_layer(
            self.origin,
            [(buffer_cloud(self.obstacles, mark), mark)],
            [(buffer_cloud(self.points, clear), clear)],
        )
        return costmap

    def flat(self, costmap: Costmap | None = None, **changes) -> Costmap:
        """Run one update of the obstacle layer with the scan, as configured."""
        params = layer("global_costmap", "obstacle_layer")
        costmap = costmap or Costmap(params)
        source = {**params["depthlm_scan"], **changes}
        points = project_laser(self.scan, source["inf_is_valid"]) + self.origin
        points = buffer_cloud(points, source)
        costmap.update_obstacle_layer(self.origin, [(points, source)], [(points, source)])
        return costmap


LAYERS = pytest.mark.parametrize(
    "run", [DepthPublishers.voxels, DepthPublishers.flat], ids=["voxel", "obstacle"]
)


def streams(world) -> DepthPublishers:
    return DepthPublishers(world.depth_map(), world.ground)


@LAYERS
def test_a_box_is_marked_and_the_floor_before_it_is_free(world, run):
    there = world.but(
        pitch=0.15,
        boxes=(((2.02, 2.4), (-0.3, 0.3), (0.0, 0.6)), ((3.42, 3.5), (-4, 4), (0.0, 2.5))),
    )
    found = run(streams(there))
    assert found.at(2.03, 0.0) == LETHAL and found.at(2.03, 0.27) == LETHAL
    assert found.at(1.6, 0.0) == FREE and found.at(1.9, 0.0) == FREE
    # Behind the box, at its height, nothing was seen through it. The voxel layer frees a column
    # as soon as any of it is known (unknown_threshold 15 of 16): there it is its low voxels.
    behind = np.floor((np.array([2.8, 0.0, 0.2]) - found.origin) / found.cell).astype(int)
    assert (
        found.unknown[tuple(behind)]
        if run is DepthPublishers.voxels
        else found.at(2.8, 0.0) == UNKNOWN
    )
    assert found.at(3.43, 1.2) == LETHAL and found.at(2.9, 1.2) == FREE


@LAYERS
def test_a_cell_is_cleared_where_a_thing_went_away(world, run):
    box = ((2.02, 2.4), (-0.3, 0.3), (0.0, 0.6))
    wall = ((3.42, 3.5), (-4, 4), (0.0, 2.5))
    before = run(streams(world.but(pitch=0.15, boxes=(box, wall))))
    assert before.at(2.03, 0.0) == LETHAL
    after = run(streams(world.but(pitch=0.15, boxes=(wall,))), before)
    assert after.at(2.03, 0.0) == FREE and after.at(3.43, 0.0) == LETHAL


@LAYERS
def test_on_an_open_floor_a_thing_that_went_away_is_cleared_too(world, run):
    """No wall behind: the floor's points clear the voxels, +Inf clears the scan's plane."""
    there = world.but(pitch=0.15, boxes=(((2.02, 2.4), (-0.3, 0.3), (0.0, 0.6)),))
    before = run(streams(there))
    after = run(streams(world.but(pitch=0.15)), before)
    assert after.at(2.03, 0.0) == FREE
    assert not (after.cost == LETHAL).any()


def test_without_floor_points_the_thing_would_stay(world):
    """The trap of one source for both: a floor cut by min_obstacle_height casts no rays."""
    there = world.but(pitch=0.6, boxes=(((1.22, 1.4), (-0.3, 0.3), (0.0, 0.4)),))
    params = layer("local_costmap", "voxel_layer")
    mark = params["depthlm_obstacles"]
    one = {**mark, "raytrace_max_range": 4.5, "raytrace_min_range": 0.0}
    before, gone = streams(there), streams(world.but(pitch=0.6))
    trapped = before.voxels()
    cloud = buffer_cloud(gone.points, one)
    assert len(cloud) == 0
    trapped.update_voxel_layer(gone.origin, [(cloud, one)], [])
    assert trapped.at(1.23, 0.0) == LETHAL
    assert gone.voxels(before.voxels()).at(1.23, 0.0) == FREE


@LAYERS
def test_unknown_depth_frees_nothing(world, run):
    depth_map = world.but(pitch=0.15).depth_map()
    depth_map.depth_m[:] = np.nan
    found = run(DepthPublishers(depth_map, world.but(pitch=0.15).ground))
    assert (found.cost == UNKNOWN).all()


def test_free_beyond_range_is_no_wall_as_configured_and_would_be_one_otherwise(world):
    open_floor = streams(world.but(pitch=0.1))
    assert (open_floor.scan.ranges_m == np.inf).all()
    as_configured = open_floor.flat()
    assert not (as_configured.cost == LETHAL).any() and as_configured.at(3.0, 0.0) == FREE
    assert (open_floor.flat(obstacle_max_range=9.0).cost == LETHAL).any()


def test_the_configured_ranges_are_consistent():
    for costmap, name in (("local_costmap", "voxel_layer"), ("global_costmap", "obstacle_layer")):
        params = layer(costmap, name)
        for source in params["observation_sources"].split():
            values = params[source]
            assert values["expected_update_rate"] > 0 and values["observation_persistence"] == 0.0
            if values["marking"]:
                assert values["obstacle_max_range"] < SCAN.range_max_m
    voxels = layer("local_costmap", "voxel_layer")
    assert voxels["z_voxels"] <= 16 and voxels["z_voxels"] * voxels["z_resolution"] >= 1.8


@pytest.mark.parametrize("seed", [3, 20, 27])
def test_random_scenes_have_no_phantom_wall_and_no_false_free_space(seed):
    """LETHAL only where a shape is (or a cell beside); FREE never where a shape fills the cell."""
    view = true_view(seed)
    ground = known_ground(view, view.depth_map)
    assert ground is not None
    found = DepthPublishers(view.depth_map, ground).voxels()
    start = SweptBox.standing(ground, (0, 0, 0), (0, 0, 1), 1.0, 1.0, 1.0)

    def column(i, j, low=0.05, high=1.8):
        x, y = found.origin[:2] + (np.array([i, j]) + 0.5) * found.cell[:2]
        half = found.cell[0] / 2
        return SweptBox(
            start.origin_m + y * start.axes[1],
            start.axes,
            x - half,
            x + half,
            half,
            low,
            high,
            True,
        )

    lethal = np.argwhere(found.cost == LETHAL)
    assert len(lethal) > 20
    phantoms = [cell for cell in lethal[::7] if not occupied(view, column(*cell), 0.05)]
    assert not phantoms
    free = np.argwhere(found.cost == FREE)
    assert len(free) > 100
    # A shape that fills the middle of the cell from the floor up: nothing was seen through it.
    wrong = [cell for cell in free[::11] if occupied(view, column(*cell, 0.1, 0.3), -0.0249)]
    assert len(wrong) <= 0.01 * len(free[::11])
