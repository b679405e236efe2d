"""transformers' Trainer for any network that maps images to depth: small models, rendered shards.

Any network wrapped in ``ImageToDepth``: SILog an image, AdamW or Muon for the matrices of layers,
an average of the weights (EMA) that is kept beside them and resumed with them. Images of a batch
have one size, drawn for each batch; every draw is a function of the seed and of the samples' own
numbers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.data import Dataset, SequentialSampler
from transformers import Trainer, TrainerCallback

from depthlm_ros.datasets.shards import ShardFolder
from depthlm_ros.training.augmentation import disturb_light, stretched_crop
from depthlm_ros.training.callbacks import LossPicture
from depthlm_ros.training.losses import silog_per_image

AVERAGE = "average.safetensors"


class ImageToDepth(nn.Module):
    """A network with its loss, as Trainer wants it.

    ``network``: an nn.Module. ``predict(network, rgb)``: uint8 (B, H, W, 3) to z-depth (B, h, w)
    [m] of any size; left out, the network is called with ``rgb`` itself.
    """

    def __init__(
        self, network: nn.Module, predict: Callable | None = None, variance_focus: float = 0.5
    ):
        super().__init__()
        self.network, self.variance_focus = network, variance_focus
        self._predict = predict or (lambda net, rgb: net(rgb))

    def forward(self, rgb: torch.Tensor, depth_m: torch.Tensor | None = None) -> dict:
        """Return ``depth`` (B, h, w) in float32 and, with truths (B, H, W), ``loss``.

        A truth that is not finite or not positive is unknown.
        """
        depth = self._predict(self.network, rgb).float()
        if depth_m is None:
            return {"depth": depth}
        known = torch.where(torch.isfinite(depth_m), depth_m, torch.zeros_like(depth_m))
        return {"loss": silog_per_image(depth, known, self.variance_focus), "depth": depth}


class ShardDataset(Dataset):
    """Images drawn from a folder of shards without end: (number, rgb, depth).

    Item ``i`` is an image drawn by the seed and ``i`` alone, so that a run that goes on meets the
    very same ones; ``max_steps`` bounds a run. ``draws``: the length that is told.
    """

    def __init__(self, folder: Path, seed: int = 0, draws: int = 2**31 - 1):
        self.shards, self.seed, self.draws = ShardFolder(folder), seed, draws
        if not self.shards.refresh():
            raise ValueError(f"{folder} holds no shards: render some first")

    def __len__(self) -> int:
        return self.draws

    def __getitem__(self, index: int) -> tuple:
        """Return the image of a draw with the draw's number."""
        which = np.random.default_rng([self.seed, index]).integers(len(self.shards))
        return (index, *self.shards[int(which)])


@dataclass(frozen=True)
class AugmentingCollator:
    """Crops, mirrors, stretches and relights a batch, to one of ``sizes`` (height, width).

    What is drawn depends on the seed and the samples' numbers alone.
    """

    sizes: Sequence = ((112, 160), (96, 160), (128, 160), (112, 144), (112, 192), (128, 128))
    stretch: float = 0.07
    seed: int = 0

    def __call__(self, samples: list) -> dict:
        """Return ``rgb`` uint8 (B, H, W, 3) and ``depth_m`` float32 (B, H, W)."""
        numbers = [number for number, _, _ in samples]
        rng = np.random.default_rng([self.seed, len(numbers), *numbers])
        size = self.sizes[rng.integers(len(self.sizes))]
        pairs = [stretched_crop(rgb, depth, size, self.stretch, rng) for _, rgb, depth in samples]
        rgb = np.stack([disturb_light(picture, rng) for picture, _ in pairs])
        depth = np.stack([np.asarray(metres, np.float32) for _, metres in pairs])
        return {"rgb": torch.from_numpy(rgb), "depth_m": torch.from_numpy(depth)}


