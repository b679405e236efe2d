"""Train the compact model: ``python -m depthlm_ros.training.compact.train --out RUN ...``.

Scenes are rendered while training runs; photographs with depth and labelled photographs to choose
by are given by folder. On a GPU when there is one. A run continues where it stopped.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import TrainerCallback, set_seed
from transformers.trainer_utils import get_last_checkpoint

from depthlm_ros.evaluation.accuracy import photographs
from depthlm_ros.models.compact.config import CompactConfig
from depthlm_ros.models.compact.network import CompactModule
from depthlm_ros.training.compact import real_frames
from depthlm_ros.training.compact.batches import BatchConfig, Batches
from depthlm_ros.training.compact.checkpoint import (
    read_start,
    with_things,
    write_served,
    write_start,
)
from depthlm_ros.training.compact.evaluate import LEFT_OUT, left_out_frames, quick_figures
from depthlm_ros.training.compact.evaluate_things import held_out_views, measure_things
from depthlm_ros.training.compact.scene_pool import CANVASES, VIEWS, ScenePool, SceneSource
from depthlm_ros.training.compact.texts import make_tokenizer
from depthlm_ros.training.compact.trainer import CompactArguments, CompactTrainer

REAL_WEIGHTS = {
    "hololens_dvmvs": 0.45,
    "tum_fr1_rpy": 0.2,
    "pcl_mosd_tabletop": 0.12,
    "misc_clean_indoor": 0.18,
    "street_pjlab_apache": 0.05,
}
OTHER_WEIGHT = 0.06
"""Of any other set in the folder."""
VIEWS_TO_CHOOSE = 90
"""Views in which things are looked for while the thing head is trained."""


class PeriodicEvaluation(TrainerCallback):
    """Renders new scenes between steps, and measures from time to time."""

    def __init__(
        self,
        pools: list,
        shares: tuple,
        device,
        figures: Callable[[], dict],
        every: int,
        out: Path,
    ):
        self.pools, self.shares, self.owed = pools, shares, [0.0] * len(pools)
        self.device, self.figures = device, figures
        self.every, self.out, self.trainer = every, out, None
        self.began = time.monotonic()

    def on_step_end(self, args, state, control, **kwargs):
        """Render what is owed; measure every so many steps."""
        batch = 16 if self.device.type == "cuda" else 1
        for k, pool in enumerate(self.pools):
            self.owed[k] = min(self.owed[k] + self.shares[k], 4.0 * batch)
            if self.owed[k] >= batch and pool.source.ready() >= batch:
                pool.refill(batch)
                self.owed[k] -= batch
        if state.global_step % self.every == 0:
            self.measure(state.global_step)

    def measure(self, step: int) -> dict:
        """Measure the averaged weights and write a line of log.jsonl."""
        self.trainer.average.swap()
        figures = self.figures()
        self.trainer.average.swap()
        line = {
            "step": step,
            "seconds": round(time.monotonic() - self.began),
            "rendered": [pool.rendered for pool in self.pools],
            **figures,
        }
        print(json.dumps(line), flush=True)
        with (self.out / "measured.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        return figures


def main(args: list[str] | None = None) -> None:
    """Train, measure, and write RUN/served."""
    options = _parser().parse_args(args)
    torch.set_num_threads(options.threads)
    set_seed(options.seed)
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer, network = _model(options)
    network.to(device)
    pools = _pools(options, device)
    real = _real_frames(options.real_frames, network.config.canonical_focal_px, device)
    sizes = {"sizes": (tuple(options.size),)} if options.size else {}
    batches = Batches(
        pools,
        real,
        tokenizer,
        BatchConfig(
            batch=options.batch,
            real=0.0 if options.things else options.real_share,
            speak=not (options.silent or options.things),
            find=options.things,
            **sizes,
        ),
        options.seed,
    )
    evaluation = PeriodicEvaluation(
        pools,
        (options.scenes_per_step, options.scenes_per_step * 0.2),
        device,
        _figures(options, network, tokenizer, device),
        options.measure_every,
        out,
    )
    trainer = CompactTrainer(network, _arguments(options, device), batches, [evaluation])
    evaluation.trainer = trainer
    last = get_last_checkpoint(str(out))
    if last:
        trainer.average.load(Path(last))
    trainer.train(resume_from_checkpoint=last)
    figures = evaluation.measure(trainer.state.global_step)
    trainer.average.swap()
    write_start(out / "start", network, tokenizer)
    write_served(out / "served", network, tokenizer, quick_figures=figures)
    for pool in pools:
        pool.source.close()


def _model(options) -> tuple:
    """Return tokenizer and network to begin from: an earlier run's, or pretrained tower alone."""
    if options.start:
        network, tokenizer = read_start(options.start)
        return tokenizer, with_things(network) if options.things else network
    tokenizer = make_tokenizer()
    network = CompactModule(CompactConfig(tower=options.tower, vocab_size=len(tokenizer)))
    network.tower.load_imagenet(_pretrained(options.imagenet))
    with torch.no_grad():
        network.head.scale.bias.fill_(0.9)  # log of a scene's usual depth
    return tokenizer, network


