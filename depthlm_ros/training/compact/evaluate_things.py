"""How well things are found by name: on views of scenes that took no part in training."""

from collections import defaultdict

import numpy as np
import torch

from depthlm_ros.models.compact.detections import detect, iou
from depthlm_ros.models.compact.finding import classes_of
from depthlm_ros.models.compact.network import CompactModule
from depthlm_ros.training.compact.names import CLASSES, class_of
from depthlm_ros.training.compact.objects import things_of
from depthlm_ros.training.compact.scene_pool import CANVASES, VIEWS, ScenePool, SceneSource
from depthlm_ros.training.compact.thing_loss import CLASS_AT

ABSENT = 4
"""Names asked for in each view although nothing of it is there."""
FOUND_IOU = 0.5
TOTALS = ("pointed", "found", "right", "refused")


def held_out_views(scenes: int, seed: int = 3, device="cpu") -> ScenePool:
    """Render VIEWS views each of scenes with a seed of their own, on the network's device."""
    pool = ScenePool(SceneSource(CANVASES[0], seed), VIEWS * scenes, 250.0, device)
    pool.refill(scenes)
    return pool


@torch.no_grad()
def measure_things(network: CompactModule, pool: ScenePool, by_name: bool = False) -> dict:
    """Return shares over all views of a pool, of all names that the network offers.

    ``pointed``: of the names seen, those whose surest detection has its point on a thing of that
    name; ``found``: of the clear things, those with a detection of an IoU of FOUND_IOU and more;
    ``right``: of the detections, those that lie on a thing of that name; ``refused``: of the
    absent names asked for, those without a detection. ``by_name``: the share pointed at of each.
    """
    rng, counts = np.random.default_rng(1), defaultdict(lambda: np.zeros(2, int))
    offered = {
        name: classes_of(name, network.config.things)
        for name in CLASSES
        if name in network.config.things[name]
    }
    for k in range(pool.count):
        ids, depth = pool.ids[k : k + 1].long(), pool.depth[k : k + 1].float()
        (things,) = things_of(ids, depth, pool.names[k : k + 1])
        found = network.things.class_probabilities(network.pyramid(pool.rgb[k : k + 1]))
        maps = [values[0].cpu().numpy() for values in found]
        at = CLASS_AT[pool.names[k]] - 1
        at[0] = -1  # no object
        classes = at[ids[0].cpu().numpy()]
        absent = []
        for name, meant in offered.items():
            seen = [thing for thing in things if class_of(thing.name) in meant]
            clear = [thing for thing in seen if thing.clear]
            if not seen:
                absent.append(meant)
            if clear:
                _count(counts, name, detect(*maps, meant), np.isin(classes, meant), clear)
        for number in rng.permutation(len(absent))[:ABSENT]:
            counts["refused"] += (not detect(*maps, absent[number]), 1)
    kept = [*TOTALS, *(offered if by_name else [])]
    return {n: round(float(counts[n][0] / counts[n][1]), 4) for n in kept if counts[n][1]}


def _count(counts: dict, name: str, found: list, mask: np.ndarray, clear: list) -> None:
    """Count what was found of one name; ``mask`` (H, W): its pixels, ``clear``: its things."""
    on = [bool(mask[int(thing.point[1]), int(thing.point[0])]) for thing in found]
    counts["pointed"] += (bool(on and on[0]), 1)
    counts[name] += (bool(on and on[0]), 1)
    counts["right"] += (sum(on), len(on))
    boxes = np.array([thing.box for thing in found]).reshape(-1, 4)
    for thing in clear:
        overlap = iou(boxes, np.array(thing.box))
        counts["found"] += (bool((overlap >= FOUND_IOU).any()), 1)
