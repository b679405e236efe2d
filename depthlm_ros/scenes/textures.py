"""The colour of a surface point: patterns in metres, averaged over the pixel that sees them.

``albedo`` reads the rows that ``materials.Material.row`` writes. Fine patterns fade into their
mean where a pixel covers more than a period, as a camera's pixels do; otherwise far floors would
glitter. Torch, on any device.
"""

from functools import cache

import numpy as np
import torch

from depthlm_ros.scenes import materials as m

NOISE_SIZE = 256
CELLS_PER_TILE = 32
"""The noise table repeats after so many cells of ``noise_m``."""


@cache
def _noise_table(device: torch.device) -> torch.Tensor:
    """Smooth noise of mean 0 and deviation 1 that repeats without a seam; float32 (256 * 256,)."""
    rng = np.random.default_rng(7)
    spectrum = np.fft.fft2(rng.standard_normal((NOISE_SIZE, NOISE_SIZE)))
    k = np.fft.fftfreq(NOISE_SIZE) * NOISE_SIZE
    radius = np.hypot(k[:, None], k[None, :])
    keep = (radius > 3) / np.maximum(radius, 1) ** 1.2 * np.exp(-((radius / 90) ** 2))
    table = np.fft.ifft2(spectrum * keep).real
    return torch.from_numpy((table / table.std()).astype(np.float32)).flatten().to(device)


