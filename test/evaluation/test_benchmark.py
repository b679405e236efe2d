"""A benchmark run: figures of models that are known beforehand, resuming, shards, the report."""

import json

import numpy as np
import pytest
from PIL import Image

from depthlm_ros.evaluation.benchmark import (
    BenchConfig,
    measure_set,
    parse_set,
    read_records,
    shard_of,
)
from depthlm_ros.evaluation.predictions import Constant, Predictor, published_number
from depthlm_ros.evaluation.report import figures_of, markdown
from depthlm_ros.models.base import DistanceReading
from depthlm_ros.status import StatusError

CAMERA = [100, 100, 49.5, 29.5, 100, 60]


class Words:
    """A point model that says one number, whatever is asked."""

    name = "words"

    def __init__(self, metres):
        self.metres = metres

    def distances(self, rgb, camera, pixels):
        """Return the number for every pixel."""
        return [DistanceReading(self.metres, np.nan, np.nan) for _ in pixels]


@pytest.fixture
def points_file(tmp_path):
    """Write three images whose labels are 2 m, 2 m and 40 m, at pixel (89.5.

    29.5): ray x = 0.4.
    """
    lines = []
    for index, metres in enumerate((2.0, 2.0, 40.0)):
        Image.fromarray(np.zeros((60, 100, 3), np.uint8)).save(tmp_path / f"{index}.png")
        lines.append(
            {
                "image": f"{index}.png",
                "intrinsics": CAMERA,
                "label": "z",
                "pixel_coords": [[89.5, 29.5]] * 2,
                "depth": [metres] * 2,
            }
        )
    path = tmp_path / "points.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path


@pytest.fixture
def maps_file(tmp_path):
    """Write an image of 100 x 60 px with a map of 50 x 30: 2 m, and 4 m in its right half."""
    Image.fromarray(np.zeros((60, 100, 3), np.uint8)).save(tmp_path / "0.png")
    depth = np.full((30, 50), 2000, np.uint16)
    depth[:, 25:] = 4000
    Image.fromarray(depth).save(tmp_path / "d.png")
    line = {
        "image": "0.png",
        "depth_path": "d.png",
        "depth_scale": 1000,
        "label": "z",
        "original_rgb_size": [100, 60],
        "original_depth_size": [50, 30],
        "original_fx": 100.0,
        "canonical_size": [128, 64],
        "pixel_coords": [[5, 5], [45, 5], [45, 9]],
        "depth": [2.0, 4.0, 4.0],
    }
    path = tmp_path / "maps.jsonl"
    path.write_text(json.dumps(line))
    return path


def run(predictor, text, config, out, **rest):
    one = parse_set(text)
    measure_set(predictor, one, config, out, **rest)
    return read_records(out)[one.name]


def test_depthlm_bench_of_a_constant(points_file, tmp_path):
    rows = run(
        Predictor(Constant(2.0)), f"mine={points_file}", BenchConfig(mode="all"), tmp_path / "out"
    )
    assert [row["delta1"] for row in rows] == [1.0, 1.0, 0.0]
    figures = figures_of("mine", rows, by_points=True)
    assert (figures.images, figures.points, figures.always) == (3, 6, pytest.approx(2 / 3))
    assert figures.delta1 == figures.best == pytest.approx(2 / 3)
    assert figures.low < 2 / 3 < figures.high
    # Errors over all points at once: 0, 0, 38 m.
    assert figures.errors["rmse"] == pytest.approx(38 / np.sqrt(3))
    assert figures.errors["abs_rel"] == pytest.approx(0.95 / 3)


@pytest.mark.parametrize(
    ("answers", "as_published", "delta1"),
    [("z", False, 1.0), ("distance", False, 0.0), ("distance", True, 1.0)],
)
def test_what_a_number_means_is_the_users_choice(
    points_file, tmp_path, answers, as_published, delta1
):
    """The label is z = 2 m; 2.49 m as z is within 1.25 of it, or where numbers are not turned.

    2.8 m as distance is z = 2.8 / sqrt(1 + 0.4^2) = 2.6 m, which is not.
    """
    model = Words({"z": 2.49, "distance": 2.8}[answers] if not as_published else 2.49)
    predictor = Predictor(model, answers, as_published)
    config = BenchConfig(mode="all", answers=answers, as_published=as_published, limit=1)
    (row,) = run(predictor, f"mine={points_file}", config, tmp_path / "out")
    assert row["delta1"] == delta1
    expected = 2.8 / np.sqrt(1.16) if (answers, as_published) == ("distance", False) else 2.49
    assert row["predicted_m"][0] == pytest.approx(expected)


def test_published_replies_are_read_by_their_last_number():
    """The released metric takes the last number of any text, and 0 where there is none."""
    nan = float("nan")

    def number(text, metres=nan):
        return published_number(DistanceReading(metres, nan, nan, text))

    assert number("<think> 3.1 </think> <answer> 2.5 </answer>") == 2.5
    assert number("between 2 and 4 m") == 4.0 and number("-7 m") == -7.0
    assert number("far away") == 0.0 and number("", 2.25) == 2.25


