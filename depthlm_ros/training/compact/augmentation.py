"""Changes to training images, batched on the training device: geometry first, then the camera.

Geometry keeps metric depth true: cropping and mirroring leave it, roll about the optical axis
leaves z-depth, and a zoom by ``s`` at a fixed unified focal length divides it by ``s``.
The photometric part runs through what a camera does to light: exposure, white balance, vignetting,
blur, noise, tone curve, JPEG.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F


@dataclass(frozen=True)
class Warp:
    """Similarity transforms from B sources to views of one ``size`` = (H, W).

    A view's pixel p is taken from ``matrix`` (B, 2, 2) @ (p - centre of the view) + ``centre``
    (B, 2) of the source; ``zoom`` (B,): how much larger the view shows things; ``mirrored`` (B,).
    """

    size: tuple
    matrix: np.ndarray
    centre: np.ndarray
    zoom: np.ndarray
    mirrored: np.ndarray

    def principal(self, principal: np.ndarray) -> np.ndarray:
        """Return the views' principal points (B, 2) from those of the sources."""
        inverse = np.linalg.inv(self.matrix)
        middle = np.array([(self.size[1] - 1) / 2, (self.size[0] - 1) / 2])
        return np.einsum("bij,bj->bi", inverse, principal - self.centre) + middle

    def grid(self, device, width: int, height: int) -> torch.Tensor:
        """Return where the views' pixels lie in sources of width x height, for ``grid_sample``."""
        rows, columns = self.size
        v, u = torch.meshgrid(
            torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij"
        )
        p = torch.stack([u - (columns - 1) / 2, v - (rows - 1) / 2], dim=-1)
        matrix = torch.as_tensor(self.matrix, dtype=torch.float32, device=device)
        centre = torch.as_tensor(self.centre, dtype=torch.float32, device=device)
        at = torch.einsum("bij,hwj->bhwi", matrix, p.float()) + centre[:, None, None]
        return (at + 0.5) * (2.0 / torch.tensor([width, height], device=device)) - 1.0


def draw_warp(
    size: tuple,
    sources: np.ndarray,
    zoom: tuple,
    roll_rad: float,
    most_zoom: float,
    rng: np.random.Generator,
) -> Warp:
    """Draw similarity transforms for sources of ``sources`` (B, 2) = (width, height) pixels.

    ``zoom``: range of the zoom, log-uniform, raised where a source would not fill the view, but
    never above ``most_zoom``. ``roll_rad``: deviation of the roll.
    """
    count = len(sources)
    fill = np.max(np.array([size[1], size[0]]) / sources, axis=1)
    drawn = np.exp(rng.uniform(math.log(zoom[0]), math.log(zoom[1]), count))
    scale = np.minimum(np.maximum(drawn, fill * rng.uniform(1.0, 1.1, count)), most_zoom)
    window = np.array([size[1], size[0]]) / scale[:, None]
    slack = np.maximum(sources - window, 0.0)
    centre = (sources - 1) / 2 + (rng.random((count, 2)) - 0.5) * slack
    angle = rng.normal(0.0, roll_rad, count) if roll_rad else np.zeros(count)
    mirrored = rng.random(count) < 0.5
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    flip = np.where(mirrored, -1.0, 1.0)
    matrix = np.stack([np.stack([cos * flip, -sin], -1), np.stack([sin * flip, cos], -1)], 1)
    return Warp(size, matrix, centre, scale, mirrored)


def warp_views(
    warp: Warp, rgb: torch.Tensor, depth: torch.Tensor, ids: torch.Tensor | None = None
) -> tuple:
    """Resample uint8 (B, H, W, 3), z-depth (B, H, W) and object ids into the views.

    Returns rgb float32 (B, 3, h, w) in 0..1, depth float32 (B, h, w) and ids int64 (B, h, w) or
    None. Depth and ids come from the nearest pixel; outside the source depth and ids are 0.
    """
    height, width = depth.shape[1:]
    grid = warp.grid(rgb.device, width, height)
    planes = rgb.permute(0, 3, 1, 2).float() / 255
    view = F.grid_sample(planes, grid, mode="bilinear", padding_mode="border", align_corners=False)
    x = ((grid[..., 0] + 1) * width / 2).floor().long()
    y = ((grid[..., 1] + 1) * height / 2).floor().long()
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    flat = (y.clamp(0, height - 1) * width + x.clamp(0, width - 1)).flatten(1)
    zoom = torch.as_tensor(warp.zoom, dtype=torch.float32, device=rgb.device)[:, None, None]
    metres = depth.flatten(1).gather(1, flat).view(inside.shape).float() / zoom
    metres = torch.where(inside, metres, 0.0)
    if ids is None:
        return view, metres, None
    objects = ids.flatten(1).gather(1, flat).view(inside.shape).long()
    return view, metres, torch.where(inside, objects, 0)


