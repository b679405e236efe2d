"""The compact model on transformers' Trainer: its losses, learning rates and averaged weights."""

import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, IterableDataset
from transformers import Trainer, TrainerCallback, TrainingArguments

from depthlm_ros.models.compact.network import CompactModule
from depthlm_ros.training.compact.batches import Batches
from depthlm_ros.training.compact.loss import depth_loss, text_loss
from depthlm_ros.training.compact.thing_loss import thing_loss

AVERAGED = "averaged.safetensors"


@dataclass
class CompactArguments(TrainingArguments):
    """TrainingArguments with what this model adds.

    ``tower_rate``: learning rate of the tower as a share of the rest; ``frozen_stages``: first
    stages of the tower (and its stem) that stay as they are. ``scene_focus``, ``real_focus``:
    lambda of SILog on scenes and photographs. ``steps_weight``, ``text_weight``: of those losses.
    ``averaging``: decay of the averaged weights. ``minutes``: length of the run by the clock (0:
    by ``max_steps``); the learning rate falls along it. ``things``: train the thing head alone.
    """

    tower_rate: float = field(default=0.1)
    frozen_stages: int = field(default=2)
    scene_focus: float = field(default=0.5)
    real_focus: float = field(default=0.85)
    steps_weight: float = field(default=0.5)
    text_weight: float = field(default=0.5)
    averaging: float = field(default=0.999)
    minutes: float = field(default=0.0)
    things: bool = field(default=False)


class TrainedModule(nn.Module):
    """The network with its loss, as Trainer calls it."""

    def __init__(self, network: CompactModule, args: CompactArguments):
        super().__init__()
        self.network, self.args = network, args
        freeze(network, args.frozen_stages)
        self.parts = {}

    def forward(self, images, principal, depth, real, text=None, labels=None) -> dict:
        """Return {"loss": scalar}; the parts are kept in ``parts`` for the log."""
        log_depth, logits = self.network(images, principal, text)
        args = self.args
        parts = depth_loss(
            log_depth, depth, real, args.scene_focus, args.real_focus, args.steps_weight
        )
        if text is not None:
            parts["text"] = args.text_weight * text_loss(logits, labels)
        self.parts = {name: value.detach() for name, value in parts.items()}
        return {"loss": sum(parts.values())}


class TrainedThingHead(nn.Module):
    """The thing head with its loss; the rest of the network stays as it is."""

    def __init__(self, network: CompactModule):
        super().__init__()
        self.network = network.requires_grad_(False)
        network.things.requires_grad_(True)
        self.parts = {}

    def forward(self, images, things, **others) -> dict:
        """Return {"loss": scalar}; the parts are kept in ``parts`` for the log."""
        with torch.no_grad():
            pyramid = self.network.pyramid(images)
        parts = thing_loss(*self.network.things(pyramid), things)
        self.parts = {name: value.detach() for name, value in parts.items()}
        return {"loss": sum(parts.values())}


class AveragedWeights(TrainerCallback):
    """Keeps a running average of the trained weights; the checkpoint that is served is theirs."""

    def __init__(self, module: nn.Module, decay: float):
        self.module, self.decay = module, decay
        self.average = {name: value.detach().clone() for name, value in self._trained()}

    def _trained(self):
        return ((name, p) for name, p in self.module.named_parameters() if p.requires_grad)

    def on_step_end(self, args, state, control, **kwargs):
        """Move the average towards the weights."""
        decay = min(self.decay, (1 + state.global_step) / (10 + state.global_step))
        names, values = zip(*self._trained(), strict=True)
        torch._foreach_lerp_(
            [self.average[name] for name in names], [value.detach() for value in values], 1 - decay
        )

    def on_save(self, args, state, control, **kwargs):
        """Write the average beside Trainer's checkpoint."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        save_file({name: v.contiguous() for name, v in self.average.items()}, folder / AVERAGED)

    def load(self, folder: Path) -> None:
        """Take the average from a checkpoint folder."""
        for name, value in load_file(Path(folder) / AVERAGED).items():
            self.average[name].copy_(value)

    def swap(self) -> None:
        """Exchange weights and average."""
        with torch.no_grad():
            for name, value in self._trained():
                kept = value.detach().clone()
                value.copy_(self.average[name])
                self.average[name].copy_(kept)


class StopAtDeadline(TrainerCallback):
    """Ends the run when its minutes are over."""

    def __init__(self, minutes: float):
        self.minutes, self.began = minutes, time.monotonic()

    def on_train_begin(self, args, state, control, **kwargs):
        """Begin to count."""
        self.began = time.monotonic()

    def passed(self) -> float:
        """Return the share of the run that is over, 0 to 1."""
        return min(1.0, (time.monotonic() - self.began) / (60 * self.minutes))

    def on_step_end(self, args, state, control, **kwargs):
        """Stop and save when the time is over."""
        if self.passed() >= 1.0:
            control.should_training_stop = control.should_save = True


class _Endless(IterableDataset):
    """Batches that are on the device already."""

    def __init__(self, batches: Batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)


class CompactTrainer(Trainer):
    """Trainer with batches from the device, a slower tower, and a schedule by step or clock."""

    def __init__(
        self,
        network: CompactModule,
        args: CompactArguments,
        batches: Batches,
        callbacks: list | None = None,
    ):
        module = TrainedThingHead(network) if args.things else TrainedModule(network, args)
        self.average = AveragedWeights(module, args.averaging)
        self.deadline = StopAtDeadline(args.minutes) if args.minutes else None
        self._batches = batches
        own = [self.average, *([self.deadline] if self.deadline else [])]
        super().__init__(model=module, args=args, callbacks=[*own, *(callbacks or [])])

    def get_train_dataloader(self) -> DataLoader:
        """Return the batches as they come: they need no collating and no transfer."""
        return DataLoader(_Endless(self._batches), batch_size=None)

    def create_optimizer(self, *_) -> torch.optim.Optimizer:
        """Return AdamW: matrices decay, and the tower learns at ``tower_rate``."""
        if self.optimizer is None:
            args = self.args
            groups = {}
            for name, value in self.model.named_parameters():
                if value.requires_grad:
                    key = (".tower." in name, value.ndim > 1)
                    groups.setdefault(key, []).append(value)
            self.optimizer = torch.optim.AdamW(
                [
                    {
                        "params": values,
                        "lr": args.learning_rate * (args.tower_rate if tower else 1),
                        "weight_decay": args.weight_decay if matrix else 0.0,
                    }
                    for (tower, matrix), values in groups.items()
                ],
                betas=(0.9, 0.98),
            )
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer=None) -> LambdaLR:
        """Return a linear warm-up, then a cosine to nearly nothing, by steps or by the clock."""
        if self.lr_scheduler is None:
            args = self.args
            warm = max(1, int(args.warmup_steps))

            def factor(step: int) -> float:
                share = self.deadline.passed() if self.deadline else step / num_training_steps
                cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
                return min(1.0, (step + 1) / warm) * max(0.01, cosine)

            self.lr_scheduler = LambdaLR(optimizer or self.optimizer, factor)
        return self.lr_scheduler

    def log(self, logs: dict, *args, **kwargs) -> None:
        """Add the parts of the last loss."""
        logs |= {name: round(value.item(), 4) for name, value in self.model.parts.items()}
        super().log(logs, *args, **kwargs)


def freeze(network: CompactModule, stages: int) -> None:
    """Hold the tower's stem and first stages; all of it with a negative number."""
    held = list(network.tower.stages)
    held = [network.tower.stem, *(held[:stages] if stages >= 0 else held)]
    for module in held:
        module.requires_grad_(False)
