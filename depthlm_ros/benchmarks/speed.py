"""``depthlm bench speed``: where the time of a frame goes, ours beside the published way.

Same weights, same bytes in, same machine, runs interleaved, warm-ups first; median and 95th
percentile of every stage, the memory, and how far the results are apart. Weights may be random:
speed does not depend on them. Knows nothing of one model: contenders come from ``speed_*.py``.
"""

import argparse
import json
import platform
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models import device as disk
from depthlm_ros.models.arguments import add_model_name, add_placement, add_quantize
from depthlm_ros.status import StatusError

WARM_UPS = 3
STAGES = ("preprocess", "vision", "language", "decode", "head", "finish", "to message")
"""The order of the table's rows, whichever contender has which."""
# What --model takes beside a checkpoint: exact architectures with random weights.
SIZES = {
    "depthvlm-tiny": "speed_depthvlm",
    "depthvlm-4b": "speed_depthvlm",
    "depthvlm-8b": "speed_depthvlm",
    "depthlm-tiny-qwen": "speed_depthlm",
    "depthlm-tiny-pixtral": "speed_depthlm",
    "depthlm-3b": "speed_depthlm",
    "depthlm-7b": "speed_depthlm",
    "depthlm-12b": "speed_depthlm",
}
_FORMATS = {
    "compact": "speed_compact",
    "depthvlm": "speed_depthvlm",
    "depthlm-qwen2.5-vl": "speed_depthlm",
    "depthlm-pixtral": "speed_depthlm",
}


@dataclass
class Contender:
    """One way to do the job.

    ``run``: does one frame from its bytes to what a message holds, and calls ``stage(name)`` as
    each stage is done. ``times_ms``: of every measured run, by stage, and "total".
    ``first_ms``: the very first run, which a node spends on its warm-up. ``peak_mb``: the most
    that the GPU's tensors took in a run, weights and all; None on a CPU.
    """

    name: str
    run: Callable[[Callable[[str], None]], object]
    times_ms: dict = field(default_factory=dict)
    first_ms: float = float("nan")
    peak_mb: float | None = None

    def measure(self, synchronise: Callable[[], None]) -> None:
        """Run once and add the times."""
        marks = {}

        def stage(name: str) -> None:
            synchronise()
            marks[name] = time.perf_counter()

        synchronise()
        start = last = time.perf_counter()
        self.run(stage)
        for name, mark in marks.items():
            self.times_ms.setdefault(name, []).append(1e3 * (mark - last))
            last = mark
        self.times_ms.setdefault("total", []).append(1e3 * (last - start))


@dataclass(frozen=True)
class Subject:
    """What is compared: the yardstick first. ``difference``: of results, by name, measured once.

    ``parameters``: of the model. ``flop``: floating-point operations that one frame needs, or 0.
    """

    title: str
    contenders: Sequence[Contender]
    difference: dict
    parameters: int
    flop: int


@dataclass(frozen=True)
class Frame:
    """The bytes that go in: an image with structure, and its camera."""

    rgb: np.ndarray
    camera: PinholeCamera


def make_frame(width: int, height: int, focal_px: float) -> Frame:
    """Return a synthetic uint8 image (height, width, 3), the same each time."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / 31 + y / 57), np.cos(y / 23), np.sin((x + 2 * y) / 71)]
    noise = np.random.default_rng(0).normal(0, 6, (height, width, 3))
    rgb = np.clip(127 + 90 * np.stack(waves, axis=-1) + noise, 0, 255).astype(np.uint8)
    centre = (width - 1) / 2, (height - 1) / 2
    return Frame(rgb, PinholeCamera(focal_px, focal_px, *centre, width, height))


def compare(subject: Subject, runs: int, device: torch.device) -> None:
    """Measure all contenders in turn, ``runs`` times, so that a busy moment hits them alike."""
    on_gpu = device.type == "cuda"
    synchronise = _waiting_for(device)
    for contender in subject.contenders:
        for _ in range(WARM_UPS):
            contender.measure(synchronise)
        contender.first_ms = contender.times_ms["total"][0]
        contender.times_ms.clear()
        if on_gpu:
            torch.cuda.reset_peak_memory_stats(device)
            contender.measure(synchronise)
            contender.peak_mb = torch.cuda.max_memory_allocated(device) / 1e6
            contender.times_ms.clear()
    for turn in range(runs):
        order = subject.contenders if turn % 2 else subject.contenders[::-1]
        for contender in order:
            contender.measure(synchronise)


def _waiting_for(device: torch.device) -> Callable[[], None]:
    """Return what waits for the device; the CPU is done when it returns."""
    if device.type == "cuda":
        return partial(torch.cuda.synchronize, device)
    return lambda: None


def matmul_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Return FLOP/s of a large plain matrix product here: what the floor is reckoned from."""
    size = 8192 if device.type == "cuda" else 1024
    a = torch.randn(size, size, device=device, dtype=dtype)
    best, wait = float("inf"), _waiting_for(device)
    wait()
    for _ in range(8):
        start = time.perf_counter()
        a @ a
        wait()
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def flop_of(run: Callable[[], object]) -> int:
    """Count the floating-point operations of a run.

    Attention is counted as the plain products that it stands for: how fused kernels are counted
    (or not, with shared keys) differs between versions of torch.
    """
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        run()
    return counter.get_total_flops()


