"""How long DepthLM takes: ours beside the published script's route, same weights, same picture.

Three cases: one query where decoding dominates (a small picture), one where encoding does (a
640 x 480 image of f = 525 px), and 64 queries of one frame. Runs are interleaved after three
warm-ups; median and 95th percentile in milliseconds, stages apart, memory, and whether both routes
said the same number. Tiny models are first taught the reply's form (``follower.py``), so that both
decode what a trained model would; large ones keep random weights, write as many tokens as the
trained reply has, and are not compared.
"""

import argparse
import resource
import sys
import time
from dataclasses import dataclass, field

import numpy as np
import torch

from depthlm_ros.bench.follower import teach
from depthlm_ros.bench.random_depthlm import SIZES, random_depthlm
from depthlm_ros.bench.stock_depthlm import StockDepthLM
from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models import preprocess_depthlm as pre
from depthlm_ros.models.checkpoint import pick_device, pick_dtype
from depthlm_ros.models.depthlm import DepthLM
from depthlm_ros.models.preprocess import resize
from depthlm_ros.prompting.parsing import parse_answer
from depthlm_ros.prompting.prompts import prompt

WARM_UPS = 3
QUERIES = 64
STAGES = ("preprocess", "vision", "language", "decode")


@dataclass
class Row:
    """One case: milliseconds of every run of both routes, and of our stages.

    ``queries``: of one call of ours; the stock route's time is one query's. ``same``: of how many
    queries both said the same number; ``compared``: how many there were.
    """

    case: str
    queries: int
    ours: list = field(default_factory=list)
    stock: list = field(default_factory=list)
    stages: dict = field(default_factory=dict)
    same: int = 0
    compared: int = 0

    @property
    def times_faster(self) -> float:
        """The stock route's median for as many queries, over ours."""
        return self.queries * float(np.median(self.stock) / np.median(self.ours))


def scene(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Return a picture of smooth coloured noise, uint8 (height, width, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (1, 12, 16, 3), np.uint8)
    return resize(torch.from_numpy(coarse), width, height)[0].numpy()


def _pixels(camera: PinholeCamera, count: int) -> np.ndarray:
    """Return pixels on a grid well within the marker's margin, float (count, 2)."""
    side = int(np.ceil(count**0.5))
    u, v = np.meshgrid(np.linspace(0.15, 0.85, side), np.linspace(0.15, 0.85, side))
    return np.stack([u * camera.width, v * camera.height], axis=-1).reshape(-1, 2)[:count]


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _timed(device: torch.device, call) -> tuple:
    _synchronise(device)
    begin = time.perf_counter()
    result = call()
    _synchronise(device)
    return (time.perf_counter() - begin) * 1e3, result


@torch.inference_mode()
def stage_times(model: DepthLM, rgb: np.ndarray, camera: PinholeCamera, pixels) -> dict:
    """Run one batch of queries stage by stage; milliseconds each."""
    network, device, asked = model.network, model.network.device, prompt()
    view = model.view_of(camera)

    def patches():
        picture = resize(pre.upload(rgb, device), view.width, view.height)
        placed = [pre.place_in_view(model.marker, p, view, model.path, "refuse") for p in pixels]
        marked = pre.mark(picture, model.marker, placed)
        return pre.patches_of(marked, model.path, network.dtype)

    times = {}
    times["preprocess"], (cut, grid) = _timed(device, patches)
    times["vision"], features = _timed(device, lambda: network.features(cut, grid))
    layout, lead = network.layout(asked.question, (grid,)), network.lead(asked)
    read = (layout.ids[None], layout, features, lead)
    times["language"], conversation = _timed(device, lambda: network.read(*read))

    def decode():
        network.follows_lead(conversation, lead)
        return network.numbers(conversation, lead, asked)

    times["decode"], _ = _timed(device, decode)
    return times


def measure(
    model: DepthLM,
    case: str,
    rgb: np.ndarray,
    camera: PinholeCamera,
    queries: int,
    runs: int,
    max_tokens: int,
    compare: bool,
) -> Row:
    """Time both routes, interleaved, on ``queries`` pixels of one picture."""
    stock, row = StockDepthLM(model, max_tokens), Row(case, queries)
    pixels, device = _pixels(camera, queries), model.network.device
    for run in range(WARM_UPS + runs):
        ours, readings = _timed(device, lambda: model.distances(rgb, camera, pixels))
        which = run % queries
        theirs, text = _timed(device, lambda w=which: stock.reply(rgb, camera, pixels[w]))
        times = stage_times(model, rgb, camera, pixels[: model.batch_for(camera)])
        if compare:
            row.compared += 1
            row.same += parse_answer(text).value == readings[which].distance_m
        if run >= WARM_UPS:
            row.ours.append(ours)
            row.stock.append(theirs)
            for stage, value in times.items():
                row.stages.setdefault(stage, []).append(value)
    return row


def _cases(model: DepthLM) -> list:
    """Return (name, rgb, camera, queries) of every case."""
    f = model.path.image.focal_px
    small = PinholeCamera(f, f, 31.5, 31.5, 64, 64)
    vga = PinholeCamera(525.0, 525.0, 319.5, 239.5, 640, 480)
    return [
        ("decode-bound", scene(64, 64), small, 1),
        ("encode-bound", scene(640, 480), vga, 1),
        ("one frame", scene(64, 64), small, QUERIES),
    ]


def _teach(model: DepthLM, cases: list) -> None:
    """Teach the reply on the cases' own pictures, a number each."""
    asked, lessons = prompt(), {}
    for number, (_, rgb, camera, _) in enumerate(cases):
        lessons[rgb.shape] = (
            model.resampled(rgb, camera),
            asked.question,
            [asked.answer(2.37 + 1.4 * number)],
        )
    teach(model, list(lessons.values()), 200)


def _memory_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def table(rows: list[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| case | queries | ours ms (p95) | stock ms a query (p95) | times faster | "
        + " | ".join(f"{stage} ms" for stage in STAGES)
        + " | same number |"
    ]
    lines.append("|" + " --- |" * (6 + len(STAGES)))
    for row in rows:
        cells = [row.case, str(row.queries)]
        cells += [
            f"{np.median(t):.1f} ({np.percentile(t, 95):.1f})" for t in (row.ours, row.stock)
        ]
        cells.append(f"{row.times_faster:.1f}")
        cells += [f"{np.median(row.stages[stage]):.1f}" for stage in STAGES]
        cells.append(f"{row.same} of {row.compared}" if row.compared else "not compared")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def run(size: str, device: str = "auto", dtype: str = "auto", runs: int = 10) -> str:
    """Build a random-weight model of ``size``, measure it, and return the report."""
    picked = pick_device(device)
    kind = pick_dtype(dtype, picked)
    tiny = size.startswith("tiny")
    model = random_depthlm(size, picked, kind, trust_template=not tiny)
    cases = _cases(model)
    if tiny:
        _teach(model, cases)
    reply = len(model.network.encode(prompt().answer(3.42))) + 1
    rows = [measure(model, *case, runs, reply if not tiny else 64, tiny) for case in cases]
    head = (
        f"DepthLM {size}, {kind}, {picked}, {torch.get_num_threads()} threads, torch "
        f"{torch.__version__}, {runs} runs; peak memory {_memory_mb(picked):.0f} MB"
    )
    return f"{head}\n\n{table(rows)}"


def main(arguments=None) -> int:
    """Print the report of one size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--threads", type=int, help="CPU threads of torch")
    given = parser.parse_args(arguments)
    if given.threads:
        torch.set_num_threads(given.threads)
    print(run(given.size, given.device, given.dtype, given.runs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
