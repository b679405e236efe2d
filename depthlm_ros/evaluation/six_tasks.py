"""DepthLM's six tasks on the points of DepthLMBench (DepthLM sections 3.4 and 4.4).

A model trained for the tasks (``TaskModel``) answers in its own words; of every other model the
answer is what geometry makes of its depth at the points. The camera's motion is measured on lines
of two images, by models of the first kind alone. What the paper leaves open is drawn as for
training (``datasets/depthlm_tasks.py``), by the line's number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from depthlm_ros.datasets import depthlm_tasks
from depthlm_ros.datasets.base import LabelKind, Sample, convert
from depthlm_ros.datasets.readers import AnnotationFile
from depthlm_ros.evaluation.predictions import Predictor, frame_of, image_of
from depthlm_ros.evaluation.protocols import POINTS, SEED, depthlm_items
from depthlm_ros.models.base import asks_tasks
from depthlm_ros.prompting.prompts import TASKS
from depthlm_ros.status import Code, StatusError
from depthlm_ros.tasks import PRINCIPAL_AXIS_DISTANCE, Task

NAMES = tuple(PRINCIPAL_AXIS_DISTANCE if task is Task.DEPTH else task.value for task in TASKS)
"""The tasks by the paper's names."""
NAN = float("nan")


@dataclass(frozen=True)
class TaskItem:
    """One image, or two, with questions of one task.

    ``line``: of the annotation file, from 0. ``pixels`` (N, P, 2): the P points of each question,
    of the image as it lies on disk. ``given`` (N,): seconds or metres a second, NaN where the task
    takes none. ``truth`` (N,): in the task's unit.
    """

    line: int
    sample: Sample
    task: Task
    pixels: np.ndarray
    given: np.ndarray
    truth: np.ndarray

    dense = False


def task_items(
    file: AnnotationFile, task: Task, count: int = POINTS, seed: int = SEED
) -> Iterator[TaskItem]:
    """Yield the images of a set with their questions; ``count``: drawn points in all.

    StatusError(NO_FRAME) where the set has no pairs of images and the task needs them.
    """
    if task is Task.CAMERA_MOTION:
        yield from _pairs(file)
        return
    for item in depthlm_items(file, count, seed=seed):
        rng = np.random.default_rng([seed, item.line])
        camera = item.sample.camera
        labelled = item.sample.points.on_grid((camera.width, camera.height))
        everywhere = depthlm_tasks.points_3d(item.sample)
        pixels, given, truth = [], [], []
        for pixel in item.pixels:
            index = int(np.argmin(np.abs(labelled - pixel).sum(axis=1)))
            others = np.flatnonzero((labelled != labelled[index]).any(axis=1))
            if task is Task.TWO_POINT_DISTANCE and not len(others):
                continue
            points = [index]
            if task is Task.TWO_POINT_DISTANCE:
                points.append(int(rng.choice(others)))
            value = depthlm_tasks.given(task, rng)
            pixels.append(labelled[points])
            given.append(value)
            truth.append(depthlm_tasks.value_of(task, everywhere[points], value))
        if pixels:
            arrays = np.array(pixels), np.array(given), np.array(truth)
            yield TaskItem(item.line, item.sample, task, *arrays)


def _pairs(file: AnnotationFile) -> Iterator[TaskItem]:
    found = False
    for line in range(len(file)):
        sample = file[line]
        if sample.second_image is not None:
            found = True
            none = np.empty((1, 0, 2)), np.full(1, NAN)
            yield TaskItem(line, sample, Task.CAMERA_MOTION, *none, np.array([sample.motion_m]))
    if not found:
        raise StatusError(
            Code.NO_FRAME,
            f"{file.path}: no line has a second_image; make them by `depthlm data prepare "
            "argoverse2 --form motion` (or nuscenes)",
        )


def answers(predictor: Predictor, item: TaskItem) -> np.ndarray:
    """Return what the model answers (N,) in the task's unit; NaN for none.

    Raises StatusError(UNSUPPORTED) for the camera's motion and a model not trained for it.
    """
    if asks_tasks(predictor.model):
        return _own_answers(predictor.model, item)
    if item.task is Task.CAMERA_MOTION:
        raise StatusError(
            Code.UNSUPPORTED,
            f"{predictor.model.name} does not compare two images: measure a DepthLM of the six "
            "tasks (--option style=multitask)",
        )
    shape = item.pixels.shape
    points = _points(predictor, item.sample, item.pixels.reshape(-1, 2)).reshape(*shape[:2], 3)
    return np.array(
        [
            depthlm_tasks.value_of(item.task, of, given)
            for of, given in zip(points, item.given, strict=True)
        ]
    )


def _own_answers(model, item: TaskItem) -> np.ndarray:
    sample, frame = item.sample, frame_of(item.sample)
    images = [frame.rgb]
    if item.task is Task.CAMERA_MOTION:
        images.append(image_of(sample, sample.second_image))
    said = []
    for pixels, given in zip(item.pixels, item.given, strict=True):
        value = None if np.isnan(given) else float(given)
        reading = model.task_reading(item.task.value, images, frame.camera, pixels, value)
        said.append(reading.distance_m if reading.code is Code.OK else NAN)
    return np.array(said)


def _points(predictor: Predictor, sample: Sample, pixels: Sequence) -> np.ndarray:
    """Return the points (N, 3) [m] that a model sees at pixels; NaN for none."""
    camera = sample.camera
    depth = predictor.read(sample, np.asarray(pixels))
    z = convert(depth, camera.normalise(pixels), sample.label, LabelKind.Z)
    return camera.unproject(np.asarray(pixels, float), z)
