"""Average the weights of compact models: of a run's checkpoints, or of two runs of one beginning.

``python -m depthlm_ros.training.compact.average FOLDER [FOLDER ...] --out START``: each FOLDER is
a run's ``start``, a served model, or a ``checkpoint-N`` of a run, whose sizes and tokenizer
``--sizes-of`` tells. Networks that came from one beginning lie in one basin, and their mean is
better than most of them (Wortsman et al., Model soups, 2022).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

from depthlm_ros.training.compact.checkpoint import read_start, write_start

CHECKPOINT = "averaged.safetensors"
PREFIX = "network."
"""Of the names in a checkpoint of the trainer."""


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    """Return a network's tensors by name."""
    if (folder / CHECKPOINT).is_file():
        tensors = load_file(folder / CHECKPOINT)
        return {name.removeprefix(PREFIX): value for name, value in tensors.items()}
    return read_start(folder)[0].state_dict()


def average(folders: Sequence[Path], out: Path, sizes_of: Path | None = None) -> Path:
    """Write the mean of the networks in ``folders`` to ``out``, as ``write_start`` does.

    ``sizes_of``: a start whose sizes and tokenizer they have (None: the first folder), and whose
    weights stand for those that a checkpoint does not hold. Raises ValueError where names or
    shapes differ.
    """
    network, tokenizer = read_start(sizes_of or folders[0])
    own = network.state_dict()
    found = [weights_of(folder) for folder in folders]
    for folder, weights in zip(folders, found, strict=True):
        wrong = [n for n, v in weights.items() if n not in own or own[n].shape != v.shape]
        if wrong:
            raise ValueError(
                f"{folder}: {wrong[0]} does not fit the network of {sizes_of or folders[0]}"
            )
    with torch.no_grad():
        for name, value in own.items():
            if value.is_floating_point():
                held = [weights.get(name, value).double() for weights in found]
                value.copy_(torch.stack(held).mean(0))
    return write_start(out, network, tokenizer)


def main(args: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--sizes-of", type=Path, help="a start that tells sizes and tokenizer")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    options = parser.parse_args(args)
    print(average(options.folders, options.out, options.sizes_of))


if __name__ == "__main__":
    main()
