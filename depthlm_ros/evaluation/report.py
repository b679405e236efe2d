"""Tables and an image of a benchmark, in the papers' layout, their rows beside ours."""

from dataclasses import dataclass

import cv2
import numpy as np

from depthlm_ros.datasets import registry
from depthlm_ros.evaluation.depth_metrics import ALWAYS_M, bootstrap, depth_metrics
from depthlm_ros.evaluation.point_metrics import best_constant
from depthlm_ros.evaluation.published import COLUMNS, rows_of
from depthlm_ros.tasks import Task
from depthlm_ros.visualization.drawing import write_text

ERRORS = ("delta2", "delta3", "abs_rel", "rmse", "rmse_log", "silog", "flying", "boundary_f1")


@dataclass(frozen=True)
class SetFigures:
    """What was measured on one set.

    ``by_points``: every point counts alike (DepthLM); else every image does (DepthVLM). ``low``,
    ``high``: 95 % interval of delta1 by bootstrap over images.
    """

    name: str
    images: int
    points: int
    delta1: float
    low: float
    high: float
    always: float
    best: float
    errors: dict


def figures_of(name: str, records: list, by_points: bool) -> SetFigures:
    """Return a set's figures from its records."""
    weights = np.array([row["points"] for row in records], float)
    weights = weights if by_points else (weights > 0).astype(float)

    def mean(key: str) -> float:
        values = np.array([_number(row.get(key)) for row in records], float)
        good = np.isfinite(values) & (weights > 0)
        return float(np.average(values[good], weights=weights[good])) if good.any() else np.nan

    delta1 = np.array([_number(row["delta1"]) for row in records], float)
    truths = [np.asarray(row["truth_m"], float) for row in records]
    constant = best_constant(np.concatenate(truths)) if truths else np.nan
    errors = {key: mean(key) for key in ERRORS}
    if by_points and all("predicted_m" in row for row in records):
        errors |= _pooled_errors(records)
    return SetFigures(
        name,
        len(records),
        int(sum(row["points"] for row in records)),
        mean("delta1"),
        *bootstrap(delta1, weights),
        _constant_delta1(truths, ALWAYS_M, weights),
        _constant_delta1(truths, constant, weights),
        errors,
    )


def _pooled_errors(records: list) -> dict:
    """Return the errors over all points at once: a root of a mean is no mean of roots."""
    predicted = [np.array([_number(v) for v in row["predicted_m"]]) for row in records]
    truths = [np.asarray(row["truth_m"], float) for row in records]
    pooled = depth_metrics(np.concatenate(predicted), np.concatenate(truths)).as_dict()
    return {key: pooled[key] for key in ERRORS if key in pooled}


def _constant_delta1(truths: list, constant: float, weights: np.ndarray) -> float:
    shares = [
        depth_metrics(np.full(t.shape, constant), t).delta1 if len(t) else np.nan for t in truths
    ]
    good = np.isfinite(shares) & (weights > 0)
    return (
        float(np.average(np.array(shares)[good], weights=weights[good]))
        if good.any()
        else float("nan")
    )


def _number(value) -> float:
    return float("nan") if value is None else float(value)


def markdown(
    bench: str,
    model: str,
    found: list[SetFigures],
    remark: str = "",
    task: Task = Task.DISTANCE,
) -> str:
    """Return the tables as Markdown: delta1 in the paper's layout, then the other figures."""
    by_name = {figures.name: figures for figures in found}
    columns = [name for name in COLUMNS[bench] if name in by_name]
    columns += [name for name in by_name if name not in columns]
    lines = [f"# {BENCH_TITLES[bench]}: {model}", "", *([remark, ""] if remark else [])]
    lines += _table(["delta1", *(_title(name) for name in columns), "mean"])
    for row in rows_of(bench, task):
        cells = [row.delta1.get(name) for name in columns]
        whole = set(columns) == set(row.delta1 or COLUMNS[bench])
        mean = row.mean if whole else _mean(cells)
        lines.append(_cells(f"{row.name} (published)", [*cells, mean]))
    ours = [by_name[name] for name in columns]
    measured = [figures.delta1 for figures in ours]
    lines.append(_cells(f"**{model}**", [*measured, _mean(measured)]))
    spans = [f"{f.low:.3f} to {f.high:.3f}" for f in ours]
    lines.append(f"| 95 % interval | {' | '.join([*spans, ''])} |")
    for title, key in (("always 2 m, here", "always"), ("best constant, here", "best")):
        values = [getattr(f, key) for f in ours]
        lines.append(_cells(title, [*values, _mean(values)]))
    lines += ["", *_table(["", "images", "points", *ERRORS])]
    for figures in ours:
        counts = f"{_title(figures.name)} | {figures.images} | {figures.points}"
        lines.append(_cells(counts, [figures.errors[key] for key in ERRORS]))
    return "\n".join([*lines, "", FOOTNOTE, ""])