def _pretrained(path: Path) -> dict:
    if path.suffix == ".safetensors":
        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _real_frames(folder: Path | None, focal_px: float, device) -> real_frames.RealFrames | None:
    """Return the photographs of every set in a folder but those kept for measuring."""
    if folder is None:
        return None
    names = [path.name for path in _sets(folder)]
    weights = {name: REAL_WEIGHTS.get(name, OTHER_WEIGHT) for name in names}
    return real_frames.load(folder, weights, focal_px, device, LEFT_OUT)


def _sets(folder: Path) -> list[Path]:
    """Return the folders of sets of real frames below a folder, by name."""
    return sorted(path.parent for path in folder.glob("*/meta.json"))


def _pools(options, device) -> list[ScenePool]:
    workers = (options.workers, max(1, options.workers // 5) if options.workers else 0)
    pools = []
    for k, canvas in enumerate(CANVASES):
        source = SceneSource(canvas, options.scene_seed, workers[k])
        capacity = options.pool if k == 0 else max(VIEWS, options.pool // 5)
        pools.append(ScenePool(source, capacity, 250.0, device))
    began = time.monotonic()
    for k, pool in enumerate(pools):
        for _ in pool.fill(options.fill if k == 0 else max(VIEWS, options.fill // 5)):
            pass
    print(
        f"{[pool.count for pool in pools]} views in {time.monotonic() - began:.0f} s", flush=True
    )
    return pools


def _figures(options, network: CompactModule, tokenizer, device) -> Callable[[], dict]:
    """Return what measures the network while it is trained."""
    if options.things:
        views = held_out_views(VIEWS_TO_CHOOSE // VIEWS, device=device)
        return lambda: measure_things(network, views)
    samples = _samples(options, network.config.canonical_focal_px)
    return lambda: {
        name: quick_figures(network, tokenizer, those) for name, those in samples.items()
    }


def _samples(options, focal_px: float) -> dict:
    """Return what is measured while training runs: lists of Samples by their name."""
    samples = {}
    if options.photographs:
        samples["photographs"] = list(photographs(options.photographs))
    if options.real_frames:
        for folder in _sets(options.real_frames):
            if kept := list(left_out_frames(folder, focal_px)):
                samples[f"left out of {folder.name}"] = kept
    return samples


def _arguments(options, device) -> CompactArguments:
    return CompactArguments(
        output_dir=str(options.out),
        max_steps=options.steps,
        learning_rate=options.lr,
        weight_decay=0.02,
        warmup_steps=options.warmup,
        max_grad_norm=1.0,
        seed=options.seed,
        bf16=device.type == "cuda",
        use_cpu=device.type == "cpu",
        logging_steps=options.log_every,
        save_steps=options.save_every,
        save_total_limit=options.keep,
        report_to="none",
        disable_tqdm=True,
        minutes=options.minutes,
        tower_rate=options.tower_rate,
        averaging=options.averaging,
        frozen_stages=options.frozen_stages,
        real_focus=options.real_focus,
        scene_focus=options.scene_focus,
        text_weight=0.0 if options.silent else 0.5,
        things=options.things,
        remove_unused_columns=False,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m depthlm_ros.training.compact.train", description=__doc__.split("\n\n")[0]
    )
    add = parser.add_argument
    add("--out", type=Path, required=True, help="folder of the run")
    add("--start", type=Path, help="folder with network.safetensors, network.json and tokenizer")
    add("--imagenet", type=Path, help="pretrained tower, .pth or .safetensors (a new run)")
    add("--tower", default="efficientnet-lite0")
    add("--real-frames", type=Path, help="folder of sets of photographs with depth")
    add("--photographs", type=Path, help="a .jsonl with labels, to choose by")
    add("--steps", type=int, default=100_000)
    add("--minutes", type=float, default=0.0, help="end by the clock instead")
    add("--batch", type=int, default=8)
    add("--size", type=int, nargs=2, metavar=("H", "W"), help="one size of views of scenes only")
    add("--lr", type=float, default=1e-3)
    add("--warmup", type=int, default=200)
    add("--tower-rate", type=float, default=0.1)
    add("--frozen-stages", type=int, default=2)
    add("--scene-focus", type=float, default=0.5)
    add("--real-focus", type=float, default=0.85)
    add("--real-share", type=float, default=0.25)
    add("--averaging", type=float, default=0.999)
    add("--pool", type=int, default=1500, help="views held")
    add("--fill", type=int, default=90, help="views rendered before the first step")
    add("--scenes-per-step", type=float, default=0.7, help="new scenes (3 views each) a step")
    add("--workers", type=int, default=0, help="processes that make scenes")
    add("--scene-seed", type=int, default=11)
    add("--seed", type=int, default=0)
    add("--threads", type=int, default=1)
    add("--log-every", type=int, default=50)
    add("--save-every", type=int, default=500)
    add("--keep", type=int, default=1, help="checkpoints kept, as for compact.average")
    add("--measure-every", type=int, default=500)
    add("--things", action="store_true", help="the thing head alone, the rest as it is")
    add("--silent", action="store_true", help="depth alone, no text")
    return parser


if __name__ == "__main__":
    main()