def report(subject: Subject, device: torch.device, dtype: torch.dtype, rate: float = 0.0) -> dict:
    """Collect machine, stages (median and p95 in ms), ratios, memory and differences.

    ``rate``: of matrix products as measured before, FLOP/s; the better of then and now counts.
    """
    rate = max(rate, matmul_rate(device, dtype))
    floor_ms = 1e3 * subject.flop / rate
    contenders = {}
    for contender in subject.contenders:
        stages = {
            name: {"median_ms": float(np.median(times)), "p95_ms": float(np.percentile(times, 95))}
            for name, times in sorted(contender.times_ms.items(), key=_row)
        }
        contenders[contender.name] = stages
    yardstick = contenders[subject.contenders[0].name]["total"]["median_ms"]
    return {
        "subject": subject.title,
        "parameters": subject.parameters,
        "device": _device(device),
        "dtype": str(dtype).removeprefix("torch."),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "contenders": contenders,
        "first_ms": {contender.name: contender.first_ms for contender in subject.contenders},
        "times_faster": {
            name: yardstick / stages["total"]["median_ms"] for name, stages in contenders.items()
        },
        "gflop": subject.flop / 1e9,
        "matmul_tflops": rate / 1e12,
        "floor_ms": floor_ms,
        "share_of_floor": {
            name: floor_ms / stages["total"]["median_ms"] for name, stages in contenders.items()
        },
        "memory_mb": _memory_mb(device),
        "difference": subject.difference,
        "peak_mb": {contender.name: contender.peak_mb for contender in subject.contenders},
    }


def _row(item: tuple) -> int:
    """Return where a stage's row stands; "total" comes last."""
    return STAGES.index(item[0]) if item[0] in STAGES else len(STAGES)


def _device(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU ({platform.processor() or platform.machine()})"


def _memory_mb(device: torch.device) -> float:
    """Return the peak: of the GPU's tensors, or of the whole process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def table(result: dict) -> str:
    """Lay the report out as text."""
    names = list(result["contenders"])
    seen = {stage: 0 for rows in result["contenders"].values() for stage in rows}
    stages = [stage for stage, _ in sorted(seen.items(), key=_row)]
    lines = [
        f"{result['subject']}, {result['parameters'] / 1e6:.1f} M parameters, "
        f"{result['dtype']}, {result['device']}, {result['threads']} thread(s), torch "
        f"{result['torch']}",
        f"{'median (p95) ms':<16}" + "".join(f"{name:>24}" for name in names),
    ]
    for stage in stages:
        cells = [result["contenders"][name].get(stage) for name in names]
        lines.append(
            f"{stage:<16}"
            + "".join(
                f"{cell['median_ms']:>14.2f} ({cell['p95_ms']:>7.2f})" if cell else f"{'-':>24}"
                for cell in cells
            )
        )
    for key, label, form in (
        ("first_ms", "first run ms", "{:.0f}"),
        ("times_faster", "times faster", "{:.2f}"),
        ("share_of_floor", "share of floor", "{:.0%}"),
        ("peak_mb", "peak MB", "{:.0f}"),
    ):
        if None in result[key].values():
            continue
        lines.append(
            f"{label:<16}" + "".join(f"{form.format(result[key][name]):>24}" for name in names)
        )
    lines.append(
        f"floor {result['floor_ms']:.2f} ms: {result['gflop']:.1f} GFLOP at this "
        f"device's matrix product of {result['matmul_tflops']:.2f} TFLOP/s; peak memory "
        f"{result['memory_mb']:.0f} MB"
    )
    lines += [f"{name}: {value:.2e}" for name, value in result["difference"].items()]
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``depthlm bench speed``."""
    which = f"a checkpoint as for `depthlm depth`, or random weights of a size: {', '.join(SIZES)}"
    add_model_name(parser, "depthvlm-tiny", which)
    add_placement(parser)
    add_quantize(parser)
    parser.add_argument(
        "--size",
        nargs=2,
        type=int,
        default=(640, 480),
        metavar=("W", "H"),
        help="picture in pixels (default 640 480)",
    )
    parser.add_argument("--fx", type=float, default=525.0, help="focal length [px], default 525")
    parser.add_argument("--runs", type=int, default=20, help="measured runs of each (default 20)")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default torch's own)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; returns the exit code (2: refused, the reason is on stderr)."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    try:
        device = disk.pick_device(arguments.device)
        dtype = disk.pick_dtype(arguments.dtype, device)
        frame = make_frame(*arguments.size, arguments.fx)
        subject = _builder(arguments.model)(
            arguments.model, frame, device, dtype, arguments.quantize
        )
        rate = matmul_rate(device, dtype)
        compare(subject, max(1, arguments.runs), device)
    except StatusError as refusal:
        print(refusal, file=sys.stderr)
        return 2
    result = report(subject, device, dtype, rate)
    print(json.dumps(result, indent=2) if arguments.json else table(result))
    return 0


def _builder(model: str) -> Callable:
    """Return the function that makes the subject for a size or a checkpoint."""
    from depthlm_ros.models.registry import family_of, locate

    name = SIZES.get(model)
    if name is None:
        opened = locate(model)
        family_of(opened)  # refuses what is not served
        name = _FORMATS[opened.format]
    return import_module(f"depthlm_ros.benchmarks.{name}").subject


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark from a command line."""
    parser = argparse.ArgumentParser(prog="depthlm bench speed", description=__doc__)
    add_arguments(parser)
    return run(parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
