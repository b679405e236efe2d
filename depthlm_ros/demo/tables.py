"""Words and tables for people, and numbers for a JSON file."""

import json
import math
from pathlib import Path

from depthlm_ros.sanitize import json_safe
from depthlm_ros.status import Code

QUESTION_WIDTH = 52
KEYS = {"delta1", "delta1_scaled", "abs_rel"}
"""What a checkpoint's measured entry must hold to be a row: see training/compact/publish.py."""


def figure(value: float, digits: int = 3) -> str:
    """Write a number, or a dash where there is none."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def with_unit(value: float, unit: str) -> str:
    """Write a value with its unit, to two decimals."""
    return f"{value:.2f} {unit}" if math.isfinite(value) else "-"


def interval(reply) -> str:
    """Write a reply's 90 % interval, or a dash where the model knows none."""
    if not (math.isfinite(reply.low) and math.isfinite(reply.high)):
        return "-"
    return f"{reply.low:.2f} to {reply.high:.2f}"


def _percent(error: float) -> str:
    return f"{error:+.0f} %" if math.isfinite(error) else "-"


def answers_table(answers: list) -> list[str]:
    """Return the lines of a table: question, answer, interval, truth, error."""
    columns = f"{'answer':>11} {'90 % interval':>15} {'truth':>11} {'error':>6}"
    lines, reasons = [f"{'question':{QUESTION_WIDTH}} {columns}"], {}
    for one in answers:
        reply = one.reply
        if reply.code != Code.OK:
            lines.append(f"{one.asked.question:{QUESTION_WIDTH}} {reply.code.name:>11}")
            reasons[reply.code] = f"{reply.code.name}: {reply.text}"
            continue
        said, true = with_unit(reply.value, reply.unit), with_unit(one.true, one.asked.unit)
        lines.append(
            f"{one.asked.question:{QUESTION_WIDTH}} {said:>11} {interval(reply):>15} {true:>11} "
            f"{_percent(one.error_percent):>6}"
        )
    return [*lines, *reasons.values()]


def answer_lines(answers: list) -> list[str]:
    """Return the same for a narrow panel: two lines and a gap for each question."""
    lines = []
    for one in answers:
        reply = one.reply
        if reply.code == Code.OK:
            said = f"   {with_unit(reply.value, reply.unit)}, true "
            said += f"{with_unit(one.true, one.asked.unit)}: {_percent(one.error_percent)}"
        else:
            said = f"   {reply.code.name}"
        lines += [one.asked.question, said, ""]
    return lines[:-1]


def accuracy_lines(ours, constant) -> list[str]:
    """Return the figures of readings beside those of the best constant, as a table."""
    lines = [f"{'':34} {'delta1':>7} {'delta1, scaled':>15} {'AbsRel median':>14} {'mean':>6}"]
    named = (("readings", ours), ("best constant, the truth known", constant))
    for name, one in named:
        lines.append(
            f"{name:34} {figure(one.delta1):>7} {figure(one.delta1_scaled):>15} "
            f"{figure(one.abs_rel_median):>14} {figure(one.abs_rel):>6}"
        )
    return lines


def photograph_line(name: str, one) -> str:
    """Return a photograph's line of the table whose head is ``photograph_head``."""
    return (
        f"{name:34} {one.points:>6} {figure(one.delta1):>7} {figure(one.abs_rel):>7} "
        f"{figure(one.delta1_scaled):>15}"
    )


def photograph_head() -> str:
    """Return the head of the photographs' table."""
    return f"{'photograph':34} {'labels':>6} {'delta1':>7} {'AbsRel':>7} {'delta1, scaled':>15}"


def streams_table(streams: dict, output: dict, names) -> list[str]:
    """Return the streams' rates and latencies; ``output``: the node's own diagnostics."""
    lines = [f"{'topic':22} {'received':>8} {'Hz':>6} {'p50 ms':>7} {'p95 ms':>7}"]
    for name, topic in names.items():
        one = streams[name]
        lines.append(
            f"{topic:22} {one['received']:>8} {figure(one['rate_hz'], 1):>6} "
            f"{figure(one['latency_p50_ms'], 0):>7} {figure(one['latency_p95_ms'], 0):>7}"
        )
    node = [output.get(f"stamp to publish {p} [ms]", "unknown") for p in ("p50", "p95")]
    lines.append(f"{'stamp to publish, by /diagnostics':38} {node[0]:>7} {node[1]:>7}")
    return lines


def measured_table(measured: dict) -> list[str]:
    """Return what a checkpoint says of its accuracy: a row for each set of data, else as it is."""
    rows = {
        name: row for name, row in measured.items() if isinstance(row, dict) and set(row) >= KEYS
    }
    lines = measured_lines({name: row for name, row in measured.items() if name not in rows})
    if rows:
        columns = (
            f"{'delta1':>7} {'delta1, scaled':>15} {'AbsRel':>7} {'best constant, delta1':>22}"
        )
        lines.append(f"{'':34} {columns}")
    for name, row in rows.items():
        constant = row.get("best_constant", {}).get("delta1", math.nan)
        lines.append(
            f"{name[:34]:34} {figure(row['delta1']):>7} {figure(row['delta1_scaled']):>15} "
            f"{figure(row['abs_rel']):>7} {figure(constant):>22}"
        )
    return lines


def measured_lines(measured: dict, indent: str = "") -> list[str]:
    """Return what a checkpoint says of itself, one line for each entry, nested ones indented."""
    lines = []
    for name, value in measured.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}:", *measured_lines(value, indent + "  ")]
        else:
            written = f"{value:.4g}" if isinstance(value, float) else value
            lines.append(f"{indent}{name}: {written}")
    return lines


def write_json(path: Path, report: dict) -> None:
    """Write a report; numbers that are none become null, as JSON has no NaN."""
    text = json.dumps(json_safe(report), indent=2, allow_nan=False)
    path.write_text(f"{text}\n", encoding="utf-8")
