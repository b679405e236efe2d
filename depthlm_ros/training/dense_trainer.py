"""Train a DepthVLM on images with dense metric depth: stage 1, stage 2, or everything at once.

The paper's two stages are ``stage="head"`` (the head alone) and ``stage="language"`` (language
model and head, vision tower frozen); ``stage="all"`` trains from scratch, as the small embedded
checkpoint was. AdamW as in the paper, or Muon for the matrices of transformer layers; cosine
schedule with warm-up, SILog loss, averaged weights (EMA), gradient clipping. A plain loop: one
process, one model; a framework would hide more than it would save.

A run lives in one folder and continues where it stopped: ``state.safetensors`` (weights, averaged
weights, moments), ``progress.json``, ``log.jsonl``, and ``checkpoint/``, which the package loads.
"""

import argparse
import json
import math
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from depthlm_ros.datasets.shards import ShardFolder
from depthlm_ros.image_io.atomic_write import replace_file, write_text_atomically
from depthlm_ros.models.depthvlm.model import load_module
from depthlm_ros.models.depthvlm.network import PREFIX, DepthVLMModule
from depthlm_ros.models.depthvlm.tiny import tiny_config, tiny_tokenizer
from depthlm_ros.models.runtime.image_patches import to_patches
from depthlm_ros.models.weights.checkpoint import Checkpoint, write
from depthlm_ros.training.augmentation import disturb_light, stretched_crop
from depthlm_ros.training.losses import silog
from depthlm_ros.training.optimizers import make_optimizers, moments_of, schedule

MOMENTS = ("step", "exp_avg", "exp_avg_sq", "momentum_buffer")
FROZEN = {"all": (), "head": ("vlm.",), "language": ("vlm.model.visual.",)}


@dataclass(frozen=True)
class DenseConfig:
    """Everything a run depends on.

    ``shards``: folder of training images (``datasets/shards.py``); ``held_out``: one of other
    scenes, or empty. ``start``: checkpoint folder to begin from; empty: a small new model.
    ``stage``: "all", "head" or "language". ``optimizer``: "adamw" or "muon". ``lr``: peak learning
    rate; ``warmup``: share of the steps. ``variance_focus``: lambda of the SILog loss. ``sizes``:
    (height, width) in pixels, one drawn a step. ``stretch``: most that a side is made longer or
    shorter, as rounding to whole tokens does (0: not at all). ``median_m``: depth that a new head
    says everywhere. ``autocast``: bfloat16 arithmetic.
    """

    shards: str
    out: str
    held_out: str = ""
    start: str = ""
    stage: str = "all"
    optimizer: str = "adamw"
    steps: int = 20000
    batch: int = 8
    lr: float = 8e-4
    warmup: float = 0.04
    weight_decay: float = 0.02
    clip: float = 1.0
    variance_focus: float = 0.5
    ema: float = 0.999
    sizes: tuple = ((112, 160), (96, 160), (128, 160), (112, 144), (112, 192), (128, 128))
    stretch: float = 0.07
    median_m: float = 2.5
    seed: int = 0
    threads: int = 1
    autocast: bool = True
    save_every_s: float = 180.0
    evaluate_every: int = 1000

    def __post_init__(self):
        """Refuse a run that cannot mean anything."""
        if self.stage not in FROZEN:
            raise ValueError(f"stage = {self.stage!r}: known are {', '.join(FROZEN)}")
        if self.optimizer not in ("adamw", "muon"):
            raise ValueError(f"optimizer = {self.optimizer!r}: known are adamw, muon")
        if not (self.steps > 0 and self.batch > 0 and self.lr > 0 and 0 <= self.warmup < 1):
            raise ValueError(
                f"steps {self.steps}, batch {self.batch}, lr {self.lr}: must be "
                f"positive; warmup {self.warmup}: must be in [0, 1)"
            )
        if not 0 <= self.stretch < 0.5:
            raise ValueError(f"stretch = {self.stretch}: must be in [0, 0.5)")


