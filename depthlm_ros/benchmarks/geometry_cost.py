"""What each step of the geometry of one frame costs, in CPU time of one core."""

import time

import numpy as np

from depthlm_ros.benchmarks.geometry_truth import CAMERA, true_view
from depthlm_ros.geometry import filters
from depthlm_ros.geometry.clearance import check_clearance
from depthlm_ros.geometry.ground_plane import fit_ground
from depthlm_ros.geometry.laser_scan import scan_of
from depthlm_ros.geometry.obstacles import ObstacleMap
from depthlm_ros.geometry.point_cloud import pack_into
from depthlm_ros.geometry.swept_box import SweptBox


def bench_speed(rounds: int, camera=CAMERA) -> dict[str, float]:
    """Return the median CPU time [ms] of each step for a frame of ``camera``, on one thread."""
    view = true_view(3, camera)
    depth_map, rgb = view.depth_map, np.zeros((camera.height, camera.width, 3), np.uint8)
    cloud = np.empty((camera.height, camera.width, 4), np.float32)
    ground = fit_ground(depth_map)
    obstacles = ObstacleMap.of(depth_map, ground)
    box = SweptBox.standing(ground, (0, 0, 0), (0, 0, 1), 3.0, 0.6, 1.0, 1.0)
    temporal = filters.TemporalFilter()
    steps = {
        "edge mask": lambda: depth_map.depth_discontinuities(),
        "cloud with edge mask": lambda: pack_into(cloud, depth_map, rgb, 1.15),
        "median 3 x 3": lambda: filters.median_3x3(depth_map),
        "temporal": lambda: temporal.apply(depth_map, camera_is_still=True),
        "range": lambda: filters.in_range(depth_map, 0.3, 8.0),
        "ground": lambda: fit_ground(depth_map),
        "labels": lambda: ObstacleMap.of(depth_map, ground),
        "obstacle points": lambda: obstacles.points(obstacles.in_band(1.5)),
        "scan": lambda: scan_of(obstacles),
        "clearance": lambda: check_clearance(obstacles, box),
    }
    times = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            begin = time.thread_time()
            step()
            times[name].append(1e3 * (time.thread_time() - begin))
    result = {name: float(np.median(values)) for name, values in times.items()}
    result["all"] = sum(result.values()) - result["edge mask"]  # the cloud makes it again
    return result
