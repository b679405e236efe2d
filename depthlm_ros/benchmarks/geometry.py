"""``depthlm bench geometry``: clearance, ground and scan against scenes whose truth is known.

The exact depth of random rooms, corridors and streets stands in for the model, so that what is
measured is the geometry alone; with ``--model`` that model sees their pictures instead. Last comes
the time that one frame takes, in CPU time of one core.
"""

import json
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from depthlm_ros.benchmarks.geometry_cost import bench_speed
from depthlm_ros.benchmarks.geometry_truth import (
    FinerView,
    TrueView,
    exact_depth,
    occupied,
    true_view,
)
from depthlm_ros.geometry.clearance import Clearance, Verdict, check_clearance
from depthlm_ros.geometry.depth_map import DepthMap
from depthlm_ros.geometry.ground_plane import GroundPlane, GroundSettings, fit_ground
from depthlm_ros.geometry.laser_scan import Scan, ScanRules, scan_of
from depthlm_ros.geometry.obstacles import ObstacleMap
from depthlm_ros.geometry.swept_box import SweptBox

ROUNDING_M = 0.005
"""A thing must reach so far into a volume to stand in it."""
BESIDE_M = 0.03
"""A volume is free, for false alarms, when nothing is so near to it."""
NO_GROUND_SHARE = 0.005
"""Less of the view than this shows no ground."""
HEIGHT_KNOWN = 0.25
"""The robot knows its camera's height to this share, as from its drawing."""


@dataclass
class Table:
    """What was counted, and errors by name."""

    counts: Counter = field(default_factory=Counter)
    errors: dict = field(default_factory=dict)
    failures: list = field(default_factory=list)

    def add(self, name: str, value: float) -> None:
        """Add an error."""
        self.errors.setdefault(name, []).append(float(value))

    def percentile(self, name: str, share: float) -> float:
        """Return a percentile of the absolute errors of this name; NaN for none."""
        values = self.errors.get(name, [])
        if not values:
            return float("nan")
        return float(np.percentile(np.abs(values), share, method="higher"))  # it may be infinite


def exactly(view: TrueView) -> DepthMap:
    """Return the exact depth of a view."""
    return view.depth_map


def known_ground(view: TrueView, depth_map: DepthMap) -> GroundPlane | None:
    """Fit the ground of a view as a robot does that roughly knows its camera's height."""
    height = view.camera_height_m
    span = (height * (1 - HEIGHT_KNOWN), height * (1 + HEIGHT_KNOWN))
    return fit_ground(depth_map, GroundSettings(height_m=span))


def requests(ground: GroundPlane, seed: int) -> list[SweptBox]:
    """Draw four swept boxes: 0.3 to 0.9 m wide, 0.3 to 1.6 m high, 0.5 to 3 m long."""
    rng = np.random.default_rng([seed, 99])
    boxes = []
    for _ in range(4):
        begin = rng.uniform(0.0, 1.5)
        box = SweptBox.standing(
            ground,
            (0, 0, 0),
            (0, 0, 1),
            begin + rng.uniform(0.5, 3.0),
            rng.uniform(0.3, 0.9),
            rng.uniform(0.3, 1.6),
            begin,
        )
        boxes.append(box.turned(rng.uniform(-0.4, 0.4)))
    return boxes


def bench_clearance(scenes: int, first: int = 0, see=exactly) -> Table:
    """Ask for swept boxes in random scenes; each again from where it is wholly in view.

    ``see(view)``: the depth map that is asked. The box of a request stands on the ground that this
    map shows, and in truth on the ground that exact depth shows.
    """
    table = Table(Counter({"clear although it is not": 0, "false alarms": 0}))  # told when 0, too
    for seed in range(first, first + scenes):
        view = true_view(seed)
        true_ground, depth_map = known_ground(view, view.depth_map), see(view)
        ground = true_ground if see is exactly else known_ground(view, depth_map)
        table.counts["scenes"] += 1
        if ground is None or true_ground is None:
            table.counts["scenes without ground"] += 1
            continue
        obstacles = ObstacleMap.of(depth_map, ground)
        for box, there in zip(requests(ground, seed), requests(true_ground, seed), strict=True):
            found = check_clearance(obstacles, box)
            _compare(table, view, there, found, seed)
            begin = found.visible_from_m
            if box.begin_m < begin < box.end_m - 0.3:
                box, there = (replace(one, begin_m=begin) for one in (box, there))
                _compare(table, view, there, check_clearance(obstacles, box), seed)
    return table