class WeightAverage(TrainerCallback):
    """An exponential average of the trained weights, saved with every checkpoint.

    ``decay``: of the average; smaller in the first steps, so that the start is forgotten.
    """

    def __init__(self, model: nn.Module, decay: float = 0.999):
        self.model, self.decay = model, decay
        self.average = {
            name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad
        }

    @torch.no_grad()
    def on_step_end(self, args, state, control, **_):
        """Take the step's weights in."""
        decay = min(self.decay, state.global_step / (9 + state.global_step))
        for name, parameter in self.model.named_parameters():
            if name in self.average:
                held = self.average[name] = self.average[name].to(parameter.device)
                held.lerp_(parameter, 1 - decay)

    def on_save(self, args, state, control, **_):
        """Write the average beside the checkpoint's weights."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if state.is_world_process_zero and folder.is_dir():
            save_file({k: v.contiguous().cpu() for k, v in self.average.items()}, folder / AVERAGE)

    def load(self, folder: Path) -> None:
        """Restore the average of a checkpoint."""
        self.average = load_file(Path(folder) / AVERAGE)

    @torch.no_grad()
    def put(self) -> dict:
        """Give the model the average; returns what it had, for ``model.load_state_dict``."""
        kept = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        parameters = dict(self.model.named_parameters())
        for name, value in self.average.items():
            parameters[name].copy_(value)
        return kept


class JoinedOptimizer(torch.optim.Optimizer):
    """Several optimisers as one: their groups in a row, a step of each, one state to save."""

    def __init__(self, parts: list):
        self.parts = parts
        super().__init__([g for part in parts for g in part.param_groups], {})
        for part in parts:  # the very same groups: a scheduler's rate reaches the part
            count = len(part.param_groups)
            start = sum(len(p.param_groups) for p in parts[: parts.index(part)])
            part.param_groups = self.param_groups[start : start + count]

    @torch.no_grad()
    def step(self, closure=None):
        """Make a step of each."""
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict:
        """Return the parts' states."""
        return {"state": {}, "param_groups": [], "parts": [p.state_dict() for p in self.parts]}

    def load_state_dict(self, state_dict: dict) -> None:
        """Restore the parts' states; the groups stay shared."""
        start = 0
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
            count = len(part.param_groups)
            self.param_groups[start : start + count] = part.param_groups
            start += count


def dense_optimizer(
    model: nn.Module,
    kind: str,
    lr: float,
    weight_decay: float = 0.02,
    is_layer: Callable[[str], bool] = lambda name: ".blocks." in name or ".layers." in name,
) -> torch.optim.Optimizer:
    """Return AdamW for all, or with "muon" Muon for the matrices of layers and AdamW for the rest.

    Matrices decay; norms and biases do not. ``is_layer``: by a parameter's name.
    """
    if kind not in ("adamw", "muon"):
        raise ValueError(f"optimizer = {kind!r}: known are adamw, muon")
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    layered = kind == "muon"
    muon = [p for n, p in trained.items() if layered and p.ndim == 2 and is_layer(n)]
    taken = {id(p) for p in muon}
    rest = [p for p in trained.values() if id(p) not in taken]
    groups = [
        {"params": [p for p in rest if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW([g for g in groups if g["params"]], lr=lr, betas=(0.9, 0.98))
    if not muon:
        return adamw
    return JoinedOptimizer(
        [
            adamw,
            torch.optim.Muon(
                muon, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
            ),
        ]
    )


class DenseTrainer(Trainer):
    """Trainer of an ``ImageToDepth``; ``average``: its WeightAverage.

    ``optimizer_kind``: "adamw" or "muon". Everything else is transformers' own: schedule,
    clipping, accumulation, several processes, checkpoints, resuming.
    """

    def __init__(
        self,
        *args,
        optimizer_kind: str = "adamw",
        weight_decay: float = 0.02,
        ema: float = 0.999,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self._kind, self._decay = optimizer_kind, weight_decay
        self.average = WeightAverage(self.model, ema)
        self.add_callback(self.average)
        self.add_callback(LossPicture())

    def _get_train_sampler(self, train_dataset=None) -> SequentialSampler:
        return SequentialSampler(train_dataset or self.train_dataset)  # drawn at random already

    def create_optimizer(self, model=None) -> torch.optim.Optimizer:
        """Build the optimiser by ``dense_optimizer``."""
        if self.optimizer is None:
            self.optimizer = dense_optimizer(
                self.model, self._kind, self.args.learning_rate, self._decay
            )
        return self.optimizer

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        self.average.load(Path(resume_from_checkpoint))
