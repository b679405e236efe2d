"""Measure a trained compact model and write what ships: half precision, config, model card.

``python -m depthlm_ros.training.compact.publish --start RUN/start --out FOLDER``: measures on
scenes of a seed that neither training nor the choice of a checkpoint has seen, on labelled
photographs, and on real frames that training left out. The 90 % ratio that intervals rest on is
the wider of scenes and photographs: a scene is easier than a photograph. Frames left out are told
in the card alone: theirs is a camera that training saw nothing of.
"""

import argparse
import json
import tempfile
from datetime import date
from pathlib import Path

import torch

from depthlm_ros.evaluation.accuracy import SCENES_SEED, measure, photographs, scenes
from depthlm_ros.models import registry
from depthlm_ros.training.compact.checkpoint import read_start, write_served
from depthlm_ros.training.compact.evaluate import KEPT, left_out_frames

LEFT = "frames left out of"


def figures_of(model, samples) -> dict:
    """Return what the card keeps of a measurement."""
    measured = measure(model, samples)
    kept = {name: round(measured["total"][name], 4) for name in ("points", *KEPT)}
    constant = {name: round(measured["best_constant"][name], 4) for name in KEPT}
    return {
        "pictures": len(measured["pictures"]),
        **kept,
        "best_constant": constant,
        "ratio_90": round(measured["ratio_90"], 3),
    }


def publish(options: argparse.Namespace) -> dict:
    """Measure the network as it ships, in half precision, and write it; returns the figures."""
    network, tokenizer = read_start(options.start)
    with tempfile.TemporaryDirectory() as served:
        model = registry.load(
            str(write_served(Path(served), network, tokenizer)), "auto", "float32"
        )
        figures = {f"{options.scenes} held-out scenes": figures_of(model, scenes(options.scenes))}
        if options.photographs:
            name = f"photographs of {options.photographs.parent.name}"
            figures[name] = figures_of(model, photographs(options.photographs))
        for folder in options.left_out:
            frames = left_out_frames(folder, network.config.canonical_focal_px)
            figures[f"{LEFT} {folder.name}"] = figures_of(model, frames)
    rested_on = {name: row for name, row in figures.items() if not name.startswith(LEFT)}
    widest = max(rested_on, key=lambda name: rested_on[name]["ratio_90"])
    write_served(
        options.out,
        network,
        tokenizer,
        torch.float16,
        speaks=options.speaks,
        measured=rested_on,
        ratio_90=figures[widest]["ratio_90"],
    )
    parameters = sum(value.numel() for value in network.parameters())
    text = card(parameters, figures, widest, options.history.read_text(encoding="utf-8").strip())
    (options.out / "README.md").write_text(text, encoding="utf-8")
    return figures


def card(parameters: int, figures: dict, widest: str, history: str) -> str:
    """Return the model card as Markdown. ``history``: how the weights came to be."""
    header = (
        "| data | pictures | delta1 | delta1, median set right | AbsRel | "
        "delta1 of the best constant | 90 % within a factor of |\n" + "| --- " * 7 + "|"
    )
    rows = "\n".join(
        f"| {name} | {row['pictures']} | {row['delta1']:.3f} | {row['delta1_scaled']:.3f} | "
        f"{row['abs_rel']:.3f} | {row['best_constant']['delta1']:.3f} | {row['ratio_90']:.2f} |"
        for name, row in figures.items()
    )
    return f"""# The embedded checkpoint

A compact DepthVLM of {parameters / 1e6:.1f} million parameters: an EfficientNet-Lite0 tower, a
small causal language model (Qwen3) that reads a token for each 32 x 32 px, and a light DPT head.
Small enough for one CPU core, so that demo and tests run without a GPU and without a download. For
a robot with a GPU take a published checkpoint: `depthlm models`.

## What it reaches

{header}
{rows}

The intervals of answers rest on the widest factor, {figures[widest]["ratio_90"]:.2f}, measured on
the {widest}. Measured {date.today():%d %B %Y} with `python -m
depthlm_ros.training.compact.publish`; the scenes have seed {SCENES_SEED}, which took no part in
training.

## How it was made

{history}

## What was assumed

Scale can only be told from things of known size. The scenes hold to standard sizes: floor tiles of
0.2 to 0.6 m, boards 0.07 to 0.19 m wide, bricks of 250 x 83 mm, doors of 2.0 to 2.1 m with handles
at 1.05 m, tables of 0.72 to 0.76 m, seats of 0.43 to 0.48 m, worktops of 0.9 m, kerbs of 0.08 to
0.15 m, storeys of 3 m, people of 1.5 to 1.95 m, cars of 3.6 to 4.9 m. Cameras stand 0.2 to 1.8 m
above the ground, in streets up to 2 m. Where a place keeps to other sizes, its depths will be off
by the same factor.

## Limits

On photographs its shapes are better than its scale: the two columns of delta1 tell how much.
Views of a floor from a robot of knee height are read too far. Thin things, glass and mirrors have
no reliable depth. Licence: Apache-2.0.
"""


def main(args: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m depthlm_ros.training.compact.publish",
        description=__doc__.split("\n\n")[0],
    )
    parser.add_argument("--start", type=Path, required=True, help="RUN/start of a training run")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--history", type=Path, required=True, help="text for the card")
    parser.add_argument("--scenes", type=int, default=200, help="held-out scenes (default 200)")
    parser.add_argument("--photographs", type=Path, help="a .jsonl with labels, to measure too")
    parser.add_argument(
        "--left-out",
        type=Path,
        nargs="+",
        default=[],
        help="sets of real frames, some left out",
    )
    parser.add_argument("--speaks", action="store_true", help="let it answer in its own words")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(args)
    torch.set_num_threads(options.threads)
    print(json.dumps(publish(options), indent=2))


if __name__ == "__main__":
    main()
