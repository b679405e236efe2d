"""``depthlm bench accuracy --bench depthlm | depthvlm``: a whole benchmark, resumable, in shards.

Every image's outcome is one line of ``SET_shardI.jsonl`` in the output folder, written when it is
done: an interrupted run goes on where it stopped, and the figures come from the lines alone.
Shards are contiguous, ceil(n / k) images each; under torchrun or ``accelerate launch`` each rank
takes its own.
"""

import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from depthlm_ros.datasets import registry
from depthlm_ros.datasets.base import LabelKind
from depthlm_ros.datasets.readers import AnnotationFile
from depthlm_ros.evaluation.depth_metrics import depth_metrics
from depthlm_ros.evaluation.predictions import Predictor, edges_of
from depthlm_ros.evaluation.protocols import (
    BENCHES,
    POINTS,
    WorkItem,
    depthlm_items,
    depthvlm_items,
)
from depthlm_ros.evaluation.six_tasks import NAMES, TaskItem, answers, task_items
from depthlm_ros.models.arguments import load_from_arguments
from depthlm_ros.status import Code, StatusError
from depthlm_ros.tasks import Task

KEPT_TRUTHS = 200
"""Truths of a dense record that the constants are measured on."""


@dataclass(frozen=True)
class BenchConfig:
    """What a run measures; a folder holds records of one configuration.

    ``mode``: "random" or "all" (depthlm), "sparse" or "dense" (depthvlm); "" for the bench's
    usual one. ``limit``: images a set at most, for a try. ``focal_px``: as_published DepthLM's
    f_uni, for its border rule. ``task``: of DepthLM's six.
    """

    bench: str = "depthlm"
    mode: str = ""
    count: int = POINTS
    as_published: bool = False
    answers: LabelKind = LabelKind.DISTANCE
    focal_px: float = 1000.0
    limit: int | None = None
    task: Task = Task.DISTANCE

    def __post_init__(self):
        """Refuse a task that the benchmark does not have."""
        others = self.bench != "depthlm" or self.mode or self.as_published
        if self.task is not Task.DISTANCE and others:
            raise StatusError(
                Code.UNSUPPORTED,
                f"--task {self.task.value}: is of --bench depthlm alone, at random points, and no "
                "code of it was released: leave out --mode and --as-published",
            )

    @property
    def usual_mode(self) -> str:
        """The mode in use."""
        return self.mode or {"depthlm": "random", "depthvlm": "sparse"}[self.bench]

    def items(self, file: AnnotationFile) -> Iterator[WorkItem | TaskItem]:
        """Yield the work items of one set's file."""
        if self.task is not Task.DISTANCE:
            return task_items(file, self.task, self.count)
        if self.bench == "depthlm":
            return depthlm_items(
                file, self.count, self.usual_mode, self.as_published, self.focal_px
            )
        return depthvlm_items(file, self.usual_mode, self.as_published)


@dataclass(frozen=True)
class BenchSet:
    """A set to measure: its name (``registry.SETS``, or any for one's own) and its file."""

    name: str
    file: AnnotationFile


def parse_set(text: str) -> BenchSet:
    """Read ``NAME=FILE.jsonl[;IMAGE_ROOT[;DEPTH_ROOT]]``; the name decides label and range.

    A name that is no public set is taken too: its lines must say ``label``.
    """
    name, equals, rest = text.partition("=")
    parts = rest.split(";")
    if not equals or not name or not parts[0] or len(parts) > 3:
        raise StatusError(
            Code.UNSUPPORTED, f"--sets {text!r}: must be NAME=FILE.jsonl[;IMAGE_ROOT[;DEPTH_ROOT]]"
        )
    roots = [Path(part) for part in parts[1:] if part]
    known = name if name in registry.SETS else None
    return BenchSet(name, AnnotationFile(Path(parts[0]), *roots, dataset=known))


def shard_of(text: str | None) -> tuple[int, int]:
    """Return (index, count) from "I/N", or from torchrun's RANK and WORLD_SIZE."""
    if text is None:
        return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 0 <= int(index) < int(count)):
        raise StatusError(Code.UNSUPPORTED, f"--shard {text!r}: must be I/N with 0 <= I < N")
    return int(index), int(count)


