"""The least share of each file's lines and branches that a whole run with ``--cov`` must reach."""

FLOOR = 70.0
"""Per cent of a file; nodes and other processes of the tests count."""
REASONS = {
    "depthlm_ros/model_process/child.py": "runs in processes that the tests kill, uncounted then",
    "depthlm_ros/models/runtime/host_device.py": "page-locked memory needs a CUDA device",
}
"""Files that may be below it, and why."""


def below_floor(report: dict) -> list[str]:
    """Return a line for each file below FLOOR without a reason, and for each reason out of date.

    ``report``: as ``coverage json`` writes it.
    """
    shares = {
        name.replace("\\", "/"): file["summary"]["percent_covered"]
        for name, file in report["files"].items()
    }
    lines = [
        f"{name}: {share:.1f} % is covered: must be {FLOOR:.0f}; test it, or state a reason in "
        "test/coverage_floor.py"
        for name, share in sorted(shares.items())
        if share < FLOOR and name not in REASONS
    ]
    stale = sorted(REASONS.keys() - shares.keys())
    return lines + [f"{name}: no such file: drop its reason" for name in stale]