class Trainer:
    """One run: model, averaged weights, optimiser and images; resumes by itself."""

    def __init__(self, config: DenseConfig):
        torch.manual_seed(config.seed)
        self.config = config
        self.out = Path(config.out)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.settings, self.tokenizer, module = _model(config, self.device)
        self.module = module.train()
        if self.device.type == "cpu":  # fused attention's backward pass in bfloat16 is slow there;
            # the tower alone: without a mask, plain attention in the language model is not causal
            self.module.vlm.set_attn_implementation({"vision_config": "eager"})
        for name, parameter in self.module.named_parameters():
            parameter.requires_grad_(not name.startswith(FROZEN[config.stage] or "-"))
        self.trained = {
            name: parameter
            for name, parameter in self.module.named_parameters()
            if parameter.requires_grad
        }
        self.average = {name: value.detach().clone() for name, value in self.trained.items()}
        self.optimizers = make_optimizers(self.trained, config)
        self.pictures = ShardFolder(Path(config.shards))
        self.step = 0
        if (self.out / "state.safetensors").is_file():
            self._resume()

    def run(self) -> None:
        """Train to the end, saving every few minutes and at the end."""
        config, began, saved, losses = self.config, time.monotonic(), time.monotonic(), []
        while self.step < config.steps:
            look_again = self.step % 200 == 0 or not len(self.pictures)
            if look_again and not self.pictures.refresh():
                raise ValueError(f"{config.shards} holds no shards: render some first")
            losses.append(self._train_step())
            self.step += 1
            if self.step % 200 == 0:
                self._log(
                    loss=float(np.mean(losses)),
                    pictures=len(self.pictures),
                    seconds=round(time.monotonic() - began, 1),
                )
                losses.clear()
            if config.held_out and self.step % config.evaluate_every == 0:
                self._log(**self.evaluate())
            if time.monotonic() - saved > config.save_every_s:
                self.save()
                saved = time.monotonic()
        self.save()

    def _train_step(self) -> float:
        config = self.config
        rate = config.lr * schedule(self.step, config.steps, config.warmup)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        rgb, depth = self._batch()
        valid = torch.isfinite(depth) & (depth > 0)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=config.autocast):
            predicted = self.module(*to_patches(rgb, self.module.settings.path)).depth
        loss = silog(predicted, depth, valid, config.variance_focus)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trained.values(), config.clip)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        decay = min(config.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, value in self.trained.items():
                self.average[name].lerp_(value, 1 - decay)
        return loss.item()

    def _batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw this step's images: a function of seed, step and the shards alone."""
        rng = np.random.default_rng([self.config.seed, self.step])
        size = self.config.sizes[rng.integers(len(self.config.sizes))]
        rgbs, depths = [], []
        for index in rng.integers(len(self.pictures), size=self.config.batch):
            rgb, depth = stretched_crop(*self.pictures[index], size, self.config.stretch, rng)
            rgbs.append(disturb_light(rgb, rng))
            depths.append(depth)
        return (
            torch.from_numpy(np.stack(rgbs)).to(self.device),
            torch.from_numpy(np.stack(depths)).to(self.device),
        )

    @torch.no_grad()
    def evaluate(self) -> dict:
        """Return delta1 of the averaged weights on held-out images, raw and median-scaled."""
        held_out = ShardFolder(Path(self.config.held_out))
        kept = {name: value.detach().clone() for name, value in self.trained.items()}
        self._put(self.average)
        raw, scaled = [], []
        for index in range(held_out.refresh()):
            rgb, depth = _whole_tokens(*held_out[index], self.module.settings.path.multiple)
            image = torch.from_numpy(rgb)[None].to(self.device)
            patches = to_patches(image, self.module.settings.path)
            log_ratio = self.module(*patches).depth[0].cpu().log() - _log_valid(depth)
            log_ratio = log_ratio[torch.isfinite(log_ratio)]
            raw.append((log_ratio.abs() < math.log(1.25)).float().mean().item())
            centred = log_ratio - log_ratio.median()
            scaled.append((centred.abs() < math.log(1.25)).float().mean().item())
        self._put(kept)
        return {
            "delta1": float(np.nanmean(raw)),
            "delta1_median_scaled": float(np.nanmean(scaled)),
        }

    @torch.no_grad()
    def _put(self, values: dict) -> None:
        for name, parameter in self.trained.items():
            parameter.copy_(values[name])

    def _log(self, **entry) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"step": self.step, **entry})
        print(line, flush=True)
        with (self.out / "log.jsonl").open("a") as file:
            file.write(line + "\n")

    def save(self) -> None:
        """Write the state to resume from, then the checkpoint of the averaged weights."""
        self.out.mkdir(parents=True, exist_ok=True)
        state = {f"weight.{name}": value.detach() for name, value in self.trained.items()}
        state |= {f"average.{name}": value for name, value in self.average.items()}
        for name, parameter in self.trained.items():
            for moment, value in moments_of(self.optimizers, parameter).items():
                state[f"{moment}.{name}"] = value
        metadata = {"step": str(self.step), "config": json.dumps(asdict(self.config))}
        replace_file(
            self.out / "state.safetensors",
            lambda path: save_file(
                {name: value.contiguous() for name, value in state.items()}, path, metadata
            ),
        )
        kept = {name: value.detach().clone() for name, value in self.trained.items()}
        self._put(self.average)
        write_checkpoint(self.out / "checkpoint", self.module, self.settings, self.tokenizer)
        self._put(kept)
        write_text_atomically(self.out / "progress.json", json.dumps({"step": self.step}))

    @torch.no_grad()
    def _resume(self) -> None:
        with safe_open(self.out / "state.safetensors", "pt", device=str(self.device)) as file:
            state = {name: file.get_tensor(name) for name in file.keys()}
            self.step = int(file.metadata()["step"])
        for name, parameter in self.trained.items():
            parameter.copy_(state[f"weight.{name}"])
            self.average[name].copy_(state[f"average.{name}"])
            moments_of(self.optimizers, parameter).update(
                {
                    moment: state[f"{moment}.{name}"]
                    for moment in MOMENTS
                    if f"{moment}.{name}" in state
                }
            )


