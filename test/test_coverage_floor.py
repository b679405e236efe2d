"""The floor of coverage: which files a report is refused for."""

from coverage_floor import REASONS, below_floor


def report(**shares):
    known = {name: 50.0 for name in REASONS}
    files = known | {f"depthlm_ros/{name}.py": share for name, share in shares.items()}
    return {"files": {name: {"summary": {"percent_covered": v}} for name, v in files.items()}}


def test_files_below_the_floor_are_named():
    assert below_floor(report(a=70.0, b=100.0)) == []
    (line,) = below_floor(report(a=69.9, b=71.0))
    assert line.startswith("depthlm_ros/a.py: 69.9 % is covered: must be 70;")


def test_a_reason_without_its_file_is_out_of_date():
    found = below_floor({"files": {}})
    assert len(found) == len(REASONS) and all("drop its reason" in line for line in found)