BENCH_TITLES = {"depthlm": "DepthLMBench", "depthvlm": "DepthVLM-Bench"}
FOOTNOTE = (
    "delta1: share within a factor of 1.25; a point without a reading counts as wrong. Intervals: "
    "bootstrap over images. abs_rel, rmse [m], rmse_log, silog: over the points that were read. "
    "Published rows are the papers' own figures, on the papers' own choice of images and points; "
    "means are over the sets shown here."
)


def _title(name: str) -> str:
    return registry.SETS[name].title if name in registry.SETS else name


def _table(heads: list) -> list[str]:
    return [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]


def _cells(name: str, values) -> str:
    shown = ["" if v is None or not np.isfinite(v) else f"{v:.3f}" for v in values]
    return f"| {name} | {' | '.join(shown)} |"


def _mean(values) -> float:
    known = [value for value in values if value is not None and np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


_BAR, _GAP, _ROOM = 26, 14, 230
_COLOURS = ((200, 60, 40), (70, 110, 190), (120, 120, 120))


def chart(
    bench: str, model: str, found: list[SetFigures], task: Task = Task.DISTANCE
) -> np.ndarray:
    """Return delta1 a set as bars with intervals, uint8 (H, W, 3): ours, the paper's, a constant.

    The paper's row is its best model with figures for every set.
    """
    paper = max((row for row in rows_of(bench, task) if row.delta1), key=lambda row: row.mean)
    names = (model[-40:], f"{paper.name} (published)", "always 2 m")
    height = 40 + len(found) * (3 * _BAR // 2 + _GAP) + 30
    drawn = np.full((height, 900, 3), 255, np.uint8)
    for index, (name, colour) in enumerate(zip(names, _COLOURS, strict=True)):
        write_text(drawn, name, (_ROOM + 215 * index, 24), 0.45, colour)
    for row, figures in enumerate(found):
        top = 40 + row * (3 * _BAR // 2 + _GAP)
        write_text(drawn, _title(figures.name), (12, top + _BAR), 0.5, (0, 0, 0))
        values = (figures.delta1, paper.delta1.get(figures.name), figures.always)
        for index, (value, colour) in enumerate(zip(values, _COLOURS, strict=True)):
            if value is not None and np.isfinite(value):
                beyond = figures.high if index == 0 and np.isfinite(figures.high) else value
                _bar(drawn, value, top + index * _BAR // 2, colour, beyond)
        if np.isfinite([figures.low, figures.high]).all():
            ends = [(_ROOM + round(560 * v), top + _BAR // 4) for v in (figures.low, figures.high)]
            cv2.line(drawn, *ends, (0, 0, 0), 2)
    return drawn


def _bar(drawn: np.ndarray, value: float, top: int, colour: tuple, beyond: float) -> None:
    """Draw a bar; its number stands right of ``beyond``, where an interval ends."""
    right = _ROOM + max(1, round(560 * value))
    cv2.rectangle(drawn, (_ROOM, top), (right, top + _BAR // 2 - 2), colour, cv2.FILLED)
    at = (_ROOM + round(560 * max(value, beyond)) + 6, top + _BAR // 2 - 3)
    write_text(drawn, f"{value:.3f}", at, 0.38, (0, 0, 0))
