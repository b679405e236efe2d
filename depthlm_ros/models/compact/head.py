"""A light DPT head (Ranftl et al., 2021): tower features and language-model states to log depth.

As in DepthVLM, the deepest input is the language model's last hidden state at the image tokens;
the shallower ones are intermediate features of the tower, here at strides 16, 8, 4 and 2.
"""

import torch
import torch.nn.functional as F
from torch import nn


class Fusion(nn.Module):
    """Bring a deeper map to the next size, add that level's features, and refine the sum."""

    def __init__(self, deep: int, skip: int, width: int):
        super().__init__()
        self.reduce = nn.Conv2d(deep, width, 1)
        self.skip = nn.Conv2d(skip, width, 1)
        self.refine = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, deep: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Map (B, deep, h, w) and (B, skip, 2h, 2w) to (B, width, 2h, 2w)."""
        up = F.interpolate(
            self.reduce(deep), size=skip.shape[-2:], mode="bilinear", align_corners=False
        )
        x = up + self.skip(skip)
        return F.relu(x + self.refine(x))


class DepthHead(nn.Module):
    """States at the image tokens and the tower's pyramid to the logarithm of z-depth."""

    def __init__(self, state_width: int, pyramid: list, widths: tuple):
        super().__init__()
        self.project = nn.Sequential(
            nn.Conv2d(state_width + pyramid[-1], widths[0], 1), nn.ReLU(inplace=True)
        )
        deep = (widths[0], *widths[:-1])
        skips = pyramid[-2::-1]  # strides 16, 8, 4, 2
        self.fusions = nn.ModuleList(map(Fusion, deep, skips, widths))
        self.out = nn.Conv2d(widths[-1], 1, 3, padding=1)
        self.scale = nn.Linear(state_width, 1)
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.scale.weight)

    def forward(self, states: torch.Tensor, pyramid: list, size: tuple) -> torch.Tensor:
        """Return log z-depth (B, H, W) in log metres for ``size`` = (H, W).

        ``states`` (B, h w, W): row-major at stride 32. The last state has read the whole image: it
        adds one number for the scale of the scene, so that shape and scale are learnt apart.
        """
        rows, columns = pyramid[-1].shape[-2:]
        grid = states.mT.unflatten(2, (rows, columns))
        x = self.project(torch.cat([grid, pyramid[-1]], dim=1))
        for fusion, skip in zip(self.fusions, pyramid[-2::-1], strict=True):
            x = fusion(x, skip)
        log_depth = self.out(x) + self.scale(states[:, -1])[:, :, None, None]
        return F.interpolate(log_depth, size=size, mode="bilinear", align_corners=False)[:, 0]
