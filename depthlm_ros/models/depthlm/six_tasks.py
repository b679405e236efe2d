"""The six tasks of DepthLM by text: one or two marked points, or two images, and the prompt.

The answer is the model's own words, parsed strictly; it stands beside what geometry says of the
same points, never in its place.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.geometry.canonical_view import CanonicalView
from depthlm_ros.models.base import DistanceReading
from depthlm_ros.models.depthlm.preprocess import DepthLMPreprocessConfig, target_in_view
from depthlm_ros.models.depthlm.readings import scaled
from depthlm_ros.prompting.marker import Marker, draw_all
from depthlm_ros.prompting.prompts import Prompt, Style, prompt
from depthlm_ros.status import Code, StatusError
from depthlm_ros.tasks import Task


class Asked(Protocol):
    """What ``ask_task`` needs of a DepthLM."""

    path: DepthLMPreprocessConfig
    marker: Marker

    def view_of(self, camera: PinholeCamera) -> CanonicalView:
        """Return the picture, at the unified focal length, that markers are drawn into."""

    def resampled(self, rgb: np.ndarray, camera: PinholeCamera) -> np.ndarray:
        """Return a source image at the unified focal length."""

    def ask(self, question: Prompt, pictures: Sequence) -> DistanceReading:
        """Ask any task's prompt about marked pictures."""


def ask_task(
    model: Asked,
    task: Task,
    images: Sequence[np.ndarray],
    camera: PinholeCamera,
    pixels: Sequence = (),
    given: float | None = None,
) -> DistanceReading:
    """Ask a checkpoint of the six tasks (style MULTITASK) about source images of one camera.

    ``images``: uint8 (H, W, 3), two for CAMERA_MOTION, else one. ``pixels`` (N, 2): one point, two
    for TWO_POINT_DISTANCE, none for CAMERA_MOTION; both markers look the same. ``given``: seconds
    for SPEED, metres a second for TIME. The reading's value is in the task's unit (m, m/s, s), its
    interval unknown. Raises StatusError(BAD_QUESTION) for another number of images or points.
    """
    asked = prompt(task, Style.MULTITASK, time_s=given, speed_m_s=given)
    pixels = np.asarray(pixels, dtype=np.float64).reshape(-1, 2)
    if len(images) != asked.images or len(pixels) != asked.markers:
        raise StatusError(
            Code.BAD_QUESTION,
            f"{len(images)} images and {len(pixels)} points: {Task(task).value} needs "
            f"{asked.images} and {asked.markers}",
        )
    view = model.view_of(camera)
    shown = [model.resampled(image, camera) for image in images]
    targets = [target_in_view(pixel, view, model.path) for pixel in pixels]
    shown[0] = draw_all(shown[0], [model.marker] * len(targets), targets)
    return scaled(model.ask(asked, shown), view.depth_scale)
