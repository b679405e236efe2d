"""``depthlm bench accuracy``: how right a model's depth is, on labelled photographs or on scenes.

``--data FILE.jsonl``: pictures with intrinsics and labelled pixels (``datasets/annotations.py``),
as the benchmarks of DepthLM and DepthVLM are published. ``--data scenes``: procedural scenes on
which no model of ours was trained, rendered here with exact depth. Every figure has that of the
best constant beside it, and delta1 after each picture's median is set right, which tells errors of
scale from errors of shape. A pixel without an answer counts as wrong. ``--bench``: DepthLMBench or
DepthVLM-Bench as the papers measure, see docs/evaluation.md.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depthlm_ros.datasets.annotations import read_annotations
from depthlm_ros.datasets.base import LabelKind
from depthlm_ros.estimator import FrameEstimator
from depthlm_ros.evaluation import benchmark as published_benchmark
from depthlm_ros.evaluation.point_metrics import accuracy, constant_accuracy, pooled
from depthlm_ros.frame import Frame
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models.arguments import add_model_arguments, load_from_arguments
from depthlm_ros.status import Code, StatusError

SCENES_SEED = 3
"""Scenes of this seed are for measuring alone: training takes 1 and 2 (render_scenes.py)."""
FARTHEST_M = 1000.0


@dataclass(frozen=True)
class Sample:
    """A picture with truth: ``depth_m`` (N,) z-depth at ``pixels`` (N, 2).

    ``picture``: what tells it from other pictures of the same name, "" where names do.
    """

    name: str
    frame: Frame
    pixels: np.ndarray
    depth_m: np.ndarray
    picture: str = ""


def photographs(path: Path, labels: str = "depth") -> Iterator[Sample]:
    """Yield the pictures of a .jsonl; ``labels``: what they hold, "depth" or "distance".

    Raises StatusError where the file or a line of it cannot be used: a benchmark leaves nothing
    out.
    """
    import cv2

    def refuse(where, refusal):
        raise StatusError(refusal.code, f"{where}: {refusal.text}")

    label = LabelKind.DISTANCE if labels == "distance" else LabelKind.Z
    for line in read_annotations(path, refuse, label):
        bgr = cv2.imread(str(line.path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if bgr is None:
            raise StatusError(
                Code.BAD_IMAGE, f"{line.path} is missing or no picture that can be read"
            )
        frame = Frame(np.ascontiguousarray(bgr[..., ::-1]), line.camera)
        yield Sample(line.path.stem, frame, line.pixels, line.metres, str(line.path))


def scenes(
    count: int, points: int = 200, seed: int = SCENES_SEED, camera: PinholeCamera | None = None
) -> Iterator[Sample]:
    """Yield rendered pictures of ``count`` scenes, in the proportions of the training pictures.

    Truth is given at ``points`` random pixels of each that are not sky.
    """
    from depthlm_ros.scenes.camera_poses import draw_kind, informative_pose, make_scene
    from depthlm_ros.scenes.render import render

    camera = camera or PinholeCamera(250.0, 250.0, 159.5, 119.5, 320, 240)
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        kind = draw_kind(rng)
        scene = make_scene(kind, [seed, index, 1])  # numbers of its own: [..., 0] are those of rng
        out = render([scene], [informative_pose(scene, rng)], camera)
        depth = out.depth_m[0].numpy()
        rows, columns = np.nonzero(np.isfinite(depth))
        chosen = rng.integers(len(rows), size=points)
        pixels = np.stack([columns[chosen], rows[chosen]], axis=1).astype(float)
        yield Sample(
            f"{kind} {index}",
            Frame(out.rgb[0].numpy(), camera),
            pixels,
            depth[rows[chosen], columns[chosen]].astype(float),
        )


def make_estimator(model) -> FrameEstimator:
    """Return the model with every depth up to FARTHEST_M accepted."""
    return FrameEstimator(model, 0.0, FARTHEST_M)


def read(estimator: FrameEstimator, sample: Sample) -> np.ndarray:
    """Return the z-depth (N,) that a model reads at a sample's pixels; NaN where it has none."""
    return np.array([point.depth_m for point in estimator.points(sample.frame, sample.pixels)])


