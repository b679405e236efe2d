"""Questions answered from the finished depth of an image: what node and command line share.

Joins a FrameDepth, the model that gave it and the model that names things into the ``Scene`` of
``language/answer_scene.py``.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from depthlm_ros.estimator import FrameDepth, FrameEstimator, source_camera
from depthlm_ros.frame import Frame
from depthlm_ros.geometry.regions import rectified_bounds
from depthlm_ros.language.answer import Answer, answered, refused
from depthlm_ros.language.answer_scene import answer_scene
from depthlm_ros.language.boxes import Box
from depthlm_ros.language.free_distance import Body
from depthlm_ros.language.model_reading import READING_TOKENS, ReadByModel, read_by_model
from depthlm_ros.language.quantities import format_number
from depthlm_ros.language.question import MAX_QUESTION, Able, Question
from depthlm_ros.language.question_checks import UnclearError, is_english
from depthlm_ros.models.base import (
    DenseDepthModel,
    LanguageModel,
    PointDepthModel,
    TaskModel,
    asks_tasks,
    grounding_of,
    speaks,
)
from depthlm_ros.status import Code, StatusError
from depthlm_ros.tasks import Task

OWN_TASKS = (Task.DEPTH, Task.SPEED, Task.TIME, Task.TWO_POINT_DISTANCE)
"""Those of DepthLM's six tasks that a model answers beside the geometry; distances it gives."""
BOX_TOKENS = 512
"""Tokens that a list of boxes may take: one box takes about 30."""


class FrameScene:
    """One FrameDepth with its models.

    ``estimator``: that gave it. ``namer``: the model that finds things, the depth model itself if
    None.
    """

    def __init__(
        self,
        estimator: FrameEstimator,
        frame_depth: FrameDepth,
        namer: LanguageModel | None = None,
        body: Body | None = None,
    ) -> None:
        self._estimator, self._frame_depth = estimator, frame_depth
        self._namer = estimator.model if namer is None else namer
        self.body = body or Body()
        frame = frame_depth.frame
        self.size = frame.camera.width, frame.camera.height
        self.depth_map, self.rgb = frame_depth.depth_map, frame.rgb
        self.camera = source_camera(frame_depth)
        self.form = grounding_of(self._namer)
        shown = getattr(self._namer, "shown_size", None)
        self.shown_size = self.size if shown is None else shown(frame.camera)

    def ask(self, prompt: str, mirrored: bool = False) -> str:
        """Return what the model writes about the image, or about its mirror image."""
        rgb, camera = self._frame_depth.frame.rgb, self._frame_depth.frame.camera
        if mirrored:
            rgb = np.ascontiguousarray(rgb[:, ::-1])
            camera = replace(camera, cx=camera.width - 1 - camera.cx)
        return self._namer.reply(rgb, camera, prompt, BOX_TOKENS)

    def read(self, pixels: Sequence) -> list:
        """Return one PointDepth a pixel (N, 2) of the image as taken, in order."""
        return self._estimator.sample(self._frame_depth, pixels)

    def rectified(self, box: Box) -> Box:
        """Return the box, rectified, that is around a box of the image as taken.

        Raises StatusError(OUT_OF_IMAGE) for one that is not inside the image, or not seen.
        """
        camera = self.camera
        edges, last = (box.left, box.top), (camera.width - 0.5, camera.height - 0.5)
        if min(edges) < -0.5 or box.right > last[0] or box.bottom > last[1]:
            raise StatusError(
                Code.OUT_OF_IMAGE,
                f"the region of pixels {edges[0] + 0.5:g} to {box.right - 0.5:g}, "
                f"{edges[1] + 0.5:g} to {box.bottom - 0.5:g} leaves the image of {camera.width} x "
                f"{camera.height}",
            )
        sides = box.left, box.top, box.right, box.bottom
        bounds = rectified_bounds(self._frame_depth.rectifier, sides)
        if bounds is None:
            raise StatusError(Code.OUT_OF_IMAGE, "the rectified image shows nothing of the region")
        return Box(*bounds)

    def as_taken(self, pixel: Sequence) -> tuple[float, float]:
        """Return the pixel as taken of a pixel of the rectified image."""
        u, v = self._frame_depth.rectifier.rectified_to_source(np.asarray(pixel, dtype=float))
        return float(u), float(v)


