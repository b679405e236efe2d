"""``depthlm bench geometry``: what it prints of what it found; its figures are test/geometry's."""

import json

import pytest

from depthlm_ros.benchmarks import geometry
from depthlm_ros.benchmarks.geometry import Table, bench_speed
from depthlm_ros.cli.main import main
from depthlm_ros.geometry.camera import PinholeCamera


@pytest.fixture
def found(monkeypatch):
    """Give the benchmark one clear volume that is not, and errors of 0 to 1 m."""
    clearance = Table()
    clearance.counts.update({"requests": 3, "clear although it is not": 1})
    clearance.failures.append((7, "clear although it is not", "nothing is seen"))
    for error in range(101):
        clearance.add("distance", -error / 100)
    asked = {}

    def stand_in(name, table):
        def bench(count, see):
            asked[name] = count
            return table

        monkeypatch.setattr(geometry, f"bench_{name}", bench)

    stand_in("clearance", clearance)
    stand_in("ground", Table())
    stand_in("scan", Table())
    monkeypatch.setattr(geometry, "bench_speed", lambda rounds: {"all": 1.25 * rounds})
    return asked


def test_a_table_for_people_and_a_missed_bar(found, capsys):
    assert main(["bench", "geometry", "--rounds", "4", "--scenes", "8"]) == 1
    assert found == {"clearance": 8, "ground": 200, "scan": 100}
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "requests 3" in lines and "clear although it is not 1" in lines
    assert "error of distance p50 0.5000, p99 0.9900, max 1.0000" in lines
    assert "scene 7 clear although it is not nothing is seen" in lines
    assert "all 5.00" in lines


def test_the_same_by_json(found, capsys):
    assert main(["bench", "geometry", "--rounds", "0", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["clearance"]["counts"] == {"requests": 3, "clear although it is not": 1}
    assert told["clearance"]["errors"]["distance"] == {"p50": 0.5, "p99": 0.99, "max": 1.0}
    assert told["clearance"]["failures"] == [[7, "clear although it is not", "nothing is seen"]]
    assert told["cpu_ms"] == {}


def test_each_step_of_a_frame_is_timed():
    steps = bench_speed(1, PinholeCamera(131.0, 131.0, 79.5, 59.5, 160, 120))
    parts = sum(value for name, value in steps.items() if name not in ("all", "edge mask"))
    assert steps["all"] == pytest.approx(parts) and min(steps.values()) > 0  # of one round
