"""Train by a recipe: ``python -m depthlm_ros.training.run RECIPE --set out=RUN ...``.

RECIPE: a YAML file, or the name of one of ``training/recipes``. Under ``torchrun`` or
``accelerate launch -m`` every process takes its share. A run goes on from its last checkpoint.
"""

import argparse
import sys
from importlib import import_module

from depthlm_ros.status import StatusError
from depthlm_ros.training.configs import load_config

RUNS = {
    "depthlm_sft": "depthlm_ros.training.sft",
    "depthlm_grpo": "depthlm_ros.training.grpo",
    "depthvlm": "depthlm_ros.training.depthvlm_stages",
}


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns 0, or 2 where the recipe was refused."""
    parser = argparse.ArgumentParser(
        prog="python -m depthlm_ros.training.run", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("recipe", help="a YAML file, or the name of a recipe of this package")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change the recipe: dots lead deeper, as in trainer.max_steps=100; repeat for more",
    )
    options = parser.parse_args(argv)
    try:
        from depthlm_ros.datasets.optional_packages import require

        config = load_config(options.recipe, options.set)
        require("accelerate", "training")
        folder = import_module(RUNS[config.method]).run(config)
    except StatusError as refusal:
        print(refusal, file=sys.stderr)
        return 2
    print(f"done: {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
