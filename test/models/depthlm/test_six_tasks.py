"""The six tasks by text: what is shown, asked and read, with tiny random weights."""

import math
from dataclasses import replace

import numpy as np
import pytest

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models import registry
from depthlm_ros.models.base import asks_tasks
from depthlm_ros.models.depthlm.six_tasks import ask_task
from depthlm_ros.prompting.prompts import TASKS, Style, prompt
from depthlm_ros.status import Code, StatusError
from depthlm_ros.tasks import Task

WIDTH, HEIGHT = 80, 60
RGB = np.random.default_rng(5).integers(0, 200, (HEIGHT, WIDTH, 3), np.uint8)
POINTS = {Task.TWO_POINT_DISTANCE: [(30, 20), (60, 40)], Task.CAMERA_MOTION: []}
GIVEN = {Task.SPEED: 4.0, Task.TIME: 6.0}


@pytest.fixture(scope="module")
def model(reference_checkpoint):
    return registry.load(str(reference_checkpoint("depthlm_qwen_tiny")), "cpu", decoding="full")


def camera(model):
    f = model.path.image.focal_px
    return PinholeCamera(f, f, WIDTH / 2 - 0.5, HEIGHT / 2 - 0.5, WIDTH, HEIGHT)


def ask(model, task, monkeypatch, reply):
    """Ask with the model's words put in; return the reading, the prompt and the pictures."""
    seen = {}

    def note(question, pictures):
        seen.update(question=question, pictures=pictures)
        return type(model).ask(model, question, pictures)

    monkeypatch.setattr(model, "ask", note, raising=False)
    monkeypatch.setattr(model.network, "write", lambda *_: [reply])
    images = [RGB, RGB[::-1].copy()] if task is Task.CAMERA_MOTION else [RGB]
    reading = ask_task(
        model, task, images, camera(model), POINTS.get(task, [(30, 20)]), GIVEN.get(task)
    )
    return reading, seen["question"], seen["pictures"]


@pytest.mark.parametrize("task", TASKS)
def test_every_task_is_shown_asked_and_read(model, monkeypatch, task):
    given = {Task.SPEED: {"time_s": 4.0}, Task.TIME: {"speed_m_s": 6.0}}.get(task, {})
    asked = prompt(task, Style.MULTITASK, **given)
    reading, question, pictures = ask(model, task, monkeypatch, asked.answer(2.0))
    assert question == asked and len(pictures) == asked.images
    assert reading.distance_m == pytest.approx(2.0) and math.isnan(reading.low_m)
    red = (pictures[0] == (255, 0, 0)).all(-1).sum()
    assert red == 9 * asked.markers  # nine pixels an arrow, both of the same look


def test_a_division_that_does_not_hold_is_no_answer(model, monkeypatch):
    wrong = (
        "<think> The point is around 8.00 meters away from the camera. 8.00 / 4.0 = 3.00m/s"
        " </think>\n\n<answer> 3.00 </answer>"
    )
    reading, *_ = ask(model, Task.SPEED, monkeypatch, wrong)
    assert reading.code is Code.NO_ANSWER and math.isnan(reading.distance_m)


def test_the_number_of_points_and_images_is_checked(model):
    for task, images, pixels in (
        (Task.TWO_POINT_DISTANCE, [RGB], [(30, 20)]),
        (Task.CAMERA_MOTION, [RGB], []),
        (Task.DISTANCE, [RGB], []),
    ):
        with pytest.raises(StatusError) as caught:
            ask_task(model, task, images, camera(model), pixels)
        assert caught.value.code is Code.BAD_QUESTION


def test_a_checkpoint_of_the_six_tasks_offers_them_and_another_does_not(
    reference_checkpoint, monkeypatch
):
    folder = str(reference_checkpoint("depthlm_qwen_tiny"))
    model = registry.load(folder, "cpu", style="multitask")
    assert asks_tasks(model) and not asks_tasks(registry.load(folder, "cpu"))
    reply = prompt(Task.SPEED, Style.MULTITASK, time_s=4.0).answer(2.5)
    monkeypatch.setattr(model.network, "write", lambda *_: [reply])
    monkeypatch.setattr(model, "answering", replace(model.answering, by_number=False))
    reading = model.task_reading("speed", [RGB], camera(model), [(30, 20)], 4.0)
    assert reading.distance_m == pytest.approx(2.5)