def measure_set(
    predictor: Predictor,
    one: BenchSet,
    config: BenchConfig,
    out: Path,
    shard: tuple = (0, 1),
    progress: Callable | None = None,
) -> Path:
    """Measure what is missing of one set's shard; returns the file of records.

    Raises StatusError(UNSUPPORTED) for a folder with records of another configuration.
    """
    items = list(config.items(one.file))[: config.limit]
    each = math.ceil(len(items) / shard[1])
    mine = items[shard[0] * each : (shard[0] + 1) * each]
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{one.name}_shard{shard[0]}.jsonl"
    done = _lines_done(path, _head(predictor, one, config))
    with path.open("a", encoding="utf-8") as file:
        if not done:
            file.write(json.dumps(_head(predictor, one, config)) + "\n")
        for position, item in enumerate(mine):
            if item.line not in done:
                file.write(json.dumps(_record(predictor, one, config, item)) + "\n")
                file.flush()
            if progress:
                progress(one.name, position + 1, len(mine))
    return path


def _head(predictor: Predictor, one: BenchSet, config: BenchConfig) -> dict:
    settings = {
        "bench": config.bench,
        "mode": config.usual_mode,
        "as_published": config.as_published,
        "answers": LabelKind(config.answers).value,
        "count": config.count if config.usual_mode == "random" else None,
        "model": predictor.model.name,
        "file": str(one.file.path.resolve()),
        **({} if config.task is Task.DISTANCE else {"task": config.task.value}),
    }
    return {"settings": settings}


def _lines_done(path: Path, head: dict) -> set:
    """Return the lines that have a record; a last one that was cut short is taken off."""
    if not path.is_file():
        return set()
    whole = path.read_bytes()
    kept = whole[: whole.rfind(b"\n") + 1]
    if len(kept) < len(whole):
        path.write_bytes(kept)
    rows = [json.loads(row) for row in kept.splitlines()]
    if rows and rows[0] != head:
        raise StatusError(
            Code.UNSUPPORTED,
            f"{path} holds records of {rows[0].get('settings')}, not of {head['settings']}: give "
            "another --out, or remove it",
        )
    return {row["line"] for row in rows[1:]} | ({-1} if rows else set())


def _record(predictor: Predictor, one: BenchSet, config: BenchConfig, item: WorkItem) -> dict:
    """Measure one image."""
    began = time.monotonic()
    if item.dense:
        predicted, truth = predictor.whole(item, one.file.range_m)
        extra = edges_of(predicted, truth) | {"truth_m": _some(truth, item.line)}
        pixels: dict = {}
    else:
        if isinstance(item, TaskItem):
            predicted, truth = answers(predictor, item), item.truth
        else:
            predicted, truth = predictor.points(item, config.bench), item.truth_m
        pixels = {
            "pixels": item.pixels.tolist(),
            "truth_m": [float(v) for v in truth],
            "predicted_m": [float(v) if np.isfinite(v) else None for v in predicted],
        }
        extra = pixels
    published = config.bench if config.as_published else ""
    rules = {"only_read": published == "depthvlm", "negatives_right": published == "depthlm"}
    return {
        "line": item.line,
        "image": str(item.sample.image),
        "label": item.sample.label.value,
        "seconds": round(time.monotonic() - began, 4),
        **depth_metrics(predicted, truth, **rules).as_dict(),
        **extra,
    }


def _some(truth: np.ndarray, line: int) -> list:
    known = truth[truth > 0]
    rng = np.random.default_rng(line)
    return [float(v) for v in rng.choice(known, min(KEPT_TRUTHS, len(known)), replace=False)]


def read_records(out: Path) -> dict[str, list]:
    """Return the records of a folder by set, all shards, in the order of the lines.

    Raises StatusError(NO_FRAME) where there are none.
    """
    found: dict = {}
    for path in sorted(Path(out).glob("*_shard*.jsonl")):
        name = path.name.rpartition("_shard")[0]
        rows = [json.loads(row) for row in path.read_text(encoding="utf-8").splitlines()]
        found.setdefault(name, []).extend(row for row in rows if "line" in row)
    found = {name: sorted(rows, key=lambda row: row["line"]) for name, rows in found.items()}
    if not any(found.values()):
        raise StatusError(Code.NO_FRAME, f"{out} holds no records: measure something first")
    return found