def write_checkpoint(
    folder: Path,
    module: DepthVLMModule,
    config: dict,
    tokenizer,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a checkpoint folder that ``registry.load`` reads: config, tokenizer, safetensors."""
    tensors = {
        name: value.detach().to("cpu", dtype)
        for name, value in module.published_state_dict().items()
    }
    write(folder, config, tensors, tokenizer)


def _whole_tokens(rgb: np.ndarray, depth: np.ndarray, multiple: int) -> tuple:
    """Cut the right and lower rest off an image (H, W), so that it consists of whole tokens."""
    height, width = (side - side % multiple for side in depth.shape)
    return np.ascontiguousarray(rgb[:height, :width]), depth[:height, :width]


def _log_valid(depth: np.ndarray) -> torch.Tensor:
    """Logarithm of z-depth (H, W); NaN where there is none or the sky."""
    metres = torch.from_numpy(depth.astype(np.float32))
    return torch.where(torch.isfinite(metres) & (metres > 0), metres, torch.nan).log()


def _model(config: DenseConfig, device: torch.device) -> tuple:
    """Return (config.json content, tokenizer, module) to begin from."""
    if config.start:
        checkpoint = Checkpoint.open(Path(config.start))
        tokenizer = checkpoint.tokenizer()
        module = load_module(checkpoint, device, torch.float32, tokenizer)
        return checkpoint.config, tokenizer, module
    settings, tokenizer = tiny_config(), tiny_tokenizer()
    module = DepthVLMModule(settings, tokenizer(PREFIX)["input_ids"]).to(device)
    with torch.no_grad():  # begin at a sensible constant: softplus(bias) = median
        last = module.depth_head.scratch.output_conv2[2]
        last.weight.mul_(0.1)
        last.bias.fill_(math.log(math.expm1(config.median_m)))
    return settings, tokenizer, module


def main(args: list[str] | None = None) -> None:
    """Command line: one option a field of ``DenseConfig``."""
    parser = argparse.ArgumentParser(
        prog="python -m depthlm_ros.training.dense_trainer", description=__doc__.split("\n\n")[0]
    )
    for field in fields(DenseConfig):
        if field.name in ("shards", "out"):
            parser.add_argument(f"--{field.name}", required=True)
        elif field.type is bool:
            parser.add_argument(
                f"--{field.name}", default=field.default, action=argparse.BooleanOptionalAction
            )
        elif field.name != "sizes":
            parser.add_argument(
                f"--{field.name.replace('_', '-')}", type=field.type, default=field.default
            )
    config = DenseConfig(**vars(parser.parse_args(args)))
    torch.set_num_threads(config.threads)
    Trainer(config).run()


if __name__ == "__main__":
    main()
