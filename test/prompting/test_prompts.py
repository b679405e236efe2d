"""The published words, literal, and the replies that training writes."""

import pytest

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.prompting.parsing import parse_answer
from depthlm_ros.prompting.prompts import TASKS, Style, prompt, ray_answer
from depthlm_ros.status import StatusError
from depthlm_ros.tasks import Task

NEEDED = {Task.SPEED: {"time_s": 4.0}, Task.TIME: {"speed_m_s": 0.5}}


def test_the_published_distance_prompt_is_literal():
    asked = prompt()
    assert (
        asked.question
        == "Given this image, how far is the point pointed by the red arrow from the camera?"
        " Output the thinking process in <think> </think> and final answer (the meter number"
        " only, without the unit) in <answer> </answer> tags."
    )
    assert (
        asked.answer(3.416)
        == "<think> The point is around 3.42 meters away from the camera. </think>\n\n"
        "<answer> 3.42 </answer>"
    )
    assert asked.lead == "<think> The point is around "
    assert asked.reply_suffix == " meters away from the camera. </think>\n\n<answer> "


def test_the_papers_forms_are_literal():
    plain = prompt(style=Style.PLAIN)
    assert plain.question == "How many meters is this point from the camera?"
    assert plain.answer(12.0) == "The point is around 12.00 meters away from the camera."
    assert (
        prompt(style="text_coordinates", size=(1219, 914), pixel=(190, 144)).question
        == "Given this image of size (width = 1219, height = 914), how far is the pixel at (190,"
        " 144) from the camera?"
    )
    camera = PinholeCamera(1000.0, 1001.5, 608.5, 456.19, 1219, 914)
    assert (
        prompt(style="intrinsics", camera=camera).question
        == "Given this image of size (width = 1219, height = 914) where the"
        " camera intrinsics are (fx = 1000.00, fy = 1001.50, cx ="
        " 608.50, cy = 456.19) and the images are without distortions, how many meters is this"
        " point away from the camera?"
    )
    assert (
        ray_answer(-12.5, 3.0, 4.2)
        == "The point is around 12.50 degrees to the left, 3.00 degrees below and "
        "4.20 meters away from the camera."
    )


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("style", [Style.PUBLISHED, Style.PLAIN])
def test_every_task_reads_its_own_reply(task, style):
    asked = prompt(task, style, **NEEDED.get(task, {}))
    assert asked.question.endswith("tags." if asked.tags else "?")
    read = parse_answer(asked.answer(7.25), asked.unit)
    assert (read.value, read.reason) == (7.25, "")
    assert "{" not in asked.question


def test_tasks_say_their_units_pictures_and_markers():
    assert prompt(Task.SPEED, time_s=2).unit == "m/s"
    assert "in 2.00 seconds" in prompt(Task.SPEED, time_s=2).question
    assert prompt(Task.TIME, speed_m_s=1.5).unit == "s"
    assert "at 1.50 meters per second" in prompt(Task.TIME, speed_m_s=1.5).question
    assert prompt(Task.TWO_POINT_DISTANCE).markers == 2
    motion = prompt(Task.CAMERA_MOTION)
    assert (motion.images, motion.markers) == (2, 0)


def test_missing_values_are_refused():
    for arguments in (
        {"task": Task.SPEED},
        {"task": Task.TIME, "speed_m_s": 0.0},
        {"style": "text_coordinates"},
        {"style": "intrinsics"},
        {"task": Task.SPEED, "style": "ray", "time_s": 1.0},
    ):
        with pytest.raises(StatusError):
            prompt(**arguments)


TAGS = (
    " Output the thinking process in <think> </think> and final answer (the {} number only,"
    " without the unit) in <answer> </answer> tags."
)


@pytest.mark.parametrize(
    "task, given, question, unit",
    [
        (
            Task.DEPTH,
            {},
            "How far is this point from the camera in the forward backward direction?",
            "meter",
        ),
        (
            Task.SPEED,
            {"time_s": 4.0},
            "How many meters per second should we move in order to reach this point in exactly"
            " 4.0 seconds?",
            "meters per second",
        ),
        (
            Task.TIME,
            {"speed_m_s": 6.0},
            "How many seconds do we need to reach this point if we move towards it with the"
            " speed of 6.0m/s?",
            "second",
        ),
        (
            Task.TWO_POINT_DISTANCE,
            {},
            "How far are these 2 points from each other?",
            "meter",
        ),
        (
            Task.CAMERA_MOTION,
            {},
            "How many meters has the camera moved between these 2 images?",
            "meter",
        ),
    ],
)
def test_the_six_tasks_are_asked_as_figure_7_words_them(task, given, question, unit):
    asked = prompt(task, Style.MULTITASK, **given)
    assert asked.question == question + TAGS.format(unit)
    assert prompt(Task.DISTANCE, Style.MULTITASK) == prompt()


def test_replies_of_speed_and_time_write_the_division_out():
    # the figure's own: 7.23 / 4.0 = 1.81 and 48.28 / 6.0 = 8.05
    speed = prompt(Task.SPEED, Style.MULTITASK, time_s=4.0)
    assert speed.answer(7.23 / 4.0) == (
        "<think> The point is around 7.23 meters away from the camera. 7.23 / 4.0 = 1.81m/s"
        " </think>\n\n<answer> 1.81 </answer>"
    )
    time = prompt(Task.TIME, Style.MULTITASK, speed_m_s=6.0)
    assert "48.28 / 6.0 = 8.05s </think>\n\n<answer> 8.05 </answer>" in time.answer(48.28 / 6.0)
    assert speed.divides and not prompt().divides
    with pytest.raises(StatusError, match="at least 0.1"):
        prompt(Task.SPEED, Style.MULTITASK, time_s=0.01)


def test_tasks_that_no_model_is_trained_for_are_refused():
    with pytest.raises(StatusError, match="task height: the models are asked distance, depth,"):
        prompt(Task.HEIGHT)


def test_the_papers_name_of_the_depth_along_the_axis_is_the_same_task():
    assert Task("principal_axis_distance") is Task.DEPTH
