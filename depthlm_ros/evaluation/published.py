"""What the papers report: delta1 a set, to be printed beside what is measured here.

DepthLM: Table 1. DepthVLM: its table of DepthVLM-Bench (sparse). None where nothing is printed.
"""

from dataclasses import dataclass

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
