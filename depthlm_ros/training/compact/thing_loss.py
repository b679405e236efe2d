"""Truth and loss of the thing head: a class at each cell, and the box of the thing there."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from depthlm_ros.models.compact.thing_head import STRIDE
from depthlm_ros.training.compact.names import NAMES, class_of
from depthlm_ros.training.compact.objects import is_clear, visible_extent

IGNORE = -100
CLASS_AT = np.array([*(1 + class_of(name) for name in NAMES), 0])
"""Index in NAMES to the thing head's class; the last, -1: no named thing."""


@dataclass(frozen=True)
class ThingMaps:
    """What the thing head should say of B views, at its stride.

    ``classes`` int64 (B, h, w): 0 no named thing, IGNORE where a thing is too small to be named;
    ``boxes`` float32 (B, 4, h, w) [px]; ``weight`` float32 (B, h, w): each thing counts by the
    root of its area, so that walls do not outweigh cups.
    """

    classes: torch.Tensor
    boxes: torch.Tensor
    weight: torch.Tensor


@torch.no_grad()
def thing_maps(ids: torch.Tensor, names: np.ndarray) -> ThingMaps:
    """Return the truth of views with object ``ids`` int64 (B, H, W), 0 for none.

    ``names`` (B, MOST_OBJECTS): index of each object in NAMES, -1 for what has no name.
    """
    height, width = ids.shape[1:]
    area, low, high = visible_extent(ids)
    classes = torch.as_tensor(CLASS_AT[names], device=ids.device)
    side = torch.minimum(high[0] - low[0], high[1] - low[1])
    small = ~is_clear(area.double() / (width * height), side)
    classes = torch.where(small & (classes > 0), IGNORE, classes)
    classes[:, 0] = 0
    cells = ids[:, STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
    at = cells.flatten(1)
    boxes = torch.stack([low[0], low[1], high[0] + 1, high[1] + 1], dim=1).float()
    boxes = boxes.gather(2, at[:, None].expand(-1, 4, -1)).unflatten(2, cells.shape[1:])
    mapped = classes.gather(1, at).view_as(cells)
    nothing = (mapped == 0).sum(dim=(1, 2))
    cover = torch.where(
        mapped > 0,
        area.gather(1, at).view_as(cells) / STRIDE**2,
        nothing[:, None, None],
    )
    return ThingMaps(mapped, boxes, cover.clamp_min(1.0).rsqrt() * (mapped >= 0))


def thing_loss(scores: torch.Tensor, boxes: torch.Tensor, truth: ThingMaps) -> dict:
    """Return the parts of the loss: cross-entropy of classes, and GIoU (Rezatofighi et al., 2019).

    ``scores`` (B, 1 + classes, h, w), ``boxes`` (B, 4, h, w): the thing head's.
    """
    entropy = F.cross_entropy(scores.float(), truth.classes, ignore_index=IGNORE, reduction="none")
    named = truth.classes > 0
    weight = truth.weight[named]
    giou = _giou(boxes.permute(0, 2, 3, 1)[named], truth.boxes.permute(0, 2, 3, 1)[named])
    return {
        "classes": (entropy * truth.weight).sum() / truth.weight.sum().clamp_min(1.0),
        "boxes": ((1 - giou) * weight).sum() / weight.sum().clamp_min(1.0),
    }


def _giou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the generalised IoU, -1 to 1, of boxes (N, 4): left, top, right, bottom."""
    size_a, size_b = a[:, 2:] - a[:, :2], b[:, 2:] - b[:, :2]
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    shared = (high - low).clamp_min(0).prod(dim=1)
    union = size_a.prod(dim=1) + size_b.prod(dim=1) - shared
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(dim=1)
    return shared / union.clamp_min(1e-6) - (hull - union) / hull.clamp_min(1e-6)
