"""Training batches: views of scenes and photographs, changed, marked, and asked about."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from depthlm_ros.models.compact.tokenizer import question_ids, reply_ids
from depthlm_ros.prompting.marker import RED, Marker
from depthlm_ros.training.compact import augmentation
from depthlm_ros.training.compact.conversations import Turn, View, draw
from depthlm_ros.training.compact.objects import things_of
from depthlm_ros.training.compact.real_frames import RealFrames
from depthlm_ros.training.compact.scene_pool import ScenePool
from depthlm_ros.training.compact.thing_loss import thing_maps

IGNORE = -100
MARGIN_PX = 5
MOST_TOKENS = 192


@dataclass(frozen=True)
class BatchConfig:
    """What a batch is made of.

    ``sizes``, ``driving_sizes``: (height, width) of views, one drawn a batch, out of the first
    pool and of the driving pool. ``driving``: share of batches of the latter. ``real``: share of
    batches of photographs, in views of ``real_sizes``: small ones too, so that a place is seen
    from far and its scale must be told by sizes instead of being remembered. ``zoom``,
    ``real_zoom``: ranges. ``roll_rad``: of scenes, and twice as much of photographs. ``style``:
    share of scenes that take a photograph's spectrum. ``speak``, ``find``: whether text or the
    truth of the thing head is made.
    """

    batch: int = 8
    sizes: tuple = (
        (224, 288),
        (224, 288),
        (224, 320),
        (192, 256),
        (256, 352),
        (192, 320),
        (288, 224),
        (160, 224),
        (128, 192),
    )
    driving_sizes: tuple = ((128, 416), (160, 320), (192, 448), (192, 320))
    real_sizes: tuple = ((224, 288), (192, 256), (160, 224), (128, 192), (128, 160), (96, 160))
    driving: float = 0.12
    real: float = 0.25
    zoom: tuple = (0.93, 1.07)
    real_zoom: tuple = (0.45, 1.15)
    roll_rad: float = 0.02
    style: float = 0.3
    speak: bool = True
    find: bool = False


class Batches:
    """Batches without end, as dicts of tensors on the pools' device.

    ``images`` uint8 (B, H, W, 3); ``principal`` (B, 2) [px]; ``depth`` float32 (B, H, W) [m]: +Inf
    in the sky, 0 unknown; ``real`` bool (B,); ``text`` int64 (B, n) and ``labels`` (B, n): IGNORE
    where nothing is learnt. To find, scenes alone: ``things``, the ThingMaps of the batch.
    """

    def __init__(
        self,
        pools: list[ScenePool],
        real: RealFrames | None,
        tokenizer,
        config: BatchConfig,
        seed: int = 0,
    ):
        self.pools, self.real, self.tokenizer, self.config = pools, real, tokenizer, config
        self.device = pools[0].device
        self.rng = np.random.default_rng([seed, 11])
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self.camera = augmentation.Camera(self.device, self.generator)
        self._marker = torch.as_tensor(Marker().offsets, device=self.device)

    def __iter__(self) -> Iterator[dict]:
        """Yield batches for ever."""
        while True:
            yield self.draw()

    @torch.no_grad()
    def draw(self) -> dict:
        """Return one batch."""
        rng, config = self.rng, self.config
        real = self.real is not None and rng.random() < config.real
        driving = not real and len(self.pools) > 1 and rng.random() < config.driving
        sizes = config.real_sizes if real else config.driving_sizes if driving else config.sizes
        size = tuple(sizes[rng.integers(len(sizes))])
        x, depth, principal, things, maps = (
            (*self._photographs(config.batch, size), None)
            if real
            else self._scenes(self.pools[int(driving)], config.batch, size)
        )
        images = (self.camera(x) * 255 + 0.5).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
        centre = torch.as_tensor(principal, dtype=torch.float32, device=self.device)
        batch = {
            "images": images,
            "principal": centre,
            "depth": depth,
            "real": torch.full((len(x),), real, device=self.device),
        }
        if config.speak:
            batch |= self._speak(images, depth, centre, things)
        if maps is not None:
            batch["things"] = maps
        return batch

    def _scenes(self, pool: ScenePool, count: int, size: tuple) -> tuple:
        rows = self.rng.integers(pool.count, size=count)
        sources = np.tile([pool.camera.width, pool.camera.height], (count, 1))
        roll = self.config.roll_rad * (self.rng.random() < 0.5)
        warp = augmentation.draw_warp(size, sources, self.config.zoom, roll, 2.0, self.rng)
        at = torch.as_tensor(rows, device=self.device)
        x, depth, ids = augmentation.warp_views(warp, pool.rgb[at], pool.depth[at], pool.ids[at])
        if self.real is not None and self.config.style:
            x = self._styled(x, size)
        principal = warp.principal(np.tile([pool.camera.cx, pool.camera.cy], (count, 1)))
        things = things_of(ids, depth, pool.names[rows]) if self.config.speak else [[]] * count
        maps = thing_maps(ids, pool.names[rows]) if self.config.find else None
        return x, depth, principal, things, maps

    def _photographs(self, count: int, size: tuple) -> tuple:
        real, rng = self.real, self.rng
        rows = rng.choice(len(real), size=count, p=real.weights)
        warp = augmentation.draw_warp(
            size, real.size[rows], self.config.real_zoom, 2 * self.config.roll_rad, 1.7, rng
        )
        at = torch.as_tensor(rows, device=self.device)
        x, depth, _ = augmentation.warp_views(warp, real.rgb[at], real.depth[at])
        return x, depth, warp.principal(real.principal[rows]), [None] * count

    def _styled(self, x: torch.Tensor, size: tuple) -> torch.Tensor:
        """Give some of the scenes the coarse spectrum of photographs."""
        style, *_ = self._photographs(len(x), size)
        share = torch.rand(len(x), device=self.device, generator=self.generator)
        chosen = torch.rand(len(x), device=self.device, generator=self.generator)
        return augmentation.borrow_spectrum(x, style, share * (chosen < self.config.style))

    def _speak(
        self, images: torch.Tensor, depth: torch.Tensor, principal: torch.Tensor, things: list
    ) -> dict:
        """Draw a question for each image, paint its markers, and write text and labels."""
        height, width = depth.shape[1:]
        pixels, known = self._marker_pixels(depth)
        z = depth.flatten(1).gather(1, pixels[..., 1] * width + pixels[..., 0])
        rays = (pixels - principal[:, None]) / self._focal()
        points = torch.cat([rays * z[..., None], z[..., None]], dim=-1).cpu().numpy()
        turns = [
            draw(View(seen, points[b] if known[b] else None, (width, height)), self.rng)
            for b, seen in enumerate(things)
        ]
        markers = torch.tensor([turn.markers for turn in turns], device=self.device)
        for k in range(2):
            self._paint(images, pixels[:, k], markers > k)
        return self._text(turns)

    def _focal(self) -> float:
        return self.pools[0].camera.fx

    def _marker_pixels(self, depth: torch.Tensor) -> tuple:
        """Draw two pixels (B, 2, 2) of known depth in each view; and which views have them."""
        score = torch.rand(depth.shape, device=self.device, generator=self.generator)
        usable = torch.isfinite(depth) & (depth > 0)
        usable[:, :MARGIN_PX], usable[:, -MARGIN_PX:] = False, False
        usable[:, :, :MARGIN_PX], usable[:, :, -MARGIN_PX:] = False, False
        best = (score * usable).flatten(1).topk(2).indices
        known = (usable.flatten(1).sum(1) >= 2).cpu().numpy()
        return torch.stack([best % depth.shape[2], best // depth.shape[2]], dim=-1), known

    def _paint(self, images: torch.Tensor, pixels: torch.Tensor, chosen: torch.Tensor) -> None:
        """Paint the published arrow at one pixel of each chosen image, in place."""
        rows = chosen.nonzero()[:, 0]
        at = pixels[rows, None] + self._marker  # (n, 9, 2)
        red = torch.tensor(RED, dtype=torch.uint8, device=self.device)
        images[rows[:, None], at[..., 1], at[..., 0]] = red

    def _text(self, turns: list[Turn]) -> dict:
        asked = question_ids(self.tokenizer, [turn.question for turn in turns])
        said = reply_ids(self.tokenizer, [turn.reply for turn in turns])
        pairs = [
            (a, b) if turn.question else ([], [])
            for turn, a, b in zip(turns, asked, said, strict=True)
        ]
        rows = [(a + b)[:MOST_TOKENS] for a, b in pairs]
        masks = [([IGNORE] * len(a) + b)[:MOST_TOKENS] for a, b in pairs]
        longest = -(-max(1, *map(len, rows)) // 16) * 16
        pad = self.tokenizer.pad_token_id
        text = [row + [pad] * (longest - len(row)) for row in rows]
        labels = [mask + [IGNORE] * (longest - len(mask)) for mask in masks]
        return {
            "text": torch.tensor(text, device=self.device),
            "labels": torch.tensor(labels, device=self.device),
        }
