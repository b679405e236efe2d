"""What is seen of the objects in a batch of views: boxes, a pixel on each, areas and distances."""

from dataclasses import dataclass

import numpy as np
import torch

from depthlm_ros.training.compact.names import NAMES
from depthlm_ros.training.compact.scene_pool import MOST_OBJECTS

LEAST_SHARE = 0.002
"""Smaller parts of a view are neither asked for nor counted as absent."""
LEAST_SIDE_PX = 6
_FIXED = 1e4
"""Logarithms are summed as whole numbers of this scale."""


@dataclass(frozen=True)
class Thing:
    """One object in a view: ``box`` (x0, y0, x1, y1) and ``point`` (u, v) in pixels.

    ``point`` is the object's own pixel nearest to the middle of what is seen of it. ``area``:
    share of the view. ``depth_m``: geometric mean of its z-depth. ``clear``: large enough to name.
    """

    name: str
    box: tuple
    point: tuple
    area: float
    depth_m: float
    clear: bool


@torch.no_grad()
def things_of(ids: torch.Tensor, depth: torch.Tensor, names: np.ndarray) -> list[list[Thing]]:
    """List the named objects of B views.

    ``ids`` int64 and ``depth`` float32 (B, h, w); ``names`` (B, MOST_OBJECTS): index into NAMES,
    -1 for what has no name.
    """
    batch, height, width = ids.shape
    v, u = torch.meshgrid(
        torch.arange(height, device=ids.device),
        torch.arange(width, device=ids.device),
        indexing="ij",
    )
    u, v = u.expand_as(ids), v.expand_as(ids)
    area, low, high = visible_extent(ids)
    middle = [_by_object(ids, x, "sum", 0) // area.clamp_min(1) for x in (u, v)]
    away = [
        x - m.gather(1, ids.flatten(1)).view_as(ids) for x, m in zip((u, v), middle, strict=True)
    ]
    key = ((away[0] ** 2 + away[1] ** 2) << 20) | (v * width + u)
    best = _by_object(ids, key, "amin", torch.iinfo(torch.int64).max) & ((1 << 20) - 1)
    log = torch.where(torch.isfinite(depth) & (depth > 0), depth.clamp_min(1e-3).log(), 0.0)
    mean = _by_object(ids, (log * _FIXED).long(), "sum", 0) // area.clamp_min(1)
    table = torch.stack([area, *low, *high, best, mean], dim=-1).cpu().numpy()
    return [_list(table[b], names[b], width, height) for b in range(batch)]


def is_clear(share, side):
    """Tell what is large enough to name, by numbers or tensors of one shape.

    ``share``: of the view; ``side``: the shorter side of the box, its last pixel not counted.
    """
    return (share >= LEAST_SHARE) & (side >= LEAST_SIDE_PX)


def visible_extent(ids: torch.Tensor) -> tuple[torch.Tensor, list, list]:
    """Return what is seen of each object of B views: area, least and greatest (u, v).

    ``ids`` int64 (B, h, w). All int64 (B, MOST_OBJECTS), in pixels; of an object that is not seen
    the area is 0.
    """
    _, height, width = ids.shape
    u = torch.arange(width, device=ids.device).expand_as(ids)
    v = torch.arange(height, device=ids.device)[:, None].expand_as(ids)
    area = _by_object(ids, torch.ones_like(u), "sum", 0)
    low = [_by_object(ids, x, "amin", 1 << 20) for x in (u, v)]
    high = [_by_object(ids, x, "amax", -1) for x in (u, v)]
    return area, low, high


def _by_object(ids: torch.Tensor, values: torch.Tensor, how: str, start: int) -> torch.Tensor:
    """Reduce values (B, h, w) over the pixels of each object: int64 (B, MOST_OBJECTS).

    Row by row first: so that not all pixels of a wall meet at one address.
    """
    batch, height, width = ids.shape
    rows = torch.full((batch * height, MOST_OBJECTS), start, dtype=torch.int64, device=ids.device)
    rows.scatter_reduce_(1, ids.reshape(-1, width), values.reshape(-1, width).long(), how)
    rows = rows.view(batch, height, MOST_OBJECTS)
    return getattr(rows, how)(dim=1)


def _list(table: np.ndarray, names: np.ndarray, width: int, height: int) -> list[Thing]:
    things = []
    for k in np.flatnonzero((table[:, 0] > 0) & (names >= 0)):
        area, x0, y0, x1, y1, pixel, log = (int(value) for value in table[k])
        share = area / (width * height)
        clear = is_clear(share, min(x1 - x0, y1 - y0))
        things.append(
            Thing(
                NAMES[names[k]],
                (x0, y0, x1 + 1, y1 + 1),
                (pixel % width, pixel // width),
                share,
                float(np.exp(log / _FIXED)),
                clear,
            )
        )
    return things