def _compare(table: Table, view: TrueView, box: SweptBox, found: Clearance, seed: int) -> None:
    """Compare one answer with what stands in the box, by the scene's shapes and finer rays."""
    counts, finer = table.counts, FinerView.of(view, box)
    inside, beside = occupied(view, box, -ROUNDING_M), occupied(view, box, BESIDE_M)
    has_drop = finer.has_drop(0.04)
    counts["requests"] += 1
    counts[found.verdict.name] += 1
    counts["something stands inside"] += inside
    if found.clear and (inside or finer.has_drop(0.07)):
        counts["clear although it is not"] += 1
        table.failures.append((seed, "clear although it is not", found.text))
    if not beside and not has_drop and found.verdict is not Verdict.UNKNOWN:
        counts["free and seen"] += 1
        if not found.clear:
            counts["false alarms"] += 1
            table.failures.append((seed, "false alarm", found.text))
    if found.verdict is Verdict.BLOCKED:
        _compare_distance(table, view, finer, found.obstacle.distance_m, seed)


def _compare_distance(table: Table, view: TrueView, finer: FinerView, distance_m, seed) -> None:
    """Compare the nearest obstacle's distance; a surface up to 2 cm beside the box may be it.

    It must not lie behind what two rays of the camera itself meet: a table's top nearly edge on
    recedes by centimetres from one row of pixels to the next, and a single pixel at a nearer
    thing's rim counts as that thing's.
    """
    early = finer.nearest_m(0.02)
    if np.isinf(early):
        table.counts["blocked where nothing is seen"] += 1
        return
    seen = FinerView.of(view, finer.box, 1).nearest_m(rays=2)
    seen = seen if np.isfinite(seen) else finer.nearest_m()
    error = distance_m - float(np.clip(distance_m, early, max(early, seen)))
    table.add("distance", error)
    table.counts["distances"] += 1
    if not abs(error) <= 0.02 + 0.01 * early:
        table.counts["distances beyond 2 cm + 1 %"] += 1
        table.failures.append((seed, "distance", f"{distance_m:.3f} m, truly {seen:.3f} m"))


def bench_ground(scenes: int, first: int = 0, share: float = 0.05, see=exactly) -> Table:
    """Fit the ground of random scenes with a level surface in ``share`` of the view, and without.

    Nothing but the depth is known here, not even roughly the camera's height; where no ground is
    in view, ``_ground_where_none_is`` asks with it as well.
    """
    told = "not found", "ground where no level surface is", "ground where none is, height known"
    table, seed = Table(Counter(dict.fromkeys(told, 0))), first
    while table.counts["with ground"] < scenes:
        view = true_view(seed)
        seed += 1
        seen, level_share = see(view), view.level_share()
        ground = fit_ground(seen)
        if not level_share >= share:
            if not level_share >= NO_GROUND_SHARE:
                _ground_where_none_is(table, view, ground, known_ground(view, seen), seed - 1)
            continue
        table.counts["with ground"] += 1
        if ground is None:
            table.counts["not found"] += 1
            table.failures.append((seed - 1, "ground not found", ""))
            continue
        tilt = np.degrees(np.arccos(np.clip(np.dot(ground.up, view.up), -1, 1)))
        height = ground.height_m / (view.camera_height_m - view.level_m()) - 1
        table.add("height", height)
        table.add("tilt", tilt)
        if abs(height) > 0.02 or tilt > 0.5:
            table.counts["beyond 2 % or 0.5 degrees"] += 1
            table.failures.append((seed - 1, "ground", f"{height:+.3f}, {tilt:.2f} degrees"))
    return table


def _ground_where_none_is(table: Table, view: TrueView, ground, known, seed: int) -> None:
    """Count grounds that were found where none is in view.

    By depth alone only where no level surface is in view at all: a table's top may be a ground.
    ``known``: found with the camera's height known to a quarter, as a robot knows it.
    """
    table.counts["without ground"] += 1
    if view.level_surface_share() < NO_GROUND_SHARE:
        table.counts["without level surface"] += 1
        table.counts["ground where no level surface is"] += ground is not None
        if ground is not None:
            table.failures.append((seed, "ground where no level surface is", f"{ground}"))
    table.counts["ground where none is, height known"] += known is not None
    if known is not None:
        table.failures.append((seed, "ground where none is, height known", f"{known}"))


def bench_scan(scenes: int, first: int = 0, see=exactly) -> Table:
    """Compare scans with the scenes' shapes: rays of one level plane, cast through the world."""
    table = Table()
    for seed in range(first, first + scenes):
        view = true_view(seed)
        true_ground, depth_map = known_ground(view, view.depth_map), see(view)
        ground = true_ground if see is exactly else known_ground(view, depth_map)
        if ground is None or true_ground is None:
            continue
        table.counts["scenes"] += 1
        scan = scan_of(ObstacleMap.of(depth_map, ground), ScanRules(mark_drops=False))
        _compare_scan(table, view, scan, true_ground)
    return table


def _compare_scan(table: Table, view: TrueView, scan: Scan, ground: GroundPlane) -> None:
    """Compare each beam with the nearest of rays that end in the same band over ``ground``.

    A beam must not end behind the nearest surface that a ray of the camera meets in its sector,
    nor before the nearest that finer rays meet there or in the beams beside it; it must not be
    free where a finer ray meets anything. (On a wall along the line of sight half a pixel is more
    than 1 %: what only finer rays meet, the camera did not see.)
    """
    camera = view.depth_map.camera
    finer = camera.resized(2 * camera.width, 2 * camera.height)
    seen = _nearest_per_beam(scan, ground, camera, view.depth_map.depth_m)[1:-1]
    around = _nearest_per_beam(scan, ground, finer, exact_depth(view.scene, view.pose, finer))
    own = np.minimum(around[1:-1], seen)
    wide = np.minimum(own, np.minimum(around[:-2], around[2:]))
    _count_beams(table, scan, seen, own, wide)