def show_progress(name: str, done: int, total: int) -> None:
    """Tell a terminal how far it is."""
    if sys.stderr.isatty():
        print(f"\r{name}: {done} of {total} images", end="", file=sys.stderr, flush=True)


def add_arguments(parser) -> None:
    """Declare the options of the published benchmarks."""
    group = parser.add_argument_group("published benchmarks")
    group.add_argument("--bench", choices=BENCHES, help="measure by this benchmark's protocol")
    group.add_argument(
        "--sets",
        nargs="+",
        default=[],
        metavar="NAME=FILE",
        help="annotation files: NAME=FILE.jsonl[;IMAGE_ROOT[;DEPTH_ROOT]]",
    )
    group.add_argument(
        "--out", type=Path, help="folder of records and report; a run goes on in it"
    )
    group.add_argument(
        "--mode", default="", help="random, all (depthlm); sparse, dense (depthvlm)"
    )
    group.add_argument(
        "--task",
        choices=NAMES,
        default=Task.DISTANCE.value,
        help="one of DepthLM's six tasks, its numbers in its own unit (default distance)",
    )
    group.add_argument("--limit", type=int, help="images a set at most, for a try")
    group.add_argument(
        "--answers",
        choices=("distance", "z"),
        default="distance",
        help="what a point model's numbers mean (default distance)",
    )
    group.add_argument("--shard", metavar="I/N", help="measure the Ith of N parts (torchrun: own)")
    group.add_argument(
        "--as-published",
        action="store_true",
        help="repeat the released evaluation code to the letter",
    )


def measure(arguments) -> tuple[dict, str]:
    """Measure as arguments say; returns the figures and the report. Raises StatusError."""
    from depthlm_ros.evaluation.predictions import Constant

    if not arguments.sets or arguments.out is None:
        raise StatusError(Code.UNSUPPORTED, "--bench needs --sets NAME=FILE ... and --out DIR")
    config = BenchConfig(
        arguments.bench,
        arguments.mode,
        as_published=arguments.as_published,
        answers=LabelKind(arguments.answers),
        limit=arguments.limit,
        task=Task(arguments.task),
    )
    sets = [parse_set(text) for text in arguments.sets]
    shard = shard_of(arguments.shard)
    if arguments.model.startswith("constant:"):
        model = Constant(float(arguments.model.removeprefix("constant:")))
    else:
        model = load_from_arguments(arguments)
    predictor = Predictor(model, config.answers, config.as_published)
    for one in sets:
        measure_set(predictor, one, config, arguments.out, shard, show_progress)
    text = write_report(arguments.out, config, arguments.model)
    return _as_json(arguments.out, config), text


def _figures(out: Path, config: BenchConfig) -> list:
    from depthlm_ros.evaluation.report import figures_of

    by_points = config.bench == "depthlm"
    return [figures_of(name, rows, by_points) for name, rows in read_records(out).items() if rows]


def _as_json(out: Path, config: BenchConfig) -> dict:
    return {
        "bench": config.bench,
        "mode": config.usual_mode,
        "sets": [asdict(figures) for figures in _figures(out, config)],
    }


def write_report(out: Path, config: BenchConfig, model: str) -> str:
    """Write ``report.md`` and ``report.png`` of all records of a folder; returns the Markdown."""
    from depthlm_ros.evaluation.report import chart, markdown
    from depthlm_ros.image_io.atomic_write import write_text_atomically
    from depthlm_ros.image_io.depth_files import write_png

    found = _figures(out, config)
    remark = f"Mode {config.usual_mode}" + (", as published." if config.as_published else ".")
    if config.task is not Task.DISTANCE:
        remark += f" Task {config.task.value}, in {config.task.unit}."
    text = markdown(config.bench, model, found, remark, config.task)
    write_text_atomically(out / "report.md", text)
    write_png(out / "report.png", chart(config.bench, model, found, config.task))
    return text
