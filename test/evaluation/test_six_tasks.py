"""DepthLM's six tasks as a benchmark: questions, answers and the report, by hand."""

import json

import numpy as np
import pytest
from PIL import Image

from depthlm_ros.cli.main import main
from depthlm_ros.datasets.readers import AnnotationFile
from depthlm_ros.evaluation.benchmark import BenchConfig, measure_set, parse_set, read_records
from depthlm_ros.evaluation.predictions import Constant, Predictor
from depthlm_ros.evaluation.published import TASK_ROWS
from depthlm_ros.evaluation.report import figures_of, markdown
from depthlm_ros.evaluation.six_tasks import NAMES, answers, task_items
from depthlm_ros.models.base import DistanceReading
from depthlm_ros.prompting.prompts import TASKS
from depthlm_ros.status import StatusError
from depthlm_ros.tasks import Task

CAMERA = [100, 100, 49.5, 29.5, 100, 60]
# (49.5, 29.5) is the axis: (0, 0, 2) m; (89.5, 29.5) at a z of 2 m: (0.8, 0, 2) m
LINE = {"intrinsics": CAMERA, "label": "z", "pixel_coords": [[49.5, 29.5], [89.5, 29.5]],
        "depth": [2.0, 2.0]}  # fmt: skip


@pytest.fixture
def points_file(tmp_path):
    """Write two images of the same two points."""
    lines = []
    for index in range(2):
        Image.fromarray(np.full((60, 100, 3), index, np.uint8)).save(tmp_path / f"{index}.png")
        lines.append(json.dumps({"image": f"{index}.png", **LINE}))
    path = tmp_path / "points.jsonl"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def motion_file(points_file):
    """Write one pair of images, 1.25 m apart."""
    line = {"image": "0.png", "second_image": "1.png", "camera_motion": 1.25,
            "intrinsics": CAMERA, "label": "distance"}  # fmt: skip
    path = points_file.with_name("motion.jsonl")
    path.write_text(json.dumps(line))
    return path


class Trained:
    """A model of the six tasks: it notes what it is asked, and says 5 of whatever unit."""

    name, asks_tasks = "trained", True

    def __init__(self):
        self.asked = []

    def task_reading(self, task, images, camera, pixels=(), given=None):
        """Say 5."""
        self.asked.append((task, [int(rgb[0, 0, 0]) for rgb in images], len(pixels), given))
        return DistanceReading(5.0, np.nan, np.nan, "5.0")


def items(path, task, count=20):
    return list(task_items(AnnotationFile(path), task, count))


def test_the_names_are_the_papers():
    assert NAMES == ("distance", "principal_axis_distance", "speed", "time",
                     "two_point_distance", "camera_motion")  # fmt: skip
    assert set(TASK_ROWS) == set(TASKS) - {Task.DISTANCE}


def test_truths_of_the_points(points_file):
    distances = {(49.5,): 2.0, (89.5,): np.hypot(2.0, 0.8)}
    for item in items(points_file, Task.DEPTH):
        assert item.pixels.shape[1:] == (1, 2) and np.isnan(item.given).all()
        np.testing.assert_allclose(item.truth, 2.0)
    for task, lowest, highest in ((Task.SPEED, 1.0, 10.0), (Task.TIME, 0.5, 10.0)):
        for item in items(points_file, task):
            assert ((lowest <= item.given) & (item.given <= highest)).all()
            np.testing.assert_array_equal(item.given, item.given.round(1))
            expected = [distances[(u,)] for u in item.pixels[:, 0, 0]] / item.given
            np.testing.assert_allclose(item.truth, expected)
    for item in items(points_file, Task.TWO_POINT_DISTANCE):
        assert item.pixels.shape[1:] == (2, 2)
        np.testing.assert_allclose(item.truth, 0.8)
    assert sum(len(item.truth) for item in items(points_file, Task.SPEED, 7)) == 7


def test_geometry_answers_for_a_model_that_was_not_trained_for_them(points_file):
    """Everything at a z of 3 m: 1.5 times the truth in each task."""
    predictor = Predictor(Constant(3.0))
    for task in (Task.DEPTH, Task.SPEED, Task.TIME, Task.TWO_POINT_DISTANCE):
        for item in items(points_file, task):
            np.testing.assert_allclose(answers(predictor, item), 1.5 * item.truth, rtol=1e-6)


def test_a_trained_model_answers_itself(points_file, motion_file):
    model = Trained()
    (first, *_) = items(points_file, Task.SPEED)
    assert (answers(Predictor(model), first) == 5.0).all()
    assert model.asked[0] == ("speed", [0], 1, first.given[0])
    (pair,) = items(motion_file, Task.CAMERA_MOTION)
    assert pair.truth == [1.25] and answers(Predictor(model), pair) == [5.0]
    assert model.asked[-1] == ("camera_motion", [0, 1], 0, None)


def test_what_cannot_be_measured_is_refused(points_file, motion_file):
    (pair,) = items(motion_file, Task.CAMERA_MOTION)
    with pytest.raises(StatusError, match="does not compare two images"):
        answers(Predictor(Constant(2.0)), pair)
    with pytest.raises(StatusError, match="no line has a second_image"):
        items(points_file, Task.CAMERA_MOTION)
    for change in ({"bench": "depthvlm"}, {"mode": "all"}, {"as_published": True}):
        with pytest.raises(StatusError, match="--task speed: is of --bench depthlm alone"):
            BenchConfig(task=Task.SPEED, **change)


def test_the_report_has_the_papers_rows_of_the_task(motion_file, tmp_path):
    one = parse_set(f"nuscenes={motion_file}")
    config = BenchConfig(task=Task.CAMERA_MOTION)
    measure_set(Predictor(Trained()), one, config, tmp_path / "out")
    rows = read_records(tmp_path / "out")["nuscenes"]
    assert rows[0]["predicted_m"] == [5.0] and rows[0]["truth_m"] == [1.25]
    text = markdown("depthlm", "m", [figures_of("nuscenes", rows, True)], "", config.task)
    assert "| DepthLM 7B of six tasks (published) | 0.762 | 0.762 |" in text
    assert "| **m** | 0.000 | 0.000 |" in text and "DepthLM 3B" not in text


def test_the_command(points_file, tmp_path, capsys):
    arguments = ["bench", "accuracy", "--bench", "depthlm", "--model", "constant:2.2", "--sets",
                 f"ibims1={points_file}", "--out", str(tmp_path / "out"),
                 "--task", "two_point_distance"]  # fmt: skip
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "Task two_point_distance, in m." in said and "| **constant:2.2** | 1.000 |" in said
    assert "| DepthLM 7B of six tasks (published) | 0.760 |" in said
    assert main([*arguments[:-1], "speed"]) == 1  # the folder holds another task's records
    assert "holds records of" in capsys.readouterr().err