class Camera:
    """Random cameras: what they do to the light of images, one draw for each image."""

    def __init__(self, device, generator: torch.Generator):
        self.device, self.generator = device, generator
        self._dct = _dct_matrix().to(device)
        self._quantisation = torch.tensor(_LUMA, device=device, dtype=torch.float32).view(8, 8)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Map images (B, 3, H, W) in 0..1 to images in 0..1."""
        x = self._soften(x)
        x = self._light(x)
        x = self._noise(x)
        return self._jpeg(x.clamp(0, 1)).clamp(0, 1)

    def _uniform(self, batch: int, low: float, high: float, channels: int = 1) -> torch.Tensor:
        r = torch.rand(batch, channels, 1, 1, device=self.device, generator=self.generator)
        return low + (high - low) * r

    def _normal(self, batch: int, deviation: float, channels: int = 1) -> torch.Tensor:
        r = torch.randn(batch, channels, 1, 1, device=self.device, generator=self.generator)
        return deviation * r

    def _light(self, x: torch.Tensor) -> torch.Tensor:
        """Exposure, white balance, vignetting, saturation, contrast and gamma."""
        batch, _, height, width = x.shape
        x = x * torch.exp(self._normal(batch, 0.22) + self._normal(batch, 0.08, 3))
        v = torch.linspace(-1, 1, height, device=self.device).view(1, 1, -1, 1)
        u = torch.linspace(-1, 1, width, device=self.device).view(1, 1, 1, -1)
        x = x * (1 - self._uniform(batch, -0.05, 0.25) * (u * u + v * v) / 2)
        grey = x.mean(dim=1, keepdim=True)
        x = grey + (x - grey) * self._uniform(batch, 0.0, 1.5)
        mean = x.mean(dim=(1, 2, 3), keepdim=True)
        x = mean + (x - mean) * torch.exp(self._normal(batch, 0.2))
        return x.clamp(0, 1) ** torch.exp(self._normal(batch, 0.2))

    def _noise(self, x: torch.Tensor) -> torch.Tensor:
        """Grain of every pixel and of blobs of 2 px, in grey and in colour."""
        batch, _, height, width = x.shape

        def grain(channels, height, width):
            return torch.randn(
                batch, channels, height, width, device=self.device, generator=self.generator
            )

        amount = self._uniform(batch, 0.0, 1.0) ** 2 * 0.05
        coarse = F.interpolate(
            grain(3, (height + 1) // 2, (width + 1) // 2),
            size=(height, width),
            mode="bilinear",
            align_corners=False,
        )
        return x + amount * (
            0.6 * grain(1, height, width) + 0.4 * grain(3, height, width) + 0.8 * coarse
        )

    def _soften(self, x: torch.Tensor) -> torch.Tensor:
        """Blur by up to about a pixel and a half, along each axis by its own amount (motion)."""
        for axis in (2, 3):
            sigma = self._uniform(len(x), 0.0, 1.0) ** 2 * 1.5 + 0.05
            taps = [torch.exp(-0.5 * (k / sigma) ** 2) for k in range(4)]
            norm = taps[0] + 2 * sum(taps[1:])
            padded = F.pad(x, (3, 3, 0, 0) if axis == 3 else (0, 0, 3, 3), mode="replicate")
            size = x.shape[axis]
            x = sum(padded.narrow(axis, 3 + k, size) * (taps[abs(k)] / norm) for k in range(-3, 4))
        return x

    def _jpeg(self, x: torch.Tensor) -> torch.Tensor:
        """Quantise 8 x 8 blocks of every channel as JPEG of quality 30 to 100 does luma."""
        batch, _, height, width = x.shape
        rows, columns = height // 8, width // 8
        blocks = (x * 255 - 128).view(batch, 3, rows, 8, columns, 8).transpose(3, 4)
        coefficients = self._dct @ blocks @ self._dct.T
        quality = self._uniform(batch, 30.0, 100.0).view(-1, 1, 1, 1, 1, 1)
        factor = torch.where(quality < 50, 50 / quality, 2 - quality / 50).clamp_min(0.02)
        step = (self._quantisation * factor).clamp_min(1.0)
        blocks = self._dct.T @ (torch.round(coefficients / step) * step) @ self._dct
        return (blocks.transpose(3, 4).reshape(x.shape) + 128) / 255


def _dct_matrix() -> torch.Tensor:
    """Return the orthonormal DCT-II of 8 samples, (8, 8)."""
    k, n = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    matrix = torch.cos(math.pi * (2 * n + 1) * k / 16) / 2
    matrix[0] /= math.sqrt(2)
    return matrix


_LUMA = (
    16,
    11,
    10,
    16,
    24,
    40,
    51,
    61,
    12,
    12,
    14,
    19,
    26,
    58,
    60,
    55,
    14,
    13,
    16,
    24,
    40,
    57,
    69,
    56,
    14,
    17,
    22,
    29,
    51,
    87,
    80,
    62,
    18,
    22,
    37,
    56,
    68,
    109,
    103,
    77,
    24,
    35,
    55,
    64,
    81,
    104,
    113,
    92,
    49,
    64,
    78,
    87,
    103,
    121,
    120,
    101,
    72,
    92,
    95,
    98,
    112,
    100,
    103,
    99,
)
"""The luminance table of JPEG (ITU-T T.81, annex K.1)."""


def borrow_spectrum(x: torch.Tensor, style: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Give images (B, 3, H, W) the coarse amplitudes of others of the same size.

    The lowest frequencies' amplitudes are mixed by ``share`` (B,) and the phases kept (Fourier
    domain adaptation, Yang and Soatto, 2020): colours and light of photographs, shapes of scenes.
    """
    spectrum, other = torch.fft.rfft2(x), torch.fft.rfft2(style)
    reach = max(1, round(0.02 * min(x.shape[2:])))
    amplitude = spectrum.abs()
    mixed = torch.lerp(amplitude, other.abs(), share.view(-1, 1, 1, 1))
    mask = torch.zeros_like(amplitude[:1, :1])
    mask[..., : reach + 1, : reach + 1] = 1
    mask[..., -reach:, : reach + 1] = 1
    amplitude = torch.where(mask > 0, mixed, amplitude)
    return torch.fft.irfft2(torch.polar(amplitude, spectrum.angle()), s=x.shape[2:]).clamp(0, 1)
