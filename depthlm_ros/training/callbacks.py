"""What a run leaves beside its weights: an image of the loss, a model card, a loadable folder."""

import json
import math
import shutil
from datetime import date
from pathlib import Path

import cv2
import numpy as np
from transformers import TrainerCallback

from depthlm_ros.image_io.atomic_write import write_text_atomically
from depthlm_ros.training.configs import TrainConfig

COPIED = (
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
)
SIZE = (480, 800)


def finish_folder(folder: Path, source: Path, architecture: str | None = None) -> None:
    """Make a folder of saved weights one that the node loads.

    What the processor and tokenizer of ``source`` are is copied where it is missing;
    ``architecture``: the published class name, which config.json shall name.
    """
    folder, source = Path(folder), Path(source)
    for name in COPIED:
        if (source / name).is_file() and not (folder / name).is_file():
            shutil.copyfile(source / name, folder / name)
    config_file = folder / "config.json"
    if architecture and config_file.is_file():
        config = json.loads(config_file.read_text(encoding="utf-8"))
        config["architectures"] = [architecture]
        write_text_atomically(config_file, json.dumps(config, indent=2) + "\n")


def loss_picture(history: list[dict], keys: tuple = ("loss", "lm_loss", "pixel_depth_loss")):
    """Return the curves of a run's log, uint8 (480, 800, 3) RGB, logarithmic where positive."""
    height, width = SIZE
    drawn = np.full((height, width, 3), 255, np.uint8)
    colours = ((200, 30, 30), (30, 90, 200), (20, 140, 60))
    curves = {k: [(e["step"], e[k]) for e in history if _plottable(e, k)] for k in keys}
    values = [v for curve in curves.values() for _, v in curve]
    if not values:
        return drawn
    low, high = math.log10(min(values)), math.log10(max(values))
    last = max(step for curve in curves.values() for step, _ in curve) or 1
    span = max(high - low, 1e-9)
    for row, (key, curve) in enumerate(curves.items()):
        if not curve:
            continue
        points = [
            (60 + (width - 80) * step / last, 20 + (height - 60) * (high - math.log10(v)) / span)
            for step, v in curve
        ]
        line = np.round(np.array(points)).astype(np.int32)[:, None]
        cv2.polylines(drawn, [line], False, colours[row], 2, cv2.LINE_AA)
        name = f"{key}: {curve[-1][1]:.4g}"
        _write(drawn, name, (width - 300, 30 + 22 * row), colours[row])
    _write(drawn, f"{10**high:.3g}", (4, 24), (0, 0, 0))
    _write(drawn, f"{10**low:.3g}", (4, height - 40), (0, 0, 0))
    _write(drawn, f"step {last}", (width - 120, height - 12), (0, 0, 0))
    return drawn


def _plottable(entry: dict, key: str) -> bool:
    return "step" in entry and entry.get(key, 0) > 0 and math.isfinite(entry[key])


def _write(drawn, text: str, at: tuple, colour: tuple) -> None:
    cv2.putText(drawn, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA)


class LossPicture(TrainerCallback):
    """Draws ``loss.png`` into the run's folder at every save and at the end."""

    def on_save(self, args, state, control, **_):
        """Draw what the log holds so far."""
        self._draw(args, state)

    def on_train_end(self, args, state, control, **_):
        """Draw the whole run."""
        self._draw(args, state)

    def _draw(self, args, state) -> None:
        if state.is_world_process_zero:
            picture = loss_picture(state.log_history)
            Path(args.output_dir).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(Path(args.output_dir) / "loss.png"), picture[..., ::-1])


def model_card(config: TrainConfig, state, parameters: dict) -> str:
    """Return a run's model card: what it was made from, how, and under whose terms.

    ``parameters``: how many numbers there are in all ("all"), and how many were trained.
    """
    files = [entry.open() for entry in config.data]
    rows = []
    for entry, file in zip(config.data, files, strict=True):
        info = file.info
        title, licence = (info.title, info.licence) if info else (file.path.stem, "unknown")
        rows.append(f"| {title} | {len(file)} | {entry.weight:g} | {licence} |")
    losses = [e["loss"] for e in state.log_history if "loss" in e]
    span = f"loss {losses[0]:.4f} to {losses[-1]:.4f}" if losses else "no loss was logged"
    trained = f"{parameters['trained'] / 1e6:.1f} of {parameters['all'] / 1e6:.1f} million"
    return "\n".join(
        [
            f"# {Path(config.out).name}",
            "",
            f"Method `{config.method}`, begun from `{config.model}`; {trained} parameters "
            f"trained, {state.global_step} steps of {config.global_batch} samples ({span}). Peak "
            f"rate {config.learning_rate:.3g} (published {config.published_lr:g} at a batch of "
            f"{config.published_batch}, scaled by the root of the batches' ratio), seed "
            f"{config.seed}, text mask `{config.label_mask}`. Written {date.today():%d %B %Y}.",
            "",
            "| data | lines | weight | licence |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            "The weights are bound by the terms of the model they were begun from and of the data "
            "above; what they measure is only as good as `depthlm bench accuracy` says.",
            "",
        ]
    )


def count_parameters(model) -> dict:
    """Return how many numbers a model has ("all"), and how many of them are trained."""
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return {"all": sum(n for n, _ in sizes), "trained": sum(n for n, t in sizes if t)}