def test_depthvlm_bench_sparse_and_dense(maps_file, tmp_path):
    config = BenchConfig("depthvlm")
    (row,) = run(Predictor(Constant(2.0)), f"mine={maps_file}", config, tmp_path / "sparse")
    assert row["delta1"] == pytest.approx(1 / 3) and row["points"] == 3
    dense = BenchConfig("depthvlm", "dense")
    (row,) = run(Predictor(Constant(2.0)), f"mine={maps_file}", dense, tmp_path / "dense")
    assert (row["delta1"], row["points"], row["flying"]) == (0.5, 1500, 1.0)
    # flying: at the truth's scale (median 1.5) a flat map lies between front and back, at 3 m
    assert len(row["truth_m"]) == 200 and "predicted_m" not in row
    with pytest.raises(StatusError, match="words answers point by point"):
        run(Predictor(Words(2.0)), f"mine={maps_file}", dense, tmp_path / "words")


class Raw(Constant):
    """A dense model whose map is 4 m left of column 60, and 96 px wide, whatever the image."""

    def __init__(self):
        super().__init__(1.0)
        self.name = "raw"

    def view_of(self, camera):
        """Return a view of a size of its own."""
        from depthlm_ros.geometry.canonical_view import CanonicalView

        return CanonicalView(camera, camera.resized(96, 64))

    def depth(self, rgb, view):
        """Return the map."""
        assert rgb.shape == (64, 128, 3)  # the canonical image
        out = np.full((64, 96), 1.0, np.float32)
        out[:, :60] = 4.0
        return out


def test_published_sparse_reads_the_raw_map_unscaled(maps_file, tmp_path):
    """Coordinates x 1.28: (6, 5), (58, 5), (58, 10), all left of column 60.

    Truth comes from the resized map there (2.56 columns a depth pixel): 2 m at 6 / 2.56 = 2.3 and
    at 58 / 2.56 = 22.7 of 25. So 4 m is wrong at all three, where the line says 4 m at two.
    """
    config = BenchConfig("depthvlm", as_published=True)
    (row,) = run(
        Predictor(Raw(), as_published=True), f"mine={maps_file}", config, tmp_path / "out"
    )
    assert row["pixels"] == [[6, 5], [58, 5], [58, 10]]
    assert row["truth_m"] == [2.0, 2.0, 2.0] and row["predicted_m"] == [4.0, 4.0, 4.0]
    assert row["delta1"] == 0.0


def test_a_run_goes_on_where_it_stopped(points_file, tmp_path):
    out, config = tmp_path / "out", BenchConfig(mode="all")
    first = run(Predictor(Constant(2.0)), f"mine={points_file}", config, out)
    path = out / "mine_shard0.jsonl"
    whole = path.read_text().splitlines()
    path.write_text("\n".join(whole[:2]) + "\n" + whole[2][:30])  # cut short in the third line
    calls = []
    again = run(
        Predictor(Constant(2.0)),
        f"mine={points_file}",
        config,
        out,
        progress=lambda *told: calls.append(told),
    )
    drop = [{k: v for k, v in row.items() if k != "seconds"} for row in again]
    assert drop == [{k: v for k, v in row.items() if k != "seconds"} for row in first]
    assert path.read_text().splitlines()[1] == whole[1]  # not measured again
    assert calls[-1] == ("mine", 3, 3)
    with pytest.raises(StatusError, match="holds records of .*give another --out"):
        run(Predictor(Constant(3.0)), f"mine={points_file}", config, out)


def test_shards_share_the_images(points_file, tmp_path, monkeypatch):
    out, config = tmp_path / "out", BenchConfig(mode="all")
    one = parse_set(f"mine={points_file}")
    for index in range(2):
        measure_set(Predictor(Constant(2.0)), one, config, out, (index, 2))
    sizes = [len((out / f"mine_shard{i}.jsonl").read_text().splitlines()) - 1 for i in (0, 1)]
    assert sizes == [2, 1]  # ceil(3 / 2), contiguous
    assert [row["line"] for row in read_records(out)["mine"]] == [0, 1, 2]
    assert shard_of("1/4") == (1, 4) and shard_of(None) == (0, 1)
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert shard_of(None) == (3, 8)
    with pytest.raises(StatusError, match="must be I/N"):
        shard_of("4/4")


def test_the_report_has_the_papers_layout(points_file, tmp_path):
    rows = run(
        Predictor(Constant(2.0)),
        f"ibims1={points_file}",
        BenchConfig(mode="all"),
        tmp_path / "out",
    )
    text = markdown("depthlm", "mine", [figures_of("ibims1", rows, True)])
    lines = text.splitlines()
    assert "| delta1 | iBims-1 | mean |" in lines
    assert "| DepthLM 7B (published) | 0.920 | 0.920 |" in lines
    assert "| **mine** | 0.667 | 0.667 |" in lines
    assert "| always 2 m, here | 0.667 | 0.667 |" in lines


def test_the_command(points_file, tmp_path, capsys):
    from depthlm_ros.cli.main import main

    out = tmp_path / "out"
    arguments = [
        "bench",
        "accuracy",
        "--bench",
        "depthlm",
        "--model",
        "constant:2.0",
        "--sets",
        f"ibims1={points_file}",
        "--out",
        str(out),
        "--mode",
        "all",
    ]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "# DepthLMBench: constant:2.0" in text and (out / "report.md").read_text() in text
    assert (out / "report.png").stat().st_size > 2000
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["sets"][0]["delta1"] == pytest.approx(2 / 3)
    assert main(arguments[:6]) == 1
    assert "--bench needs --sets" in capsys.readouterr().err


def test_what_cannot_be_measured_is_refused(tmp_path):
    with pytest.raises(StatusError, match="must be NAME=FILE"):
        parse_set("ibims1")
    with pytest.raises(StatusError, match="holds no records"):
        read_records(tmp_path)