def able(model: DenseDepthModel | PointDepthModel, namer: LanguageModel | None = None) -> Able:
    """Tell what questions a model can have answered; ``namer`` as in ``FrameScene``."""
    can = Able.THINGS if grounding_of(model if namer is None else namer) else Able.POINTS
    return can | Able.WAYS if isinstance(model, DenseDepthModel) else can


def needs_scene(question: Question) -> bool:
    """Return whether a question needs more than readings at its points."""
    return bool(question.things) or question.task.points == 0


def answer_frame(question: Question, scene: FrameScene, verify: bool = False) -> Answer:
    """Answer a typed question from an image: ``language.answering.answer_scene``."""
    return answer_scene(question, scene, verify)


def may_read(model: object, can: Able, text: str, pixels: Sequence) -> bool:
    """Tell whether a model may read a question that the grammar could not.

    It must write, and things must be found; the question must be in English and come without
    pixels, which the words of a form cannot point at.
    """
    return speaks(model) and Able.THINGS in can and len(pixels) == 0 and is_english(text)


def read_unclear(
    text: str,
    refusal: UnclearError,
    frame: Frame,
    model: LanguageModel,
    can: Able,
    max_length: int = MAX_QUESTION,
) -> ReadByModel:
    """Let a language model read what the grammar could not: ``language.model_reading``.

    One that can be held to a schema (``write_json``) is given the words alone, another the image
    as well. Raises ``refusal``, and what the model raises.
    """

    def write(prompt: str, schema: dict) -> str:
        if hasattr(model, "write_json"):
            return model.write_json(prompt, schema, READING_TOKENS)
        return model.reply(frame.rgb, frame.camera, prompt, READING_TOKENS)

    return read_by_model(text, refusal, write, can, max_length)


def told_as_read(answer: Answer, read: ReadByModel) -> Answer:
    """Return an answer that says as what its question was read."""
    begin = f"Read as '{read.sentence}'"
    if not answer.success:
        return refused(
            answer.code, f"{begin}: {answer.text}", answer.task, answer.unit, answer.evidence
        )
    return replace(answer, sentence=f"{begin} {answer.sentence}")


def answers_itself(model: object, question: Question) -> bool:
    """Tell whether the model was trained for a question's task and can be asked it by pixels."""
    return asks_tasks(model) and question.task in OWN_TASKS and not question.things


def own_answer(question: Question, frame_depth: FrameDepth, model: TaskModel) -> str:
    """Return what a model says itself, as a sentence, to a question that it ``answers_itself``.

    It stands beside the answer of geometry and changes nothing of it.
    """
    camera = source_camera(frame_depth)
    pixels = frame_depth.rectifier.source_to_rectified(question.pixels(camera))
    given = None if math.isnan(question.amount) else question.amount
    frame = frame_depth.frame
    try:
        reading = model.task_reading(question.task.value, [frame.rgb], frame.camera, pixels, given)
    except StatusError as refusal:
        return f" The model itself was not asked: {refusal.text}."
    if reading.code is not Code.OK:
        return f" The model itself gives no number: {reading.reason}."
    unit = question.task.unit
    return f" The model itself says {format_number(reading.distance_m)} {unit}."


def own_motion(before: Frame, after: Frame, model: TaskModel, seconds: float) -> Answer:
    """Answer how far the camera moved between two images, by a model trained for that."""
    task = Task.CAMERA_MOTION
    if before.camera != after.camera:
        raise StatusError(
            Code.NO_FRAME, "the camera's intrinsics changed between the two images: ask again"
        )
    reading = model.task_reading(task.value, [before.rgb, after.rgb], after.camera)
    if reading.code is not Code.OK:
        return refused(reading.code, reading.reason, task.value, task.unit)
    value = reading.distance_m
    said = f"In {seconds:.1f} s the camera moved {format_number(value)} m, as the model sees it."
    return answered(task, (value, math.nan, math.nan), said, source="language")