def noise(u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Look the noise up at (u, v) in cells; bilinear; any equal shapes."""
    table = _noise_table(u.device)
    x, y = (u * (NOISE_SIZE / CELLS_PER_TILE)), (v * (NOISE_SIZE / CELLS_PER_TILE))
    x0, y0 = x.floor(), y.floor()
    fx, fy = x - x0, y - y0
    x0, y0 = x0.long() & (NOISE_SIZE - 1), y0.long() & (NOISE_SIZE - 1)
    x1, y1 = (x0 + 1) & (NOISE_SIZE - 1), (y0 + 1) & (NOISE_SIZE - 1)
    y0, y1 = y0 * NOISE_SIZE, y1 * NOISE_SIZE
    top = torch.lerp(table[y0 + x0], table[y0 + x1], fx)
    return torch.lerp(top, torch.lerp(table[y1 + x0], table[y1 + x1], fx), fy)


def _hash(i: torch.Tensor, j: torch.Tensor, salt: int = 0) -> torch.Tensor:
    """Return a random number in [0, 1) for each integer cell (i, j)."""
    h = (i.long() * 73856093) ^ (j.long() * 19349663) ^ (salt * 83492791)
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    return ((h ^ (h >> 16)) & 0xFFFFFF).float() / 0x1000000


def _line(distance: torch.Tensor, width, footprint: torch.Tensor) -> torch.Tensor:
    """Return the share of a pixel of size ``footprint`` that a line of ``width`` covers."""
    inside = torch.minimum(distance + footprint / 2, width / 2) - torch.maximum(
        distance - footprint / 2, -width / 2
    )
    return (inside / footprint).clamp(0.0, 1.0)


def _fade(footprint: torch.Tensor, period: torch.Tensor) -> torch.Tensor:
    """Return 1 where a pixel resolves a period and 0 where it covers one."""
    return (1.5 - 1.5 * footprint / period).clamp(0.0, 1.0)


class _Points:
    """The points of one pattern: coordinates, footprint and columns of the material rows."""

    def __init__(self, rows: torch.Tensor, u: torch.Tensor, v: torch.Tensor, footprint):
        self.a, self.b = rows[:, 1:4], rows[:, 4:7]
        self.pu, self.pv, self.line, self.vary = rows[:, 7:11].unbind(1)
        self.u, self.v, self.footprint = u, v, footprint

    def grid(self, shift=0.0) -> tuple:
        """Return cells (i, j) and the share of joints between them."""
        x, y = self.u / self.pu + shift, self.v / self.pv
        i, j = x.floor(), y.floor()
        du = (x - i - (x - i).round()).abs() * self.pu
        dv = (y - j - (y - j).round()).abs() * self.pv
        cover = 1 - (1 - _line(du, self.line, self.footprint)) * (
            1 - _line(dv, self.line, self.footprint)
        )
        return i, j, cover

    def mix(self, share: torch.Tensor, tint=0.0) -> torch.Tensor:
        """Return colour a, with a share of b, lightened by ``tint``."""
        base = (
            self.a * (1 + torch.as_tensor(tint))[..., None]
            if isinstance(tint, torch.Tensor)
            else self.a
        )
        return torch.lerp(base, self.b, share[:, None])

    def tint(self, i: torch.Tensor, j: torch.Tensor) -> torch.Tensor:
        """Return how much a cell differs from the others."""
        fade = _fade(self.footprint, torch.minimum(self.pu, self.pv))
        return self.vary * (_hash(i, j) - 0.5) * fade


def _tiles(p: _Points) -> torch.Tensor:
    i, j, joints = p.grid()
    return p.mix(joints, p.tint(i, j))


def _bricks(p: _Points) -> torch.Tensor:
    i, j, joints = p.grid(0.5 * (p.v / p.pv).floor().remainder(2))
    return p.mix(joints, p.tint(i, j))


def _planks(p: _Points) -> torch.Tensor:
    row = (p.v / p.pv).floor()
    i, j, joints = p.grid(_hash(row, row, 3))
    grain = noise(p.u * 2.0 + 7 * j, p.v / p.pv * 3.0) * 0.08 * _fade(p.footprint, p.pv / 3)
    return p.mix(joints, p.tint(i, j) + grain)


def _checker(p: _Points) -> torch.Tensor:
    odd = ((p.u / p.pu).floor() + (p.v / p.pv).floor()).remainder(2)
    return p.mix(0.5 + (odd - 0.5) * _fade(p.footprint, p.pu))


def _stripes(p: _Points) -> torch.Tensor:
    x = p.u / p.pu
    return p.mix(_line((x - x.round()).abs() * p.pu, p.line, p.footprint))


def _grain(p: _Points) -> torch.Tensor:
    wave = noise(p.u / p.pu * 2.0, p.v / p.pv * 2.0)
    return p.mix((0.5 + 0.35 * wave * _fade(p.footprint, p.pv)).clamp(0, 1))


def _blobs(p: _Points) -> torch.Tensor:
    x, y = p.u / p.pu * 2.0, p.v / p.pv * 2.0
    share = (0.5 + noise(x, y)).clamp(0, 1)
    tone = torch.stack([noise(x + 11 * k, y - 5 * k) for k in (1, 2, 3)], dim=1)
    return p.mix(share) * (1 + 0.5 * p.vary[:, None] * tone).clamp(0.1, 2.0)


def _windows(p: _Points) -> torch.Tensor:
    x, y = p.u / p.pu, p.v / p.pv
    i, j = x.floor(), y.floor()
    across, up = ((x - i) - 0.5).abs() * p.pu, ((y - j) - 0.5).abs() * p.pv
    pane = _line(across, p.line, p.footprint) * _line(up, 1.25 * p.line, p.footprint)
    high = 1.25 * p.line + 0.14
    frame = _line(across, p.line + 0.14, p.footprint) * _line(up, high, p.footprint)
    wall = p.mix(torch.zeros_like(x))
    glass = p.b * (1 + 3 * p.vary * _hash(i, j))[:, None]
    framed = torch.lerp(wall, wall * 0.5 + 0.4, (frame - pane).clamp(0, 1)[:, None])
    return torch.lerp(framed, glass, pane[:, None])


def _books(p: _Points) -> torch.Tensor:
    x = p.u / p.pu
    i = torch.floor(x + 0.35 * torch.sin(3.7 * x.floor()))
    fade = _fade(p.footprint, 2 * p.pu)[:, None]
    tone = torch.stack([_hash(i, i, k) for k in (1, 2, 3)], dim=1)
    dark = _line((x - x.round()).abs() * p.pu, p.line, p.footprint)[:, None]
    return torch.lerp(p.a, 0.05 + 0.6 * tone**2, fade * p.vary[:, None]) * (1 - 0.7 * dark)


def _text(p: _Points) -> torch.Tensor:
    x, y = p.u / p.pu, p.v / p.pv
    row = y.floor()
    written = (_hash((x + 3 * _hash(row, row, 5)).floor(), row) < 0.7).float()
    line = _line((y - row - 0.5).abs() * p.pv, 0.45 * p.pv, p.footprint)
    return p.mix(0.7 * line * written)


def _gradient(p: _Points) -> torch.Tensor:
    height = (p.v / p.pv).remainder(1.0) + 0.15 * noise(p.u * 2.0, p.v * 2.0)
    return p.mix(((height - 0.35) * 8).clamp(0, 1))


_PATTERNS = {
    m.TILES: _tiles,
    m.BRICKS: _bricks,
    m.PLANKS: _planks,
    m.CHECKER: _checker,
    m.STRIPES: _stripes,
    m.GRAIN: _grain,
    m.BLOBS: _blobs,
    m.WINDOWS: _windows,
    m.BOOKS: _books,
    m.TEXT: _text,
    m.GRADIENT: _gradient,
}


def albedo(rows: torch.Tensor, uv: torch.Tensor, footprint: torch.Tensor) -> torch.Tensor:
    """Return colours (P, 3), linear.

    ``rows`` (P, 16): material of each point. ``uv`` (P, 2): its place on the surface [m].
    ``footprint`` (P,): size of a pixel there [m].
    """
    u, v = uv[:, 0] + rows[:, 14], uv[:, 1] + rows[:, 15]
    found = rows[:, 1:4].clone()
    pattern = rows[:, 0].long()
    for number, paint in _PATTERNS.items():
        chosen = (pattern == number).nonzero()[:, 0]
        if len(chosen):
            points = _Points(rows[chosen], u[chosen], v[chosen], footprint[chosen])
            found[chosen] = paint(points)
    strength, cell = rows[:, 11], rows[:, 12]
    cloudy = noise(u / cell, v / cell) * strength * _fade(footprint, cell)
    return (found * (1 + 0.6 * cloudy)[:, None]).clamp(0.0, 1.5)
