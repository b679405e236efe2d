"""Which named thing a pixel shows, and the box of what is seen of it: features at stride 4.

A class at each pixel by a feature pyramid (Lin et al., 2017), and from each pixel the distances to
the four sides of its thing's box (FCOS, Tian et al., 2019), so that things of one name that hide
each other in part are told apart. It reads the tower alone: depth does not depend on it.
"""

import torch
import torch.nn.functional as F
from torch import nn

from depthlm_ros.models.compact.head import Fusion

STRIDE = 4
_WIDTHS = (128, 96, 48)
"""Channels at strides 16, 8 and 4."""


class ThingHead(nn.Module):
    """The tower's pyramid to scores of classes and to boxes."""

    def __init__(self, pyramid: list, classes: int):
        super().__init__()
        deep, finest = (pyramid[-1], *_WIDTHS[:-1]), _WIDTHS[-1]
        self.context = nn.Linear(pyramid[-1], pyramid[-1])
        self.fusions = nn.ModuleList(map(Fusion, deep, pyramid[-2:0:-1], _WIDTHS))
        self.classes = nn.Sequential(
            nn.Conv2d(finest, finest, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(finest, 1 + classes, 1),
        )
        self.sides = nn.Sequential(
            nn.Conv2d(finest, finest, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(finest, 4, 1),
        )
        nn.init.zeros_(self.context.weight)
        nn.init.normal_(self.sides[-1].weight, std=0.01)
        nn.init.constant_(self.sides[-1].bias, 2.0)  # boxes begin with sides of 60 px

    def forward(self, pyramid: list) -> tuple[torch.Tensor, torch.Tensor]:
        """Map features at strides 2..32 of images (B, 3, H, W) to (scores, boxes).

        Scores (B, 1 + classes, H / 4, W / 4), of no named thing first, before the softmax; boxes
        (B, 4, H / 4, W / 4): left, top, right and bottom [px of the image].
        """
        x = pyramid[-1]
        x = x + self.context(x.mean(dim=(2, 3)))[:, :, None, None]
        for fusion, skip in zip(self.fusions, pyramid[-2:0:-1], strict=True):
            x = fusion(x, skip)
        sides = STRIDE * self.sides(x).float().clamp(-4.0, 6.0).exp()
        u, v = cell_centres(*x.shape[-2:], x.device)
        left, top, right, bottom = sides.unbind(1)
        boxes = torch.stack([u - left, v - top, u + right, v + bottom], dim=1)
        return self.classes(x), boxes

    def class_probabilities(self, pyramid: list) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what ``forward`` does with probabilities for the scores."""
        scores, boxes = self(pyramid)
        return F.softmax(scores.float(), dim=1), boxes


def cell_centres(rows: int, columns: int, device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the u (1, columns) and v (rows, 1) of cells' centres [px, pixel edges at k]."""
    u = (torch.arange(columns, device=device) + 0.5) * STRIDE
    v = (torch.arange(rows, device=device) + 0.5) * STRIDE
    return u[None], v[:, None]