def measure(model, samples: Iterable[Sample], progress=None) -> dict:
    """Return the figures of a model over samples, as ``report`` prints them.

    ``ratio_90``: 90 % of the truths lie within this factor of the reading.
    """
    names, pairs, estimator = [], [], make_estimator(model)
    for sample in samples:
        names.append(sample.name)
        pairs.append((read(estimator, sample), sample.depth_m))
        if progress:
            progress(len(pairs), sample.name)
    if not pairs:
        raise StatusError(Code.NO_FRAME, "no pictures: nothing was measured")
    read_m, true_m = (np.concatenate(part) for part in zip(*pairs, strict=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.maximum(read_m / true_m, true_m / read_m)
    ratio = np.where(np.isfinite(ratio), ratio, np.inf)
    return {
        "pictures": [
            {"name": name, **accuracy(*pair).as_dict()}
            for name, pair in zip(names, pairs, strict=True)
        ],
        "total": pooled(pairs).as_dict(),
        "best_constant": constant_accuracy([true for _, true in pairs]).as_dict(),
        "ratio_90": float(np.quantile(ratio, 0.9, method="higher")),
    }


def report(figures: dict, each: bool) -> str:
    """Return the figures as a table for people; ``each``: with a line for every picture."""
    lines = [f"{'':24}{'points':>8}{'delta1':>9}{'scaled':>9}{'AbsRel':>9}"]
    rows = [(p["name"], p) for p in figures["pictures"]] if each else []
    rows += [
        (f"all {len(figures['pictures'])} pictures", figures["total"]),
        ("best constant", figures["best_constant"]),
    ]
    for name, row in rows:
        lines.append(
            f"{name[:23]:24}{row['points']:8d}{row['delta1']:9.3f}"
            f"{row['delta1_scaled']:9.3f}{row['abs_rel']:9.3f}"
        )
    lines.append(
        f"90 % of the truths lie within a factor of {figures['ratio_90']:.2f} of the "
        "reading; scaled: delta1 with each picture's median set right"
    )
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``depthlm bench accuracy``."""
    published_benchmark.add_arguments(parser)
    parser.add_argument("--data", default="scenes", help="a .jsonl with labels, or 'scenes'")
    parser.add_argument(
        "--labels",
        choices=("depth", "distance"),
        default="depth",
        help="what the labels of a .jsonl are: along the axis, or straight",
    )
    parser.add_argument("--count", type=int, default=100, help="scenes (default 100)")
    add_model_arguments(parser)
    parser.add_argument("--each", action="store_true", help="a line for every picture")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; returns the exit code (2: refused, the reason is on stderr)."""
    measured = published_benchmark.measure if arguments.bench else _measured
    try:
        figures, text = measured(arguments)
    except StatusError as refusal:
        print(refusal, file=sys.stderr)
        return 2
    print(json.dumps(figures, indent=2) if arguments.json else text)
    return 0


def _measured(arguments: argparse.Namespace) -> tuple[dict, str]:
    """Measure a model over ``--data``; returns the figures and their table."""
    model = load_from_arguments(arguments)
    samples = (
        scenes(arguments.count)
        if arguments.data == "scenes"
        else photographs(Path(arguments.data), arguments.labels)
    )
    figures = {
        "model": arguments.model,
        "quantize": arguments.quantize,
        "options": arguments.option,
        "data": arguments.data,
        **measure(model, samples, _show),
    }
    return figures, report(figures, arguments.each)


def _show(count: int, name: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{count}: {name[:60]:60}", end="", file=sys.stderr, flush=True)


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark from a command line."""
    parser = argparse.ArgumentParser(prog="depthlm bench accuracy", description=__doc__)
    add_arguments(parser)
    return run(parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