def _nearest_per_beam(scan: Scan, ground: GroundPlane, camera, depth_m: np.ndarray) -> np.ndarray:
    """Return the least level range that rays of a camera meet in each beam, (beams + 2,) [m].

    +Inf where none ends in the band; one more beam stands at either end.
    """
    v, u = np.mgrid[: camera.height, : camera.width]
    known = np.where(np.isfinite(depth_m), depth_m, np.nan)
    points = camera.unproject(np.stack([u, v], -1), known).reshape(-1, 3)
    level, height = points @ scan.axes.T, ground.height_of(points)
    reach, angle = np.hypot(level[:, 0], level[:, 1]), np.arctan2(level[:, 1], level[:, 0])
    within = (height > 0.05) & (height <= 1.5) & (reach >= 0.1)
    beam = (angle[within] - scan.angle_min_rad) / scan.angle_increment_rad
    nearest = np.full(len(scan.ranges_m) + 2, np.inf)
    index = np.clip(np.rint(beam).astype(int) + 1, 0, len(nearest) - 1)
    np.minimum.at(nearest, index, reach[within])
    return nearest


def _count_beams(
    table: Table, scan: Scan, seen: np.ndarray, own: np.ndarray, wide: np.ndarray
) -> None:
    ranges = scan.ranges_m.astype(np.float64)
    finite = np.isfinite(ranges)
    allowed = 0.01 + 0.01 * ranges[finite]
    error = ranges[finite] - np.clip(ranges[finite], wide[finite], seen[finite])
    table.counts["beams"] += len(ranges)
    table.counts["finite"] += int(finite.sum())
    table.counts["beyond 1 cm + 1 %"] += int((np.abs(error) > allowed).sum())
    free = np.isposinf(ranges)
    table.counts["free"] += int(free.sum())
    table.counts["free although it is not"] += int((own[free] < 0.98 * scan.range_max_m).sum())
    for value in error:
        table.add("range", value)


def add_arguments(parser) -> None:
    """Add the options of the benchmark."""
    parser.add_argument("--scenes", type=int, default=500, help="scenes for clearance")
    parser.add_argument("--ground-scenes", type=int, default=200, help="scenes with ground")
    parser.add_argument("--scan-scenes", type=int, default=100, help="scenes for the scan")
    parser.add_argument("--rounds", type=int, default=50, help="rounds of the timing; 0: none")
    parser.add_argument("--model", help="sees the scenes' pictures, instead of exact depth")
    parser.add_argument("--device", default="auto", help="of the model (default auto)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments) -> bool:
    """Measure and print; returns True where a bar was missed."""
    torch.set_num_threads(1)
    see = exactly
    if arguments.model:
        from depthlm_ros.benchmarks.geometry_by_model import seen_by

        see = seen_by(arguments.model, arguments.device)
    tables = {
        "clearance": bench_clearance(arguments.scenes, see=see),
        "ground": bench_ground(arguments.ground_scenes, see=see),
        "scan": bench_scan(arguments.scan_scenes, see=see),
    }
    speed = bench_speed(arguments.rounds) if arguments.rounds else {}
    if arguments.json:
        found = {
            name: {
                "counts": dict(table.counts),
                "failures": table.failures,
                "errors": {
                    key: {
                        "p50": table.percentile(key, 50),
                        "p99": table.percentile(key, 99),
                        "max": table.percentile(key, 100),
                    }
                    for key in table.errors
                },
            }
            for name, table in tables.items()
        }
        print(json.dumps({**found, "cpu_ms": speed}))
    else:
        for name, table in tables.items():
            _print(name, table)
        print("\nCPU time of a frame of 640 x 480 [ms]")
        for name, value in speed.items():
            print(f"  {name:28} {value:7.2f}")
    return not arguments.model and bool(tables["clearance"].counts["clear although it is not"])


def _print(name: str, table: Table) -> None:
    print(f"\n{name}")
    for key, value in table.counts.items():
        print(f"  {key:32} {value:8d}")
    for key in table.errors:
        shares = ", ".join(f"p{share} {table.percentile(key, share):.4f}" for share in (50, 99))
        print(f"  error of {key:23} {shares}, max {table.percentile(key, 100):.4f}")
    for failure in table.failures[:20]:
        print("  scene", *failure)


def main() -> int:
    """Run the benchmark as a program of its own."""
    import argparse

    parser = argparse.ArgumentParser(description=(__doc__ or "").strip())
    add_arguments(parser)
    return 1 if run(parser.parse_args()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
