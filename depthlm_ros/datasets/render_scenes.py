"""Render the training images.

    python -m depthlm_ros.datasets.render_scenes --out FOLDER --count N

Shards of the procedural scenes (``scenes/``) at the model's unified focal length, each a function
of the seed and its number alone: interrupted work goes on where it stopped, and several processes
share it by ``--part``. On a GPU when there is one, in large batches.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from depthlm_ros.datasets.shards import write_shard
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.scenes.camera_poses import draw_kind, informative_pose, make_scene
from depthlm_ros.scenes.render import render

SHARD = 64
VIEWS = 2
"""Images in a shard, and of one scene."""


def render_shard(
    seed: int, number: int, camera: PinholeCamera, supersample: int = 2, device: str = "cpu"
) -> tuple[np.ndarray, np.ndarray]:
    """Render shard ``number``: rgb uint8 (SHARD, H, W, 3) and z-depth float32 (SHARD, H, W)."""
    rng = np.random.default_rng([seed, number, SHARD])  # numbers that no scene of it draws
    scenes, poses = [], []
    for index in range(SHARD // VIEWS):
        scene = make_scene(draw_kind(rng), [seed, number, index])
        scenes += [scene] * VIEWS
        poses += [informative_pose(scene, rng) for _ in range(VIEWS)]
    batch = SHARD if device.startswith("cuda") else 4
    parts = [
        render(scenes[i : i + batch], poses[i : i + batch], camera, supersample, device)
        for i in range(0, SHARD, batch)
    ]
    return tuple(
        torch.cat([getattr(part, name) for part in parts]).cpu().numpy()
        for name in ("rgb", "depth_m")
    )


def main(args: list[str] | None = None) -> None:
    """Render what is missing of ``count`` images."""
    parser = argparse.ArgumentParser(
        prog="python -m depthlm_ros.datasets.render_scenes", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--count", type=int, default=32768, help="pictures in all")
    parser.add_argument("--seed", type=int, default=1, help="scenes of another seed are others")
    parser.add_argument("--size", type=int, nargs=2, default=(200, 136), metavar=("W", "H"))
    parser.add_argument("--fx", type=float, default=125.0, help="focal length [px]")
    parser.add_argument("--supersample", type=int, default=2, help="rays an axis and pixel")
    parser.add_argument(
        "--part", default="0/1", metavar="I/N", help="every Nth shard from the Ith"
    )
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(args)
    torch.set_num_threads(options.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    width, height = options.size
    camera = PinholeCamera(
        options.fx, options.fx, (width - 1) / 2, (height - 1) / 2, width, height
    )
    first, step = (int(x) for x in options.part.split("/"))
    shards = -(-options.count // SHARD)
    began = time.monotonic()
    for number in range(first, shards, step):
        name = f"{options.seed}_{number:06d}"
        if (options.out / f"{name}.npz").is_file():
            continue
        write_shard(
            options.out,
            name,
            *render_shard(options.seed, number, camera, options.supersample, device),
        )
        print(f"shard {number + 1} of {shards}, {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
