"""Turn a finished run into a checkpoint to ship: measured, in half precision, with a model card.

``python -m depthlm_ros.training.publish_checkpoint --run RUN --out FOLDER``: measures the averaged
weights on scenes of a seed that neither training nor the choice of a checkpoint has seen (and on
labelled photographs, where given), writes the figures and the 90 % ratio into config.json, and a
README.md that says how the model was made and what it reaches.
"""

import argparse
import json
from datetime import date
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from depthlm_ros.evaluation.accuracy import SCENES_SEED, measure, photographs, scenes
from depthlm_ros.models import registry

KEPT = ("points", "delta1", "delta1_scaled", "abs_rel")
COPIED = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")

CARD = """# The embedded checkpoint

A DepthVLM (Qwen3-VL with a DPT head) of {millions:.1f} million parameters, small
enough for one CPU core, so that demo and tests run without a GPU and without a download. It shows
that the pipeline works. For a robot, take a published checkpoint: `depthlm models`.

## What it reaches

| data | pictures | delta1 | delta1, median set right | AbsRel | delta1 of the best constant |
| --- | --- | --- | --- | --- | --- |
{rows}

90 % of the true depths of the held-out scenes lie within a factor of {ratio_90:.2f} of the
reading; the intervals of answers rest on that.
Measured {date:%d %B %Y} with
`python -m depthlm_ros.training.publish_checkpoint`; the scenes have
seed {seed}, which took no part in training. `depthlm bench accuracy` repeats it.

## How it was made

{origin} on procedural scenes of this package alone (`depthlm_ros/scenes`): no
photograph, no other model and no data set took part.

    python -m depthlm_ros.datasets.render_scenes --out SHARDS --count {pictures}
    python -m depthlm_ros.training.dense_trainer --shards SHARDS --out RUN{start} \\
        --optimizer {optimizer} --lr {lr:g} --warmup {warmup:g} \\
        --steps {planned} --batch {batch}
    python -m depthlm_ros.training.publish_checkpoint --run RUN --out depthlm_ros/models/embedded

{steps} steps of {batch} pictures, drawn from {pictures} rendered ones, cropped, mirrored,
stretched by up to {stretch:.0%} and in changed light. Loss: SILog, lambda {focus:g}. Unified focal
length 125 px.
{remark}
It has not learned to write: questions in free words are beyond it, and typed questions about
distances are answered from its depth map.

## What was assumed

Scale can only be told from things of known size. The scenes hold to standard sizes: floor tiles of
0.2 to 0.6 m, boards 0.07 to 0.19 m wide, bricks of 250 x 83 mm, doors of 2.0 to 2.1 m with handles
at 1.05 m, tables of 0.72 to 0.76 m, seats of 0.43 to 0.48 m, worktops of 0.9 m, kerbs of 0.08 to
0.15 m, storeys of 3 m, people of 1.5 to 1.95 m, cars of 3.6 to 4.9 m. Ceilings are 2.35 to 2.75 m
in homes and up to 6 m in halls. Cameras stand 0.2 to 1.8 m above the ground, most of them at 1 to
1.8 m. Where a place keeps to other sizes, its depths will be off by the same factor.

## Limits

Trained on pictures drawn by a computer, it reads photographs worse than scenes, as the table says.
Thin things, glass, mirrors and the sky have no reliable depth. Licence: Apache-2.0.
"""


def figures_of(model, samples) -> dict:
    """Return what the card keeps of a measurement, and the ratio."""
    measured = measure(model, samples)
    kept = {name: round(measured["total"][name], 4) for name in KEPT}
    constant = {name: round(measured["best_constant"][name], 4) for name in KEPT[1:]}
    return {
        "pictures": len(measured["pictures"]),
        **kept,
        "best_constant": constant,
        "ratio_90": round(measured["ratio_90"], 3),
    }


def publish(run: Path, out: Path, count: int, labelled: Path | None, remark: str = "") -> dict:
    """Measure and write; returns the figures. ``remark``: a sentence for the card."""
    model = registry.load(str(run / "checkpoint"), "auto", "float32")
    figures = {f"{count} held-out scenes": figures_of(model, scenes(count))}
    if labelled:
        figures[f"photographs of {labelled.parent.name}"] = figures_of(
            model, photographs(labelled)
        )
    source = run / "checkpoint"
    out.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: value.half() for name, value in load_file(source / "model.safetensors").items()
    }
    save_file(tensors, out / "model.safetensors", {"format": "pt"})
    for name in COPIED:
        if (source / name).is_file():
            (out / name).write_bytes((source / name).read_bytes())
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    config |= {
        "dtype": "float16",
        "measured": figures,
        "ratio_90": figures[f"{count} held-out scenes"]["ratio_90"],
    }
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    parameters = sum(value.numel() for value in tensors.values())
    (out / "README.md").write_text(card(run, parameters, figures, remark), encoding="utf-8")
    return figures


def card(run: Path, parameters: int, figures: dict, remark: str = "") -> str:
    """Return the model card as Markdown."""
    with safe_open(run / "state.safetensors", "pt") as state:
        told = state.metadata()
    config = json.loads(told["config"])
    steps = int(told["step"])
    logged = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    pictures = max((line.get("pictures", 0) for line in logged), default=0)
    rows = "\n".join(
        f"| {name} | {row['pictures']} | {row['delta1']:.3f} | {row['delta1_scaled']:.3f} | "
        f"{row['abs_rel']:.3f} | {row['best_constant']['delta1']:.3f} |"
        for name, row in figures.items()
    )
    ratio_90 = next(iter(figures.values()))["ratio_90"]
    origin = "From an earlier run (`--start`)," if config["start"] else "From scratch,"
    start = " --start EARLIER" if config["start"] else ""
    stretch, focus = config.get("stretch", 0.0), config["variance_focus"]
    return CARD.format(
        rows=rows,
        millions=parameters / 1e6,
        ratio_90=ratio_90,
        date=date.today(),
        seed=SCENES_SEED,
        origin=origin,
        start=start,
        pictures=pictures,
        steps=steps,
        stretch=stretch,
        focus=focus,
        remark=remark,
        **{key: config[key] for key in ("optimizer", "lr", "warmup", "batch")},
        planned=config["steps"],
    )


def main(args: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m depthlm_ros.training.publish_checkpoint",
        description=__doc__.split("\n\n")[0],
    )
    parser.add_argument(
        "--run", type=Path, required=True, help="folder of training/dense_trainer.py"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--scenes", type=int, default=200, help="held-out scenes (default 200)")
    parser.add_argument("--photographs", type=Path, help="a .jsonl with labels, to measure too")
    parser.add_argument("--remark", default="", help="a sentence for the card")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(args)
    torch.set_num_threads(options.threads)
    print(
        json.dumps(
            publish(options.run, options.out, options.scenes, options.photographs, options.remark),
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
