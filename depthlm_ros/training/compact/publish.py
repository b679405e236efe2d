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
from dataclasses import replace
from pathlib import Path

import torch

from depthlm_ros.evaluation.accuracy import measure, photographs, scenes
from depthlm_ros.models import registry
from depthlm_ros.models.compact.network import CompactModule
from depthlm_ros.training.compact.checkpoint import read_start, write_served
from depthlm_ros.training.compact.evaluate import KEPT, left_out_frames
from depthlm_ros.training.compact.evaluate_things import TOTALS, held_out_views, measure_things
from depthlm_ros.training.compact.model_card import card, found_by_name
from depthlm_ros.training.compact.names import CLASSES, words

LEFT = "frames left out of"
CHOICE_SEED = 4
"""Of the scenes that tell which names are learned; the card's scenes have another."""
LEARNED = 0.5
"""Least share pointed at of a name that is offered."""


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


def offer_learned(network: CompactModule, scenes: int) -> None:
    """Let a network offer the names alone that it points at more often right than wrong.

    Chosen on other scenes than those of the card.
    """
    network.config = replace(network.config, things=words())
    shares = measure_things(network.eval(), held_out_views(scenes, CHOICE_SEED), by_name=True)
    learned = [name for name in CLASSES if shares.get(name, 0.0) >= LEARNED]
    network.config = replace(network.config, things=words(learned))


def publish(options: argparse.Namespace) -> dict:
    """Measure the network as it ships, in half precision, and write it; returns the figures."""
    network, tokenizer = read_start(options.start)
    if network.things is not None:
        offer_learned(network, options.scenes)
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
    things = {}
    if network.things is not None:
        things = measure_things(network, held_out_views(options.scenes), by_name=True)
    totals = {name: share for name, share in things.items() if name in TOTALS}
    rested_on = {name: row for name, row in figures.items() if not name.startswith(LEFT)}
    widest = max(rested_on, key=lambda name: rested_on[name]["ratio_90"])
    write_served(
        options.out,
        network,
        tokenizer,
        torch.float16,
        speaks=options.speaks,
        measured=rested_on
        | ({f"things in {options.scenes} held-out scenes": totals} if things else {}),
        ratio_90=figures[widest]["ratio_90"],
    )
    parameters = sum(value.numel() for value in network.parameters())
    history = options.history.read_text(encoding="utf-8").strip()
    text = card(parameters, figures, widest, history, found_by_name(things, options.scenes))
    (options.out / "README.md").write_text(text, encoding="utf-8")
    return figures | ({"things": things} if things else {})


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
