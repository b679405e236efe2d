"""What the papers report: delta1 a set, to be printed beside what is measured here.

DepthLM: Table 1; of its six tasks Table 6, means and constants of Table 3. DepthVLM: its table of
DepthVLM-Bench (sparse). None where nothing is printed.
"""

from dataclasses import dataclass

from depthlm_ros.tasks import Task

_LM = "argoverse2 ddad nuscenes eth3d scannetpp sunrgbd ibims1 nyuv2".split()
_VLM = "argoverse2 waymo ddad nuscenes eth3d scannetpp sunrgbd ibims1 nyuv2".split()
COLUMNS = {"depthlm": _LM, "depthvlm": _VLM}
"""The sets in the order of each paper's table."""


@dataclass(frozen=True)
class PublishedRow:
    """One row of a paper: ``delta1`` by set, and the mean as printed."""

    name: str
    delta1: dict
    mean: float


def _row(name: str, columns: list, values: str, mean: float) -> PublishedRow:
    numbers = [float(value) for value in values.split()]
    return PublishedRow(name, dict(zip(columns, numbers, strict=bool(numbers))), mean)


ROWS = {
    "depthlm": [
        _row("DepthLM 3B", _LM, ".808 .724 .870 .745 .838 .850 .890 .868", 0.824),
        _row("DepthLM 7B", _LM, ".833 .747 .865 .718 .850 .859 .920 .915", 0.838),
        _row("DepthLM 12B", _LM, ".734 .670 .819 .653 .834 .786 .870 .799", 0.771),
        _row("always 2 m", _LM, ".006 .010 .010 .106 .305 .384 .280 .383", 0.186),
    ],
    "depthvlm": [
        _row("DepthVLM 4B", _VLM, ".810 .879 .818 .821 .924 .861 .882 .912 .908", 0.868),
        _row("DepthVLM 8B", _VLM, "", 0.876),
        _row("DepthLM 12B", _VLM, ".761 .588 .654 .736 .666 .756 .785 .754 .866", 0.730),
        _row("GPT-5.5", _VLM, "", 0.407),
        _row("always 2 m", _VLM, "", 0.157),
    ],
}


def _task(values: str, mean: float, always: float, columns: list = _LM) -> list[PublishedRow]:
    rows = (
        _row("DepthLM 7B of six tasks", columns, values, mean),
        _row("always 2 m", [], "", always),
    )
    return list(rows)


TASK_ROWS = {
    Task.DEPTH: _task(".809 .683 .850 .744 .846 .856 .960 .896", 0.831, 0.172),
    Task.SPEED: _task(".801 .722 .843 .721 .844 .819 .935 .854", 0.817, 0.087),
    Task.TIME: _task(".799 .722 .843 .722 .842 .817 .936 .846", 0.816, 0.094),
    Task.TWO_POINT_DISTANCE: _task(".651 .423 .670 .479 .784 .727 .760 .759", 0.657, 0.119),
    Task.CAMERA_MOTION: _task(".989 .762", 0.876, 0.189, ["argoverse2", "nuscenes"]),
}
"""The rows of DepthLM's other tasks; the 7B of six tasks reads distances at 0.828."""


def rows_of(bench: str, task: Task = Task.DISTANCE) -> list[PublishedRow]:
    """Return the papers' rows of a benchmark and task."""
    return ROWS[bench] if task is Task.DISTANCE else TASK_ROWS[task]
