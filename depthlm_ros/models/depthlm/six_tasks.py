"""The six tasks of DepthLM by text: one or two marked points, or two images, and the prompt.

The answer is the model's own words, parsed strictly; it stands beside what geometry says of the
same points, never in its place.
"""

from collections.abc import Sequence

import numpy as np

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.models.base import DistanceReading
from depthlm_ros.models.depthlm.model import DepthLM
from depthlm_ros.models.depthlm.preprocess import target_in_view
from depthlm_ros.models.depthlm.readings import scaled
from depthlm_ros.prompting.marker import draw_all
from depthlm_ros.prompting.prompts import Style, prompt
from depthlm_ros.status import Code, StatusError
from depthlm_ros.tasks import Task


def ask_task(
    model: DepthLM,
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
