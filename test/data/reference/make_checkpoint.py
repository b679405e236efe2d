"""Write the weights of a tiny reference checkpoint: published names and shapes, seeded values.

usage: python make_checkpoint.py FOLDER [--seed N] [--out FILE]

FOLDER holds tensors.txt ("name<TAB>shape") beside config.json and the tokenizer files.
The same seed gives the same bits everywhere (numpy PCG64), so only outputs need to be stored.
"""

import argparse
import ast
import pathlib

import numpy as np
from safetensors.numpy import save_file


def tensor(name, shape, index, seed):
    """Return one float32 tensor: norms near 1, biases small, matrices of variance 1 / fan-in."""
    generator = np.random.Generator(np.random.PCG64([seed, index]))
    noise = generator.standard_normal(shape, dtype=np.float32)
    if len(shape) == 1:
        scale = "norm" in name and name.endswith("weight")
        return (1 + 0.1 * noise if scale else 0.05 * noise).astype(np.float32)
    if name.endswith("embed_tokens.weight"):
        return (0.5 * noise).astype(np.float32)
    fan_in = int(np.prod(shape[1:])) if "resize_layers" not in name else shape[0]
    return (noise / np.sqrt(fan_in)).astype(np.float32)


def main():
    """Create FOLDER/model.safetensors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    lines = (args.folder / "tensors.txt").read_text().splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    tensors = {
        name: tensor(name, ast.literal_eval(shape), index, args.seed)
        for index, (name, shape) in enumerate(rows)
    }
    save_file(tensors, args.out or args.folder / "model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    main()
